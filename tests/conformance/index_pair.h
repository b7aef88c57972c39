// A storage, with an index elsewhere on trial and, for what is right, the built-in one.
#ifndef FRACTAL_TESTS_CONFORMANCE_INDEX_PAIR_H
#define FRACTAL_TESTS_CONFORMANCE_INDEX_PAIR_H

#include "tests/seeded_random.h"

#include <fractal/fractal_memory.h>
#include <fractal/remote_vector_index.h>

#include <doctest/doctest.h>

#include <chrono>
#include <functional>
#include <memory>
#include <thread>
#include <utility>
#include <vector>

namespace fractal::testing {

inline constexpr std::size_t dimension = 12;

inline std::chrono::seconds duration() {
  return std::chrono::seconds(number_from_environment("FRACTAL_FAULT_SECONDS", 8));
}

inline std::vector<float> vector_of(Random& random) {
  std::vector<float> vector(dimension);
  for (float& x : vector) x = static_cast<float>(random.below(2'001)) / 1'000.0F - 1.0F;
  vector[0] += 3;
  return vector;
}

struct IndexPair {
  using Opened = std::function<std::shared_ptr<RemoteVectorIndex>(const std::shared_ptr<Storage>&)>;
  std::shared_ptr<Storage> storage = make_memory_storage();
  std::shared_ptr<RemoteVectorIndex> index;
  FractalMemory tried, right;

  explicit IndexPair(const Opened& opened)
      : index(opened(storage)), tried(open(index)), right(open(make_flat_index())) {}
  FractalMemory open(std::shared_ptr<VectorIndex> by) const {
    Options options{.embedder = nullptr, .storage = storage};
    options.vector_index = std::move(by);
    return FractalMemory::open(options).value();
  }

  void change(Random& random) const {
    const Coordinate coordinate{static_cast<double>(random.below(2'000))};
    if (random.one_in(5)) {
      const auto removed = tried.remove(coordinate);
      CHECK((removed.has_value() || removed.error().code == Errc::not_found));
    } else {
      CHECK(
          tried.store({.coordinate = coordinate, .payload = R"({"a":1})", .embedding = vector_of(random)}).has_value());
    }
  }

  // While nobody writes.
  void compare(Random& random) const {
    const auto vector = vector_of(random);
    SearchOptions how{.top_k = 1 + random.below(30)};
    if (random.coin()) how.filter = Filter::eq("a", 1);
    const auto found = tried.search(vector, how);
    REQUIRE_MESSAGE(found.has_value(), found.error().message);
    const auto expected = right.search(vector, how).value();
    CHECK(found->matched == expected.matched);
    REQUIRE(found->hits.size() == expected.hits.size());
    for (std::size_t i = 0; i < found->hits.size(); ++i) {
      CHECK(found->hits[i].score == expected.hits[i].score);
      CHECK(found->hits[i].memory.id == expected.hits[i].memory.id);
    }
  }

  void settle() const {
    const auto view = storage->read({}).value();
    const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(60);
    while (index->applied(view->space().number) < view->space().sequence && std::chrono::steady_clock::now() < until) {
      (void)tried.search(std::vector<float>(dimension, 1.0F));
      std::this_thread::sleep_for(std::chrono::milliseconds(50));
    }
    CHECK(index->applied(view->space().number) == view->space().sequence);
    const auto pull = [&](std::uint64_t after, const VectorVisitor& visit) {
      return view->vectors(after, index->columns(), visit);
    };
    auto report = index->reconcile(view->space(), pull, {});
    // The last call of before may have failed: then nobody asks for a while.
    while (!report && report.error().code == Errc::unavailable && std::chrono::steady_clock::now() < until) {
      std::this_thread::sleep_for(std::chrono::milliseconds(50));
      report = index->reconcile(view->space(), pull, {});
    }
    REQUIRE_MESSAGE(report.has_value(), report.error().message);
    CHECK(report->vectors == view->space().vectors);
    CHECK(report->missing == 0);
    CHECK(report->stale == 0);
    CHECK(report->orphans == 0);
  }
};

}  // namespace fractal::testing

#endif
