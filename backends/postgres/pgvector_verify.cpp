// Invariant: the storage's vectors and the index's are compared as of one moment, byte by byte (by their hashes).
#include "backends/postgres/pgvector_index.h"
#include "backends/postgres/pgvector_search.h"
#include "src/error.h"
#include "src/guarded.h"
#include "src/validate.h"

#include <functional>
#include <string_view>

namespace fractal::postgres_backend {
namespace {

constexpr std::int64_t rows_per_page = 1'024;
constexpr std::size_t rows_per_check = 1'024;

constexpr Statement page{"verify the vector index",
                         "SELECT id, embedding, raw FROM sfm_pgvector WHERE space = $1 AND id > $2 AND born <= $3 "
                         "ORDER BY id LIMIT $4"};
constexpr Statement past_page{"verify the vector index",
                              "SELECT id, embedding, raw FROM sfm_pgvector_past WHERE space = $1 AND id > $2 AND "
                              "born <= $3 AND died > $3 ORDER BY id LIMIT $4"};
constexpr Statement counts{"verify the vector index", "SELECT count(*), count(raw) FROM sfm_pgvector WHERE space = $1"};

std::size_t hash_of(std::span<const float> vector) {
  return std::hash<std::string_view>()({reinterpret_cast<const char*>(vector.data()), vector.size_bytes()});
}

class Check {
 public:
  Check(Connection& connection, const SpaceRecord& space, const Control& control)
      : connection_(connection), space_(space), control_(control) {}

  Result<std::vector<std::string>> run(const IndexedSpace& indexed, const VectorIndex::Pull& pull) {
    FRACTAL_TRY_INTO(const Rows rows, connection_.run(counts, Values(space_.number)));
    if (rows.natural(0, 0) != indexed.vectors || rows.natural(0, 1) != indexed.raw) {
      problems_.push_back(fmt::format("it has {} vectors, {} of them raw, and counts {} and {}", rows.natural(0, 0),
                                      rows.natural(0, 1), indexed.vectors, indexed.raw));
    }
    FRACTAL_TRY(read(page));
    FRACTAL_TRY(read(past_page));
    FRACTAL_TRY(compare(pull));
    for (const auto& [id, hash] : hashes_) {
      problems_.push_back(fmt::format("memory {} has no vector, but one is in it", id));
    }
    return std::move(problems_);
  }

 private:
  Result<void> read(const Statement& statement) {
    std::vector<float> vector;
    for (MemoryId last = 0;;) {
      FRACTAL_TRY_INTO(const Rows rows,
                       connection_.run(statement, Values(space_.number, last, space_.sequence, rows_per_page)));
      for (int at = 0; at < rows.count(); ++at) {
        last = rows.natural(at, 0);
        read_vector(rows, at, 1, 2, vector);
        if (!hashes_.emplace(last, hash_of(vector)).second) {
          problems_.push_back(fmt::format("memory {} is in it twice", last));
        }
      }
      if (rows.count() < rows_per_page) return {};
    }
  }

  Result<void> compare(const VectorIndex::Pull& pull) {
    std::size_t seen = 0;
    Result<void> ok;
    FRACTAL_TRY(pull(0, [&](const VectorChange& change) {
      if (++seen % rows_per_check == 0) ok = check_control(control_, "verify");
      if (!ok || change.vector.empty()) return ok.has_value();
      const auto found = hashes_.find(change.id);
      if (found == hashes_.end()) {
        problems_.push_back(fmt::format("the vector of memory {} is not in it", change.id));
        return true;
      }
      if (found->second != hash_of(change.vector)) {
        problems_.push_back(fmt::format("the vector of memory {} is another than the row's", change.id));
      }
      hashes_.erase(found);
      return true;
    }));
    return ok;
  }

  Connection& connection_;
  const SpaceRecord& space_;
  const Control& control_;
  std::unordered_map<MemoryId, std::size_t> hashes_{};
  std::vector<std::string> problems_{};
};

}  // namespace

Result<std::vector<std::string>> PgvectorIndex::verify(const SpaceRecord& space, const Pull& pull,
                                                       const Control& control) {
  return guarded("vector index", [&]() -> Result<std::vector<std::string>> {
    FRACTAL_TRY_INTO(const auto connection, lease());
    connection->obey(&control);
    FRACTAL_TRY_INTO(const SearchedSpace searched, begin_search(*connection, space.number));
    if (!searched.space.knows(space.sequence)) return std::vector<std::string>{};  // nothing to be said of that moment
    return Check(*connection, space, control).run(searched.space, pull);
  });
}

}  // namespace fractal::postgres_backend
