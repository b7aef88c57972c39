# On a real Redis, and on those that a test starts and kills by itself.
set(redis_folder "/tmp/fractal_redis_${services}")
fractal_service(redis redis "${redis_folder}")
set(FRACTAL_TEST_REDIS_URL "redis+unix://${redis_folder}/redis/socket" CACHE INTERNAL "")
fractal_test(conformance_redis_cache ${cache_suite} redis/conformance_on_redis.cpp)
set_tests_properties(conformance_redis_cache PROPERTIES FIXTURES_REQUIRED redis
  ENVIRONMENT "FRACTAL_TEST_REDIS=${FRACTAL_TEST_REDIS_URL}")

fractal_suite(redis_setting redis/own_redis.cpp)
fractal_test(redis_cache redis/redis_cache_test.cpp ${redis_setting})
# FRACTAL_FAULT_SECONDS of a network that fails: 10.
fractal_test(redis_faults redis/faults_test.cpp ${redis_setting} ${fault_proxy})
foreach(name conformance_redis_cache redis_cache redis_faults)
  target_link_libraries(${name} PRIVATE FractalMemory::redis)
endforeach()

# The index, on a Redis with vector search.
set(search_folder "/tmp/fractal_search_${services}")
fractal_service(redis_search redis_search "${search_folder}")
fractal_suite(redis_index_setting redis/index_server.cpp conformance/remote_server.cpp)
target_link_libraries(redis_index_setting PRIVATE FractalMemory::redis)
set(FRACTAL_TEST_REDIS_SEARCH_URL "redis+unix://${search_folder}/redis_search/socket" CACHE INTERNAL "")
# fractal_redis_index_test(name source...)
function(fractal_redis_index_test name)
  fractal_test(${name} ${ARGN} ${redis_index_setting})
  target_link_libraries(${name} PRIVATE FractalMemory::redis)
  target_compile_definitions(${name} PRIVATE FRACTAL_TOOLS="${PROJECT_SOURCE_DIR}/tools")
  set_tests_properties(${name} PROPERTIES FIXTURES_REQUIRED redis_search
    ENVIRONMENT "FRACTAL_TEST_REDIS_SEARCH=${FRACTAL_TEST_REDIS_SEARCH_URL};FRACTAL_INDEX_COMMITS_DEFAULT=300")
endfunction()
fractal_redis_index_test(conformance_redis_index ${vector_index_suite} conformance/remote_index.cpp)
fractal_redis_index_test(engine_redis redis/engine_on_redis.cpp ${engine} ${engine_search_suite})
fractal_redis_index_test(redis_index redis/redis_index_test.cpp
  conformance/version_store_conformance.cpp conformance/remote_upkeep.cpp ${redis_setting})
fractal_redis_index_test(model_redis
  ${model_suite} engine/model_on_sqlite.cpp redis/model_on_redis.cpp ${model_compare})
set_tests_properties(model_redis PROPERTIES COST 500)
set_property(TEST model_redis APPEND PROPERTY ENVIRONMENT "FRACTAL_MODEL_OPERATIONS_DEFAULT=24000")
# FRACTAL_FAULT_SECONDS of each kind of faults: 8.
fractal_redis_index_test(redis_index_faults redis/index_faults_test.cpp ${redis_setting} ${fault_proxy})
# Needs no server but Debian's.
fractal_test(redis_index_refused redis/index_refused_test.cpp ${redis_setting})
target_link_libraries(redis_index_refused PRIVATE FractalMemory::redis)

# Servers that share a PostgreSQL and a Redis.
if(TARGET fractal AND TARGET FractalMemory_postgres)
  add_test(NAME redis_servers COMMAND "${FRACTAL_PYTHON3}" "${CMAKE_CURRENT_SOURCE_DIR}/redis/servers_test.py" -v)
  set_tests_properties(redis_servers PROPERTIES FIXTURES_REQUIRED services COST 100 ENVIRONMENT
    "FRACTAL_PROGRAM=$<TARGET_FILE:fractal>;FRACTAL_TEST_POSTGRES=${FRACTAL_TEST_POSTGRES_URL};PYTHONDONTWRITEBYTECODE=1")
endif()
