// SPDX-License-Identifier: ISC
/*
 * bench_rows: repeat a piece of work, print its figure as one JSON row a line:
 * {"name": ..., "value": median, "unit": ..., "min": ..., "max": ..., "n": ...}.
 * Programs that measure use it; one thread.
 */
#ifndef BENCH_ROWS_H
#define BENCH_ROWS_H

#include <stddef.h>
#include <stdint.h>

#define BENCH_ROWS_SAMPLES_MAX 31u

struct bench_rows {
	unsigned samples;    /* of each row, 1..BENCH_ROWS_SAMPLES_MAX */
	double seconds;	     /* of each sample, at least */
	const char *pattern; /* NULL, or: only rows whose name contains this */
};

/* Does a piece of work once and returns how many bytes it dealt with. */
typedef size_t bench_rows_work_fn(void *ctx);

uint64_t bench_rows_now_ns(void); /* CLOCK_MONOTONIC */

/* --samples N, --seconds S, --cpu N, --only TEXT; exits on anything else (64). */
void bench_rows_options(struct bench_rows *rows, int argc, char **argv);

/* Whether a row of this name is wanted. */
int bench_rows_wanted(const struct bench_rows *rows, const char *name);

/* Print a row of n given samples. */
void bench_rows_print(const char *name, const char *unit, double *samples, unsigned n);

/* Repeat the work, after a first time that does not count, and print GB/s (1e9 bytes). */
void bench_rows_throughput(const struct bench_rows *rows, const char *name,
			   bench_rows_work_fn *work, void *ctx);

#endif
