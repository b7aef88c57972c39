// Which vector index a database has, and where that keeps its files.
#ifndef FRACTAL_SRC_VECTOR_INDEX_H
#define FRACTAL_SRC_VECTOR_INDEX_H

#include <fractal/backend.h>

#include <memory>
#include <string>

namespace fractal {

Result<std::shared_ptr<VectorIndex>> open_vector_index(const Options& options, const std::shared_ptr<Storage>& storage);

// The setting that says which files of a space's index are valid; empty or missing: none.
std::string vector_index_setting(std::uint64_t space);

}  // namespace fractal

#endif
