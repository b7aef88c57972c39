// Invariant: a transaction is open exactly while its steps run; it ends in a commit that holds every step that
// succeeded and nothing of one that failed, or in a rollback of all. What a step writes is queued, and sent with the
// next statement whose answer is needed: so reads see it, and many writes take one round trip.
#include "backends/postgres/write_transaction.h"

#include "backends/postgres/foresight.h"
#include "backends/postgres/json_text.h"
#include "backends/postgres/keywords.h"
#include "backends/postgres/rows.h"
#include "backends/postgres/spaces.h"
#include "backends/postgres/statements.h"
#include "src/error.h"
#include "src/guarded.h"

#include <algorithm>
#include <limits>
#include <optional>

namespace fractal::postgres_backend {
namespace {

// A coordinate as the service writes it. Nothing of what is not one.
struct Place {
  explicit Place(std::string_view key) {
    const auto coordinate = Coordinate::from_key(key);
    if (!coordinate) return;
    numbers.assign(coordinate->components().begin(), coordinate->components().end());
    text = coordinate->to_string();
  }
  std::vector<double> numbers{};
  std::string text{};
};

class Transaction final : public WriteTransaction {
 public:
  Transaction(Connection& connection, const TransactionOptions& options)
      : connection_(connection),
        options_(options),
        foresight_(connection, options.row_security),
        space_rows_(connection, options.row_security),
        spaces_(space_rows_) {}
  Transaction(const Transaction&) = delete;
  Transaction& operator=(const Transaction&) = delete;

  // ---- Its life ----

  Result<void> begin(std::span<const WriteStep> steps) {
    FRACTAL_TRY(connection_.queue(sql::begin_write));
    FRACTAL_TRY(connection_.queue(sql::mark_and_limit, Values(Text{fmt::to_string(options_.idle_timeout.count())})));
    return foresight_.look(steps, space_rows_);
  }

  // True: the outcome may be committed. An error: the transaction as a whole is lost.
  Result<bool> run(WriteStep& step, bool alone) {
    spaces_.begin_step(++step_);
    lost_.reset();
    if (!alone) FRACTAL_TRY(connection_.queue(sql::savepoint));
    step.outcome = guarded("write", [&] { return step.run(*this); });
    if (lost_) return *lost_;
    if (connection_.broken())
      return make_error(Errc::unavailable, "{}: write: the connection is lost", connection_.server());
    if (alone) return step.outcome.has_value();
    if (!step.outcome) {
      FRACTAL_TRY(connection_.queue(sql::rollback_to));
      spaces_.undo_step();
    }
    FRACTAL_TRY(connection_.queue(sql::release));
    return step.outcome.has_value();
  }

  // `sent`: from then on only the server knows.
  Result<void> commit(bool& sent) {
    return guarded("write", [&]() -> Result<void> {
      FRACTAL_TRY(spaces_.save());
      FRACTAL_TRY(connection_.ask(sql::commit));
      for (const auto& [number, sequence] : space_rows_.saved()) {
        FRACTAL_TRY(connection_.queue(sql::notify, Values(Text{fmt::format("{}:{}", number, sequence)})));
      }
      sent = true;
      FRACTAL_TRY_INTO(const std::vector<Rows> answers, connection_.answers());
      if (answers.front().tag() == "COMMIT") return {};
      return make_error(Errc::io, "{}: commit: the server undid it", connection_.server());
    });
  }
  const CommitMark& mark() const noexcept { return space_rows_.mark(); }

  // ---- What steps do ----

  Result<SpaceRecord*> space(const Space& space) override {
    FRACTAL_TRY_INTO(SpaceRow* const row, noted(spaces_.find(space)));
    if (row->record.last_id == 0 && row->record.sequence == 0) foresight_.made(space, row->record.number);
    return &row->record;
  }

  Result<std::optional<Row>> find(std::uint64_t space, std::string_view key, Columns columns) override {
    if (const auto* known = foresight_.memory(space, key, columns)) return *known;
    FRACTAL_TRY_INTO(const Rows rows, ask(sql::find[columns], Values(space, Bytes{key})));
    return read_one(connection_, rows, columns);
  }

  Result<std::vector<Row>> scan(std::uint64_t space, MemoryId after, std::size_t limit, Columns columns) override {
    FRACTAL_TRY_INTO(const Rows rows, ask(sql::scan[columns], Values(std::max(after, first_id(space)), last_id(space),
                                                                     bounded(limit), space)));
    return read_rows(connection_, rows, columns);
  }

  Result<void> put(std::uint64_t space, const Row& row, const Put& put) override {
    foresight_.changes_memory(space, row.memory.coordinate.key(), row.memory.expires_at);
    FRACTAL_TRY(put_field_values(space, row, put.created));
    FRACTAL_TRY(put_memory(space, row, put));
    if (put.vector) FRACTAL_TRY(put_vector(row, put.created));
    if (put.keywords == nullptr) return {};
    return noted(put_keywords(connection_, space, row.id, *put.keywords, put.created));
  }

  Result<void> erase(std::uint64_t space, const Row& row) override {
    foresight_.changes_memory(space, row.memory.coordinate.key(), std::nullopt);
    FRACTAL_TRY(tell(sql::erase_field_values, Values(space, row.id)));
    FRACTAL_TRY(tell(sql::erase_memory, Values(space, row.id)));
    FRACTAL_TRY(tell(sql::erase_vector, Values(row.id)));
    return tell(sql::erase_keywords, Values(row.id));
  }

  Result<std::optional<LinkRow>> find_link(std::uint64_t space, std::string_view from, std::string_view to,
                                           std::string_view type) override {
    if (const auto* known = foresight_.link(space, from, to, type)) return *known;
    FRACTAL_TRY_INTO(const Rows rows, ask(sql::find_link, Values(space, Bytes{from}, Bytes{type}, Bytes{to})));
    std::optional<LinkRow> link;
    if (rows.count() > 0) read_link(rows, 0, true, link.emplace());
    return link;
  }

  Result<void> put_link(std::uint64_t space, const LinkRow& link) override {
    foresight_.changes_link(space, link.from, link.to, link.type);
    FRACTAL_TRY_INTO(const SpaceRow* const row, known_space(space));
    const Place from(link.from), to(link.to);
    const std::string metadata = json_for_server(link.metadata), type = without_nul(link.type);
    const std::string tenant = without_nul(row->record.space.tenant), name = without_nul(row->record.space.name);
    return tell(
        sql::put_link,
        Values(space, Bytes{link.from}, Bytes{link.type}, Bytes{link.to}, link.strength, link.sequence, link.created_at,
               Text{link.metadata}, Text{metadata}, std::span<const double>(from.numbers), Text{from.text},
               std::span<const double>(to.numbers), Text{to.text}, Text{type}, Text{tenant}, Text{name}));
  }

  Result<void> erase_link(std::uint64_t space, const LinkRow& link) override {
    foresight_.changes_link(space, link.from, link.to, link.type);
    return tell(sql::erase_link, Values(space, Bytes{link.from}, Bytes{link.type}, Bytes{link.to}));
  }

  Result<std::vector<LinkRow>> links_of(std::uint64_t space, std::string_view key) override {
    FRACTAL_TRY_INTO(const Rows rows, ask(sql::links_of, Values(space, Bytes{key})));
    std::vector<LinkRow> links(static_cast<std::size_t>(rows.count()));
    for (int at = 0; at < rows.count(); ++at) read_link(rows, at, true, links[static_cast<std::size_t>(at)]);
    return links;
  }

  Result<std::vector<Row>> expired(std::uint64_t space, Time now, std::size_t limit) override {
    if (foresight_.nothing_expires(space, now)) return std::vector<Row>{};
    FRACTAL_TRY_INTO(const Rows rows, ask(sql::expired_of_step, Values(space, now, bounded(limit))));
    return read_rows(connection_, rows, Columns::header);
  }

  Result<void> note_removal(std::uint64_t space, const Removal& removal) override {
    return tell(sql::note_removal, Values(space, removal.sequence, static_cast<int>(removal.kind), Bytes{removal.key},
                                          Bytes{removal.to}, Bytes{removal.type}, removal.id));
  }

  Result<void> prune_removals(std::uint64_t space, std::uint64_t up_to_sequence) override {
    return tell(sql::prune_removals, Values(space, up_to_sequence));
  }

  Result<void> audit(std::uint64_t space, const AuditRecord& record) override {
    FRACTAL_TRY_INTO(SpaceRow* const row, known_space(space));
    const std::string subject = without_nul(record.subject);
    const std::string tenant = without_nul(row->record.space.tenant), name = without_nul(row->record.space.name);
    FRACTAL_TRY(
        tell(sql::insert_audit, Values(space, record.at, record.version, Text{record.action}, Bytes{record.subject},
                                       Text{record.payload}, Text{subject}, Text{tenant}, Text{name})));
    ++row->audit_records;
    row->audit_oldest = std::min(row->audit_oldest, std::int64_t{record.at.time_since_epoch().count()});
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
      FRACTAL_TRY(tell(sql::prune_audit_age, Values(space, oldest)));
      FRACTAL_TRY(count_audit(space, *row));
    }
    if (row->audit_records > keep) {
      FRACTAL_TRY(keep_newest_audit(space, row->audit_records - keep));
      FRACTAL_TRY(count_audit(space, *row));
    }
    return records - std::min(records, row->audit_records);
  }

  Result<void> add_accesses(std::uint64_t space, std::string_view key, std::uint64_t count) override {
    foresight_.changes_memory(space, key, std::nullopt);
    return tell(sql::add_accesses, Values(space, Bytes{key}, count));
  }

  Result<void> erase_space(std::uint64_t space) override {
    for (const Statement& wipe : sql::wipe_of_range) FRACTAL_TRY(tell(wipe, Values(first_id(space), last_id(space))));
    for (const Statement& wipe : sql::wipe_of_space) FRACTAL_TRY(tell(wipe, Values(space)));
    spaces_.erased(space);
    foresight_.forget_all();
    return {};
  }

  Result<void> set_setting(std::string_view name, std::string_view value) override {
    return tell(sql::set_setting, Values(Text{name}, Text{value}));
  }

 private:
  // After an error of the server nothing more can be done in a transaction: it is lost as a whole, whatever the step
  // makes of it.
  template <class T> T noted(T result) {
    if (!result && !lost_) lost_ = result.error();
    return result;
  }
  Result<Rows> ask(const Statement& statement, const Values& values) {
    return noted(connection_.run(statement, values));
  }
  Result<void> tell(const Statement& statement, const Values& values) {
    return noted(connection_.queue(statement, values));
  }

  Result<void> put_memory(std::uint64_t space, const Row& row, const Put& put) {
    const Memory& memory = row.memory;
    const std::string_view uuid(reinterpret_cast<const char*>(memory.id.bytes.data()), memory.id.bytes.size());
    const bool has_vector = put.vector ? !memory.embedding.empty() : row.has_vector;
    const std::string metadata = json_for_server(memory.metadata), payload = json_for_server(memory.payload);
    Values values(row.id, Bytes{uuid}, static_cast<int>(memory.type), memory.importance, memory.created_at,
                  memory.updated_at, memory.expires_at, memory.version, memory.accesses, row.sequence,
                  row.vector_sequence, has_vector, row.words[0], row.words[1], row.words[2], row.words[3],
                  Text{memory.metadata}, Text{memory.payload}, space);
    if (!put.created) {
      values.add(Text{metadata});
      values.add(Text{payload});
      values.add(row.unindexed);
      return tell(sql::update_memory, values);
    }
    FRACTAL_TRY_INTO(const SpaceRow* const owner, known_space(space));
    const std::string key = memory.coordinate.key(), text = memory.coordinate.to_string();
    const std::string tenant = without_nul(owner->record.space.tenant), name = without_nul(owner->record.space.name);
    values.add(Bytes{key});
    values.add(Text{metadata});
    values.add(Text{payload});
    values.add(memory.coordinate.components());
    for (const std::string* one : {&text, &tenant, &name}) values.add(Text{*one});
    return tell(sql::insert_memory, values);
  }

  Result<void> put_vector(const Row& row, bool created) {
    const std::vector<float>& vector = row.memory.embedding;
    if (vector.empty()) return created ? Result<void>{} : tell(sql::erase_vector, Values(row.id));
    const std::string bytes = embedding_bytes(vector);
    return tell(sql::put_vector, Values(row.id, row.vector_sequence, Bytes{bytes}));
  }

  Result<void> put_field_values(std::uint64_t space, const Row& row, bool created) {
    if (!fields_) fields_ = foresight_.fields();
    if (!fields_) { FRACTAL_TRY_INTO(fields_, noted(read_fields(connection_))); }
    if (fields_->empty()) return {};
    if (!created) FRACTAL_TRY(tell(sql::erase_field_values, Values(space, row.id)));
    for (const Field& field : *fields_) {
      const auto value = value_at(row.memory.payload, field.path);
      if (value) FRACTAL_TRY(noted(put_field_value(connection_, space, field, *value, row.id)));
    }
    return {};
  }

  Result<SpaceRow*> known_space(std::uint64_t number) {
    FRACTAL_TRY_INTO(SpaceRow* const row, noted(spaces_.find(number)));
    if (row == nullptr) return make_error(Errc::not_found, "{}: there is no space {}", connection_.server(), number);
    return row;
  }

  Result<void> count_audit(std::uint64_t space, SpaceRow& row) {
    FRACTAL_TRY_INTO(const Rows rows, ask(sql::audit_bounds, Values(space)));
    row.audit_records = rows.natural(0, 0);
    row.audit_oldest = rows.null(0, 1) ? SpaceRow{}.audit_oldest : rows.integer(0, 1);
    return {};
  }

  Result<void> keep_newest_audit(std::uint64_t space, std::uint64_t surplus) {
    FRACTAL_TRY_INTO(const Rows rows, ask(sql::oldest_audit_kept, Values(space, surplus)));
    const std::uint64_t first = rows.count() > 0 ? rows.natural(0, 0) : std::numeric_limits<std::int64_t>::max();
    return tell(sql::prune_audit_count, Values(space, first));
  }

  Connection& connection_;
  const TransactionOptions& options_;
  Foresight foresight_;
  Spaces space_rows_;
  SpaceCache spaces_;
  std::uint64_t step_ = 0;
  std::optional<Error> lost_{};
  std::optional<std::vector<Field>> fields_{};
};

}  // namespace

Attempt run_steps(Connection& writer, std::span<WriteStep> steps, const TransactionOptions& options) {
  Transaction transaction(writer, options);
  bool sent = false, anything = false;
  const auto all = [&]() -> Result<void> {
    FRACTAL_TRY(transaction.begin(steps));
    for (WriteStep& step : steps) {
      FRACTAL_TRY_INTO(const bool done, transaction.run(step, steps.size() == 1));
      anything = anything || done;
    }
    return anything ? transaction.commit(sent) : Result<void>{};
  };
  Attempt attempt{.outcome = all()};
  if (attempt.outcome) return attempt;
  if (sent && writer.broken()) {
    attempt.unanswered = transaction.mark();
  } else {
    attempt.may_repeat = writer.broken() || writer.gave_way();
  }
  return attempt;
}

}  // namespace fractal::postgres_backend
