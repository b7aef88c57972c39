// Invariant: an index that is open has checked options, and collections that no other storage's index uses.
#include "backends/milvus/milvus_index.h"
#include "src/error.h"
#include "src/percent.h"
#include "src/remote_open.h"

#include <algorithm>
#include <charconv>
#include <cstdint>

namespace fractal::milvus {
namespace {

constexpr std::string_view standard_port = "19530";

bool is_name(std::string_view text) {
  return !text.empty() && text.size() <= 64 && !(text.front() >= '0' && text.front() <= '9') &&
         std::all_of(text.begin(), text.end(), [](char c) {
           return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
         });
}

Error bad(std::string_view what) { return make_error(Errc::invalid_argument, "milvus: {}", what); }

Result<std::string> decoded(std::string_view text) {
  auto bytes = percent_decoded(text);
  if (!bytes) return bad("the URL has a % without two hexadecimal digits behind it");
  return std::move(*bytes);
}

template <class Number> Result<void> read_number(std::string_view name, std::string_view text, Number& number) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error == std::errc() && end == text.data() + text.size() && number != 0) return {};
  return make_error(Errc::invalid_argument, "milvus: {} is a number, 1 at least", name);
}

Result<void> read_parameter(std::string_view name, const std::string& value, MilvusOptions& options) {
  if (name == "prefix") {
    options.prefix = value;
  } else if (name == "ca") {
    options.certificates = value;
  } else if (name == "consistency") {
    if (value == "strong") {
      options.consistency = MilvusConsistency::strong;
    } else if (value == "session") {
      options.consistency = MilvusConsistency::session;
    } else if (value == "bounded") {
      options.consistency = MilvusConsistency::bounded;
    } else {
      return bad("consistency is strong, session or bounded");
    }
  } else if (name == "wait") {
    if (value != "yes" && value != "no") return bad("wait is yes or no");
    options.wait = value == "yes";
  } else if (name == "grace") {
    std::uint32_t milliseconds = 0;
    FRACTAL_TRY(read_number(name, value, milliseconds));
    options.grace = std::chrono::milliseconds(milliseconds);
  } else if (name == "queue_bytes") {
    FRACTAL_TRY(read_number(name, value, options.queue_bytes));
  } else if (name == "most_scanned") {
    FRACTAL_TRY(read_number(name, value, options.most_scanned));
  } else {  // its name is not told: it may be a password's part
    return bad("a URL has only the parameters prefix, consistency, ca, wait, grace, queue_bytes and most_scanned");
  }
  return {};
}

Result<void> check(const MilvusOptions& options) {
  if (!is_name(options.prefix)) return bad("prefix is letters, digits and _, not a digit first, at most 64");
  if (!is_name(options.index)) return bad("index is no name of an index type");
  if (options.call_timeout.count() <= 0 || options.connect_timeout.count() <= 0)
    return bad("a time-out is not positive");
  if (options.grace < std::chrono::milliseconds(100)) return bad("grace is less than 100 ms");
  return {};
}

}  // namespace

Result<std::pair<MilvusOptions, MilvusAddress>> read_url(MilvusOptions options) {
  std::string_view rest = options.url;
  MilvusAddress address;
  const auto take = [&rest](std::string_view start) {
    if (!rest.starts_with(start)) return false;
    rest.remove_prefix(start.size());
    return true;
  };
  if (take("milvus+tls://")) {
    address.tls = true;
  } else if (!take("milvus://")) {
    return bad("the URL does not begin with milvus:// or milvus+tls://");
  }
  std::string_view parameters;
  if (const auto mark = rest.find('?'); mark != std::string_view::npos) {
    parameters = rest.substr(mark + 1);
    rest = rest.substr(0, mark);
  }
  if (const auto at = rest.rfind('@'); at != std::string_view::npos) {  // first: a password may have a slash
    FRACTAL_TRY_INTO(options.token, decoded(rest.substr(0, at)));
    rest = rest.substr(at + 1);
  }
  if (const auto slash = rest.find('/'); slash != std::string_view::npos) {
    FRACTAL_TRY_INTO(address.database, decoded(rest.substr(slash + 1)));
    rest = rest.substr(0, slash);
  }
  if (rest.empty()) return bad("the URL names no server");
  address.server = rest;
  const bool has_port =
      rest.front() == '[' ? rest.find("]:") != std::string_view::npos : rest.find(':') != std::string_view::npos;
  if (!has_port) address.server += fmt::format(":{}", standard_port);
  while (!parameters.empty()) {
    const auto end = parameters.find('&');
    const std::string_view one = parameters.substr(0, end);
    parameters = end == std::string_view::npos ? std::string_view() : parameters.substr(end + 1);
    const auto equals = one.find('=');
    if (equals == std::string_view::npos) return bad("a parameter of the URL has no =");
    FRACTAL_TRY_INTO(const std::string value, decoded(one.substr(equals + 1)));
    FRACTAL_TRY(read_parameter(one.substr(0, equals), value, options));
  }
  FRACTAL_TRY(check(options));
  address.token = options.token;
  address.certificates = options.certificates;
  if (!address.certificates.empty() && !address.tls) return bad("certificates are given, but the URL is without TLS");
  return std::pair(std::move(options), std::move(address));
}

Result<std::shared_ptr<RemoteVectorIndex>> make_milvus_index(const MilvusOptions& given, const std::string& identity,
                                                             RemoteSource source) {
  FRACTAL_TRY_INTO(const auto read, read_url(given));
  const auto& [options, address] = read;
  FRACTAL_TRY_INTO(auto client, Client::open(address, options));
  auto store =
      std::make_shared<MilvusStore>(std::move(client), fmt::format("{}_{}", options.prefix, identity), options);
  const RemoteSetting setting{.wait = options.wait,
                              .queue_bytes = options.queue_bytes,
                              .most_scanned = options.most_scanned,
                              .grace = options.grace};
  return std::shared_ptr<RemoteVectorIndex>(
      std::make_shared<RemoteIndex>(std::move(store), std::move(source), setting));
}

}  // namespace fractal::milvus

namespace fractal {

Result<std::shared_ptr<RemoteVectorIndex>> open_milvus_index(const MilvusOptions& options,
                                                             const std::shared_ptr<Storage>& storage) {
  if (!storage) return Error{Errc::invalid_argument, "milvus: no storage is given"};
  FRACTAL_TRY(milvus::read_url(options));
  FRACTAL_TRY_INTO(const std::string identity, remote_identity(*storage, "milvus"));
  return milvus::make_milvus_index(options, identity, source_of(storage));
}

Result<std::shared_ptr<VectorIndex>> open_milvus_url(const std::string& url, const Options&,
                                                     const std::shared_ptr<Storage>& storage) {
  FRACTAL_TRY_INTO(auto index, open_milvus_index({.url = url}, storage));
  return std::shared_ptr<VectorIndex>(std::move(index));
}

}  // namespace fractal
