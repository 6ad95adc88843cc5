# The SQL of schema/, on a private PostgreSQL; and the migrations as the binary applies them.
add_test(NAME schema_sql COMMAND ${CMAKE_CURRENT_SOURCE_DIR}/schema/run)
set_tests_properties(schema_sql PROPERTIES LABELS schema TIMEOUT 300)

# Like bf_criterion, within a cluster of its own.
bf_criterion(test_migrate SOURCES schema/test_migrate.c LIBS bf_migrate LABELS schema)
set_property(TARGET test_migrate PROPERTY CROSSCOMPILING_EMULATOR ${CMAKE_CURRENT_SOURCE_DIR}/schema/with_pg)
