# The brain: each program links it and common/base, nothing else.
add_library(core_kit STATIC unit/core/kit.c)
target_link_libraries(core_kit PUBLIC bf_core PkgConfig::criterion)
foreach(part job heap records keys chain supersede lease report policy retry command status)
  bf_criterion(unit_core_${part} SOURCES unit/core/${part}.c LIBS core_kit LABELS unit)
endforeach()
bf_criterion(unit_core_share SOURCES unit/core/share.c unit/core/farm.c LIBS bf_core LABELS unit)
target_compile_definitions(unit_core_job PRIVATE SOURCE_DIR="${CMAKE_SOURCE_DIR}")
