// Invariant: files of an index count only if the database says so, in a setting of its own: a copied,
// restored or half-written file is never taken for the truth.
#include "src/vector_index.h"

#include "src/error.h"
#include "src/uuid.h"

#ifdef FRACTAL_HNSW
#include "backends/hnsw/hnsw_index.h"
#endif

#include <utility>

namespace fractal {

std::string vector_index_setting(std::uint64_t space) { return fmt::format("vector_index/{}", space); }

#ifdef FRACTAL_HNSW
namespace {

constexpr std::string_view id_setting = "database_id";

Result<void> set(Storage& storage, std::string_view name, std::string_view value) {
  WriteStep step;
  step.run = [&](WriteTransaction& transaction) { return transaction.set_setting(name, value); };
  FRACTAL_TRY(storage.apply({&step, 1}));
  return std::move(step.outcome);
}

// Made when it is first needed. Of two processes that make one, the later wins: the other's files are rebuilt.
Result<std::string> database_id(Storage& storage) {
  FRACTAL_TRY_INTO(auto id, storage.setting(id_setting));
  if (id) return std::move(*id);
  if (storage.read_only()) return std::string("none");
  const std::string made =
      make_uuid(std::chrono::time_point_cast<std::chrono::microseconds>(std::chrono::system_clock::now())).to_string();
  FRACTAL_TRY(set(storage, id_setting, made));
  return made;
}

bool has_file(const Options& options) { return !options.storage && options.path != ":memory:"; }

}  // namespace

Result<std::shared_ptr<VectorIndex>> open_vector_index(const Options& options,
                                                       const std::shared_ptr<Storage>& storage) {
  if (options.vector_index) return options.vector_index;
  IndexOptions index = options.index;
  hnsw::Home home;
  if (has_file(options) && index.files) {
    home.folder = options.path + "-index";
    FRACTAL_TRY_INTO(home.database, database_id(*storage));
    home.published = [storage](std::uint64_t space) { return storage->setting(vector_index_setting(space)); };
    home.publish = [storage](std::uint64_t space, const std::string& text) {
      return set(*storage, vector_index_setting(space), text);
    };
  }
  if (storage->read_only()) index.background = false;
  return hnsw::make_index(index, std::move(home));
}
#else
Result<std::shared_ptr<VectorIndex>> open_vector_index(const Options& options, const std::shared_ptr<Storage>&) {
  return options.vector_index ? options.vector_index : make_flat_index();
}
#endif

}  // namespace fractal
