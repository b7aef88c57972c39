// Recall on the user's own data. Invariant: every question is asked twice of one moment, exactly and as a
// search would ask it; nothing but the two answers is compared.
#include <fractal/fractal_memory.h>

#include "src/database.h"
#include "src/error.h"
#include "src/noisy.h"
#include "src/validate.h"

#include <algorithm>
#include <cmath>
#include <random>

namespace fractal {
namespace {

constexpr std::size_t k = 10;
constexpr double normal_95 = 1.96;  // two-sided
constexpr std::size_t most_questions = 100'000;

// Some rows with a vector, anywhere among the ids that the space has given.
Result<std::vector<Row>> some_rows(const Look& look, std::size_t n, std::mt19937_64& random) {
  const SpaceRecord& space = look.space();
  std::vector<MemoryId> ids;
  // Ids of memories that are gone hit nothing: ask for more.
  const std::size_t tries = std::min<std::size_t>(space.last_id, 4 * n + 64);
  for (std::size_t i = 0; i < tries; ++i) ids.push_back(first_id(space.number) | (1 + random() % space.last_id));
  std::sort(ids.begin(), ids.end());
  ids.erase(std::unique(ids.begin(), ids.end()), ids.end());
  FRACTAL_TRY_INTO(auto rows, look.view().fetch(ids, Columns::all));
  std::erase_if(rows, [](const Row& row) { return !row.has_vector; });
  std::shuffle(rows.begin(), rows.end(), random);
  if (rows.size() > n) rows.resize(n);
  return rows;
}

}  // namespace

Result<RecallReport> Reads::recall_probe(std::size_t n, double recall, const Control& control) const {
  if (n == 0 || n > most_questions) {
    return make_error(Errc::invalid_argument, "recall_probe: {} questions are not in 1..{}", n, most_questions);
  }
  FRACTAL_TRY(check_query({}, {.recall = recall}));
  FRACTAL_TRY_INTO(const Look look, database_->look(space_, pinned_, control));
  RecallReport report;
  if (look.space().vectors == 0) return report;
  std::mt19937_64 random(look.space().sequence);
  FRACTAL_TRY_INTO(auto rows, some_rows(look, n, random));
  double sum = 0, squares = 0;
  for (Row& row : rows) {
    FRACTAL_TRY(check_control(control, "recall_probe"));
    std::vector<MemoryId> excluded = look.expired_ids();
    if (report.questions % 2 == 0) {
      excluded.insert(std::lower_bound(excluded.begin(), excluded.end(), row.id), row.id);
    } else {
      row.memory.embedding = noisy(row.memory.embedding, random);
    }
    VectorQuery query{.vector = row.memory.embedding,
                      .k = k,
                      .as_of = look.space().sequence,
                      .excluded = excluded,
                      .recall = recall,
                      .control = &control};
    FRACTAL_TRY_INTO(const VectorHits found, database_->search_vectors(look, query));
    query.exact = true;
    FRACTAL_TRY_INTO(const VectorHits nearest, database_->search_vectors(look, query));
    report.exact = report.exact && found.exact;
    ++report.questions;
    double share = 1;
    if (!nearest.entries.empty()) {
      // Ties with the last of the nearest are as good as that.
      const double worst = nearest.entries.back().score;
      const auto good = std::count_if(found.entries.begin(), found.entries.end(),
                                      [worst](const VectorHits::Entry& entry) { return entry.score >= worst; });
      share = static_cast<double>(good) / static_cast<double>(nearest.entries.size());
    }
    sum += share;
    squares += share * share;
    if (control.progress) control.progress(report.questions, rows.size());
  }
  if (report.questions == 0) return report;
  const auto count = static_cast<double>(report.questions);
  report.recall = sum / count;
  const double deviation = std::sqrt(std::max(squares / count - report.recall * report.recall, 0.0) / count);
  report.low = std::max(0.0, report.recall - normal_95 * deviation);
  report.high = std::min(1.0, report.recall + normal_95 * deviation);
  return report;
}

}  // namespace fractal
