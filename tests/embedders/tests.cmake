# The contract of Embedder, once an embedder, and what each promises beyond. Real sentence embeddings come from Python
# packages in a virtual environment that ./dev test makes (requirements.txt).
set(FRACTAL_TEST_PYTHON "${PROJECT_SOURCE_DIR}/build/test_python/bin/python3" CACHE FILEPATH
  "Python of an environment with the packages of tests/embedders/requirements.txt")

function(fractal_embedder_setting name)
  target_compile_definitions(${name} PRIVATE
    FRACTAL_TEST_PYTHON="${FRACTAL_TEST_PYTHON}"
    FRACTAL_TEST_SERVER="${CMAKE_CURRENT_SOURCE_DIR}/embedders/server.py")
  target_link_libraries(${name} PRIVATE ${ARGN})
endfunction()

fractal_suite(embedder_contract embedders/contract.cpp)
fractal_test(embedder_callable embedders/on_callable.cpp ${embedder_contract})
set_tests_properties(embedder_callable PROPERTIES LABELS tsan)
if(FRACTAL_EMBED_TABLE)
  fractal_test(embedder_builtin embedders/on_builtin.cpp ${embedder_contract})
  set_tests_properties(embedder_builtin PROPERTIES LABELS tsan)
endif()

if(TARGET FractalMemory::http)
  fractal_test(embedder_http embedders/on_http.cpp ${embedder_contract})
  fractal_embedder_setting(embedder_http FractalMemory::http)
  fractal_test(embedder_http_faults embedders/http_test.cpp)
  fractal_embedder_setting(embedder_http_faults FractalMemory::http)
  set_tests_properties(embedder_http embedder_http_faults PROPERTIES LABELS tsan)
endif()
if(TARGET FractalMemory::onnx)
  fractal_test(embedder_onnx embedders/on_onnx.cpp ${embedder_contract})
  fractal_embedder_setting(embedder_onnx FractalMemory::onnx)
  fractal_test(embedder_onnx_files embedders/onnx_test.cpp)
  fractal_embedder_setting(embedder_onnx_files FractalMemory::onnx)
endif()
if(TARGET FractalMemory::http AND TARGET FractalMemory::onnx)
  fractal_test(embedder_same_vectors embedders/same_vectors_test.cpp)
  fractal_embedder_setting(embedder_same_vectors FractalMemory::http FractalMemory::onnx)
endif()
