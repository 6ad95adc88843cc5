# scheduler/api: what needs no client and no server.
foreach(part views logtext watch)
  bf_criterion(unit_api_${part} SOURCES unit/api/${part}.c LIBS bf_api LABELS unit)
endforeach()
