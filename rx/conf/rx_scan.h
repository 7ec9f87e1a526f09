// SPDX-License-Identifier: ISC
/*
 * The key `scan`: the command line of the program that looks at objects before they are
 * published. What it is made of, and whether the program may be trusted to be the one that
 * was meant. Pure but for rx_scan_fault(), which looks at the file.
 */
#ifndef RX_SCAN_H
#define RX_SCAN_H

#include <stddef.h>

#include "km_err.h"

#define RX_SCAN_LEN 512u
#define RX_SCAN_WORDS 24u

struct rx_scan_words {
	char text[RX_SCAN_LEN];
	char *word[RX_SCAN_WORDS + 1]; /* into text; the first is the program, NULL ends */
	unsigned n;
};

/* Splits at blanks; there is no quoting. -1: no word, or too many. */
KM_MUST_CHECK int rx_scan_split(struct rx_scan_words *words, const char *command);

/*
 * NULL when the file may be run: an absolute path, a regular executable file of root that
 * nobody else can write or put another in place of. Else what is wrong, static text.
 */
const char *rx_scan_fault(const char *program);

/* The program that the first line of a script names ("#!"), into out[len]; "" when it is none. */
void rx_scan_interpreter(const char *program, char *out, size_t len);

#endif
