// What every search by vector checks before it compares anything.
#ifndef FRACTAL_SRC_VECTOR_QUERY_H
#define FRACTAL_SRC_VECTOR_QUERY_H

#include <fractal/backend.h>

#include <cstddef>

namespace fractal {

// Of the right dimension, finite, not zero where cosines count; and in time.
Result<void> check_query(std::size_t dimension, Metric metric, const VectorQuery& query);

}  // namespace fractal

#endif
