// The values that go in and come out: coordinates, memories, links, batches, and the limits on them.
// All are plain value types: copy them, keep them, use them from any thread.
#ifndef FRACTAL_TYPES_H
#define FRACTAL_TYPES_H

#include <fractal/filter.h>
#include <fractal/result.h>

#include <array>
#include <boost/container/small_vector.hpp>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace fractal {

// Beyond these a call fails with invalid_argument, names the limit, and writes nothing.
namespace limits {
inline constexpr std::size_t coordinate_text = 512;           // characters of Coordinate::to_string()
inline constexpr std::size_t space_name = 255;                // bytes of tenant and of name
inline constexpr std::size_t link_type = 100;                 // bytes
inline constexpr std::size_t payload = 16u << 20;             // bytes
inline constexpr std::size_t metadata = 1u << 20;             // bytes, of a memory or a link
inline constexpr std::size_t json_depth = 512;                // nested objects and arrays
inline constexpr std::size_t dimension = 16'384;              // components of an embedding
inline constexpr std::size_t batch_entries = 100'000;         // entries of one Batch
inline constexpr std::size_t batch_bytes = 256u << 20;        // payloads, metadata and vectors of one Batch
inline constexpr std::size_t top_k = 100'000;                 // top_k + offset of a search, limit + offset of a walk
inline constexpr std::size_t page = 100'000;                  // memories in one page of a list
inline constexpr std::size_t hops = 64;                       // of a walk
inline constexpr std::size_t query_text = 1u << 20;           // bytes
inline constexpr std::size_t query_terms = 32;                // distinct words of a keyword query; the rest is not used
inline constexpr std::size_t text_fields = 32;                // Options::text_fields, with at most 4 different weights
inline constexpr std::size_t indexed_fields = 64;             // per database
inline constexpr std::size_t least_memory_budget = 4u << 20;  // bytes
inline constexpr std::size_t least_disk_budget = 4u << 20;
}  // namespace limits

// A closed world inside a database: nothing read, written or computed crosses its border, not even
// word statistics. A space exists from the first write on. Names: 1 to 255 bytes of UTF-8, no NUL.
struct Space {
  std::string tenant = "default";
  std::string name = "default";

  friend bool operator==(const Space&, const Space&) = default;
  friend auto operator<=>(const Space&, const Space&) = default;
};

// An address: 1 to 128 finite numbers. Text form "1.0,2.0,3.0", each number as the shortest text
// that reads back as the same double (as Python's repr), at most 512 characters. -0 is 0.
// The descendants of a coordinate are those that begin with it: {1,2} is an ancestor of {1,2,3}.
// They are its *subtree*, and a range of the keys.
class FRACTAL_API Coordinate {
 public:
  Coordinate() noexcept = default;  // Empty: not an address. Every call refuses it.
  Coordinate(std::initializer_list<double> components) : Coordinate(std::span(components.begin(), components.size())) {}
  explicit Coordinate(std::span<const double> components);
  Coordinate(const Coordinate&) = default;
  Coordinate& operator=(const Coordinate&) = default;
  Coordinate(Coordinate&& other) noexcept;
  Coordinate& operator=(Coordinate&& other) noexcept;
  ~Coordinate() = default;

  // Numbers separated by commas; blanks around them and blank parts are skipped; a number is read as
  // Python's float() reads it ("1_000", ".5", "+5", "1e3"). Refused: no number at all, NaN, infinity, more
  // than 512 characters in text form.
  static Result<Coordinate> parse(std::string_view text);
  std::string to_string() const;

  std::span<const double> components() const noexcept { return {components_.data(), components_.size()}; }
  std::size_t size() const noexcept { return components_.size(); }
  bool empty() const noexcept { return components_.empty(); }
  double operator[](std::size_t i) const noexcept { return components_[i]; }

  // invalid_argument if empty, not finite, or too long.
  Result<void> check() const;
  // Equal to the ancestor or below it.
  bool within(const Coordinate& ancestor) const noexcept;
  // Euclidean; both must have the same number of components.
  double distance(const Coordinate& other) const noexcept;

  // Eight big-endian bytes a component; byte order is numeric order, a prefix is an ancestor.
  std::string key() const;
  static Result<Coordinate> from_key(std::string_view key);

  // Numeric, component by component; an ancestor comes before its descendants.
  friend FRACTAL_API bool operator==(const Coordinate& left, const Coordinate& right) noexcept;
  friend FRACTAL_API std::weak_ordering operator<=>(const Coordinate& left, const Coordinate& right) noexcept;

 private:
  boost::container::small_vector<double, 4> components_;
};

// RFC 9562, version 7 when we make it: sorts by the time it was made.
struct FRACTAL_API Uuid {
  std::array<std::uint8_t, 16> bytes{};

  static Result<Uuid> parse(std::string_view text);
  std::string to_string() const;  // 36 characters, lower case
  bool empty() const noexcept { return *this == Uuid{}; }
  friend bool operator==(const Uuid&, const Uuid&) = default;
  friend auto operator<=>(const Uuid&, const Uuid&) = default;
};

enum class MemoryType : std::uint8_t { episodic, semantic };
FRACTAL_API std::string_view to_string(MemoryType type) noexcept;
FRACTAL_API Result<MemoryType> parse_memory_type(std::string_view text);

// "2026-05-01T10:00:00.250000Z"; parse takes any offset and 0 to 6 digits of a second. Years 1970 to 9999.
FRACTAL_API std::string to_string(Time time);
FRACTAL_API Result<Time> parse_time(std::string_view text);

// One memory. The caller sets the upper block, the library the lower one.
struct Memory {
  Coordinate coordinate{};
  std::string payload = "{}";  // a JSON object in UTF-8, kept byte for byte
  MemoryType type = MemoryType::episodic;
  std::vector<float> embedding{};    // empty, or as many finite components as the space's other vectors
  double importance = 0;             // any finite number
  std::string metadata = "{}";       // a JSON object, not searched by words
  std::optional<Time> expires_at{};  // from that instant on no read returns it

  Uuid id{};                   // made at the first store of the coordinate
  Time created_at{};           // first store
  Time updated_at{};           // last write; reads never change it
  std::uint64_t version = 0;   // 1 at the first store, + 1 by each write
  std::uint64_t accesses = 0;  // counted only with Options::count_accesses

  friend bool operator==(const Memory&, const Memory&) = default;
};

// A directed edge between coordinates, which need not hold memories (see Options::strict_links).
// (from, to, type) identifies it: linking again replaces strength and metadata.
struct GraphLink {
  Coordinate from{};
  Coordinate to{};
  std::string type = "related";  // 1 to 100 bytes of UTF-8
  double strength = 1.0;         // any finite number; a weighted path walks only links above 0, at cost 1/strength
  std::string metadata = "{}";   // a JSON object
  Time created_at{};             // set by the library

  friend bool operator==(const GraphLink&, const GraphLink&) = default;
};

// A change to one memory. What is not set stays as it is.
struct Patch {
  std::optional<std::string> payload{};   // JSON merge patch (RFC 7396); members it does not name keep their text
  std::optional<std::string> metadata{};  // the same
  std::optional<MemoryType> type{};
  std::optional<double> importance{};
  std::optional<std::vector<float>> embedding{};  // an empty one removes the vector
  std::optional<Time> expires_at{};
  bool never_expires = false;  // removes expires_at
};

// if_version: the write happens only if the memory has this version now (0: if there is none);
// otherwise conflict, and nothing is written.
struct WriteOptions {
  std::optional<std::uint64_t> if_version{};
};

// A list of writes that happens as a whole or not at all, in order. It is a value: build it, keep it, apply it again.
class FRACTAL_API Batch {
 public:
  // clang-format off
  struct Store { Memory memory{}; WriteOptions options{}; };
  struct Update { Coordinate coordinate{}; Patch patch{}; WriteOptions options{}; };
  struct Remove { Coordinate coordinate{}; WriteOptions options{}; };
  struct Link { GraphLink link{}; };
  struct Unlink { Coordinate from{}; Coordinate to{}; std::string type{}; };
  // As Store, but keeps what is given (not 0) of id, times, version and accesses: for import and copies.
  // `embedder` made the vector; empty: the caller. `embed`: a memory without a vector gets one from its text.
  struct Restore { Memory memory{}; std::string embedder{}; bool embed = false; };
  // As Link, but keeps created_at.
  struct RestoreLink { GraphLink link{}; };
  // clang-format on
  using Entry = std::variant<Store, Update, Remove, Link, Unlink, Restore, RestoreLink>;

  Batch& store(Memory memory, WriteOptions options = {});
  Batch& update(Coordinate coordinate, Patch patch, WriteOptions options = {});
  Batch& remove(Coordinate coordinate, WriteOptions options = {});
  Batch& link(GraphLink link);
  Batch& unlink(Coordinate from, Coordinate to, std::string type = "related");
  Batch& restore(Memory memory, std::string embedder = {}, bool embed = false);
  Batch& restore_link(GraphLink link);

  const std::vector<Entry>& entries() const noexcept { return entries_; }
  std::size_t size() const noexcept { return entries_.size(); }
  bool empty() const noexcept { return entries_.empty(); }
  void clear() noexcept { entries_.clear(); }

 private:
  std::vector<Entry> entries_;
};

// What one entry of a batch did.
struct Written {
  Uuid id{};                   // of the memory; empty for links
  std::uint64_t version = 0;   // of the memory after the write; 0 for links and after a removal
  std::uint64_t sequence = 0;  // of this change in its space; 0 if nothing changed
  bool created = false;        // the memory or link was not there before
  bool removed = false;        // it was there and is gone
};

// What a batch did, entry by entry.
struct Applied {
  std::uint64_t sequence = 0;      // of the space after the batch
  std::vector<Written> written{};  // one an entry, in order
};

}  // namespace fractal

#endif
