# bootfarm-api and bootfarm, on a private PostgreSQL with the real schema.
foreach(part views requests logs away socket ctl local hook)
  add_test(NAME io_api_${part} COMMAND ${CMAKE_CURRENT_SOURCE_DIR}/io/api/${part}.sh)
  set_tests_properties(io_api_${part} PROPERTIES
    LABELS io TIMEOUT 300
    ENVIRONMENT "SRC=${CMAKE_SOURCE_DIR};BIN=${CMAKE_RUNTIME_OUTPUT_DIRECTORY};ASAN_OPTIONS=abort_on_error=1:detect_leaks=1")
endforeach()
