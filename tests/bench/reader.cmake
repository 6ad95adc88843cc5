# Built on demand: tests/bench/reader.
add_executable(bench_reader EXCLUDE_FROM_ALL bench/reader.c)
target_link_libraries(bench_reader PRIVATE bf_plan bf_flags)
