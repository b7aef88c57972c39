// Two databases side by side, that of the storage under test and the memory storage, to which the same is done with the same clock.
#ifndef FRACTAL_TESTS_ENGINE_MODEL_WORLD_H
#define FRACTAL_TESTS_ENGINE_MODEL_WORLD_H

#include <fractal/backend.h>
#include <fractal/fractal_memory.h>

#include "tests/engine/model_compare.h"
#include "tests/engine/model_values.h"
#include "tests/temporary_folder.h"

#include <atomic>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace fractal::model {

// Where the database under test is made, new and empty: defined once a storage.
std::string fresh_place(const testing::TemporaryFolder& folder);
// Options::vector_index over a new, empty database that lies there: empty, the library's own. Defined once an index. A copy
// of the database wants another.
std::string fresh_vector_index(const std::string& place);
// A write that is undone leaves no gap in the numbers of spaces and audit records: so they can be compared.
bool gives_dense_numbers();
// Without a backup of its own, one is a copy of the memories and links: with other sequence numbers and ids.
bool has_own_backup();

class World {
 public:
  // Of the options, path, storage and vector_index are set here.
  World(std::string name, std::uint64_t seed, Options options);

  // Does one random operation on both sides. False: the sides disagree; report() tells how.
  bool step();
  // Compares everything that can be read from every space.
  bool compare_all();
  const std::string& report() const noexcept { return report_; }
  std::uint64_t writes() const noexcept { return writes_; }
  std::uint64_t failed_writes() const noexcept { return failed_writes_; }
  std::uint64_t reads() const noexcept { return reads_; }
  std::uint64_t hits() const noexcept { return hits_; }
  std::uint64_t reopened() const noexcept { return reopened_; }
  // Searches that compared vectors: as the index found them, or with rows because the index could not tell.
  std::uint64_t answered_by_index() const noexcept { return answered_by_index_; }
  std::uint64_t answered_by_rows() const noexcept { return answered_by_rows_; }

 private:
  struct Pinned {
    std::size_t space;
    Snapshot file, memory;
  };
  struct Operation {
    unsigned weight;
    bool (World::*run)();
  };
  static const std::vector<Operation>& operations();

  bool store();
  bool store_if_absent();
  bool update();
  bool remove();
  bool link();
  bool unlink();
  bool batch();
  bool move_clock();
  bool erase_space();
  bool import();
  bool maintain();
  bool purge();
  bool create_index();
  bool reopen();
  bool snapshot();
  bool release();
  bool verify();
  bool repair();
  bool backup();

  bool retrieve();
  bool retrieve_many();
  bool list();
  bool near();
  bool search();
  void note_plan(const SearchResult& result);
  bool neighbors();
  bool path();
  bool changes();
  bool audit();
  bool stats();
  bool export_lines();
  bool export_graph();
  bool spaces();

  bool open();
  bool compare_space(const Reads& file, const Reads& memory);
  bool compare_exports(const Reads& file, const Reads& memory);

  // A space at random, and the reads of it: now and then those of a snapshot.
  struct Sides {
    const Reads* file;
    const Reads* memory;
  };
  std::size_t choose_space();
  Sides sides();
  Surroundings around() const { return {.now = Time(std::chrono::microseconds(*clock_)), .may_break = true}; }

  template <class T> bool agree(const Result<T>& file, const Result<T>& memory);
  bool agree(const Result<void>& file, const Result<void>& memory);
  template <class T> bool wrote(const Result<T>& file, const Result<T>& memory);
  bool disagree(const std::string& file, const std::string& memory);
  void note(std::string what);

  std::string name_;
  testing::TemporaryFolder folder_;
  Options options_;
  std::shared_ptr<std::atomic<std::int64_t>> clock_;
  std::shared_ptr<Storage> memory_storage_;
  Random random_;
  Values values_;
  Comparison comparison_;
  std::vector<FractalMemory> file_, memory_;  // a handle a space
  std::vector<Pinned> pinned_;
  std::size_t space_ = 0;  // of the current operation

  std::deque<std::string> last_;
  std::string report_;
  std::uint64_t steps_ = 0, writes_ = 0, failed_writes_ = 0, reads_ = 0, hits_ = 0, reopened_ = 0, backups_ = 0;
  std::uint64_t answered_by_index_ = 0, answered_by_rows_ = 0;
};

}  // namespace fractal::model

#endif
