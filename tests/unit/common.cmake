# common/base: one program for each file it tests.
foreach(part base str glob map log slab)
  bf_criterion(unit_common_${part} SOURCES unit/common/${part}.c LIBS bf_base LABELS unit)
endforeach()
bf_criterion(unit_common_conf SOURCES unit/common/conf.c LIBS bf_conf LABELS unit)
