# The reader of Containerfiles against other readers: buildah itself, and dockerfile-ast from npm.
add_executable(cf_dump diff/cf_dump.c)
target_link_libraries(cf_dump PRIVATE bf_plan bf_flags PkgConfig::jansson)

foreach(other buildah ast)
  add_test(NAME diff_${other} COMMAND ${CMAKE_CURRENT_SOURCE_DIR}/diff/${other})
  set_tests_properties(diff_${other} PROPERTIES
    LABELS diff TIMEOUT 600 
    ENVIRONMENT "CF_DUMP=$<TARGET_FILE:cf_dump>;NPM_FOLDER=${CMAKE_BINARY_DIR}/npm/diff")
endforeach()
