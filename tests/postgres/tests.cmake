# On real servers.
find_package(PostgreSQL REQUIRED)
fractal_service(postgres services "/tmp/fractal_services_${services}")
fractal_service(pgvector pgvector "/tmp/fractal_pgvector_${services}")

add_library(fresh_schema OBJECT postgres/fresh_schema.cpp)
fractal_test_options(fresh_schema)
target_link_libraries(fresh_schema PUBLIC PostgreSQL::PostgreSQL)

# fractal_postgres_test(name source...): on that server, each storage in a schema of its own.
set(FRACTAL_TEST_POSTGRES_URL "postgres://postgres@/postgres?host=/tmp/fractal_services_${services}" CACHE INTERNAL "")
set(FRACTAL_TEST_PGVECTOR_URL "postgres://postgres@/postgres?host=/tmp/fractal_pgvector_${services}/pgvector" CACHE INTERNAL "")
function(fractal_postgres_test name)
  fractal_test(${name} ${ARGN})
  target_link_libraries(${name} PRIVATE FractalMemory::postgres fresh_schema)
  set_tests_properties(${name} PROPERTIES FIXTURES_REQUIRED services
    ENVIRONMENT "FRACTAL_TEST_POSTGRES=${FRACTAL_TEST_POSTGRES_URL}")
endfunction()

# The same, and the server with pgvector beside it.
function(fractal_pgvector_test name)
  fractal_postgres_test(${name} ${ARGN})
  set_tests_properties(${name} PROPERTIES FIXTURES_REQUIRED "services;pgvector"
    ENVIRONMENT "FRACTAL_TEST_POSTGRES=${FRACTAL_TEST_POSTGRES_URL};FRACTAL_TEST_PGVECTOR=${FRACTAL_TEST_PGVECTOR_URL}")
endfunction()

fractal_postgres_test(conformance_postgres ${storage_suite} ${storage_model} postgres/conformance_on_postgres.cpp)
# The same program on PostgreSQL 16; random operations in plenty are for one version.
add_test(NAME conformance_postgres_16 COMMAND conformance_postgres "--source-file-exclude=*storage_random.cpp")
set_tests_properties(conformance_postgres_16 PROPERTIES FIXTURES_REQUIRED pgvector
  ENVIRONMENT "FRACTAL_TEST_POSTGRES=${FRACTAL_TEST_PGVECTOR_URL}")
fractal_postgres_test(engine_postgres postgres/engine_on_postgres.cpp ${engine} ${engine_suite})
fractal_postgres_test(engine_threads_postgres postgres/engine_on_postgres.cpp ${engine} ${threads_suite})
fractal_postgres_test(model_postgres
  ${model_suite} postgres/model_on_postgres.cpp engine/model_on_own_index.cpp ${model_compare})
set_property(TEST model_postgres APPEND PROPERTY ENVIRONMENT "FRACTAL_MODEL_OPERATIONS_DEFAULT=24000")

fractal_postgres_test(postgres_follow postgres/follow_test.cpp)
fractal_postgres_test(postgres_copy postgres/copy_test.cpp)
set_property(SOURCE postgres/service_database.cpp
  APPEND PROPERTY COMPILE_DEFINITIONS FRACTAL_TEST_DATA="${CMAKE_CURRENT_SOURCE_DIR}/data")
fractal_suite(service_database postgres/service_database.cpp)
target_link_libraries(service_database PRIVATE PostgreSQL::PostgreSQL)
foreach(name adopt foreign_rows foreign_writers)
  fractal_postgres_test(postgres_${name} postgres/${name}_test.cpp ${service_database})
endforeach()
fractal_test(postgres_json postgres/json_text_test.cpp)
target_link_libraries(postgres_json PRIVATE FractalMemory::postgres)

# A schema that goes with the test.
fractal_suite(postgres_setting postgres/own_schema.cpp)
target_link_libraries(postgres_setting PRIVATE PostgreSQL::PostgreSQL)
fractal_postgres_test(postgres_tenants postgres/tenants_test.cpp ${postgres_setting})
fractal_postgres_test(postgres_injection postgres/injection_test.cpp ${model_compare} ${postgres_setting})
fractal_postgres_test(postgres_writers postgres/writers_test.cpp ${postgres_setting})
fractal_postgres_test(postgres_pool postgres/pool_test.cpp ${postgres_setting} ${fault_proxy})
fractal_postgres_test(postgres_purge postgres/purge_test.cpp ${postgres_setting})
fractal_postgres_test(postgres_row_security postgres/row_security_test.cpp ${postgres_setting})
fractal_postgres_test(postgres_statements
  postgres/statements_test.cpp postgres/statement_log.cpp postgres/statement_scope.cpp ${postgres_setting})
# FRACTAL_FAULT_SECONDS of each kind of faults: 30.
fractal_postgres_test(postgres_faults
  postgres/faults_test.cpp postgres/ledger_test.cpp postgres/ledger.cpp postgres/load.cpp ${postgres_setting}
  ${fault_proxy})
set_tests_properties(postgres_faults PROPERTIES COST 100)

# pgvector as the index: by itself, beside a storage, and beneath the public API.
fractal_pgvector_test(conformance_pgvector ${vector_index_suite} postgres/conformance_on_pgvector.cpp)
fractal_pgvector_test(pgvector_graphs postgres/pgvector_graph_test.cpp)
fractal_pgvector_test(pgvector postgres/pgvector_test.cpp)
fractal_pgvector_test(engine_pgvector postgres/engine_on_pgvector.cpp ${engine} ${engine_search_suite})
# Rows and vectors in one database.
fractal_postgres_test(model_pgvector
  ${model_suite} postgres/model_on_postgres.cpp postgres/model_on_pgvector.cpp ${model_compare})
set_tests_properties(model_pgvector PROPERTIES FIXTURES_REQUIRED pgvector COST 500
  ENVIRONMENT "FRACTAL_TEST_POSTGRES=${FRACTAL_TEST_PGVECTOR_URL};FRACTAL_MODEL_OPERATIONS_DEFAULT=24000")

# The command and the server on it, and the routes as they are on a file.
if(TARGET fractal AND TARGET FractalMemory_server)
  foreach(test server/contract postgres/command postgres/copy_command postgres/adopt_command)
    get_filename_component(name "${test}" NAME)
    add_test(NAME postgres_${name} COMMAND "${FRACTAL_PYTHON3}" "${CMAKE_CURRENT_SOURCE_DIR}/${test}_test.py" -v)
    set_tests_properties(postgres_${name} PROPERTIES FIXTURES_REQUIRED services ENVIRONMENT
      "FRACTAL_PROGRAM=$<TARGET_FILE:fractal>;FRACTAL_TEST_POSTGRES=${FRACTAL_TEST_POSTGRES_URL};PYTHONDONTWRITEBYTECODE=1")
  endforeach()
  set_property(TEST postgres_command APPEND PROPERTY FIXTURES_REQUIRED pgvector)
  set_property(TEST postgres_command APPEND PROPERTY ENVIRONMENT "FRACTAL_TEST_PGVECTOR=${FRACTAL_TEST_PGVECTOR_URL}")
endif()
