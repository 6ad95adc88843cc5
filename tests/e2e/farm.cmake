# Whole farms on real parts, with the programs of BOOTFARM_BIN (farm.sh). They need root, and the machine for themselves.
foreach(scenario quickstart faults bad_input outside bases across rights)
  add_test(NAME e2e_${scenario} COMMAND ${CMAKE_CURRENT_SOURCE_DIR}/e2e/${scenario}.sh)
  set_tests_properties(e2e_${scenario} PROPERTIES LABELS e2e RUN_SERIAL ON TIMEOUT 1800)
endforeach()
