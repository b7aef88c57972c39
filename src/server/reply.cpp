// Invariant: every body made here is valid JSON in UTF-8, whatever bytes came in.
#include "src/server/reply.h"

#include "src/json.h"
#include "src/utf8.h"

#include <fmt/format.h>

#include <algorithm>

namespace fractal::server {
namespace {

constexpr std::size_t least_piece = 64u << 10;
constexpr std::chrono::seconds most_time{1};  // before a client gets to see something

}  // namespace

std::string quoted(std::string_view text) {
  if (valid_utf8(text)) return json::quote(text);
  std::string mended;
  while (!text.empty()) {
    std::size_t length = 4;
    while (length > 0 && (length > text.size() || !valid_utf8(text.substr(0, length)))) --length;
    if (length == 0) {
      mended += "\xEF\xBF\xBD";
      length = 1;
    } else {
      mended += text.substr(0, length);
    }
    text.remove_prefix(length);
  }
  return json::quote(mended);
}

Reply refusal(unsigned status, Say what, Language language, std::string_view value) {
  Reply reply{.status = status, .body = Object().text("detail", say(what, language, value)).str()};
  if (status == 401) reply.headers.emplace_back("WWW-Authenticate", "Bearer");
  if (status == 503) reply.headers.emplace_back("Retry-After", "1");
  return reply;
}

Reply in_pieces(const std::function<std::optional<std::string>()>& next) {
  Reply reply;
  const auto deadline = std::chrono::steady_clock::now() + most_time;
  // A short answer has its length in its headers.
  while (reply.body.size() < least_piece && std::chrono::steady_clock::now() < deadline) {
    auto piece = next();
    if (!piece) return reply;
    reply.body += *piece;
  }
  reply.more = next;
  return reply;
}

void PieceSize::held(std::size_t records, std::size_t bytes) {
  constexpr std::size_t wanted = 1u << 20;
  const std::size_t of_one = std::max<std::size_t>(1, bytes / std::max<std::size_t>(1, records));
  size_ = std::clamp<std::size_t>(wanted / of_one, 1, std::min<std::size_t>(1'000, 8 * size_));
}

Reply flawed(const std::vector<Flaw>& flaws, Language language) {
  return {.status = 422, .body = Object().raw("detail", to_json(flaws, language)).str()};
}

Object& Object::text(std::string_view name, std::string_view value) { return raw(name, quoted(value)); }

Object& Object::plain(std::string_view name, std::string_view ascii) {
  raw(name, "\"");
  text_.append(ascii).append("\"");
  return *this;
}

Object& Object::number(std::string_view name, double value) { return raw(name, json::number(value)); }

Object& Object::count(std::string_view name, std::uint64_t value) { return raw(name, fmt::to_string(value)); }

Object& Object::flag(std::string_view name, bool value) { return raw(name, value ? "true" : "false"); }

Object& Object::raw(std::string_view name, std::string_view json) {
  text_.append(text_.size() > 1 ? ", \"" : "\"").append(name).append("\": ").append(json);
  return *this;
}

std::string array_of(const std::vector<std::string>& elements) {
  return fmt::format("[{}]", fmt::join(elements, ", "));
}

}  // namespace fractal::server
