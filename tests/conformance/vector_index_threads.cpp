// What every VectorIndex promises threads (fractal/backend.h): answers of one moment while another thread writes.
// FRACTAL_INDEX_COMMITS sets how much it writes.
#include "vector_oracle.h"

#include <atomic>
#include <cmath>
#include <memory>
#include <string>
#include <thread>
#include <vector>

std::shared_ptr<fractal::VectorIndex> make_empty_index();

using fractal::Errc;
using fractal::MemoryId;
using fractal::Metric;
using fractal::VectorChange;
using vector_oracle::Vector;

TEST_CASE("threads that search while another writes get whole answers of one moment") {
  const std::uint64_t seed = fractal::testing::announced_seed("vectors");
  const auto index = make_empty_index();
  // Commit s stores memory s and removes memory s - 100: as of s just the last 100 are there.
  const std::uint64_t commits = fractal::testing::number_from_environment("FRACTAL_INDEX_COMMITS", 3000);
  constexpr std::uint64_t window = 100;
  constexpr std::size_t dimension = 32;
  const auto vector_of = [seed](std::uint64_t i) {
    std::mt19937_64 random(seed + i);
    return vector_oracle::random_vector(random, dimension);
  };
  std::atomic<std::uint64_t> done{0};
  std::atomic<std::uint64_t> answers{0}, stopped{0};
  const auto reader = [&](unsigned which) {
    std::mt19937_64 random(seed + 1'000'000 + which);
    std::string wrong;
    while (wrong.empty()) {
      const std::uint64_t now = done.load();
      if (now == commits) break;
      if (now == 0) continue;
      fractal::SpaceRecord record;
      record.number = 1;
      record.dimension = dimension;
      record.sequence = 2 * now;
      record.vectors = std::min(now, window);
      const Vector vector = vector_oracle::random_vector(random, dimension);
      const std::size_t k = random() % 150;
      const auto hits = index->search(record, {.vector = vector, .k = k, .as_of = record.sequence});
      if (!hits) {
        if (hits.error().code != Errc::unavailable) wrong = hits.error().message;
        continue;
      }
      ++answers;
      const std::uint64_t there = std::min(now, window);
      if (hits->matched != there) wrong = "matched " + std::to_string(hits->matched) + " of " + std::to_string(there);
      if (hits->entries.size() != std::min<std::uint64_t>(k, there)) wrong = "hits are missing";
      std::vector<MemoryId> ids;
      for (const auto& entry : hits->entries) ids.push_back(entry.id - fractal::first_id(1));
      std::sort(ids.begin(), ids.end());
      if (std::adjacent_find(ids.begin(), ids.end()) != ids.end()) wrong = "a memory came twice";
      if (!ids.empty() && (ids.front() + window <= now || ids.back() > now)) wrong = "a hit of another moment";
      if (!hits->entries.empty()) {
        const auto& hit = hits->entries[random() % hits->entries.size()];
        const double score = vector_oracle::score(Metric::cosine, vector, vector_of(hit.id - fractal::first_id(1)));
        if (std::fabs(score - hit.score) > 1e-12) wrong = "a wrong score";
      }
    }
    ++stopped;
    return wrong;
  };
  std::vector<std::string> wrong(4);
  std::vector<std::thread> threads;
  for (unsigned i = 0; i < 4; ++i) threads.emplace_back([&, i] { wrong[i] = reader(i); });
  bool applied = true;
  for (std::uint64_t s = 1; s <= commits; ++s) {
    fractal::SpaceRecord record;
    record.number = 1;
    record.dimension = dimension;
    record.sequence = 2 * s;
    record.vectors = std::min(s, window);
    const Vector vector = vector_of(s);
    std::vector<VectorChange> changes{{fractal::first_id(1) + s, 2 * s - 1, vector}};
    if (s > window) changes.push_back({fractal::first_id(1) + s - window, 2 * s, {}});
    applied = applied && index->apply(record, 2 * s - 2, changes).has_value();
    done = s;
    // Now and then the writer waits, so that the readers get their turns on any machine.
    const std::uint64_t wanted = s % 100 == 1 ? answers + threads.size() : 0;
    while (answers < wanted && stopped == 0) std::this_thread::yield();
  }
  for (auto& thread : threads) thread.join();
  CHECK(applied);
  for (const auto& text : wrong) CHECK(text == "");
  CHECK(answers >= commits / 100 * 4);
  CHECK(index->stats(1).vectors == window);
}
