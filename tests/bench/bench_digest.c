// SPDX-License-Identifier: ISC
/*
 * bench_digest: SHA-256 of many messages, by every kernel that this machine has. A measuring
 * instrument, not a test: it fails only when a digest is not libcrypto's.
 *
 *   bench_digest [--json] [--quick] [--only PREFIX]
 *
 * One JSON object a line: name, value (median), unit, min, max, n (runs), command. GB/s are
 * 1e9 bytes in a second of CPU time.
 *
 *   digest.sha256.KERNEL.leaf      64 leaves of 1 MiB, out of the caches, as tree digests are
 *   digest.sha256.KERNEL.near      64 pieces of 16 KiB, in the second-level cache
 *   digest.sha256.KERNEL.4KiB      1,024 messages of 4 KiB: small files side by side
 *   digest.sha256.KERNEL.mixed     1,024 messages of 0 to 32 KiB in no order
 *
 * KERNEL: libcrypto, shani2, avx512, and `served`, what digest_init() chose.
 */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <time.h>

#include "digest_kern.h"

enum {
	RUNS_MAX = 15,
	MESSAGES = 1024,
	LEAVES = 64,
	NEAR_BYTES = 16 << 10,
	SMALL_BYTES = 4 << 10,
	MIXED_BYTES = 32 << 10,
	BYTES = LEAVES << 20,
};

static struct {
	bool quick;
	const char *only;
} opt = {.only = ""};

static uint8_t *bytes;
static uint8_t digests[MESSAGES][DIGEST_LEN];

struct shape {
	const char *name;
	unsigned n;
	size_t each;
	bool mixed;
};

static const struct shape shapes[] = {
	{"leaf", LEAVES, 1 << 20, false},
	{"near", LEAVES, NEAR_BYTES, false},
	{"4KiB", MESSAGES, SMALL_BYTES, false},
	{"mixed", MESSAGES, MIXED_BYTES, true},
};

static void give_up(const char *what)
{
	fprintf(stderr, "bench_digest: %s\n", what);
	exit(EX_SOFTWARE);
}

static double cpu_s(void)
{
	struct timespec t;

	if (clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t) != 0)
		give_up("no clock of CPU time");
	return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static int by_value(const void *a, const void *b)
{
	const double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

/* The messages of a shape, one behind the other; returns their bytes in all. */
static size_t make_jobs(const struct shape *shape, struct digest_job *jobs)
{
	uint32_t seed = 7;
	size_t at = 0;

	for (unsigned i = 0; i < shape->n; i++) {
		size_t len = shape->each;

		if (shape->mixed) {
			seed = seed * 1664525u + 1013904223u;
			len = (seed >> 8) % (shape->each + 1);
		}
		jobs[i] = (struct digest_job){bytes + at, len, digests[i]};
		at += len;
	}
	return at;
}

static void prove(const struct digest_serve *serve, const struct digest_job *jobs,
		  unsigned n)
{
	uint8_t want[DIGEST_LEN];

	digest_many_by(serve, jobs, n);
	for (unsigned i = 0; i < n; i++) {
		digest_sha256(want, jobs[i].p, jobs[i].len);
		if (memcmp(want, jobs[i].out, DIGEST_LEN) != 0)
			give_up("a digest is not libcrypto's");
	}
}

static void print(const char *name, double *rate, unsigned runs)
{
	qsort(rate, runs, sizeof(*rate), by_value);
	printf("{\"name\": \"%s\", \"value\": %.3f, \"unit\": \"GB/s\", \"min\": "
	       "%.3f, "
	       "\"max\": %.3f, \"n\": %u, \"command\": \"bench_digest "
	       "--json%s\"}\n",
	       name, rate[runs / 2], rate[0], rate[runs - 1], runs,
	       opt.quick ? " --quick" : "");
	fflush(stdout);
}

static void measure(const char *kernel, const struct digest_serve *serve,
		    const struct shape *shape)
{
	static struct digest_job jobs[MESSAGES];
	const unsigned runs = opt.quick ? 5 : RUNS_MAX;
	const double least = opt.quick ? 0.01 : 0.05;
	const size_t total = make_jobs(shape, jobs);
	double rate[RUNS_MAX];
	char name[64];

	snprintf(name, sizeof(name), "digest.sha256.%s.%s", kernel, shape->name);
	if (strncmp(name, opt.only, strlen(opt.only)) != 0)
		return;
	prove(serve, jobs, shape->n);
	for (unsigned run = 0; run < runs; run++) {
		const double start = cpu_s();
		double end = start;
		unsigned times = 0;

		while (times == 0 || end - start < least) {
			digest_many_by(serve, jobs, shape->n);
			times++;
			end = cpu_s();
		}
		rate[run] = (double)total * times / (end - start) / 1e9;
	}
	print(name, rate, runs);
}

static void all_shapes(const char *kernel, const struct digest_serve *serve)
{
	for (unsigned i = 0; i < KM_COUNT(shapes); i++)
		measure(kernel, serve, &shapes[i]);
}

static void options(int argc, char **argv)
{
	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "--json") == 0) {
			continue; /* nothing else is printed */
		} else if (strcmp(argv[i], "--quick") == 0) {
			opt.quick = true;
		} else if (strcmp(argv[i], "--only") == 0 && i + 1 < argc) {
			opt.only = argv[++i];
		} else {
			fputs("bench_digest [--json] [--quick] [--only PREFIX]\n", stderr);
			exit(EX_USAGE);
		}
	}
}

int main(int argc, char **argv)
{
	struct digest_serve serve = {NULL, NULL};
	struct digest_choice choice;

	options(argc, argv);
	bytes = malloc(BYTES);
	if (!bytes)
		give_up("out of memory");
	for (size_t i = 0; i < BYTES; i++)
		bytes[i] = (uint8_t)(i >> 12 ^ i * 31);
	if (digest_init(DIGEST_KERNEL_AUTO, &choice) != KM_OK)
		give_up("no kernel");
	all_shapes("libcrypto", &serve);
	for (unsigned i = DIGEST_KERNEL_SHANI2; i < DIGEST_KERNEL_COUNT; i++) {
		if (choice.verdict[i] != DIGEST_VERDICT_CHOSEN)
			continue;
		serve = (struct digest_serve){.wide = digest_ops_of((enum digest_kernel)i)};
		all_shapes(serve.wide->name, &serve);
	}
	serve = digest_serve_now();
	all_shapes("served", &serve);
	free(bytes);
	return EX_OK;
}
