# SQLite compiled in from FRACTAL_SQLITE_SOURCE, a folder with sqlite3.c and sqlite3.h.
foreach(file sqlite3.c sqlite3.h)
  if(NOT EXISTS "${FRACTAL_SQLITE_SOURCE}/${file}")
    message(FATAL_ERROR "FRACTAL_SQLITE_SOURCE: there is no ${FRACTAL_SQLITE_SOURCE}/${file}")
  endif()
endforeach()
add_library(fractal_sqlite3 OBJECT "${FRACTAL_SQLITE_SOURCE}/sqlite3.c")
target_compile_definitions(fractal_sqlite3 PRIVATE
  SQLITE_ENABLE_FTS5 SQLITE_THREADSAFE=1 SQLITE_OMIT_LOAD_EXTENSION)
target_compile_options(fractal_sqlite3 PRIVATE -w)
set_target_properties(fractal_sqlite3 PROPERTIES POSITION_INDEPENDENT_CODE ON C_VISIBILITY_PRESET hidden)
target_sources(FractalMemory PRIVATE $<TARGET_OBJECTS:fractal_sqlite3>)
target_include_directories(FractalMemory SYSTEM PRIVATE $<BUILD_INTERFACE:${FRACTAL_SQLITE_SOURCE}>)
target_link_libraries(FractalMemory PRIVATE ${CMAKE_DL_LIBS} m)
