# On a real server, which the fixture starts: tools/services.
if(NOT TARGET FractalMemory_postgres)
  return()
endif()
find_package(PostgreSQL REQUIRED)
string(MD5 services "${PROJECT_BINARY_DIR}")
string(SUBSTRING "${services}" 0 8 services)
set(services "/tmp/fractal_services_${services}")
add_test(NAME services.up COMMAND "${PROJECT_SOURCE_DIR}/tools/services" up "${services}")
add_test(NAME services.down COMMAND "${PROJECT_SOURCE_DIR}/tools/services" down "${services}")
set_tests_properties(services.up PROPERTIES FIXTURES_SETUP services ENVIRONMENT "FRACTAL_SERVICES_FSYNC=off")
set_tests_properties(services.down PROPERTIES FIXTURES_CLEANUP services)

fractal_test(conformance_postgres ${storage_suite} ${storage_model} conformance/postgres_storage.cpp)
target_link_libraries(conformance_postgres PRIVATE FractalMemory::postgres PostgreSQL::PostgreSQL)
set_tests_properties(conformance_postgres PROPERTIES FIXTURES_REQUIRED services
  ENVIRONMENT "FRACTAL_TEST_POSTGRES=postgres://postgres@/postgres?host=${services}")

fractal_test(postgres_json postgres/json_text_test.cpp)
target_link_libraries(postgres_json PRIVATE FractalMemory::postgres)
