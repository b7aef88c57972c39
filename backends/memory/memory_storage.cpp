// The storage in memory. Invariant: a published State never changes. A step works on copies of the
// spaces that it touches, which replace the old ones only if it succeeds; a commit publishes one new
// State. So a view is a pointer, a failed step is a copy dropped, and readers never wait for writers.
#include <fractal/backend.h>

#include "ordered_map.h"

#include <fmt/format.h>

#include <map>
#include <mutex>
#include <sstream>
#include <tuple>

namespace fractal {
namespace {

using memory_backend::Edit;
using memory_backend::OrderedMap;

struct StoredRow {
  Row row{};
  std::string key{};
  std::shared_ptr<const Keywords> keywords{};
};

using RowPtr = std::shared_ptr<const StoredRow>;
using LinkPtr = std::shared_ptr<const LinkRow>;
using LinkKey = std::tuple<std::string, std::string, std::string>;
using LogKey = std::tuple<std::uint64_t, std::string, std::string, std::string>;  // sequence, key, to, type
using WordCounts = std::array<std::uint32_t, weight_classes>;
template <class Key>
using RowsBy = OrderedMap<std::pair<Key, MemoryId>, RowPtr>;

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
  OrderedMap<LinkKey, LinkPtr> links{}, links_to{};  // (from, type, to) and (to, type, from)
  OrderedMap<std::pair<std::string, MemoryId>, WordCounts> postings{};
  OrderedMap<LogKey, Logged> log{};
  OrderedMap<LogKey, bool> removals{};
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

// Ranges for OrderedMap::walk.
auto first_is(const auto& part) {
  return [&part](const auto& key) { return std::get<0>(key) <=> part; };
}
auto first_up_to(const auto& part) {
  return [&part](const auto& key) { return std::get<0>(key) <= part ? 0 : 1; };
}
auto first_after(const auto& part) {
  return [&part](const auto& key) { return std::get<0>(key) > part ? 0 : -1; };
}
template <class Map, class Place>
auto keys_of(const Map& map, const Place& place) {
  std::vector<typename Map::key_type> keys;
  map.walk(false, place, [&](const auto& key, const auto&) { return keys.push_back(key), true; });
  return keys;
}
auto begins_with(std::string_view prefix) {
  return [prefix](const std::string& key) { return key.compare(0, prefix.size(), prefix); };
}

Row pick(const Row& row, Columns columns) {
  if (columns == Columns::all) return row;
  const Memory& from = row.memory;
  Row out{row.id, row.sequence, row.vector_sequence, row.has_vector, row.words};
  out.memory = {.coordinate = from.coordinate, .type = from.type, .importance = from.importance,
                .expires_at = from.expires_at, .id = from.id, .created_at = from.created_at,
                .updated_at = from.updated_at, .version = from.version, .accesses = from.accesses};
  if (columns == Columns::payload) out.memory.payload = from.payload, out.memory.metadata = from.metadata;
  return out;
}

Result<void> check(const Control& control) {
  if (control.cancel && control.cancel->load()) return Error{Errc::unavailable, "cancelled"};
  if (std::chrono::steady_clock::now() >= control.deadline) return Error{Errc::unavailable, "the deadline has passed"};
  return {};
}

class View final : public ReadView {
 public:
  explicit View(std::shared_ptr<const SpaceData> data) : data_(std::move(data)) {}
  const SpaceRecord& space() const override { return data_->record; }
  void obey(const Control* control) override { control_ = control; }

  Result<std::optional<Row>> get(std::string_view key, Columns columns) override {
    const RowPtr* row = data_->by_key.find(key);
    return row ? std::optional(pick((*row)->row, columns)) : std::nullopt;
  }

  Result<std::vector<Row>> fetch(std::span<const MemoryId> ids, Columns columns) override {
    std::vector<Row> out;
    for (const MemoryId id : ids) {
      if (!go_on()) break;
      if (const RowPtr* row = data_->rows.find(id)) out.push_back(pick((*row)->row, columns));
    }
    return done(std::move(out));
  }

  Result<std::vector<Row>> list(const Scan& scan) override {
    const Position last = scan.after.value_or(Position{});
    if (scan.order == ListOrder::created_at) {
      return page(scan, data_->by_created, std::pair(Time(std::chrono::microseconds(last.created_at)), last.id));
    }
    if (scan.order == ListOrder::importance) return page(scan, data_->by_importance, std::pair(last.importance, last.id));
    return page(scan, data_->by_key, last.key);
  }

  Result<Selection> select(const Filter& filter, std::string_view prefix, std::size_t limit) override {
    Selection out{.ids = {}, .exact = true, .complete = true};
    data_->by_key.walk(false, begins_with(prefix), [&](const auto&, const RowPtr& row) {
      if (!go_on()) return false;
      if (!matches(filter, row->row)) return true;
      out.complete = out.ids.size() < limit;
      if (out.complete) out.ids.push_back(row->row.id);
      return out.complete;
    });
    std::sort(out.ids.begin(), out.ids.end());
    return done(std::move(out));
  }

  Result<void> keys(std::string_view first, std::string_view last, const KeyVisitor& visit) override {
    const auto place = [&](std::string_view key) { return key < first ? -1 : int{!last.empty() && key >= last}; };
    data_->by_key.walk(false, place, [&](const auto& key, const RowPtr& row) {
      return go_on() && visit({key, row->row.id});
    });
    return done();
  }

  Result<void> links(std::span<const std::string> frontier, Direction direction, std::string_view type,
                     const LinkVisitor& visit) override {
    bool more = true;
    const auto show = [&](const auto&, const LinkPtr& link) {
      return more = go_on() && visit({.from = link->from, .to = link->to, .type = link->type, .strength = link->strength});
    };
    for (const std::string& end : frontier) {
      const auto place = [&](const LinkKey& key) {
        const auto order = std::get<0>(key) <=> end;
        return order != 0 || type.empty() ? order : std::string_view(std::get<1>(key)) <=> type;
      };
      if (more && direction != Direction::incoming) data_->links.walk(false, place, show);
      if (more && direction != Direction::outgoing) data_->links_to.walk(false, place, show);
    }
    return done();
  }

  Result<std::optional<LinkRow>> get_link(std::string_view from, std::string_view to, std::string_view type) override {
    const LinkPtr* link = data_->links.find(std::tie(from, type, to));
    return link ? std::optional(**link) : std::nullopt;
  }

  Result<std::vector<LinkRow>> list_links(const LinkRow* after, std::size_t limit) override {
    const auto place = [&](const LinkKey& key) {
      return after && key <= std::tie(after->from, after->type, after->to) ? -1 : 0;
    };
    std::vector<LinkRow> out;
    collect(data_->links, false, place, limit, [&](const LinkPtr& link) { out.push_back(*link); });
    return done(std::move(out));
  }

  Result<Postings> postings(std::span<const std::string> terms) override {
    std::vector<std::tuple<MemoryId, std::size_t, WordCounts>> found;
    for (std::size_t i = 0; i < terms.size(); ++i) {
      data_->postings.walk(false, first_is(terms[i]), [&](const auto& key, const WordCounts& counts) {
        return found.emplace_back(key.second, i, counts), go_on();
      });
    }
    std::sort(found.begin(), found.end());
    Postings out;
    for (const auto& [id, term, counts] : found) {
      if (out.entries.empty() || out.entries.back().id != id) {
        out.entries.push_back({id, (*data_->rows.find(id))->row.words});
        out.counts.resize(out.entries.size() * terms.size());
      }
      out.counts[(out.entries.size() - 1) * terms.size() + term] = counts;
    }
    return done(std::move(out));
  }

  Result<std::vector<ChangeRow>> changes(std::uint64_t after, std::size_t limit) override {
    std::vector<ChangeRow> out;
    collect(data_->log, false, first_after(after), limit, [&](const Logged& item) { out.push_back(item.change); });
    return done(std::move(out));
  }

  Result<void> vectors(std::uint64_t after, const VectorVisitor& visit) override {
    data_->log.walk(false, first_after(after), [&](const auto&, const Logged& item) {
      if (!go_on()) return false;
      if (item.removed != 0) return visit({item.removed, item.change.sequence, {}});
      if (!item.row || item.row->row.vector_sequence <= after) return true;
      return visit({item.row->row.id, item.row->row.vector_sequence, item.row->row.memory.embedding});
    });
    return done();
  }

  Result<std::vector<Row>> expired(Time now) override {
    std::vector<Row> out;
    collect(data_->by_expiry, false, first_up_to(now), data_->rows.size(), [&](const RowPtr& row) {
      out.push_back({.id = row->row.id});
      out.back().memory.coordinate = row->row.memory.coordinate;
      out.back().memory.expires_at = row->row.memory.expires_at;
    });
    return done(std::move(out));
  }

  Result<std::vector<AuditRecord>> audit(std::size_t limit, std::uint64_t before) override {
    const auto place = [&](std::uint64_t number) { return before == 0 || number < before ? 0 : 1; };
    std::vector<AuditRecord> out;
    collect(data_->audit, true, place, limit, [&](const AuditRecord& record) { out.push_back(record); });
    return done(std::move(out));
  }

 private:
  // Asked once a row: false when the control said stop, at which it looks every 1,000 rows.
  bool go_on() {
    if (control_ && stopped_ && rows_++ % 1000 == 0) stopped_ = check(*control_);
    return stopped_.has_value();
  }
  // Ends a call: its value, or why it was stopped.
  Result<void> done() { return rows_ = 0, std::exchange(stopped_, {}); }
  template <class T>
  Result<T> done(T value) {
    if (auto ok = done(); !ok) return std::move(ok).error();
    return value;
  }

  void collect(const auto& map, bool falling, const auto& place, std::size_t limit, const auto& take) {
    if (limit == 0) return;
    map.walk(falling, place, [&](const auto&, const auto& item) { return go_on() && (take(item), --limit > 0); });
  }

  template <class Map, class Key>
  Result<std::vector<Row>> page(const Scan& scan, const Map& map, const Key& last) {
    const auto place = [&](const Key& key) -> int {
      if constexpr (std::is_same_v<Key, std::string>) {
        if (const int order = begins_with(scan.prefix)(key); order != 0) return order;
      }
      if (!scan.after) return 0;
      return scan.descending ? key >= last : -int{key <= last};
    };
    std::vector<Row> out;
    map.walk(scan.descending, place, [&](const auto&, const RowPtr& row) {
      if (out.size() == scan.limit || !go_on()) return false;
      if (row->key.starts_with(scan.prefix)) out.push_back(pick(row->row, scan.columns));
      return true;
    });
    return done(std::move(out));
  }

  std::shared_ptr<const SpaceData> data_;
  const Control* control_ = nullptr;
  std::uint64_t rows_ = 0;
  Result<void> stopped_{};
};

// How often each word stands in each column.
std::map<std::string, WordCounts> count_words(const Keywords& keywords) {
  std::map<std::string, WordCounts> counts;
  for (std::size_t column = 0; column < weight_classes; ++column) {
    std::istringstream words(keywords.text[column]);
    for (std::string word; words >> word;) ++counts[word][column];
  }
  return counts;
}

class Step final : public WriteTransaction {
 public:
  Step(const State& state, Edit edit) : state_(state), edit_(edit) {}

  // The state with what the step did.
  Result<State> finish() && {
    for (auto& [number, data] : open_) {
      if (data.record.number == 0) return Error{Errc::invalid_argument, fmt::format("there is no space {}", number)};
      state_.spaces.set(edit_, number, std::make_shared<const SpaceData>(std::move(data)));
    }
    return std::move(state_);
  }

  Result<SpaceRecord*> space(const Space& space) override {
    if (const std::uint64_t* number = state_.numbers.find(space)) return &at(*number).record;
    const std::uint64_t number = ++state_.last_space;
    state_.numbers.set(edit_, space, number);
    SpaceData& data = open_[number];
    data.record.number = number;
    data.record.space = space;
    return &data.record;
  }

  Result<std::optional<Row>> find(std::uint64_t space, std::string_view key, Columns columns) override {
    const RowPtr* row = at(space).by_key.find(key);
    return row ? std::optional(pick((*row)->row, columns)) : std::nullopt;
  }

  Result<std::vector<Row>> scan(std::uint64_t space, MemoryId after, std::size_t limit, Columns columns) override {
    std::vector<Row> out;
    const auto place = [&](MemoryId id) { return id > after ? 0 : -1; };
    at(space).rows.walk(false, place, [&](MemoryId, const RowPtr& row) {
      return out.size() < limit && (out.push_back(pick(row->row, columns)), true);
    });
    return out;
  }

  Result<void> put(std::uint64_t space, const Row& row, const Put& put) override {
    SpaceData& data = at(space);
    StoredRow next{row, row.memory.coordinate.key(), nullptr};
    if (!put.vector) next.row.memory.embedding.clear();
    if (put.keywords) next.keywords = std::make_shared<const Keywords>(*put.keywords);
    if (const RowPtr* found = data.rows.find(row.id)) {
      const RowPtr old = *found;
      if (!put.vector) next.row.memory.embedding = old->row.memory.embedding;
      if (!put.keywords) next.keywords = old->keywords;
      unlist(data, *old);
      if (put.keywords) unlist_words(data, *old);
    }
    const auto stored = std::make_shared<const StoredRow>(std::move(next));
    list(data, stored);
    if (put.keywords) {
      for (const auto& [word, counts] : count_words(*put.keywords)) data.postings.set(edit_, {word, row.id}, counts);
    }
    return {};
  }

  Result<void> erase(std::uint64_t space, const Row& row) override {
    SpaceData& data = at(space);
    const RowPtr* found = data.rows.find(row.id);
    if (!found) return {};
    const RowPtr old = *found;
    unlist(data, *old);
    unlist_words(data, *old);
    return {};
  }

  Result<std::optional<LinkRow>> find_link(std::uint64_t space, std::string_view from, std::string_view to,
                                           std::string_view type) override {
    const LinkPtr* link = at(space).links.find(std::tie(from, type, to));
    return link ? std::optional(**link) : std::nullopt;
  }

  Result<void> put_link(std::uint64_t space, const LinkRow& link) override {
    if (auto ok = erase_link(space, link); !ok) return ok;
    SpaceData& data = at(space);
    const auto stored = std::make_shared<const LinkRow>(link);
    data.links.set(edit_, {link.from, link.type, link.to}, stored);
    data.links_to.set(edit_, {link.to, link.type, link.from}, stored);
    log(data, {.change = {link.sequence, ChangeKind::linked, link.from, link.to, link.type}});
    return {};
  }

  Result<void> erase_link(std::uint64_t space, const LinkRow& link) override {
    SpaceData& data = at(space);
    const LinkPtr* found = data.links.find(std::tie(link.from, link.type, link.to));
    if (!found) return {};
    data.log.erase(edit_, {(*found)->sequence, link.from, link.to, link.type});
    data.links.erase(edit_, {link.from, link.type, link.to});
    data.links_to.erase(edit_, {link.to, link.type, link.from});
    return {};
  }

  Result<std::vector<LinkRow>> links_of(std::uint64_t space, std::string_view key) override {
    std::vector<LinkRow> out;
    at(space).links.walk(false, first_is(key), [&](const auto&, const LinkPtr& l) { return out.push_back(*l), true; });
    at(space).links_to.walk(false, first_is(key), [&](const auto&, const LinkPtr& link) {
      return link->from == key || (out.push_back(*link), true);
    });
    const auto place = [](const LinkRow& link) { return std::tie(link.from, link.type, link.to); };
    std::sort(out.begin(), out.end(), [&](auto& left, auto& right) { return place(left) < place(right); });
    return out;
  }

  Result<std::vector<Row>> expired(std::uint64_t space, Time now, std::size_t limit) override {
    std::vector<Row> out;
    at(space).by_expiry.walk(false, first_up_to(now), [&](const auto&, const RowPtr& row) {
      return out.push_back(pick(row->row, Columns::header)), true;
    });
    std::sort(out.begin(), out.end(), [](auto& left, auto& right) { return left.id < right.id; });
    if (out.size() > limit) out.resize(limit);
    return out;
  }

  Result<void> note_removal(std::uint64_t space, const Removal& r) override {
    at(space).removals.set(edit_, {r.sequence, r.key, r.to, r.type}, true);
    log(at(space), {.change = {r.sequence, r.kind, r.key, r.to, r.type}, .removed = r.id});
    return {};
  }

  Result<void> prune_removals(std::uint64_t space, std::uint64_t up_to_sequence) override {
    SpaceData& data = at(space);
    for (const LogKey& key : keys_of(data.removals, first_up_to(up_to_sequence))) {
      data.removals.erase(edit_, key);
      data.log.erase(edit_, key);
    }
    return {};
  }

  Result<void> audit(std::uint64_t space, const AuditRecord& record) override {
    AuditRecord numbered = record;
    numbered.number = ++state_.last_audit;
    at(space).audit_by_time.set(edit_, {record.at, numbered.number}, true);
    at(space).audit.set(edit_, state_.last_audit, std::move(numbered));
    return {};
  }

  Result<std::uint64_t> prune_audit(std::uint64_t space, std::uint64_t keep, Time before) override {
    SpaceData& data = at(space);
    std::uint64_t dropped = 0;
    const auto drop = [&](Time at, std::uint64_t number) {
      data.audit_by_time.erase(edit_, {at, number});
      data.audit.erase(edit_, number);
      ++dropped;
    };
    const auto older = [&](const auto& key) { return key.first < before ? 0 : 1; };
    for (const auto& [at, number] : keys_of(data.audit_by_time, older)) drop(at, number);
    for (std::pair<Time, std::uint64_t> oldest; data.audit.size() > keep;) {
      data.audit.walk([&](std::uint64_t number, const AuditRecord& record) {
        oldest = {record.at, number};
        return false;
      });
      drop(oldest.first, oldest.second);
    }
    return dropped;
  }

  Result<void> add_accesses(std::uint64_t space, std::string_view key, std::uint64_t count) override {
    SpaceData& data = at(space);
    const RowPtr* found = data.by_key.find(key);
    if (!found) return {};
    StoredRow next = **found;
    next.row.memory.accesses += count;
    list(data, std::make_shared<const StoredRow>(std::move(next)));
    return {};
  }

  Result<void> erase_space(std::uint64_t space) override {
    const SpaceRecord& record = at(space).record;
    if (record.number == 0) return {};  // finish() refuses the step
    const Space name = record.space;
    state_.numbers.erase(edit_, name);
    state_.spaces.erase(edit_, space);
    erased_.push_back(open_.extract(space));
    return {};
  }

  Result<void> set_setting(std::string_view name, std::string_view value) override {
    state_.settings.set(edit_, std::string(name), std::string(value));
    return {};
  }

 private:
  // The step's own copy. One without a number for a space that is not there: finish() refuses it.
  SpaceData& at(std::uint64_t number) {
    const auto [entry, fresh] = open_.try_emplace(number);
    const auto* found = fresh ? state_.spaces.find(number) : nullptr;
    if (found) entry->second = **found;
    return entry->second;
  }

  void log(SpaceData& data, Logged item) {
    const ChangeRow& change = item.change;
    LogKey key{change.sequence, change.key, change.to, change.type};
    data.log.set(edit_, std::move(key), std::move(item));
  }

  // Into (out of) every order of the rows; not their words.
  void list(SpaceData& data, const RowPtr& row) {
    const auto& [id, memory] = std::tie(row->row.id, row->row.memory);
    data.rows.set(edit_, id, row);
    data.by_key.set(edit_, row->key, row);
    data.by_created.set(edit_, {memory.created_at, id}, row);
    data.by_importance.set(edit_, {memory.importance, id}, row);
    if (memory.expires_at) data.by_expiry.set(edit_, {*memory.expires_at, id}, row);
    log(data, {.change = {row->row.sequence, ChangeKind::stored, row->key}, .row = row});
  }
  void unlist(SpaceData& data, const StoredRow& row) {
    const auto& [id, memory] = std::tie(row.row.id, row.row.memory);
    data.rows.erase(edit_, id);
    data.by_key.erase(edit_, row.key);
    data.by_created.erase(edit_, {memory.created_at, id});
    data.by_importance.erase(edit_, {memory.importance, id});
    if (memory.expires_at) data.by_expiry.erase(edit_, {*memory.expires_at, id});
    data.log.erase(edit_, {row.row.sequence, row.key, "", ""});
  }
  void unlist_words(SpaceData& data, const StoredRow& row) {
    if (!row.keywords) return;
    for (const auto& [word, counts] : count_words(*row.keywords)) data.postings.erase(edit_, {word, row.row.id});
  }

  State state_;
  Edit edit_;
  std::map<std::uint64_t, SpaceData> open_;
  std::vector<std::map<std::uint64_t, SpaceData>::node_type> erased_;  // pointers into them live until the step ends
};

// The counters as the rows have them.
SpaceRecord recount(const SpaceData& data) {
  SpaceRecord record = data.record;
  record.memories = data.rows.size();
  record.links = data.links.size();
  record.semantic = record.vectors = 0;
  record.words = {};
  data.rows.walk([&](MemoryId, const RowPtr& row) {
    record.semantic += row->row.memory.type == MemoryType::semantic;
    record.vectors += row->row.has_vector;
    for (std::size_t i = 0; i < weight_classes; ++i) record.words[i] += row->row.words[i];
    return true;
  });
  return record;
}

// What is being caught, as an error.
Error thrown(std::string_view by) {
  try {
    throw;
  } catch (const Exception& failure) {
    return failure.error();
  } catch (const std::exception& failure) {
    return {Errc::io, fmt::format("{}: {}", by, failure.what())};
  } catch (...) {
    return {Errc::io, fmt::format("{}: an unknown exception", by)};
  }
}

class MemoryStorage final : public Storage {
 public:
  Result<void> apply(std::span<WriteStep> steps) override try {
    const std::lock_guard turn(writer_);
    State next = *state();
    for (WriteStep& step : steps) step.outcome = run(step, next);
    publish(std::move(next));
    return {};
  } catch (...) {
    return thrown("apply");
  }

  Result<std::unique_ptr<ReadView>> read(const Space& space) override {
    const auto now = state();
    if (const std::uint64_t* number = now->numbers.find(space)) return make_view(*now->spaces.find(*number));
    auto nothing = std::make_shared<SpaceData>();
    nothing->record.space = space;
    return make_view(std::move(nothing));
  }

  Result<std::optional<Row>> get(const Space& space, std::string_view key, Columns columns) override {
    return (*read(space))->get(key, columns);
  }

  Result<std::vector<Space>> spaces() override {
    std::vector<Space> out;
    state()->numbers.walk([&](const Space& space, std::uint64_t) { return out.push_back(space), true; });
    return out;
  }

  Result<std::optional<std::string>> setting(std::string_view name) override {
    const auto now = state();
    const std::string* value = now->settings.find(name);
    return value ? std::optional(*value) : std::nullopt;
  }

  Result<std::vector<std::string>> indexed_fields() override {
    std::vector<std::string> out;
    state()->indexed.walk([&](const std::string& path, bool) { return out.push_back(path), true; });
    return out;
  }

  // Filters are evaluated row by row: an index is a promise that costs nothing here.
  Result<void> create_index(std::string_view path, const Control& control) override {
    if (auto ok = check(control); !ok) return ok;
    const std::lock_guard turn(writer_);
    State next = *state();
    next.indexed.set(++edit_, std::string(path), true);
    publish(std::move(next));
    return {};
  }

  Result<std::vector<std::string>> verify(const Control& control) override { return compare(control, false); }
  Result<std::vector<std::string>> repair(const Control& control) override { return compare(control, true); }
  Result<std::uint64_t> maintain(bool, const Control& control) override {
    if (auto ok = check(control); !ok) return std::move(ok).error();
    return std::uint64_t{0};  // what no view needs is freed at once, and no file holds any of it
  }
  Result<void> backup(const std::string& path, const Control&) override {
    return Error{Errc::unsupported, fmt::format("backup to {}: this storage has no file to copy", path)};
  }

  std::string describe() const override { return "memory"; }
  std::vector<std::string> problems() override { return {}; }
  std::uint64_t bytes() override { return 0; }
  bool read_only() const override { return false; }

 private:
  static Result<std::unique_ptr<ReadView>> make_view(std::shared_ptr<const SpaceData> data) {
    return std::unique_ptr<ReadView>(std::make_unique<View>(std::move(data)));
  }

  Result<void> run(WriteStep& step, State& state) try {
    Step transaction(state, ++edit_);
    if (auto ok = step.run(transaction); !ok) return ok;
    auto after = std::move(transaction).finish();
    if (!after) return std::move(after).error();
    state = std::move(*after);
    return {};
  } catch (...) {
    return thrown("a step of a write");
  }

  // One sentence for each space whose counters are wrong; `mend` puts them right.
  Result<std::vector<std::string>> compare(const Control& control, bool mend) {
    const std::lock_guard turn(writer_);
    const auto now = state();
    std::vector<std::string> sentences;
    std::vector<SpaceData> mended;
    Result<void> ok;
    now->spaces.walk([&](std::uint64_t, const std::shared_ptr<const SpaceData>& data) {
      const SpaceRecord truth = recount(*data);
      if (truth != data->record) {
        const auto& [tenant, name] = data->record.space;
        sentences.push_back(fmt::format("space {}/{}: its counters disagree with its {} memories and {} links", tenant,
                                        name, truth.memories, truth.links));
        mended.push_back(*data);
        mended.back().record = truth;
      }
      ok = check(control);
      return ok.has_value();
    });
    if (!ok) return std::move(ok).error();
    if (mend && !mended.empty()) {
      State next = *now;
      ++edit_;
      for (SpaceData& data : mended) {
        const std::uint64_t number = data.record.number;
        next.spaces.set(edit_, number, std::make_shared<const SpaceData>(std::move(data)));
      }
      publish(std::move(next));
    }
    return sentences;
  }

  std::shared_ptr<const State> state() const {
    const std::lock_guard lock(state_mutex_);
    return state_;
  }
  void publish(State next) {
    auto fresh = std::make_shared<const State>(std::move(next));
    const std::lock_guard lock(state_mutex_);
    state_.swap(fresh);
  }

  std::mutex writer_;  // held by apply, for its turn
  Edit edit_ = 0;
  mutable std::mutex state_mutex_;
  std::shared_ptr<const State> state_ = std::make_shared<const State>();
};

}  // namespace

std::shared_ptr<Storage> make_memory_storage() { return std::make_shared<MemoryStorage>(); }

}  // namespace fractal
