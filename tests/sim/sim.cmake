# Whole farms in virtual time. README.md says how to repeat one.
bf_criterion(sim_farm
  SOURCES sim/sim.c sim/farm.c sim/clock.c sim/db.c sim/db_ready.c sim/db_result.c sim/git.c
          sim/net.c sim/node.c sim/hub.c sim/hub_link.c sim/hub_load.c sim/faults.c sim/check.c
          sim/check_end.c
  LIBS bf_core LABELS sim)
