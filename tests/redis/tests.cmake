# On a real Redis, and on those that a test starts and kills by itself.
if(NOT TARGET FractalMemory_redis)
  return()
endif()
set(redis_folder "/tmp/fractal_redis_${services}")
fractal_service(redis redis "${redis_folder}")
fractal_test(conformance_redis_cache ${cache_suite} conformance/redis_cache.cpp)
set_tests_properties(conformance_redis_cache PROPERTIES FIXTURES_REQUIRED redis
  ENVIRONMENT "FRACTAL_TEST_REDIS=redis+unix://${redis_folder}/redis/socket")

fractal_suite(redis_setting redis/own_redis.cpp)
fractal_test(redis_cache redis/redis_cache_test.cpp ${redis_setting})
# FRACTAL_FAULT_SECONDS of a network that fails: 10.
fractal_test(redis_faults redis/faults_test.cpp ${redis_setting} postgres/fault_proxy.cpp)
foreach(name conformance_redis_cache redis_cache redis_faults)
  target_link_libraries(${name} PRIVATE FractalMemory::redis)
endforeach()

# Servers that share a PostgreSQL and a Redis.
if(TARGET fractal AND TARGET FractalMemory_postgres)
  add_test(NAME redis_servers COMMAND "${FRACTAL_PYTHON3}" "${CMAKE_CURRENT_SOURCE_DIR}/redis/servers_test.py" -v)
  set_tests_properties(redis_servers PROPERTIES FIXTURES_REQUIRED services COST 100 ENVIRONMENT
    "FRACTAL_PROGRAM=$<TARGET_FILE:fractal>;FRACTAL_TEST_POSTGRES=${FRACTAL_TEST_POSTGRES_URL};PYTHONDONTWRITEBYTECODE=1")
endif()
