# Built on demand: tests/bench/core.
add_executable(bench_core EXCLUDE_FROM_ALL bench/core.c)
target_link_libraries(bench_core PRIVATE bf_core bf_flags)
