// One space of the index: its rows in memory, and the life of its generations.
#ifndef FRACTAL_BACKENDS_HNSW_HNSW_SPACE_H
#define FRACTAL_BACKENDS_HNSW_HNSW_SPACE_H

#include "backends/hnsw/generation.h"
#include "backends/hnsw/graph_search.h"
#include "backends/hnsw/hnsw_index.h"
#include "src/flat_space.h"

#include <atomic>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace fractal::hnsw {

// What all spaces of an index share.
struct Setting {
  IndexOptions options{};
  Home home{};
  std::unique_ptr<GenerationFolder> folder{};  // null: nothing is kept
  std::uint64_t most_bytes = 0;                // of memory for one space; 0: no limit
};

// The generations on disk: the newest, and the one before it for those who still read it.
struct Generations {
  std::optional<Published> newest{}, older{};

  std::string to_string() const;  // one line each
  static Result<Generations> parse(std::string_view text);
};

class HnswSpace {
 public:
  HnswSpace(const Setting& setting, std::uint64_t number)
      : setting_(setting), number_(number), flat_(setting.most_bytes) {}

  Result<void> apply(const SpaceRecord& to, std::uint64_t from, std::span<const VectorChange> changes);
  Result<void> catch_up(const SpaceRecord& to, const VectorIndex::Pull& pull);
  Result<VectorHits> search(const VectorQuery& query);
  Result<std::vector<std::string>> verify(const SpaceRecord& record, const VectorIndex::Pull& pull,
                                          const Control& control) const;
  VectorIndex::Stats stats() const;
  std::uint64_t applied() const { return flat_.applied(); }
  std::uint64_t bytes() const { return flat_.bytes(); }
  std::string problem() const;
  void note(std::string problem);
  // Nothing of it is published any more, not even by a build under way, which ends soon.
  void abandon();
  // The same, and no file of it is written any more.
  void retire();

  // A graph is wanted and there is none, or it has fallen behind.
  bool is_due() const;
  bool is_small() const;  // too small for a graph, and not crowded
  // What a build needs of memory and disk is within the budgets; else says what is missing.
  Result<void> check_room(bool anew) const;
  // Makes a generation of what has been applied, and publishes it. `anew`: without any dead row. Waits for
  // another build of this space. `keep_on` is called often, with the vectors done and those in all; false stops.
  using KeepOn = std::function<bool(std::uint64_t done, std::uint64_t total)>;
  Result<void> build(bool anew, std::size_t threads, const KeepOn& keep_on);

 private:
  bool is_crowded() const;  // much of its share of memory is taken: rows had better go to a file
  bool wants_other_codes() const;
  Result<void> load(const SpaceRecord& to);
  Result<void> take_newer();
  Result<void> make(bool anew, std::size_t threads, const KeepOn& keep_on);
  Result<void> publish(const Generations& next);
  Result<std::shared_ptr<const Generation>> keep(std::shared_ptr<Generation> made, bool anew,
                                                 const std::function<bool()>& still);
  Result<void> adopt(const std::shared_ptr<const Generation>& generation);
  void remember(std::span<const float> question);
  std::vector<std::vector<float>> remembered() const;

  const Setting& setting_;
  const std::uint64_t number_;
  FlatSpace flat_;
  std::mutex build_mutex_;  // one build at a time
  std::mutex publish_mutex_;
  std::atomic<bool> retired_{false};  // set under publish_mutex_
  std::atomic<bool> looked_for_files_{false};
  std::atomic<std::uint64_t> done_{0}, total_{0};  // of a build
  std::atomic<std::uint64_t> failed_at_{0};        // rows there were when a build failed; 0: none has
  Generations kept_{};                             // under build_mutex_: what the database's row says
  mutable std::mutex note_mutex_;
  std::string problem_;                        // why there is no graph, or an old one
  std::vector<std::vector<float>> questions_;  // the last real ones, some of them
  std::size_t next_question_ = 0;
};

}  // namespace fractal::hnsw

#endif
