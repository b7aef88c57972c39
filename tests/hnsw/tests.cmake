# The index with graphs.
fractal_test(graph hnsw/graph_test.cpp)
fractal_test(generations
  hnsw/generation_test.cpp
  hnsw/generation_crash_test.cpp
  hnsw/generation_damage_test.cpp
  hnsw/generations.cpp)
fractal_test(conformance_hnsw_index ${vector_index_suite} conformance/hnsw_index.cpp)
fractal_test(hnsw_codes hnsw/codes_test.cpp)
fractal_test(hnsw_filtered hnsw/filtered_test.cpp)
fractal_test(hnsw_engine hnsw/engine_test.cpp)
fractal_test(hnsw_churn hnsw/churn_test.cpp)
fractal_test(hnsw_swaps hnsw/swaps_test.cpp)
fractal_test(processes hnsw/processes_test.cpp)
set_tests_properties(graph conformance_hnsw_index hnsw_swaps PROPERTIES LABELS tsan)
# Its other cases have one thread, and take minutes there.
set_tests_properties(graph PROPERTIES TSAN_ARGUMENTS "--test-case=*thread*,*given up*")
