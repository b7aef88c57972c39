// The storage in memory. Invariant: a published State never changes. A step works on copies of the
// spaces that it touches, which replace the old ones only if it succeeds; a commit publishes one new
// State. So a view is a pointer, a failed step is a copy dropped, and readers never wait for writers.
#include "backends/memory/ordered_map.h"
#include "src/error.h"

#include <fractal/backend.h>

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
using LinkKey = std::tuple<std::string, std::string, std::string>;
using LogKey = std::tuple<std::uint64_t, std::string, std::string, std::string>;  // sequence, key, to, type
using WordCounts = std::array<std::uint32_t, weight_classes>;
template <class Key> using RowsBy = OrderedMap<std::pair<Key, MemoryId>, RowPtr>;

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
  OrderedMap<LinkKey, LinkRow> links{}, links_to{};  // (from, type, to) and (to, type, from)
  OrderedMap<std::pair<std::string, MemoryId>, WordCounts> postings{};
  OrderedMap<LogKey, Logged> log{};
  OrderedMap<LogKey, bool> removals{};  // those in the log
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
const auto everything = [](const auto&) { return 0; };
auto first_is(const auto& part) {
  return [&part](const auto& key) { return std::get<0>(key) <=> part; };
}
auto first_up_to(const auto& part) {
  return [&part](const auto& key) { return std::get<0>(key) <= part ? 0 : 1; };
}
auto first_after(const auto& part) {
  return [&part](const auto& key) { return std::get<0>(key) > part ? 0 : -1; };
}

template <class Key, class T> std::vector<Key> keys_in(const OrderedMap<Key, T>& map, const auto& place) {
  std::vector<Key> keys;
  map.walk(false, place, [&](const Key& key, const T&) { return keys.push_back(key), true; });
  return keys;
}

Row pick(const Row& row, Columns columns) {
  Row out = row;
  if (columns != Columns::all) out.memory.embedding.clear();
  if (columns == Columns::header) out.memory.payload = out.memory.metadata = "{}";
  return out;
}

template <class Map, class Key> std::optional<Row> find_row(const Map& rows, const Key& key, Columns columns) {
  const RowPtr* row = rows.find(key);
  return row ? std::optional(pick((*row)->row, columns)) : std::nullopt;
}

std::optional<LinkRow> find_link_in(const SpaceData& data, std::string_view from, std::string_view to,
                                    std::string_view type) {
  const LinkRow* link = data.links.find(std::tuple(std::string(from), std::string(type), std::string(to)));
  return link ? std::optional(*link) : std::nullopt;
}

Result<void> check(const Control& control) {
  if (control.cancel && control.cancel->load()) return make_error(Errc::unavailable, "cancelled");
  if (std::chrono::steady_clock::now() < control.deadline) return {};
  return make_error(Errc::unavailable, "the deadline has passed");
}

class View final : public ReadView {
 public:
  explicit View(std::shared_ptr<const SpaceData> data) : data_(std::move(data)) {}
  const SpaceRecord& space() const override { return data_->record; }
  void obey(const Control* control) override { control_ = control; }

  Result<std::optional<Row>> get(std::string_view key, Columns columns) override {
    return find_row(data_->by_key, key, columns);
  }

  Result<std::vector<Row>> fetch(std::span<const MemoryId> ids, Columns columns) override {
    std::vector<Row> out;
    for (std::size_t i = 0; i < ids.size(); ++i) {
      if (control_ && i % 1000 == 0) FRACTAL_TRY(check(*control_));
      if (auto row = find_row(data_->rows, ids[i], columns)) out.push_back(std::move(*row));
    }
    return out;
  }

  Result<std::vector<Row>> list(const Scan& scan) override {
    const Position last = scan.after.value_or(Position{});
    if (scan.order == ListOrder::importance) return page(scan, data_->by_importance, {last.importance, last.id});
    if (scan.order == ListOrder::coordinate) return page(scan, data_->by_key, last.key);
    return page(scan, data_->by_created, {Time(std::chrono::microseconds(last.created_at)), last.id});
  }

  Result<Selection> select(const Filter& filter, std::string_view prefix, std::size_t limit) override {
    Selection out{.ids = {}, .exact = true, .complete = true};
    const auto place = [&](const std::string& key) { return key.compare(0, prefix.size(), prefix); };
    FRACTAL_TRY(walk(data_->by_key, place, [&](const auto&, const RowPtr& row) {
      if (!matches(filter, row->row)) return true;
      out.complete = out.ids.size() < limit;
      if (out.complete) out.ids.push_back(row->row.id);
      return out.complete;
    }));
    std::sort(out.ids.begin(), out.ids.end());
    return out;
  }

  Result<void> keys(std::string_view first, std::string_view last, const KeyVisitor& visit) override {
    const auto place = [&](std::string_view key) { return key < first ? -1 : int{!last.empty() && key >= last}; };
    return walk(data_->by_key, place, [&](const auto& key, const RowPtr& row) { return visit({key, row->row.id}); });
  }

  Result<void> links(std::span<const std::string> frontier, Direction direction, std::string_view type,
                     const LinkVisitor& visit) override {
    bool more = true;
    const auto show = [&](const auto&, const LinkRow& link) {
      return more = visit({.from = link.from, .to = link.to, .type = link.type, .strength = link.strength});
    };
    for (const std::string& end : frontier) {
      const auto place = [&](const LinkKey& key) {
        const auto order = std::get<0>(key) <=> end;
        return order != 0 || type.empty() ? order : std::string_view(std::get<1>(key)) <=> type;
      };
      if (more && direction != Direction::incoming) FRACTAL_TRY(walk(data_->links, place, show));
      if (more && direction != Direction::outgoing) FRACTAL_TRY(walk(data_->links_to, place, show));
    }
    return {};
  }

  Result<std::optional<LinkRow>> get_link(std::string_view from, std::string_view to, std::string_view type) override {
    return find_link_in(*data_, from, to, type);
  }

  Result<std::vector<LinkRow>> list_links(const LinkRow* after, std::size_t limit) override {
    const auto place = [&](const LinkKey& key) {
      return after && key <= std::tie(after->from, after->type, after->to) ? -1 : 0;
    };
    return collect<LinkRow>(data_->links, place, limit, [](const LinkRow& link) { return link; });
  }

  Result<Postings> postings(std::span<const std::string> terms) override {
    std::vector<std::tuple<MemoryId, std::size_t, WordCounts>> found;
    for (std::size_t i = 0; i < terms.size(); ++i) {
      FRACTAL_TRY(walk(data_->postings, first_is(terms[i]), [&](const auto& key, const WordCounts& counts) {
        return found.emplace_back(key.second, i, counts), true;
      }));
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
    return out;
  }

  Result<std::vector<ChangeRow>> changes(std::uint64_t after, std::size_t limit) override {
    return collect<ChangeRow>(data_->log, first_after(after), limit, [](const Logged& item) { return item.change; });
  }

  Result<void> vectors(std::uint64_t after, const VectorVisitor& visit) override {
    return walk(data_->log, first_after(after), [&](const auto&, const Logged& item) {
      if (item.removed != 0) return visit({item.removed, item.change.sequence, {}});
      if (!item.row || item.row->row.vector_sequence <= after) return true;
      return visit({item.row->row.id, item.row->row.vector_sequence, item.row->row.memory.embedding});
    });
  }

  Result<std::vector<Row>> expired(Time now) override {
    return collect<Row>(data_->by_expiry, first_up_to(now), data_->rows.size(), [](const RowPtr& row) {
      const Memory& memory = row->row.memory;
      return Row{.id = row->row.id, .memory = {.coordinate = memory.coordinate, .expires_at = memory.expires_at}};
    });
  }

  Result<std::vector<AuditRecord>> audit(std::size_t limit, std::uint64_t before) override {
    const auto place = [&](std::uint64_t number) { return before == 0 || number < before ? 0 : 1; };
    return collect<AuditRecord>(
        data_->audit, place, limit, [](const AuditRecord& record) { return record; }, true);
  }

 private:
  // OrderedMap::walk that looks at the control every 1,000 entries.
  Result<void> walk(const auto& map, const auto& place, const auto& visit, bool falling = false) const {
    Result<void> ok;
    std::uint64_t seen = 0;
    map.walk(falling, place, [&](const auto& key, const auto& value) {
      if (control_ && seen++ % 1000 == 0) ok = check(*control_);
      return ok.has_value() && visit(key, value);
    });
    return ok;
  }

  template <class Out>
  Result<std::vector<Out>> collect(const auto& map, const auto& place, std::size_t limit, const auto& make,
                                   bool falling = false) const {
    std::vector<Out> out;
    FRACTAL_TRY(walk(
        map, place,
        [&](const auto&, const auto& value) { return out.size() < limit && (out.push_back(make(value)), true); },
        falling));
    return out;
  }

  template <class Key>
  Result<std::vector<Row>> page(const Scan& scan, const OrderedMap<Key, RowPtr>& map,
                                const std::type_identity_t<Key>& last) const {
    const auto place = [&](const Key& key) -> int {
      if constexpr (std::is_same_v<Key, std::string>) {
        if (const int order = key.compare(0, scan.prefix.size(), scan.prefix); order != 0) return order;
      }
      if (!scan.after) return 0;
      return scan.descending ? key >= last : -int{key <= last};
    };
    std::vector<Row> out;
    FRACTAL_TRY(walk(
        map, place,
        [&](const auto&, const RowPtr& row) {
          if (out.size() == scan.limit) return false;
          if (row->key.starts_with(scan.prefix)) out.push_back(pick(row->row, scan.columns));
          return true;
        },
        scan.descending));
    return out;
  }

  std::shared_ptr<const SpaceData> data_;
  const Control* control_ = nullptr;
};

class Step final : public WriteTransaction {
 public:
  Step(const State& state, Edit edit) : state_(state), edit_(edit) {}

  // The state with what the step did.
  Result<State> finish() && {
    for (auto& [number, data] : open_) {
      if (data.record.number == 0) return make_error(Errc::invalid_argument, "there is no space {}", number);
      state_.spaces.set(edit_, number, std::make_shared<const SpaceData>(std::move(data)));
    }
    return std::move(state_);
  }

  Result<SpaceRecord*> space(const Space& space) override {
    if (const std::uint64_t* number = state_.numbers.find(space)) return &at(*number).record;
    const std::uint64_t number = ++state_.last_space;
    state_.numbers.set(edit_, space, number);
    return &(open_[number].record = SpaceRecord{.number = number, .space = space});
  }

  Result<std::optional<Row>> find(std::uint64_t space, std::string_view key, Columns columns) override {
    return find_row(at(space).by_key, key, columns);
  }

  Result<std::vector<Row>> scan(std::uint64_t space, MemoryId after, std::size_t limit, Columns columns) override {
    std::vector<Row> out;
    at(space).rows.walk(
        false, [&](MemoryId id) { return id > after ? 0 : -1; },
        [&](MemoryId, const RowPtr& row) {
          return out.size() < limit && (out.push_back(pick(row->row, columns)), true);
        });
    return out;
  }

  Result<void> put(std::uint64_t space, const Row& row, const Put& put) override {
    SpaceData& data = at(space);
    const RowPtr old = data.rows.find(row.id) ? *data.rows.find(row.id) : std::make_shared<StoredRow>();
    StoredRow next{row, row.memory.coordinate.key(), old->keywords};
    if (!put.vector) next.row.memory.embedding = old->row.memory.embedding;
    if (put.keywords) next.keywords = std::make_shared<const Keywords>(*put.keywords);
    unlist(data, *old, put.keywords);
    list(data, std::make_shared<const StoredRow>(std::move(next)), put.keywords);
    return {};
  }

  Result<void> erase(std::uint64_t space, const Row& row) override {
    if (const RowPtr* old = at(space).rows.find(row.id)) unlist(at(space), *RowPtr(*old), true);
    return {};
  }

  Result<std::optional<LinkRow>> find_link(std::uint64_t space, std::string_view from, std::string_view to,
                                           std::string_view type) override {
    return find_link_in(at(space), from, to, type);
  }

  Result<void> put_link(std::uint64_t space, const LinkRow& link) override {
    FRACTAL_TRY(erase_link(space, link));
    at(space).links.set(edit_, {link.from, link.type, link.to}, link);
    at(space).links_to.set(edit_, {link.to, link.type, link.from}, link);
    log(at(space), {.change = {link.sequence, ChangeKind::linked, link.from, link.to, link.type}});
    return {};
  }

  Result<void> erase_link(std::uint64_t space, const LinkRow& link) override {
    SpaceData& data = at(space);
    if (const auto old = find_link_in(data, link.from, link.to, link.type)) {
      data.log.erase(edit_, {old->sequence, link.from, link.to, link.type});
      data.links.erase(edit_, {link.from, link.type, link.to});
      data.links_to.erase(edit_, {link.to, link.type, link.from});
    }
    return {};
  }

  Result<std::vector<LinkRow>> links_of(std::uint64_t space, std::string_view key) override {
    std::map<LinkKey, LinkRow> sorted;
    const auto take = [&](const auto&, const LinkRow& link) {
      return sorted.emplace(LinkKey{link.from, link.type, link.to}, link), true;
    };
    at(space).links.walk(false, first_is(key), take);
    at(space).links_to.walk(false, first_is(key), take);
    std::vector<LinkRow> out;
    out.reserve(sorted.size());
    for (auto& [name, link] : sorted) out.push_back(std::move(link));
    return out;
  }

  Result<std::vector<Row>> expired(std::uint64_t space, Time now, std::size_t limit) override {
    auto keys = keys_in(at(space).by_expiry, first_up_to(now));
    std::sort(keys.begin(), keys.end(), [](auto& left, auto& right) { return left.second < right.second; });
    if (keys.size() > limit) keys.resize(limit);
    std::vector<Row> out;
    out.reserve(keys.size());
    for (const auto& [time, id] : keys) out.push_back(*find_row(at(space).rows, id, Columns::header));
    return out;
  }

  Result<void> note_removal(std::uint64_t space, const Removal& r) override {
    at(space).removals.set(edit_, {r.sequence, r.key, r.to, r.type}, true);
    log(at(space), {.change = {r.sequence, r.kind, r.key, r.to, r.type}, .removed = r.id});
    return {};
  }

  Result<void> prune_removals(std::uint64_t space, std::uint64_t up_to_sequence) override {
    for (const LogKey& key : keys_in(at(space).removals, first_up_to(up_to_sequence))) {
      at(space).removals.erase(edit_, key);
      at(space).log.erase(edit_, key);
    }
    return {};
  }

  Result<void> audit(std::uint64_t space, const AuditRecord& record) override {
    AuditRecord numbered = record;
    numbered.number = ++state_.last_audit;
    at(space).audit_by_time.set(edit_, {record.at, numbered.number}, true);
    at(space).audit.set(edit_, numbered.number, numbered);
    return {};
  }

  Result<std::uint64_t> prune_audit(std::uint64_t space, std::uint64_t keep, Time before) override {
    SpaceData& data = at(space);
    const std::size_t had = data.audit.size();
    const auto drop = [&](std::pair<Time, std::uint64_t> key) {
      data.audit_by_time.erase(edit_, key);
      data.audit.erase(edit_, key.second);
    };
    for (const auto& key : keys_in(data.audit_by_time, [&](auto& k) { return k.first < before ? 0 : 1; })) drop(key);
    while (data.audit.size() > keep) {
      std::pair<Time, std::uint64_t> oldest;
      data.audit.walk(false, everything, [&](auto number, auto& record) {
        return oldest = {record.at, number}, false;
      });
      drop(oldest);
    }
    return had - data.audit.size();
  }

  Result<void> add_accesses(std::uint64_t space, std::string_view key, std::uint64_t count) override {
    if (const RowPtr* row = at(space).by_key.find(key)) {
      StoredRow next = **row;
      next.row.memory.accesses += count;
      list(at(space), std::make_shared<const StoredRow>(std::move(next)), false);
    }
    return {};
  }

  Result<void> erase_space(std::uint64_t space) override {
    if (at(space).record.number == 0) return {};  // finish() refuses the step
    state_.numbers.erase(edit_, Space(at(space).record.space));
    state_.spaces.erase(edit_, space);
    erased_.push_back(open_.extract(space));
    return {};
  }

  Result<void> set_setting(std::string_view name, std::string_view value) override {
    state_.settings.set(edit_, std::string(name), std::string(value));
    return {};
  }

 private:
  // The step's own copy; one without a number for a space that is not there, which finish() refuses.
  SpaceData& at(std::uint64_t number) {
    const auto [entry, fresh] = open_.try_emplace(number);
    const auto* found = fresh ? state_.spaces.find(number) : nullptr;
    if (found) entry->second = **found;
    return entry->second;
  }

  void log(SpaceData& data, Logged item) {
    LogKey key{item.change.sequence, item.change.key, item.change.to, item.change.type};
    data.log.set(edit_, std::move(key), std::move(item));
  }

  // Into every order of the rows, in the place of what had these places; out of all.
  void list(SpaceData& data, const RowPtr& row, bool words) {
    const MemoryId id = row->row.id;
    const Memory& memory = row->row.memory;
    data.rows.set(edit_, id, row);
    data.by_key.set(edit_, row->key, row);
    data.by_created.set(edit_, {memory.created_at, id}, row);
    data.by_importance.set(edit_, {memory.importance, id}, row);
    if (memory.expires_at) data.by_expiry.set(edit_, {*memory.expires_at, id}, row);
    log(data, {.change = {row->row.sequence, ChangeKind::stored, row->key}, .row = row});
    if (words) each_word(*row, [&](auto& word, auto& counts) { data.postings.set(edit_, {word, id}, counts); });
  }
  void unlist(SpaceData& data, const StoredRow& row, bool words) {
    const MemoryId id = row.row.id;
    const Memory& memory = row.row.memory;
    data.rows.erase(edit_, id);
    data.by_key.erase(edit_, row.key);
    data.by_created.erase(edit_, {memory.created_at, id});
    data.by_importance.erase(edit_, {memory.importance, id});
    if (memory.expires_at) data.by_expiry.erase(edit_, {*memory.expires_at, id});
    data.log.erase(edit_, {row.row.sequence, row.key, "", ""});
    if (words) each_word(row, [&](auto& word, auto&) { data.postings.erase(edit_, {word, id}); });
  }

  static void each_word(const StoredRow& row, const auto& visit) {
    std::map<std::string, WordCounts> counts;
    for (std::size_t column = 0; row.keywords && column < weight_classes; ++column) {
      std::istringstream text(row.keywords->text[column]);
      for (std::string word; text >> word;) ++counts[word][column];
    }
    for (const auto& [word, columns] : counts) visit(word, columns);
  }

  State state_;
  Edit edit_;
  std::map<std::uint64_t, SpaceData> open_;
  std::vector<std::map<std::uint64_t, SpaceData>::node_type> erased_;  // their records live until the step ends
};

// The counters as the rows have them.
SpaceRecord recount(const SpaceData& data) {
  SpaceRecord record = data.record;
  record.memories = data.rows.size();
  record.links = data.links.size();
  record.semantic = record.vectors = 0;
  record.words = {};
  data.rows.walk(false, everything, [&](MemoryId, const RowPtr& row) {
    record.semantic += row->row.memory.type == MemoryType::semantic;
    record.vectors += row->row.has_vector;
    for (std::size_t i = 0; i < weight_classes; ++i) record.words[i] += row->row.words[i];
    return true;
  });
  return record;
}

// What is being caught, as an error.
Error thrown() {
  try {
    throw;
  } catch (const Exception& failure) { return failure.error(); } catch (const std::exception& failure) {
    return make_error(Errc::io, "a write failed: {}", failure.what());
  } catch (...) { return make_error(Errc::io, "a write failed: unknown exception"); }
}

class MemoryStorage final : public Storage {
 public:
  Result<void> apply(std::span<WriteStep> steps) override try {
    const std::lock_guard turn(writer_);
    State next = *state();
    for (WriteStep& step : steps) step.outcome = run(step, next);
    publish(std::move(next));
    return {};
  } catch (...) { return thrown(); }

  Result<std::unique_ptr<ReadView>> read(const Space& space) override {
    const auto now = state();
    const std::uint64_t* number = now->numbers.find(space);
    return std::unique_ptr<ReadView>(std::make_unique<View>(
        number ? *now->spaces.find(*number) : std::make_shared<SpaceData>(SpaceData{.record = {.space = space}})));
  }

  Result<std::optional<Row>> get(const Space& space, std::string_view key, Columns columns) override {
    return (*read(space))->get(key, columns);
  }

  Result<std::vector<Space>> spaces() override { return keys_in(state()->numbers, everything); }
  Result<std::vector<std::string>> indexed_fields() override { return keys_in(state()->indexed, everything); }
  Result<std::optional<std::string>> setting(std::string_view name) override {
    const auto now = state();
    const std::string* value = now->settings.find(name);
    return value ? std::optional(*value) : std::nullopt;
  }

  // Filters are evaluated row by row, with or without.
  Result<void> create_index(std::string_view path, const Control& control) override {
    FRACTAL_TRY(check(control));
    const std::lock_guard turn(writer_);
    State next = *state();
    next.indexed.set(++edit_, std::string(path), true);
    publish(std::move(next));
    return {};
  }

  Result<std::vector<std::string>> verify(const Control& control) override {
    State scratch = *state();
    return mend_counters(scratch, Edit{0}, control);
  }

  Result<std::vector<std::string>> repair(const Control& control) override {
    const std::lock_guard turn(writer_);
    State next = *state();
    FRACTAL_TRY_INTO(auto sentences, mend_counters(next, ++edit_, control));
    publish(std::move(next));
    return sentences;
  }

  // What no view needs is freed at once, and no file holds any of it.
  Result<std::uint64_t> maintain(bool, const Control& control) override {
    FRACTAL_TRY(check(control));
    return std::uint64_t{0};
  }

  Result<void> backup(const std::string& path, const Control&) override {
    return make_error(Errc::unsupported, "backup to {}: this storage has no file to copy", path);
  }

  std::string describe() const override { return "memory"; }
  std::vector<std::string> problems() override { return {}; }
  std::uint64_t bytes() override { return 0; }
  bool read_only() const override { return false; }

 private:
  Result<void> run(WriteStep& step, State& state) try {
    Step transaction(state, ++edit_);
    FRACTAL_TRY(step.run(transaction));
    FRACTAL_TRY_INTO(state, std::move(transaction).finish());
    return {};
  } catch (...) { return thrown(); }

  static Result<std::vector<std::string>> mend_counters(State& state, Edit edit, const Control& control) {
    std::vector<std::string> sentences;
    for (const std::uint64_t number : keys_in(state.spaces, everything)) {
      FRACTAL_TRY(check(control));
      SpaceData data = **state.spaces.find(number);
      const SpaceRecord truth = recount(data);
      if (data.record == truth) continue;
      sentences.push_back(fmt::format("space {}/{}: counters disagree with its {} memories and {} links",
                                      truth.space.tenant, truth.space.name, truth.memories, truth.links));
      data.record = truth;
      state.spaces.set(edit, number, std::make_shared<const SpaceData>(std::move(data)));
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

  std::mutex writer_;  // held by a writer for its turn
  Edit edit_ = 0;
  mutable std::mutex state_mutex_;
  std::shared_ptr<const State> state_ = std::make_shared<const State>();
};

}  // namespace

std::shared_ptr<Storage> make_memory_storage() { return std::make_shared<MemoryStorage>(); }

}  // namespace fractal
