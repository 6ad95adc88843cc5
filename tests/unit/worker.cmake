# What a worker decides (pure), and how it reads what strangers wrote.
bf_criterion(unit_worker_run SOURCES unit/worker/run.c LIBS bf_worker_core LABELS unit)
bf_criterion(unit_worker_state
  SOURCES unit/worker/journal.c unit/worker/spool.c unit/worker/stream.c unit/worker/result.c
          unit/worker/options.c unit/worker/tmp.c
  LIBS bf_worker LABELS unit)
target_compile_definitions(unit_worker_state PRIVATE
  TEST_README="${CMAKE_SOURCE_DIR}/worker/README.md" TEST_PROTO="${CMAKE_SOURCE_DIR}/proto/README.md")
