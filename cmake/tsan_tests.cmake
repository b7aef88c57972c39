# Tests labelled "tsan" run a second time, built with ThreadSanitizer in the build folder of the preset tsan. Making
# that build is itself a test, so that one run of ctest shows everything.
#   in each build:          the target tsan_tests makes the labelled executables
#   with FRACTAL_TEST_TSAN: each labelled test x has a twin tsan.x, run with the arguments in its property TSAN_ARGUMENTS
function(fractal_tsan_tests)
  get_property(tests DIRECTORY PROPERTY TESTS)
  set(labelled "")
  foreach(test IN LISTS tests)
    get_property(labels TEST ${test} PROPERTY LABELS)
    if("tsan" IN_LIST labels)
      list(APPEND labelled ${test})
    endif()
  endforeach()
  add_custom_target(tsan_tests DEPENDS ${labelled})
  if(NOT FRACTAL_TEST_TSAN)
    return()
  endif()

  add_test(NAME tsan.configure COMMAND "${CMAKE_COMMAND}" --preset tsan WORKING_DIRECTORY "${PROJECT_SOURCE_DIR}")
  add_test(NAME tsan.build COMMAND "${CMAKE_COMMAND}" --build --preset tsan --target tsan_tests
    WORKING_DIRECTORY "${PROJECT_SOURCE_DIR}")
  set_tests_properties(tsan.configure PROPERTIES FIXTURES_SETUP tsan_configured)
  set_tests_properties(tsan.build PROPERTIES FIXTURES_REQUIRED tsan_configured FIXTURES_SETUP tsan_built PROCESSORS 2)
  foreach(test IN LISTS labelled)
    get_property(arguments TEST ${test} PROPERTY TSAN_ARGUMENTS)
    add_test(NAME tsan.${test} COMMAND "${PROJECT_SOURCE_DIR}/build/tsan/tests/${test}" ${arguments})
    set_tests_properties(tsan.${test} PROPERTIES FIXTURES_REQUIRED tsan_built PROCESSORS 2
      ENVIRONMENT "TSAN_OPTIONS=halt_on_error=1:second_deadlock_stack=1")
  endforeach()
endfunction()
