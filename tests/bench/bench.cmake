# What tests/bench/plan measures inside one process.
add_executable(bootfarm-plan-step bench/plan_step.c)
target_link_libraries(bootfarm-plan-step PRIVATE bf_planner)
