// SPDX-License-Identifier: ISC
/*
 * The time of a datagram from one socket to another: one thread sends, one receives, both on
 * this machine and by one clock. What lies between the sockets is not this program's affair.
 *
 *   bench_latency SEND-FD RECEIVE-FD SECONDS INTERVAL-US BYTES
 *
 * SEND-FD is a connected datagram socket, RECEIVE-FD a bound one. Messages leave INTERVAL-US
 * apart, each moved by up to half of that at random, so that no timer on the way stays in
 * step. One JSON object: sent, received, again (a message that came twice), disordered,
 * percentiles in microseconds, and the histogram as [lower bound in us, count], eight bins
 * to the octave.
 */
#include <math.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sysexits.h>
#include <time.h>

#include "bench_rows.h"

#define LATENCY_BYTES_MIN 16u
#define LATENCY_BYTES_MAX 65507u
#define LATENCY_BINS 256
#define LATENCY_PER_OCTAVE 8.0
#define LATENCY_SILENCE_MS 500 /* after the last message nothing more is coming */

struct latency {
	int send_fd, receive_fd;
	uint64_t count, interval_ns, bytes;
	uint64_t *ns; /* of message i; 0: not come */
	uint64_t received, again, disordered, foreign;
	volatile int sent_all;
};

static void latency_die(const char *what)
{
	perror(what);
	exit(EX_OSERR);
}

static void *latency_receive(void *ctx)
{
	struct latency *l = ctx;
	static uint8_t message[LATENCY_BYTES_MAX];
	struct timeval silence = {.tv_usec = LATENCY_SILENCE_MS * 1000};
	uint64_t next = 0;

	if (setsockopt(l->receive_fd, SOL_SOCKET, SO_RCVTIMEO, &silence, sizeof(silence)) <
	    0)
		latency_die("bench_latency: SO_RCVTIMEO");
	while (l->received < l->count) {
		ssize_t n = recv(l->receive_fd, message, sizeof(message), 0);
		uint64_t now = bench_rows_now_ns(), number, then;

		if (n < 0 && l->sent_all)
			break;
		if (n < 0)
			continue;
		memcpy(&number, message, sizeof(number));
		memcpy(&then, message + sizeof(number), sizeof(then));
		if ((uint64_t)n != l->bytes || number >= l->count) {
			l->foreign++;
		} else if (l->ns[number]) {
			l->again++;
		} else {
			l->ns[number] = now - then;
			l->received++;
			l->disordered += number < next;
			next = number + 1;
		}
	}
	return NULL;
}

static void latency_send(struct latency *l)
{
	static uint8_t message[LATENCY_BYTES_MAX];
	uint64_t begin = bench_rows_now_ns(), random = begin;

	prctl(PR_SET_TIMERSLACK, 1);
	for (uint64_t i = 0; i < l->count; i++) {
		uint64_t due, now;
		struct timespec at;

		random = random * UINT64_C(6364136223846793005) + 1442695040888963407u;
		due = begin + i * l->interval_ns +
		      (random >> 33) % (l->interval_ns / 2 + 1);
		at.tv_sec = (time_t)(due / 1000000000u);
		at.tv_nsec = (long)(due % 1000000000u);
		clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &at, NULL);
		now = bench_rows_now_ns();
		memcpy(message, &i, sizeof(i));
		memcpy(message + sizeof(i), &now, sizeof(now));
		if (send(l->send_fd, message, l->bytes, 0) != (ssize_t)l->bytes)
			latency_die("bench_latency: send");
	}
	l->sent_all = 1;
}

static int latency_compare(const void *one, const void *two)
{
	const uint64_t a = *(const uint64_t *)one, b = *(const uint64_t *)two;

	return (a > b) - (a < b);
}

static double latency_at(const uint64_t *sorted, uint64_t n, double share)
{
	uint64_t at = (uint64_t)ceil(share * (double)n);

	return n ? (double)sorted[at ? at - 1 : 0] / 1e3 : 0;
}

static void latency_report(struct latency *l)
{
	static const double shares[] = {0.1, 0.5, 0.9, 0.99, 0.999, 1};
	static const char *const names[] = {"p10", "p50", "p90", "p99", "p999", "max"};
	unsigned bins[LATENCY_BINS] = {0};
	uint64_t n = 0;
	const char *comma = "";

	for (uint64_t i = 0; i < l->count; i++)
		if (l->ns[i])
			l->ns[n++] = l->ns[i];
	qsort(l->ns, n, sizeof(*l->ns), latency_compare);
	printf("{\"sent\": %llu, \"received\": %llu, \"again\": %llu, \"disordered\": "
	       "%llu, "
	       "\"foreign\": %llu",
	       (unsigned long long)l->count, (unsigned long long)n,
	       (unsigned long long)l->again, (unsigned long long)l->disordered,
	       (unsigned long long)l->foreign);
	for (unsigned i = 0; i < sizeof(shares) / sizeof(shares[0]); i++)
		printf(", \"%s\": %.2f", names[i], latency_at(l->ns, n, shares[i]));
	for (uint64_t i = 0; i < n; i++) {
		double bin = floor(log2((double)l->ns[i] / 1e3) * LATENCY_PER_OCTAVE);

		bins[bin < 0 ? 0 : bin >= LATENCY_BINS ? LATENCY_BINS - 1 : (int)bin]++;
	}
	printf(", \"histogram\": [");
	for (unsigned i = 0; i < LATENCY_BINS; i++) {
		if (!bins[i])
			continue;
		printf("%s[%.3f, %u]", comma, exp2(i / LATENCY_PER_OCTAVE), bins[i]);
		comma = ", ";
	}
	printf("]}\n");
}

int main(int argc, char **argv)
{
	struct latency l = {0};
	pthread_t receiver;

	if (argc != 6) {
		fputs("usage: bench_latency SEND-FD RECEIVE-FD SECONDS INTERVAL-US BYTES\n",
		      stderr);
		return EX_USAGE;
	}
	l.send_fd = (int)strtol(argv[1], NULL, 10);
	l.receive_fd = (int)strtol(argv[2], NULL, 10);
	l.interval_ns = strtoull(argv[4], NULL, 10) * 1000;
	l.bytes = strtoull(argv[5], NULL, 10);
	if (!l.interval_ns || l.bytes < LATENCY_BYTES_MIN || l.bytes > LATENCY_BYTES_MAX)
		return EX_USAGE;
	l.count = (uint64_t)(strtod(argv[3], NULL) * 1e9 / (double)l.interval_ns);
	l.ns = calloc(l.count + 1, sizeof(*l.ns));
	if (!l.ns || pthread_create(&receiver, NULL, latency_receive, &l) != 0)
		latency_die("bench_latency");
	latency_send(&l);
	pthread_join(receiver, NULL);
	latency_report(&l);
	free(l.ns);
	return EX_OK;
}
