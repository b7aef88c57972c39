// A space of vectors with its whole history, and the answers that an index has to give: the definition of
// each metric, in double, over every vector, one by one.
#ifndef FRACTAL_TESTS_VECTOR_ORACLE_H
#define FRACTAL_TESTS_VECTOR_ORACLE_H

#include "tests/seeded_random.h"

#include <fractal/backend.h>

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <map>
#include <optional>
#include <random>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace vector_oracle {

using fractal::MemoryId;
using fractal::Metric;
using Vector = std::vector<float>;

inline double score(Metric metric, std::span<const float> q, std::span<const float> v) {
  double product = 0, q2 = 0, v2 = 0, d2 = 0;
  for (std::size_t i = 0; i < q.size(); ++i) {
    const double a = q[i], b = v[i];
    product += a * b;
    q2 += a * a;
    v2 += b * b;
    d2 += (a - b) * (a - b);
  }
  if (metric == Metric::dot) return product;
  if (metric == Metric::l2) return 1 / (1 + std::sqrt(d2));
  return std::clamp(product / (std::sqrt(q2) * std::sqrt(v2)), -1.0, 1.0);
}

// Two ways of adding the same products differ by no more than this.
inline double tolerance(Metric metric, std::span<const float> q, std::span<const float> v) {
  const double n = static_cast<double>(q.size()) + 8;
  if (metric != Metric::dot) return n * 1e-15;
  double sum = 0;
  for (std::size_t i = 0; i < q.size(); ++i) sum += std::fabs(static_cast<double>(q[i]) * v[i]);
  return n * 1e-15 * sum;
}

inline Vector random_vector(std::mt19937_64& random, std::size_t dimension) {
  std::normal_distribution<float> normal;
  Vector vector(dimension);
  for (float& x : vector) x = normal(random);
  return vector;
}

class Model {
 public:
  explicit Model(std::uint64_t number, std::size_t dimension, Metric metric) {
    record_.number = number;
    record_.dimension = static_cast<std::uint32_t>(dimension);
    record_.metric = metric;
  }

  const fractal::SpaceRecord& record() const { return record_; }
  std::uint64_t sequence() const { return record_.sequence; }
  std::vector<MemoryId> living() const {
    std::vector<MemoryId> ids;
    for (const auto& [id, versions] : history_) {
      if (!versions.back().vector.empty()) ids.push_back(id);
    }
    return ids;
  }
  const Vector* vector(MemoryId id, std::uint64_t as_of) const {
    const auto found = history_.find(id);
    if (found == history_.end()) return nullptr;
    const Vector* current = nullptr;
    for (const Version& version : found->second) {
      if (version.sequence <= as_of) current = version.vector.empty() ? nullptr : &version.vector;
    }
    return current;
  }

  // An empty vector: the memory goes. Each change has a sequence of its own.
  MemoryId add(Vector vector) {
    const MemoryId id = fractal::first_id(record_.number) + ++record_.last_id;
    set(id, std::move(vector));
    return id;
  }
  void set(MemoryId id, Vector vector) {
    history_[id].push_back({++record_.sequence, std::move(vector)});
    record_.vectors = living_count(id);
  }
  void touch() { ++record_.sequence; }  // a change that is none of a vector

  // Feeds what is new since the last commit(), as a writer does.
  fractal::Result<void> commit(fractal::VectorIndex& index) {
    std::vector<fractal::VectorChange> changes;
    for (const auto& [id, versions] : history_) {
      for (const Version& version : versions) {
        if (version.sequence > committed_) changes.push_back({id, version.sequence, version.vector});
      }
    }
    std::sort(changes.begin(), changes.end(), [](const auto& a, const auto& b) { return a.sequence < b.sequence; });
    const std::uint64_t from = std::exchange(committed_, record_.sequence);
    return index.apply(record_, from, changes);
  }
  // What is new is for others to pull.
  void skip() { committed_ = record_.sequence; }

  // The last change of each memory after a sequence, as a storage delivers it.
  fractal::VectorIndex::Pull pull() const {
    return [this](std::uint64_t after, const fractal::VectorVisitor& visit) -> fractal::Result<void> {
      for (const auto& [id, versions] : history_) {
        const Version& last = versions.back();
        if (last.sequence > after && !visit({id, last.sequence, last.vector})) break;
      }
      return {};
    };
  }

  struct Expected {
    MemoryId id;
    double score;
    double tolerance;
  };
  // Everything that the query may return, best first.
  std::vector<Expected> expected(const fractal::VectorQuery& query) const {
    std::vector<Expected> all;
    for (const auto& [id, versions] : history_) {
      const Vector* at = vector(id, query.as_of);
      if (at == nullptr) continue;
      if (query.allowed && !std::binary_search(query.allowed->begin(), query.allowed->end(), id)) continue;
      if (std::binary_search(query.excluded.begin(), query.excluded.end(), id)) continue;
      all.push_back({id, score(record_.metric, query.vector, *at), tolerance(record_.metric, query.vector, *at)});
    }
    std::sort(all.begin(), all.end(),
              [](const auto& a, const auto& b) { return a.score != b.score ? a.score > b.score : a.id < b.id; });
    return all;
  }

 private:
  struct Version {
    std::uint64_t sequence;
    Vector vector;
  };
  std::uint64_t living_count(MemoryId changed) {
    const auto& versions = history_.at(changed);
    const bool was = versions.size() > 1 && !versions[versions.size() - 2].vector.empty();
    const bool is = !versions.back().vector.empty();
    return record_.vectors + (is ? 1 : 0) - (was ? 1 : 0);
  }

  fractal::SpaceRecord record_;
  std::map<MemoryId, std::vector<Version>> history_;
  std::uint64_t committed_ = 0;
};

// What is wrong with an answer; empty: nothing. An exact answer has the best, others only what is allowed.
inline std::string fault(const Model& model, const fractal::VectorQuery& query, const fractal::VectorHits& hits) {
  const auto expected = model.expected(query);
  const std::size_t count = std::min(query.k, expected.size());
  if (hits.matched != expected.size()) {
    return "matched " + std::to_string(hits.matched) + ", not " + std::to_string(expected.size());
  }
  if (hits.entries.size() != count) {
    return std::to_string(hits.entries.size()) + " hits, not " + std::to_string(count);
  }
  std::map<MemoryId, Model::Expected> left;
  for (const auto& entry : expected) left.emplace(entry.id, entry);
  for (std::size_t i = 0; i < count; ++i) {
    const auto& hit = hits.entries[i];
    const auto found = left.find(hit.id);
    if (found == left.end()) return "memory " + std::to_string(hit.id) + " is not to be found, or found twice";
    if (!(std::fabs(hit.score - found->second.score) <= found->second.tolerance)) {
      return "score " + std::to_string(hit.score) + ", not " + std::to_string(found->second.score);
    }
    left.erase(found);
    if (i == 0) continue;
    const auto& before = hits.entries[i - 1];
    if (before.score < hit.score || (before.score == hit.score && before.id >= hit.id)) {
      return "hit " + std::to_string(i) + " stands in the wrong place";
    }
  }
  if (!hits.exact || count == 0) return {};
  const double worst = hits.entries.back().score;
  for (const auto& [id, entry] : left) {
    if (entry.score > worst + 2 * entry.tolerance) return "memory " + std::to_string(id) + " is missing";
  }
  return {};
}

}  // namespace vector_oracle

#endif
