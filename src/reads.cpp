// Single memories, lists, coordinates near by, changes and audit.
#include <fractal/fractal_memory.h>

#include "src/candidates.h"
#include "src/cursor.h"
#include "src/database.h"
#include "src/error.h"
#include "src/key_range.h"
#include "src/validate.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

namespace fractal {
namespace {

constexpr std::size_t smallest_scan = 256;

Result<void> check_limit(std::size_t limit) {
  if (limit <= limits::page) return {};
  return make_error(Errc::invalid_argument, "limit {} is more than {}", limit, limits::page);
}

Error no_memory(const Coordinate& coordinate) {
  return make_error(Errc::not_found, "no memory at {}", coordinate.to_string());
}

// The nearest so far: a heap with the farthest in front.
struct Nearest {
  struct Entry {
    double distance;
    std::string key;
    MemoryId id;
    friend bool operator<(const Entry& left, const Entry& right) {
      return left.distance != right.distance ? left.distance < right.distance : left.key < right.key;
    }
  };
  std::size_t limit;
  std::vector<Entry> heap{};

  void offer(double distance, std::string_view key, MemoryId id) {
    if (heap.size() == limit && distance > heap.front().distance) return;
    heap.push_back({distance, std::string(key), id});
    std::push_heap(heap.begin(), heap.end());
    if (heap.size() <= limit) return;
    std::pop_heap(heap.begin(), heap.end());
    heap.pop_back();
  }
};

}  // namespace

Result<Memory> Reads::retrieve(const Coordinate& coordinate, const RetrieveOptions& options) const {
  FRACTAL_TRY(coordinate.check());
  const Columns columns = options.embeddings ? Columns::all : Columns::payload;
  std::optional<Row> row;
  Time now{};
  if (pinned_) {
    const Control control;
    FRACTAL_TRY_INTO(const Look look, database_->look(space_, pinned_, control));
    now = look.now();
    FRACTAL_TRY_INTO(row, look.view().get(coordinate.key(), columns));
  } else {
    FRACTAL_TRY(check_space(space_));
    now = database_->now();
    FRACTAL_TRY_INTO(row, database_->storage().get(space_, coordinate.key(), columns));
  }
  if (!row || (row->memory.expires_at && *row->memory.expires_at <= now)) return no_memory(coordinate);
  database_->read_log().note(space_, row->memory, now);
  return std::move(row->memory);
}

Result<std::vector<std::optional<Memory>>> Reads::retrieve_many(std::span<const Coordinate> coordinates,
                                                                const RetrieveOptions& options) const {
  const Columns columns = options.embeddings ? Columns::all : Columns::payload;
  for (const Coordinate& coordinate : coordinates) FRACTAL_TRY(coordinate.check());
  const Control control;
  FRACTAL_TRY_INTO(const Look look, database_->look(space_, pinned_, control));
  std::vector<std::optional<Memory>> memories(coordinates.size());
  for (std::size_t i = 0; i < coordinates.size(); ++i) {
    FRACTAL_TRY_INTO(auto row, look.view().get(coordinates[i].key(), columns));
    if (!row || look.hidden(row->memory)) continue;
    database_->read_log().note(space_, row->memory, look.now());
    memories[i] = std::move(row->memory);
  }
  return memories;
}

Result<Page> Reads::list(const ListOptions& options) const {
  FRACTAL_TRY(check_limit(options.limit));
  FRACTAL_TRY(options.filter.check());
  if (!options.within.empty()) FRACTAL_TRY(options.within.check());
  Scan scan{.order = options.order, .descending = options.descending};
  if (!options.after.empty()) {
    FRACTAL_TRY_INTO(scan.after, read_cursor(options.after, options.order, options.descending));
  }
  if (!options.within.empty()) scan.prefix = options.within.key();
  scan.columns = options.embeddings ? Columns::all : Columns::payload;
  FRACTAL_TRY_INTO(const Look look, database_->look(space_, pinned_, options.control));
  Page page;
  if (options.limit == 0) return page;
  Position last;
  for (;;) {
    FRACTAL_TRY(check_control(options.control, "list"));
    // One more than wanted tells whether there is a next page.
    scan.limit = options.limit - page.memories.size() + 1;
    if (!options.filter.empty()) scan.limit = std::max(scan.limit, smallest_scan);
    FRACTAL_TRY_INTO(auto rows, look.view().list(scan));
    const bool at_end = rows.size() < scan.limit;
    if (!rows.empty()) scan.after = position_of(rows.back());
    for (Row& row : rows) {
      if (look.hidden(row.memory) || !matches(options.filter, row)) continue;
      if (page.memories.size() == options.limit) {
        page.next = write_cursor(options.order, options.descending, last);
        return page;
      }
      last = position_of(row);
      page.memories.push_back(std::move(row.memory));
    }
    if (at_end) return page;
  }
}

Result<Page> Reads::within(const Coordinate& ancestor, ListOptions options) const {
  FRACTAL_TRY(ancestor.check());
  options.within = ancestor;
  return list(options);
}

Result<std::vector<NearHit>> Reads::near(const Coordinate& coordinate, const NearOptions& options) const {
  FRACTAL_TRY(coordinate.check());
  FRACTAL_TRY(check_limit(options.limit));
  FRACTAL_TRY(options.filter.check());
  if (options.radius && !(*options.radius >= 0)) {
    return make_error(Errc::invalid_argument, "radius {} is not 0 or more", *options.radius);
  }
  FRACTAL_TRY_INTO(const Look look, database_->look(space_, pinned_, options.control));
  FRACTAL_TRY_INTO(const auto allowed, candidates(*database_, look, options.filter, {}, options.control));

  constexpr double infinity = std::numeric_limits<double>::infinity();
  const double radius = options.radius.value_or(infinity);
  // One step wider, since the borders are rounded.
  const auto [first, last] = first_component_range(std::nextafter(coordinate[0] - radius, -infinity),
                                                   std::nextafter(coordinate[0] + radius, infinity));
  const std::size_t key_size = coordinate.key().size();
  Nearest nearest{options.limit};
  FRACTAL_TRY(look.view().keys(first, last, [&](const KeyRow& row) {
    if (row.key.size() != key_size || look.hidden_id(row.id)) return true;
    if (allowed && !std::binary_search(allowed->begin(), allowed->end(), row.id)) return true;
    const auto there = Coordinate::from_key(row.key);
    if (!there) return true;  // verify() reports such a key
    const double distance = coordinate.distance(*there);
    if (distance <= radius && options.limit > 0) nearest.offer(distance, row.key, row.id);
    return true;
  }));
  std::sort_heap(nearest.heap.begin(), nearest.heap.end());

  std::vector<NearHit> hits;
  for (const auto& entry : nearest.heap) {
    FRACTAL_TRY_INTO(auto row, look.view().get(entry.key, Columns::payload));
    if (row) hits.push_back({std::move(row->memory), entry.distance});
  }
  return hits;
}

Result<std::vector<Change>> Reads::changes(std::uint64_t after, std::size_t limit) const {
  FRACTAL_TRY(check_limit(limit));
  const Control control;
  FRACTAL_TRY_INTO(const Look look, database_->look(space_, pinned_, control));
  if (after != 0 && after < look.space().horizon) {
    return make_error(Errc::not_found, "changes after {}: removals are remembered from {} on", after,
                      look.space().horizon);
  }
  std::vector<Change> changes;
  for (bool at_end = limit == 0; !at_end;) {
    const std::size_t wanted = limit - changes.size();
    FRACTAL_TRY_INTO(const auto rows, look.view().changes(after, wanted));
    for (const ChangeRow& row : rows) {
      after = row.sequence;
      const bool there = row.kind == ChangeKind::stored || row.kind == ChangeKind::linked;
      if (there && (look.hidden_key(row.key) || look.hidden_key(row.to))) continue;  // expired; removals will tell
      Change change{.sequence = row.sequence, .kind = row.kind, .type = row.type};
      FRACTAL_TRY_INTO(change.coordinate, Coordinate::from_key(row.key));
      if (!row.to.empty()) { FRACTAL_TRY_INTO(change.to, Coordinate::from_key(row.to)); }
      changes.push_back(std::move(change));
    }
    at_end = rows.size() < wanted || changes.size() == limit;
  }
  return changes;
}

Result<std::vector<AuditRecord>> Reads::audit(std::size_t limit, std::uint64_t before) const {
  FRACTAL_TRY(check_limit(limit));
  const Control control;
  FRACTAL_TRY_INTO(const Look look, database_->look(space_, pinned_, control));
  return look.view().audit(limit, before);
}

Result<Stats> Reads::stats() const {
  const Control control;
  FRACTAL_TRY_INTO(const Look look, database_->look(space_, pinned_, control));
  const SpaceRecord& space = look.space();
  const auto index = database_->index().stats(space.number);
  Stats stats{.memories = space.memories,
              .episodic = space.memories - space.semantic,
              .semantic = space.semantic,
              .links = space.links,
              .vectors = space.vectors,
              .dimension = space.dimension,
              .sequence = space.sequence,
              .file_bytes = database_->storage().bytes(),
              .memory_bytes = database_->memory_bytes(),
              .index_vectors = index.vectors + index.dead,
              .index_bytes = index.bytes,
              .index_applied = index.applied,
              .graph_vectors = index.graph_vectors,
              .graph_building = index.building,
              .embedder = space.embedder,
              .text_fields = database_->text_fields().fields()};
  if (const auto graph = database_->link_graphs().find(space.number)) {
    const SpaceGraph::Size size = graph->size();
    stats.links_in_memory = size.links;
    stats.links_bytes = size.bytes;
  }
  FRACTAL_TRY_INTO(stats.indexed_fields, database_->storage().indexed_fields());
  return stats;
}

Result<SpaceState> Reads::state() const {
  const Control control;
  FRACTAL_TRY_INTO(const Look look, database_->look(space_, pinned_, control));
  return SpaceState{look.space().number, look.space().sequence, look.expired_ids().size(), look.view().mark()};
}

}  // namespace fractal
