// Invariant: after each entry the counters of the space agree with its rows, every change has the next
// sequence number, and no link of a removed memory is left.
#include "src/write_rules.h"

#include "src/error.h"
#include "src/json.h"
#include "src/uuid.h"

#include <algorithm>
#include <string>
#include <utility>

namespace fractal {
namespace {

// Old removals and audit records are looked for once in so many changes.
constexpr std::uint64_t forget_every = 256;
// A write does not wait for more than so many expired memories to be removed.
constexpr std::size_t expired_per_write = 1000;

class BatchRun {
 public:
  BatchRun(WriteTransaction& transaction, const BatchContext& context, SpaceRecord& space, BatchOutcome& outcome)
      : transaction_(transaction), context_(context), space_(space), outcome_(outcome) {}

  Result<Written> run(const Batch::Entry& entry, const Keywords& keywords) {
    return std::visit([&](const auto& alternative) { return run(alternative, keywords); }, entry);
  }

  // What another program wrote gets what the core makes of a payload. It is no new version. Nothing: it is not wanted.
  Result<std::optional<Written>> index(const std::string& key) {
    std::optional<Written> written;
    FRACTAL_TRY_INTO(const auto before, transaction_.find(space_.number, key, Columns::payload));
    if (!before || !before->unindexed) return written;
    Row row = *before;
    const Keywords keywords = context_.text_fields.keywords(row.memory.payload);
    row.words = keywords.words;
    row.unindexed = false;
    std::span<const float> vector;
    if (!row.has_vector) { FRACTAL_TRY_INTO(vector, vector_of_text(row.memory.payload, false)); }
    FRACTAL_TRY(admit(row.memory.coordinate, vector, context_.embedded.identity, false));
    row.sequence = ++space_.sequence;
    if (!vector.empty()) {
      row.memory.embedding.assign(vector.begin(), vector.end());
      row.has_vector = true;
      row.vector_sequence = row.sequence;
      note_vector(row, vector);
    }
    count(&*before, &row);
    FRACTAL_TRY(
        transaction_.put(space_.number, row, {.created = false, .vector = !vector.empty(), .keywords = &keywords}));
    written = Written{.id = row.memory.id, .version = row.memory.version, .sequence = row.sequence};
    return written;
  }

  Result<std::uint64_t> remove_expired(std::size_t most) {
    FRACTAL_TRY_INTO(const auto rows, transaction_.expired(space_.number, context_.now, most));
    for (const Row& row : rows) FRACTAL_TRY(remove_row(row, row.memory.coordinate.key()));
    more_expired_ = rows.size() == most;
    return rows.size();
  }

  Result<void> write_notes(const ReadLog::Notes& notes) {
    for (const auto& [key, count] : notes.accesses) {
      FRACTAL_TRY(transaction_.add_accesses(space_.number, key, count));
    }
    for (const AuditRecord& record : notes.records) FRACTAL_TRY(transaction_.audit(space_.number, record));
    return {};
  }

  Result<std::uint64_t> forget(Forget what) {
    if (what == Forget::all) {
      space_.horizon = space_.sequence;
      FRACTAL_TRY(transaction_.prune_removals(space_.number, space_.horizon));
      return transaction_.prune_audit(space_.number, 0, context_.now);
    }
    const std::uint64_t history = context_.options.change_history;
    if (space_.sequence > history && space_.sequence - history > space_.horizon) {
      space_.horizon = space_.sequence - history;
      FRACTAL_TRY(transaction_.prune_removals(space_.number, space_.horizon));
    }
    const AuditOptions& audit = context_.options.audit;
    const auto age = std::chrono::duration_cast<std::chrono::microseconds>(audit.keep_for);
    return transaction_.prune_audit(space_.number, audit.keep_records, context_.now - age);
  }

 private:
  Result<Written> run(const Batch::Store& entry, const Keywords& keywords) {
    FRACTAL_TRY_INTO(const auto before, find(entry.memory.coordinate, Columns::header));
    FRACTAL_TRY(check_version("store", entry.memory.coordinate, before, entry.options));
    Row row;
    row.memory = entry.memory;
    row.memory.id = before ? before->memory.id : make_uuid(context_.now);
    row.memory.created_at = before ? before->memory.created_at : context_.now;
    row.memory.updated_at = context_.now;
    row.memory.version = before ? before->memory.version + 1 : 1;
    row.memory.accesses = before ? before->memory.accesses : 0;
    if (!entry.memory.embedding.empty()) return write(row, before, keywords, entry.memory.embedding, {});
    return write_with_vector_of_text(row, before, keywords);
  }

  Result<Written> run(const Batch::Restore& entry, const Keywords& keywords) {
    FRACTAL_TRY_INTO(const auto before, find(entry.memory.coordinate, Columns::header));
    Row row;
    row.memory = entry.memory;
    if (row.memory.id.empty()) row.memory.id = make_uuid(context_.now);
    if (row.memory.created_at == Time{}) row.memory.created_at = context_.now;
    if (row.memory.updated_at == Time{}) row.memory.updated_at = row.memory.created_at;
    if (row.memory.version == 0) row.memory.version = 1;
    if (!entry.embed || !entry.memory.embedding.empty()) {
      return write(row, before, keywords, entry.memory.embedding, entry.embedder);
    }
    return write_with_vector_of_text(row, before, keywords);
  }

  Result<Written> run(const Batch::Update& entry, const Keywords&) {
    FRACTAL_TRY_INTO(auto before, find(entry.coordinate, Columns::payload));
    if (!before) return make_error(Errc::not_found, "update {}: no such memory", entry.coordinate.to_string());
    FRACTAL_TRY(check_version("update", entry.coordinate, before, entry.options));
    const Patch& patch = entry.patch;
    Row row = *before;
    FRACTAL_TRY(merge(row.memory.payload, patch.payload, "payload", limits::payload));
    FRACTAL_TRY(merge(row.memory.metadata, patch.metadata, "metadata", limits::metadata));
    if (patch.type) row.memory.type = *patch.type;
    if (patch.importance) row.memory.importance = *patch.importance;
    if (patch.expires_at) row.memory.expires_at = patch.expires_at;
    if (patch.never_expires) row.memory.expires_at.reset();
    row.memory.updated_at = context_.now;
    ++row.memory.version;
    return rewrite(std::move(row), *before, patch);
  }

  Result<Written> run(const Batch::Remove& entry, const Keywords&) {
    FRACTAL_TRY_INTO(const auto before, find(entry.coordinate, Columns::header));
    FRACTAL_TRY(check_version("remove", entry.coordinate, before, entry.options));
    if (!before) return Written{};
    FRACTAL_TRY(remove_row(*before, entry.coordinate.key()));
    return Written{.id = before->memory.id, .sequence = space_.sequence, .removed = true};
  }

  Result<Written> run(const Batch::Link& entry, const Keywords&) { return link(entry.link, Time{}); }

  Result<Written> run(const Batch::RestoreLink& entry, const Keywords&) {
    return link(entry.link, entry.link.created_at);
  }

  Result<Written> run(const Batch::Unlink& entry, const Keywords&) {
    FRACTAL_TRY(clear_ends(entry.from, entry.to));
    const std::string from = entry.from.key(), to = entry.to.key();
    FRACTAL_TRY_INTO(const auto before, transaction_.find_link(space_.number, from, to, entry.type));
    if (!before) return Written{};
    FRACTAL_TRY(remove_link(*before));
    FRACTAL_TRY(audit("unlink", name_of(entry.from, entry.type, entry.to), 0, {}));
    return Written{.sequence = space_.sequence, .removed = true};
  }

  // The memory as reads see it: one that has expired is removed first.
  Result<std::optional<Row>> find(const Coordinate& coordinate, Columns columns) {
    const std::string key = coordinate.key();
    FRACTAL_TRY_INTO(auto row, transaction_.find(space_.number, key, columns));
    if (row && row->memory.expires_at && *row->memory.expires_at <= context_.now) {
      FRACTAL_TRY(remove_row(*row, key));
      row.reset();
    }
    return row;
  }

  static Result<void> check_version(std::string_view operation, const Coordinate& coordinate,
                                    const std::optional<Row>& before, const WriteOptions& options) {
    const std::uint64_t version = before ? before->memory.version : 0;
    if (!options.if_version || *options.if_version == version) return {};
    if (version == 0) {
      return make_error(Errc::conflict, "{} {}: there is no memory, version {} was expected", operation,
                        coordinate.to_string(), *options.if_version);
    }
    return make_error(Errc::conflict, "{} {}: version is {}, {} was expected", operation, coordinate.to_string(),
                      version, *options.if_version);
  }

  static Result<void> merge(std::string& target, const std::optional<std::string>& patch, std::string_view what,
                            std::size_t limit) {
    if (!patch) return {};
    FRACTAL_TRY_INTO(target, json::merge_patch(target, *patch));
    if (target.size() > limit) {
      return make_error(Errc::invalid_argument, "update: merged {} has {} bytes, more than {}", what, target.size(),
                        limit);
    }
    return json::check_object(target, what);  // merging may nest deeper than either part
  }

  // The vector that a text gets here. Empty: its texts say nothing, or are not embedded in this space.
  Result<std::span<const float>> vector_of_text(const std::string& payload, bool replaces) {
    const PayloadVectors& embedded = context_.embedded;
    const bool first = space_.vectors == (replaces ? 1u : 0u);
    if (!embedded.embedder || (!first && space_.embedder.empty())) return std::span<const float>();
    if (!first && space_.embedder != embedded.identity) {
      if (context_.text_fields.texts(payload).empty()) return std::span<const float>();
      return made_by_another(space_);
    }
    const auto found = embedded.vectors.find(payload);
    if (found != embedded.vectors.end()) return std::span<const float>(found->second);
    context_.embedded.missing.push_back(payload);
    return std::span<const float>();
  }

  Result<Written> write_with_vector_of_text(Row& row, const std::optional<Row>& before, const Keywords& keywords) {
    FRACTAL_TRY_INTO(const auto vector, vector_of_text(row.memory.payload, before && before->has_vector));
    return write(row, before, keywords, vector, context_.embedded.identity);
  }

  // A row as a whole: Store and Restore. `embedder`: who made the vector, empty for the caller.
  Result<Written> write(Row& row, const std::optional<Row>& before, const Keywords& keywords,
                        std::span<const float> vector, const std::string& embedder) {
    FRACTAL_TRY(admit(row.memory.coordinate, vector, embedder, before && before->has_vector));
    if (row.memory.embedding.empty()) row.memory.embedding.assign(vector.begin(), vector.end());
    const std::uint64_t sequence = ++space_.sequence;
    row.id = before ? before->id : first_id(space_.number) | ++space_.last_id;
    row.sequence = sequence;
    row.has_vector = !vector.empty();
    const bool vector_changed = row.has_vector || (before && before->has_vector);
    row.vector_sequence = vector_changed ? sequence : (before ? before->vector_sequence : 0);
    row.words = keywords.words;
    count(before ? &*before : nullptr, &row);
    FRACTAL_TRY(
        transaction_.put(space_.number, row, {.created = !before, .vector = vector_changed, .keywords = &keywords}));
    if (vector_changed) note_vector(row, vector);
    FRACTAL_TRY(
        audit(before ? "update" : "create", row.memory.coordinate.to_string(), row.memory.version, row.memory.payload));
    return Written{.id = row.memory.id, .version = row.memory.version, .sequence = sequence, .created = !before};
  }

  // A changed row: only what the patch touches.
  Result<Written> rewrite(Row row, const Row& before, const Patch& patch) {
    const bool new_payload = patch.payload && (before.unindexed || row.memory.payload != before.memory.payload);
    std::optional<std::span<const float>> vector;
    if (patch.embedding) {
      vector = *patch.embedding;
      FRACTAL_TRY(admit(row.memory.coordinate, *vector, {}, before.has_vector));
    } else if (new_payload) {
      FRACTAL_TRY_INTO(vector, vector_of_changed_text(row.memory, before));
    }
    const bool new_fields = row.memory.type != before.memory.type;
    if (!vector && new_fields && before.has_vector) { FRACTAL_TRY_INTO(vector, kept_vector(row.memory.coordinate)); }
    if (vector) {
      row.has_vector = !vector->empty();
      row.memory.embedding.assign(vector->begin(), vector->end());
    }
    row.sequence = ++space_.sequence;
    const bool vector_changed = vector && (row.has_vector || before.has_vector);
    if (vector_changed) row.vector_sequence = row.sequence;
    std::optional<Keywords> keywords;
    if (new_payload) {
      keywords = context_.text_fields.keywords(row.memory.payload);
      row.words = keywords->words;
      row.unindexed = false;
    }
    count(&before, &row);
    FRACTAL_TRY(transaction_.put(
        space_.number, row, {.created = false, .vector = vector_changed, .keywords = keywords ? &*keywords : nullptr}));
    if (vector_changed) note_vector(row, *vector);
    FRACTAL_TRY(audit("update", row.memory.coordinate.to_string(), row.memory.version, row.memory.payload));
    return Written{.id = row.memory.id, .version = row.memory.version, .sequence = row.sequence};
  }

  // As it is. It is written again because of the fields beside it.
  Result<std::span<const float>> kept_vector(const Coordinate& coordinate) {
    FRACTAL_TRY_INTO(auto row, transaction_.find(space_.number, coordinate.key(), Columns::all));
    if (!row || row->memory.embedding.empty()) {
      return make_error(Errc::corruption, "{}: its vector is not there; run verify()", coordinate.to_string());
    }
    return std::span<const float>(outcome_.kept.emplace_back(std::move(row->memory.embedding)));
  }

  // Of a row that is written; empty: its vector is gone.
  void note_vector(const Row& row, std::span<const float> vector) {
    VectorChange change{.id = row.id, .sequence = row.sequence, .vector = vector};
    if (!vector.empty()) change.fields = VectorFields::of(row.memory);
    outcome_.vectors.push_back(std::move(change));
  }

  // Unset: it stays. A vector that an embedder made does not outlive its text, even where that embedder is not here.
  Result<std::optional<std::span<const float>>> vector_of_changed_text(const Memory& memory, const Row& before) {
    using Vector = std::optional<std::span<const float>>;
    const bool callers = before.has_vector && space_.embedder.empty();
    if (callers) return Vector();
    const auto& fields = context_.text_fields;
    if (!before.unindexed && fields.texts(memory.payload) == fields.texts(before.memory.payload)) return Vector();
    FRACTAL_TRY_INTO(const auto vector, vector_of_text(memory.payload, before.has_vector));
    if (!vector.empty()) FRACTAL_TRY(admit(memory.coordinate, vector, context_.embedded.identity, before.has_vector));
    return Vector(vector);
  }

  // The first vector of a space gives it its dimension, metric and embedder; the last to go takes them along.
  Result<void> admit(const Coordinate& coordinate, std::span<const float> vector, const std::string& embedder,
                     bool replaces) {
    if (vector.empty()) return {};
    const std::uint64_t others = space_.vectors - (replaces ? 1 : 0);
    if (others != 0 && vector.size() != space_.dimension) {
      return make_error(Errc::invalid_argument, "{}: embedding has {} components, the space{} has {}",
                        coordinate.to_string(), vector.size(),
                        space_.embedder.empty() ? "" : " of \"" + space_.embedder + '"', space_.dimension);
    }
    if (others != 0 && !embedder.empty() && embedder != space_.embedder) return made_by_another(space_);
    if (others == 0) {
      space_.dimension = static_cast<std::uint32_t>(vector.size());
      space_.metric = context_.metric;
      space_.embedder = embedder;
    }
    return {};
  }

  void count(const Row* before, const Row* after) {
    const auto add = [this](const Row& row, std::uint64_t one) {
      space_.memories += one;
      if (row.memory.type == MemoryType::semantic) space_.semantic += one;
      if (row.has_vector) space_.vectors += one;
      for (std::size_t i = 0; i < weight_classes; ++i) space_.words[i] += one * row.words[i];
    };
    if (before != nullptr) add(*before, ~std::uint64_t{0});  // minus one
    if (after != nullptr) add(*after, 1);
    if (space_.vectors == 0) {
      space_.dimension = 0;
      space_.embedder.clear();
    }
  }

  Result<void> remove_row(const Row& row, const std::string& key) {
    FRACTAL_TRY_INTO(const auto links, transaction_.links_of(space_.number, key));
    for (const LinkRow& link : links) FRACTAL_TRY(remove_link(link));
    FRACTAL_TRY(transaction_.erase(space_.number, row));
    count(&row, nullptr);
    const std::uint64_t sequence = ++space_.sequence;
    FRACTAL_TRY(transaction_.note_removal(
        space_.number, {.sequence = sequence, .kind = ChangeKind::removed, .id = row.id, .key = key}));
    if (row.has_vector) outcome_.vectors.push_back({.id = row.id, .sequence = sequence});
    return audit("delete", row.memory.coordinate.to_string(), row.memory.version, {});
  }

  // created_at: Time{} for that of the link it replaces, or now.
  Result<Written> link(const GraphLink& link, Time created_at) {
    if (context_.strict_links) {
      FRACTAL_TRY(require_memory(link.from));
      FRACTAL_TRY(require_memory(link.to));
    }
    FRACTAL_TRY(clear_ends(link.from, link.to));
    LinkRow row{.sequence = 0,
                .from = link.from.key(),
                .to = link.to.key(),
                .type = link.type,
                .strength = link.strength,
                .metadata = link.metadata,
                .created_at = created_at};
    FRACTAL_TRY_INTO(const auto before, transaction_.find_link(space_.number, row.from, row.to, row.type));
    if (created_at == Time{}) row.created_at = before ? before->created_at : context_.now;
    row.sequence = ++space_.sequence;
    if (!before) ++space_.links;
    FRACTAL_TRY(transaction_.put_link(space_.number, row));
    FRACTAL_TRY(audit("link", name_of(link.from, link.type, link.to), 0, {}));
    return Written{.sequence = row.sequence, .created = !before};
  }

  // An expired memory that is still there would take a new link along when it goes.
  Result<void> clear_ends(const Coordinate& from, const Coordinate& to) {
    if (!more_expired_) return {};
    FRACTAL_TRY(find(from, Columns::header));
    FRACTAL_TRY(find(to, Columns::header));
    return {};
  }

  Result<void> require_memory(const Coordinate& coordinate) {
    FRACTAL_TRY_INTO(const auto row, find(coordinate, Columns::header));
    if (!row) { return make_error(Errc::not_found, "link: no memory at {} (strict_links)", coordinate.to_string()); }
    return {};
  }

  Result<void> remove_link(const LinkRow& link) {
    FRACTAL_TRY(transaction_.erase_link(space_.number, link));
    --space_.links;
    return transaction_.note_removal(space_.number, {.sequence = ++space_.sequence,
                                                     .kind = ChangeKind::unlinked,
                                                     .key = link.from,
                                                     .to = link.to,
                                                     .type = link.type});
  }

  Result<void> audit(std::string_view action, std::string subject, std::uint64_t version, const std::string& payload) {
    const AuditOptions& options = context_.options.audit;
    if (!options.writes) return {};
    return transaction_.audit(space_.number, {.at = context_.now,
                                              .action = std::string(action),
                                              .subject = std::move(subject),
                                              .version = version,
                                              .payload = options.payloads ? payload : std::string()});
  }

  static std::string name_of(const Coordinate& from, std::string_view type, const Coordinate& to) {
    return fmt::format("{} -{}-> {}", from.to_string(), type, to.to_string());
  }

  WriteTransaction& transaction_;
  const BatchContext& context_;
  SpaceRecord& space_;
  BatchOutcome& outcome_;
  bool more_expired_ = false;
};

// The step is undone, and run again when the missing vectors have been made.
Error texts_changed() { return {Errc::unavailable, "texts changed while they were embedded"}; }

}  // namespace

Result<BatchOutcome> run_batch(WriteTransaction& transaction, const BatchContext& context,
                               std::span<const Batch::Entry> entries) {
  FRACTAL_TRY_INTO(SpaceRecord* const space, transaction.space(context.space));
  BatchOutcome outcome;
  outcome.before = space->sequence;
  BatchRun run(transaction, context, *space, outcome);
  FRACTAL_TRY(run.remove_expired(expired_per_write));
  FRACTAL_TRY(run.write_notes(context.notes));
  outcome.applied.written.reserve(entries.size());
  for (std::size_t i = 0; i < entries.size(); ++i) {
    auto written = run.run(entries[i], context.keywords[i]);
    if (!written) return entries.size() == 1 ? written.error() : within(written.error(), "entry {}", i);
    outcome.applied.written.push_back(*written);
  }
  if (!context.embedded.missing.empty()) return texts_changed();
  if (outcome.before / forget_every != space->sequence / forget_every) FRACTAL_TRY(run.forget(Forget::old));
  outcome.after = *space;
  outcome.applied.sequence = space->sequence;
  return outcome;
}

Result<BatchOutcome> index_rows(WriteTransaction& transaction, const BatchContext& context,
                                std::span<const std::string> keys) {
  FRACTAL_TRY_INTO(SpaceRecord* const space, transaction.space(context.space));
  BatchOutcome outcome;
  outcome.before = space->sequence;
  BatchRun run(transaction, context, *space, outcome);
  for (const std::string& key : keys) {
    FRACTAL_TRY_INTO(const auto written, run.index(key));
    if (written) outcome.applied.written.push_back(*written);
  }
  if (!context.embedded.missing.empty()) return texts_changed();
  outcome.after = *space;
  outcome.applied.sequence = space->sequence;
  return outcome;
}

Result<std::uint64_t> remove_expired(WriteTransaction& transaction, const BatchContext& context, std::size_t most) {
  FRACTAL_TRY_INTO(SpaceRecord* const space, transaction.space(context.space));
  BatchOutcome outcome;
  return BatchRun(transaction, context, *space, outcome).remove_expired(most);
}

Result<std::uint64_t> forget(WriteTransaction& transaction, const BatchContext& context, Forget what) {
  FRACTAL_TRY_INTO(SpaceRecord* const space, transaction.space(context.space));
  BatchOutcome outcome;
  return BatchRun(transaction, context, *space, outcome).forget(what);
}

}  // namespace fractal
