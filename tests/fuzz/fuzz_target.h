// SPDX-License-Identifier: ISC
/*
 * What every fuzz target is: one function, called with any bytes, that returns 0 or aborts.
 * libFuzzer calls it, or driver.c does.
 */
#ifndef FUZZ_TARGET_H
#define FUZZ_TARGET_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Like assert(), but never compiled out. */
#define FUZZ_ASSERT(condition)                                                             \
	do {                                                                               \
		if (!(condition)) {                                                        \
			fprintf(stderr, "%s:%d: %s does not hold\n", __FILE__, __LINE__,   \
				#condition);                                               \
			abort();                                                           \
		}                                                                          \
	} while (0)

#endif
