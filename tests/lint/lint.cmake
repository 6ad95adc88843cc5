# Rules that no compiler checks. Each prints file:line of what breaks it.
foreach(rule banned format includes readme text selftest)
  add_test(NAME lint_${rule} COMMAND ${CMAKE_CURRENT_SOURCE_DIR}/lint/${rule}
           WORKING_DIRECTORY ${CMAKE_SOURCE_DIR})
  set_tests_properties(lint_${rule} PROPERTIES LABELS lint TIMEOUT 120)
endforeach()

# Only libfyaml, and of it only what reads text in memory, may come to the pure libraries from outside.
add_test(NAME lint_symbols COMMAND ${CMAKE_CURRENT_SOURCE_DIR}/lint/symbols $<TARGET_FILE:bf_base>
         $<TARGET_FILE:bf_core> $<TARGET_FILE:bf_plan>=fy_ $<TARGET_FILE:bf_worker_core>
         WORKING_DIRECTORY ${CMAKE_SOURCE_DIR})
set_tests_properties(lint_symbols PROPERTIES LABELS lint TIMEOUT 120)
