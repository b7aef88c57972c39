# cmake -DDEMO=<wordnet_demo> -P same_output.cmake
# The demo on the small corpus: three runs over a new file, a new file again and a file that is there say the same.
function(run file output)
  execute_process(COMMAND "${DEMO}" --small --no-measures --db "${file}" RESULT_VARIABLE result OUTPUT_VARIABLE text)
  if(NOT result EQUAL 0)
    message(FATAL_ERROR "${DEMO}: ${result}\n${text}")
  endif()
  string(REGEX REPLACE "\nKept:.*" "" text "${text}")
  set(${output} "${text}" PARENT_SCOPE)
endfunction()

run(first.db first)
run(second.db second)
run(first.db again)
if(NOT first STREQUAL second)
  message(FATAL_ERROR "two runs differ:\n${first}\n---\n${second}")
endif()
# Only the section about loading may say something else.
foreach(text first again)
  string(REGEX REPLACE "\n1\\. Load.*\n2\\. " "\n2. " ${text} "${${text}}")
endforeach()
if(NOT first STREQUAL again)
  message(FATAL_ERROR "the file that was there gives other answers:\n${first}\n---\n${again}")
endif()
