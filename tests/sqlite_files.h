// Database files for the tests of the SQLite storage: made in a folder of their own, compared byte by byte.
#ifndef FRACTAL_TESTS_SQLITE_FILES_H
#define FRACTAL_TESTS_SQLITE_FILES_H

#include <fractal/backend.h>

#include <stdlib.h>

#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>
#include <map>
#include <memory>
#include <stdexcept>
#include <string>

namespace fractal::test {

class Folder {
 public:
  Folder() {
    std::string name = (std::filesystem::temp_directory_path() / "fractal-XXXXXX").string();
    if (::mkdtemp(name.data()) == nullptr) throw std::runtime_error("mkdtemp failed");
    path_ = name;
  }
  ~Folder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;

  const std::filesystem::path& path() const { return path_; }
  std::string file(const std::string& name) const { return (path_ / name).string(); }
  // Every file with its bytes.
  std::map<std::string, std::string> contents() const {
    std::map<std::string, std::string> out;
    for (const auto& entry : std::filesystem::directory_iterator(path_)) {
      std::ifstream in(entry.path(), std::ios::binary);
      out[entry.path().filename().string()] = {std::istreambuf_iterator<char>(in), {}};
    }
    return out;
  }

 private:
  std::filesystem::path path_;
};

inline void write_file(const std::string& path, const std::string& bytes) {
  std::ofstream(path, std::ios::binary | std::ios::trunc) << bytes;
}

inline Options options_for(const std::string& path) {
  Options options;
  options.path = path;
  options.durability = Durability::off;
  options.busy_timeout = std::chrono::milliseconds(50);
  return options;
}

inline std::shared_ptr<Storage> open_storage(const std::string& path) {
  return open_sqlite_storage(options_for(path)).value();
}

// One step in a commit of its own.
inline Result<void> write(Storage& storage, std::function<Result<void>(WriteTransaction&)> run) {
  WriteStep step{std::move(run), {}};
  if (auto applied = storage.apply({&step, 1}); !applied) return applied;
  return step.outcome;
}

// A memory as the core would write it; the embedding, if any, with it.
inline Result<void> put(WriteTransaction& transaction, const Space& space, Memory memory, const std::string& words) {
  auto record = transaction.space(space);
  if (!record) return std::move(record).error();
  SpaceRecord& counters = **record;
  Keywords keywords;
  keywords.text[0] = words;
  keywords.words[0] = words.empty() ? 0 : 1;
  for (const char c : words) keywords.words[0] += c == ' ' ? 1 : 0;
  Row row;
  row.id = first_id(counters.number) | ++counters.last_id;
  row.sequence = ++counters.sequence;
  row.has_vector = !memory.embedding.empty();
  row.vector_sequence = row.has_vector ? row.sequence : 0;
  row.words = keywords.words;
  row.memory = std::move(memory);
  row.memory.version = 1;
  ++counters.memories;
  counters.semantic += row.memory.type == MemoryType::semantic ? 1 : 0;
  counters.vectors += row.has_vector ? 1 : 0;
  if (row.has_vector) counters.dimension = static_cast<std::uint32_t>(row.memory.embedding.size());
  counters.words[0] += keywords.words[0];
  return transaction.put(counters.number, row, {.created = true, .vector = true, .keywords = &keywords});
}

inline void put(Storage& storage, const Coordinate& coordinate, const std::string& payload,
                const std::string& words = {}, const std::vector<float>& vector = {}) {
  write(storage, [&](WriteTransaction& transaction) {
    return put(transaction, {}, {.coordinate = coordinate, .payload = payload, .embedding = vector}, words);
  }).value();
}

}  // namespace fractal::test

#endif
