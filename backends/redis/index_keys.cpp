// Invariant: two things have two names, and what is parsed is what was written.
#include "backends/redis/index_keys.h"

#include "src/version_text.h"

#include <fmt/format.h>

#include <charconv>

namespace fractal::redis_backend {

std::string hex(std::uint64_t number) { return fmt::format("{:016x}", number); }

std::optional<std::uint64_t> from_hex(std::string_view digits) {
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), number, 16);
  if (digits.size() != 16 || error != std::errc() || end != digits.data() + digits.size()) return std::nullopt;
  return number;
}

std::string version_name(MemoryId id, std::uint64_t born) { return hex(id) + hex(born); }

std::optional<NamedVersion> version_of(std::string_view name) {
  if (name.size() != name_size) return std::nullopt;
  const auto id = from_hex(name.substr(0, 16)), born = from_hex(name.substr(16));
  if (!id || !born) return std::nullopt;
  return NamedVersion{.id = *id, .born = *born};
}

PlaceKeys::PlaceKeys(std::string_view base, std::uint32_t dimension, Metric metric)
    : member_(fmt::format("{}:{}", dimension, metric_name(metric))), place_(fmt::format("{}:{}", base, member_)) {}

std::string PlaceKeys::index(std::uint64_t n) const { return fmt::format("{}:{}", place_, n); }

SpaceKeys::SpaceKeys(const PlaceKeys& place, std::uint64_t space)
    : marks_(fmt::format("{}:s:{{{}}}:marks", place.place(), space)),
      epochs_(fmt::format("{}:s:{{{}}}:epochs", place.place(), space)) {}

EpochKeys::EpochKeys(const PlaceKeys& place, std::uint64_t space, std::string_view epoch)
    : rows_(fmt::format("{}:s:{{{}}}:rows:{}", place.place(), space, epoch)),
      raw_(fmt::format("{}:s:{{{}}}:raw:{}", place.place(), space, epoch)),
      writes_(fmt::format("{}:s:{{{}}}:writes:{}", place.place(), space, epoch)),
      tag_(fmt::format("{}x{}", space, epoch)),
      living_(fmt::format("{}{{{}}}:{}:", place.living_prefix(), space, epoch)),
      raw_rows_(fmt::format("{}:r:{{{}}}:{}:", place.place(), space, epoch)) {}

}  // namespace fractal::redis_backend
