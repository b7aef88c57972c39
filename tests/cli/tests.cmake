# The real binary, by Python's unittest. Memory is measured on the installed one, which has no sanitizers.
if(NOT TARGET fractal)
  return()
endif()
# The system's: python3-jsonschema is one of its packages.
find_program(FRACTAL_PYTHON3 python3 PATHS /usr/bin NO_DEFAULT_PATH)
find_program(FRACTAL_PYTHON3 python3 REQUIRED)

function(fractal_command_test name program)
  add_test(NAME command_${name} COMMAND "${FRACTAL_PYTHON3}" "${CMAKE_CURRENT_SOURCE_DIR}/cli/${name}_test.py" -v)
  set_tests_properties(command_${name} PROPERTIES ENVIRONMENT "FRACTAL_PROGRAM=${program};PYTHONDONTWRITEBYTECODE=1;${ARGN}")
endfunction()

foreach(name copy documentation exit_codes import json shell)
  fractal_command_test(${name} "$<TARGET_FILE:fractal>")
endforeach()
get_property(optional_commands GLOBAL PROPERTY FRACTAL_COMMAND_SOURCES)
if(TARGET FractalMemory_server AND optional_commands)  # its front page has theirs
  fractal_command_test(golden "$<TARGET_FILE:fractal>")
endif()
fractal_test(command_words cli/line_words_test.cpp ${PROJECT_SOURCE_DIR}/src/cli/line_words.cpp)
if(FRACTAL_TEST_PACKAGING)
  set(prefix "${CMAKE_CURRENT_BINARY_DIR}/packaging/prefix_shared")
  fractal_command_test(completion "$<TARGET_FILE:fractal>" "FRACTAL_PREFIX=${prefix}")
  fractal_command_test(large_import "${prefix}/bin/fractal")
  set_tests_properties(command_completion command_large_import PROPERTIES FIXTURES_REQUIRED prefix_shared)
endif()
