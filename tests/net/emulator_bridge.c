// SPDX-License-Identifier: ISC
#include "emulator_bridge.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

#include "emulator_control.h"
#include "emulator_hold.h"
#include "emulator_out.h"
#include "emulator_parse.h"
#include "emulator_ring.h"

#define HOLD_BYTES (80u << 20)	      /* EMULATOR_DISTANCE_MAX + 1 frames of 65,553 bytes */
#define DELAY_BYTES ((size_t)1 << 30) /* 1 s at 8 Gbit/s; only what is used is real */
#define IDLE_NS 500000000u	      /* then nothing is held back for frames to come */
#define QUIET_NS 100000000u /* after the end: the ring's last block is out by then */
#define WAKE_NS 1000000000u
#define BLOCKS_PER_TURN 16u /* then signals and control get their turn */

struct bridge {
	const struct emulator_bridge_options *o;
	struct emulator_model *m;
	FILE *list;
	struct emulator_ring ring;
	struct emulator_out out;
	struct emulator_hold hold, delay; /* due in frames; due in nanoseconds */
	struct emulator_control control;
	struct emulator_counts c;
	uint64_t index;	  /* frames of ours handled, for the hold */
	uint64_t last_ns; /* when the last frame came */
	int signals;
	bool stopping, stdin_open;
};

static void depart_once(struct bridge *b, uint8_t *p, size_t bytes)
{
	uint64_t oldest;

	if (!b->o->delay_ns) {
		emulator_out_add(&b->out, p, bytes);
		return;
	}
	while (!emulator_hold_push(&b->delay, p, bytes,
				   emulator_out_now_ns() + b->o->delay_ns, false)) {
		bool twice;
		size_t old_bytes;
		uint8_t *old = emulator_hold_oldest(&b->delay, &old_bytes, &twice);
		struct timespec wait;

		/* full: the ring has to wait, as the oldest frame must not leave early */
		emulator_hold_due(&b->delay, &oldest);
		wait.tv_sec = (time_t)(oldest / 1000000000u);
		wait.tv_nsec = (long)(oldest % 1000000000u);
		while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &wait, NULL) ==
		       EINTR)
			;
		emulator_out_add(&b->out, old, old_bytes);
		emulator_hold_drop(&b->delay);
		emulator_out_flush(&b->out);
		b->c.held--;
	}
	b->c.held++;
}

static void depart(struct bridge *b, uint8_t *p, size_t bytes, bool twice)
{
	depart_once(b, p, bytes);
	if (twice)
		depart_once(b, p, bytes);
}

static void release_delayed(struct bridge *b)
{
	uint64_t due, now = emulator_out_now_ns();
	bool any = false;

	while (emulator_hold_due(&b->delay, &due) && due <= now) {
		bool twice;
		size_t bytes;
		uint8_t *p = emulator_hold_oldest(&b->delay, &bytes, &twice);

		emulator_out_add(&b->out, p, bytes);
		emulator_hold_drop(&b->delay);
		b->c.held--;
		any = true;
	}
	/* the next push may overwrite what was dropped */
	if (any)
		emulator_out_flush(&b->out);
}

/* Let go what was held back for frames up to number @index. */
static void release_held(struct bridge *b, uint64_t index)
{
	uint64_t due;
	bool any = false;

	while (emulator_hold_due(&b->hold, &due) && due <= index) {
		bool twice;
		size_t bytes;
		uint8_t *p = emulator_hold_oldest(&b->hold, &bytes, &twice);

		b->c.held -= twice ? 2 : 1;
		depart(b, p, bytes, twice);
		emulator_hold_drop(&b->hold);
		any = true;
	}
	if (any)
		emulator_out_flush(&b->out);
}

static void hold_back(struct bridge *b, const uint8_t *p, size_t bytes, bool twice)
{
	uint64_t due = b->index + b->m->schedule.distance;

	if (!emulator_hold_push(&b->hold, p, bytes, due, twice)) {
		release_held(b, UINT64_MAX);
		if (!emulator_hold_push(&b->hold, p, bytes, due, twice)) {
			b->c.own_drops++;
			return;
		}
	}
	b->c.held += twice ? 2 : 1;
}

/* Change the frame in place as decided, and note what could really be done. */
static size_t impair(struct bridge *b, const struct emulator_decision *d, uint8_t *p,
		     size_t bytes, struct emulator_touch *t)
{
	const struct emulator_schedule *s = &b->m->schedule;
	/* what is damaged is what we carry, not what carries it, unless asked for */
	const size_t carrier = b->o->udp_port ? EMULATOR_UDP_BYTES : 0;
	size_t kept = bytes;

	if (d->truncate) {
		kept = carrier + emulator_model_cut(d->truncate_draw, bytes - carrier);
		t->truncated = kept < bytes;
		t->cut_bytes = kept;
	}
	if (d->corrupt && kept > carrier + EMULATOR_ETH_BYTES) {
		t->corrupted = true;
		t->bit = emulator_model_bit(d->corrupt_draw,
					    s->corrupt_header ? kept : kept - carrier,
					    s->corrupt_header);
		if (!s->corrupt_header)
			t->bit += carrier * 8;
		p[t->bit / 8] ^= (uint8_t)(0x80u >> t->bit % 8);
	}
	t->distance = s->distance;
	b->c.truncated += t->truncated;
	b->c.corrupted += t->corrupted;
	b->c.duplicated += d->duplicate;
	b->c.reordered += d->reorder;
	return kept;
}

static void handle_ours(struct bridge *b, const struct emulator_frame *f, uint8_t *p,
			size_t bytes)
{
	struct emulator_decision d;
	struct emulator_touch t = {.decision = &d, .frame = f};

	b->c.frames_in++;
	b->c.bytes_in += bytes;
	if (f->is_data)
		b->c.data_frames++;
	else
		b->c.other_frames++;
	emulator_model_next(b->m, f, &d);
	if (d.why == EMULATOR_WHY_KEPT)
		bytes = impair(b, &d, p, bytes, &t);
	emulator_list_write(b->list, &t);
	if (d.why != EMULATOR_WHY_KEPT) {
		b->c.lost++;
		b->c.lost_data += d.is_data;
		b->c.lost_by[d.why]++;
	} else if (d.reorder) {
		hold_back(b, p, bytes, d.duplicate);
	} else {
		depart(b, p, bytes, d.duplicate);
	}
	release_held(b, b->index++);
}

static void handle_frame(struct bridge *b, uint8_t *p, size_t bytes)
{
	struct emulator_frame f;
	bool ours;

	if (b->o->udp_port)
		ours = emulator_frame_read_udp(p, bytes, b->o->udp_port, &f);
	else
		ours = emulator_frame_read(p, bytes, &f) &&
		       (b->o->any_ethertype || f.ethertype == b->o->ethertype);
	if (ours) {
		handle_ours(b, &f, p, bytes);
		return;
	}
	b->c.foreign++;
	if (!b->o->forward_all)
		return;
	b->c.foreign_forwarded++;
	depart(b, p, bytes, false);
}

static void drain_ring(struct bridge *b)
{
	for (unsigned i = 0; i < BLOCKS_PER_TURN; i++) {
		size_t bytes;
		uint8_t *p;

		while ((p = emulator_ring_next(&b->ring, &bytes, &b->c.own_drops)))
			handle_frame(b, p, bytes);
		emulator_out_flush(&b->out);
		if (!emulator_ring_release(&b->ring))
			return;
		b->last_ns = emulator_out_now_ns();
		release_delayed(b);
	}
}

static void count_up(struct bridge *b)
{
	b->c.own_drops += emulator_ring_drops(&b->ring);
	b->c.forwarded = b->out.sent - b->c.foreign_forwarded;
	b->c.bytes_forwarded = b->out.sent_bytes;
	b->c.send_failed = b->out.failed;
	b->c.send_retries = b->out.retries;
}

static void clear_schedule(struct emulator_model *m)
{
	uint64_t seed = m->schedule.seed;

	emulator_model_clear(m);
	memset(&m->schedule, 0, sizeof(m->schedule));
	m->schedule.seed = seed;
}

/* One control line. Every line gets exactly one line of answer on standard output. */
static void handle_line(void *arg, char *line)
{
	struct bridge *b = arg;
	uint64_t next = b->m->data_frames;
	char why[256] = "line too long", *value = line ? strchr(line, ' ') : NULL;
	char copy[EMULATOR_LINE_BYTES] = "";
	int rc = -1;

	if (line && !strcmp(line, "status")) {
		count_up(b);
		emulator_list_json(stdout, &b->c, b->m->schedule.seed);
		fflush(stdout);
		return;
	}
	if (line)
		strcpy(copy, line); /* same size */
	if (line && !strcmp(line, "clear")) {
		clear_schedule(b->m);
		rc = 0;
	} else if (line && !value) {
		snprintf(why, sizeof(why), "%.64s: want a word and a value", line);
	} else if (line) {
		*value++ = '\0';
		rc = !strcmp(line, "mark")
			     ? 0
			     : emulator_parse_set(&b->m->schedule, line, value, next, why,
						  sizeof(why));
	}
	if (rc) {
		printf("error %s\n", why);
	} else {
		fprintf(b->list, "# at %" PRIu64 ": %s\n", next, copy);
		fflush(b->list);
		printf("ok at %" PRIu64 ": %s\n", next, copy);
	}
	fflush(stdout);
}

static void begin_stop(struct bridge *b)
{
	if (b->stopping)
		return;
	b->stopping = true;
	b->last_ns = emulator_out_now_ns();
	if (emulator_ring_shut(&b->ring))
		fprintf(stderr, "km-linkemu: cannot shut the receive ring: %s\n",
			strerror(errno));
}

/* False when the emulator was told a second time to stop and gives up what it holds. */
static bool handle_signal(struct bridge *b)
{
	struct signalfd_siginfo info;

	if (read(b->signals, &info, sizeof(info)) != (ssize_t)sizeof(info))
		return true;
	if (!b->stopping) {
		begin_stop(b);
		return true;
	}
	b->c.abandoned = 1;
	return false;
}

static struct timespec time_to_wake(const struct bridge *b)
{
	uint64_t now = emulator_out_now_ns(), due, wait_ns = WAKE_NS;

	if (emulator_hold_due(&b->delay, &due))
		wait_ns = due > now ? due - now : 0;
	if (b->hold.count && wait_ns > IDLE_NS / 4)
		wait_ns = IDLE_NS / 4;
	if (b->stopping && wait_ns > QUIET_NS / 4)
		wait_ns = QUIET_NS / 4;
	if (wait_ns > WAKE_NS)
		wait_ns = WAKE_NS;
	return (struct timespec){(time_t)(wait_ns / 1000000000u),
				 (long)(wait_ns % 1000000000u)};
}

static int ring_trouble(struct bridge *b)
{
	int error = emulator_ring_error(&b->ring);

	if (!error)
		return 0;
	b->c.link_down++;
	if (error == ENETDOWN) /* a pulled cable comes back */
		return 0;
	fprintf(stderr, "km-linkemu: --in %s: %s\n", b->o->in, strerror(error));
	return EX_UNAVAILABLE;
}

static void serve_quiet_times(struct bridge *b)
{
	if (b->hold.count && emulator_out_now_ns() - b->last_ns >= IDLE_NS)
		release_held(b, UINT64_MAX);
	release_delayed(b);
	fflush(b->list);
}

/* After the end was asked for: is everything through? */
static bool all_through(struct bridge *b)
{
	if (!b->stopping || emulator_out_now_ns() - b->last_ns < QUIET_NS)
		return false;
	release_held(b, UINT64_MAX);
	return !b->delay.count;
}

static int loop(struct bridge *b)
{
	int rc;

	for (;;) {
		struct pollfd fds[3] = {
			{.fd = b->ring.fd, .events = POLLIN},
			{.fd = b->signals, .events = POLLIN},
			{.fd = b->stdin_open ? STDIN_FILENO : -1, .events = POLLIN},
		};
		struct timespec wait = time_to_wake(b);
		int ready = ppoll(fds, 3, &wait, NULL);

		if (ready < 0 && errno != EINTR)
			return EX_OSERR;
		if (ready > 0 && fds[1].revents && !handle_signal(b))
			return 0;
		if (ready > 0 && fds[2].revents &&
		    !emulator_control_read(&b->control, STDIN_FILENO, handle_line, b)) {
			b->stdin_open = false;
			begin_stop(b);
		}
		if (ready > 0 && fds[0].revents & (POLLERR | POLLHUP)) {
			rc = ring_trouble(b);
			if (rc)
				return rc;
		}
		drain_ring(b);
		release_delayed(b);
		if (!ready)
			serve_quiet_times(b);
		if (all_through(b))
			return 0;
	}
}

static int watch_signals(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	signal(SIGPIPE, SIG_IGN);
	if (sigprocmask(SIG_BLOCK, &set, NULL))
		return -1;
	return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

static int open_all(struct bridge *b)
{
	const struct emulator_bridge_options *o = b->o;

	b->signals = watch_signals();
	if (b->signals < 0 || emulator_hold_open(&b->hold, HOLD_BYTES) ||
	    emulator_hold_open(&b->delay, DELAY_BYTES)) {
		fprintf(stderr, "km-linkemu: set-up: %s\n", strerror(errno));
		return EX_OSERR;
	}
	/* the delay is a sleep, and the usual 50 us of slack would come on top */
	prctl(PR_SET_TIMERSLACK, 1UL, 0UL, 0UL, 0UL);
	if (emulator_out_open(&b->out, o->out, o->rate_bps, o->pcap) ||
	    emulator_ring_open(&b->ring, o->in, o->ring_mib, o->udp_port != 0))
		return errno == EPERM || errno == EACCES ? EX_NOPERM : EX_UNAVAILABLE;
	return 0;
}

static int report(struct bridge *b, int rc)
{
	int first_errno = b->out.first_errno;

	count_up(b);
	if (emulator_list_summary(b->o->summary, &b->c, b->m->schedule.seed)) {
		fprintf(stderr, "km-linkemu: %s: %s\n", b->o->summary, strerror(errno));
		rc = rc ? rc : EX_IOERR;
	}
	if (b->c.own_drops)
		fprintf(stderr,
			"km-linkemu: lost %" PRIu64 " frames of its own: the receive ring "
			"was full (raise --ring-mib)\n",
			b->c.own_drops);
	if (b->c.send_failed)
		fprintf(stderr, "km-linkemu: --out %s refused %" PRIu64 " frames: %s\n",
			b->o->out, b->c.send_failed, strerror(first_errno));
	if (b->c.abandoned)
		fputs("km-linkemu: told twice to stop: frames still inside are gone\n",
		      stderr);
	if (!rc && (b->c.own_drops || b->c.send_failed || b->c.abandoned))
		rc = 1;
	return rc;
}

int emulator_bridge_run(const struct emulator_bridge_options *o, struct emulator_model *m,
			FILE *list)
{
	struct bridge b = {.o = o, .m = m, .list = list, .signals = -1};
	int rc;

	b.ring.fd = b.out.fd = -1;
	b.stdin_open = o->control;
	rc = open_all(&b);
	if (!rc) {
		printf("km-linkemu ready in=%s out=%s seed=%" PRIu64 " ring_mib=%zu\n",
		       o->in, o->out, m->schedule.seed, o->ring_mib);
		fflush(stdout);
		rc = report(&b, loop(&b));
	}
	if (b.ring.fd >= 0)
		emulator_ring_close(&b.ring);
	if (emulator_out_close(&b.out) && !rc) {
		fprintf(stderr, "km-linkemu: %s: could not be written whole\n", o->pcap);
		rc = EX_IOERR;
	}
	emulator_hold_close(&b.hold);
	emulator_hold_close(&b.delay);
	if (b.signals >= 0)
		close(b.signals);
	return rc;
}
