# Each public header compiles alone, twice in one file, also without exceptions and run-time type information.
# Those of components too: they include nothing but ours, so it does not matter which components are built.
file(GLOB headers CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/include/fractal/*.h"
  "${PROJECT_SOURCE_DIR}/backends/*/include/fractal/*.h" "${PROJECT_SOURCE_DIR}/src/*/include/fractal/*.h" "${PROJECT_SOURCE_DIR}/embedders/*/include/fractal/*.h")
set(units "")
set(component_includes "")
foreach(header IN LISTS headers)
  get_filename_component(unit "${header}" NAME_WE)
  get_filename_component(folder "${header}" DIRECTORY)
  list(APPEND component_includes "${folder}/..")
  set(header "fractal/${unit}.h")
  set(unit "${CMAKE_CURRENT_BINARY_DIR}/headers/${unit}.cpp")
  file(GENERATE OUTPUT "${unit}" CONTENT "#include <${header}>\n#include <${header}>\n")
  list(APPEND units "${unit}")
endforeach()

add_library(headers_alone OBJECT ${units})
target_compile_options(headers_alone PRIVATE ${FRACTAL_WARNINGS})
target_link_libraries(headers_alone PRIVATE FractalMemory)
target_include_directories(headers_alone PRIVATE ${component_includes})

set(no_exceptions -fno-exceptions -fno-rtti)
if(FRACTAL_SANITIZE MATCHES undefined)
  list(APPEND no_exceptions -fno-sanitize=vptr)  # It needs the type information.
endif()
add_library(headers_no_exceptions_alone OBJECT ${units})
target_compile_options(headers_no_exceptions_alone PRIVATE ${FRACTAL_WARNINGS} ${no_exceptions})
target_link_libraries(headers_no_exceptions_alone PRIVATE FractalMemory)
target_include_directories(headers_no_exceptions_alone PRIVATE ${component_includes})

# And a program built so: it works, and value() of an error ends it with the message.
add_executable(headers_no_exceptions headers_no_exceptions.cpp)
target_compile_options(headers_no_exceptions PRIVATE ${FRACTAL_WARNINGS} ${no_exceptions})
target_link_libraries(headers_no_exceptions PRIVATE FractalMemory)
add_test(NAME headers_no_exceptions COMMAND headers_no_exceptions)
add_test(NAME headers_no_exceptions_value COMMAND headers_no_exceptions value)
set_tests_properties(headers_no_exceptions_value PROPERTIES PASS_REGULAR_EXPRESSION "no way there, says the test")
