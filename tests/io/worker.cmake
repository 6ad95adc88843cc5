# The real daemon as a process, against a small scheduler with the real sockets (io/worker/hub.h).
bf_criterion(io_worker
  SOURCES io/worker/attempts.c io/worker/faults.c io/worker/logs.c io/worker/lifecycle.c
          io/worker/hub.c io/worker/daemon.c unit/worker/tmp.c
  LIBS bf_wire bf_loop PkgConfig::libzstd LABELS io)
target_compile_definitions(io_worker PRIVATE
  TEST_WORKER="$<TARGET_FILE:bootfarm-worker>" TEST_FAKE_EXEC="$<TARGET_FILE:bootfarm-exec>"
  TEST_EXECUTOR="${CMAKE_CURRENT_SOURCE_DIR}/io/worker/executor.sh")
add_dependencies(io_worker bootfarm-worker bootfarm-exec)
