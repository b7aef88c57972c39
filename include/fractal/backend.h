// What stands behind FractalMemory: Storage, the truth, and VectorIndex, a view derived from it.
// Read this to write a backend of your own (docs/backends.md); a program that only uses the library does not need it.
//
// Division of work. Every rule lives in the core and is written once: validation, versions, merge
// patches, links that die with their memory, expiry, sequence numbers, keywords, ranking, walks. A
// backend stores and delivers, atomically. The suites in tests/conformance hold each backend to that.
#ifndef FRACTAL_BACKEND_H
#define FRACTAL_BACKEND_H

#include <fractal/fractal_memory.h>

#include <array>
#include <cstdint>
#include <functional>
#include <limits>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace fractal {

// Number of the space << 40 | counter within the space: one range of ids a space. Never used again.
using MemoryId = std::uint64_t;
inline constexpr unsigned space_shift = 40;
inline constexpr MemoryId first_id(std::uint64_t space) noexcept { return space << space_shift; }
inline constexpr MemoryId last_id(std::uint64_t space) noexcept { return ((space + 1) << space_shift) - 1; }

// Text fields of equal weight share one of these columns.
inline constexpr std::size_t weight_classes = 4;

// A space and its counters. `number` is given by the storage at creation, from 1 up, never again.
struct SpaceRecord {
  std::uint64_t number = 0;  // 0: there is no such space
  Space space{};
  std::uint64_t sequence = 0;  // of the last change
  std::uint64_t last_id = 0;   // counter part of the id given last
  std::uint64_t horizon = 0;   // removals up to this sequence are forgotten
  std::uint64_t memories = 0, semantic = 0, links = 0, vectors = 0;
  std::uint32_t dimension = 0;  // of every vector; 0 before the first
  Metric metric = Metric::cosine;
  std::string embedder{};  // identity of the embedder that made the vectors; empty: the caller did, or there are none
  std::array<std::uint64_t, weight_classes> words{};  // total length, for BM25

  friend bool operator==(const SpaceRecord&, const SpaceRecord&) = default;
};

struct Row {
  MemoryId id = 0;
  std::uint64_t sequence = 0;         // of the last change to the memory
  std::uint64_t vector_sequence = 0;  // of the last change to its vector
  bool has_vector = false;
  std::array<std::uint32_t, weight_classes> words{};  // length in words of each column
  Memory memory{};
  // Another program wrote it past apply(), and it lacks what the core makes of a payload: see Storage::unindexed().
  bool unindexed = false;
};

// What to fill in of Row::memory. `header`: all but payload, metadata and embedding.
enum class Columns { header, payload, all };

// Normalised words of each column, separated by one blank. A word is UTF-8 letters, digits and marks only.
struct Keywords {
  std::array<std::string, weight_classes> text;
  std::array<std::uint32_t, weight_classes> words{};
};

struct LinkRow {
  std::uint64_t sequence = 0;
  std::string from{};  // Coordinate::key()
  std::string to{};
  std::string type{};
  double strength = 1;
  std::string metadata{};
  Time created_at{};
};

// A memory (id, key) or a link (from in `key`, to, type) that went.
struct Removal {
  std::uint64_t sequence = 0;
  ChangeKind kind = ChangeKind::removed;  // removed or unlinked
  MemoryId id = 0;
  std::string key{};
  std::string to{};
  std::string type{};
};

struct ChangeRow {
  std::uint64_t sequence = 0;
  ChangeKind kind = ChangeKind::stored;
  std::string key{};
  std::string to{};
  std::string type{};
};

// The place of a row in an order: where a page ended.
struct Position {
  double importance = 0;
  std::int64_t created_at = 0;
  MemoryId id = 0;    // orders ties of created_at and importance
  std::string key{};  // order coordinate
};

struct Scan {
  ListOrder order = ListOrder::coordinate;
  bool descending = false;          // reverses ties, too
  std::optional<Position> after{};  // rows strictly beyond it
  std::string prefix{};             // only keys that begin so
  std::size_t limit = 1000;
  Columns columns = Columns::payload;
};

// A superset of the ids that pass a filter, rising.
struct Selection {
  std::vector<MemoryId> ids{};
  bool exact = false;     // they are just those that pass: the core need not look at the rows
  bool complete = false;  // false: there were more than the limit, and ids are only some of them
};

// How often each term of a query stands in a memory, per column, and the memory's length.
struct Postings {
  struct Entry {
    MemoryId id = 0;
    std::array<std::uint32_t, weight_classes> words{};
  };
  std::vector<Entry> entries{};  // rising ids, each with at least one of the terms
  // entries.size() rows of terms.size() counts
  std::vector<std::array<std::uint32_t, weight_classes>> counts;
};

struct KeyRow {
  std::string_view key{};
  MemoryId id = 0;
};

// The built-in fields that an index may leave out memories by. A change to one of them counts as one to the vector beside
// it: it has the same Row::vector_sequence.
struct VectorFields {
  std::string key{};
  MemoryType type = MemoryType::episodic;
  Time created_at{};

  static VectorFields of(const Memory& memory) { return {memory.coordinate.key(), memory.type, memory.created_at}; }
};

// What to fill in of a VectorChange that has a vector. `fields`: the fields, too.
enum class VectorColumns { vector, fields };

struct VectorChange {
  MemoryId id = 0;
  std::uint64_t sequence = 0;
  std::span<const float> vector{};  // empty: the memory or its vector is gone
  VectorFields fields{};
};

// A row with Row::unindexed.
struct UnindexedRow {
  Space space{};
  MemoryId id = 0;
  std::string key{};
};

// Called row by row; false stops. The views in a row live until the call returns.
using LinkVisitor = std::function<bool(const LinkRow&)>;
using KeyVisitor = std::function<bool(const KeyRow&)>;
using VectorVisitor = std::function<bool(const VectorChange&)>;

// One space at one moment: later commits do not show. One thread at a time. Expired rows are
// delivered like others: the core leaves them out.
class FRACTAL_API ReadView {
 public:
  virtual ~ReadView() = default;
  virtual const SpaceRecord& space() const = 0;
  // Sets the last commit of the space apart from every other, also from one with the same sequence in another history of
  // the database: a backup that was restored, a failover that lost commits. Empty: not known.
  virtual std::string mark() const { return {}; }
  virtual Result<std::optional<Row>> get(std::string_view key, Columns columns) = 0;
  // In the order of `ids` (rising); those that are not there are left out.
  virtual Result<std::vector<Row>> fetch(std::span<const MemoryId> ids, Columns columns) = 0;
  virtual Result<std::vector<Row>> list(const Scan& scan) = 0;
  virtual Result<Selection> select(const Filter& filter, std::string_view prefix, std::size_t limit) = 0;
  // Keys from `first` up to but not `last` (empty: to the end), rising.
  virtual Result<void> keys(std::string_view first, std::string_view last, const KeyVisitor& visit) = 0;
  // Links out of (or into, or both) each key of the frontier, all types if `type` is empty. Only from,
  // to, type and strength are filled in.
  virtual Result<void> links(std::span<const std::string> frontier, Direction direction, std::string_view type,
                             const LinkVisitor& visit) = 0;
  virtual Result<std::optional<LinkRow>> get_link(std::string_view from, std::string_view to,
                                                  std::string_view type) = 0;
  // Whole links in the order (from, type, to), strictly after `after` if it is set.
  virtual Result<std::vector<LinkRow>> list_links(const LinkRow* after, std::size_t limit) = 0;
  virtual Result<Postings> postings(std::span<const std::string> terms) = 0;
  // Rows and links changed, and removals noted, after a sequence number; rising.
  virtual Result<std::vector<ChangeRow>> changes(std::uint64_t after, std::size_t limit) = 0;
  // Memories whose vector changed or went after a sequence number, in any order.
  virtual Result<void> vectors(std::uint64_t after, VectorColumns columns, const VectorVisitor& visit) = 0;
  // Rows with expires_at <= now: id, key and expires_at alone.
  virtual Result<std::vector<Row>> expired(Time now) = 0;
  virtual Result<std::vector<AuditRecord>> audit(std::size_t limit, std::uint64_t before) = 0;
  // Long statements of this view stop with `unavailable` when the control says so. Null: never.
  virtual void obey(const Control* control) = 0;
};

// What one step of Storage::apply may do. It sees its own writes and those of the steps before it.
class FRACTAL_API WriteTransaction {
 public:
  virtual ~WriteTransaction() = default;
  // The space, created if need be. The caller changes the counters through the pointer; they are
  // saved with the commit. Valid until the step ends.
  virtual Result<SpaceRecord*> space(const Space& space) = 0;
  virtual Result<std::optional<Row>> find(std::uint64_t space, std::string_view key, Columns columns) = 0;
  // Rows of the space with id > after, rising.
  virtual Result<std::vector<Row>> scan(std::uint64_t space, MemoryId after, std::size_t limit, Columns columns) = 0;

  struct Put {
    bool created = true;                 // no row has this id
    bool vector = true;                  // false: the vector stays, Row::memory.embedding is not read
    const Keywords* keywords = nullptr;  // null: they stay
  };
  virtual Result<void> put(std::uint64_t space, const Row& row, const Put& put) = 0;
  // The row, its vector, keywords and field values. Not its links.
  virtual Result<void> erase(std::uint64_t space, const Row& row) = 0;

  virtual Result<std::optional<LinkRow>> find_link(std::uint64_t space, std::string_view from, std::string_view to,
                                                   std::string_view type) = 0;
  virtual Result<void> put_link(std::uint64_t space, const LinkRow& link) = 0;
  virtual Result<void> erase_link(std::uint64_t space, const LinkRow& link) = 0;
  // In both directions, a link to itself once; ordered by (from, type, to).
  virtual Result<std::vector<LinkRow>> links_of(std::uint64_t space, std::string_view key) = 0;

  // Rows with expires_at <= now, rising by id.
  virtual Result<std::vector<Row>> expired(std::uint64_t space, Time now, std::size_t limit) = 0;
  virtual Result<void> note_removal(std::uint64_t space, const Removal& removal) = 0;
  virtual Result<void> prune_removals(std::uint64_t space, std::uint64_t up_to_sequence) = 0;
  virtual Result<void> audit(std::uint64_t space, const AuditRecord& record) = 0;  // `number` is given by the storage
  // Drops records older than `before` and all but the newest `keep`; returns how many.
  virtual Result<std::uint64_t> prune_audit(std::uint64_t space, std::uint64_t keep, Time before) = 0;
  virtual Result<void> add_accesses(std::uint64_t space, std::string_view key, std::uint64_t count) = 0;
  // Everything with this space's number, and the space itself.
  virtual Result<void> erase_space(std::uint64_t space) = 0;
  virtual Result<void> set_setting(std::string_view name, std::string_view value) = 0;
};

// What a step will ask for, as far as that is known: a storage that is far away may lock and read it in one go. The step
// may ask for less, or more.
struct Expected {
  Space space{};
  std::vector<std::string> keys{};    // of memories that it will find() with these columns, or fewer
  Columns columns = Columns::header;  // header or payload
  std::vector<LinkRow> links{};       // from, to and type of those that it will find_link()
};

// One caller's part of a commit. `run` comes from the core, and is run again if the transaction was undone as a whole
// before it was committed; `outcome` is for the storage to fill in.
struct WriteStep {
  std::function<Result<void>(WriteTransaction&)> run;
  Result<void> outcome{};
  const Expected* expected = nullptr;  // null: not known
};

// Something was committed in the space of this number, up to this sequence, by whomever; 0: any, or not known. Called from
// a thread of the storage.
using ChangeListener = std::function<void(std::uint64_t space, std::uint64_t sequence)>;

// The truth. Every member may be called from any thread.
class FRACTAL_API Storage {
 public:
  virtual ~Storage() = default;

  // The only write. Runs the steps in order inside one transaction: a step that fails (its outcome) is undone alone,
  // the others are committed together. An error returned means that nothing at all was committed. When it returns, the
  // writes are durable as promised and in every later view. Callers take turns inside.
  virtual Result<void> apply(std::span<WriteStep> steps) = 0;

  // What commits leave to be done that need not delay them, such as moving a log into its file. The core calls it
  // after apply(), from a thread whose write is done, beside the writes of others.
  virtual void tidy() {}

  // The newest committed state of a space; number 0 in its record if there is none.
  virtual Result<std::unique_ptr<ReadView>> read(const Space& space) = 0;
  // read() and get() in one, for the case that nothing else is wanted. number 0 as above.
  virtual Result<std::optional<Row>> get(const Space& space, std::string_view key, Columns columns) = 0;

  virtual Result<std::vector<Space>> spaces() = 0;
  virtual Result<std::optional<std::string>> setting(std::string_view name) = 0;
  // Payload paths with an index. create_index of one that is there does nothing.
  virtual Result<std::vector<std::string>> indexed_fields() = 0;
  virtual Result<void> create_index(std::string_view path, const Control& control) = 0;

  // For a storage that other programs write to, past apply(). Such a write is a whole one, with ids, counters, sequence
  // numbers and removals; but keywords, vector and the values of indexed fields are for the core to make, and the row says
  // so until it has (Row::unindexed). Until then select() has the row whatever the filter is. With ids after `after`,
  // rising; of all spaces.
  virtual Result<std::vector<UnindexedRow>> unindexed(MemoryId /*after*/, std::size_t /*limit*/) {
    return std::vector<UnindexedRow>{};
  }
  virtual Result<std::uint64_t> count_unindexed() { return std::uint64_t{0}; }

  // What disagrees inside the storage, one sentence each.
  virtual Result<std::vector<std::string>> verify(const Control& control) = 0;
  // Rebuilds what can be rebuilt from the rows, one sentence each. Keywords are rebuilt by the core.
  virtual Result<std::vector<std::string>> repair(const Control& control) = 0;
  // Returns the bytes rewritten; with `purge`, no erased byte is left in any file.
  // A purge is `unavailable` while somebody still reads the old bytes through a view.
  virtual Result<std::uint64_t> maintain(bool purge, const Control& control) = 0;
  // unsupported: the core copies memory by memory instead.
  virtual Result<void> backup(const std::string& path, const Control& control) = 0;

  // Calls the listener soon after each commit, so that what is derived may follow before it is asked. A notice may come
  // late, twice, or be one of any space; none may be missing for good. As long as what is returned lives; when that has
  // gone, it is not called any more. Null: this storage is not told of what others do.
  virtual std::shared_ptr<void> listen(const ChangeListener& /*listener*/) { return nullptr; }

  virtual std::string describe() const = 0;         // "sqlite 3.40.1"
  virtual std::vector<std::string> problems() = 0;  // for health()
  virtual std::uint64_t bytes() = 0;                // files with their logs; 0 if not known
  virtual bool read_only() const = 0;
};

// Forwards every call. Derive from it to add to a storage: counting, mirroring, refusing.
class FRACTAL_API StorageWrapper : public Storage {
 public:
  explicit StorageWrapper(std::shared_ptr<Storage> inner) : inner_(std::move(inner)) {}
  Result<void> apply(std::span<WriteStep> steps) override { return inner_->apply(steps); }
  void tidy() override { inner_->tidy(); }
  Result<std::unique_ptr<ReadView>> read(const Space& space) override { return inner_->read(space); }
  Result<std::optional<Row>> get(const Space& space, std::string_view key, Columns columns) override {
    return inner_->get(space, key, columns);
  }
  Result<std::vector<Space>> spaces() override { return inner_->spaces(); }
  Result<std::optional<std::string>> setting(std::string_view name) override { return inner_->setting(name); }
  Result<std::vector<std::string>> indexed_fields() override { return inner_->indexed_fields(); }
  Result<void> create_index(std::string_view path, const Control& control) override {
    return inner_->create_index(path, control);
  }
  Result<std::vector<UnindexedRow>> unindexed(MemoryId after, std::size_t limit) override {
    return inner_->unindexed(after, limit);
  }
  Result<std::uint64_t> count_unindexed() override { return inner_->count_unindexed(); }
  Result<std::vector<std::string>> verify(const Control& control) override { return inner_->verify(control); }
  Result<std::vector<std::string>> repair(const Control& control) override { return inner_->repair(control); }
  Result<std::uint64_t> maintain(bool all, const Control& control) override { return inner_->maintain(all, control); }
  Result<void> backup(const std::string& to, const Control& control) override { return inner_->backup(to, control); }
  std::shared_ptr<void> listen(const ChangeListener& listener) override { return inner_->listen(listener); }
  std::string describe() const override { return inner_->describe(); }
  std::vector<std::string> problems() override { return inner_->problems(); }
  std::uint64_t bytes() override { return inner_->bytes(); }
  bool read_only() const override { return inner_->read_only(); }

 protected:
  std::shared_ptr<Storage> inner_;
};

// The built-in storages.
FRACTAL_API Result<std::shared_ptr<Storage>> open_sqlite_storage(const Options& options);
FRACTAL_API std::shared_ptr<Storage> make_memory_storage();

// "postgres" of "postgres://host/database"; empty: no URL, but a file's path.
FRACTAL_API std::string_view scheme_of(std::string_view path) noexcept;
inline bool is_url(std::string_view path) noexcept { return !scheme_of(path).empty(); }

// How Options::path leads to a storage if it is a URL. A component's header adds its schemes by itself: a program that
// includes <fractal/postgres.h> can open("postgres://..."). Replaces what was there; always true. Any thread.
using StorageOpener = Result<std::shared_ptr<Storage>> (*)(const Options& options);
FRACTAL_API bool add_storage_scheme(std::string_view scheme, StorageOpener open);
FRACTAL_API std::vector<std::string> storage_schemes();  // rising

// For storages that check filters by themselves (and the core, which always does).
FRACTAL_API bool matches(const Filter& filter, const Row& row);
// The scalar at a payload path, as filters see it: nullopt if missing, an object or an array.
FRACTAL_API std::optional<Value> value_at(std::string_view payload, std::string_view path);

using IdSet = std::shared_ptr<const std::vector<MemoryId>>;  // rising
// Without an owner: an index keeps nothing about them.
inline IdSet borrowed(const std::vector<MemoryId>& ids) { return {IdSet(), &ids}; }

struct VectorQuery {
  std::span<const float> vector{};
  std::size_t k = 10;
  std::uint64_t as_of = 0;  // the space's sequence that the answer must describe
  IdSet allowed{};          // null: every memory; asked with the same object again, an index may be faster
  // What every allowed memory passes, as far as the filter asks for VectorFields and the key begins so. An index may use
  // it in the place of many ids.
  const Filter* filter = nullptr;
  std::string_view prefix{};
  std::span<const MemoryId> excluded{};  // rising, few
  double recall = 0.98;                  // as SearchOptions::recall
  bool exact = false;                    // as SearchOptions::exact
  const Control* control = nullptr;
};

struct VectorHits {
  struct Entry {
    MemoryId id = 0;
    double score = 0;  // see Metric; the same number whichever plan found it
  };
  std::vector<Entry> entries{};  // best first, ties by id; min(k, matched) of them
  std::uint64_t matched = 0;     // vectors that the query could have returned
  std::uint64_t visited = 0;     // vectors compared
  bool exact = true;
  std::string plan = "scan";
};

// A derived view over the vectors, per space. It may be dropped at any time. Any thread may call.
class FRACTAL_API VectorIndex {
 public:
  using Pull = std::function<Result<void>(std::uint64_t after, const VectorVisitor& visit)>;
  struct Stats {
    std::uint64_t vectors = 0, dead = 0, bytes = 0, applied = 0;
    std::uint64_t graph_vectors = 0;  // those in a graph; 0: there is none
    std::uint64_t file_bytes = 0;     // of its files
    double building = 0;              // share of a graph that is being built; 0: none is
  };

  virtual ~VectorIndex() = default;
  // Every change to vectors in (from, to.sequence], in order, straight from a commit. Does nothing
  // unless it has applied exactly `from`; idempotent.
  virtual Result<void> apply(const SpaceRecord& to, std::uint64_t from, std::span<const VectorChange> changes) = 0;
  // Catches up to to.sequence with one pull, if it is behind. It cannot answer afterwards for moments
  // between its old and its new state. `unavailable` if it has no room for what it would hold then: its state is the
  // old one, and the core compares the rows that changed since.
  virtual Result<void> catch_up(const SpaceRecord& to, const Pull& pull) = 0;
  // `unavailable` if it cannot answer as of that moment: then the core scans the rows.
  virtual Result<VectorHits> search(const SpaceRecord& space, const VectorQuery& query) = 0;
  // Forgets a space in memory; it may be loaded again.
  virtual void drop(std::uint64_t space) = 0;
  virtual Stats stats(std::uint64_t space) = 0;
  virtual std::uint64_t applied(std::uint64_t space) { return stats(space).applied; }
  // Vectors that the core may compare by itself, from the rows, where this index cannot answer: all of a space, those that
  // a filter leaves, or those that changed since `applied`. Beyond: a search is `unavailable`.
  virtual std::uint64_t most_scanned() const { return std::numeric_limits<std::uint64_t>::max(); }
  // What Pull gives it, and apply() in any case.
  virtual VectorColumns columns() const { return VectorColumns::vector; }
  // Of memory for a space; asked after every search.
  virtual std::uint64_t bytes(std::uint64_t space) { return stats(space).bytes; }

  // For an index with parts that take long to make, or files; the others have nothing to do.
  virtual std::uint64_t file_bytes() { return 0; }  // of all spaces
  // Makes those parts for what has been applied, on the caller's thread and helpers; `anew`: nothing of dead
  // vectors stays, in files neither. Progress in vectors.
  virtual Result<void> build(std::uint64_t, bool /*anew*/, const Control&) { return {}; }
  // The space is gone: its files, too.
  virtual void erase(std::uint64_t space) { drop(space); }
  // What it holds against the rows, one sentence for each difference.
  virtual Result<std::vector<std::string>> verify(const SpaceRecord&, const Pull&, const Control&) {
    return std::vector<std::string>{};
  }
  virtual std::vector<std::string> problems() { return {}; }  // for health()
};

// As add_storage_scheme(), for Options::vector_index: an index that follows this storage.
using VectorIndexOpener = Result<std::shared_ptr<VectorIndex>> (*)(const std::string& url, const Options& options,
                                                                   const std::shared_ptr<Storage>& storage);
FRACTAL_API bool add_vector_index_scheme(std::string_view scheme, VectorIndexOpener open);
FRACTAL_API std::vector<std::string> vector_index_schemes();  // rising

// The exact one: int8 codes scanned, everything that may be among the best compared in float32.
// `most_bytes`: of memory for one space, 0: no limit.
FRACTAL_API std::shared_ptr<VectorIndex> make_flat_index(std::uint64_t most_bytes = 0);

}  // namespace fractal

#endif
