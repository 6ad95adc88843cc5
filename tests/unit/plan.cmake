# Definitions, graph and keys: each program links the pure library and nothing else of ours.
add_library(plan_fixture STATIC unit/plan/fixture.c)
target_link_libraries(plan_fixture PUBLIC bf_plan PkgConfig::criterion)
foreach(part reference tree yaml codes prepro words containerfile messages settings ignore graph definition ship plan large update)
  bf_criterion(unit_plan_${part} SOURCES unit/plan/test_${part}.c LIBS plan_fixture LABELS unit)
endforeach()
target_compile_definitions(unit_plan_codes PRIVATE TEST_README="${CMAKE_SOURCE_DIR}/scheduler/plan/README.md")
