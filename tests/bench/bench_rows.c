// SPDX-License-Identifier: ISC
#include "bench_rows.h"

#include <getopt.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <time.h>

uint64_t bench_rows_now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void bench_rows_pin(unsigned cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	if (sched_setaffinity(0, sizeof(set), &set) < 0) {
		perror("--cpu");
		exit(EX_OSERR);
	}
}

void bench_rows_options(struct bench_rows *rows, int argc, char **argv)
{
	static const struct option names[] = {
		{"samples", 1, NULL, 'n'},
		{"seconds", 1, NULL, 's'},
		{"cpu", 1, NULL, 'c'},
		{"only", 1, NULL, 'o'},
		{0},
	};
	int letter;

	*rows = (struct bench_rows){.samples = 3, .seconds = 0.1};
	while ((letter = getopt_long(argc, argv, "", names, NULL)) != -1) {
		if (letter == 'n')
			rows->samples = (unsigned)strtoul(optarg, NULL, 10);
		else if (letter == 's')
			rows->seconds = strtod(optarg, NULL);
		else if (letter == 'c')
			bench_rows_pin((unsigned)strtoul(optarg, NULL, 10));
		else if (letter == 'o')
			rows->pattern = optarg;
		else
			exit(EX_USAGE);
	}
	if (!rows->samples || rows->samples > BENCH_ROWS_SAMPLES_MAX ||
	    rows->seconds <= 0) {
		fputs("--samples 1..31, --seconds above 0\n", stderr);
		exit(EX_USAGE);
	}
}

int bench_rows_wanted(const struct bench_rows *rows, const char *name)
{
	return !rows->pattern || strstr(name, rows->pattern);
}

static int bench_rows_compare(const void *one, const void *two)
{
	double a = *(const double *)one, b = *(const double *)two;

	return (a > b) - (a < b);
}

void bench_rows_print(const char *name, const char *unit, double *samples, unsigned n)
{
	double median;

	qsort(samples, n, sizeof(*samples), bench_rows_compare);
	median = n % 2 ? samples[n / 2] : (samples[n / 2 - 1] + samples[n / 2]) / 2;
	printf("{\"name\": \"%s\", \"value\": %.6g, \"unit\": \"%s\", \"min\": %.6g, "
	       "\"max\": %.6g, \"n\": %u}\n",
	       name, median, unit, samples[0], samples[n - 1], n);
	fflush(stdout);
}

void bench_rows_throughput(const struct bench_rows *rows, const char *name,
			   bench_rows_work_fn *work, void *ctx)
{
	double samples[BENCH_ROWS_SAMPLES_MAX];

	if (!bench_rows_wanted(rows, name))
		return;
	work(ctx);
	for (unsigned i = 0; i < rows->samples; i++) {
		uint64_t begin = bench_rows_now_ns(), now;
		double bytes = 0;

		do {
			bytes += (double)work(ctx);
			now = bench_rows_now_ns();
		} while ((double)(now - begin) < rows->seconds * 1e9);
		samples[i] = bytes / (double)(now - begin);
	}
	bench_rows_print(name, "GB/s", samples, rows->samples);
}
