// SPDX-License-Identifier: ISC
#include "tx_state_role.h"

#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "lane.h"
#include "log.h"
#include "stats.h"
#include "tx_config.h"
#include "tx_state_cage.h"
#include "tx_state_in.h"
#include "tx_state_out.h"
#include "tx_state_table.h"

/* How soon a stop is noticed, and how often counters reach the page. */
#define STATE_WAIT_NS (50 * CLOCK_NS_PER_MS)
/* How often it is looked whether something was dropped; told of one channel at most so often. */
#define STATE_LOOK_NS CLOCK_NS_PER_SEC
#define STATE_TELL_NS (10 * CLOCK_NS_PER_SEC)
/* Datagrams taken from, and messages given for, one channel before the others have their turn. */
#define STATE_TURN 64u

/* Per channel; messages or datagrams where nothing else is said. */
#define STATE_ROWS(X)                                                                      \
	X(ROW_KEYS, "keys")		  /* in the table now */                           \
	X(ROW_BYTES, "table_bytes")	  /* of keys and values in it */                   \
	X(ROW_UPDATES, "updates")	  /* gone to the source, withdrawals among them */ \
	X(ROW_REFRESHES, "refreshes")	  /* said again */                                 \
	X(ROW_COALESCED, "coalesced")	  /* replaced by a newer value before they left */ \
	X(ROW_TABLE_FULL, "table_full")	  /* dropped: no room in the table */              \
	X(ROW_MALFORMED, "malformed")	  /* dropped: no key, or none that may be */       \
	X(ROW_TOO_LONG, "too_long")	  /* dropped: longer than max_size */              \
	X(ROW_NOT_ALLOWED, "not_allowed") /* dropped: the source is not in allow */        \
	X(ROW_OVERFLOW, "overflow")	  /* dropped: the kernel's queue was full */       \
	X(ROW_FAILED, "failed")		  /* the pair with the source refused it */

enum row { STATE_ROWS(STATS_ENUM_ROW) ROW_COUNT };
static const char *const row_names[] = {STATE_ROWS(STATS_NAME_ROW)};
_Static_assert(TX_STATES_MAX *ROW_COUNT <= STATS_ENTRIES_MAX, "rows of all channels");

struct board {
	const struct tx_config_live *conf;
	struct tx_state_in in;
	struct tx_state_out out;
	struct tx_state_table table;
	uint64_t table_full;
	uint64_t told;	   /* drops when they were last told */
	uint64_t quiet_ns; /* nothing is told before */
	bool full;	   /* the pair takes nothing now */
	bool more;	   /* it had its turn, and there is more */
};

struct state_role {
	struct tx_config config;
	struct cage cage;
	struct stats_map stats_map;
	struct stats_writer stats;
	char name[TX_STATES_MAX * ROW_COUNT][STATS_NAME_MAX];
	uint64_t page_ns, look_ns;
	unsigned boards;
	struct board board[TX_STATES_MAX];
};

static uint64_t drops(const struct board *b)
{
	const struct tx_state_drops *d = &b->in.drops;

	return d->not_allowed + d->malformed + d->too_long + d->overflow + b->table_full +
	       b->out.sent.failed;
}

static void resume(struct board *b, const struct stats_writer *page, uint32_t at)
{
	b->out.sent = (struct tx_state_sent){
		.updates = stats_get(page, at + ROW_UPDATES),
		.refreshes = stats_get(page, at + ROW_REFRESHES),
		.failed = stats_get(page, at + ROW_FAILED),
	};
	b->in.drops = (struct tx_state_drops){
		.not_allowed = stats_get(page, at + ROW_NOT_ALLOWED),
		.malformed = stats_get(page, at + ROW_MALFORMED),
		.too_long = stats_get(page, at + ROW_TOO_LONG),
		.overflow = stats_get(page, at + ROW_OVERFLOW),
	};
	b->table.coalesced = stats_get(page, at + ROW_COALESCED);
	b->table_full = stats_get(page, at + ROW_TABLE_FULL);
	b->told = drops(b);
}

static void store(struct state_role *s)
{
	for (unsigned i = 0; i < s->boards; i++) {
		const struct board *b = &s->board[i];
		const uint64_t value[ROW_COUNT] = {
			[ROW_KEYS] = b->table.keys,
			[ROW_BYTES] = b->table.bytes,
			[ROW_UPDATES] = b->out.sent.updates,
			[ROW_REFRESHES] = b->out.sent.refreshes,
			[ROW_COALESCED] = b->table.coalesced,
			[ROW_TABLE_FULL] = b->table_full,
			[ROW_MALFORMED] = b->in.drops.malformed,
			[ROW_TOO_LONG] = b->in.drops.too_long,
			[ROW_NOT_ALLOWED] = b->in.drops.not_allowed,
			[ROW_OVERFLOW] = b->in.drops.overflow,
			[ROW_FAILED] = b->out.sent.failed,
		};

		for (uint32_t row = 0; row < ROW_COUNT; row++)
			stats_set(&s->stats, i * ROW_COUNT + row, value[row]);
	}
}

/* "ch7_updates"; a role before us goes on. */
static int claim(struct state_role *s, struct km_err *err)
{
	const char *names[TX_STATES_MAX * ROW_COUNT];
	uint32_t n = 0;

	for (unsigned i = 0; i < s->boards; i++) {
		for (unsigned row = 0; row < ROW_COUNT; row++, n++) {
			(void)snprintf(s->name[n], STATS_NAME_MAX, "ch%u_%s",
				       s->board[i].conf->number, row_names[row]);
			names[n] = s->name[n];
		}
	}
	if (stats_map_rw(&s->stats_map, TX_FD_STATS, err) != 0 ||
	    stats_claim(&s->stats_map, &s->stats, TX_STATS_STATE, "state", names, n, err) !=
		    0)
		return -1;
	for (unsigned i = 0; i < s->boards; i++)
		resume(&s->board[i], &s->stats, i * ROW_COUNT);
	return 0;
}

static int open_boards(struct state_role *s, struct km_err *err)
{
	for (unsigned i = 0; i < s->config.lives; i++) {
		const struct tx_config_live *conf = &s->config.live[i];
		const struct tx_state_plan plan = {
			.max_keys = conf->max_keys,
			.max_bytes = conf->max_table,
			.refresh_ns = conf->refresh_ns,
		};
		struct board *b = &s->board[s->boards];

		if (conf->kind != TX_KIND_STATE || s->boards == TX_STATES_MAX)
			continue;
		b->conf = conf;
		tx_state_in_open(&b->in, conf, TX_FD_LISTEN + (int)i);
		b->out.fd = TX_FD_FEED + (int)i;
		if (tx_state_table_init(&b->table, &plan) != KM_OK)
			return km_err_set(err, EX_OSERR,
					  "channel %s: no memory for its table",
					  conf->name);
		s->boards++;
	}
	return 0;
}

static int set_up(struct state_role *s, struct role_ctx *ctx, struct km_err *err)
{
	char extra[64];

	if (tx_config_for_role(&s->config, TX_FD_CONFIG, ctx->argc, ctx->argv, err) != 0 ||
	    open_boards(s, err) != 0 || claim(s, err) != 0)
		return -1;
	role_beat_in(ctx, stats_beat_cell(&s->stats_map, TX_STATS_STATE));
	tx_state_cage(&s->cage, &s->config);
	(void)snprintf(extra, sizeof(extra), "channels %u", s->boards);
	if (role_cage(ctx, &s->cage, err) != 0)
		return -1;
	return role_ready(ctx, extra, err);
}

static void take(struct board *b, uint64_t now_ns)
{
	struct state_message m;
	unsigned taken, sum = 0;

	while (sum < STATE_TURN && tx_state_in_next(&b->in, &m, STATE_TURN - sum, &taken)) {
		sum += taken;
		m.update_ns = clock_real_ns();
		if (tx_state_table_put(&b->table, &m, now_ns) != KM_OK)
			b->table_full++;
		b->full = tx_state_out_run(&b->out, &b->table, STATE_TURN, now_ns) ==
			  KM_ERR_FULL;
	}
}

/* News and those whose turn it is. */
static void give(struct board *b, uint64_t now_ns)
{
	const enum km_rc rc = tx_state_out_run(&b->out, &b->table, STATE_TURN, now_ns);

	b->full = rc == KM_ERR_FULL;
	b->more = rc == KM_ERR_LIMIT;
}

static void tell(struct state_role *s, bool last, uint64_t now_ns)
{
	for (unsigned i = 0; i < s->boards; i++) {
		struct board *b = &s->board[i];
		const struct tx_state_drops *d = &b->in.drops;

		tx_state_in_look(&b->in);
		if (drops(b) == b->told || (now_ns < b->quiet_ns && !last))
			continue;
		log_event(EVENT_STATE_DROPPED,
			  "updates were dropped channel=%s times=%" PRIu64
			  " table_full=%" PRIu64 " malformed=%" PRIu64 " too_long=%" PRIu64
			  " not_allowed=%" PRIu64 " overflow=%" PRIu64 " failed=%" PRIu64,
			  b->conf->name, drops(b) - b->told, b->table_full, d->malformed,
			  d->too_long, d->not_allowed, d->overflow, b->out.sent.failed);
		b->told = drops(b);
		b->quiet_ns = now_ns + STATE_TELL_NS;
	}
}

static void wait_for_work(const struct state_role *s, int control, uint64_t now_ns)
{
	struct pollfd fds[1 + 2 * TX_STATES_MAX];
	uint64_t until_ns = clock_add(now_ns, STATE_WAIT_NS);
	nfds_t n = 0;

	fds[n++] = (struct pollfd){.fd = control, .events = POLLIN};
	for (unsigned i = 0; i < s->boards; i++) {
		const struct board *b = &s->board[i];
		const uint64_t due_ns = b->more ? now_ns : tx_state_table_due(&b->table);

		fds[n++] = (struct pollfd){.fd = b->in.fd, .events = POLLIN};
		if (b->full)
			fds[n++] = (struct pollfd){.fd = b->out.fd, .events = POLLOUT};
		else if (due_ns < until_ns)
			until_ns = due_ns;
	}
	(void)poll(fds, n, clock_poll_ms(until_ns));
}

static int work(struct state_role *s, struct role_ctx *ctx)
{
	for (;;) {
		const bool stop = role_stop_requested(ctx);
		uint64_t now_ns = clock_mono_ns();

		for (unsigned i = 0; i < s->boards; i++) {
			take(&s->board[i], now_ns);
			give(&s->board[i], now_ns);
		}
		if (now_ns >= s->page_ns || stop) {
			s->page_ns = now_ns + STATE_WAIT_NS;
			store(s);
		}
		if (now_ns >= s->look_ns || stop) {
			s->look_ns = now_ns + STATE_LOOK_NS;
			tell(s, stop, now_ns);
		}
		if (stop)
			return EX_OK;
		wait_for_work(s, ctx->control, clock_mono_ns());
	}
}

int tx_state_main(struct role_ctx *ctx)
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
	}
	for (unsigned i = 0; i < role.boards; i++)
		tx_state_table_free(&role.board[i].table);
	stats_unmap(&role.stats_map);
	return code;
}
