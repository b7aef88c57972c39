// What the storage in memory holds. Invariant: a published State never changes. A step works on a copy of the State, which
// replaces the one before only if the step succeeds; a commit publishes one new State. So a view is a pointer, a
// failed step is a copy dropped, and readers never wait for writers.
#ifndef FRACTAL_BACKENDS_MEMORY_STATE_H
#define FRACTAL_BACKENDS_MEMORY_STATE_H

#include <fractal/backend.h>

#include "backends/memory/ordered_map.h"

#include <limits>
#include <map>

namespace fractal::memory_backend {

using WordCounts = std::array<std::uint32_t, weight_classes>;
using WordMap = std::map<std::string, WordCounts>;
using WordPlace = std::pair<std::string, MemoryId>;

struct StoredRow {
  Row row{};
  std::string key{};
  std::shared_ptr<const WordMap> words = std::make_shared<const WordMap>();
};
using RowPtr = std::shared_ptr<const StoredRow>;
template <class Key> using RowsBy = OrderedMap<std::pair<Key, MemoryId>, RowPtr>;

struct LinkPlace {
  bool incoming = false;  // each link stands at both its ends
  std::string end{}, type{}, other{};
  friend auto operator<=>(const LinkPlace&, const LinkPlace&) = default;
};

// A row, link or removal in the order of changes.
struct Logged {
  ChangeRow change{};
  RowPtr row{};          // kind stored
  MemoryId removed = 0;  // kind removed
};

struct SpaceData {
  SpaceRecord record{};
  OrderedMap<MemoryId, RowPtr> rows{};
  OrderedMap<std::string, RowPtr> by_key{};
  RowsBy<Time> by_created{}, by_expiry{};
  RowsBy<double> by_importance{};
  OrderedMap<LinkPlace, LinkRow> links{};
  OrderedMap<WordPlace, WordCounts> postings{};
  OrderedMap<std::uint64_t, Logged> log{};     // by sequence
  OrderedMap<std::uint64_t, bool> removals{};  // those in the log
  OrderedMap<std::uint64_t, AuditRecord> audit{};
  OrderedMap<std::pair<Time, std::uint64_t>, bool> audit_by_time{};
};

struct State {
  OrderedMap<Space, std::uint64_t> numbers{};
  OrderedMap<std::uint64_t, std::shared_ptr<const SpaceData>> spaces{};
  OrderedMap<std::string, std::string> settings{};
  OrderedMap<std::string, bool> indexed{};
  std::uint64_t last_space = 0, last_audit = 0;
};

inline LinkPlace place_of(const LinkRow& link) { return {false, link.from, link.type, link.to}; }

// Ranges for OrderedMap::walk.
inline constexpr auto last_number = std::numeric_limits<std::uint64_t>::max();
inline const auto everything = [](const auto&) { return 0; };

// Beyond low, up to high.
template <class Key> auto between(Key low, Key high) {
  return [low = std::move(low), high = std::move(high)](const Key& key) { return key <= low ? -1 : int{key > high}; };
}
// Keys up to a time, of any number.
inline auto up_to(Time last) { return between<std::pair<Time, std::uint64_t>>({Time::min(), 0}, {last, last_number}); }
// All types if the type is empty.
inline auto links_at(bool incoming, std::string_view end, std::string_view type) {
  return [=](const LinkPlace& place) {
    const auto order = place.incoming == incoming ? std::string_view(place.end) <=> end : place.incoming <=> incoming;
    return order != 0 || type.empty() ? order : std::string_view(place.type) <=> type;
  };
}

template <class Key, class T>
std::vector<Key> keys_in(const OrderedMap<Key, T>& map, const auto& range, std::size_t limit = last_number) {
  std::vector<Key> keys;
  map.walk(false, range, [&](const Key& key, const T&) { return keys.size() < limit && (keys.push_back(key), true); });
  return keys;
}

inline Row pick(const Row& row, Columns columns) {
  Row out = row;
  if (columns != Columns::all) out.memory.embedding.clear();
  if (columns == Columns::header) out.memory.payload = out.memory.metadata = "{}";
  return out;
}

template <class Key>
std::optional<Row> find_row(const OrderedMap<Key, RowPtr>& rows, const auto& key, Columns columns) {
  const RowPtr* row = rows.find(key);
  return row ? std::optional(pick((*row)->row, columns)) : std::nullopt;
}

inline std::optional<LinkRow> find_link(const SpaceData& data, std::string_view from, std::string_view to,
                                        std::string_view type) {
  const LinkRow* link = data.links.find(LinkPlace{false, std::string(from), std::string(type), std::string(to)});
  return link ? std::optional(*link) : std::nullopt;
}

std::unique_ptr<ReadView> make_view(std::shared_ptr<const SpaceData> data);
// Makes of the state what the step does; leaves it as it is if that fails.
Result<void> run_step(const WriteStep& step, State& state);

}  // namespace fractal::memory_backend

#endif
