# The scheduler against a real PostgreSQL, a real registry, real workers with fake executors.
bf_criterion(io_sched_db SOURCES io/sched/db.c io/sched/pgd.c LIBS bf_db LABELS io)
target_compile_definitions(io_sched_db PRIVATE PGD="${CMAKE_CURRENT_LIST_DIR}/sched/pgd")

bf_criterion(io_sched_link SOURCES io/sched/link.c io/sched/hand.c io/sched/pgd.c
  LIBS bf_db bf_loop bf_wire LABELS io)
add_dependencies(io_sched_link bootfarm-scheduler)
target_compile_definitions(io_sched_link PRIVATE
  PGD="${CMAKE_CURRENT_LIST_DIR}/sched/pgd" SEED="${CMAKE_CURRENT_LIST_DIR}/sched/seed.sql"
  BEHIND="${CMAKE_CURRENT_LIST_DIR}/sched/behind.sql"
  BIN="${CMAKE_RUNTIME_OUTPUT_DIRECTORY}")

# ASan reserves far more address space than a planner may have.
set(planner_memory 4GiB)
if(BOOTFARM_SANITIZE)
  set(planner_memory 0)
endif()
foreach(script path faults bases trace docs split doubt)
  add_test(NAME io_sched_${script} COMMAND ${CMAKE_CURRENT_LIST_DIR}/sched/${script}.sh)
  set_tests_properties(io_sched_${script} PROPERTIES LABELS io TIMEOUT 300 ENVIRONMENT
    "BIN=${CMAKE_RUNTIME_OUTPUT_DIRECTORY};PLANNER_MEMORY=${planner_memory};UBSAN_OPTIONS=print_stacktrace=1")
endforeach()
