bf_criterion(unit_sched
  SOURCES ${CMAKE_CURRENT_LIST_DIR}/sched/peer.c ${CMAKE_CURRENT_LIST_DIR}/sched/pgtext.c
          ${CMAKE_CURRENT_LIST_DIR}/sched/manifest.c ${CMAKE_CURRENT_LIST_DIR}/sched/plan_out.c
          ${CMAKE_CURRENT_LIST_DIR}/sched/options.c ${CMAKE_CURRENT_LIST_DIR}/sched/turn.c
  LIBS bf_scheduler LABELS unit)
