# On real servers, which the fixtures start: tools/services.
# fractal_milvus_service(name port): a server of this build's own, its URL in url_<name>. The port is what tools/services
# makes of the folder.
function(fractal_milvus_service name port)
  set(folder "/tmp/fractal_${name}_${services}")
  add_test(NAME ${name}.up COMMAND "${PROJECT_SOURCE_DIR}/tools/services" up "${folder}" ${name})
  add_test(NAME ${name}.down COMMAND "${PROJECT_SOURCE_DIR}/tools/services" down "${folder}")
  set_tests_properties(${name}.up PROPERTIES FIXTURES_SETUP ${name})
  set_tests_properties(${name}.down PROPERTIES FIXTURES_CLEANUP ${name})
  string(MD5 digits "${folder}")
  string(SUBSTRING "${digits}" 0 3 digits)
  math(EXPR port "${port} + 0x${digits}")
  set(url_${name} "milvus://127.0.0.1:${port}" PARENT_SCOPE)
endfunction()
fractal_milvus_service(milvus 21000)

fractal_suite(milvus_server milvus/server.cpp conformance/remote_server.cpp)
target_link_libraries(milvus_server PRIVATE FractalMemory::milvus)
# fractal_milvus_test(name source...)
set(FRACTAL_TEST_MILVUS_URL "${url_milvus}" CACHE INTERNAL "")
function(fractal_milvus_test name)
  fractal_test(${name} ${ARGN} ${milvus_server})
  target_link_libraries(${name} PRIVATE FractalMemory::milvus)
  set_tests_properties(${name} PROPERTIES FIXTURES_REQUIRED milvus
    ENVIRONMENT "FRACTAL_TEST_MILVUS=${FRACTAL_TEST_MILVUS_URL};FRACTAL_INDEX_COMMITS_DEFAULT=300")
endfunction()
fractal_milvus_test(conformance_milvus ${vector_index_suite} conformance/remote_index.cpp)
fractal_milvus_test(engine_milvus milvus/engine_on_milvus.cpp ${engine} ${engine_search_suite})
fractal_milvus_test(milvus milvus/milvus_test.cpp conformance/version_store_conformance.cpp conformance/remote_upkeep.cpp)
fractal_milvus_test(milvus_conditions milvus/condition_test.cpp)
fractal_milvus_test(model_milvus
  ${model_suite} engine/model_on_sqlite.cpp milvus/model_on_milvus.cpp ${model_compare})
set_tests_properties(model_milvus PROPERTIES COST 500)
set_property(TEST model_milvus APPEND PROPERTY ENVIRONMENT "FRACTAL_MODEL_OPERATIONS_DEFAULT=24000")

# The rows on PostgreSQL, the vectors on Milvus.
if(TARGET FractalMemory_postgres)
  function(fractal_postgres_milvus_test name)
    fractal_milvus_test(${name} ${ARGN})
    target_link_libraries(${name} PRIVATE FractalMemory::postgres fresh_schema)
    set_property(TEST ${name} APPEND PROPERTY FIXTURES_REQUIRED services)
    set_property(TEST ${name} APPEND PROPERTY ENVIRONMENT "FRACTAL_TEST_POSTGRES=${FRACTAL_TEST_POSTGRES_URL}")
  endfunction()
  fractal_postgres_milvus_test(engine_postgres_milvus
    milvus/engine_on_postgres_and_milvus.cpp ${engine} ${engine_search_suite})
  fractal_postgres_milvus_test(model_postgres_milvus
    ${model_suite} postgres/model_on_postgres.cpp milvus/model_on_milvus.cpp ${model_compare})
  set_tests_properties(model_postgres_milvus PROPERTIES COST 500)
  set_property(TEST model_postgres_milvus APPEND PROPERTY ENVIRONMENT "FRACTAL_MODEL_OPERATIONS_DEFAULT=24000")
endif()

# Servers that have all three of their own: rows, vectors and cache. FRACTAL_FAULT_SECONDS of load: 20.
if(TARGET fractal AND TARGET FractalMemory_server AND TARGET FractalMemory_postgres AND TARGET FractalMemory_redis)
  add_test(NAME mixed_servers
    COMMAND "${FRACTAL_PYTHON3}" "${CMAKE_CURRENT_SOURCE_DIR}/milvus/mixed_servers_test.py" -v)
  set_tests_properties(mixed_servers PROPERTIES FIXTURES_REQUIRED "services;milvus" COST 200 ENVIRONMENT
    "FRACTAL_PROGRAM=$<TARGET_FILE:fractal>;FRACTAL_TEST_POSTGRES=${FRACTAL_TEST_POSTGRES_URL};FRACTAL_TEST_MILVUS=${FRACTAL_TEST_MILVUS_URL};PYTHONDONTWRITEBYTECODE=1")
endif()

# FRACTAL_FAULT_SECONDS of each kind of faults: 8.
fractal_milvus_test(milvus_faults milvus/faults_test.cpp ${fault_proxy})
target_compile_definitions(milvus_faults PRIVATE FRACTAL_TOOLS="${PROJECT_SOURCE_DIR}/tools")

# Needs no server but its own.
find_package(Protobuf REQUIRED)
fractal_test(milvus_secure milvus/secure_test.cpp)
target_include_directories(milvus_secure SYSTEM PRIVATE "${PROJECT_BINARY_DIR}/backends/milvus/generated")
target_link_libraries(milvus_secure PRIVATE FractalMemory::milvus PkgConfig::GRPCPP protobuf::libprotobuf)

# The same programs on Milvus Lite 3, which is some ten times as slow: what compares the most with the oracle is in the
# longer runs alone (ctest -C Long, as ./dev test --long does).
fractal_milvus_service(milvus3 26000)
function(fractal_milvus3_test name)
  add_test(NAME ${name}_on_3 ${ARGN})
  set_tests_properties(${name}_on_3 PROPERTIES FIXTURES_REQUIRED milvus3
    ENVIRONMENT "FRACTAL_TEST_MILVUS=${url_milvus3};FRACTAL_INDEX_COMMITS_DEFAULT=100;FRACTAL_TEST_GRACE=6000")
endfunction()
fractal_milvus3_test(conformance_milvus COMMAND conformance_milvus
  "--test-case-exclude=every metric*,a filter of any width*,updates and removals show*,no vector is hard enough*,vectors that differ*")
fractal_milvus3_test(engine_milvus COMMAND engine_milvus
  "--test-case-exclude=by vector: the exact*,hybrid*,pages neither*,many snapshots*,after updates*")
fractal_milvus3_test(milvus COMMAND milvus)
fractal_milvus3_test(conformance_milvus_whole COMMAND conformance_milvus CONFIGURATIONS Long)
fractal_milvus3_test(engine_milvus_whole COMMAND engine_milvus CONFIGURATIONS Long)
