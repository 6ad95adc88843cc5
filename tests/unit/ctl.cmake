# ctl: tables, arguments and references of the command line.
foreach(part args graph render reference resolve status)
  bf_criterion(unit_ctl_${part} SOURCES unit/ctl/${part}.c LIBS bf_ctl LABELS unit)
endforeach()
