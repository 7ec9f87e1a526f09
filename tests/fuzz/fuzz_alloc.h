// SPDX-License-Identifier: ISC
/*
 * Allocations that fail: a target calls fuzz_alloc_begin() before its parser and fuzz_alloc_end()
 * behind it. In between, malloc, calloc, realloc, strdup and strndup as called by our own code
 * (linker option --wrap) may return NULL. Which one fails is driver.c's to say, which tries one
 * after the other; under libFuzzer with KM_FUZZ_ALLOC set it follows from the input.
 */
#ifndef FUZZ_ALLOC_H
#define FUZZ_ALLOC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The allocation that fails next time, counted from 1; 0: none. STAY: all behind it too. */
void fuzz_alloc_plan(unsigned nth, bool stay);

/* Whether the target allocated that often since the plan was made. */
bool fuzz_alloc_reached(void);

void fuzz_alloc_begin(const uint8_t *data, size_t size);
/* Returns true when an allocation was refused. */
bool fuzz_alloc_end(void);

/* For code that allocates nothing: from here up to fuzz_alloc_permit() an allocation aborts. */
void fuzz_alloc_forbid(void);
void fuzz_alloc_permit(void);

#endif
