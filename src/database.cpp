// Invariant: the vector index never decides what is true. It is fed in commit order by the writer, catches up
// inside the reader's own transaction, and when it cannot answer for a moment the rows do.
#include "src/database.h"

#include "src/disk_budget.h"
#include "src/error.h"
#include "src/json.h"
#include "src/row_scan.h"
#include "src/schemes.h"
#include "src/uuid.h"
#include "src/validate.h"
#include "src/vector_chunk.h"
#include "src/vector_index.h"

#include <algorithm>
#include <exception>
#include <iterator>
#include <limits>
#include <utility>

namespace fractal {
namespace {

constexpr std::string_view text_fields_setting = "text_fields";
constexpr std::string_view tokenizer_setting = "tokenizer";
constexpr std::string_view identity_setting = "identity";
constexpr std::size_t rows_per_page = 1000;
constexpr std::size_t indexed_at_open = 1000;
// A row by its id costs about as much as so many vectors of a whole space, one after the other.
constexpr std::uint64_t rows_per_fetched = 8;

Result<std::shared_ptr<Storage>> open_storage(const Options& options) {
  if (options.storage) return options.storage;
  if (options.path == ":memory:") return make_memory_storage();
  if (is_url(options.path)) return open_storage_url(options);
  return open_sqlite_storage(options);
}

Result<TextFields> choose_text_fields(const Options& options, const std::optional<std::string>& stored) {
  if (!options.text_fields.empty()) return TextFields::make(options.text_fields);
  if (stored) return TextFields::parse(*stored);
  return TextFields::standard();
}

// In memory.
std::uint64_t bytes_of_vectors(const SpaceRecord& space) {
  return space.vectors * VectorChunk::row_bytes(space.dimension);
}

// What the patch will make of the memory, unless another writer is faster.
Result<void> expect_update(ReadView& view, const TextFields& fields, const Batch::Update& update,
                           PayloadVectors& embedded) {
  FRACTAL_TRY_INTO(const auto row, view.get(update.coordinate.key(), Columns::payload));
  if (!row) return {};
  const std::string& payload = row->memory.payload;
  auto merged = json::merge_patch(payload, *update.patch.payload);
  if (merged && fields.texts(*merged) != fields.texts(payload)) embedded.missing.push_back(std::move(*merged));
  return {};
}

Expected expected_of(const Space& space, const Batch& batch) {
  Expected expected{.space = space};
  struct Note {
    Expected& expected;
    void operator()(const Batch::Store& entry) const { expected.keys.push_back(entry.memory.coordinate.key()); }
    void operator()(const Batch::Restore& entry) const { expected.keys.push_back(entry.memory.coordinate.key()); }
    void operator()(const Batch::Remove& entry) const { expected.keys.push_back(entry.coordinate.key()); }
    void operator()(const Batch::Update& entry) const {
      expected.keys.push_back(entry.coordinate.key());
      expected.columns = Columns::payload;
    }
    void operator()(const Batch::Link& entry) const { note(entry.link.from, entry.link.to, entry.link.type); }
    void operator()(const Batch::RestoreLink& entry) const { note(entry.link.from, entry.link.to, entry.link.type); }
    void operator()(const Batch::Unlink& entry) const { note(entry.from, entry.to, entry.type); }
    void note(const Coordinate& from, const Coordinate& to, const std::string& type) const {
      expected.links.push_back({.from = from.key(), .to = to.key(), .type = type});
    }
  };
  for (const auto& entry : batch.entries()) std::visit(Note{expected}, entry);
  return expected;
}

}  // namespace

Look::Look(Look&& other) noexcept
    : pinned_(std::move(other.pinned_)),
      turn_(std::move(other.turn_)),
      owned_(std::move(other.owned_)),
      view_(std::exchange(other.view_, nullptr)),
      now_(other.now_),
      expired_ids_(std::move(other.expired_ids_)),
      expired_keys_(std::move(other.expired_keys_)) {}

Look::~Look() {
  if (view_ != nullptr) view_->obey(nullptr);
}

bool Look::hidden_id(MemoryId id) const noexcept {
  return std::binary_search(expired_ids_.begin(), expired_ids_.end(), id);
}

bool Look::hidden_key(std::string_view key) const noexcept {
  return std::binary_search(expired_keys_.begin(), expired_keys_.end(), key);
}

Database::Database(Options options, std::shared_ptr<Storage> storage, std::shared_ptr<VectorIndex> index,
                   TextFields text_fields)
    : options_(std::move(options)),
      storage_(std::move(storage)),
      index_(std::move(index)),
      remote_index_(dynamic_cast<RemoteVectorIndex*>(index_.get())),
      text_fields_(std::move(text_fields)),
      embedders_(options_.embedder),
      queue_(*storage_),
      read_log_(options_.count_accesses, options_.audit.reads),
      shares_(options_.memory_budget),
      filter_cache_(shares_.filters),
      memory_use_(shares_.views) {}

Result<std::shared_ptr<Database>> Database::open(Options options) {
  FRACTAL_TRY(check_options(options));
  FRACTAL_TRY_INTO(auto storage, open_storage(options));
  FRACTAL_TRY_INTO(const auto stored, storage->setting(text_fields_setting));
  FRACTAL_TRY_INTO(auto text_fields, choose_text_fields(options, stored));
  FRACTAL_TRY_INTO(auto index, open_vector_index(options, storage));
  std::shared_ptr<Database> database(
      new Database(std::move(options), std::move(storage), std::move(index), std::move(text_fields)));
  FRACTAL_TRY(database->settle_settings());
  FRACTAL_TRY(database->settle_indexed_fields());
  // Not all: whoever opens waits for it. And an embedder that does not answer keeps nobody from opening: health() tells.
  if (!database->storage_->read_only()) (void)database->index_foreign_rows(indexed_at_open, {});
  database->start_following();
  return database;
}

// A view that is not loaded has nothing to follow: the search that loads it sees the newest.
void Database::start_following() {
  const auto is_behind = [this](std::uint64_t space, std::uint64_t sequence) {
    const std::uint64_t applied = index_->applied(space);
    return applied != 0 && (sequence == 0 || applied < sequence);
  };
  const auto catch_up_with = [this](const Space& space, const Control& control) {
    if (const auto seen = look(space, nullptr, control)) (void)catch_up_if_room(*seen);
  };
  const auto index = [this](const Control& control) {
    if (!storage_->read_only()) (void)index_foreign_rows(SIZE_MAX, control);  // health() tells what failed
  };
  follower_ = Follower::start(*storage_, is_behind, catch_up_with, index);
}

Time Database::now() const {
  if (options_.clock) return options_.clock();
  return std::chrono::time_point_cast<std::chrono::microseconds>(std::chrono::system_clock::now());
}

Result<std::string> Database::identity() const {
  FRACTAL_TRY_INTO(auto identity, storage_->setting(identity_setting));
  return std::move(identity).value_or("");
}

// Keywords made by another tokeniser or from other fields would not be found: make them anew.
Result<void> Database::settle_settings() {
  FRACTAL_TRY_INTO(const auto fields, storage_->setting(text_fields_setting));
  FRACTAL_TRY_INTO(const auto tokenizer, storage_->setting(tokenizer_setting));
  const std::string wanted_fields = text_fields_.describe();
  const std::string wanted_tokenizer = std::to_string(tokenizer_version);
  FRACTAL_TRY_INTO(const auto identity, storage_->setting(identity_setting));
  const bool keywords_fit = fields == wanted_fields && tokenizer == wanted_tokenizer;
  if (keywords_fit && identity) return {};
  if (storage_->read_only()) {
    if (!fields || keywords_fit) return {};
    return make_error(Errc::unsupported, "open: the keywords must be rebuilt, but the database is opened read-only");
  }
  FRACTAL_TRY_INTO(const auto spaces, storage_->spaces());
  return write([&](WriteTransaction& transaction) -> Result<void> {
    if (!identity) FRACTAL_TRY(transaction.set_setting(identity_setting, make_uuid(now()).to_string()));
    if (keywords_fit) return {};
    for (const Space& space : spaces) FRACTAL_TRY(rebuild_keywords(transaction, space, {}));
    FRACTAL_TRY(transaction.set_setting(text_fields_setting, wanted_fields));
    return transaction.set_setting(tokenizer_setting, wanted_tokenizer);
  });
}

Result<void> Database::settle_indexed_fields() {
  if (storage_->read_only()) return {};
  FRACTAL_TRY_INTO(const auto present, storage_->indexed_fields());
  for (const std::string& path : options_.indexed_fields) {
    if (std::find(present.begin(), present.end(), path) != present.end()) continue;
    FRACTAL_TRY(check_index_path(path));
    FRACTAL_TRY(storage_->create_index(path, {}));
  }
  return {};
}

Result<std::uint64_t> Database::rebuild_keywords(WriteTransaction& transaction, const Space& space,
                                                 const Control& control) const {
  FRACTAL_TRY_INTO(SpaceRecord* const record, transaction.space(space));
  record->words = {};
  std::uint64_t done = 0;
  for (MemoryId after = 0;;) {
    FRACTAL_TRY(check_control(control, "rebuild keywords"));
    FRACTAL_TRY_INTO(auto rows, transaction.scan(record->number, after, rows_per_page, Columns::payload));
    for (Row& row : rows) {
      for (std::size_t i = 0; row.unindexed && i < weight_classes; ++i) record->words[i] += row.words[i];
      if (row.unindexed) continue;  // index_foreign_rows() makes them
      const Keywords keywords = text_fields_.keywords(row.memory.payload);
      row.words = keywords.words;
      for (std::size_t i = 0; i < weight_classes; ++i) record->words[i] += row.words[i];
      FRACTAL_TRY(transaction.put(record->number, row, {.created = false, .vector = false, .keywords = &keywords}));
    }
    done += rows.size();
    if (control.progress) control.progress(done, record->memories);
    if (rows.size() < rows_per_page) return done;
    after = rows.back().id;
  }
}

Result<void> Database::write(std::function<Result<void>(WriteTransaction&)> run) {
  WriteRequest request{std::move(run)};
  return queue_.submit(request);
}

Result<Applied> Database::apply(const Space& space, const Batch& batch, const CopiedBatch* copied) {
  FRACTAL_TRY(check_space(space));
  FRACTAL_TRY(check_batch(batch));
  if (storage_->read_only()) return make_error(Errc::unsupported, "write: the database is opened read-only");
  FRACTAL_TRY(check_room_on_disk(batch));
  std::vector<Keywords> keywords(batch.size());
  for (std::size_t i = 0; i < batch.size(); ++i) {
    const auto& entry = batch.entries()[i];
    if (const auto* store = std::get_if<Batch::Store>(&entry)) {
      keywords[i] = text_fields_.keywords(store->memory.payload);
    } else if (const auto* restore = std::get_if<Batch::Restore>(&entry)) {
      keywords[i] = text_fields_.keywords(restore->memory.payload);
    }
  }
  FRACTAL_TRY_INTO(PayloadVectors embedded, embed(space, batch));
  ReadLog::Notes notes = read_log_.take(space);
  const Metric metric = copied != nullptr ? copied->metric : options_.metric;
  const bool strict_links = copied == nullptr && options_.strict_links;
  const BatchContext context{space, options_, text_fields_, now(), keywords, notes, embedded, metric, strict_links};
  BatchOutcome outcome;
  auto submitted = submit(context, batch, copied, outcome);
  // Another writer changed what a patch is merged into, or the space: what is embedded is known only now.
  for (int again = 0; !submitted && !embedded.missing.empty() && again < most_embedding_rounds; ++again) {
    auto added = embed_missing(embedded, text_fields_, {});
    submitted = added ? submit(context, batch, copied, outcome) : std::move(added);
  }
  if (!submitted) {
    read_log_.give_back(space, std::move(notes));
    return submitted.error();
  }
  return std::move(outcome.applied);
}

Result<void> Database::check_room_on_disk(const Batch& batch) const {
  if (options_.disk_budget == 0) return {};
  const EmbedderPtr& embedder = embedders_.preferred();
  const std::size_t embedded = embedder ? embedder->identity().dimension * sizeof(float) : 0;
  const std::uint64_t file_bytes = storage_->bytes() + index_->file_bytes();
  auto room = check_disk(options_.disk_budget, file_bytes, most_bytes_added(batch, file_bytes, embedded));
  return room ? room : within(room.error(), "write");
}

Result<void> Database::submit(const BatchContext& context, const Batch& batch, const CopiedBatch* copied,
                              BatchOutcome& outcome) {
  WriteRequest request;
  request.run = [&](WriteTransaction& transaction) -> Result<void> {
    FRACTAL_TRY_INTO(outcome, run_batch(transaction, context, batch.entries()));
    if (copied == nullptr) return {};
    return transaction.set_setting(copy_mark_setting(outcome.after.number), copied->mark);
  };
  request.committed = [&] { follow(outcome); };
  request.tenant = context.space.tenant;
  request.size = batch.size();
  request.expected = expected_of(context.space, batch);
  return queue_.submit(request);
}

// Outside any lock: an embedder may take its time.
Result<PayloadVectors> Database::embed(const Space& space, const Batch& batch) const {
  PayloadVectors embedded;
  const auto needs = [](const Batch::Entry& entry) {
    if (const auto* store = std::get_if<Batch::Store>(&entry)) return store->memory.embedding.empty();
    if (const auto* restore = std::get_if<Batch::Restore>(&entry)) {
      return restore->embed && restore->memory.embedding.empty();
    }
    const auto* update = std::get_if<Batch::Update>(&entry);
    return update != nullptr && update->patch.payload && !update->patch.embedding;
  };
  if (!embedders_.preferred() || std::none_of(batch.entries().begin(), batch.entries().end(), needs)) return embedded;
  // The view goes before the embedder is asked: no moment is held while it works.
  {
    FRACTAL_TRY_INTO(const auto view, storage_->read(space));
    const auto embedder = embedders_.of(view->space());
    const bool embeds = embedder && *embedder;
    embedded.embedder = embeds ? *embedder : embedders_.preferred();
    embedded.identity = embedded.embedder->identity().to_string();
    if (!embeds) return embedded;  // the caller's space; or another's, and the batch refuses what embeds a text
    for (const auto& entry : batch.entries()) {
      if (!needs(entry)) continue;
      if (const auto* store = std::get_if<Batch::Store>(&entry)) embedded.missing.push_back(store->memory.payload);
      if (const auto* restore = std::get_if<Batch::Restore>(&entry)) {
        embedded.missing.push_back(restore->memory.payload);
      }
      if (const auto* update = std::get_if<Batch::Update>(&entry)) {
        FRACTAL_TRY(expect_update(*view, text_fields_, *update, embedded));
      }
    }
  }
  FRACTAL_TRY(embed_missing(embedded, text_fields_, {}));
  return embedded;
}

// Runs on the thread that committed, before any caller returns. An index that had no room for the changes stays where
// it was; one that could not take them is dropped: the next search loads it anew.
void Database::follow(const BatchOutcome& outcome) noexcept {
  const std::uint64_t space = outcome.after.number;
  try {
    const auto applied = index_->apply(outcome.after, outcome.before, outcome.vectors);
    if (applied || applied.error().code == Errc::unavailable) {
      const std::uint64_t bytes = outcome.vectors.empty() ? 0 : index_->bytes(space);
      if (bytes != 0) use_memory(space, MemoryUse::View::vectors, bytes);
      return;
    }
  } catch (const std::exception&) {  // out of memory: handled like any other failure, below
  }
  drop_vectors(space);
}

void Database::use_memory(std::uint64_t space, MemoryUse::View view, std::uint64_t bytes) const {
  for (const MemoryUse::Held& held : memory_use_.use(space, view, bytes)) {
    if (held.view == MemoryUse::View::vectors) {
      index_->drop(held.space);
    } else {
      link_graphs_.drop(held.space);
    }
  }
}

// Counted no more before it goes: what is loaded again meanwhile counts.
void Database::drop_vectors(std::uint64_t space) const {
  memory_use_.forget(space, MemoryUse::View::vectors);
  index_->drop(space);
}

void Database::drop_links(std::uint64_t space) const {
  memory_use_.forget(space, MemoryUse::View::links);
  link_graphs_.drop(space);
}

void Database::erase_views(std::uint64_t space) const {
  drop_links(space);
  memory_use_.forget(space, MemoryUse::View::vectors);
  index_->erase(space);
}

Result<Look> Database::look(const Space& space, const std::shared_ptr<Reads::Pinned>& pinned,
                            const Control& control) const {
  Look look;
  if (pinned) {
    look.pinned_ = pinned;
    look.turn_ = std::unique_lock(pinned->turn);
    look.view_ = pinned->view.get();
    look.now_ = pinned->now;
  } else {
    FRACTAL_TRY(check_space(space));
    look.now_ = now();
    FRACTAL_TRY_INTO(look.owned_, storage_->read(space));
    look.view_ = look.owned_.get();
  }
  look.view_->obey(&control);
  FRACTAL_TRY_INTO(const auto expired, look.view_->expired(look.now_));
  for (const Row& row : expired) {
    look.expired_ids_.push_back(row.id);
    look.expired_keys_.push_back(row.memory.coordinate.key());
  }
  std::sort(look.expired_ids_.begin(), look.expired_ids_.end());
  std::sort(look.expired_keys_.begin(), look.expired_keys_.end());
  return look;
}

Result<std::shared_ptr<Reads::Pinned>> Database::pin(const Space& space) const {
  FRACTAL_TRY(check_space(space));
  auto pinned = std::make_shared<Reads::Pinned>();
  pinned->now = now();
  FRACTAL_TRY_INTO(pinned->view, storage_->read(space));
  return pinned;
}

Result<EmbedderPtr> Database::embedder_of(const Space& space, const std::shared_ptr<Reads::Pinned>& pinned,
                                          bool needed) const {
  if (!embedders_.preferred()) return EmbedderPtr{};
  auto embedder = [&]() -> Result<EmbedderPtr> {
    if (pinned) {
      const std::lock_guard turn(pinned->turn);
      return embedders_.of(pinned->view->space());
    }
    FRACTAL_TRY(check_space(space));
    FRACTAL_TRY_INTO(const auto view, storage_->read(space));
    return embedders_.of(view->space());
  }();
  if (!embedder && !needed) return EmbedderPtr{};
  return embedder;
}

Result<void> Database::catch_up(const Look& look) const {
  const SpaceRecord& space = look.space();
  // Removals that it missed are forgotten.
  if (space.horizon != 0) {
    const std::uint64_t applied = index_->applied(space.number);
    if (applied != 0 && applied < space.horizon) drop_vectors(space.number);
  }
  // Room is made before it is taken, if there can be enough.
  const std::uint64_t expected = bytes_of_vectors(space);
  if (shares_.views != 0 && expected <= shares_.views && index_->applied(space.number) == 0) {
    use_memory(space.number, MemoryUse::View::vectors, expected);
  }
  auto caught_up = index_->catch_up(space, pull_from(look));
  if (follower_) follower_->add(space);
  use_memory(space.number, MemoryUse::View::vectors, index_->bytes(space.number));
  return caught_up;
}

bool Database::is_large(const SpaceRecord& space) const {
  return space.vectors >= options_.index.graph_from || is_much(bytes_of_vectors(space), shares_.views);
}

Result<void> Database::catch_up_if_room(const Look& look) const {
  auto caught_up = catch_up(look);
  const bool may_lag = shares_.views != 0 || index_->most_scanned() != std::numeric_limits<std::uint64_t>::max();
  if (!caught_up && caught_up.error().code == Errc::unavailable && may_lag) return {};
  return caught_up;
}

VectorIndex::Pull Database::pull_from(const Look& look) const {
  return [&look, columns = index_->columns()](std::uint64_t after, const VectorVisitor& visit) {
    return look.view().vectors(after, columns, visit);
  };
}

Result<VectorHits> Database::search_vectors(const Look& look, const VectorQuery& query) const {
  const SpaceRecord& space = look.space();
  if (space.vectors == 0) return VectorHits{};
  auto caught_up = catch_up(look);
  if (caught_up) {
    auto hits = index_->search(space, query);
    if (hits || hits.error().code != Errc::unavailable) return hits;
  } else if (caught_up.error().code != Errc::unavailable) {
    return caught_up.error();
  }
  if (query.control != nullptr) FRACTAL_TRY(check_control(*query.control, "search"));
  return search_rows(look, query);
}

// The index has moved past this moment (an old snapshot, another process's writes), or has no room for all that came
// after its own: then it tells what has not changed since, and the rows tell the rest. If few are wanted, they tell all.
Result<VectorHits> Database::search_rows(const Look& look, const VectorQuery& query) const {
  const SpaceRecord& space = look.space();
  const std::uint64_t most = index_->most_scanned();
  const bool by_id = query.allowed && query.allowed->size() <= most &&
                     (space.vectors > most || query.allowed->size() <= space.vectors / rows_per_fetched);
  if (by_id) return scan_allowed(look.view(), query);
  const VectorIndex::Pull pull = pull_from(look);
  std::vector<MemoryId> changed;
  const std::uint64_t applied = index_->applied(space.number);
  if (applied != 0 && applied < space.sequence) {
    FRACTAL_TRY_INTO(const VectorHits newer, scan_rows(space, pull, query, applied, changed, most));
    std::vector<MemoryId> excluded;
    std::set_union(changed.begin(), changed.end(), query.excluded.begin(), query.excluded.end(),
                   std::back_inserter(excluded));
    VectorQuery older = query;
    older.as_of = applied;
    older.excluded = excluded;
    auto unchanged = index_->search(space, older);
    if (unchanged) return merge_hits(*unchanged, newer, query.k);
    if (unchanged.error().code != Errc::unavailable) return unchanged;
    changed.clear();
  }
  return scan_rows(space, pull, query, 0, changed, most);
}

}  // namespace fractal
