// The floor of the storage: the same tables and indexes of a database that the library made, written and read
// with prepared statements by hand. No checks, no rules, nothing computed that could be computed before.
#ifndef FRACTAL_BENCH_FLOOR_SQLITE_ROWS_H
#define FRACTAL_BENCH_FLOOR_SQLITE_ROWS_H

#include <fractal/fractal_memory.h>

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

struct sqlite3;
struct sqlite3_stmt;

namespace fractal::bench {

class SqliteRows {
 public:
  // A memory ready to be bound.
  struct Ready {
    std::string key, payload, words, subject;
    std::vector<float> embedding;
    std::uint32_t word_count = 0;
  };

  explicit SqliteRows(const std::string& path);
  ~SqliteRows();

  static Ready prepare(const Memory& memory);
  // One transaction, one sync.
  void store(std::span<const Ready> memories);
  // The bytes of the columns that Memory is made of.
  std::size_t retrieve(const std::string& key);
  // Rows of FTS5's own ranking: MATCH 'a OR b' ORDER BY rank.
  std::size_t search(const std::vector<std::string>& words, int limit);
  // Targets of the links out of a coordinate.
  void targets(const std::string& key, std::vector<std::string>& out);
  void begin();
  void commit();

 private:
  sqlite3_stmt* statement(const char* sql);
  void run(sqlite3_stmt* statement);

  sqlite3* database_ = nullptr;
  std::vector<sqlite3_stmt*> statements_;
  sqlite3_stmt *begin_, *commit_, *row_, *vector_, *words_, *audit_, *space_, *number_, *get_, *match_, *targets_;
  std::int64_t space_number_ = 0, last_id_ = 0, sequence_ = 0, audit_number_ = 0, now_ = 1'700'000'000'000'000;
  std::int64_t word_total_ = 0;
};

}  // namespace fractal::bench

#endif
