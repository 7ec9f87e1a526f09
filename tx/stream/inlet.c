// SPDX-License-Identifier: ISC
#include "inlet.h"

#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "log.h"

/* Connections taken in one turn; the kernel's queue holds the others. */
#define ACCEPTS 8u

void inlet_open(struct inlet *in, const struct tx_config_live *conf, int listen, int feed,
		uint32_t run, uint64_t now_ns)
{
	in->conf = conf;
	in->listen = listen;
	in->feed = feed;
	in->fifo = conf->listen.kind == LOCAL_END_FIFO;
	in->run = run;
	in->alive_ns = now_ns + INLET_ALIVE_NS;
	/* what a run before this one had open is over, and rx shall know */
	in->rounds = INLET_EMPTY_ROUNDS;
	for (unsigned i = 0; i < STREAM_OPEN_MAX; i++)
		in->conn[i].fd = -1;
	if (in->fifo)
		in->conn[0].fd = listen;
}

static bool waits(const struct inlet *in)
{
	return in->conf->overflow == TX_OVERFLOW_WAIT;
}

/* ---- into the pair ---- */

/* True: it is in. False: the pair is full, or nobody will ever read it. */
static bool put(struct inlet *in, const void *bytes, size_t len)
{
	if (send(in->feed, bytes, len, MSG_DONTWAIT | MSG_NOSIGNAL) == (ssize_t)len) {
		in->full = false;
		return true;
	}
	if (!in->full && waits(in))
		in->count[INLET_WAITS]++;
	in->full = true;
	return false;
}

static bool say(struct inlet *in, struct stream_msg *m)
{
	uint8_t bytes[STREAM_MARKS_MAX];
	size_t len;

	m->run = in->run;
	m->newest = in->newest;
	return stream_write(m, bytes, sizeof(bytes), &len) == KM_OK && put(in, bytes, len);
}

static void say_open(struct inlet *in, struct inlet_conn *c)
{
	struct stream_msg m = {
		.op = STREAM_OPEN,
		.connection = c->number,
		.source_len = c->source_len,
	};

	memcpy(m.source, c->source, sizeof(m.source));
	c->open_due = !say(in, &m);
}

static void say_close(struct inlet *in, struct inlet_conn *c)
{
	struct stream_msg m = {
		.op = STREAM_CLOSE,
		.connection = c->number,
		.offset = c->offset,
		.end = c->end,
	};

	if (!say(in, &m))
		return;
	c->close_due = false;
	c->number = 0;
	in->count[INLET_OPEN]--;
	in->rounds = INLET_EMPTY_ROUNDS;
}

/* Every stream that rx has heard of, by rising number. */
static void say_alive(struct inlet *in)
{
	struct stream_msg m = {.op = STREAM_ALIVE};

	for (unsigned i = 0; i < STREAM_OPEN_MAX; i++) {
		const struct inlet_conn *c = &in->conn[i];
		unsigned at = m.marks;

		if (c->number == 0 || c->open_due)
			continue;
		for (; at > 0 && m.mark[at - 1].connection > c->number; at--)
			m.mark[at] = m.mark[at - 1];
		m.mark[at] = (struct stream_mark){c->number, c->offset};
		m.marks++;
	}
	in->alive_due = !say(in, &m);
	if (!in->alive_due && m.marks == 0)
		in->rounds--;
}

/* What had found no room. False: there is still none. */
static bool catch_up(struct inlet *in)
{
	if (in->held) {
		struct inlet_conn *c = &in->conn[in->held_by];

		if (!put(in, in->room, in->held_len))
			return false;
		in->held = false;
		c->offset += in->held_len - STREAM_DATA_HEAD;
		in->count[INLET_BYTES] += in->held_len - STREAM_DATA_HEAD;
	}
	for (unsigned i = 0; i < STREAM_OPEN_MAX; i++) {
		struct inlet_conn *c = &in->conn[i];

		if (c->open_due)
			say_open(in, c);
		if (c->close_due && !c->open_due)
			say_close(in, c);
		if (c->open_due || c->close_due)
			return false;
	}
	if (in->alive_due)
		say_alive(in);
	return !in->alive_due;
}

/* ---- from producers ---- */

static void end(struct inlet *in, struct inlet_conn *c, enum stream_end how)
{
	if (!in->fifo)
		km_close(&c->fd);
	if (c->number == 0)
		return;
	in->count[INLET_BROKEN] += how == STREAM_END_BROKEN;
	c->end = (uint8_t)how;
	c->close_due = true;
	if (!c->open_due && !in->held)
		say_close(in, c);
}

static void begin(struct inlet *in, struct inlet_conn *c)
{
	c->number = ++in->newest;
	c->offset = 0;
	c->close_due = false;
	c->open_due = true;
	in->count[INLET_OPEN]++;
	in->count[INLET_OPENED]++;
	if (!in->held)
		say_open(in, c);
}

static bool allowed(const struct tx_config_live *conf, const struct sockaddr_in *from)
{
	for (unsigned i = 0; i < conf->allowed; i++)
		if (memcmp(conf->allow[i], &from->sin_addr, sizeof(conf->allow[i])) == 0)
			return true;
	return conf->allowed == 0 || conf->listen.kind != LOCAL_END_INET;
}

static void refuse(struct inlet *in, int fd, enum inlet_count why)
{
	(void)close(fd);
	in->count[why]++;
	log_event_limited(EVENT_STREAM_REFUSED, "a producer was turned away: %s channel=%s",
			  why == INLET_REFUSED ? "there are `connections` already"
					       : "it is not in allow",
			  in->conf->name);
}

static struct inlet_conn *free_place(struct inlet *in)
{
	for (unsigned i = 0; i < in->conf->connections; i++)
		if (in->conn[i].fd < 0 && in->conn[i].number == 0)
			return &in->conn[i];
	return NULL;
}

/* False: nobody waits there. */
static bool take_one(struct inlet *in, uint64_t now_ns)
{
	struct sockaddr_in from = {0};
	socklen_t len = sizeof(from);
	const bool inet = in->conf->listen.kind == LOCAL_END_INET;
	int fd = accept4(in->listen, inet ? (struct sockaddr *)&from : NULL,
			 inet ? &len : NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	struct inlet_conn *c;

	if (fd < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
		return false;
	if (fd <
	    0) { /* he who waited has gone; or this host has no room, and would not soon */
		in->look_ns = errno == ECONNABORTED ? 0 : now_ns + INLET_LOOK_NS;
		return errno == ECONNABORTED;
	}
	c = free_place(in);
	if (!allowed(in->conf, &from)) {
		refuse(in, fd, INLET_NOT_ALLOWED);
	} else if (!c) {
		refuse(in, fd, INLET_REFUSED);
	} else {
		c->fd = fd;
		c->source_len = inet ? STREAM_SOURCE : 0;
		memcpy(c->source, &from.sin_addr, 4);
		memcpy(c->source + 4, &from.sin_port, 2);
		begin(in, c);
	}
	return true;
}

static size_t chunk(const struct inlet *in)
{
	const size_t room = in->conf->max_size - STREAM_DATA_HEAD;

	return room < INLET_CHUNK ? room : INLET_CHUNK;
}

/* LEN bytes of C stand in the room. */
static void hand_on(struct inlet *in, struct inlet_conn *c, size_t len)
{
	const struct stream_msg m = {
		.run = in->run,
		.newest = in->newest,
		.op = STREAM_DATA,
		.connection = c->number,
		.offset = c->offset,
	};

	stream_write_data_head(&m, in->room);
	if (!c->open_due && put(in, in->room, STREAM_DATA_HEAD + len)) {
		c->offset += len;
		in->count[INLET_BYTES] += len;
	} else if (waits(in)) {
		in->held = true;
		in->held_by = (unsigned)(c - in->conn);
		in->held_len = STREAM_DATA_HEAD + len;
	} else {
		c->offset += len;
		in->count[INLET_DROPPED] += len;
		log_event_limited(EVENT_STREAM_DROPPED,
				  "there is no room for what a producer brings channel=%s "
				  "connection=%llu bytes=%zu",
				  in->conf->name, (unsigned long long)c->number, len);
	}
}

/* One read. */
static void read_one(struct inlet *in, struct inlet_conn *c, uint64_t now_ns)
{
	ssize_t n = read(c->fd, in->room + STREAM_DATA_HEAD, chunk(in));

	if (n > 0) {
		if (c->number == 0) /* a FIFO that has a writer again */
			begin(in, c);
		hand_on(in, c, (size_t)n);
	} else if (n == 0) {
		if (in->fifo)
			in->look_ns = now_ns + INLET_LOOK_NS;
		end(in, c, STREAM_END_WHOLE);
	} else if (errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR) {
		end(in, c, STREAM_END_BROKEN);
	}
}

/* ---- turns ---- */

unsigned inlet_poll(struct inlet *in, struct pollfd *fds, uint64_t now_ns, uint64_t *due_ns)
{
	const bool stopped = in->held || (in->full && waits(in));
	const bool later = now_ns < in->look_ns;
	unsigned n = 0;

	in->polled_listen = in->polled_feed = -1;
	if (in->full) {
		in->polled_feed = (int)n;
		fds[n++] = (struct pollfd){.fd = in->feed, .events = POLLOUT};
	}
	if (!in->fifo && !in->closing && !later) {
		in->polled_listen = (int)n;
		fds[n++] = (struct pollfd){.fd = in->listen, .events = POLLIN};
	}
	for (unsigned i = 0; i < STREAM_OPEN_MAX; i++) {
		struct inlet_conn *c = &in->conn[i];

		c->polled = 0;
		if (c->fd < 0 || stopped || c->close_due)
			continue;
		if (in->fifo && later)
			continue;
		fds[n] = (struct pollfd){.fd = c->fd, .events = POLLIN};
		c->polled = ++n;
	}
	if (later)
		*due_ns = in->look_ns < *due_ns ? in->look_ns : *due_ns;
	if (in->rounds > 0 || in->count[INLET_OPEN] > 0)
		*due_ns = in->alive_ns < *due_ns ? in->alive_ns : *due_ns;
	return n;
}

bool inlet_run(struct inlet *in, const struct pollfd *fds, uint64_t now_ns)
{
	bool moved = false;

	if (now_ns >= in->alive_ns && (in->rounds > 0 || in->count[INLET_OPEN] > 0)) {
		in->alive_due = true;
		in->alive_ns = now_ns + INLET_ALIVE_NS;
	}
	if (in->polled_feed >= 0 && fds[in->polled_feed].revents)
		in->full = false;
	if (!catch_up(in) && waits(in))
		return false;
	if (in->polled_listen >= 0 && fds[in->polled_listen].revents)
		for (unsigned i = 0; i < ACCEPTS && take_one(in, now_ns); i++)
			moved = true;
	for (unsigned k = 0; k < STREAM_OPEN_MAX; k++) {
		const unsigned at = (in->turn + k) % STREAM_OPEN_MAX;
		struct inlet_conn *c = &in->conn[at];

		if (c->polled == 0 || !fds[c->polled - 1].revents)
			continue;
		read_one(in, c, now_ns);
		moved = true;
		if (in->held) {
			in->turn = at + 1; /* the others before it, next time */
			return true;
		}
	}
	in->turn++;
	return moved;
}

void inlet_stop(struct inlet *in)
{
	in->closing = true;
}

bool inlet_finish(struct inlet *in)
{
	if (!catch_up(in))
		return false;
	for (unsigned i = 0; i < STREAM_OPEN_MAX; i++)
		if (in->conn[i].number != 0 && !in->conn[i].close_due)
			end(in, &in->conn[i], STREAM_END_STOPPED);
	return in->count[INLET_OPEN] == 0;
}
