// Invariant: of two ids made by one process on one clock, the later one is greater.
#include "uuid.h"

#include "utf8.h"

#include <fmt/format.h>

#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <random>

namespace fractal {
namespace {

int hex_digit(char c) noexcept {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

bool hyphen_at(std::size_t i) noexcept { return i == 8 || i == 13 || i == 18 || i == 23; }

// Asked for anew each time, so that a forked child does not repeat its parent's ids.
std::array<std::uint64_t, 2> random_bits() {
  std::array<std::uint64_t, 2> bits{};
  if (getentropy(bits.data(), sizeof bits) == 0) return bits;
  std::random_device device;
  for (std::uint64_t& each : bits) each = static_cast<std::uint64_t>(device()) << 32 | device();
  return bits;
}

// RFC 9562 section 6.2, method 1: a counter of 26 bits (12 in rand_a, 14 at the start of rand_b), which
// starts below its half at a random value in each new millisecond.
constexpr unsigned counter_bits = 26;
constexpr std::int64_t clock_slack_ms = 10'000;

struct Sequence {
  std::mutex mutex;
  std::int64_t milliseconds = -1;
  std::uint32_t counter = 0;
};

struct Tick {
  std::int64_t milliseconds;
  std::uint32_t counter;
};

Tick next_tick(std::int64_t now, std::uint32_t random) {
  static Sequence sequence;
  const std::uint32_t start = random >> (32 - (counter_bits - 1));
  const std::lock_guard lock(sequence.mutex);
  if (now > sequence.milliseconds || now < sequence.milliseconds - clock_slack_ms) {
    sequence.milliseconds = now;
    sequence.counter = start;
  } else if (++sequence.counter == 1u << counter_bits) {
    ++sequence.milliseconds;
    sequence.counter = start;
  }
  return {sequence.milliseconds, sequence.counter};
}

}  // namespace

Uuid make_uuid(Time now) {
  const auto [seed, tail] = random_bits();
  const std::int64_t milliseconds =
      std::clamp<std::int64_t>(now.time_since_epoch().count() / 1000, 0, (std::int64_t{1} << 48) - 1);
  const Tick tick = next_tick(milliseconds, static_cast<std::uint32_t>(seed));

  const std::uint64_t high = static_cast<std::uint64_t>(tick.milliseconds) << 16 | 0x7000u | tick.counter >> 14;
  const std::uint64_t low =
      std::uint64_t{0b10} << 62 | static_cast<std::uint64_t>(tick.counter & 0x3FFF) << 48 | (tail & 0xFFFF'FFFF'FFFF);
  Uuid uuid;
  for (std::size_t i = 0; i < 8; ++i) {
    uuid.bytes[i] = static_cast<std::uint8_t>(high >> (56 - 8 * i));
    uuid.bytes[8 + i] = static_cast<std::uint8_t>(low >> (56 - 8 * i));
  }
  return uuid;
}

Result<Uuid> Uuid::parse(std::string_view text) {
  const Error bad{Errc::invalid_argument, fmt::format("\"{}\" is not a UUID", excerpt(text))};
  if (text.size() != 36) return bad;
  Uuid uuid;
  std::size_t digits = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (hyphen_at(i)) {
      if (text[i] != '-') return bad;
      continue;
    }
    const int digit = hex_digit(text[i]);
    if (digit < 0) return bad;
    std::uint8_t& byte = uuid.bytes[digits++ / 2];
    byte = static_cast<std::uint8_t>(byte << 4 | digit);
  }
  return uuid;
}

std::string Uuid::to_string() const {
  static constexpr char hex[] = "0123456789abcdef";
  std::string text(36, '-');
  std::size_t digits = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (hyphen_at(i)) continue;
    const std::uint8_t byte = bytes[digits / 2];
    text[i] = hex[digits++ % 2 == 0 ? byte >> 4 : byte & 0xF];
  }
  return text;
}

}  // namespace fractal
