# Whole farms in virtual time. README.md says how to repeat one.
set(parts farm clock db db_ready db_result git hash net node hub hub_link hub_load faults check check_end)
list(TRANSFORM parts PREPEND sim/)
list(TRANSFORM parts APPEND .c)
bf_criterion(sim_farm SOURCES sim/sim.c ${parts} LIBS bf_core LABELS sim)

# The decisions of a farm once more: of one that was recorded here, and of one in production.
add_library(sim_replayer STATIC sim/replay.c)
target_link_libraries(sim_replayer PUBLIC bf_core bf_loop)
bf_criterion(sim_trace SOURCES sim/trace.c ${parts} LIBS sim_replayer LABELS sim)
add_executable(sim_replay sim/replay_main.c sim/hash.c)
target_link_libraries(sim_replay PRIVATE sim_replayer)
