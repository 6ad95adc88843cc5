# bootfarm-planner as a process, on repositories made with the git program.
foreach(part poll contexts offline)
  bf_criterion(io_planner_${part} SOURCES io/planner/${part}.c io/planner/site.c
    LIBS bf_loop PkgConfig::jansson LABELS io)
  target_compile_definitions(io_planner_${part} PRIVATE
    TEST_PLANNER="$<TARGET_FILE:bootfarm-planner>")
  add_dependencies(io_planner_${part} bootfarm-planner)
endforeach()
