# Headers, library, CMake package and pkg-config file.
include(CMakePackageConfigHelpers)
set(fractal_package_dir "${CMAKE_INSTALL_LIBDIR}/cmake/FractalMemory")

install(TARGETS FractalMemory EXPORT FractalMemoryTargets)
install(DIRECTORY include/fractal DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}" FILES_MATCHING PATTERN "*.h")
install(EXPORT FractalMemoryTargets NAMESPACE FractalMemory:: DESTINATION "${fractal_package_dir}")

configure_package_config_file(cmake/FractalMemoryConfig.cmake.in FractalMemoryConfig.cmake
  INSTALL_DESTINATION "${fractal_package_dir}")
write_basic_package_version_file(FractalMemoryConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES
  "${CMAKE_CURRENT_BINARY_DIR}/FractalMemoryConfig.cmake"
  "${CMAKE_CURRENT_BINARY_DIR}/FractalMemoryConfigVersion.cmake"
  cmake/FindHighway.cmake cmake/FindStemmer.cmake cmake/FindUtf8proc.cmake
  DESTINATION "${fractal_package_dir}")

# A static library needs at link what a shared one has inside.
set(fractal_pc_requires "fmt")
set(fractal_pc_libs "")
set(fractal_pc_cflags "-DFRACTAL_SHARED")
if(NOT BUILD_SHARED_LIBS)
  string(APPEND fractal_pc_requires ", libhwy, libutf8proc")
  set(fractal_pc_libs "-lstemmer -pthread")
  set(fractal_pc_cflags "")
  if(FRACTAL_SQLITE_SOURCE)
    string(APPEND fractal_pc_libs " -ldl -lm")
  else()
    string(APPEND fractal_pc_requires ", sqlite3")
  endif()
endif()
# Relative to the file itself, so that the prefix can be chosen, or moved, after the build.
file(RELATIVE_PATH fractal_pc_prefix "/prefix/${CMAKE_INSTALL_LIBDIR}/pkgconfig" "/prefix")
configure_file(cmake/fractal_memory.pc.in fractal_memory.pc @ONLY)
install(FILES "${CMAKE_CURRENT_BINARY_DIR}/fractal_memory.pc" DESTINATION "${CMAKE_INSTALL_LIBDIR}/pkgconfig")
