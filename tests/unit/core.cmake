# The brain: each program links it and common/base, nothing else.
add_library(core_kit STATIC unit/core/kit.c)
target_link_libraries(core_kit PUBLIC bf_core PkgConfig::criterion)
foreach(part job heap keys chain supersede lease report policy retry command slots status trace)
  bf_criterion(unit_core_${part} SOURCES unit/core/${part}.c LIBS core_kit LABELS unit)
endforeach()
foreach(part job trace)
  target_compile_definitions(unit_core_${part} PRIVATE SOURCE_DIR="${CMAKE_SOURCE_DIR}")
endforeach()
