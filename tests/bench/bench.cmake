# What tests/bench/plan measures inside one process.
add_executable(bootfarm-plan-step bench/plan_step.c)
target_link_libraries(bootfarm-plan-step PRIVATE bf_planner)

# The load of the dispatch bench (tests/bench/run): simulated workers, and who asks for jobs.
add_executable(bootfarm-swarm bench/swarm/main.c bench/swarm/node.c bench/swarm/report.c bench/swarm/stats.c)
target_link_libraries(bootfarm-swarm PRIVATE bf_worker_core bf_wire bf_loop bf_conf)
add_executable(bootfarm-logswarm bench/logswarm/main.c bench/logswarm/cache.c bench/logswarm/lag.c bench/logswarm/spool.c bench/logswarm/text.c
  ${CMAKE_SOURCE_DIR}/worker/stream.c ${CMAKE_SOURCE_DIR}/worker/pack.c)
target_link_libraries(bootfarm-logswarm PRIVATE bf_wire bf_loop bf_conf PkgConfig::libzstd)
target_link_options(bootfarm-logswarm PRIVATE -Wl,--wrap=packer_pack)
add_executable(bootfarm-submit bench/swarm/submit.c)
target_link_libraries(bootfarm-submit PRIVATE bf_base PkgConfig::libpq)
# What the memory of idle workers is measured against.
add_executable(bench_router bench/swarm/router.c)
target_link_libraries(bench_router PRIVATE bf_base PkgConfig::libzmq)

add_test(NAME io_swarm COMMAND ${CMAKE_CURRENT_LIST_DIR}/swarm/check)
set_tests_properties(io_swarm PROPERTIES LABELS io TIMEOUT 200 ENVIRONMENT "BIN=${CMAKE_RUNTIME_OUTPUT_DIRECTORY}")
