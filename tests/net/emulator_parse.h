// SPDX-License-Identifier: ISC
/*
 * From text to a schedule: the values of km-linkemu's impairment options, which are also
 * the lines of its control input ("loss 1%" is what `--loss 1%` is). One thread; the only
 * I/O is reading the file of `drop-list`.
 *
 * On refusal functions return -1 and leave one sentence in @why (at most @why_bytes,
 * terminated); the schedule is then unchanged, except that a drop list may be partly
 * read.
 */
#ifndef EMULATOR_PARSE_H
#define EMULATOR_PARSE_H

#include <stddef.h>
#include <stdint.h>

#include "emulator_model.h"

/* A whole number, decimal or 0x..., nothing behind it. */
int emulator_parse_u64(const char *text, uint64_t *value);

/* Set what @key names ("loss", "ge", "burst", "every", "drop-list", "drop-if", "dup",
 * "reorder", "corrupt", "truncate", "drop") to @value. `off` ends ge. A burst without @X
 * starts at data frame @next. */
int emulator_parse_set(struct emulator_schedule *s, const char *key, const char *value,
		       uint64_t next, char *why, size_t why_bytes);

#endif
