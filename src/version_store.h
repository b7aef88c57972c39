// What a vector index on another machine keeps its vectors in, as far as src/remote_index.h needs it: a heap of rows that
// never change. A row is one *version* of a memory's vector: from the sequence `born` on, until a later one. So a delivery
// that comes twice, late or in another order leaves the same rows.
//
// All rows of a space belong to an *epoch*. Whoever loads a space anew does so in a later epoch, and what was there
// before, or still arrives of it, is of no account; the epoch that counts is the latest with a mark.
#ifndef FRACTAL_SRC_VERSION_STORE_H
#define FRACTAL_SRC_VERSION_STORE_H

#include <fractal/backend.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace fractal {

// living: the server may compare it. raw: it lies too far outside the range of float32 for that. removed: a tombstone.
enum class VersionKind : std::uint8_t { living = 0, raw = 1, removed = 2 };

// Where the versions of a space lie.
struct VersionPlace {
  Space space{};
  std::uint64_t number = 0;
  std::uint32_t dimension = 0;
  Metric metric = Metric::cosine;
  bool same_rows(const VersionPlace& other) const { return dimension == other.dimension && metric == other.metric; }
};

struct Version {
  MemoryId id = 0;
  std::uint64_t born = 0;
  VersionKind kind = VersionKind::living;
  std::span<const float> vector{};  // of a tombstone: empty
  VectorFields fields{};            // of a tombstone: none
};

struct StoredVersion {
  MemoryId id = 0;
  std::uint64_t born = 0;
  VersionKind kind = VersionKind::living;
  std::vector<float> vector{};  // empty if not asked for
};

// Memory by memory, from the first version to the last.
struct VersionOrder {
  template <class Row> bool operator()(const Row& a, const Row& b) const {
    return a.id != b.id ? a.id < b.id : a.born < b.born;
  }
};

// Rising, each once.
inline std::vector<MemoryId> ids_of(std::span<const StoredVersion> versions) {
  std::vector<MemoryId> ids;
  ids.reserve(versions.size());
  for (const StoredVersion& version : versions) ids.push_back(version.id);
  std::sort(ids.begin(), ids.end());
  ids.erase(std::unique(ids.begin(), ids.end()), ids.end());
  return ids;
}

// What has been delivered of a space; written after it. One that is too low does no harm.
struct VersionMark {
  std::uint64_t epoch = 0;    // 0: nothing yet
  std::uint64_t applied = 0;  // every version up to this sequence is there
  std::uint64_t vectors = 0;  // living as of `applied`
  std::uint64_t last_id = 0;  // no version has a greater id
  std::uint64_t token = 0;    // a reader that passes it to the store sees all of these versions
  std::uint64_t cleaned = 0;  // what was superseded up to this sequence may be gone
  bool raw = false;           // there may be raw versions
  bool again = false;         // a memory may have more than one version
};

struct VersionMoment {
  std::uint64_t epoch = 0;
  std::uint64_t as_of = 0;
  std::uint64_t token = 0;
};

struct NearestQuery {
  std::span<const float> vector{};
  std::size_t k = 0;
  std::span<const MemoryId> only{};    // empty: all
  std::span<const MemoryId> except{};  // not both
  std::string_view condition{};        // of the store's own; empty: none
  const Control* control = nullptr;
};

// A part of a filter as a store can check it.
struct VersionCondition {
  std::string text{};  // empty: the store checks nothing
  bool exact = false;  // it passes just what the filter passes; else that and more
};

// Any thread. Every call may be repeated. unavailable: try later; not_found: the rows of this place are lost.
class VersionStore {
 public:
  virtual ~VersionStore() = default;
  virtual std::string name() const = 0;
  virtual std::string problem() = 0;  // for health(); empty: none
  virtual void stop() = 0;            // calls under way end soon, and no new ones begin
  // Of one call.
  virtual std::size_t most_k() const = 0;
  virtual std::size_t most_ids() const = 0;

  // Makes the place if need be. Returns the token of these rows.
  virtual Result<std::uint64_t> insert(const VersionPlace& place, std::uint64_t epoch,
                                       std::span<const Version> versions, const Control* control) = 0;
  // Of the latest epoch; epoch 0: there is none.
  virtual Result<VersionMark> mark(const VersionPlace& place, const Control* control) = 0;
  // `first`: the epoch has none yet. Otherwise the one before has to be there, or what it speaks of is lost: not_found.
  // Its `raw` and `again` stay true if somebody else has written so.
  virtual Result<void> put_mark(const VersionPlace& place, const VersionMark& mark, bool first) = 0;
  // Never falls back, whoever writes it.
  virtual Result<void> put_cleaned(const VersionPlace& place, std::uint64_t epoch, std::uint64_t cleaned) = 0;

  // What it keeps of a version: the fields for condition(), or the vector alone.
  virtual VectorColumns columns() const { return VectorColumns::vector; }
  // For NearestQuery::condition: what living versions of memories pass that pass the filter and whose key begins so.
  virtual VersionCondition condition(const Filter&, std::string_view /*prefix*/) const { return {}; }
  // The nearest of kind living, born up to the moment; with their vectors, in any order. Superseded ones, too.
  virtual Result<std::vector<StoredVersion>> nearest(const VersionPlace& place, const VersionMoment& moment,
                                                     const NearestQuery& query) = 0;
  // Every version of these memories, born up to the moment.
  virtual Result<std::vector<StoredVersion>> versions(const VersionPlace& place, const VersionMoment& moment,
                                                      std::span<const MemoryId> ids, bool with_vectors,
                                                      const Control* control) = 0;
  virtual Result<std::vector<StoredVersion>> raw_versions(const VersionPlace& place, const VersionMoment& moment,
                                                          const Control* control) = 0;
  // All versions of the epoch up to the moment, memory by memory with rising ids; page by page.
  using Visit = std::function<Result<void>(std::vector<StoredVersion>&& page)>;
  virtual Result<void> list(const VersionPlace& place, const VersionMoment& moment, MemoryId last, bool with_vectors,
                            const Visit& visit, const Control* control) = 0;

  using Name = std::pair<MemoryId, std::uint64_t>;  // id, born
  virtual Result<void> erase(const VersionPlace& place, std::uint64_t epoch, std::span<const Name> versions) = 0;
  virtual Result<void> erase_epochs_before(const VersionPlace& place, std::uint64_t epoch) = 0;
  // In every place.
  virtual Result<void> erase_space(std::uint64_t number) = 0;
};

}  // namespace fractal

#endif
