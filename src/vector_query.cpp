// Invariant: a query that passes can be compared with every vector of its space.
#include "vector_query.h"

#include "error.h"
#include "kernels.h"
#include "validate.h"

#include <cmath>

namespace fractal {

Result<void> check_query(std::size_t dimension, Metric metric, const VectorQuery& query) {
  if (query.control != nullptr) FRACTAL_TRY(check_control(*query.control, "vector search"));
  if (query.vector.size() != dimension) {
    return make_error(Errc::invalid_argument, "vector search: the query has {} components, the space {}",
                      query.vector.size(), dimension);
  }
  const double square = kernels::dot(query.vector.data(), query.vector.data(), query.vector.size());
  if (!std::isfinite(square) || (metric == Metric::cosine && square == 0)) {
    return make_error(Errc::invalid_argument, "vector search: the query is not finite, or zero where cosines count");
  }
  return {};
}

}  // namespace fractal
