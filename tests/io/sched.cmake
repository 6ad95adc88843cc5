# The scheduler against a real PostgreSQL, a real registry, real workers with fake executors.
bf_criterion(io_sched_db SOURCES io/sched/db.c io/sched/pgd.c LIBS bf_db LABELS io)
target_compile_definitions(io_sched_db PRIVATE PGD="${CMAKE_CURRENT_LIST_DIR}/sched/pgd")
