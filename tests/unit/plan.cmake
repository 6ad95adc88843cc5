bf_criterion(unit_plan
  SOURCES unit/plan/fixture.c unit/plan/test_plan.c
  LIBS bf_plan LABELS unit)
