// SPDX-License-Identifier: ISC
/*
 * A directory of the target's own, in memory where there is one (/dev/shm), gone when the
 * program ends: for parsers that read files. Any failure aborts.
 */
#ifndef FUZZ_DIR_H
#define FUZZ_DIR_H

#include <stddef.h>
#include <stdint.h>

/* Its descriptor and its path; made at the first call. */
int fuzz_dir(void);
const char *fuzz_dir_path(void);

/* Everything below it goes. */
void fuzz_dir_empty(void);

void fuzz_dir_put(const char *name, const void *data, size_t len);

/* One line of the log, given to nobody. */
void fuzz_dir_hush(void);

#endif
