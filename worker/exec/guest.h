/* guest.h - the programs that run in the guest (guest/), as bytes. */
#ifndef BF_EXEC_GUEST_H
#define BF_EXEC_GUEST_H

#include <stddef.h>

extern const char guest_init[], guest_run[], guest_unit[];
extern const size_t guest_init_size, guest_run_size, guest_unit_size;

#endif
