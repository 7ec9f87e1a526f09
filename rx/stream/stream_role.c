// SPDX-License-Identifier: ISC
#include "stream_role.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "clock.h"
#include "deliver.h"
#include "dial.h"
#include "log.h"
#include "outlet_cage.h"
#include "sink.h"
#include "stream_flow.h"

/* How soon a stop is noticed, and how often counters reach the page. */
#define STREAM_WAIT_NS (50 * CLOCK_NS_PER_MS)
/* When we are to stop: consumers may take what is here, this long. */
#define STREAM_DRAIN_NS (2 * CLOCK_NS_PER_SEC)
/* Messages of one channel in one turn. */
#define STREAM_BATCH 64u
/* Of each channel: its feed and its consumers. */
#define STREAM_FDS (1u + STREAM_MOST)
/* Lines of one kind about single streams: one may have many gaps. */
#define STREAM_LINES 40u

struct channel {
	struct stream_table table;
	uint32_t place; /* among the live channels */
	int feed;
	struct log_limit limit[STREAM_NOTE_MALFORMED + 1];
};

struct stream {
	struct rx_config config;
	struct cage cage;
	struct stats_map stats_map;
	struct stats_writer stats;
	char name[RX_LIVES_MAX * STREAM_COUNT][STATS_NAME_MAX];
	struct channel *channel[RX_LIVES_MAX];
	unsigned channels;
	uint32_t ticket;
	bool deaf; /* the supervisor does not answer as it should */
	struct pollfd fds[1 + RX_LIVES_MAX * STREAM_FDS];
	uint8_t bytes[sizeof(struct sink_head) + WIRE_MESSAGE_MAX];
	struct ipc_msg msg;
};

/* ---- what is said ---- */

static void say_range(struct channel *c, enum event event, const struct stream_note *note,
		      const char *what)
{
	static const struct log_rate rate = {STREAM_LINES, LOG_LIMIT_INTERVAL_NS};

	log_write_rated(&c->limit[note->what], &rate, event_level(event), event,
			"%s channel=%s connection=%" PRIu64 " from=%" PRIu64 " to=%" PRIu64,
			what, c->table.conf->name, note->connection, note->from, note->to);
}

static void say_consumer(struct channel *c, enum event event,
			 const struct stream_note *note, const char *what)
{
	static const struct log_rate rate = {STREAM_LINES, LOG_LIMIT_INTERVAL_NS};

	log_write_rated(&c->limit[note->what], &rate, event_level(event), event,
			"%s channel=%s connection=%" PRIu64 " from=%" PRIu64
			" error=\"%s\"",
			what, c->table.conf->name, note->connection, note->from,
			note->error ? strerrordesc_np(note->error) : "");
}

static void say(void *ctx, const struct stream_note *note)
{
	struct channel *c = ctx;
	const bool mark = c->table.conf->gap == RX_GAP_MARK;

	switch (note->what) {
	case STREAM_NOTE_GAP:
		say_range(c, EVENT_STREAM_GAP, note,
			  mark ? "bytes were lost, and a line says so"
			       : "bytes were lost: its consumer is closed before them");
		break;
	case STREAM_NOTE_LOST:
		say_consumer(c, EVENT_STREAM_GAP, note,
			     "the end of a stream did not come: what is behind `from`, if "
			     "there was anything, is lost");
		break;
	case STREAM_NOTE_JOINED:
		say_range(
			c, EVENT_STREAM_JOINED, note,
			mark ? "a stream is met in its middle, and a line says so"
			     : "a stream is met in its middle: nothing of it is delivered");
		break;
	case STREAM_NOTE_SLOW:
		say_range(c, EVENT_STREAM_SLOW, note,
			  "the consumer does not take what comes: it is cut off, and these "
			  "bytes are dropped");
		break;
	case STREAM_NOTE_BROKEN:
		say_consumer(c, EVENT_STREAM_BROKEN, note,
			     "the consumer has gone, or never came: it lacks all behind "
			     "`from`, perhaps more");
		break;
	case STREAM_NOTE_ABSENT:
		say_consumer(c, EVENT_STREAM_ABSENT, note,
			     "the consumer cannot be reached; it is tried again until "
			     "consumer_buffer is full");
		break;
	case STREAM_NOTE_CROWDED:
		say_consumer(c, EVENT_STREAM_CROWDED, note,
			     "more streams than `connections`: this one is not delivered");
		break;
	case STREAM_NOTE_MALFORMED:
		say_consumer(c, EVENT_STREAM_MALFORMED, note,
			     "a message makes no sense and is dropped");
	}
}

/* ---- set-up ---- */

/* "ch7_opened"; a process before us goes on. */
static int claim(struct stream *s, struct km_err *err)
{
	static const char *const rows[] = {STREAM_COUNTS(STATS_NAME_ROW)};
	const char *names[RX_LIVES_MAX * STREAM_COUNT];
	uint32_t n = 0;

	for (unsigned i = 0; i < s->channels; i++) {
		for (unsigned row = 0; row < STREAM_COUNT; row++, n++) {
			(void)snprintf(s->name[n], STATS_NAME_MAX, "ch%u_%s",
				       s->channel[i]->table.conf->number, rows[row]);
			names[n] = s->name[n];
		}
	}
	if (stats_map_rw(&s->stats_map, RX_FD_STATS, err) != 0 ||
	    stats_claim(&s->stats_map, &s->stats, RX_STATS_STREAM, "stream", names, n,
			err) != 0)
		return -1;
	for (uint32_t at = 0; at < n; at++)
		s->channel[at / STREAM_COUNT]->table.count[at % STREAM_COUNT] =
			stats_get(&s->stats, at);
	for (unsigned i = 0; i < s->channels; i++)
		s->channel[i]->table.count[STREAM_COUNT_OPEN] = 0;
	return 0;
}

static int open_channels(struct stream *s, struct km_err *err)
{
	for (unsigned i = 0; i < s->config.lives; i++) {
		struct channel *c;

		if (s->config.live[i].kind != RX_KIND_STREAM)
			continue;
		c = calloc(1, sizeof(*c));
		if (!c)
			return km_err_set(err, EX_OSERR, "stream: out of memory");
		s->channel[s->channels++] = c;
		c->place = i;
		c->feed = RX_FD_FEED + (int)i;
		stream_table_open(&c->table, &s->config.live[i], say, c);
	}
	return 0;
}

/* Descriptors that there may be beyond those of the start. */
static size_t late(const struct stream *s)
{
	size_t n = 0;

	for (unsigned i = 0; i < s->channels; i++)
		n += stream_table_most(&s->channel[i]->table) + 1u; /* one too late */
	return n;
}

static int set_up(struct stream *s, struct role_ctx *ctx, struct km_err *err)
{
	char extra[64];

	if (rx_config_for_role(&s->config, RX_FD_CONFIG, ctx->argc, ctx->argv, err) != 0 ||
	    open_channels(s, err) != 0 || claim(s, err) != 0 ||
	    cage_lay_apart(late(s), err) != 0)
		return -1;
	role_beat_in(ctx, stats_beat_cell(&s->stats_map, RX_STATS_STREAM));
	outlet_cage(&s->cage, &s->config);
	if (role_cage(ctx, &s->cage, err) != 0)
		return -1;
	(void)snprintf(extra, sizeof(extra), "channels %u", s->channels);
	return role_ready(ctx, extra, err);
}

/* ---- work ---- */

static void store(struct stream *s)
{
	for (uint32_t i = 0; i < s->channels * STREAM_COUNT; i++)
		stats_set(&s->stats, i,
			  s->channel[i / STREAM_COUNT]->table.count[i % STREAM_COUNT]);
}

static bool ask(void *ctx, uint32_t ticket)
{
	const struct channel *c = ctx;
	const struct dial dial = {.place = c->place, .ticket = ticket};

	return ipc_send(RX_FD_DIAL, DIAL_ASK, &dial, sizeof(dial), NULL, 0, 0) == KM_OK;
}

/* Ways to consumers, or why there is none. */
static void take_answers(struct stream *s, uint64_t now_ns)
{
	static const struct ipc_type rows[] = {
		{DIAL_HERE, sizeof(struct dial), 1, "here", NULL},
		{DIAL_NONE, sizeof(struct dial), 0, "none", NULL},
	};
	static const struct ipc_table table = {rows, KM_COUNT(rows)};
	enum km_rc rc;

	while ((rc = ipc_recv(RX_FD_DIAL, &table, &s->msg, 0)) == KM_OK) {
		struct dial dial;
		int fd = ipc_msg_take(&s->msg, 0);
		bool taken = false;

		memcpy(&dial, s->msg.body, sizeof(dial));
		for (unsigned i = 0; i < s->channels && !taken; i++)
			taken = stream_flow_answer(&s->channel[i]->table, dial.ticket, fd,
						   dial.error, now_ns);
		if (!taken)
			km_close(&fd);
	}
	s->deaf = rc != KM_ERR_EMPTY;
}

/* What the sink has for the channel. True: there may be more. */
static bool take_messages(struct stream *s, struct channel *c, uint64_t now_ns)
{
	for (unsigned i = 0; i < STREAM_BATCH; i++) {
		struct sink_head head;
		const ssize_t n = recv(c->feed, s->bytes, sizeof(s->bytes), MSG_DONTWAIT);

		if (n < 0)
			return false;
		if ((size_t)n < sizeof(head))
			continue; /* no sink says that; and it says nothing */
		memcpy(&head, s->bytes, sizeof(head));
		stream_table_take(&c->table, head.session, head.number,
				  s->bytes + sizeof(head), (size_t)n - sizeof(head),
				  now_ns);
	}
	return true;
}

/* True: there may be more to do at once. */
static bool turn(struct stream *s, uint64_t until_ns)
{
	unsigned from[RX_LIVES_MAX] = {0}, n = 0;
	uint64_t now_ns;
	bool more = false;

	s->fds[n++] = (struct pollfd){.fd = RX_FD_DIAL, .events = POLLIN};
	for (unsigned i = 0; i < s->channels; i++) {
		s->fds[n++] = (struct pollfd){.fd = s->channel[i]->feed, .events = POLLIN};
		from[i] = n;
		n += stream_flow_poll(&s->channel[i]->table, s->fds + n, &until_ns);
	}
	if (poll(s->fds, n, clock_poll_ms(until_ns)) < 0 && errno != EINTR)
		return false;
	now_ns = clock_mono_ns();
	/* consumers first: what they take makes room for what comes */
	for (unsigned i = 0; i < s->channels; i++) {
		struct channel *c = s->channel[i];

		stream_flow_run(&c->table, s->fds + from[i], ask, c, &s->ticket, now_ns);
		if (s->fds[from[i] - 1].revents)
			more |= take_messages(s, c, now_ns);
	}
	if (s->fds[0].revents)
		take_answers(s, now_ns);
	return more;
}

static bool idle(const struct stream *s)
{
	for (unsigned i = 0; i < s->channels; i++)
		if (!stream_flow_idle(&s->channel[i]->table))
			return false;
	return true;
}

static int work(struct stream *s, struct role_ctx *ctx)
{
	uint64_t page_ns = 0, limit_ns = UINT64_MAX;

	for (;;) {
		const uint64_t now_ns = clock_mono_ns();
		bool more;

		if (now_ns >= page_ns) {
			page_ns = now_ns + STREAM_WAIT_NS;
			store(s);
			if (limit_ns == UINT64_MAX && role_stop_requested(ctx))
				limit_ns = now_ns + STREAM_DRAIN_NS;
		}
		more = turn(s, page_ns);
		if (s->deaf)
			return EX_OSERR; /* a fresh process has a fresh socket */
		/* the sink has ended before us: what it had for us is here */
		if (limit_ns != UINT64_MAX && ((!more && idle(s)) || now_ns >= limit_ns))
			return EX_OK;
	}
}

int stream_main(struct role_ctx *ctx)
{
	static struct stream stream; /* too large for the stack */
	struct km_err err = KM_ERR_INIT;
	int code;

	if (set_up(&stream, ctx, &err) != 0) {
		if (err.code == 0)
			return 0; /* told to stop before work began */
		log_event(EVENT_DAEMON_FAILED, "%s", err.text);
		return err.code;
	}
	code = work(&stream, ctx);
	store(&stream);
	stats_unmap(&stream.stats_map);
	return code;
}
