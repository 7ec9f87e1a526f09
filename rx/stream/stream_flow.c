// SPDX-License-Identifier: ISC
#include "stream_flow.h"

#include <errno.h>
#include <limits.h>
#include <linux/sockios.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

/* Bytes for one consumer in one turn, then the next one has its own. */
#define TURN_BYTES ((size_t)262144)
/* Reads of what a consumer says, in one turn. */
#define TURN_READS 16u

static bool fifo(const struct stream_table *t)
{
	return t->conf->deliver.kind == LOCAL_END_FIFO;
}

static bool whole(const struct outlet *o)
{
	return o->end == STREAM_END_WHOLE;
}

static void earlier(uint64_t *due_ns, uint64_t ns)
{
	if (ns < *due_ns)
		*due_ns = ns;
}

/* Bytes that the kernel has and the consumer has not. */
static int underway(const struct stream_table *t, const struct outlet *o)
{
	int bytes = 0;

	if (fifo(t) || ioctl(o->fd, SIOCOUTQ, &bytes) != 0)
		return 0;
	return bytes;
}

/* ---- a way to the consumer ---- */

static void try_later(struct stream_table *t, struct outlet *o, int error, uint64_t now_ns)
{
	km_close(&o->fd);
	o->state = OUTLET_WANT;
	o->asked = false;
	o->due_ns = now_ns + o->wait_ns;
	if (o->wait_ns < STREAM_WAIT_MOST_NS)
		o->wait_ns *= 2;
	if (!o->told) {
		const struct stream_note note = {
			.what = STREAM_NOTE_ABSENT,
			.connection = o->number,
			.error = error,
		};

		t->note(t->ctx, &note);
	}
	o->told = true;
}

/* A FIFO is one stream's until all of that is in it. */
static bool another_before(const struct stream_table *t, const struct outlet *o)
{
	for (unsigned i = 0; i < STREAM_TABLE; i++) {
		const struct outlet *other = &t->outlet[i];

		if (other->state != OUTLET_FREE && other->state != OUTLET_DEAD &&
		    (other->old > o->old ||
		     (other->old == o->old && other->number < o->number)))
			return true;
	}
	return false;
}

static void want(struct stream_table *t, struct outlet *o, stream_ask_fn *ask, void *ctx,
		 uint32_t *ticket, uint64_t now_ns)
{
	if (o->ended && o->end_ns == 0)
		o->end_ns = now_ns + STREAM_COME_NS;
	if (o->end_ns != 0 && now_ns >= o->end_ns) {
		stream_table_lose(t, o, STREAM_NOTE_BROKEN, 0, now_ns);
		return;
	}
	if (now_ns < o->due_ns)
		return;
	if (fifo(t) && another_before(t, o)) {
		o->due_ns = now_ns + STREAM_LOOK_NS;
		return;
	}
	/* asked, and no answer in all that time: the supervisor has none for us any more */
	o->ticket = ++*ticket;
	o->asked = ask(ctx, o->ticket);
	o->due_ns = now_ns + (o->asked ? STREAM_CONNECT_NS : STREAM_WAIT_LEAST_NS);
}

bool stream_flow_answer(struct stream_table *t, uint32_t ticket, int fd, int error,
			uint64_t now_ns)
{
	for (unsigned i = 0; i < STREAM_TABLE; i++) {
		struct outlet *o = &t->outlet[i];

		if (o->state != OUTLET_WANT || !o->asked || o->ticket != ticket)
			continue;
		o->asked = false;
		if (fd < 0) {
			try_later(t, o, error, now_ns);
			return true;
		}
		o->fd = fd;
		o->deaf = fifo(t);
		o->state = t->conf->deliver.kind == LOCAL_END_INET ? OUTLET_CONNECT
								   : OUTLET_LIVE;
		o->due_ns = now_ns + STREAM_CONNECT_NS;
		return true;
	}
	return false;
}

static void connecting(struct stream_table *t, struct outlet *o, short revents,
		       uint64_t now_ns)
{
	socklen_t len = sizeof(int);
	int error = ETIMEDOUT;

	if (revents == 0 && now_ns < o->due_ns)
		return;
	if (revents != 0 && getsockopt(o->fd, SOL_SOCKET, SO_ERROR, &error, &len) == 0 &&
	    error == 0)
		o->state = OUTLET_LIVE;
	else
		try_later(t, o, error, now_ns);
}

/* ---- bytes ---- */

/* What it says does not cross. -1: it has gone. */
static int listen_away(struct outlet *o)
{
	static uint8_t nowhere[16384];

	for (unsigned i = 0; i < TURN_READS && !o->deaf; i++) {
		ssize_t n = recv(o->fd, nowhere, sizeof(nowhere), MSG_DONTWAIT);

		if (n == 0)
			o->deaf = true;
		else if (n < 0 && errno != EINTR)
			return errno == EAGAIN || errno == EWOULDBLOCK ? 0 : -1;
	}
	return 0;
}

/* 0, or an errno: the consumer has gone. */
static int hand_over(struct stream_table *t, struct outlet *o)
{
	const uint8_t *bytes;
	size_t len, sum = 0;

	while (sum < TURN_BYTES && (bytes = outlet_first(o, &len)) != NULL) {
		ssize_t n = fifo(t) ? write(o->fd, bytes, len)
				    : send(o->fd, bytes, len, MSG_DONTWAIT | MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return errno == EAGAIN || errno == EWOULDBLOCK ? 0 : errno;
		outlet_took(o, (size_t)n);
		sum += (size_t)n;
		t->count[STREAM_COUNT_BYTES] += (uint64_t)n;
	}
	return 0;
}

static void begin_linger(struct stream_table *t, struct outlet *o, uint64_t now_ns)
{
	if (fifo(t)) {
		stream_table_done(t, o);
		return;
	}
	if (whole(o))
		(void)shutdown(o->fd, SHUT_WR);
	o->state = OUTLET_LINGER;
	o->due_ns = now_ns;
	o->left = INT_MAX;
}

static void live(struct stream_table *t, struct outlet *o, short revents, uint64_t now_ns)
{
	int error = 0;

	if ((revents & POLLIN) && listen_away(o) != 0)
		error = errno;
	if (error == 0 && o->held > 0)
		error = hand_over(t, o);
	if (error == 0 && (revents & (POLLERR | POLLHUP)))
		error = EPIPE;
	if (error != 0)
		stream_table_lose(t, o, STREAM_NOTE_BROKEN, error, now_ns);
	else if (o->ended && o->held == 0)
		begin_linger(t, o, now_ns);
}

/* Until the consumer has taken what is underway; of a whole stream, until it has ended its own
 * direction too, because a reset is what would come of closing before. */
static void linger(struct stream_table *t, struct outlet *o, short revents, uint64_t now_ns)
{
	int left;

	if ((revents & (POLLIN | POLLHUP)) && listen_away(o) != 0)
		o->deaf = true;
	o->due_ns = now_ns + STREAM_LOOK_NS;
	left = underway(t, o);
	if (left < o->left)
		o->end_ns = now_ns + STREAM_LINGER_NS;
	o->left = left;
	if ((revents & POLLERR) && left > 0)
		stream_table_lose(t, o, STREAM_NOTE_BROKEN, EPIPE, now_ns);
	else if (now_ns >= o->end_ns && left > 0)
		stream_table_lose(t, o, STREAM_NOTE_SLOW, 0, now_ns);
	else if (left == 0 && (o->deaf || !whole(o) || now_ns >= o->end_ns))
		stream_table_done(t, o);
}

/* ---- turns ---- */

unsigned stream_flow_poll(struct stream_table *t, struct pollfd *fds, uint64_t *due_ns)
{
	unsigned n = 0;

	for (unsigned i = 0; i < STREAM_TABLE; i++) {
		struct outlet *o = &t->outlet[i];
		short events = o->deaf ? 0 : POLLIN;

		o->polled = 0;
		if (o->state == OUTLET_FREE || o->state == OUTLET_DEAD)
			continue;
		if (o->state != OUTLET_LIVE)
			earlier(due_ns, o->due_ns);
		if (o->state == OUTLET_WANT && o->end_ns != 0)
			earlier(due_ns, o->end_ns);
		/* with both directions ended poll() would never wait */
		if (o->fd < 0 || n == STREAM_MOST || (o->state == OUTLET_LINGER && o->deaf))
			continue;
		if (o->state == OUTLET_CONNECT || o->held > 0)
			events |= POLLOUT;
		fds[n] = (struct pollfd){.fd = o->fd, .events = events};
		o->polled = ++n;
	}
	return n;
}

void stream_flow_run(struct stream_table *t, const struct pollfd *fds, stream_ask_fn *ask,
		     void *ctx, uint32_t *ticket, uint64_t now_ns)
{
	for (unsigned i = 0; i < STREAM_TABLE; i++) {
		struct outlet *o = &t->outlet[i];
		const short revents = o->polled ? fds[o->polled - 1].revents : 0;

		o->polled = 0;
		if (o->state == OUTLET_WANT)
			want(t, o, ask, ctx, ticket, now_ns);
		else if (o->state == OUTLET_CONNECT)
			connecting(t, o, revents, now_ns);
		else if (o->state == OUTLET_LIVE)
			live(t, o, revents, now_ns);
		else if (o->state == OUTLET_LINGER)
			linger(t, o, revents, now_ns);
	}
}

bool stream_flow_idle(const struct stream_table *t)
{
	for (unsigned i = 0; i < STREAM_TABLE; i++) {
		const struct outlet *o = &t->outlet[i];

		if (o->state != OUTLET_FREE && o->state != OUTLET_DEAD &&
		    (o->held > 0 || o->state == OUTLET_LINGER))
			return false;
	}
	return true;
}
