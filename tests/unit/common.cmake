# common/base: one program for each file it tests.
foreach(part base str glob map)
  bf_criterion(unit_common_${part} SOURCES unit/common/${part}.c LIBS bf_base LABELS unit)
endforeach()
