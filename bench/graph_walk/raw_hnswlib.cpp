// Invariant: nothing here but hnswlib's own calls. Compiled twice, hence the namespace without a name: each has an
// hnswlib of its own.
#include "raw_hnswlib.h"

#include <algorithm>
#include <atomic>
#include <cassert>
#include <cmath>
#include <condition_variable>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <fstream>
#include <functional>
#include <iostream>
#include <limits>
#include <list>
#include <mutex>
#include <queue>
#include <random>
#include <stdexcept>
#include <thread>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#if defined(__x86_64__)
#include <cpuid.h>
#include <immintrin.h>
#include <x86intrin.h>
#endif

namespace {
#include <hnswlib/hnswlib.h>
}  // namespace

namespace fractal::bench {
namespace {

class Raw : public RawHnswlib {
 public:
  explicit Raw(std::size_t dimension) : dimension_(dimension), space_(dimension) {}

  void build(const float* rows, std::size_t count, std::size_t threads) override {
    index_ = std::make_unique<hnswlib::HierarchicalNSW<float>>(&space_, count, raw_m, raw_ef_construction);
    index_->addPoint(rows, 0);
    std::atomic<std::size_t> next{1};
    std::vector<std::jthread> workers;
    for (std::size_t i = 0; i < threads; ++i) {
      workers.emplace_back([&] {
        for (std::size_t row = next++; row < count; row = next++) index_->addPoint(rows + row * dimension_, row);
      });
    }
  }
  void save(const std::string& file) override { index_->saveIndex(file); }
  void load(const std::string& file, std::size_t count) override {
    index_ = std::make_unique<hnswlib::HierarchicalNSW<float>>(&space_, file, false, count);
  }
  void search(const float* query, std::size_t ef, std::size_t k, std::uint32_t* out) override {
    index_->setEf(ef);
    take(index_->searchKnn(query, k), out);
  }
  void scan(const float* query, const float* rows, const std::uint32_t* allowed, std::size_t count, std::size_t k,
            std::uint32_t* out) override {
    const auto distance = space_.get_dist_func();
    std::priority_queue<std::pair<float, hnswlib::labeltype>> nearest;
    for (std::size_t i = 0; i < count; ++i) {
      const float d = distance(query, rows + allowed[i] * dimension_, space_.get_dist_func_param());
      if (nearest.size() == k && d >= nearest.top().first) continue;
      if (nearest.size() == k) nearest.pop();
      nearest.emplace(d, allowed[i]);
    }
    take(std::move(nearest), out);
  }
#if __has_include(<hnswlib/stop_condition.h>)
  bool search_allowed(const float* query, std::size_t ef, std::size_t k, const std::uint8_t* allowed,
                      std::uint32_t* out) override {
    struct Functor : hnswlib::BaseFilterFunctor {
      bool operator()(hnswlib::labeltype row) override { return allowed[row] != 0; }
      const std::uint8_t* allowed = nullptr;
    } functor;
    functor.allowed = allowed;
    index_->setEf(ef);
    take(index_->searchKnn(query, k, &functor), out);
    return true;
  }
#else
  bool search_allowed(const float*, std::size_t, std::size_t, const std::uint8_t*, std::uint32_t*) override {
    return false;
  }
#endif

 private:
  template <class Found> static void take(Found found, std::uint32_t* out) {
    for (std::size_t i = found.size(); i > 0; --i, found.pop()) {
      out[i - 1] = static_cast<std::uint32_t>(found.top().second);
    }
  }

  std::size_t dimension_;
  hnswlib::InnerProductSpace space_;
  std::unique_ptr<hnswlib::HierarchicalNSW<float>> index_;
};

}  // namespace

std::unique_ptr<RawHnswlib> FRACTAL_RAW_HNSWLIB(std::size_t dimension) { return std::make_unique<Raw>(dimension); }

}  // namespace fractal::bench
