# The scheduler against a real PostgreSQL, a real registry, real workers with fake executors.
bf_criterion(io_sched_db SOURCES io/sched/db.c io/sched/pgd.c LIBS bf_db LABELS io)
target_compile_definitions(io_sched_db PRIVATE PGD="${CMAKE_CURRENT_LIST_DIR}/sched/pgd")

foreach(script path)
  add_test(NAME io_sched_${script} COMMAND ${CMAKE_CURRENT_LIST_DIR}/sched/${script}.sh)
  set_tests_properties(io_sched_${script} PROPERTIES LABELS io TIMEOUT 300 ENVIRONMENT
    "BIN=${CMAKE_RUNTIME_OUTPUT_DIRECTORY};ASAN_OPTIONS=detect_leaks=1:log_path=stderr;UBSAN_OPTIONS=print_stacktrace=1"
    FAIL_REGULAR_EXPRESSION "ERROR: (Leak|Address)Sanitizer;runtime error:")
endforeach()
