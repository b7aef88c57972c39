// The baseline that anybody with SQLite has: FTS5 and its bm25().
#ifndef FRACTAL_BENCH_QUALITY_FTS5_BASELINE_H
#define FRACTAL_BENCH_QUALITY_FTS5_BASELINE_H

#include "task.h"

#include <cstddef>
#include <memory>
#include <string_view>
#include <vector>

struct sqlite3;

namespace fractal::quality {

// A plain table of text and context, porter stemmer; a question is the OR of its words, each in quotes.
class Fts5Baseline {
 public:
  explicit Fts5Baseline(const Task& task);

  // All that match, best first, as indexes of the task's entries. The context counts 0.5.
  std::vector<std::size_t> search(std::string_view question) const;

 private:
  std::shared_ptr<sqlite3> database_;
};

}  // namespace fractal::quality

#endif
