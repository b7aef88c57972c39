// The ids that filters left, kept for as long as their space does not change.
#ifndef FRACTAL_SRC_FILTER_CACHE_H
#define FRACTAL_SRC_FILTER_CACHE_H

#include <fractal/backend.h>

#include <cstddef>
#include <cstdint>
#include <list>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>
#include <vector>

namespace fractal {

// Any thread. An entry is of one sequence of one space: any write to the space makes it useless, never wrong.
class FilterCache {
 public:
  // At most so many bytes; 0: as many as are usually good.
  explicit FilterCache(std::size_t most_bytes);

  // Null: not known.
  IdSet find(std::uint64_t space, std::uint64_t sequence, const std::string& question);
  void keep(std::uint64_t space, std::uint64_t sequence, const std::string& question, IdSet ids);

 private:
  struct Entry {
    std::string name;  // space and question
    std::uint64_t sequence = 0;
    IdSet ids;
  };
  using Entries = std::list<Entry>;
  static std::size_t bytes_of(const Entry& entry);
  static std::string name(std::uint64_t space, const std::string& question);

  const std::size_t most_bytes_;
  std::mutex mutex_;
  Entries entries_;  // the one used last in front
  std::unordered_map<std::string, Entries::iterator> places_;
  std::size_t bytes_ = 0;
};

}  // namespace fractal

#endif
