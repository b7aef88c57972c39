// Invariant: each row stands in every order of its space, each link at both its ends, and each of them and each
// removal once in the log, under its sequence.
#include "backends/memory/state.h"
#include "src/error.h"

#include <algorithm>
#include <sstream>

namespace fractal::memory_backend {
namespace {

class Step final : public WriteTransaction {
 public:
  explicit Step(const State& state) : state_(state) {}

  // The state with what the step did. invalid_argument: the step named a space that is not there.
  Result<State> finish() && {
    for (const auto& [number, data] : open_) {
      if (data->record.number == 0) return make_error(Errc::invalid_argument, "there is no space {}", number);
    }
    return std::move(state_);
  }

  Result<SpaceRecord*> space(const Space& space) override {
    if (const std::uint64_t* number = state_.numbers.find(space)) return &at(*number).record;
    const std::uint64_t number = ++state_.last_space;
    state_.numbers.set(space, number);
    state_.spaces.set(number, std::make_shared<SpaceData>());
    return &(at(number).record = {.number = number, .space = space});
  }

  Result<std::optional<Row>> find(std::uint64_t space, std::string_view key, Columns columns) override {
    return find_row(at(space).by_key, key, columns);
  }

  Result<std::vector<Row>> scan(std::uint64_t space, MemoryId after, std::size_t limit, Columns columns) override {
    if (!open_.contains(space) && state_.spaces.find(space) == nullptr) return std::vector<Row>{};
    return rows_at(space, keys_in(at(space).rows, between(after, last_number), limit), columns);
  }

  Result<void> put(std::uint64_t space, const Row& row, const Put& put) override {
    const RowPtr* found = at(space).rows.find(row.id);
    const RowPtr old = found ? *found : std::make_shared<StoredRow>();
    StoredRow next{row, row.memory.coordinate.key(), put.keywords ? count_words(*put.keywords) : old->words};
    if (!put.vector) next.row.memory.embedding = old->row.memory.embedding;
    if (found) unlist(at(space), *old, put.keywords);
    list(at(space), std::make_shared<const StoredRow>(std::move(next)), put.keywords);
    return {};
  }

  Result<void> erase(std::uint64_t space, const Row& row) override {
    if (const RowPtr* old = at(space).rows.find(row.id)) unlist(at(space), *RowPtr(*old), true);
    return {};
  }

  Result<std::optional<LinkRow>> find_link(std::uint64_t space, std::string_view from, std::string_view to,
                                           std::string_view type) override {
    return memory_backend::find_link(at(space), from, to, type);
  }

  Result<void> put_link(std::uint64_t space, const LinkRow& link) override {
    FRACTAL_TRY(erase_link(space, link));
    at(space).links.set(place_of(link), link);
    at(space).links.set({true, link.to, link.type, link.from}, link);
    log(at(space), {.change = {link.sequence, ChangeKind::linked, link.from, link.to, link.type}});
    return {};
  }

  Result<void> erase_link(std::uint64_t space, const LinkRow& link) override {
    if (const LinkRow* old = at(space).links.find(place_of(link))) at(space).log.erase(old->sequence);
    at(space).links.erase(place_of(link));
    at(space).links.erase({true, link.to, link.type, link.from});
    return {};
  }

  Result<std::vector<LinkRow>> links_of(std::uint64_t space, std::string_view key) override {
    std::vector<LinkRow> out;
    for (const bool incoming : {false, true}) {
      at(space).links.walk(false, links_at(incoming, key, ""), [&](const LinkPlace& place, const LinkRow& link) {
        if (!incoming || place.other != key) out.push_back(link);
        return true;
      });
    }
    std::sort(out.begin(), out.end(), [](auto& left, auto& right) { return place_of(left) < place_of(right); });
    return out;
  }

  Result<std::vector<Row>> expired(std::uint64_t space, Time now, std::size_t limit) override {
    std::vector<MemoryId> ids;
    for (const auto& [time, id] : keys_in(at(space).by_expiry, up_to(now))) ids.push_back(id);
    std::sort(ids.begin(), ids.end());
    if (ids.size() > limit) ids.resize(limit);
    return rows_at(space, ids, Columns::header);
  }

  Result<void> note_removal(std::uint64_t space, const Removal& r) override {
    at(space).removals.set(r.sequence, true);
    log(at(space), {.change = {r.sequence, r.kind, r.key, r.to, r.type}, .removed = r.id});
    return {};
  }

  Result<void> prune_removals(std::uint64_t space, std::uint64_t up_to_sequence) override {
    for (const std::uint64_t sequence : keys_in(at(space).removals, between<std::uint64_t>(0, up_to_sequence))) {
      at(space).removals.erase(sequence);
      at(space).log.erase(sequence);
    }
    return {};
  }

  Result<void> audit(std::uint64_t space, const AuditRecord& record) override {
    const std::uint64_t number = ++state_.last_audit;
    AuditRecord numbered = record;
    numbered.number = number;
    at(space).audit_by_time.set({record.at, number}, true);
    at(space).audit.set(number, std::move(numbered));
    return {};
  }

  Result<std::uint64_t> prune_audit(std::uint64_t space, std::uint64_t keep, Time before) override {
    SpaceData& data = at(space);
    const std::uint64_t had = data.audit.size();
    const auto drop = [&](Time at, std::uint64_t number) {
      data.audit_by_time.erase({at, number});
      data.audit.erase(number);
    };
    const auto old = between<std::pair<Time, std::uint64_t>>({Time::min(), 0}, {before, 0});
    for (const auto& [at, number] : keys_in(data.audit_by_time, old)) drop(at, number);
    const std::uint64_t excess = data.audit.size() - std::min<std::uint64_t>(keep, data.audit.size());
    for (const auto number : keys_in(data.audit, everything, excess)) drop(data.audit.find(number)->at, number);
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
    state_.numbers.erase(at(space).record.space);
    state_.spaces.erase(space);
    erased_.push_back(open_.extract(space));
    return {};
  }

  Result<void> set_setting(std::string_view name, std::string_view value) override {
    state_.settings.set(std::string(name), std::string(value));
    return {};
  }

 private:
  // The step's own copy; one without a number for a space that is not there, which finish() refuses.
  SpaceData& at(std::uint64_t number) {
    std::shared_ptr<SpaceData>& data = open_[number];
    if (data) return *data;
    const auto* found = state_.spaces.find(number);
    data = found ? std::make_shared<SpaceData>(**found) : std::make_shared<SpaceData>();
    if (found) state_.spaces.set(number, data);
    return *data;
  }

  std::vector<Row> rows_at(std::uint64_t space, std::span<const MemoryId> ids, Columns columns) {
    std::vector<Row> out;
    out.reserve(ids.size());
    for (const MemoryId id : ids) out.push_back(*find_row(at(space).rows, id, columns));
    return out;
  }

  static void log(SpaceData& data, const Logged& item) { data.log.set(item.change.sequence, item); }

  // Calls change(order, place) for each order of the rows.
  static void each_order(SpaceData& data, const StoredRow& stored, const auto& change) {
    const MemoryId id = stored.row.id;
    const Memory& memory = stored.row.memory;
    change(data.rows, id);
    change(data.by_key, stored.key);
    change(data.by_created, std::pair(memory.created_at, id));
    change(data.by_importance, std::pair(memory.importance, id));
    if (memory.expires_at) change(data.by_expiry, std::pair(*memory.expires_at, id));
  }
  static void list(SpaceData& data, const RowPtr& row, bool words) {
    each_order(data, *row, [&](auto& order, const auto& place) { order.set(place, row); });
    log(data, {.change = {row->row.sequence, ChangeKind::stored, row->key}, .row = row});
    if (!words) return;
    for (const auto& [word, counts] : *row->words) data.postings.set({word, row->row.id}, counts);
  }
  static void unlist(SpaceData& data, const StoredRow& row, bool words) {
    each_order(data, row, [](auto& order, const auto& place) { order.erase(place); });
    data.log.erase(row.row.sequence);
    if (!words) return;
    for (const auto& [word, counts] : *row.words) data.postings.erase({word, row.row.id});
  }

  static std::shared_ptr<const WordMap> count_words(const Keywords& keywords) {
    WordMap counts;
    for (std::size_t column = 0; column < weight_classes; ++column) {
      std::istringstream text(keywords.text[column]);
      for (std::string word; text >> word;) ++counts[word][column];
    }
    return std::make_shared<const WordMap>(std::move(counts));
  }

  State state_;
  std::map<std::uint64_t, std::shared_ptr<SpaceData>> open_;
  std::vector<decltype(open_)::node_type> erased_;  // their records live until the step ends
};

}  // namespace

Result<void> run_step(const WriteStep& step, State& state) {
  Step transaction(state);
  FRACTAL_TRY(step.run(transaction));
  FRACTAL_TRY_INTO(state, std::move(transaction).finish());
  return {};
}

}  // namespace fractal::memory_backend
