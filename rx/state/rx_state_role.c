// SPDX-License-Identifier: ISC
#include "rx_state_role.h"

#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>

#include "clock.h"
#include "deliver.h"
#include "log.h"
#include "rx_config.h"
#include "rx_state_age.h"
#include "rx_state_cage.h"
#include "rx_state_file.h"
#include "rx_state_in.h"
#include "rx_state_serve.h"
#include "rx_state_table.h"
#include "stats.h"

/* How soon a stop is noticed, and how often counters reach the page. */
#define STATE_WAIT_NS (50 * CLOCK_NS_PER_MS)
/* How often ages are looked at. */
#define STATE_AGE_NS (250 * CLOCK_NS_PER_MS)
/* How often it is looked for trouble with consumers and for what was dropped; of one channel it is
 * told at most so often. */
#define STATE_LOOK_NS CLOCK_NS_PER_SEC
#define STATE_TELL_NS (10 * CLOCK_NS_PER_SEC)
/* Messages taken for one channel before the others have their turn. */
#define STATE_TURN 256u

/* Per channel; messages where nothing else is said. */
#define STATE_ROWS(X)                                                                      \
	X(ROW_KEYS, "keys")	       /* in the table now */                              \
	X(ROW_STALE, "keys_stale")     /* of these */                                      \
	X(ROW_AGE, "age_ms")	       /* of the newest value */                           \
	X(ROW_UPDATES, "updates")      /* that changed the table */                        \
	X(ROW_REFRESHES, "refreshes")  /* that said nothing new */                         \
	X(ROW_LATE, "late")	       /* older than what was there */                     \
	X(ROW_LOST, "lost")	       /* by the jumps of the numbers */                   \
	X(ROW_MALFORMED, "malformed")  /* dropped: no message of this kind */              \
	X(ROW_FULL, "table_full")      /* dropped: no room in the table */                 \
	X(ROW_EVICTED, "evicted")      /* stale keys that gave way to new ones */          \
	X(ROW_CONSUMERS, "consumers")  /* that are connected now */                        \
	X(ROW_LINES, "lines")	       /* given to them */                                 \
	X(ROW_COALESCED, "coalesced")  /* changes that slow ones did not get */            \
	X(ROW_REFUSED, "refused")      /* consumers that were too many */                  \
	X(ROW_WRITTEN, "file_written") /* times */                                         \
	X(ROW_FAILED, "file_failed")   /* times it could not be */

enum row { STATE_ROWS(STATS_ENUM_ROW) ROW_COUNT };
static const char *const row_names[] = {STATE_ROWS(STATS_NAME_ROW)};
_Static_assert(RX_STATES_MAX *RX_STATE_CONSUMERS < RX_STATE_FD_FIRST,
	       "numbers of consumers");
_Static_assert(RX_STATES_MAX *ROW_COUNT <= STATS_ENTRIES_MAX, "rows of all channels");

struct board {
	const struct rx_config_live *conf;
	struct rx_state_in in;
	struct rx_state_age age;
	struct rx_state_table table;
	struct rx_state_serve serve;
	struct rx_state_file file;
	enum rx_state_alarm alarm;
	uint64_t told_drops, told_coalesced, told_refused;
	uint64_t quiet_ns; /* nothing of these is told before */
	bool more;	   /* it had its turn, and there is more */
};

struct state_role {
	struct rx_config config;
	struct cage cage;
	struct stats_map stats_map;
	struct stats_writer stats;
	char name[RX_STATES_MAX * ROW_COUNT][STATS_NAME_MAX];
	uint64_t page_ns, look_ns, age_ns;
	unsigned boards;
	struct board board[RX_STATES_MAX];
};

static uint64_t drops(const struct board *b)
{
	return b->in.malformed + b->table.counts.full + b->table.counts.evicted;
}

static void resume(struct board *b, const struct stats_writer *page, uint32_t at)
{
	b->in.malformed = stats_get(page, at + ROW_MALFORMED);
	b->in.lost = stats_get(page, at + ROW_LOST);
	b->table.counts = (struct rx_state_counts){
		.updates = stats_get(page, at + ROW_UPDATES),
		.refreshes = stats_get(page, at + ROW_REFRESHES),
		.late = stats_get(page, at + ROW_LATE),
		.full = stats_get(page, at + ROW_FULL),
		.evicted = stats_get(page, at + ROW_EVICTED),
	};
	b->file.written = stats_get(page, at + ROW_WRITTEN);
	b->file.failed = stats_get(page, at + ROW_FAILED);
	b->serve.lines = stats_get(page, at + ROW_LINES);
	b->serve.coalesced = b->told_coalesced = stats_get(page, at + ROW_COALESCED);
	b->serve.refused = b->told_refused = stats_get(page, at + ROW_REFUSED);
	b->told_drops = drops(b);
}

static void store(struct state_role *s, uint64_t now_ns)
{
	for (unsigned i = 0; i < s->boards; i++) {
		struct board *b = &s->board[i];
		const struct rx_state_counts *c = &b->table.counts;
		uint64_t value[ROW_COUNT] = {
			[ROW_KEYS] = b->table.keys - b->table.withdrawn,
			[ROW_STALE] = b->table.stale,
			[ROW_AGE] = (now_ns - b->table.newest_ns) / CLOCK_NS_PER_MS,
			[ROW_UPDATES] = c->updates,
			[ROW_REFRESHES] = c->refreshes,
			[ROW_LATE] = c->late,
			[ROW_LOST] = b->in.lost,
			[ROW_MALFORMED] = b->in.malformed,
			[ROW_FULL] = c->full,
			[ROW_EVICTED] = c->evicted,
			[ROW_CONSUMERS] = b->serve.n,
			[ROW_LINES] = b->serve.lines,
			[ROW_COALESCED] = b->serve.coalesced,
			[ROW_REFUSED] = b->serve.refused,
		};

		rx_state_file_counts(&b->file, &value[ROW_WRITTEN], &value[ROW_FAILED]);

		for (uint32_t row = 0; row < ROW_COUNT; row++)
			stats_set(&s->stats, i * ROW_COUNT + row, value[row]);
	}
}

/* "ch7_updates"; a role before us goes on. */
static int claim(struct state_role *s, struct km_err *err)
{
	const char *names[RX_STATES_MAX * ROW_COUNT];
	uint32_t n = 0;

	for (unsigned i = 0; i < s->boards; i++) {
		for (unsigned row = 0; row < ROW_COUNT; row++, n++) {
			(void)snprintf(s->name[n], STATS_NAME_MAX, "ch%u_%s",
				       s->board[i].conf->number, row_names[row]);
			names[n] = s->name[n];
		}
	}
	if (stats_map_rw(&s->stats_map, RX_FD_STATS, err) != 0 ||
	    stats_claim(&s->stats_map, &s->stats, RX_STATS_STATE, "state", names, n, err) !=
		    0)
		return -1;
	for (unsigned i = 0; i < s->boards; i++)
		resume(&s->board[i], &s->stats, i * ROW_COUNT);
	return 0;
}

static int open_board(struct board *b, const struct rx_config_live *conf, unsigned place,
		      struct km_err *err)
{
	const uint64_t now_ns = clock_mono_ns();
	const struct rx_state_plan plan = {
		.max_keys = conf->max_keys,
		.max_bytes = conf->max_table,
		.stale_ns = conf->stale_ns,
	};
	const int listener = RX_FD_LISTEN + (int)place;

	b->conf = conf;
	b->in.fd = RX_FD_FEED + (int)place;
	b->in.place = (uint16_t)place;
	rx_state_age_init(&b->age, clock_real_ns(), now_ns);
	rx_state_serve_init(&b->serve, conf->name,
			    fcntl(listener, F_GETFD) >= 0 ? listener : -1);
	if (rx_state_table_init(&b->table, &plan, now_ns) != KM_OK)
		return km_err_set(err, EX_OSERR, "channel %s: no memory for its table",
				  conf->name);
	return 0;
}

static int set_up(struct state_role *s, struct role_ctx *ctx, struct km_err *err)
{
	char extra[64];

	if (rx_config_for_role(&s->config, RX_FD_CONFIG, ctx->argc, ctx->argv, err) != 0)
		return -1;
	for (unsigned i = 0; i < s->config.lives; i++)
		if (s->config.live[i].kind == RX_KIND_STATE && s->boards < RX_STATES_MAX &&
		    open_board(&s->board[s->boards++], &s->config.live[i], i, err) != 0)
			return -1;
	for (unsigned i = 0; i < s->boards; i++)
		if (rx_state_file_open(&s->board[i].file, s->board[i].conf, err) != 0)
			return -1;
	if (claim(s, err) != 0)
		return -1;
	role_beat_in(ctx, stats_beat_cell(&s->stats_map, RX_STATS_STATE));
	if (rx_state_cage_take_numbers(err) != 0)
		return -1;
	rx_state_cage(&s->cage, &s->config);
	(void)snprintf(extra, sizeof(extra), "channels %u", s->boards);
	if (role_cage(ctx, &s->cage, err) != 0)
		return -1;
	return role_ready(ctx, extra, err);
}

/* Once when a feed falls silent, once when it stays so, and when it speaks again. */
static void watch(struct board *b, uint64_t now_ns)
{
	const uint64_t age_ns = now_ns - b->table.newest_ns;
	const enum rx_state_alarm next =
		rx_state_alarm_next(b->alarm, age_ns, b->conf->stale_ns);

	if (next == b->alarm)
		return;
	b->alarm = next;
	if (next == RX_STATE_FRESH)
		log_event(EVENT_STATE_FRESH,
			  "values come again channel=%s keys=%" PRIu32 " stale=%" PRIu32,
			  b->conf->name, b->table.keys - b->table.withdrawn,
			  b->table.stale);
	else
		log_event_at(next == RX_STATE_DEAD ? LOG_CRIT : LOG_ERR, EVENT_STATE_STALE,
			     "nothing new comes: what is shown is old channel=%s "
			     "age_ms=%" PRIu64 " stale_after_ms=%" PRIu64 " times=%u",
			     b->conf->name, age_ns / CLOCK_NS_PER_MS,
			     b->conf->stale_ns / CLOCK_NS_PER_MS,
			     next == RX_STATE_DEAD ? 3 : 1);
}

static void tell(struct board *b)
{
	const struct rx_state_serve *v = &b->serve;

	if (drops(b) != b->told_drops)
		log_event(EVENT_STATE_DROPPED,
			  "updates were dropped channel=%s times=%" PRIu64
			  " table_full=%" PRIu64 " malformed=%" PRIu64 " evicted=%" PRIu64,
			  b->conf->name, drops(b) - b->told_drops, b->table.counts.full,
			  b->in.malformed, b->table.counts.evicted);
	if (v->coalesced != b->told_coalesced || v->refused != b->told_refused)
		log_event(EVENT_STATE_CONSUMER,
			  "consumers do not get every change channel=%s coalesced=%" PRIu64
			  " refused=%" PRIu64 " consumers=%u at_most=%u",
			  b->conf->name, v->coalesced - b->told_coalesced,
			  v->refused - b->told_refused, v->n, RX_STATE_CONSUMERS);
	b->told_drops = drops(b);
	b->told_coalesced = v->coalesced;
	b->told_refused = v->refused;
}

static void look(struct state_role *s, bool last, uint64_t now_ns)
{
	for (unsigned i = 0; i < s->boards; i++) {
		struct board *b = &s->board[i];

		if ((drops(b) == b->told_drops && b->serve.coalesced == b->told_coalesced &&
		     b->serve.refused == b->told_refused) ||
		    (now_ns < b->quiet_ns && !last))
			continue;
		b->quiet_ns = now_ns + STATE_TELL_NS;
		tell(b);
	}
}

static enum km_rc tend(struct board *b, uint64_t now_ns)
{
	const enum km_rc rc =
		rx_state_in_take(&b->in, &b->table, &b->age, STATE_TURN, now_ns);

	b->more = rc == KM_OK;
	rx_state_serve_accept(&b->serve, &b->table);
	rx_state_serve_give(&b->serve, &b->table, now_ns);
	return rc == KM_ERR_EMPTY ? KM_OK : rc;
}

static void by_the_clock(struct state_role *s, uint64_t now_ns)
{
	if (now_ns >= s->age_ns) {
		s->age_ns = now_ns + STATE_AGE_NS;
		for (unsigned i = 0; i < s->boards; i++) {
			rx_state_table_age(&s->board[i].table, now_ns);
			watch(&s->board[i], now_ns);
		}
	}
	for (unsigned i = 0; i < s->boards; i++)
		rx_state_file_run(&s->board[i].file, &s->board[i].table, now_ns,
				  clock_real_ns());
	if (now_ns >= s->page_ns) {
		s->page_ns = now_ns + STATE_WAIT_NS;
		store(s, now_ns);
	}
	if (now_ns >= s->look_ns) {
		s->look_ns = now_ns + STATE_LOOK_NS;
		look(s, false, now_ns);
	}
}

static void wait_for_work(struct state_role *s, int control)
{
	struct pollfd fds[1 + RX_STATES_MAX * (2 + RX_STATE_CONSUMERS)];
	unsigned first[RX_STATES_MAX + 1], n = 0;
	bool more = false;

	fds[n++] = (struct pollfd){.fd = control, .events = POLLIN};
	for (unsigned i = 0; i < s->boards; i++) {
		const struct board *b = &s->board[i];

		more = more || b->more || b->serve.more;
		fds[n++] = (struct pollfd){.fd = b->in.fd, .events = POLLIN};
		first[i] = n;
		n += rx_state_serve_poll(&b->serve, fds + n);
	}
	first[s->boards] = n + 1;
	if (poll(fds, n, more ? 0 : (int)(STATE_WAIT_NS / CLOCK_NS_PER_MS)) <= 0)
		return;
	for (unsigned i = 0; i < s->boards; i++)
		rx_state_serve_polled(&s->board[i].serve, fds + first[i],
				      first[i + 1] - 1 - first[i]);
}

static int work(struct state_role *s, struct role_ctx *ctx)
{
	while (!role_stop_requested(ctx)) {
		const uint64_t now_ns = clock_mono_ns();

		for (unsigned i = 0; i < s->boards; i++) {
			const enum km_rc rc = tend(&s->board[i], now_ns);

			if (rc == KM_ERR_CLOSED)
				return EX_OK; /* the supervisor has gone */
			if (rc == KM_OK)
				continue;
			log_event(EVENT_IPC_VIOLATION,
				  "impossible message from the sink channel=%s: %s",
				  s->board[i].conf->name, km_rc_name(rc));
			return EX_PROTOCOL;
		}
		by_the_clock(s, now_ns);
		wait_for_work(s, ctx->control);
	}
	return EX_OK;
}

int rx_state_main(struct role_ctx *ctx)
{
	static struct state_role role; /* too large for the stack */
	struct km_err err = KM_ERR_INIT;
	int code = 0;

	if (set_up(&role, ctx, &err) != 0) {
		if (err.code != 0) /* else told to stop before work began */
			log_event(EVENT_DAEMON_FAILED, "%s", err.text);
		code = err.code;
	} else {
		code = work(&role, ctx);
		look(&role, true, clock_mono_ns());
		store(&role, clock_mono_ns());
	}
	for (unsigned i = 0; i < role.boards; i++) {
		rx_state_file_close(&role.board[i].file);
		rx_state_serve_free(&role.board[i].serve);
		rx_state_table_free(&role.board[i].table);
	}
	stats_unmap(&role.stats_map);
	return code;
}
