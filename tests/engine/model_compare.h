// When two answers of the public API are the same: bit by bit, but for the ids that each database made itself.
#ifndef FRACTAL_TESTS_ENGINE_MODEL_COMPARE_H
#define FRACTAL_TESTS_ENGINE_MODEL_COMPARE_H

#include <fractal/backend.h>
#include <fractal/fractal_memory.h>

#include <algorithm>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace fractal::model {

// Ids are random: the n-th made on one side is the n-th made on the other, and stays so.
class Comparison {
 public:
  // Without dense numbers, those of audit records and in cursors are not compared.
  explicit Comparison(bool dense_numbers) : dense_numbers_(dense_numbers) {}

  bool same(std::uint64_t left, std::uint64_t right) { return left == right; }
  bool same(bool left, bool right) { return left == right; }
  bool same(double left, double right);  // bit by bit
  bool same(const std::string& left, const std::string& right) { return left == right; }
  bool same(const Uuid& left, const Uuid& right);
  bool same(const Written& left, const Written& right);
  bool same(const Applied& left, const Applied& right);
  bool same(const Memory& left, const Memory& right);
  bool same(const GraphLink& left, const GraphLink& right);
  bool same(const Hit& left, const Hit& right);
  bool same(const SearchResult& left, const SearchResult& right);
  bool same(const Page& left, const Page& right);
  bool same(const NearHit& left, const NearHit& right);
  bool same(const Neighbor& left, const Neighbor& right);
  bool same(const Change& left, const Change& right);
  bool same(const AuditRecord& left, const AuditRecord& right);
  bool same(const Stats& left, const Stats& right);
  bool same(const ImportReport& left, const ImportReport& right);
  bool same(const MaintainReport& left, const MaintainReport& right);
  bool same(const Space& left, const Space& right) { return left == right; }
  template <class T> bool same(const std::optional<T>& left, const std::optional<T>& right) {
    return left.has_value() == right.has_value() && (!left || same(*left, *right));
  }
  template <class T> bool same(const std::vector<T>& left, const std::vector<T>& right) {
    return std::equal(left.begin(), left.end(), right.begin(), right.end(),
                      [this](const T& a, const T& b) { return same(a, b); });
  }

 private:
  bool dense_numbers_;
  std::map<Uuid, Uuid> twins_{};
};

std::string show(std::uint64_t value);
std::string show(bool value);
std::string show(const std::string& value);
std::string show(const Written& value);
std::string show(const Applied& value);
std::string show(const Memory& value);
std::string show(const GraphLink& value);
std::string show(const SearchResult& value);
std::string show(const Page& value);
std::string show(const NearHit& value);
std::string show(const Neighbor& value);
std::string show(const Change& value);
std::string show(const AuditRecord& value);
std::string show(const Stats& value);
std::string show(const ImportReport& value);
std::string show(const MaintainReport& value);
std::string show(const Space& value);
template <class T> std::string show(const std::optional<T>& value) { return value ? show(*value) : "nothing"; }
template <class T> std::string show(const std::vector<T>& values) {
  std::string text = "[";
  for (const T& value : values) text += "\n    " + show(value);
  return text + "]";
}

// An export with every memory's id blanked.
std::string without_ids(std::string text);

}  // namespace fractal::model

#endif
