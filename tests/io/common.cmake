# common/loop on the real system: files, children, ZeroMQ.
bf_criterion(io_common_file SOURCES io/common/file.c LIBS bf_loop LABELS io)
bf_criterion(io_common_proc
  SOURCES io/common/child.c io/common/proc.c io/common/proc_kill.c LIBS bf_loop LABELS io)
bf_criterion(io_common_zloop
  SOURCES io/common/pair.c io/common/zloop.c io/common/zloop_auth.c LIBS bf_loop LABELS io)
