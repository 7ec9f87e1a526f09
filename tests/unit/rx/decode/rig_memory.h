// SPDX-License-Identifier: ISC
/*
 * Memory that outlives a rig: a fuzzer makes a receiver for each input, and new pages cost
 * several times what the receiver does. rig_memory.c also stands in for rx_arena.c wherever a
 * rig is linked (the linker takes the first that offers a symbol), so that the engine's own
 * memory is kept too. What is handed out is zero, as a fresh mapping is.
 */
#ifndef RIG_MEMORY_H
#define RIG_MEMORY_H

#include <stddef.h>

/* LEN zero bytes, aligned to a page; aborts when there are none. */
void *rig_memory_take(size_t len);

/* For the next one of the same length, or unmapped. */
void rig_memory_give(void *p, size_t len);

/* The same where only the first USED bytes were written, and the last page: these are zeroed now. */
void rig_memory_give_used(void *p, size_t len, size_t used);

#endif
