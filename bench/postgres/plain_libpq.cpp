#include "bench/postgres/plain_libpq.h"

#include <poll.h>

#include <bit>
#include <cstring>
#include <stdexcept>

namespace fractal::bench {
namespace {

constexpr Oid bool_type = 16, bytea_type = 17, int8_type = 20, text_type = 25, float8_type = 701;
constexpr Oid bytea_array = 1001, text_array = 1009, int8_array = 1016, float8_array = 1022;

std::string big_endian(std::uint64_t value, std::size_t size) {
  std::string out(size, '\0');
  for (std::size_t i = 0; i < size; ++i) out[i] = static_cast<char>(value >> (8 * (size - 1 - i)));
  return out;
}

Parameter array(Oid type, Oid element, const std::vector<std::string>& values) {
  std::string out =
      big_endian(1, 4) + big_endian(0, 4) + big_endian(element, 4) + big_endian(values.size(), 4) + big_endian(1, 4);
  for (const std::string& value : values) out += big_endian(value.size(), 4) + value;
  return {out, type};
}

}  // namespace

Parameter number(std::uint64_t value) { return {big_endian(value, 8), int8_type}; }
Parameter real(double value) { return {big_endian(std::bit_cast<std::uint64_t>(value), 8), float8_type}; }
Parameter truth(bool value) { return {std::string(1, value ? '\1' : '\0'), bool_type}; }
Parameter bytes(std::string_view value) { return {std::string(value), bytea_type}; }
Parameter text(std::string_view value) { return {std::string(value), text_type}; }
Parameter nothing(Oid type) { return {{}, type, true}; }

Parameter numbers(const std::vector<std::uint64_t>& values) {
  std::vector<std::string> elements;
  for (const std::uint64_t value : values) elements.push_back(big_endian(value, 8));
  return array(int8_array, int8_type, elements);
}
Parameter reals(const std::vector<double>& values) {
  std::vector<std::string> elements;
  for (const double value : values) elements.push_back(real(value).bytes);
  return array(float8_array, float8_type, elements);
}
Parameter many_bytes(const std::vector<std::string>& values) { return array(bytea_array, bytea_type, values); }
Parameter many_texts(const std::vector<std::string>& values) { return array(text_array, text_type, values); }

PlainLibpq::PlainLibpq(const std::string& url) : connection_(PQconnectdb(url.c_str()), &PQfinish) {
  if (PQstatus(connection_.get()) != CONNECTION_OK || PQenterPipelineMode(connection_.get()) == 0 ||
      PQsetnonblocking(connection_.get(), 1) != 0) {
    fail();
  }
}

void PlainLibpq::fail() const { throw std::runtime_error(PQerrorMessage(connection_.get())); }

const std::string& PlainLibpq::prepared(const char* sql, std::span<const Oid> types) {
  const auto [at, fresh] = names_.try_emplace(sql);
  if (fresh) {
    at->second = "p" + std::to_string(names_.size());
    if (PQsendPrepare(connection_.get(), at->second.c_str(), sql, static_cast<int>(types.size()), types.data()) == 0) {
      fail();
    }
    ++sent_;
  }
  return at->second;
}

void PlainLibpq::send(const char* sql, const std::vector<Parameter>& parameters) {
  std::vector<const char*> values;
  std::vector<int> sizes;
  std::vector<Oid> types;
  for (const Parameter& parameter : parameters) {
    values.push_back(parameter.null ? nullptr : parameter.bytes.data());
    sizes.push_back(static_cast<int>(parameter.bytes.size()));
    types.push_back(parameter.type);
  }
  const std::vector<int> formats(parameters.size(), 1);
  const std::string& name = prepared(sql, types);
  if (PQsendQueryPrepared(connection_.get(), name.c_str(), static_cast<int>(parameters.size()), values.data(),
                          sizes.data(), formats.data(), 1) == 0) {
    fail();
  }
  ++sent_;
}

PlainLibpq::Result PlainLibpq::next() {
  while (PQisBusy(connection_.get()) != 0) {
    pollfd waiting{.fd = PQsocket(connection_.get()), .events = POLLIN, .revents = 0};
    ::poll(&waiting, 1, -1);
    if (PQconsumeInput(connection_.get()) == 0) fail();
  }
  return {PQgetResult(connection_.get()), &PQclear};
}

void PlainLibpq::flush() {
  if (PQflush(connection_.get()) < 0) fail();
}

std::vector<std::string> PlainLibpq::finish() {
  if (PQpipelineSync(connection_.get()) == 0) fail();
  flush();
  std::vector<std::string> found;
  for (; sent_ > 0; --sent_) {
    while (const Result result = next()) {
      const ExecStatusType status = PQresultStatus(result.get());
      if (status != PGRES_TUPLES_OK && status != PGRES_COMMAND_OK) {
        throw std::runtime_error(PQresultErrorMessage(result.get()));
      }
      if (status != PGRES_TUPLES_OK) continue;
      found.clear();
      for (int row = 0; row < PQntuples(result.get()); ++row) {
        found.emplace_back(PQgetvalue(result.get(), row, 0),
                           static_cast<std::size_t>(PQgetlength(result.get(), row, 0)));
      }
    }
  }
  if (const Result sync = next(); PQresultStatus(sync.get()) != PGRES_PIPELINE_SYNC) fail();
  return found;
}

}  // namespace fractal::bench
