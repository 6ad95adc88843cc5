/* guest.S - takes the files of guest/ into the program, so that it needs no file beside it. */
    .section .note.GNU-stack, "", @progbits
    .section .rodata

.macro embed name, file
    .global \name
    .global \name\()_size
\name:
    .incbin "\file"
\name\()_end:
    .balign 8
\name\()_size:
    .quad \name\()_end - \name
.endm

    embed guest_init, "worker/exec/guest/init"
    embed guest_run, "worker/exec/guest/run"
    embed guest_unit, "worker/exec/guest/bootfarm-test.service"
