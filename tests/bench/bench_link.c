// SPDX-License-Identifier: ISC
#include "bench_link.h"

#include <errno.h>
#include <getopt.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sysexits.h>
#include <time.h>

void bench_link_die(const char *what)
{
	fprintf(stderr, "bench_link: %s: %s\n", what, strerror(errno));
	exit(EX_OSERR);
}

void bench_link_refused(const char *text)
{
	fprintf(stderr, "bench_link: %s\n", text);
	exit(EX_OSERR);
}

static uint64_t bench_link_clock(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

uint64_t bench_link_now_ns(void)
{
	return bench_link_clock(CLOCK_MONOTONIC);
}

uint64_t bench_link_cpu_ns(void)
{
	return bench_link_clock(CLOCK_PROCESS_CPUTIME_ID);
}

static void bench_link_usage(void)
{
	fputs("usage: bench_link_send|bench_link_receive --interface IF\n"
	      "  [--framing ethernet|udp] [--mtu N] [--cpu N] [--seconds S] [--sndbuf "
	      "BYTES]\n"
	      "  [--ring-mib N] [--block-kib N] [--rate BIT/S] [--nice N]\n",
	      stderr);
	exit(EX_USAGE);
}

static void bench_link_option(struct bench_link_options *o, int letter)
{
	switch (letter) {
	case 'i':
		o->interface = optarg;
		break;
	case 'f':
		o->udp = strcmp(optarg, "udp") == 0;
		if (!o->udp && strcmp(optarg, "ethernet") != 0)
			bench_link_usage();
		break;
	case 'm':
		o->mtu = (unsigned)strtoul(optarg, NULL, 10);
		break;
	case 'c':
		o->cpu = (int)strtol(optarg, NULL, 10);
		break;
	case 's':
		o->seconds = strtod(optarg, NULL);
		break;
	case 'n':
		o->sndbuf = (unsigned)strtoul(optarg, NULL, 10);
		break;
	case 'r':
		o->ring_mib = (unsigned)strtoul(optarg, NULL, 10);
		break;
	case 'k':
		o->block_kib = (unsigned)strtoul(optarg, NULL, 10);
		break;
	case 'N':
		if (setpriority(PRIO_PROCESS, 0, (int)strtol(optarg, NULL, 10)) < 0)
			bench_link_die("--nice");
		break;
	case 'p':
		o->rate_bps = (uint64_t)strtod(optarg, NULL);
		break;
	default:
		bench_link_usage();
	}
}

static void bench_link_pin(int cpu)
{
	cpu_set_t set;

	if (cpu < 0)
		return;
	CPU_ZERO(&set);
	CPU_SET((unsigned)cpu, &set);
	if (sched_setaffinity(0, sizeof(set), &set) < 0)
		bench_link_die("--cpu");
}

int main(int argc, char **argv)
{
	static const struct option names[] = {
		{"interface", 1, NULL, 'i'},
		{"framing", 1, NULL, 'f'},
		{"mtu", 1, NULL, 'm'},
		{"cpu", 1, NULL, 'c'},
		{"seconds", 1, NULL, 's'},
		{"sndbuf", 1, NULL, 'n'},
		{"ring-mib", 1, NULL, 'r'},
		{"block-kib", 1, NULL, 'k'},
		{"rate", 1, NULL, 'p'},
		{"nice", 1, NULL, 'N'},
		{0},
	};
	struct bench_link_options o = {.mtu = 1500,
				       .cpu = -1,
				       .seconds = 1,
				       .sndbuf = 212992,
				       .ring_mib = 256,
				       .block_kib = 1024};
	int letter;

	while ((letter = getopt_long(argc, argv, "", names, NULL)) != -1)
		bench_link_option(&o, letter);
	if (optind != argc || !o.interface || o.mtu < 64 || o.mtu > 65535 || !o.block_kib ||
	    !o.ring_mib)
		bench_link_usage();
	bench_link_pin(o.cpu);
	return bench_link_run(&o);
}
