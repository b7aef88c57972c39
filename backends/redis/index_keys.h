// Names on the server, of an index's keys. No text of a user's is in them: a storage's identity, numbers, and the prefix
// of the options.
//
//   BASE                          prefix:identity
//   BASE:places                   a set of "dimension:metric"
//   BASE:dimension:metric         PLACE
//   PLACE:n                       the FT index, PLACE:current says which n counts
//   PLACE:v:{space}:epoch:name    a hash: a living version, which the FT index has
//   PLACE:r:{space}:epoch:name    a hash: a raw version, which it has not
//   PLACE:s:{space}:marks         a hash: an epoch's mark, and behind "c" how far it is cleaned
//   PLACE:s:{space}:epochs        a sorted set of all epochs that have or had rows
//   PLACE:s:{space}:rows:epoch    a sorted set: name and kind of every version, also of removals
//   PLACE:s:{space}:raw:epoch     a sorted set: those of raw versions
//   PLACE:s:{space}:writes:epoch  a sorted set: the latest writes' tokens
//
// Ids, sequences and epochs have 64 bits, and a score or a number of the server's is a double: they are 16 hexadecimal
// digits, in sorted sets whose scores are all 0, so that their order is the members'.
#ifndef FRACTAL_BACKENDS_REDIS_INDEX_KEYS_H
#define FRACTAL_BACKENDS_REDIS_INDEX_KEYS_H

#include "src/version_store.h"

#include <optional>
#include <string>
#include <string_view>

namespace fractal::redis_backend {

std::string hex(std::uint64_t number);
std::optional<std::uint64_t> from_hex(std::string_view digits);

// Of a version in an epoch: id and sequence.
std::string version_name(MemoryId id, std::uint64_t born);
struct NamedVersion {
  MemoryId id = 0;
  std::uint64_t born = 0;
};
std::optional<NamedVersion> version_of(std::string_view name);
inline constexpr std::size_t name_size = 32;

class PlaceKeys {
 public:
  PlaceKeys(std::string_view base, std::uint32_t dimension, Metric metric);
  const std::string& place() const { return place_; }
  std::string member() const { return member_; }  // of BASE:places
  std::string current() const { return place_ + ":current"; }
  std::string index(std::uint64_t n) const;
  std::string living_prefix() const { return place_ + ":v:"; }

 private:
  std::string member_, place_;
};

class SpaceKeys {
 public:
  SpaceKeys(const PlaceKeys& place, std::uint64_t space);
  const std::string& marks() const { return marks_; }
  const std::string& epochs() const { return epochs_; }

 private:
  std::string marks_, epochs_;
};

class EpochKeys {
 public:
  EpochKeys(const PlaceKeys& place, std::uint64_t space, std::string_view epoch);
  const std::string& rows() const { return rows_; }
  const std::string& raw() const { return raw_; }
  const std::string& writes() const { return writes_; }
  const std::string& tag() const { return tag_; }  // of this epoch's rows, in the FT index
  std::string living_row(std::string_view name) const { return living_ + std::string(name); }
  std::string raw_row(std::string_view name) const { return raw_rows_ + std::string(name); }
  std::string row(VersionKind kind, std::string_view name) const {
    return kind == VersionKind::raw ? raw_row(name) : living_row(name);
  }

 private:
  std::string rows_, raw_, writes_, tag_, living_, raw_rows_;
};

}  // namespace fractal::redis_backend

#endif
