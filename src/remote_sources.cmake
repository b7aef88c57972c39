# The rules of every vector index on a server of its own. Each such component compiles them in: they are no part of the
# core's interface, and any of the components may be deleted.
set(FRACTAL_REMOTE_SOURCES call_policy.cpp control.cpp erased_spaces.cpp kernels.cpp remote_feed.cpp remote_index.cpp remote_search.cpp
  remote_space.cpp remote_verify.cpp remote_worker.cpp vector_query.cpp)
list(TRANSFORM FRACTAL_REMOTE_SOURCES PREPEND ${PROJECT_SOURCE_DIR}/src/)
