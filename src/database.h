// What all handles on one open database share: the storage, the vector index that follows it, the
// write queue, the clock and the text fields.
#ifndef FRACTAL_SRC_DATABASE_H
#define FRACTAL_SRC_DATABASE_H

#include <fractal/backend.h>
#include <fractal/fractal_memory.h>
#include <fractal/remote_vector_index.h>

#include "src/copy_mark.h"
#include "src/embedding.h"
#include "src/filter_cache.h"
#include "src/follower.h"
#include "src/keywords.h"
#include "src/link_graphs.h"
#include "src/memory_use.h"
#include "src/read_log.h"
#include "src/write_queue.h"
#include "src/write_rules.h"

#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

namespace fractal {

// One moment of one space, for one call: the view, and what has expired in it by now.
class Look {
 public:
  Look() = default;
  Look(Look&& other) noexcept;
  Look& operator=(Look&&) = delete;
  ~Look();

  ReadView& view() const noexcept { return *view_; }
  const SpaceRecord& space() const noexcept { return view_->space(); }
  Time now() const noexcept { return now_; }
  bool hidden(const Memory& memory) const noexcept { return memory.expires_at && *memory.expires_at <= now_; }
  // Rising; nearly always empty.
  const std::vector<MemoryId>& expired_ids() const noexcept { return expired_ids_; }
  bool hidden_id(MemoryId id) const noexcept;
  bool hidden_key(std::string_view key) const noexcept;

 private:
  friend class Database;
  std::shared_ptr<Reads::Pinned> pinned_;
  std::unique_lock<std::mutex> turn_;
  std::unique_ptr<ReadView> owned_;
  ReadView* view_ = nullptr;
  Time now_{};
  std::vector<MemoryId> expired_ids_;
  std::vector<std::string> expired_keys_;
};

// What a Snapshot holds on to.
struct Reads::Pinned {
  std::mutex turn;
  std::unique_ptr<ReadView> view;
  Time now{};
};

// What a copy's batch needs besides its entries. Links are taken without memories at their ends (Options::strict_links):
// the source has them so.
struct CopiedBatch {
  Metric metric = Metric::cosine;  // of the space, with its first vector
  std::string mark{};              // see copy_mark_setting(); written in the same transaction
};

class Database {
 public:
  static Result<std::shared_ptr<Database>> open(Options options);

  const Options& options() const noexcept { return options_; }
  Storage& storage() const noexcept { return *storage_; }
  VectorIndex& index() const noexcept { return *index_; }
  // The same, if it is on a server of its own.
  RemoteVectorIndex* remote_index() const noexcept { return remote_index_; }
  const TextFields& text_fields() const noexcept { return text_fields_; }
  ReadLog& read_log() noexcept { return read_log_; }
  FilterCache& filter_cache() const noexcept { return filter_cache_; }
  LinkGraphs& link_graphs() const noexcept { return link_graphs_; }
  const MemoryShares& memory_shares() const noexcept { return shares_; }
  Embedders& embedders() noexcept { return embedders_; }
  Time now() const;
  // A UUID made with the database, which copies of its file keep; empty: an old one that may not be written to.
  Result<std::string> identity() const;

  // The control must outlive the look.
  Result<Look> look(const Space& space, const std::shared_ptr<Reads::Pinned>& pinned, const Control& control) const;
  Result<std::shared_ptr<Reads::Pinned>> pin(const Space& space) const;

  Result<Applied> apply(const Space& space, const Batch& batch, const CopiedBatch* copied = nullptr);
  // A write that is not a batch: upkeep, reindexing, erasing.
  Result<void> write(std::function<Result<void>(WriteTransaction&)> run);

  // A view of a space is used and takes so many bytes of memory, or is about to: others may go for it.
  void use_memory(std::uint64_t space, MemoryUse::View view, std::uint64_t bytes) const;
  std::uint64_t memory_bytes() const { return memory_use_.bytes(); }
  // What no file holds of it in memory goes, and is made again when it is next needed.
  void drop_vectors(std::uint64_t space) const;
  void drop_links(std::uint64_t space) const;
  // The space is gone, or all that was derived from it: files, too.
  void erase_views(std::uint64_t space) const;
  // One space is erased at a time.
  std::mutex& erasing() const noexcept { return erasing_; }

  // Brings the vector index up to the look's moment.
  Result<void> catch_up(const Look& look) const;
  // It may have a graph: for its size, or because its vectors take much of Options::memory_budget.
  bool is_large(const SpaceRecord& space) const;
  // catch_up(), if the memory budget has room for it.
  Result<void> catch_up_if_room(const Look& look) const;
  // The vectors of the look, which must outlive it.
  VectorIndex::Pull pull_from(const Look& look) const;
  // The best by vector as of the look, whatever state the index is in.
  Result<VectorHits> search_vectors(const Look& look, const VectorQuery& query) const;

  // What texts are compared by in this space (see Embedders::of). If it is not `needed`, null instead of an error.
  Result<EmbedderPtr> embedder_of(const Space& space, const std::shared_ptr<Reads::Pinned>& pinned, bool needed) const;

  // What other programs wrote to the storage gets keywords, vector and field values (Storage::unindexed()): of at most
  // so many rows; how many of them. Rows of a space with vectors of an embedder that is not here wait for who has it.
  // Others may do the same at the same time. Progress in rows.
  Result<std::uint64_t> index_foreign_rows(std::size_t most, const Control& control);
  // Why the last attempt failed; empty: it did not.
  std::string foreign_rows_problem() const;

  // Tokenises every memory of a space anew and recounts its words.
  Result<std::uint64_t> rebuild_keywords(WriteTransaction& transaction, const Space& space,
                                         const Control& control) const;

 private:
  Database(Options options, std::shared_ptr<Storage> storage, std::shared_ptr<VectorIndex> index,
           TextFields text_fields);
  void start_following();
  Result<void> settle_settings();
  Result<void> settle_indexed_fields();
  void follow(const BatchOutcome& outcome) noexcept;
  Result<VectorHits> search_rows(const Look& look, const VectorQuery& query) const;
  Result<PayloadVectors> embed(const Space& space, const Batch& batch) const;
  Result<void> check_room_on_disk(const Batch& batch) const;
  Result<std::uint64_t> index_rows_of(const Space& space, std::span<const UnindexedRow> rows, const Control& control);
  Result<std::uint64_t> index_foreign_pages(std::size_t most, const Control& control);
  Result<void> submit(const BatchContext& context, const Batch& batch, const CopiedBatch* copied,
                      BatchOutcome& outcome);

  Options options_;
  std::shared_ptr<Storage> storage_;
  std::shared_ptr<VectorIndex> index_;
  RemoteVectorIndex* const remote_index_;
  TextFields text_fields_;
  Embedders embedders_;
  WriteQueue queue_;
  ReadLog read_log_;
  const MemoryShares shares_;
  mutable FilterCache filter_cache_;
  mutable LinkGraphs link_graphs_;
  mutable MemoryUse memory_use_;
  mutable std::mutex erasing_;
  mutable std::mutex foreign_mutex_;
  std::string foreign_rows_problem_{};
  std::unique_ptr<Follower> follower_{};  // goes first; null: the storage does not tell
};

}  // namespace fractal

#endif
