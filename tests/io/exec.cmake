bf_criterion(io_exec
  SOURCES io/exec/files.c io/exec/order.c io/exec/program.c
  LIBS bf_exec LABELS io)
target_compile_definitions(io_exec PRIVATE BOOTFARM_EXEC="$<TARGET_FILE:bootfarm-exec>")
add_dependencies(io_exec bootfarm-exec)
