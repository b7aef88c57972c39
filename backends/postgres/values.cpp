// Invariant: what is sent is what PostgreSQL's binary input functions expect, in network byte order.
#include "backends/postgres/connection.h"

#include <bit>

namespace fractal::postgres_backend {
namespace {

void append_int(std::string& text, std::uint64_t value, int bytes) {
  for (int shift = 8 * (bytes - 1); shift >= 0; shift -= 8) text += static_cast<char>(value >> shift & 0xFF);
}

void store_int4(char* at, std::uint32_t value) {
  for (int i = 0; i < 4; ++i) at[i] = static_cast<char>(value >> (24 - 8 * i) & 0xFF);
}

std::uint64_t read_int(std::string_view bytes) {
  std::uint64_t value = 0;
  for (const char byte : bytes) value = value << 8 | static_cast<unsigned char>(byte);
  return value;
}

}  // namespace

void copy_components(const void* from, void* to, std::size_t count) {
  std::memcpy(to, from, count * sizeof(float));
  if constexpr (std::endian::native == std::endian::big) return;
  auto* const bytes = static_cast<char*>(to);
  for (std::size_t i = 0; i < count; ++i) {
    std::uint32_t one = 0;
    std::memcpy(&one, bytes + i * sizeof one, sizeof one);
    one = __builtin_bswap32(one);
    std::memcpy(bytes + i * sizeof one, &one, sizeof one);
  }
}

void Values::entry(const void* data, std::size_t size, Oid type) {
  entries_.push_back({data_.size(), static_cast<int>(size), data == nullptr, type});
  if (data != nullptr) data_.append(static_cast<const char*>(data), size);
}

void Values::add_int8(std::uint64_t value) {
  entries_.push_back({data_.size(), 8, false, int8_type});
  append_int(data_, value, 8);
}

void Values::add(double value) {
  entries_.push_back({data_.size(), 8, false, float8_type});
  append_int(data_, std::bit_cast<std::uint64_t>(value), 8);
}

void Values::add(Components vector) {
  entries_.push_back({data_.size(), 0, false, not_said});
  append_int(data_, vector.numbers.size(), 2);
  append_int(data_, 0, 2);
  const std::size_t at = data_.size();
  data_.resize(at + vector.numbers.size_bytes());
  copy_components(vector.numbers.data(), data_.data() + at, vector.numbers.size());
  end_array();
}

void Values::begin_array(Oid type, Oid element, std::size_t count) {
  entries_.push_back({data_.size(), 0, false, type});
  append_int(data_, count == 0 ? 0 : 1, 4);  // dimensions
  append_int(data_, 0, 4);                   // no null in it
  append_int(data_, element, 4);
  if (count == 0) return;
  append_int(data_, count, 4);
  append_int(data_, 1, 4);  // lower bound
}

void Values::end_array() { entries_.back().size = static_cast<int>(data_.size() - entries_.back().begin); }

void Values::element(std::string_view bytes) {
  const std::size_t at = data_.size();
  data_.append(4, '\0');
  store_int4(data_.data() + at, static_cast<std::uint32_t>(bytes.size()));
  data_ += bytes;
}

void Values::add(std::span<const std::uint64_t> numbers) {
  begin_array(int8_array, int8_type, numbers.size());
  for (const std::uint64_t number : numbers) append_int(data_, 8, 4), append_int(data_, number, 8);
  end_array();
}

void Values::add(std::span<const std::uint32_t> numbers) {
  begin_array(int8_array, int8_type, numbers.size());
  for (const std::uint32_t number : numbers) append_int(data_, 8, 4), append_int(data_, number, 8);
  end_array();
}

void Values::add(std::span<const double> numbers) {
  begin_array(float8_array, float8_type, numbers.size());
  for (const double number : numbers)
    append_int(data_, 8, 4), append_int(data_, std::bit_cast<std::uint64_t>(number), 8);
  end_array();
}

void Values::add(const std::vector<Bytes>& all) {
  begin_array(bytea_array, bytea_type, all.size());
  for (const Bytes& one : all) element(one.bytes);
  end_array();
}

void Values::add(const std::vector<Text>& all) {
  begin_array(text_array, text_type, all.size());
  for (const Text& one : all) element(one.bytes);
  end_array();
}

std::int64_t Rows::integer(int row, int column) const {
  const std::string_view value = bytes(row, column);
  const std::uint64_t number = read_int(value);
  switch (value.size()) {
    case 1: return number == 0 ? 0 : 1;
    case 2: return static_cast<std::int16_t>(number);
    case 4: return static_cast<std::int32_t>(number);
    default: return static_cast<std::int64_t>(number);
  }
}

double Rows::real(int row, int column) const { return std::bit_cast<double>(read_int(bytes(row, column))); }

std::uint64_t Rows::affected() const { return result_ ? std::strtoull(PQcmdTuples(result_.get()), nullptr, 10) : 0; }

}  // namespace fractal::postgres_backend
