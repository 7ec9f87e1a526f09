// SPDX-License-Identifier: ISC
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "clock.h"
#include "control.h"
#include "crew.h"
#include "files.h"
#include "lane_out.h"
#include "live.h"
#include "log.h"
#include "source.h"
#include "tickets.h"
#include "tx_session.h"

/* Longest sleep while a lane is full. */
#define SOURCE_FULL_NS (2 * CLOCK_NS_PER_MS)

enum source_phase {
	SOURCE_RUN,
	SOURCE_ROTATE,	 /* windows are being finished for a new session */
	SOURCE_STOP,	 /* the same for the end */
	SOURCE_FAREWELL, /* last heartbeats */
	SOURCE_STOPPED,
};

struct source {
	const struct tx_config *config;
	struct counts counts;
	struct lanes lanes;
	struct lane_out *out; /* the loop's: worker 0 */
	struct crew crew;     /* the other workers */
	struct control control;
	struct tx_session session;
	struct readahead readahead;
	struct files *files[WIRE_CHANNELS_MAX];
	unsigned files_count;
	struct live live;
	unsigned turn[LANE_COUNT]; /* round robin: who goes first in its class */
	struct tickets tickets;
	struct files *resending; /* channel that works off the ticket in hand */
	int state;		 /* STATE, owned */
	enum source_phase phase;
	bool stop_wanted;
	bool renew_wanted;    /* a session under the keys that the signer has now */
	uint64_t deadline_ns; /* of rotating or stopping */
	unsigned farewells;
	uint64_t farewell_ns;
};

/* A new session, the first or a later one. */
static int begin_session(struct source *s, bool rewind, struct km_err *err)
{
	crew_halt(&s->crew, rewind);
	if (tx_session_begin(&s->session, err) != 0)
		return -1;
	s->renew_wanted = false;
	s->counts.sessions++;
	control_session(&s->control, s->session.announce, s->session.announce_len,
			clock_mono_ns());
	for (unsigned i = 0; i < s->files_count; i++)
		files_session(s->files[i], rewind);
	crew_session(&s->crew);
	live_session(&s->live);
	log_event(EVENT_SESSION_BEGUN, "session begun epoch=%" PRIu64 " tag=%08" PRIx32,
		  s->session.epoch, s->out->tag);
	return 0;
}

static int open_lanes(struct source *s, const struct source_setup *setup,
		      struct km_err *err)
{
	const struct tx_config *c = setup->config;
	const struct lane_out_memory memory = {
		.index = setup->index,
		.index_len = setup->index_len,
		.slots = setup->slots,
		.slots_len = setup->slots_len,
	};
	uint8_t ether[WIRE_ETHER_VLAN_LEN];

	tx_config_link_header(c, ether);
	/* framing udp: the sender writes the headers of a whole train */
	if (lanes_open(&s->lanes, &setup->plan, &memory, ether,
		       c->framing == TX_FRAMING_UDP ? 0 : tx_config_link_header_len(c),
		       err) != 0)
		return -1;
	s->out = &s->lanes.out[0];
	if (control_open(&s->control, &s->lanes, &s->counts, tx_config_symbol_size(c),
			 c->digest, setup->flags, setup->port_fd, err) != 0)
		return -1;
	tx_session_init(&s->session, setup->signer, &s->lanes, c->digest, c->session_ns);
	return crew_open(&s->crew, c, &s->lanes, &s->control, &s->counts, err);
}

static int open_all(struct source *s, const struct source_setup *setup, struct km_err *err)
{
	const struct tx_config *c = setup->config;

	if (open_lanes(s, setup, err) != 0)
		return -1;
	s->state = open(c->state_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (s->state < 0)
		return km_err_set_errno(
			err, EX_NOINPUT,
			"state_dir %s cannot be opened: make it, writable for the "
			"source's user",
			c->state_dir);
	if (tickets_open(&s->tickets, s->state, err) != 0)
		return -1;
	/* Sixteen leaves at once are some 10 ms in which no datagram would be looked at. */
	readahead_init(&s->readahead, c->lives > 0 ? 0 : c->read_ahead);
	for (unsigned i = 0; i < c->channels; i++) {
		s->files[i] = files_open(c, &c->channel[i], s->state, &s->lanes, &s->crew,
					 &s->control, &s->session, &s->counts,
					 &s->readahead, setup->software, err);
		if (!s->files[i])
			return -1;
		s->files_count++;
	}
	return live_open(&s->live, c, setup->datagram_fds, s->out, &s->control, &s->counts,
			 err);
}

int source_begin(struct source *s, struct km_err *err)
{
	if (begin_session(s, false, err) != 0)
		return -1;
	for (unsigned i = 0; i < s->files_count; i++) {
		if (files_start(s->files[i], err) != 0)
			return -1;
	}
	return 0;
}

struct source *source_new(const struct source_setup *setup, struct km_err *err)
{
	struct source *s = calloc(1, sizeof(*s));

	if (!s) {
		km_err_set(err, EX_OSERR, "source: out of memory");
		return NULL;
	}
	s->config = setup->config;
	s->state = s->tickets.dir = -1;
	if (open_all(s, setup, err) != 0) {
		source_free(s);
		return NULL;
	}
	return s;
}

void source_free(struct source *s)
{
	if (!s)
		return;
	crew_close(&s->crew);
	for (unsigned i = 0; i < s->files_count; i++)
		files_close(s->files[i]);
	live_close(&s->live);
	readahead_close(&s->readahead);
	tickets_close(&s->tickets);
	control_close(&s->control);
	lanes_close(&s->lanes);
	km_close(&s->state);
	free(s);
}

/* ---- scheduling ------------------------------------------------------------------------- */

/*
 * One round of a class, deficit round robin: each channel its quantum, less what it took too
 * much the last time. A channel that the full lane stops keeps its turn and what is left of
 * its share; one that has nothing to send gives both up.
 */
static uint64_t class_round(struct source *s, unsigned class, bool drain, uint64_t now_ns)
{
	uint64_t total = 0;

	for (unsigned i = 0; i < s->files_count; i++) {
		struct files *f = s->files[s->turn[class] % s->files_count];
		uint64_t put;

		if (f->channel->class == class) {
			if (!f->in_turn)
				f->deficit += (int64_t)SOURCE_QUANTUM;
			f->in_turn = true;
			put = f->deficit > 0
				      ? files_step(f, (uint64_t)f->deficit, drain, now_ns)
				      : 0;
			f->deficit -= (int64_t)put;
			total += put;
			if (f->deficit > 0 && lane_out_room(s->out, class) == 0)
				return total;
			if (f->deficit > 0)
				f->deficit = 0;
			f->in_turn = false;
		}
		s->turn[class] = (s->turn[class] + 1) % s->files_count;
	}
	return total;
}

/* Strictly by class: a lower one gets its turn when the higher ones have nothing or no room. */
static uint64_t lanes_round(struct source *s, bool drain, uint64_t now_ns)
{
	for (unsigned class = FRAME_CLASS_REALTIME; class < LANE_COUNT; class ++) {
		const uint64_t put = class_round(s, class, drain, now_ns);

		if (put > 0)
			return put;
	}
	return 0;
}

static bool any_busy(const struct source *s)
{
	if (live_busy(&s->live) || crew_busy(&s->crew))
		return true;
	for (unsigned i = 0; i < s->files_count; i++) {
		if (files_busy(s->files[i]) || s->files[i]->phase == FILES_MANIFEST)
			return true;
	}
	return false;
}

/* ---- tickets ------------------------------------------------------------------------------- */

static void tickets_run(struct source *s, uint64_t now_ns)
{
	struct ticket ticket;
	struct resend *r;

	if (s->resending) {
		r = &s->resending->resend;
		if (r->state != RESEND_DONE)
			return;
		log_event(EVENT_RESEND_DONE,
			  "ticket worked off channel=%s objects=%" PRIu64 " bytes=%" PRIu64
			  " not_kept=%" PRIu64,
			  s->resending->channel->name, r->objects_sent, r->bytes_sent,
			  r->not_kept);
		tickets_answer(&s->tickets, r->text, r->text_len);
		r->state = RESEND_IDLE;
		s->resending = NULL;
		s->counts.resends++;
	}
	if (!tickets_next(&s->tickets, &ticket, now_ns))
		return;
	for (unsigned i = 0; i < s->files_count; i++) {
		if (s->files[i]->channel->number == ticket.channel) {
			s->resending = s->files[i];
			files_resend(s->resending, &ticket);
			return;
		}
	}
	log_event(EVENT_RESEND_REFUSED,
		  "the ticket names a channel that is not configured channel=%u",
		  ticket.channel);
	tickets_answer(&s->tickets, "refused: no such channel\n", 25);
}

/* ---- sessions and the end -------------------------------------------------------------------- */

/* What ends a session: looked at before every round of seals. */
static int session_look(struct source *s, uint64_t now_ns, struct km_err *err)
{
	int64_t step_ns;

	if (tx_session_stepped(&s->session, &step_ns)) {
		log_event(EVENT_CLOCK_STEP,
			  "wall clock and boot clock moved apart: a new session begins "
			  "step_ms=%" PRId64,
			  step_ns / 1000000);
		if (s->phase == SOURCE_ROTATE)
			s->phase = SOURCE_RUN;
		return begin_session(s, true, err);
	}
	if (s->phase == SOURCE_RUN && !s->stop_wanted && control_ready(&s->control) &&
	    (s->renew_wanted || tx_session_spent(&s->session, now_ns))) {
		s->phase = SOURCE_ROTATE;
		s->deadline_ns = now_ns + SOURCE_ROTATE_NS;
	}
	if (s->stop_wanted && (s->phase == SOURCE_RUN || s->phase == SOURCE_ROTATE)) {
		s->phase = SOURCE_STOP;
		s->deadline_ns = now_ns + SOURCE_STOP_NS;
	}
	return 0;
}

/* Windows finished, rings empty, close records told twice: the second copies only now, since
 * they overtake what still waits in the lanes of lower classes. */
static bool drained(struct source *s, uint64_t now_ns)
{
	if (any_busy(s))
		return false;
	lanes_refresh(&s->lanes);
	if (!lanes_drained(&s->lanes) || !control_flush(&s->control, now_ns))
		return false;
	lanes_refresh(&s->lanes);
	return lanes_drained(&s->lanes);
}

static int phase_step(struct source *s, uint64_t now_ns, struct km_err *err)
{
	const bool late = now_ns >= s->deadline_ns;

	if (s->phase == SOURCE_RUN || s->phase == SOURCE_STOPPED)
		return 0;
	if (s->phase == SOURCE_FAREWELL) {
		lanes_refresh(&s->lanes);
		if (s->farewells < CONTROL_FAREWELLS && !late) {
			if (now_ns >= s->farewell_ns &&
			    control_heartbeat(&s->control, RECORD_HB_FAREWELL, now_ns) ==
				    KM_OK) {
				s->farewells++;
				s->farewell_ns = now_ns + SOURCE_FAREWELL_GAP_NS;
			}
			return 0;
		}
		if (late || lanes_drained(&s->lanes))
			s->phase = SOURCE_STOPPED;
		return 0;
	}
	if (!drained(s, now_ns) && !late)
		return 0;
	if (s->phase == SOURCE_STOP) {
		s->phase = SOURCE_FAREWELL;
		if (late)
			s->deadline_ns = now_ns + CLOCK_NS_PER_SEC;
		return 0;
	}
	/* The old session's last word: what it sent, for the receiver's account. */
	(void)!control_heartbeat(&s->control, 0, now_ns);
	s->phase = SOURCE_RUN;
	return begin_session(s, late && any_busy(s), err);
}

void source_stop(struct source *s)
{
	s->stop_wanted = true;
}

void source_renew(struct source *s)
{
	s->renew_wanted = true;
}

bool source_stopped(const struct source *s)
{
	return s->phase == SOURCE_STOPPED;
}

/* ---- the loop --------------------------------------------------------------------------------- */

static uint64_t housekeeping(struct source *s, bool drain, uint64_t now_ns)
{
	uint64_t next = now_ns + TICKETS_LOOK_NS;

	for (unsigned i = 0; i < s->files_count; i++) {
		const uint64_t at = files_tick(s->files[i], drain, now_ns);

		next = at < next ? at : next;
	}
	if (!drain)
		tickets_run(s, now_ns);
	return next;
}

/* Wait for something to do: room in the lanes, or events and timers. */
static void rest(struct source *s, uint64_t until_ns, uint64_t now_ns)
{
	struct pollfd fds[WIRE_CHANNELS_MAX + TX_LIVES_MAX + 1];
	const bool listen = s->phase == SOURCE_RUN && control_ready(&s->control);
	struct timespec wait;
	bool full = false, stuck = live_stuck(&s->live, now_ns);
	nfds_t n = s->files_count;

	for (unsigned i = 0; i < s->files_count; i++) {
		const struct files *f = s->files[i];

		fds[i] = (struct pollfd){.fd = spool_fd(&f->spool), .events = POLLIN};
		full = full || (files_wants(f, now_ns) &&
				lane_out_room(s->out, f->channel->class) == 0);
		/* Passed over only because it took more than its share the last time. */
		if (f->deficit < 0 && files_wants(f, now_ns))
			return;
		/* Hashing for a ticket goes on without the lane. */
		if (f->resend.state == RESEND_NEXT || f->resend.state == RESEND_CHECK)
			return;
	}
	if (until_ns <= now_ns)
		return;
	/* The bell is rung when slots come free; bounded all the same. */
	if ((full || stuck) && until_ns - now_ns > SOURCE_FULL_NS)
		until_ns = now_ns + SOURCE_FULL_NS;
	/* A datagram must not wait for room in the lane of files, so then it is poll() that
	 * sleeps: the lane holds 20 ms and does not run dry meanwhile. */
	if (stuck || (full && (s->live.count == 0 || !listen))) {
		lane_out_sleep(s->out, until_ns - now_ns);
		return;
	}
	if (listen)
		n += live_poll(&s->live, fds + n);
	if (s->crew.count > 0)
		fds[n++] = (struct pollfd){.fd = s->crew.event, .events = POLLIN};
	wait.tv_sec = (time_t)((until_ns - now_ns) / CLOCK_NS_PER_SEC);
	wait.tv_nsec = (long)((until_ns - now_ns) % CLOCK_NS_PER_SEC);
	(void)ppoll(fds, n, &wait, NULL);
}

int source_run(struct source *s, uint64_t max_ns, struct km_err *err)
{
	uint64_t now_ns = clock_mono_ns(), next_ns, at;
	uint64_t put = 0;
	bool drain;

	if (session_look(s, now_ns, err) != 0 || phase_step(s, now_ns, err) != 0)
		return -1;
	drain = s->phase != SOURCE_RUN;
	if (control_tick(&s->control, now_ns) != KM_OK)
		return km_err_set(err, EX_SOFTWARE,
				  "control lane: the ring or its key is dead");
	crew_tick(&s->crew, !drain && control_ready(&s->control), now_ns);
	next_ns = housekeeping(s, drain, now_ns);
	if (control_ready(&s->control) && s->phase != SOURCE_FAREWELL) {
		put = live_step(&s->live, drain, now_ns);
		put += lanes_round(s, drain, now_ns);
	}
	if (lanes_dead(&s->lanes)) {
		log_event(EVENT_RING_VIOLATION, "a lane's indices are impossible");
		return km_err_set(err, EX_SOFTWARE,
				  "lane ring: the sender broke its rules");
	}
	/* A busy round shows its frames in groups; what is left of a group must not wait for one. */
	if (put == 0)
		lane_out_flush(s->out);
	if (put > 0 || s->phase == SOURCE_STOPPED)
		return 0;
	at = control_next(&s->control);
	next_ns = at < next_ns ? at : next_ns;
	at = live_next(&s->live);
	next_ns = at < next_ns ? at : next_ns;
	now_ns = clock_mono_ns();
	if (s->phase != SOURCE_RUN && next_ns > now_ns + CLOCK_NS_PER_MS)
		next_ns = now_ns + CLOCK_NS_PER_MS;
	rest(s, next_ns < now_ns + max_ns ? next_ns : now_ns + max_ns, now_ns);
	return 0;
}

const struct datagram_counts *source_datagram_counts(const struct source *s, unsigned i)
{
	return &s->live.channel[i]->counts;
}

void source_datagram_resume(struct source *s, unsigned i,
			    const struct datagram_counts *counts)
{
	datagram_resume(s->live.channel[i], counts);
}

const struct counts *source_counts(struct source *s)
{
	const uint64_t now_ns = clock_mono_ns();
	struct counts *c = &s->counts;

	c->objects_announced = c->spool_age_s = 0;
	c->backlog_files = c->backlog_bytes = c->kept_files = c->kept_bytes = 0;
	for (unsigned i = 0; i < s->files_count; i++) {
		const struct files *f = s->files[i];
		const uint64_t age = files_age_s(f, now_ns);

		c->objects_announced += f->objects_told;
		c->spool_age_s = age > c->spool_age_s ? age : c->spool_age_s;
		c->backlog_files += f->spool.waiting + files_in_hand(f);
		c->backlog_bytes += f->spool.waiting_bytes;
		c->kept_files += f->retain.files;
		c->kept_bytes += f->retain.bytes;
	}
	return c;
}

void source_describe(const struct source *s, char *text, size_t len)
{
	size_t pool = 0;

	for (unsigned i = 0; i < s->files_count; i++)
		pool += files_pool_bytes(s->files[i]);
	pool += live_pool_bytes(&s->live);
	(void)snprintf(text, len,
		       "channels %u; workers %u; fec %s; window pool %zu bytes, those of "
		       "further workers with read_ahead %zu, faulted in",
		       s->files_count + s->live.count, s->lanes.count,
		       fec_kernel_name(fec_kernel_now()), pool, crew_bytes(&s->crew));
}
