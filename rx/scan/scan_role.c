// SPDX-License-Identifier: ISC
#include "scan_role.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "clock.h"
#include "deliver.h"
#include "log.h"
#include "rx_config.h"
#include "scan.h"
#include "scan_cage.h"
#include "scan_run.h"
#include "stats.h"

/* As many as publish may ask for at once; beyond it the socket is not read. */
#define SCAN_RUNS (WIRE_CHANNELS_MAX * SCAN_JOBS_MAX)

/* Descriptors: two of each run and its object on the way, and some. */
#define SCAN_DESCRIPTORS (2 * SCAN_RUNS + 64)

/* Messages handled before programs are looked at again. */
#define SCAN_MESSAGES 64u

#define SCAN_STOP_NS (500 * CLOCK_NS_PER_MS)

struct scan {
	struct rx_config config;
	struct cage cage;
	struct stats_map stats_map;
	struct rx_scan_words words[WIRE_CHANNELS_MAX]; /* as config.channel[] */
	struct scan_run run[SCAN_RUNS];
	unsigned used; /* slots from here on are free */
	bool greeted;
	struct pollfd fds[2 + 2 * SCAN_RUNS];
	struct ipc_msg msg;
};

static int split_commands(struct scan *s, struct km_err *err)
{
	for (unsigned i = 0; i < s->config.channels; i++) {
		const struct rx_config_channel *c = &s->config.channel[i];
		const char *fault;

		if (c->scan[0] == '\0')
			continue;
		if (rx_scan_split(&s->words[i], c->scan) != 0)
			return km_err_set(err, EX_CONFIG, "channel %s: scan = %s", c->name,
					  c->scan);
		fault = rx_scan_fault(s->words[i].word[0]);
		if (fault)
			return km_err_set(err, EX_CONFIG, "channel %s: scan: %s %s",
					  c->name, s->words[i].word[0], fault);
	}
	return 0;
}

/* Nothing is counted there, but a beat tells a loop that goes round from one that hangs. */
static int claim(struct scan *s, struct role_ctx *ctx, struct km_err *err)
{
	struct stats_writer none;

	if (stats_map_rw(&s->stats_map, RX_FD_STATS, err) != 0 ||
	    stats_claim(&s->stats_map, &none, RX_STATS_SCAN, "scan", NULL, 0, err) != 0)
		return -1;
	role_beat_in(ctx, stats_beat_cell(&s->stats_map, RX_STATS_SCAN));
	(void)close(RX_FD_STATS); /* a program at work has no use for it */
	return 0;
}

static int set_up(struct scan *s, struct role_ctx *ctx, struct km_err *err)
{
	const struct rlimit files = {SCAN_DESCRIPTORS, SCAN_DESCRIPTORS};
	struct rlimit now;
	unsigned programs = 0;
	char extra[64];

	if (rx_config_for_role(&s->config, RX_FD_CONFIG, ctx->argc, ctx->argv, err) != 0 ||
	    split_commands(s, err) != 0 || claim(s, ctx, err) != 0)
		return -1;
	/* fewer than that only where the host allows no more: then fork fails, and is told */
	if (getrlimit(RLIMIT_NOFILE, &now) == 0 && now.rlim_max >= files.rlim_cur)
		(void)setrlimit(RLIMIT_NOFILE, &files);
	for (unsigned i = 0; i < s->config.channels; i++)
		programs += s->words[i].n > 0;
	scan_cage(&s->cage, &s->config);
	(void)snprintf(extra, sizeof(extra), "channels to scan %u", programs);
	if (role_cage(ctx, &s->cage, err) != 0)
		return -1;
	return role_ready(ctx, extra, err);
}

/* The first slot that is free; NULL: none. */
static struct scan_run *free_run(struct scan *s)
{
	for (unsigned i = 0; i < s->used; i++)
		if (scan_run_is_free(&s->run[i]))
			return &s->run[i];
	return s->used < SCAN_RUNS ? &s->run[s->used++] : NULL;
}

static void start(struct scan *s, struct scan_run *run, const struct scan_ask *ask,
		  int object)
{
	unsigned i = 0;

	while (i < s->config.channels && s->config.channel[i].number != ask->channel)
		i++;
	if (i < s->config.channels && s->words[i].n > 0) {
		const struct scan_program program = {
			.cage = &s->cage,
			.words = &s->words[i],
			.timeout_ns = s->config.channel[i].scan_timeout_ns,
		};

		(void)!scan_run_start(run, ask->ticket, &program, object);
		return;
	}
	*run = (struct scan_run){
		.pidfd = -1,
		.out = -1,
		.answered = true,
		.answer = {.ticket = ask->ticket,
			   .verdict = SCAN_ERROR,
			   .text = "asked about a channel without scan"},
	};
}

static void drop_all(struct scan *s)
{
	for (unsigned i = 0; i < s->used; i++)
		scan_run_drop(&s->run[i]);
	s->used = 0;
}

/* One message of publish. KM_ERR_EMPTY: none waits. */
static enum km_rc take_message(struct scan *s)
{
	static const struct ipc_type rows[] = {SCAN_TO_SCAN_ROWS};
	static const struct ipc_table table = {rows, KM_COUNT(rows)};
	struct scan_run *run = free_run(s);
	struct scan_ask ask;
	enum km_rc rc;
	int object;

	if (!run)
		return KM_ERR_EMPTY;
	rc = ipc_recv(RX_FD_SCAN, &table, &s->msg, 0);
	if (rc != KM_OK)
		return rc;
	if (s->msg.type == SCAN_BEGIN) {
		drop_all(s);
		return KM_OK;
	}
	memcpy(&ask, s->msg.body, sizeof(ask));
	object = ipc_msg_take(&s->msg, 0);
	/* what waited for a role that died is asked again by publish */
	if (s->greeted)
		start(s, run, &ask, object);
	km_close(&object);
	return KM_OK;
}

/* True when something waits to be sent. */
static bool send_answers(struct scan *s)
{
	bool waits = false;

	for (unsigned i = 0; i < s->used && !waits; i++) {
		struct scan_run *run = &s->run[i];
		enum km_rc rc;

		if (!run->answered)
			continue;
		rc = ipc_send(RX_FD_SCAN, SCAN_ANSWER, &run->answer, sizeof(run->answer),
			      NULL, 0, 0);
		waits = rc == KM_ERR_FULL;
		run->answered = waits;
	}
	return waits;
}

/* Sleeps until something is to be done: a stop, a message, output, an end, a time limit. */
static void wait_for_work(struct scan *s, int control, bool answers)
{
	const bool room = free_run(s) != NULL;
	uint64_t until_ns = clock_add(clock_mono_ns(), SCAN_STOP_NS);
	nfds_t n = 2;

	s->fds[0] = (struct pollfd){.fd = control, .events = POLLIN};
	s->fds[1] = (struct pollfd){
		.fd = RX_FD_SCAN,
		.events = (short)((room ? POLLIN : 0) | (answers ? POLLOUT : 0))};
	for (unsigned i = 0; i < s->used; i++) {
		const struct scan_run *run = &s->run[i];

		if (run->pid == 0)
			continue;
		s->fds[n++] = (struct pollfd){.fd = run->pidfd, .events = POLLIN};
		s->fds[n++] = (struct pollfd){.fd = run->out, .events = POLLIN};
		if (!run->timed_out && run->until_ns < until_ns)
			until_ns = run->until_ns;
	}
	(void)poll(s->fds, n, clock_poll_ms(until_ns));
}

static void tend(struct scan *s)
{
	const uint64_t now_ns = clock_mono_ns();

	for (unsigned i = 0; i < s->used; i++) {
		scan_run_read(&s->run[i]);
		scan_run_limit(&s->run[i], now_ns);
		scan_run_reap(&s->run[i], now_ns);
	}
	while (s->used > 0 && scan_run_is_free(&s->run[s->used - 1]))
		s->used--;
}

static int work(struct scan *s, struct role_ctx *ctx)
{
	enum km_rc rc;

	while (!role_stop_requested(ctx)) {
		unsigned messages = 0;

		do {
			rc = take_message(s);
		} while (rc == KM_OK && ++messages < SCAN_MESSAGES);
		if (rc == KM_ERR_MALFORMED)
			return EX_PROTOCOL; /* said; the socket may hold anything */
		if (rc == KM_ERR_CLOSED)
			return EX_OK; /* the supervisor has gone */
		if (rc == KM_ERR_EMPTY && !s->greeted)
			s->greeted = ipc_send(RX_FD_SCAN, SCAN_HELLO, NULL, 0, NULL, 0,
					      0) == KM_OK;
		tend(s);
		wait_for_work(s, ctx->control, send_answers(s) || !s->greeted);
	}
	return EX_OK;
}

int scan_main(struct role_ctx *ctx)
{
	static struct scan scan; /* too large for the stack */
	struct km_err err = KM_ERR_INIT;
	int code;

	if (set_up(&scan, ctx, &err) != 0) {
		if (err.code == 0)
			return 0; /* told to stop before work began */
		log_event(EVENT_DAEMON_FAILED, "%s", err.text);
		return err.code;
	}
	code = work(&scan, ctx);
	drop_all(&scan);
	return code;
}
