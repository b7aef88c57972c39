# fractal_component(name source...): an optional part as a library of its own, FractalMemory::<name>. Its folder has its
# public headers in include/ and FractalMemory-<name>.cmake.in, which find_package(FractalMemory COMPONENTS <name>)
# reads: what the part needs when it is linked, then the line
#   include("${CMAKE_CURRENT_LIST_DIR}/FractalMemory-<name>-targets.cmake")
function(fractal_component name)
  set(target FractalMemory_${name})
  add_library(${target} ${ARGN})
  add_library(FractalMemory::${name} ALIAS ${target})
  target_link_libraries(${target} PUBLIC FractalMemory)
  target_include_directories(${target}
    PUBLIC $<BUILD_INTERFACE:${CMAKE_CURRENT_SOURCE_DIR}/include>
    PRIVATE ${PROJECT_SOURCE_DIR})
  target_compile_options(${target} PRIVATE ${fractal_library_options})
  set_target_properties(${target} PROPERTIES
    EXPORT_NAME ${name}
    OUTPUT_NAME fractal_memory_${name}
    VERSION ${PROJECT_VERSION}
    SOVERSION ${fractal_soversion}
    INSTALL_RPATH "$ORIGIN"  # the core lies beside it
    POSITION_INDEPENDENT_CODE ON
    CXX_VISIBILITY_PRESET hidden
    VISIBILITY_INLINES_HIDDEN ON)
  if(NOT FRACTAL_INSTALL)
    return()
  endif()
  set(package_dir "${CMAKE_INSTALL_LIBDIR}/cmake/FractalMemory")
  install(TARGETS ${target} EXPORT FractalMemory-${name}-targets)
  install(DIRECTORY include/fractal DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}" FILES_MATCHING PATTERN "*.h")
  install(EXPORT FractalMemory-${name}-targets NAMESPACE FractalMemory:: DESTINATION "${package_dir}")
  configure_file(FractalMemory-${name}.cmake.in FractalMemory-${name}.cmake @ONLY)
  install(FILES "${CMAKE_CURRENT_BINARY_DIR}/FractalMemory-${name}.cmake" DESTINATION "${package_dir}")
endfunction()
