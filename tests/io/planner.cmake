# bootfarm-planner as a process, on repositories made with the git program.
foreach(part poll refs contexts offline init)
  bf_criterion(io_planner_${part} SOURCES io/planner/${part}.c io/planner/site.c
    LIBS bf_loop PkgConfig::jansson LABELS io)
  target_compile_definitions(io_planner_${part} PRIVATE
    TEST_PLANNER="$<TARGET_FILE:bootfarm-planner>")
  add_dependencies(io_planner_${part} bootfarm-planner)
endforeach()

# The JSON Schemas of proto/ with a validator from npm, which is installed in the build folder.
add_test(NAME io_planner_schema COMMAND ${CMAKE_CURRENT_SOURCE_DIR}/io/planner/schema.sh
         $<TARGET_FILE:bootfarm-planner> ${CMAKE_SOURCE_DIR} ${CMAKE_CURRENT_BINARY_DIR}/schema)
set_tests_properties(io_planner_schema PROPERTIES LABELS io TIMEOUT 300)

# Containerfile.in with the real cpp, and buildah's opinion of it.
add_test(NAME io_planner_cpp COMMAND ${CMAKE_CURRENT_SOURCE_DIR}/io/planner/cpp.sh $<TARGET_FILE:bootfarm-planner>)
set_tests_properties(io_planner_cpp PROPERTIES LABELS io TIMEOUT 300)
# Whole histories: every kind of change against a brute-force model, that this comparison can fail, and 2,000 commits one after the other.
find_package(Python3 REQUIRED COMPONENTS Interpreter)
set(replay_commits 2000)
set(property_seeds 1-4)
if(BOOTFARM_SANITIZE)
  set(replay_commits 300)
  set(property_seeds 1-2)
endif()
add_test(NAME io_planner_property COMMAND ${CMAKE_CURRENT_LIST_DIR}/planner/history property --seeds ${property_seeds})
add_test(NAME io_planner_property_fails COMMAND ${CMAKE_CURRENT_LIST_DIR}/planner/history_fails)
add_test(NAME io_planner_replay COMMAND ${CMAKE_CURRENT_LIST_DIR}/planner/history replay --commits ${replay_commits})
set_tests_properties(io_planner_property io_planner_property_fails io_planner_replay PROPERTIES LABELS io TIMEOUT 600
  ENVIRONMENT "BOOTFARM_PLANNER=$<TARGET_FILE:bootfarm-planner>;PYTHONDONTWRITEBYTECODE=1")
