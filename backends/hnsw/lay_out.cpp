// Invariant: the generation holds each vector that is alive as of its sequence once, and says which of its
// other rows are dead.
#include "backends/hnsw/lay_out.h"

#include "src/error.h"
#include "src/noisy.h"

#include <algorithm>
#include <random>
#include <utility>

namespace fractal::hnsw {
namespace {

constexpr double most_dead = 0.2;  // of the frozen rows; more, and the graph is built anew
constexpr std::size_t stored_questions = 128, noisy_questions = 256, least_of_a_kind = 32;

std::size_t count_dead(const FlatView& view) {
  std::size_t dead = 0;
  for (std::size_t row = 0, c = 0, in_chunk = 0; row < view.frozen_rows(); ++row) {
    const VectorChunk& chunk = *(*view.chunks)[c];
    dead += chunk.is_alive(in_chunk, view.applied()) ? 0 : 1;
    if (++in_chunk == chunk.capacity) {
      in_chunk = 0;
      ++c;
    }
  }
  return dead;
}

struct Question {
  std::vector<float> vector;
  std::vector<MemoryId> excluded;            // itself
  std::vector<VectorHits::Entry> nearest{};  // the truth
};

double share_found(const Question& question, const VectorHits& hits) {
  if (question.nearest.empty()) return 1;
  // What is no worse than the last of the true ones is as good.
  const double worst = question.nearest.back().score;
  const auto good = std::count_if(hits.entries.begin(), hits.entries.end(),
                                  [worst](const VectorHits::Entry& entry) { return entry.score >= worst; });
  return std::min(1.0, static_cast<double>(good) / static_cast<double>(question.nearest.size()));
}

}  // namespace

bool can_extend(const FlatView& view, bool anew) {
  return !anew && view.frozen &&
         static_cast<double>(count_dead(view)) <= most_dead * static_cast<double>(view.frozen_rows());
}

Result<LaidOut> lay_out(const FlatView& view, std::uint64_t space, bool anew) {
  const bool extend = can_extend(view, anew);
  const std::size_t kept = extend ? view.frozen_rows() : 0;
  const std::uint64_t as_of = view.applied();
  std::size_t rows = kept;
  each_row(view, [&, seen = std::size_t{0}](const VectorChunk& chunk, std::size_t row) mutable {
    if (seen++ >= kept && chunk.is_alive(row, as_of)) ++rows;
  });
  const auto* const frozen = static_cast<const FrozenGraph*>(view.frozen.get());
  FRACTAL_TRY_INTO(Blocks blocks,
                   extend ? extend_blocks(*frozen->generation, rows) : make_blocks(rows, view.dimension));
  const auto generation = std::make_shared<Generation>();
  *generation = {.space = space, .sequence = as_of, .rows = rows, .dimension = view.dimension, .metric = view.metric};
  generation->block_bytes = blocks.block_bytes;
  generation->own_bytes = blocks.block_bytes * blocks.blocks.size();
  const std::size_t capacity = blocks.blocks.front()->capacity;
  std::size_t seen = 0, next = blocks.filled;
  each_row(view, [&](const VectorChunk& chunk, std::size_t row) {
    const bool alive = chunk.is_alive(row, as_of);
    if (seen < kept && !alive) generation->dead.push_back(static_cast<std::uint32_t>(seen));
    if (seen++ >= kept && alive) {
      blocks.blocks[next / capacity]->copy(next % capacity, chunk, row);
      ++next;
    }
  });
  if (next != rows) return make_error(Errc::corruption, "vector index: rows changed while they were copied");
  generation->blocks = std::move(blocks.blocks);
  return LaidOut{generation, extend ? &frozen->graph() : nullptr};
}

Result<Calibration> calibrate(const std::shared_ptr<const Generation>& generation,
                              std::span<const std::vector<float>> questions, const std::function<bool()>& keep_on) {
  const FlatView view = view_of(generation);
  const auto& frozen = static_cast<const FrozenGraph&>(*view.frozen);
  std::mt19937_64 random(generation->rows);
  std::vector<Question> asked;
  for (const auto& question : questions) asked.push_back({question, {}});
  std::vector<std::size_t> kinds{asked.size() >= least_of_a_kind ? asked.size() : 0, 0, 0};
  if (kinds[0] == 0) asked.clear();
  for (const bool itself : {true, false}) {
    const std::size_t wanted = std::min(itself ? stored_questions : noisy_questions, generation->rows);
    for (std::size_t i = 0; i < wanted; ++i) {
      const Slot slot = frozen.slot(static_cast<Node>(random() % generation->rows));
      const VectorChunk& chunk = view.chunk(slot);
      const std::span<const float> vector(chunk.vector(row_of(slot)), generation->dimension);
      asked.push_back({itself ? std::vector<float>(vector.begin(), vector.end()) : noisy(vector, random),
                       {chunk.ids[row_of(slot)]}});
    }
    kinds[itself ? 1 : 2] = wanted;
  }
  const auto query_of = [&](const Question& question) {
    return VectorQuery{
        .vector = question.vector, .k = Calibration::k, .as_of = generation->sequence, .excluded = question.excluded};
  };
  for (Question& question : asked) {
    if (!keep_on()) return make_error(Errc::unavailable, "vector index: calibration given up as asked");
    FRACTAL_TRY_INTO(VectorHits truth, scan_view(view, query_of(question)));
    question.nearest = std::move(truth.entries);
  }
  bool stopped = false;
  const auto ask = [&](std::size_t i, std::size_t ef) -> Calibration::Answer {
    stopped = stopped || !keep_on();
    if (stopped) return {1, 0};
    const auto hits = walk_once(view, query_of(asked[i]), ef);
    return hits ? Calibration::Answer{share_found(asked[i], *hits), hits->visited} : Calibration::Answer{};
  };
  Calibration measured = Calibration::measure(kinds, ask);
  if (stopped) return make_error(Errc::unavailable, "vector index: calibration given up as asked");
  return measured;
}

}  // namespace fractal::hnsw
