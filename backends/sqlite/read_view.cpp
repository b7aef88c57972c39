// Invariant: all reads of a view happen inside one read transaction, begun before its record was read, so
// that the record and every answer describe the same commit.
#include "backends/sqlite/read_view.h"

#include "backends/sqlite/filter_sql.h"
#include "backends/sqlite/postings.h"
#include "src/error.h"
#include "src/key_range.h"

#include <algorithm>
#include <limits>
#include <optional>

namespace fractal::sqlite_backend {
namespace {

constexpr std::size_t rows_per_look = 256;

// LIMIT is a signed number.
std::int64_t bounded(std::size_t limit) {
  constexpr auto most = static_cast<std::size_t>(std::numeric_limits<std::int64_t>::max() - 1);
  return static_cast<std::int64_t>(std::min(limit, most));
}

// One of the streams that changes() merges: at its next row, or done.
class ChangeStream {
 public:
  ChangeStream(Connection& connection, Sql sql, ChangeKind kind, std::uint64_t space, std::uint64_t after)
      : query_(connection, sql, space, after), kind_(kind) {}

  Result<void> advance() {
    FRACTAL_TRY_INTO(there_, query_.step());
    if (there_) sequence_ = query_.natural(0);
    return {};
  }
  bool there() const noexcept { return there_; }
  std::uint64_t sequence() const noexcept { return sequence_; }
  ChangeRow row() const {
    ChangeRow row{.sequence = sequence_, .kind = kind_, .key = std::string(query_.bytes(1)), .to = {}, .type = {}};
    if (kind_ == ChangeKind::stored) return row;
    row.to = query_.bytes(2);
    row.type = query_.bytes(3);
    if (kind_ == ChangeKind::removed) row.kind = static_cast<ChangeKind>(query_.integer(4));
    return row;
  }

 private:
  Query query_;
  ChangeKind kind_;
  bool there_ = false;
  std::uint64_t sequence_ = 0;
};

class View final : public ReadView {
 public:
  View(Lease lease, SpaceRecord record) : lease_(std::move(lease)), record_(std::move(record)) {}
  ~View() override {
    lease_->obey(nullptr);
    if (!Query(*lease_, Sql::commit).run()) lease_->rollback();
  }
  View(const View&) = delete;
  View& operator=(const View&) = delete;

  const SpaceRecord& space() const override { return record_; }
  void obey(const Control* control) override { lease_->obey(control); }

  Result<std::optional<Row>> get(std::string_view key, Columns columns) override {
    Query query(*lease_, of(Sql::find_header, columns), record_.number, BlobValue{key});
    return read_one(*lease_, query, columns);
  }

  Result<std::vector<Row>> fetch(std::span<const MemoryId> ids, Columns columns) override {
    std::vector<Row> rows;
    rows.reserve(ids.size());
    Query query(*lease_, of(Sql::fetch_header, columns));
    for (std::size_t i = 0; i < ids.size(); ++i) {
      if (i % rows_per_look == 0) FRACTAL_TRY(lease_->check("read memories"));
      if (ids[i] >> space_shift != record_.number) continue;
      query.again(ids[i]);
      FRACTAL_TRY_INTO(const bool there, query.step());
      if (there) FRACTAL_TRY(read_row(*lease_, query, columns, rows.emplace_back()));
    }
    return rows;
  }

  Result<std::vector<Row>> list(const Scan& scan) override {
    const std::string end = prefix_end(scan.prefix);
    const bool by_key = scan.order == ListOrder::coordinate;
    Scan wanted = scan;
    // A position outside the prefix says no more than the prefix does, or that nothing is left.
    if (by_key && scan.after) {
      const std::string& key = scan.after->key;
      const bool below = key < scan.prefix, above = !end.empty() && key >= end;
      if (scan.descending ? below : above) return std::vector<Row>{};
      if (below || above) wanted.after.reset();
    }
    std::vector<Row> rows;
    if (wanted.after && !by_key && scan.prefix.empty()) FRACTAL_TRY(list_page(wanted, end, Beyond::tie, rows));
    if (rows.size() < scan.limit) FRACTAL_TRY(list_page(wanted, end, Beyond::value, rows));
    return rows;
  }

  Result<Selection> select(const Filter& filter, std::string_view prefix, std::size_t limit) override {
    FRACTAL_TRY(load_fields());
    const FilterQuery wanted = filter_query(filter, prefix, *fields_);
    Query query(*lease_, wanted.sql, "filter", record_.number);
    bind_filter(query, wanted, bounded(limit) + 1);
    Selection selection{.ids = {}, .exact = wanted.exact, .complete = true};
    for (;;) {
      FRACTAL_TRY_INTO(const bool row, query.step());
      if (!row) break;
      if (selection.ids.size() == limit) {
        selection.complete = false;
        break;
      }
      selection.ids.push_back(query.natural(0));
    }
    if (!std::is_sorted(selection.ids.begin(), selection.ids.end())) {
      std::sort(selection.ids.begin(), selection.ids.end());
    }
    return selection;
  }

  Result<void> keys(std::string_view first, std::string_view last, const KeyVisitor& visit) override {
    if (last.empty()) {
      Query query(*lease_, Sql::keys_from, record_.number, BlobValue{first});
      return visit_keys(query, visit);
    }
    Query query(*lease_, Sql::keys_between, record_.number, BlobValue{first}, BlobValue{last});
    return visit_keys(query, visit);
  }

  Result<void> links(std::span<const std::string> frontier, Direction direction, std::string_view type,
                     const LinkVisitor& visit) override {
    std::optional<Query> out, in;
    if (direction != Direction::incoming) out.emplace(*lease_, type.empty() ? Sql::links_out : Sql::links_out_of_type);
    if (direction != Direction::outgoing) in.emplace(*lease_, type.empty() ? Sql::links_in : Sql::links_in_of_type);
    LinkRow link;
    bool more = true;
    for (std::size_t i = 0; more && i < frontier.size(); ++i) {
      if (i % rows_per_look == 0) FRACTAL_TRY(lease_->check("read links"));
      for (std::optional<Query>* side : {&out, &in}) {
        if (!more || !side->has_value()) continue;
        FRACTAL_TRY_INTO(more, visit_links(**side, frontier[i], type, link, visit));
      }
    }
    return {};
  }

  Result<std::optional<LinkRow>> get_link(std::string_view from, std::string_view to, std::string_view type) override {
    Query query(*lease_, Sql::find_link, record_.number, BlobValue{from}, TextValue{type}, BlobValue{to});
    std::optional<LinkRow> link;
    FRACTAL_TRY_INTO(const bool there, query.step());
    if (there) read_link(query, true, link.emplace());
    return link;
  }

  Result<std::vector<LinkRow>> list_links(const LinkRow* after, std::size_t limit) override {
    Query query(*lease_, after != nullptr ? Sql::list_links_after : Sql::list_links, record_.number, bounded(limit));
    if (after != nullptr) {
      query.bind(3, BlobValue{after->from});
      query.bind(4, TextValue{after->type});
      query.bind(5, BlobValue{after->to});
    }
    std::vector<LinkRow> links;
    for (;;) {
      FRACTAL_TRY_INTO(const bool row, query.step());
      if (!row) return links;
      read_link(query, true, links.emplace_back());
    }
  }

  Result<Postings> postings(std::span<const std::string> terms) override {
    return read_postings(*lease_, terms, first_id(record_.number), last_id(record_.number));
  }

  Result<std::vector<ChangeRow>> changes(std::uint64_t after, std::size_t limit) override {
    ChangeStream streams[] = {{*lease_, Sql::changed_memories, ChangeKind::stored, record_.number, after},
                              {*lease_, Sql::changed_links, ChangeKind::linked, record_.number, after},
                              {*lease_, Sql::removals, ChangeKind::removed, record_.number, after}};
    for (ChangeStream& stream : streams) FRACTAL_TRY(stream.advance());
    std::vector<ChangeRow> rows;
    while (rows.size() < limit) {
      ChangeStream* next = nullptr;
      for (ChangeStream& stream : streams) {
        if (stream.there() && (next == nullptr || stream.sequence() < next->sequence())) next = &stream;
      }
      if (next == nullptr) break;
      rows.push_back(next->row());
      FRACTAL_TRY(next->advance());
    }
    return rows;
  }

  Result<void> vectors(std::uint64_t after, VectorColumns columns, const VectorVisitor& visit) override {
    const bool fields = columns == VectorColumns::fields;
    bool more = true;
    if (after == 0) {  // if the vectors will do, without a look at their memories
      Query every(*lease_, fields ? Sql::every_vector_with_fields : Sql::every_vector, first_id(record_.number),
                  last_id(record_.number));
      FRACTAL_TRY_INTO(more, visit_vectors(every, fields, visit));
      if (!more) return {};
      Query cleared(*lease_, Sql::cleared_vectors, record_.number);
      FRACTAL_TRY_INTO(more, visit_gone(cleared, visit));
    } else {
      Query changed(*lease_, fields ? Sql::changed_vectors_with_fields : Sql::changed_vectors, record_.number, after);
      FRACTAL_TRY_INTO(more, visit_vectors(changed, fields, visit));
    }
    if (!more) return {};
    Query removed(*lease_, Sql::removed_memories, record_.number, after);
    FRACTAL_TRY_INTO(more, visit_gone(removed, visit));
    return {};
  }

  Result<std::vector<Row>> expired(Time now) override {
    Query query(*lease_, Sql::expired_of_view, record_.number, now);
    std::vector<Row> rows;
    for (;;) {
      FRACTAL_TRY_INTO(const bool there, query.step());
      if (!there) return rows;
      Row& row = rows.emplace_back();
      row.id = query.natural(0);
      FRACTAL_TRY_INTO(row.memory.coordinate, Coordinate::from_key(query.bytes(1)));
      row.memory.expires_at = query.time(2);
    }
  }

  Result<std::vector<AuditRecord>> audit(std::size_t limit, std::uint64_t before) override {
    constexpr std::uint64_t newest = std::numeric_limits<std::int64_t>::max();
    Query query(*lease_, Sql::audit_page, record_.number, before == 0 ? newest : std::min(before, newest),
                bounded(limit));
    std::vector<AuditRecord> records;
    for (;;) {
      FRACTAL_TRY_INTO(const bool row, query.step());
      if (!row) return records;
      records.push_back({.number = query.natural(0),
                         .at = query.time(1),
                         .action = std::string(query.bytes(3)),
                         .subject = std::string(query.bytes(4)),
                         .version = query.natural(2),
                         .payload = std::string(query.bytes(5))});
    }
  }

 private:
  // Appends to `rows` up to the limit.
  Result<void> list_page(const Scan& scan, std::string_view end, Beyond beyond, std::vector<Row>& rows) {
    const std::string text = list_text(scan, !end.empty(), beyond);
    Query query(*lease_, text, "list memories", record_.number, BlobValue{scan.prefix}, BlobValue{end});
    query.bind(6, bounded(scan.limit - rows.size()));
    if (scan.after) bind_position(query, *scan.after, scan.order);
    return read_rows(*lease_, query, scan.columns, rows);
  }

  static void bind_position(Query& query, const Position& after, ListOrder order) {
    switch (order) {
      case ListOrder::coordinate: query.bind(4, BlobValue{after.key}); return;
      case ListOrder::created_at: query.bind(4, after.created_at); break;
      case ListOrder::importance: query.bind(4, after.importance); break;
    }
    query.bind(5, after.id);
  }

  static void bind_filter(Query& query, const FilterQuery& wanted, std::int64_t limit) {
    struct Bind {
      Query& query;
      int index;
      void operator()(std::int64_t number) const { query.bind(index, number); }
      void operator()(double number) const { query.bind(index, number); }
      void operator()(const BoundText& text) const { query.bind(index, TextValue{text.bytes}); }
      void operator()(const BoundBlob& blob) const { query.bind(index, BlobValue{blob.bytes}); }
    };
    int index = 1;  // the space
    for (const Bound& value : wanted.values) std::visit(Bind{query, ++index}, value);
    query.bind(++index, limit);
  }

  static Result<void> visit_keys(Query& query, const KeyVisitor& visit) {
    for (;;) {
      FRACTAL_TRY_INTO(const bool row, query.step());
      if (!row || !visit({.key = query.bytes(0), .id = query.natural(1)})) return {};
    }
  }

  Result<bool> visit_links(Query& query, const std::string& key, std::string_view type, LinkRow& link,
                           const LinkVisitor& visit) {
    query.again(record_.number, BlobValue{key});
    if (!type.empty()) query.bind(3, TextValue{type});
    for (;;) {
      FRACTAL_TRY_INTO(const bool row, query.step());
      if (!row) return true;
      read_link(query, false, link);
      if (!visit(link)) return false;
    }
  }

  Result<bool> visit_vectors(Query& query, bool fields, const VectorVisitor& visit) {
    for (;;) {
      FRACTAL_TRY_INTO(const bool row, query.step());
      if (!row) return true;
      read_embedding(query.bytes(2), vector_);
      VectorChange change{.id = query.natural(0), .sequence = query.natural(1), .vector = vector_};
      if (fields && !vector_.empty()) { FRACTAL_TRY_INTO(change.fields, read_vector_fields(*lease_, query, 3)); }
      if (!visit(change)) return false;
    }
  }

  static Result<bool> visit_gone(Query& query, const VectorVisitor& visit) {
    for (;;) {
      FRACTAL_TRY_INTO(const bool row, query.step());
      if (!row) return true;
      if (!visit({.id = query.natural(0), .sequence = query.natural(1), .vector = {}})) return false;
    }
  }

  Result<void> load_fields() {
    if (fields_) return {};
    FRACTAL_TRY_INTO(fields_, read_fields(*lease_));
    return {};
  }

  Lease lease_;
  SpaceRecord record_;
  std::optional<std::vector<Field>> fields_;
  std::vector<float> vector_;
};

}  // namespace

Result<std::unique_ptr<ReadView>> open_view(Lease lease, const Space& space) {
  Connection& connection = *lease;
  SpaceRow row;
  row.record.space = space;
  const auto begin = [&]() -> Result<void> {
    FRACTAL_TRY(Query(connection, Sql::begin_read).run());
    Query query(connection, Sql::space_by_name, TextValue{space.tenant}, TextValue{space.name});
    FRACTAL_TRY_INTO(const bool there, query.step());
    if (there) read_space(query, row);
    return {};
  };
  if (auto begun = begin(); !begun) {
    connection.rollback();
    return std::move(begun).error();
  }
  return std::unique_ptr<ReadView>(std::make_unique<View>(std::move(lease), std::move(row.record)));
}

}  // namespace fractal::sqlite_backend
