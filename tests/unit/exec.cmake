bf_criterion(unit_worker_core
  SOURCES unit/exec/blame.c unit/exec/refname.c unit/exec/text.c
  LIBS bf_worker_core LABELS unit)
