// FractalMemory: a long-term memory inside your program. Start here.
//
//   auto memory = fractal::FractalMemory::open("agent.db").value();
//   memory.store({.coordinate = {1, 2, 3}, .payload = R"({"text": "Ada likes green tea"})"}).value();
//   auto found = memory.search("what does Ada drink?", {.top_k = 3}).value();
//   for (auto& hit : found.hits) use(hit.memory.payload, hit.score);
//
// Threads. Any thread may call any member of FractalMemory and Snapshot at any time, but for destruction and
// assignment of the handle itself. Handles are cheap to copy.
// Processes. Several may open one file. After fork() the child must not use or destroy a handle.
// Durability. A write that returned is on the disk (Options::durability) and in every later read.
// Errors. A failed write changed nothing. The library never logs, prints or calls exit.
#ifndef FRACTAL_FRACTAL_MEMORY_H
#define FRACTAL_FRACTAL_MEMORY_H

#include <fractal/filter.h>
#include <fractal/result.h>
#include <fractal/types.h>
#include <fractal/version.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <iosfwd>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace fractal {

class Storage;
class VectorIndex;
class Embedder;
class Database;  // what the handles on one open file share; not public

FRACTAL_API std::string_view version() noexcept;
FRACTAL_API std::shared_ptr<Embedder> builtin_embedder();  // fractal/embedder.h

enum class Durability {
  full,    // on the disk when the call returns: one sync a commit (shared by concurrent writers)
  normal,  // never corrupt, all or nothing; a power cut may lose the last commits. A killed process loses nothing.
  off,     // a power cut may corrupt the file. A killed process still loses nothing.
};

// How near two vectors are. A hit's vector score: cosine: the cosine, -1 to 1; dot: the dot product;
// l2: 1 / (1 + Euclidean distance). Fixed for a space by its first vector.
enum class Metric : std::uint8_t { cosine, dot, l2 };

// A payload field whose text is searched, and its weight: of a word in it, and of its vector in the sum
// that is the memory's.
struct TextField {
  std::string path{};  // as in Filter; a text, or an array of texts
  double weight = 1;
};

struct AuditOptions {
  bool writes = true;                    // one record for each created, updated or removed memory and link
  bool reads = false;                    // one for each retrieve; kept in memory until the next write
  bool payloads = false;                 // the payload after the write, too: it then outlives the memory
  std::uint64_t keep_records = 100'000;  // per space; the oldest go first (at the next writes)
  std::chrono::hours keep_for{24 * 365 * 10};
};

// What a walk through the graph compares vectors by. The best that it finds are compared in float32 whatever it is,
// so scores are the same; which is the quickest depends on the data and the machine (docs/benchmarks.md).
enum class Codes {
  int8,     // a byte for each component
  float32,  // the vectors as they are: four times the memory to walk through
  bit,      // a sign for each component: an eighth of int8's memory, in private memory, and more candidates
};

// The graph (HNSW) that vectors of a large space are searched by. It is derived from the rows, in files in the
// folder <path>-index beside the database: these may be deleted at any time while no process has it open.
struct IndexOptions {
  std::size_t graph_from = 32'768;      // vectors of a space; smaller ones are compared one by one, exactly
  std::uint32_t m = 16;                 // links of a vector in the graph: 2 to 64
  std::uint32_t ef_construction = 200;  // care in building it: 8 to 4096
  Codes codes = Codes::int8;            // another than a graph has: from its next build, or from maintain()
  bool background = true;               // built by a thread of low priority; false: by maintain() alone
  bool files = true;                    // false: kept in memory, built again by each process
  bool map = true;  // false: files are read, not mapped: a failing disk is an error then, not a SIGBUS
};

// Where the vector index comes from: an object, or the URL of a server that keeps one ("pgvector://...", "milvus://..."), if
// the header of its component is included; else `unsupported`. Neither: the one in this process.
class VectorIndexSource {
 public:
  VectorIndexSource() = default;
  template <class Index> VectorIndexSource(std::shared_ptr<Index> index) : index_(std::move(index)) {}
  VectorIndexSource(std::string url) : url_(std::move(url)) {}
  VectorIndexSource(const char* url) : url_(url) {}

  const std::shared_ptr<VectorIndex>& index() const noexcept { return index_; }
  const std::string& url() const noexcept { return url_; }

 private:
  std::shared_ptr<VectorIndex> index_{};
  std::string url_{};
};

// On a small device these matter: memory_budget, disk_budget, durability, audit.writes, and index.codes, .background and
// .files. docs/guide.md says what each saves.
struct Options {
  // A file, created if need be, ":memory:", or the URL of a server ("postgres://..."), if the header of its component is
  // included (fractal/postgres.h); else `unsupported`. Ignored when `storage` is set.
  std::string path = ":memory:";
  // The space of the handle that open() returns.
  Space space{};
  bool create = true;      // false: a missing file is not_found
  bool read_only = false;  // works on read-only files and media
  Durability durability = Durability::full;
  // How long a write waits for another process that writes; then `unavailable`.
  std::chrono::milliseconds busy_timeout{5000};
  // Payload paths to keep an index for (see create_index). Only ever added to.
  std::vector<std::string> indexed_fields{};
  // Empty: as the file has it; in a new file text, content, summary, title: 1, context: 0.5 ("what was
  // said just before"). A payload with none of these fields is searched by all its texts. Other fields than
  // the file has, or another tokeniser version: open() rebuilds the keywords, in one transaction (about
  // 30,000 memories/s); vectors stay until reembed().
  std::vector<TextField> text_fields{};
  // Makes the vectors of memories stored without one, and of questions (fractal/embedder.h). Null: no text
  // is embedded. The first vector of a space decides: one from a text makes it a space of this embedder,
  // one from the caller makes it the caller's, where texts are not embedded. In a space of another embedder
  // whatever would embed a text is `unsupported` until reembed(); all the rest works.
  std::shared_ptr<Embedder> embedder = builtin_embedder();
  bool strict_links = false;    // link() refuses an end that holds no memory
  bool count_accesses = false;  // retrieve() counts in Memory::accesses; written with the next write
  Metric metric = Metric::cosine;
  AuditOptions audit{};
  IndexOptions index{};
  // Bytes that this database may take in this process for all that stays there between calls: vectors and links of its
  // spaces, what filters left, SQLite's page caches (":memory:": the rows come on top). 0: no limit; else 4 MiB or more.
  // Spaces used longest ago are forgotten first, and read again when they are needed. What has no room by itself is read
  // from the rows at each search: exact answers, slower. A graph is made early, and none that would take more to make:
  // health() tells.
  std::uint64_t memory_budget = 0;
  // Bytes that the files of the database may take: itself, its log, the index's. 0: no limit; else 4 MiB or more. What
  // might pass it is refused as `io` before it begins: a batch that stores, updates or links counts with three times its
  // bytes, and 64 KiB an entry or, if that is less, the size of the file again (what the log may take). Batches that only
  // remove go through: their log may pass it until it is moved into the file. So may a purge, which rewrites the file
  // beside the old one. Not counted: what a merge patch leaves of a payload, batches of other threads that are on their way,
  // reembed(), create_index(), repair(). A graph that has no room is not written: health() tells.
  std::uint64_t disk_budget = 0;
  // changes() can tell removals this many sequence numbers back.
  std::uint64_t change_history = 100'000;
  // The one clock: times of writes and expiry. Null: the system's. Must be thread-safe.
  std::function<Time()> clock{};
  // Your own backends (fractal/backend.h) instead of the built-in ones.
  std::shared_ptr<Storage> storage{};
  VectorIndexSource vector_index{};
};

// For calls that may take long. Beyond the deadline or once *cancel is true they stop with
// `unavailable`; a write that is a single transaction is then undone.
struct Control {
  std::chrono::steady_clock::time_point deadline = std::chrono::steady_clock::time_point::max();
  const std::atomic<bool>* cancel = nullptr;
  // done and total in the unit of the call (memories, links, pages); total 0: unknown.
  // Called on the caller's thread.
  std::function<void(std::uint64_t done, std::uint64_t total)> progress{};
};

// What to look for: words, a vector, or both. The vector has the space's dimension.
struct Query {
  std::string_view text{};
  std::span<const float> vector{};
};

enum class SearchMode { automatic, vector, keyword, hybrid };
FRACTAL_API std::string_view to_string(SearchMode mode) noexcept;

enum class Fusion {
  // alpha * vector + (1 - alpha) * keyword, both 0..1: the cosine brought there, and the square of the share of the
  // query's words, weighted by inverse document frequency, that the memory has.
  convex,
  rrf,  // reciprocal rank fusion, k = 60 (Cormack, Clarke, Buettcher, SIGIR 2009)
};

enum class Direction { outgoing, incoming, both };

struct ActivateOptions {
  double decay = 0.5;    // the share that is passed on at each hop: 0 to 1, 1 excluded
  std::size_t hops = 3;  // 1 to 64
  Direction direction = Direction::both;
  std::string type{};  // empty: every type
  std::size_t limit = 100;
  Control control{};
};

// Activation as a part of a search's score: what comes to mind with the seeds ranks higher. With s the score of the
// mode brought to 0..1 (a cosine as (1 + s) / 2, BM25 and RRF by the most there could be) and a the activation that
// activate(seeds, spread) gives, 0 beyond the `spread.limit` most active,
//   score = (1 - weight) * s + weight * a / (the largest a).
// What matches does not change. A dot product has no bound: `unsupported` in mode vector.
struct Association {
  std::vector<Coordinate> seeds{};  // none: the score is the mode's alone
  double weight = 0.2;              // 0 to 1, 1 excluded
  ActivateOptions spread{};         // its control counts beside the search's
};

struct SearchOptions {
  std::size_t top_k = 10;  // hits wanted; exactly min(top_k, matched - offset) come back
  std::size_t offset = 0;  // hits to skip; pages never skip or repeat a hit while nothing is written
  Filter filter{};
  Coordinate within{};  // only this coordinate and its subtree; empty: everywhere
  // What the query has: both -> hybrid. A text gets a vector where the space has an embedder.
  SearchMode mode = SearchMode::automatic;
  std::optional<double> alpha{};  // hybrid: weight of the vector side, 0 to 1; else the embedder's, or 0.8
  Fusion fusion = Fusion::convex;
  // Maximal marginal relevance (Carbonell and Goldstein, SIGIR 1998) over the best 256:
  // 0 orders by score alone, up to 1 by difference alone. Each hit keeps its score.
  double diversity = 0;
  Association association{};
  // Wanted share of the true nearest among the hits by vector, on average, where a graph is searched:
  // 0.5 to 0.999. What it needs is measured on the space's own vectors whenever its graph is made.
  double recall = 0.98;
  bool exact = false;       // true: no graph, every vector is compared
  bool explain = false;     // fill Hit::explain
  bool payloads = true;     // false: Memory::payload and metadata stay "{}"
  bool embeddings = false;  // fill Memory::embedding
  Control control{};
};

// Where a score comes from. The parts' contributions add up to Hit::score.
struct ScorePart {
  std::string name{};  // "vector", "keyword", "rrf vector", "rrf keyword", "term <word>" in keyword mode; "association"
  double value = 0;    // cosine; share of the query's words, or BM25 in keyword mode; rank; a / (the largest a)
  double contribution = 0;
};

struct Hit {
  Memory memory{};
  double score = 0;  // higher is better; ties are in the order of first storing
  std::vector<ScorePart> explain{};
};

struct SearchResult {
  std::vector<Hit> hits{};
  // No memory outside the hits would have ranked before one of them.
  bool exact = true;
  // Memories that pass filter and `within` and can be scored in this mode: those with a vector, with a
  // word of the query, or either.
  std::uint64_t matched = 0;
  std::uint64_t sequence = 0;               // of the space at the moment that the answer describes
  SearchMode mode = SearchMode::automatic;  // what was done
  std::string plan{};                       // how, for people: "scan 1200 of 20000 vectors; keywords: 2 terms"
  std::uint64_t visited = 0;                // vectors compared
};

// Where in a text words of a question are, by the rules of keyword search (stems, accents, stop words left out): bytes
// from `begin` up to `end`, in order. For highlighting.
struct TextRange {
  std::size_t begin = 0, end = 0;
};
FRACTAL_API std::vector<TextRange> matching_words(std::string_view text, std::string_view question);

enum class ListOrder { coordinate, created_at, importance };

struct RetrieveOptions {
  bool embeddings = true;  // false: Memory::embedding stays empty, and its bytes are not read
};

struct ListOptions {
  ListOrder order = ListOrder::coordinate;
  bool descending = false;
  std::size_t limit = 100;
  std::string after{};  // Page::next of the page before; same order and direction
  Coordinate within{};  // only this coordinate and its subtree
  Filter filter{};
  bool embeddings = false;
  Control control{};
};

struct Page {
  std::vector<Memory> memories{};
  std::string next{};  // empty: this was the last page. Stays valid while memories come and go.
};

struct NearOptions {
  std::optional<double> radius{};  // at most this far
  std::size_t limit = 10;          // at most so many, the nearest first
  Filter filter{};
  Control control{};
};

struct NearHit {
  Memory memory{};
  double distance = 0;  // Euclidean, among coordinates with the same number of components
};

struct NeighborOptions {
  std::size_t hops = 1;  // 1 to 64
  Direction direction = Direction::outgoing;
  std::string type{};  // empty: every type
  std::size_t limit = 100;
  std::size_t offset = 0;
  Control control{};
};

// A coordinate reached by a walk, once each: by fewest hops, then by the strongest link.
struct Neighbor {
  Coordinate coordinate{};
  GraphLink link{};  // the link that led to it
  std::size_t hops = 0;
};

struct ReachOptions {
  std::size_t hops = 2;  // 1 to 64
  Direction direction = Direction::outgoing;
  std::string type{};  // empty: every type
  Control control{};
};

struct Activation {
  Coordinate coordinate{};
  double amount = 0;  // of all: those of all coordinates add up to 1 at most
};

struct PathOptions {
  std::size_t max_hops = 16;
  Direction direction = Direction::outgoing;
  std::string type{};
  bool weighted = false;  // least sum of 1/strength instead of fewest links
  Control control{};
};

enum class ChangeKind : std::uint8_t { stored, removed, linked, unlinked };
FRACTAL_API std::string_view to_string(ChangeKind kind) noexcept;

// The last change to a memory or link: an older one to the same is not listed any more.
struct Change {
  std::uint64_t sequence = 0;
  ChangeKind kind = ChangeKind::stored;
  Coordinate coordinate{};  // of the memory; of a link its `from`
  Coordinate to{};          // links only
  std::string type{};       // links only
};

struct AuditRecord {
  std::uint64_t number = 0;  // rising within the database
  Time at{};
  std::string action{};   // "create", "update", "delete", "read", "link", "unlink"
  std::string subject{};  // a coordinate, or "from -type-> to"
  std::uint64_t version = 0;
  std::string payload{};  // only with AuditOptions::payloads
};

enum class GraphFormat { json, graphml, dot };

struct ExportOptions {
  Coordinate within{};  // memories below it; links with both ends below it
  Filter filter{};      // of memories
  bool embeddings = true;
  bool links = true;  // false: memories alone
  // One moment for the whole export; the file's log cannot shrink meanwhile. Otherwise each page of
  // 1,000 is consistent in itself.
  bool consistent = false;
  Control control{};
};

struct ImportOptions {
  std::size_t batch = 1000;  // lines in one transaction; then control.progress(lines done, 0)
  // Lines before it are skipped, but for the header, which is read: to go on after progress() told that all before it
  // are in.
  std::uint64_t from_line = 1;
  Control control{};
};

struct ImportReport {
  std::uint64_t lines = 0, memories = 0, links = 0;
};

// Of one space, from counters: its cost does not depend on the number of memories.
struct Stats {
  std::uint64_t memories = 0, episodic = 0, semantic = 0, links = 0, vectors = 0;
  std::size_t dimension = 0;        // 0: no vector yet
  std::uint64_t sequence = 0;       // the last change
  std::uint64_t file_bytes = 0;     // of the whole database, with its log
  std::uint64_t memory_bytes = 0;   // for vectors and links of all spaces, in this process
  std::uint64_t index_vectors = 0;  // in the vector index of this process, with dead ones
  std::uint64_t index_bytes = 0;
  std::uint64_t index_applied = 0;    // the sequence that the index has seen
  std::uint64_t graph_vectors = 0;    // in its graph; 0: there is none
  double graph_building = 0;          // share of a graph that is being built; 0: none is
  std::uint64_t links_in_memory = 0;  // 0: walks ask the storage for each link
  std::uint64_t links_bytes = 0;
  std::string embedder{};  // identity of the one that made the vectors; empty: the caller, or none
  std::vector<std::string> indexed_fields{};
  std::vector<TextField> text_fields{};  // of the database; none: all texts
};

// What the answers of a space depend on besides the question: two calls between which it stays the same have the same
// answer, so that answers can be kept by it. Made anew, an erased space has another number. Programs that share a storage
// may share answers if there is a mark: without one, the same numbers may mean something else in another database.
struct SpaceState {
  std::uint64_t number = 0;  // of the space in its database; 0: it does not exist
  std::uint64_t sequence = 0;
  std::uint64_t expired = 0;  // memories whose time is up, and which are not removed yet
  std::string mark{};         // of the last commit, in this history of the database alone; empty: the storage has none

  friend bool operator==(const SpaceState&, const SpaceState&) = default;
};

struct ReembedReport {
  std::uint64_t memories = 0, vectors = 0;  // of the space; those that now have a vector
};

struct Health {
  bool ok = true;
  std::string backend{};                // "sqlite 3.40.1", "memory"
  std::string simd{};                   // the instruction set in use
  std::vector<std::string> problems{};  // what is wrong, one sentence each
};

struct VerifyReport {
  std::vector<std::string> problems{};                 // empty: everything agrees
  std::uint64_t memories = 0, links = 0, vectors = 0;  // checked
  bool ok() const noexcept { return problems.empty(); }
};

struct RepairReport {
  std::vector<std::string> repaired{};  // what was rebuilt or dropped, one sentence each
};

// Recall@10 of this space's graph, of SearchOptions::recall as given, by questions near its own vectors.
struct RecallReport {
  double recall = 1;         // mean
  double low = 1, high = 1;  // of the 95 % confidence interval
  std::size_t questions = 0;
  bool exact = true;  // every answer was exact: there is no graph, or it was not used
};

struct MaintainOptions {
  // Forgets the audit log and what changes() knew of removals, then rewrites the file: no byte of
  // erased or removed data stays in it or its log.
  bool purge = false;
  Control control{};
};

struct MaintainReport {
  std::uint64_t expired_removed = 0, audit_removed = 0, bytes_rewritten = 0;
  std::uint64_t indexed =
      0;  // memories that other programs wrote to the storage, searched by text and vector from now on
};

// The reads that FractalMemory (each call sees the newest state) and Snapshot (all calls see one
// state) have in common. An expired memory is in none of them.
class FRACTAL_API Reads {
 public:
  // not_found if there is none.
  Result<Memory> retrieve(const Coordinate& coordinate, const RetrieveOptions& options = {}) const;
  // In the order asked for; nullopt where there is none.
  Result<std::vector<std::optional<Memory>>> retrieve_many(std::span<const Coordinate> coordinates,
                                                           const RetrieveOptions& options = {}) const;

  Result<SearchResult> search(std::string_view text, const SearchOptions& options = {}) const;
  Result<SearchResult> search(std::span<const float> vector, const SearchOptions& options = {}) const;
  Result<SearchResult> search(const Query& query, const SearchOptions& options = {}) const;

  Result<Page> list(const ListOptions& options = {}) const;
  // The coordinate and its subtree, in coordinate order.
  Result<Page> within(const Coordinate& ancestor, ListOptions options = {}) const;
  Result<std::vector<NearHit>> near(const Coordinate& coordinate, const NearOptions& options = {}) const;

  // By hops, then the strongest link, then coordinate. Never the start itself. None: an empty vector.
  Result<std::vector<Neighbor>> neighbors(const Coordinate& coordinate, const NeighborOptions& options = {}) const;
  // How many coordinates lie one hop away, two hops, and so on, each counted where it is nearest; the start is not. It
  // ends with the last hop that has any.
  Result<std::vector<std::uint64_t>> reach(const Coordinate& coordinate, const ReachOptions& options = {}) const;
  // What comes to mind with these: activation spreads from the seeds, who have equal parts of it, along links by their
  // share of a coordinate's strengths (above 0). With s the seeds' parts, P the links' shares and d the decay,
  //   a = (1 - d) * sum over k = 0..hops of d^k P^k s
  // which is personalised PageRank (Page et al. 1999, section 6) cut off after `hops`. The most active first, then by
  // coordinate; seeds are among them.
  Result<std::vector<Activation>> activate(std::span<const Coordinate> seeds,
                                           const ActivateOptions& options = {}) const;
  // The links walked, in order; empty if from == to; not_found if there is no way within max_hops.
  Result<std::vector<GraphLink>> path(const Coordinate& from, const Coordinate& to,
                                      const PathOptions& options = {}) const;

  // Changes after a sequence number, oldest first, at most `limit`. not_found if `after` lies behind
  // Options::change_history or a purge, and removals may be missing: read everything again. To begin,
  // take a snapshot, list it, and follow from its sequence().
  Result<std::vector<Change>> changes(std::uint64_t after, std::size_t limit = 1000) const;
  // Newest first; records older than `before` (0: from the newest).
  Result<std::vector<AuditRecord>> audit(std::size_t limit = 100, std::uint64_t before = 0) const;

  // JSON lines: memories, then links; import_memories() of them into an empty space and exporting
  // again gives the same bytes. Memory use does not depend on the size.
  Result<std::uint64_t> export_memories(std::ostream& out, const ExportOptions& options = {}) const;
  Result<std::uint64_t> export_graph(std::ostream& out, GraphFormat format, const ExportOptions& options = {}) const;

  // Asks n questions, vectors of the space (each without itself) and such with noise, and compares the answers
  // with exact ones.
  Result<RecallReport> recall_probe(std::size_t n = 256, double recall = 0.98, const Control& control = {}) const;

  Result<Stats> stats() const;
  Result<SpaceState> state() const;  // costs less than any other read
  const Space& space() const noexcept { return space_; }

  struct Pinned;  // not public

 protected:
  Reads(std::shared_ptr<Database> database, Space space, std::shared_ptr<Pinned> pinned);
  std::shared_ptr<Database> database_;
  Space space_;
  std::shared_ptr<Pinned> pinned_;
};

// One moment of a space, pinned: later writes do not show. Calls on one snapshot take turns.
// An open snapshot keeps the file's log from shrinking: let it go.
class FRACTAL_API Snapshot : public Reads {
 public:
  std::uint64_t sequence() const noexcept;

 private:
  friend class FractalMemory;
  using Reads::Reads;
};

struct CopyOptions;  // fractal/copy.h
struct CopyReport;

// A handle on one space of an open database.
class FRACTAL_API FractalMemory : public Reads {
 public:
  static Result<FractalMemory> open(std::string_view path);
  static Result<FractalMemory> open(Options options);

  // Another space of the same database. Bad names are refused by the calls made on the handle.
  FractalMemory in(Space space) const;

  // Creates or replaces the memory at its coordinate (a new vector, none: the old one goes).
  Result<Written> store(Memory memory, WriteOptions options = {}) const;
  Result<Written> store_if_absent(Memory memory) const;  // conflict if there is one
  // The vector stays unless the text changed and the space has an embedder: then it is made anew.
  Result<Written> update(const Coordinate& coordinate, Patch patch, WriteOptions options = {}) const;
  // With its links, in both directions. False if there was none.
  Result<bool> remove(const Coordinate& coordinate, WriteOptions options = {}) const;
  Result<Written> link(GraphLink link) const;
  Result<bool> unlink(const Coordinate& from, const Coordinate& to, std::string_view type = "related") const;
  // All of it or nothing; the error says which entry.
  Result<Applied> apply(const Batch& batch) const;

  Result<Snapshot> snapshot() const;

  // Reads what export_memories() wrote, or lines that a person wrote: {"coordinate": [1, 2],
  // "payload": {..}}. Each `batch` of lines is one transaction; the error names the line.
  Result<ImportReport> import_memories(std::istream& in, const ImportOptions& options = {}) const;

  // Indexes a payload path for filters, in all spaces: those there are and those to come.
  Result<void> create_index(std::string_view path, const Control& control = {}) const;
  // Gives every memory of this space a vector of its text by `to` (null: Options::embedder), in place of all
  // vectors there are, the caller's included. Others read and write meanwhile and see the old vectors until
  // all change at once; a kill or a stop before that leaves everything as it was. Vectors of removed texts
  // go. Needs 1 KB of temporary file a memory (256 components). Returns when it is done: call it from a
  // thread of yours. Afterwards this database embeds the space's texts, and those of new spaces, by `to`.
  Result<ReembedReport> reembed(std::shared_ptr<Embedder> to = {}, const Control& control = {}) const;
  // Everything of this space is gone from every answer when it returns, and from the file after
  // maintain({.purge = true}). Returns the number of memories.
  Result<std::uint64_t> erase_space() const;
  Result<std::vector<Space>> spaces() const;

  Result<Health> health() const;
  // Of the whole database: file structure, rows against keywords, indexes, links and counters.
  Result<VerifyReport> verify(const Control& control = {}) const;
  // Rebuilds all that can be rebuilt from the rows. corruption if the rows themselves cannot be read.
  Result<RepairReport> repair(const Control& control = {}) const;
  Result<MaintainReport> maintain(const MaintainOptions& options = {}) const;
  // A copy of the whole database, of one moment, while others read and write. Overwrites nothing.
  Result<void> backup(const std::string& path, const Control& control = {}) const;

 private:
  using Reads::Reads;
  friend FRACTAL_API Result<CopyReport> copy_space(const FractalMemory& from, const FractalMemory& to,
                                                   const CopyOptions& options);
};

}  // namespace fractal

#endif
