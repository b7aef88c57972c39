# Real servers, which fixtures start: tools/services.
string(MD5 services "${PROJECT_BINARY_DIR}")
string(SUBSTRING "${services}" 0 8 services)
# fractal_service(name fixture folder): a server of this build's own.
function(fractal_service name fixture folder)
  add_test(NAME ${fixture}.up COMMAND "${PROJECT_SOURCE_DIR}/tools/services" up "${folder}" ${name})
  add_test(NAME ${fixture}.down COMMAND "${PROJECT_SOURCE_DIR}/tools/services" down "${folder}")
  set_tests_properties(${fixture}.up PROPERTIES FIXTURES_SETUP ${fixture} ENVIRONMENT "FRACTAL_SERVICES_FSYNC=off")
  set_tests_properties(${fixture}.down PROPERTIES FIXTURES_CLEANUP ${fixture})
endfunction()

# Between such a server and its clients: a network that fails.
fractal_suite(fault_proxy faults/fault_proxy.cpp)
