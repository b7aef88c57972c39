// Invariant: all reads of a view happen inside one REPEATABLE READ transaction, whose snapshot was taken when its record
// was read, so that the record and every answer describe the same commit.
#include "backends/postgres/read_view.h"

#include "backends/postgres/filter_sql.h"
#include "backends/postgres/keywords.h"
#include "backends/postgres/row_security.h"
#include "backends/postgres/rows.h"
#include "backends/postgres/statements.h"
#include "src/error.h"
#include "src/key_range.h"

#include <algorithm>
#include <limits>
#include <optional>

namespace fractal::postgres_backend {
namespace {

constexpr std::int64_t rows_per_page = 4'096;
constexpr std::int64_t vectors_per_page = 1'024;

class View final : public ReadView {
 public:
  View(Lease lease, SpaceRow row, std::optional<Time> first_expiry)
      : lease_(std::move(lease)),
        connection_(*lease_),
        record_(std::move(row.record)),
        mark_(std::move(row.mark)),
        first_expiry_(first_expiry) {}
  View(const View&) = delete;
  View& operator=(const View&) = delete;

  const SpaceRecord& space() const override { return record_; }
  // The token of the last commit of the library, and the transaction that wrote last: another program's leaves no token.
  std::string mark() const override { return mark_; }
  void obey(const Control* control) override { connection_.obey(control); }

  Result<std::optional<Row>> get(std::string_view key, Columns columns) override {
    FRACTAL_TRY_INTO(const Rows rows, ask(sql::find[columns], Values(record_.number, Bytes{key})));
    return read_one(connection_, rows, columns);
  }

  Result<std::vector<Row>> fetch(std::span<const MemoryId> ids, Columns columns) override {
    if (ids.empty()) return std::vector<Row>{};
    FRACTAL_TRY_INTO(const Rows rows, ask(sql::fetch[columns], Values(record_.number, ids)));
    return read_rows(connection_, rows, columns);
  }

  Result<std::vector<Row>> list(const Scan& scan) override {
    Values values(record_.number, Bytes{scan.prefix}, bounded(scan.limit));
    const std::string end = prefix_end(scan.prefix);
    const std::string text = list_text(scan, end, values);
    FRACTAL_TRY_INTO(const Rows rows, ask_some("list memories", text, values));
    return read_rows(connection_, rows, scan.columns);
  }

  Result<Selection> select(const Filter& filter, std::string_view prefix, std::size_t limit) override {
    if (!fields_) {
      FRACTAL_TRY_INTO(const Rows rows, ask(sql::fields));
      fields_ = fields_of(rows);
    }
    FilterQuery wanted = filter_query(filter, prefix, *fields_, record_.number, bounded(limit) + 1);
    FRACTAL_TRY_INTO(const Rows rows, ask_some("filter", wanted.sql, wanted.values));
    Selection selection{.ids = {}, .exact = wanted.exact, .complete = static_cast<std::size_t>(rows.count()) <= limit};
    const int count = static_cast<int>(std::min<std::size_t>(limit, static_cast<std::size_t>(rows.count())));
    for (int at = 0; at < count; ++at) {
      selection.ids.push_back(rows.natural(at, 0));
      if (rows.integer(at, 1) != 0) selection.exact = false;  // nobody has looked into its payload yet
    }
    std::sort(selection.ids.begin(), selection.ids.end());
    return selection;
  }

  Result<void> keys(std::string_view first, std::string_view last, const KeyVisitor& visit) override {
    std::string from(first);
    for (;;) {
      Values values(record_.number, Bytes{from});
      last.empty() ? values.add(nullptr) : values.add(Bytes{last});
      values.add(rows_per_page);
      FRACTAL_TRY_INTO(const Rows rows, ask_some(sql::keys, values));
      for (int at = 0; at < rows.count(); ++at) {
        if (!visit({.key = rows.bytes(at, 0), .id = rows.natural(at, 1)})) return {};
      }
      if (rows.count() < rows_per_page) return {};
      from = std::string(rows.bytes(rows.count() - 1, 0)) + '\0';  // the next possible key
    }
  }

  Result<void> links(std::span<const std::string> frontier, Direction direction, std::string_view type,
                     const LinkVisitor& visit) override {
    constexpr std::size_t keys_per_look = 1'000;
    for (std::size_t begin = 0; begin < frontier.size(); begin += keys_per_look) {
      const auto part = frontier.subspan(begin, std::min(keys_per_look, frontier.size() - begin));
      for (const Direction side : {Direction::outgoing, Direction::incoming}) {
        if (direction != side && direction != Direction::both) continue;
        FRACTAL_TRY_INTO(const bool more, visit_links(part, side, type, visit));
        if (!more) return {};
      }
    }
    return {};
  }

  Result<std::optional<LinkRow>> get_link(std::string_view from, std::string_view to, std::string_view type) override {
    FRACTAL_TRY_INTO(const Rows rows, ask(sql::find_link, Values(record_.number, Bytes{from}, Bytes{type}, Bytes{to})));
    std::optional<LinkRow> link;
    if (rows.count() > 0) read_link(rows, 0, true, link.emplace());
    return link;
  }

  Result<std::vector<LinkRow>> list_links(const LinkRow* after, std::size_t limit) override {
    Values values(record_.number, bounded(limit));
    if (after != nullptr) values.add(Bytes{after->from}), values.add(Bytes{after->type}), values.add(Bytes{after->to});
    FRACTAL_TRY_INTO(const Rows rows, ask_some(after != nullptr ? sql::list_links_after : sql::list_links, values));
    std::vector<LinkRow> links(static_cast<std::size_t>(rows.count()));
    for (int at = 0; at < rows.count(); ++at) read_link(rows, at, true, links[static_cast<std::size_t>(at)]);
    return links;
  }

  Result<Postings> postings(std::span<const std::string> terms) override {
    if (terms.empty()) return Postings{};
    FRACTAL_TRY_INTO(const Rows rows, ask(sql::postings, postings_wanted(record_.number, terms)));
    return postings_of(rows, record_.number, terms);
  }

  Result<std::vector<ChangeRow>> changes(std::uint64_t after, std::size_t limit) override {
    FRACTAL_TRY_INTO(const Rows rows, ask_some(sql::changes, Values(record_.number, after, bounded(limit))));
    std::vector<ChangeRow> changes;
    changes.reserve(static_cast<std::size_t>(rows.count()));
    for (int at = 0; at < rows.count(); ++at) {
      changes.push_back({.sequence = rows.natural(at, 0),
                         .kind = static_cast<ChangeKind>(rows.integer(at, 1)),
                         .key = std::string(rows.bytes(at, 2)),
                         .to = std::string(rows.bytes(at, 3)),
                         .type = std::string(rows.bytes(at, 4))});
    }
    return changes;
  }

  Result<void> vectors(std::uint64_t after, VectorColumns columns, const VectorVisitor& visit) override {
    const bool fields = columns == VectorColumns::fields;
    const auto page = [&](MemoryId last) {
      if (after == 0) {
        return ask_some(fields ? sql::every_vector_with_fields : sql::every_vector,
                        Values(last, last_id(record_.number), vectors_per_page));
      }
      return ask_some(sql::changed_vectors, Values(record_.number, after, last, vectors_per_page));
    };
    for (MemoryId last = first_id(record_.number);;) {
      FRACTAL_TRY_INTO(const Rows rows, page(last));
      for (int at = 0; at < rows.count(); ++at) {
        read_embedding(rows.bytes(at, 2), vector_);
        VectorChange change{.id = rows.natural(at, 0), .sequence = rows.natural(at, 1), .vector = vector_};
        if (fields && !vector_.empty()) {
          FRACTAL_TRY_INTO(change.fields, read_vector_fields(connection_, rows, at, 3));
        }
        if (!visit(change)) return {};
      }
      if (rows.count() < vectors_per_page) break;
      last = rows.natural(rows.count() - 1, 0);
    }
    bool more = true;
    if (after == 0) {
      FRACTAL_TRY_INTO(const Rows cleared, ask(sql::cleared_vectors, Values(record_.number)));
      more = visit_gone(cleared, visit);
    }
    if (!more) return {};
    FRACTAL_TRY_INTO(const Rows removed, ask(sql::removed_memories, Values(record_.number, after)));
    visit_gone(removed, visit);
    return {};
  }

  Result<std::vector<Row>> expired(Time now) override {
    if (!first_expiry_ || *first_expiry_ > now) return std::vector<Row>{};
    FRACTAL_TRY_INTO(const Rows rows, ask(sql::expired_of_view, Values(record_.number, now)));
    std::vector<Row> out(static_cast<std::size_t>(rows.count()));
    for (int at = 0; at < rows.count(); ++at) {
      Row& row = out[static_cast<std::size_t>(at)];
      row.id = rows.natural(at, 0);
      FRACTAL_TRY_INTO(row.memory.coordinate, Coordinate::from_key(rows.bytes(at, 1)));
      row.memory.expires_at = rows.time(at, 2);
    }
    return out;
  }

  Result<std::vector<AuditRecord>> audit(std::size_t limit, std::uint64_t before) override {
    constexpr std::uint64_t newest = std::numeric_limits<std::int64_t>::max();
    FRACTAL_TRY_INTO(const Rows rows,
                     ask_some(sql::audit_page,
                              Values(record_.number, before == 0 ? newest : std::min(before, newest), bounded(limit))));
    std::vector<AuditRecord> records;
    records.reserve(static_cast<std::size_t>(rows.count()));
    for (int at = 0; at < rows.count(); ++at) {
      records.push_back({.number = rows.natural(at, 0),
                         .at = rows.time(at, 1),
                         .action = std::string(rows.bytes(at, 3)),
                         .subject = std::string(rows.bytes(at, 4)),
                         .version = rows.natural(at, 2),
                         .payload = std::string(rows.bytes(at, 5))});
    }
    return records;
  }

 private:
  Result<bool> visit_links(std::span<const std::string> keys, Direction side, std::string_view type,
                           const LinkVisitor& visit) {
    std::vector<Bytes> bytes;
    bytes.reserve(keys.size());
    for (const std::string& key : keys) bytes.push_back({key});
    Values values(record_.number, bytes);
    type.empty() ? values.add(nullptr) : values.add(Bytes{type});
    FRACTAL_TRY_INTO(const Rows rows, ask(side == Direction::outgoing ? sql::links_out : sql::links_in, values));
    LinkRow link;
    for (int at = 0; at < rows.count(); ++at) {
      read_link(rows, at, false, link);
      if (!visit(link)) return false;
    }
    return true;
  }

  template <class... What> Result<Rows> ask(const What&... what) {
    return read([&] { return connection_.run(what...); });
  }
  // For a statement with a limit. What is left of its scan would hold pages, for which VACUUM waits, until the view is asked
  // again; so it is ended.
  template <class... What> Result<Rows> ask_some(const What&... what) {
    return read([&]() -> Result<Rows> {
      FRACTAL_TRY(connection_.ask(what...));
      FRACTAL_TRY(connection_.queue(sql::nothing));
      FRACTAL_TRY_INTO(auto answers, connection_.answers());
      return std::move(answers.back());
    });
  }

  // A statement that fails ends the transaction, and the moment with it: so there is a point to go back to.
  template <class Run> Result<Rows> read(const Run& run) {
    FRACTAL_TRY(connection_.check("read"));
    auto rows = run();
    if (rows || connection_.broken()) return rows;
    const Control* const control = connection_.obey(nullptr);
    auto back = connection_.run(sql::rollback_to);
    connection_.obey(control);
    return back ? std::move(rows) : std::move(back);
  }

  static bool visit_gone(const Rows& rows, const VectorVisitor& visit) {
    for (int at = 0; at < rows.count(); ++at) {
      if (!visit({.id = rows.natural(at, 0), .sequence = rows.natural(at, 1), .vector = {}})) return false;
    }
    return true;
  }

  // Columns of the order, and what lies beyond the position that a page ended at. $1 space, $2 prefix, $3 limit.
  static std::string list_text(const Scan& scan, const std::string& end, Values& values) {
    const bool by_key = scan.order == ListOrder::coordinate;
    const char* const sign = scan.descending ? "<" : ">";
    const char* const direction = scan.descending ? " DESC" : "";
    const char* const value = scan.order == ListOrder::created_at ? "m.fm_created_at" : "m.importance";
    const Statement& base = sql::find[scan.columns];
    std::string text(base.sql, std::string_view(base.sql).find(" WHERE "));
    text += " WHERE m.fm_space = $1 AND m.fm_key >= $2";
    if (!end.empty()) values.add(Bytes{end}), text += fmt::format(" AND m.fm_key < ${}", values.count());
    if (by_key) {
      if (scan.after) {
        values.add(Bytes{scan.after->key});
        text += fmt::format(" AND m.fm_key {} ${}", sign, values.count());
      }
      return text + fmt::format(" ORDER BY m.fm_key{} LIMIT $3", direction);
    }
    if (scan.after) {
      scan.order == ListOrder::created_at ? values.add(scan.after->created_at) : values.add(scan.after->importance);
      values.add(scan.after->id);
      text += fmt::format(" AND ({}, m.fm_id) {} (${}, ${})", value, sign, values.count() - 1, values.count());
    }
    return text + fmt::format(" ORDER BY {0}{1}, m.fm_id{1} LIMIT $3", value, direction);
  }

  Lease lease_;
  Connection& connection_;
  SpaceRecord record_;
  std::string mark_;
  std::optional<Time> first_expiry_;
  std::optional<std::vector<Field>> fields_{};
  std::vector<float> vector_{};
};

}  // namespace

Result<std::unique_ptr<ReadView>> open_view(Lease lease, const Space& space, std::atomic<bool>& row_security) {
  const bool names_space = row_security;
  SpaceRow row;
  row.record.space = space;
  FRACTAL_TRY(lease->queue(sql::begin_read));
  if (names_space) FRACTAL_TRY(lease->queue(sql::see_space, Values(Bytes{space.tenant}, Bytes{space.name})));
  FRACTAL_TRY(lease->queue(sql::savepoint));
  const Values names(Bytes{space.tenant}, Bytes{space.name});
  FRACTAL_TRY(lease->ask(sql::first_expiry, names));
  FRACTAL_TRY(lease->ask(sql::space_by_name, names));  // the last, for its scan comes to an end
  FRACTAL_TRY_INTO(const auto answers, lease->answers());
  std::optional<Time> first_expiry;
  if (answers.back().count() > 0) {
    if (!names_space && answers.back().integer(0, space_columns) != 0) {  // added since: nothing was shown
      row_security = true;
      FRACTAL_TRY(lease->script("ROLLBACK", "read the space"));
      return open_view(std::move(lease), space, row_security);
    }
    read_space(answers.back(), 0, row);
    if (!answers.front().null(0, 0)) first_expiry = answers.front().time(0, 0);
  }
  return std::unique_ptr<ReadView>(std::make_unique<View>(std::move(lease), std::move(row), first_expiry));
}

}  // namespace fractal::postgres_backend
