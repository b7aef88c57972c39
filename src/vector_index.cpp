// Invariant: files of an index count only if the database says so, in a setting of its own: a copied,
// restored or half-written file is never taken for the truth.
#include "src/vector_index.h"

#include "src/disk_budget.h"
#include "src/error.h"
#include "src/memory_use.h"
#include "src/schemes.h"

#ifdef FRACTAL_HNSW
#include "backends/hnsw/hnsw_index.h"
#endif

#include <utility>

namespace fractal {

std::string vector_index_setting(std::uint64_t space) { return fmt::format("vector_index/{}", space); }

#ifdef FRACTAL_HNSW
namespace {

// A file counts only by its hash in the database's row: that tells files of one database from another's, and
// open() has nothing to write.
constexpr std::string_view any_database = "-";

// Not of a space that has been erased meanwhile.
Result<void> set(Storage& storage, std::uint64_t space, std::string_view value) {
  WriteStep step;
  step.run = [&](WriteTransaction& transaction) -> Result<void> {
    FRACTAL_TRY_INTO(const auto rows, transaction.scan(space, 0, 1, Columns::header));
    if (rows.empty() && !value.empty()) return make_error(Errc::unavailable, "vector index: the space is gone");
    return transaction.set_setting(vector_index_setting(space), value);
  };
  FRACTAL_TRY(storage.apply({&step, 1}));
  storage.tidy();
  return std::move(step.outcome);
}

bool has_file(const Options& options) {
  return !options.storage && options.path != ":memory:" && !is_url(options.path);
}

}  // namespace

Result<std::shared_ptr<VectorIndex>> open_vector_index(const Options& options,
                                                       const std::shared_ptr<Storage>& storage) {
  const VectorIndexSource& own = options.vector_index;
  if (own.index()) return own.index();
  if (!own.url().empty()) return open_vector_index_url(options, storage);
  IndexOptions index = options.index;
  hnsw::Home home{.database = std::string(any_database)};
  if (has_file(options) && index.files) {
    home.folder = options.path + "-index";
    home.published = [storage](std::uint64_t space) { return storage->setting(vector_index_setting(space)); };
    home.publish = [storage](std::uint64_t space, const std::string& text) { return set(*storage, space, text); };
    home.check_disk = [storage, budget = options.disk_budget](std::uint64_t index_bytes, std::uint64_t more) {
      return check_disk(budget, storage->bytes() + index_bytes, more);
    };
  }
  if (storage->read_only()) index.background = false;
  return hnsw::make_index(index, std::move(home), MemoryShares(options.memory_budget).views);
}
#else
Result<std::shared_ptr<VectorIndex>> open_vector_index(const Options& options,
                                                       const std::shared_ptr<Storage>& storage) {
  const VectorIndexSource& own = options.vector_index;
  if (own.index()) return own.index();
  if (!own.url().empty()) return open_vector_index_url(options, storage);
  return make_flat_index(MemoryShares(options.memory_budget).views);
}
#endif

}  // namespace fractal
