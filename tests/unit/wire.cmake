bf_criterion(unit_wire
  SOURCES unit/wire/test_frame.c unit/wire/test_hostile.c unit/wire/test_rules.c unit/wire/sample.c
  LIBS bf_wire LABELS unit)
