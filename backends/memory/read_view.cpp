// Invariant: what a view reads never changes, so it takes no lock. A row or link that is visited is one that the
// caller asked for: each answer is a range of an order, and only a filter or prefix passes over some of it.
#include "backends/memory/state.h"
#include "src/error.h"
#include "src/validate.h"

#include <algorithm>
#include <tuple>
#include <type_traits>

namespace fractal::memory_backend {
namespace {

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
      if (control_ && i % 1000 == 0) FRACTAL_TRY(check_control(*control_, "read"));
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
    const auto range = [&](const std::string& key) { return key.compare(0, prefix.size(), prefix); };
    FRACTAL_TRY(walk(data_->by_key, range, [&](const auto&, const RowPtr& row) {
      if (!matches(filter, row->row)) return true;
      out.complete = out.ids.size() < limit;
      if (out.complete) out.ids.push_back(row->row.id);
      return out.complete;
    }));
    std::sort(out.ids.begin(), out.ids.end());
    return out;
  }

  Result<void> keys(std::string_view first, std::string_view last, const KeyVisitor& visit) override {
    const auto range = [&](std::string_view key) { return key < first ? -1 : int{!last.empty() && key >= last}; };
    return walk(data_->by_key, range, [&](const auto& key, const RowPtr& row) { return visit({key, row->row.id}); });
  }

  Result<void> links(std::span<const std::string> frontier, Direction direction, std::string_view type,
                     const LinkVisitor& visit) override {
    bool more = true;
    for (const std::string& end : frontier) {
      for (const bool incoming : {false, true}) {
        if (!more || direction == (incoming ? Direction::outgoing : Direction::incoming)) continue;
        FRACTAL_TRY(walk(data_->links, links_at(incoming, end, type), [&](const auto&, const LinkRow& link) {
          return more = visit({.from = link.from, .to = link.to, .type = link.type, .strength = link.strength});
        }));
      }
    }
    return {};
  }

  Result<std::optional<LinkRow>> get_link(std::string_view from, std::string_view to, std::string_view type) override {
    return find_link(*data_, from, to, type);
  }

  Result<std::vector<LinkRow>> list_links(const LinkRow* after, std::size_t limit) override {
    const auto range = between<LinkPlace>(after ? place_of(*after) : LinkPlace{}, {.incoming = true});
    return collect<LinkRow>(data_->links, range, limit, [](const auto& link, auto& out) { out.push_back(link); });
  }

  Result<Postings> postings(std::span<const std::string> terms) override {
    std::vector<std::tuple<MemoryId, std::size_t, WordCounts>> found;
    for (std::size_t i = 0; i < terms.size(); ++i) {
      const auto range = between<WordPlace>({terms[i], 0}, {terms[i], last_number});
      FRACTAL_TRY(walk(data_->postings, range, [&](const WordPlace& place, const WordCounts& counts) {
        return found.emplace_back(place.second, i, counts), true;
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
    return collect<ChangeRow>(data_->log, between(after, last_number), limit,
                              [](const Logged& item, auto& out) { out.push_back(item.change); });
  }

  Result<void> vectors(std::uint64_t after, VectorColumns columns, const VectorVisitor& visit) override {
    return walk(data_->log, between(after, last_number), [&](const auto&, const Logged& item) {
      if (item.removed != 0) return visit({.id = item.removed, .sequence = item.change.sequence});
      if (!item.row || item.row->row.vector_sequence <= after) return true;
      const Row& row = item.row->row;
      VectorChange change{.id = row.id, .sequence = row.vector_sequence, .vector = row.memory.embedding};
      if (columns == VectorColumns::fields && row.has_vector) change.fields = VectorFields::of(row.memory);
      return visit(change);
    });
  }

  Result<std::vector<Row>> expired(Time now) override {
    return collect<Row>(data_->by_expiry, up_to(now), last_number, [](const RowPtr& row, auto& out) {
      const Memory& memory = row->row.memory;
      out.push_back({.id = row->row.id, .memory = {.coordinate = memory.coordinate, .expires_at = memory.expires_at}});
    });
  }

  Result<std::vector<AuditRecord>> audit(std::size_t limit, std::uint64_t before) override {
    const auto range = between<std::uint64_t>(0, before == 0 ? last_number : before - 1);
    return collect<AuditRecord>(
        data_->audit, range, limit, [](const auto& record, auto& out) { out.push_back(record); }, true);
  }

 private:
  // OrderedMap::walk that looks at the control every 1,000 entries.
  Result<void> walk(const auto& map, const auto& range, const auto& visit, bool falling = false) const {
    Result<void> ok;
    std::size_t seen = 0;
    map.walk(falling, range, [&](const auto& key, const auto& value) {
      if (control_ && seen++ % 1000 == 0) ok = check_control(*control_, "read");
      return ok.has_value() && visit(key, value);
    });
    return ok;
  }

  // What add(value, out) makes of a range.
  template <class Out>
  Result<std::vector<Out>> collect(const auto& map, const auto& range, std::size_t limit, const auto& add,
                                   bool falling = false) const {
    std::vector<Out> out;
    const auto take = [&](const auto&, const auto& value) { return out.size() < limit && (add(value, out), true); };
    FRACTAL_TRY(walk(map, range, take, falling));
    return out;
  }

  template <class Key>
  Result<std::vector<Row>> page(const Scan& scan, const OrderedMap<Key, RowPtr>& map,
                                const std::type_identity_t<Key>& last) const {
    const auto range = [&](const Key& key) -> int {
      if constexpr (std::is_same_v<Key, std::string>) {
        if (const int order = key.compare(0, scan.prefix.size(), scan.prefix); order != 0) return order;
      }
      if (!scan.after) return 0;
      return scan.descending ? key >= last : -int{key <= last};
    };
    const auto add = [&](const RowPtr& row, auto& out) {
      if (row->key.starts_with(scan.prefix)) out.push_back(pick(row->row, scan.columns));
    };
    return collect<Row>(map, range, scan.limit, add, scan.descending);
  }

  std::shared_ptr<const SpaceData> data_;
  const Control* control_ = nullptr;
};

}  // namespace

std::unique_ptr<ReadView> make_view(std::shared_ptr<const SpaceData> data) {
  return std::make_unique<View>(std::move(data));
}

}  // namespace fractal::memory_backend
