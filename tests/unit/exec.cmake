bf_criterion(unit_worker_core
  SOURCES unit/exec/argv.c unit/exec/blame.c unit/exec/boot.c unit/exec/refname.c unit/exec/text.c
  LIBS bf_worker_core LABELS unit)
