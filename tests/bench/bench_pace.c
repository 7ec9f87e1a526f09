// SPDX-License-Identifier: ISC
/*
 * bench_pace INTERFACE MTU RATE SECONDS RUNS NAME: frames of one size through the product's
 * pacer and link_packet, in the loop of tx/sender; prints NAME.error, the per cent that the
 * interface's count of bytes is off the rate, and NAME.cpu, the processor time in cores.
 */
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sysexits.h>
#include <time.h>

#include "bench_rows.h"
#include "clock.h"
#include "link_packet.h"
#include "pace.h"

#define ETHER 14u
#define RUNS_MAX BENCH_ROWS_SAMPLES_MAX

struct bench {
	const char *interface;
	uint32_t frame; /* bytes, Ethernet header included */
	uint64_t rate;
	struct link_packet link;
	uint8_t *bytes;
	struct iovec frames[LINK_PACKET_BATCH];
};

static void die(const char *what)
{
	fprintf(stderr, "bench_pace: %s: %s\n", what, strerror(errno));
	exit(EX_OSERR);
}

static uint64_t interface_bytes(const struct bench *b)
{
	char path[128];
	uint64_t value = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/sys/class/net/%s/statistics/tx_bytes", b->interface);
	f = fopen(path, "re");
	if (!f || fscanf(f, "%" SCNu64, &value) != 1)
		die(path);
	(void)fclose(f);
	return value;
}

static uint64_t cpu_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (uint64_t)t.tv_sec * CLOCK_NS_PER_SEC + (uint64_t)t.tv_nsec;
}

static void open_link(struct bench *b)
{
	static const uint8_t head[ETHER] = {3,	  0x4b, 0x4d, 0, 0, 1,	  2,
					    0x4b, 0x4d, 0,    0, 1, 0x88, 0xb5};
	struct km_err err = KM_ERR_INIT;

	if (link_packet_open(&b->link, b->interface, b->frame <= 1514 ? 212992 : 1000000,
			     &err) < 0) {
		fprintf(stderr, "bench_pace: %s\n", err.text);
		exit(err.code);
	}
	b->bytes = calloc(1, b->frame);
	if (!b->bytes)
		die("memory");
	memcpy(b->bytes, head, sizeof(head));
	for (unsigned i = 0; i < LINK_PACKET_BATCH; i++)
		b->frames[i] = (struct iovec){.iov_base = b->bytes, .iov_len = b->frame};
	if (prctl(PR_SET_TIMERSLACK, 1, 0, 0, 0) != 0)
		die("timer slack");
}

static void send_now(struct bench *b, struct pace *p, uint64_t now)
{
	uint64_t n = pace_allowance(p, now) / b->frame;
	unsigned done;

	if (n > LINK_PACKET_BATCH)
		n = LINK_PACKET_BATCH;
	if (link_packet_send(&b->link, b->frames, (unsigned)n, &done) != KM_OK)
		die("sending");
	pace_sent(p, (uint64_t)done * b->frame);
}

/* One run: per cent off the rate, and processor time in cores. */
static void run(struct bench *b, double seconds, double *off, double *cpu)
{
	uint64_t begin = clock_mono_ns(), end = begin + (uint64_t)(seconds * 1e9),
		 now = begin;
	uint64_t before = interface_bytes(b), busy = cpu_ns();
	struct pace p;
	double span, want;

	pace_init(&p, b->rate, b->frame, PACE_BURST_FRAMES, begin);
	while (now < end) {
		uint64_t until = pace_until_ns(&p, now);

		if (until > 0)
			clock_wait_until(now, until);
		else
			send_now(b, &p, now);
		now = clock_mono_ns();
	}
	span = (double)(now - begin) / 1e9;
	want = (double)b->rate / 8 * span;
	*off = fabs(((double)(interface_bytes(b) - before) - want) / want * 100);
	*cpu = (double)(cpu_ns() - busy) / 1e9 / span;
}

static void report(const char *name, const char *what, const char *unit, double *samples,
		   unsigned n)
{
	char full[128];

	snprintf(full, sizeof(full), "%s.%s", name, what);
	bench_rows_print(full, unit, samples, n);
}

int main(int argc, char **argv)
{
	double off[RUNS_MAX], cpu[RUNS_MAX], seconds;
	struct bench b = {.interface = argv[1]};
	unsigned runs;

	if (argc != 7) {
		fputs("usage: bench_pace INTERFACE MTU BIT/S SECONDS RUNS NAME\n", stderr);
		return EX_USAGE;
	}
	b.frame = (uint32_t)strtoul(argv[2], NULL, 10) + ETHER;
	b.rate = strtoull(argv[3], NULL, 10);
	seconds = strtod(argv[4], NULL);
	runs = (unsigned)strtoul(argv[5], NULL, 10);
	if (b.frame < 64 || b.frame > 65536 || b.rate == 0 || runs < 1 || runs > RUNS_MAX)
		return EX_USAGE;
	open_link(&b);
	for (unsigned i = 0; i < runs; i++)
		run(&b, seconds, &off[i], &cpu[i]);
	report(argv[6], "error", "%", off, runs);
	report(argv[6], "cpu", "cores", cpu, runs);
	link_packet_close(&b.link);
	free(b.bytes);
	return EX_OK;
}
