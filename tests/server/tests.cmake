# In this process, for the threads' sake.
if(TARGET FractalMemory_server)
  foreach(name cache threads)
    fractal_test(server_${name} server/${name}_test.cpp)
    target_link_libraries(server_${name} PRIVATE FractalMemory::server)
  endforeach()
  # conformance_<name>_cache: the suite, and a file that defines make_empty_cache().
  fractal_suite(cache_suite conformance/cache_conformance.cpp)
  target_link_libraries(cache_suite PRIVATE FractalMemory::server)
  fractal_test(conformance_memory_cache ${cache_suite} conformance/memory_cache.cpp)
  target_link_libraries(conformance_memory_cache PRIVATE FractalMemory::server)
  set_tests_properties(conformance_memory_cache server_cache server_threads PROPERTIES LABELS tsan)
endif()

# The server by the real binary, over real sockets, by Python's unittest. Kills are many and memory is measured on the
# installed program, which has no sanitizers.
if(NOT TARGET FractalMemory_server OR NOT TARGET fractal)
  return()
endif()

# Programs of the packages in tests/server/requirements.txt.
get_filename_component(fractal_test_tools "${FRACTAL_TEST_PYTHON}" DIRECTORY)

function(fractal_server_test name program)
  add_test(NAME server_${name} COMMAND "${FRACTAL_PYTHON3}" "${CMAKE_CURRENT_SOURCE_DIR}/server/${name}_test.py" -v)
  set_tests_properties(server_${name} PROPERTIES ENVIRONMENT
    "FRACTAL_PROGRAM=${program};FRACTAL_TEST_TOOLS=${fractal_test_tools};PYTHONDONTWRITEBYTECODE=1")
endfunction()

foreach(name clients contract deployment documentation http openapi rights schemathesis sessions transfer)
  fractal_server_test(${name} "$<TARGET_FILE:fractal>")
endforeach()
# The longest of these, and two at once in itself.
set_tests_properties(server_schemathesis PROPERTIES COST 500 PROCESSORS 2)
if(FRACTAL_TEST_PACKAGING)
  foreach(name kills memory)
    fractal_server_test(${name} "${CMAKE_CURRENT_BINARY_DIR}/packaging/prefix_shared/bin/fractal")
    set_tests_properties(server_${name} PROPERTIES FIXTURES_REQUIRED prefix_shared)
  endforeach()
endif()
