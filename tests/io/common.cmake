# common/loop on the real system: files, children, ZeroMQ.
foreach(part file proc zloop)
  bf_criterion(io_common_${part} SOURCES io/common/${part}.c LIBS bf_loop LABELS io)
endforeach()
