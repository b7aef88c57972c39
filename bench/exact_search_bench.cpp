// Exact vector search beside its floor: reading the bytes of the codes once. The two alternate, so that what
// else the machine does hits both alike; `x_floor` is the quotient of their medians. `recall` is recall@10
// against a comparison in double with every vector that the filter allows.
#include "floor/sum_codes.h"
#include "timing.h"

#include <fractal/backend.h>

#include <benchmark/benchmark.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <memory>
#include <new>
#include <random>
#include <vector>

namespace {

constexpr std::size_t dimension = 384;
constexpr std::size_t query_count = 64;
constexpr std::size_t checked_queries = 16;
constexpr std::size_t k = 10;

// Unit vectors around random centres, about 100 to each, as sentences lie around topics.
class Corpus {
 public:
  explicit Corpus(std::size_t count) : count_(count) {
    std::mt19937_64 random(20'240'601);
    const std::size_t centres = std::max<std::size_t>(1, count / 100);
    std::vector<float> centre(centres * dimension);
    for (float& x : centre) x = normal_(random);
    const auto around = [&](std::vector<float>& out) {
      const std::size_t from = random() % centres * dimension, to = out.size();
      for (std::size_t j = 0; j < dimension; ++j) out.push_back(centre[from + j] + normal_(random));
      double square = 0;
      for (std::size_t j = to; j < out.size(); ++j) square += static_cast<double>(out[j]) * out[j];
      for (std::size_t j = to; j < out.size(); ++j) out[j] = static_cast<float>(out[j] / std::sqrt(square));
    };
    for (std::size_t i = 0; i < count; ++i) around(vectors_);
    for (std::size_t i = 0; i < query_count; ++i) around(queries_);

    space_.number = 1;
    space_.dimension = dimension;
    space_.sequence = count;
    std::vector<fractal::VectorChange> changes;
    for (std::size_t i = 0; i < count; ++i)
      changes.push_back({id(i), i + 1, {vectors_.data() + i * dimension, dimension}});
    if (!index_->apply(space_, 0, changes)) std::abort();

    codes_bytes_ = (count * dimension + 1023) / 1024 * 1024;
    codes_.reset(static_cast<std::uint8_t*>(::operator new (codes_bytes_, std::align_val_t{64})));
    for (std::size_t i = 0; i < codes_bytes_; ++i) codes_.get()[i] = static_cast<std::uint8_t>(random());
  }

  fractal::VectorQuery query(std::size_t i) const {
    return {.vector = {queries_.data() + i % query_count * dimension, dimension}, .k = k, .as_of = space_.sequence};
  }
  fractal::VectorHits search(const fractal::VectorQuery& query) const {
    auto hits = index_->search(space_, query);
    if (!hits) std::abort();
    return std::move(*hits);
  }
  std::uint64_t floor() const { return fractal::bench::sum_codes(codes_.get(), codes_bytes_); }
  double gigabytes() const { return static_cast<double>(count_ * dimension) * 1e-9; }

  // A share of the ids, at random.
  std::vector<fractal::MemoryId> some(double share) const {
    std::mt19937_64 random(7);
    std::bernoulli_distribution taken(share);
    std::vector<fractal::MemoryId> ids;
    for (std::size_t i = 0; i < count_; ++i) {
      if (taken(random)) ids.push_back(id(i));
    }
    return ids;
  }

  double recall(const fractal::IdSet& allowed) const {
    std::size_t found = 0, wanted = 0;
    for (std::size_t q = 0; q < checked_queries; ++q) {
      fractal::VectorQuery query = this->query(q);
      query.allowed = allowed;
      const auto best = oracle(query);
      for (const auto& entry : search(query).entries) {
        found += std::find(best.begin(), best.end(), entry.id) != best.end() ? 1 : 0;
      }
      wanted += best.size();
    }
    return static_cast<double>(found) / static_cast<double>(wanted);
  }

 private:
  static fractal::MemoryId id(std::size_t i) { return fractal::first_id(1) + 1 + i; }

  std::vector<fractal::MemoryId> oracle(const fractal::VectorQuery& query) const {
    std::vector<std::pair<double, fractal::MemoryId>> all;
    for (std::size_t i = 0; i < count_; ++i) {
      if (query.allowed && !std::binary_search(query.allowed->begin(), query.allowed->end(), id(i))) continue;
      double product = 0, square = 0;
      for (std::size_t j = 0; j < dimension; ++j) {
        const double x = vectors_[i * dimension + j];
        product += x * query.vector[j];
        square += x * x;
      }
      all.emplace_back(-product / std::sqrt(square), id(i));
    }
    const auto end = all.begin() + static_cast<std::ptrdiff_t>(std::min(k, all.size()));
    std::partial_sort(all.begin(), end, all.end());
    std::vector<fractal::MemoryId> ids;
    for (auto entry = all.begin(); entry != end; ++entry) ids.push_back(entry->second);
    return ids;
  }

  struct Free {
    void operator()(std::uint8_t* block) const { ::operator delete (block, std::align_val_t{64}); }
  };
  std::normal_distribution<float> normal_;
  std::size_t count_;
  std::vector<float> vectors_, queries_;
  fractal::SpaceRecord space_;
  std::shared_ptr<fractal::VectorIndex> index_ = fractal::make_flat_index();
  std::size_t codes_bytes_ = 0;
  std::unique_ptr<std::uint8_t, Free> codes_;
};

const Corpus& corpus(std::size_t count) {
  static std::map<std::size_t, std::unique_ptr<Corpus>> made;
  auto& entry = made[count];
  if (!entry) entry = std::make_unique<Corpus>(count);
  return *entry;
}

// Arguments: vectors, and the share that a filter allows in tenths of a percent.
void exact_search(benchmark::State& state) {
  const Corpus& data = corpus(static_cast<std::size_t>(state.range(0)));
  const double share = static_cast<double>(state.range(1)) / 1000;
  const fractal::IdSet filter =
      share < 1 ? std::make_shared<const std::vector<fractal::MemoryId>>(data.some(share)) : nullptr;
  std::size_t i = 0;
  const auto search = [&] {
    fractal::VectorQuery query = data.query(i++);
    query.allowed = filter;
    benchmark::DoNotOptimize(data.search(query));
  };
  const auto floor = [&] { benchmark::DoNotOptimize(data.floor()); };
  for (auto _ : state) search();

  const fractal::bench::Pair pair = fractal::bench::side_by_side(400, search, floor);
  state.counters["us"] = pair.job * 1e6;
  state.counters["floor_us"] = pair.floor * 1e6;
  state.counters["x_floor"] = pair.ratio();
  state.counters["floor_GB/s"] = data.gigabytes() / pair.floor;
  state.counters["GB/s"] = data.gigabytes() * share / pair.job;
  state.counters["recall"] = data.recall(filter);
}

BENCHMARK(exact_search)
    ->ArgNames({"vectors", "permille"})
    ->ArgsProduct({{1'000, 10'000, 50'000}, {1000, 100, 10}})
    ->Unit(benchmark::kMicrosecond);

}  // namespace
