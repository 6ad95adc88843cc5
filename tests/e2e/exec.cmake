# bootfarm-exec with real buildah, skopeo, QEMU and registries. They need root, as a build worker does.
foreach(part build release boot)
  add_test(NAME e2e_exec_${part} COMMAND ${CMAKE_CURRENT_SOURCE_DIR}/e2e/exec/${part}.sh)
  set_tests_properties(e2e_exec_${part} PROPERTIES
    LABELS e2e RUN_SERIAL ON TIMEOUT 900 ENVIRONMENT "BOOTFARM_BIN=${CMAKE_BINARY_DIR}/bin")
endforeach()
