// Invariant: a transaction is open exactly while its steps run; it ends in a commit that holds every step
// that succeeded and nothing of one that failed, or in a rollback of all.
#include "backends/sqlite/write_transaction.h"

#include "backends/sqlite/pending_keywords.h"
#include "backends/sqlite/rows.h"
#include "backends/sqlite/spaces.h"
#include "src/error.h"
#include "src/guarded.h"

#include <algorithm>
#include <optional>

namespace fractal::sqlite_backend {
namespace {

// Keywords waiting for the end of a step that is alone in its transaction: beyond this they are written.
constexpr std::size_t most_pending_bytes = 32u << 20;

class Transaction final : public WriteTransaction {
 public:
  explicit Transaction(Connection& connection)
      : connection_(connection), space_rows_(connection), spaces_(space_rows_) {}
  ~Transaction() override { connection_.rollback(); }
  Transaction(const Transaction&) = delete;
  Transaction& operator=(const Transaction&) = delete;

  // ---- Its life ----

  Result<void> begin() { return Query(connection_, Sql::begin_write).run(); }

  // True: the outcome may be committed. An error: the transaction as a whole is lost.
  Result<bool> run(WriteStep& step, bool alone) {
    spaces_.begin_step(++step_);
    keywords_mark_ = keywords_.mark();
    const auto audit_number = audit_number_;
    if (!alone) FRACTAL_TRY(Query(connection_, Sql::savepoint).run());
    step.outcome = guarded("write", [&] { return step.run(*this); });
    // A full disk or the like makes SQLite roll back everything by itself.
    if (!connection_.in_transaction()) {
      return step.outcome ? make_error(Errc::io, "{}: write: SQLite gave up the transaction", connection_.path())
                          : step.outcome.error();
    }
    if (step.outcome) {
      if (!alone) FRACTAL_TRY(Query(connection_, Sql::release).run());
      return true;
    }
    if (alone) return false;
    FRACTAL_TRY(Query(connection_, Sql::rollback_to).run());
    FRACTAL_TRY(Query(connection_, Sql::release).run());
    spaces_.undo_step();
    keywords_.undo_to(keywords_mark_);
    audit_number_ = audit_number ? audit_number : audit_number_saved_;  // the step may have been the first to read it
    return false;
  }

  Result<void> commit() {
    return guarded("write", [&]() -> Result<void> {
      FRACTAL_TRY(keywords_.write(connection_));
      FRACTAL_TRY(spaces_.save());
      if (audit_number_ != audit_number_saved_) {
        FRACTAL_TRY(set_setting("audit_number", fmt::to_string(*audit_number_)));
      }
      FRACTAL_TRY(Query(connection_, Sql::commit).run());
      connection_.move_log_at_close(true);
      return {};
    });
  }

  // ---- What steps do ----

  Result<SpaceRecord*> space(const Space& space) override {
    FRACTAL_TRY_INTO(SpaceRow* const row, spaces_.find(space));
    return &row->record;
  }

  Result<std::optional<Row>> find(std::uint64_t space, std::string_view key, Columns columns) override {
    Query query(connection_, of(Sql::find_header, columns), space, BlobValue{key});
    return read_one(connection_, query, columns);
  }

  Result<std::vector<Row>> scan(std::uint64_t space, MemoryId after, std::size_t limit, Columns columns) override {
    Query query(connection_, of(Sql::scan_header, columns), std::max(after, first_id(space)), last_id(space),
                bounded(limit));
    std::vector<Row> rows;
    FRACTAL_TRY(read_rows(connection_, query, columns, rows));
    return rows;
  }

  Result<void> put(std::uint64_t space, const Row& row, const Put& put) override {
    FRACTAL_TRY(put_field_values(space, row, put.created));
    FRACTAL_TRY(put_memory(space, row, put));
    if (put.vector) FRACTAL_TRY(put_vector(row, put.created));
    if (put.keywords == nullptr) return {};
    keywords_.put(row.id, *put.keywords, put.created);
    if (keywords_mark_ == 0 && keywords_.text_bytes() > most_pending_bytes) return keywords_.write(connection_);
    return {};
  }

  Result<void> erase(std::uint64_t space, const Row& row) override {
    FRACTAL_TRY(erase_field_values(space, row.id));
    FRACTAL_TRY(Query(connection_, Sql::erase_memory, row.id).run());
    FRACTAL_TRY(Query(connection_, Sql::erase_vector, row.id).run());
    keywords_.erase(row.id);
    return {};
  }

  Result<std::optional<LinkRow>> find_link(std::uint64_t space, std::string_view from, std::string_view to,
                                           std::string_view type) override {
    Query query(connection_, Sql::find_link, space, BlobValue{from}, TextValue{type}, BlobValue{to});
    std::optional<LinkRow> link;
    FRACTAL_TRY_INTO(const bool there, query.step());
    if (there) read_link(query, true, link.emplace());
    return link;
  }

  Result<void> put_link(std::uint64_t space, const LinkRow& link) override {
    return Query(connection_, Sql::put_link, space, BlobValue{link.from}, TextValue{link.type}, BlobValue{link.to},
                 link.strength, link.sequence, link.created_at, TextValue{link.metadata})
        .run();
  }

  Result<void> erase_link(std::uint64_t space, const LinkRow& link) override {
    return Query(connection_, Sql::erase_link, space, BlobValue{link.from}, TextValue{link.type}, BlobValue{link.to})
        .run();
  }

  Result<std::vector<LinkRow>> links_of(std::uint64_t space, std::string_view key) override {
    std::vector<LinkRow> links;
    for (const Sql side : {Sql::links_out_whole, Sql::links_in_whole}) {
      Query query(connection_, side, space, BlobValue{key});
      for (;;) {
        FRACTAL_TRY_INTO(const bool row, query.step());
        if (!row) break;
        if (side == Sql::links_in_whole && query.bytes(0) == key) continue;  // to itself: seen already
        read_link(query, true, links.emplace_back());
      }
    }
    std::sort(links.begin(), links.end(), [](const LinkRow& left, const LinkRow& right) {
      return std::tie(left.from, left.type, left.to) < std::tie(right.from, right.type, right.to);
    });
    return links;
  }

  Result<std::vector<Row>> expired(std::uint64_t space, Time now, std::size_t limit) override {
    Query query(connection_, Sql::expired_of_step, space, now, bounded(limit));
    std::vector<Row> rows;
    FRACTAL_TRY(read_rows(connection_, query, Columns::header, rows));
    return rows;
  }

  Result<void> note_removal(std::uint64_t space, const Removal& removal) override {
    return Query(connection_, Sql::note_removal, space, removal.sequence, static_cast<int>(removal.kind),
                 BlobValue{removal.key}, BlobValue{removal.to}, TextValue{removal.type}, removal.id)
        .run();
  }

  Result<void> prune_removals(std::uint64_t space, std::uint64_t up_to_sequence) override {
    return Query(connection_, Sql::prune_removals, space, up_to_sequence).run();
  }

  Result<void> audit(std::uint64_t space, const AuditRecord& record) override {
    FRACTAL_TRY_INTO(SpaceRow* const row, known_space(space));
    FRACTAL_TRY(load_audit_number());
    const std::int64_t at = record.at.time_since_epoch().count();
    FRACTAL_TRY(Query(connection_, Sql::insert_audit, space, ++*audit_number_, at, record.version,
                      TextValue{record.action}, TextValue{record.subject}, TextValue{record.payload})
                    .run());
    ++row->audit_records;
    row->audit_oldest = std::min(row->audit_oldest, at);
    return {};
  }

  // The log is looked through for old records only if there is one.
  Result<std::uint64_t> prune_audit(std::uint64_t space, std::uint64_t keep, Time before) override {
    FRACTAL_TRY_INTO(SpaceRow* const row, known_space(space));
    const std::int64_t oldest = before.time_since_epoch().count();
    const bool too_many = row->audit_records > keep, too_old = row->audit_oldest < oldest;
    if (!too_many && !too_old) return std::uint64_t{0};
    const std::uint64_t records = row->audit_records;
    if (too_old) {
      FRACTAL_TRY(Query(connection_, Sql::prune_audit_age, space, oldest).run());
      FRACTAL_TRY(count_audit(space, *row));
    }
    if (row->audit_records > keep) {
      FRACTAL_TRY(keep_newest_audit(space, row->audit_records - keep));
      FRACTAL_TRY(count_audit(space, *row));
    }
    return records - std::min(records, row->audit_records);
  }

  Result<void> add_accesses(std::uint64_t space, std::string_view key, std::uint64_t count) override {
    return Query(connection_, Sql::add_accesses, space, BlobValue{key}, count).run();
  }

  Result<void> erase_space(std::uint64_t space) override {
    const MemoryId first = first_id(space), last = last_id(space);
    for (const Sql sql : {Sql::wipe_memories, Sql::wipe_vectors, Sql::wipe_keywords}) {
      FRACTAL_TRY(Query(connection_, sql, first, last).run());
    }
    for (const Sql sql :
         {Sql::wipe_links, Sql::wipe_removals, Sql::wipe_audit, Sql::wipe_field_values, Sql::erase_space_row}) {
      FRACTAL_TRY(Query(connection_, sql, space).run());
    }
    keywords_.wipe(space);
    spaces_.erased(space);
    return {};
  }

  Result<void> set_setting(std::string_view name, std::string_view value) override {
    return Query(connection_, Sql::set_setting, TextValue{name}, TextValue{value}).run();
  }

 private:
  static std::int64_t bounded(std::size_t limit) {
    return static_cast<std::int64_t>(std::min<std::size_t>(limit, INT64_MAX));
  }

  Result<void> put_memory(std::uint64_t space, const Row& row, const Put& put) {
    const Memory& memory = row.memory;
    const std::string_view uuid(reinterpret_cast<const char*>(memory.id.bytes.data()), memory.id.bytes.size());
    const bool has_vector = put.vector ? !memory.embedding.empty() : row.has_vector;
    const std::string key = put.created ? memory.coordinate.key() : std::string();
    Query query(connection_, put.created ? Sql::insert_memory : Sql::update_memory, row.id, BlobValue{uuid},
                static_cast<int>(memory.type), memory.importance, memory.created_at, memory.updated_at,
                memory.expires_at, memory.version, memory.accesses, row.sequence, row.vector_sequence,
                has_vector ? 1 : 0, row.words[0], row.words[1], row.words[2], row.words[3], TextValue{memory.metadata},
                TextValue{memory.payload});
    if (put.created) {
      query.bind(19, space);
      query.bind(20, BlobValue{key});
    }
    FRACTAL_TRY(query.run());
    if (put.created || sqlite3_changes(connection_.handle()) == 1) return {};
    return make_error(Errc::corruption, "{}: write a memory: there is no memory {}", connection_.path(), row.id);
  }

  Result<void> put_vector(const Row& row, bool created) {
    const std::vector<float>& vector = row.memory.embedding;
    if (vector.empty()) {
      if (created) return {};
      return Query(connection_, Sql::erase_vector, row.id).run();
    }
    const EmbeddingBytes bytes(vector);
    return Query(connection_, created ? Sql::insert_vector : Sql::replace_vector, row.id, row.vector_sequence,
                 bytes.value())
        .run();
  }

  // The old values are in the old payload, which is read only if some field is indexed.
  Result<void> put_field_values(std::uint64_t space, const Row& row, bool created) {
    FRACTAL_TRY(load_fields());
    if (fields_->empty()) return {};
    if (!created) {
      FRACTAL_TRY_INTO(const bool same, payload_is(row.id, row.memory.payload));
      if (same) return {};
      FRACTAL_TRY(erase_field_values(space, row.id));
    }
    for (const Field& field : *fields_) {
      if (const auto value = value_at(row.memory.payload, field.path)) {
        FRACTAL_TRY(field_value(Sql::insert_field_value, space, field, *value, row.id));
      }
    }
    return {};
  }

  Result<bool> payload_is(MemoryId id, std::string_view payload) {
    Query query(connection_, Sql::payload_of, id);
    FRACTAL_TRY_INTO(const bool there, query.step());
    return there && query.bytes(0) == payload;
  }

  Result<void> erase_field_values(std::uint64_t space, MemoryId id) {
    FRACTAL_TRY(load_fields());
    if (fields_->empty()) return {};
    Query query(connection_, Sql::payload_of, id);
    FRACTAL_TRY_INTO(const bool there, query.step());
    if (!there) return {};
    for (const Field& field : *fields_) {
      if (const auto value = value_at(query.bytes(0), field.path)) {
        FRACTAL_TRY(field_value(Sql::erase_field_value, space, field, *value, id));
      }
    }
    return {};
  }

  Result<void> field_value(Sql sql, std::uint64_t space, const Field& field, const Value& value, MemoryId id) {
    Query query(connection_, sql, space, field.number);
    bind_field_value(query, 3, value);
    query.bind(4, id);
    return query.run();
  }

  Result<void> load_fields() {
    if (fields_) return {};
    FRACTAL_TRY_INTO(fields_, read_fields(connection_));
    return {};
  }

  Result<void> load_audit_number() {
    if (audit_number_) return {};
    Query query(connection_, Sql::audit_number);
    FRACTAL_TRY_INTO(const bool there, query.step());
    audit_number_ = audit_number_saved_ = there ? query.natural(0) : 0;
    return {};
  }

  Result<SpaceRow*> known_space(std::uint64_t number) {
    FRACTAL_TRY_INTO(SpaceRow* const row, spaces_.find(number));
    if (row == nullptr) return make_error(Errc::not_found, "{}: there is no space {}", connection_.path(), number);
    return row;
  }

  Result<void> count_audit(std::uint64_t space, SpaceRow& row) {
    Query query(connection_, Sql::audit_bounds, space);
    FRACTAL_TRY_INTO(const bool there, query.step());
    row.audit_records = there ? query.natural(0) : 0;
    row.audit_oldest = query.null(1) ? SpaceRow{}.audit_oldest : query.integer(1);
    return {};
  }

  Result<void> keep_newest_audit(std::uint64_t space, std::uint64_t surplus) {
    std::optional<std::uint64_t> first;
    {
      Query query(connection_, Sql::oldest_audit_kept, space, surplus);
      FRACTAL_TRY_INTO(const bool there, query.step());
      if (there) first = query.natural(0);
    }
    if (!first) return Query(connection_, Sql::wipe_audit, space).run();
    return Query(connection_, Sql::prune_audit_count, space, *first).run();
  }

  Connection& connection_;
  Spaces space_rows_;
  SpaceCache spaces_;
  PendingKeywords keywords_;
  std::uint64_t step_ = 0;
  std::size_t keywords_mark_ = 0;
  std::optional<std::vector<Field>> fields_;
  std::optional<std::uint64_t> audit_number_, audit_number_saved_;
};

}  // namespace

Result<bool> run_steps(Connection& writer, std::span<WriteStep> steps) {
  Transaction transaction(writer);
  FRACTAL_TRY(transaction.begin());
  bool anything = false;
  for (WriteStep& step : steps) {
    FRACTAL_TRY_INTO(const bool done, transaction.run(step, steps.size() == 1));
    anything = anything || done;
  }
  if (!anything) return false;
  FRACTAL_TRY(transaction.commit());
  return true;
}

}  // namespace fractal::sqlite_backend
