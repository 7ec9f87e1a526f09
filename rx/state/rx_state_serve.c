// SPDX-License-Identifier: ISC
#include "rx_state_serve.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "km_err.h"

/* Buffers given to one consumer before the others have their turn. */
#define SERVE_TURN 4u

void rx_state_serve_init(struct rx_state_serve *s, const char *channel, int listener)
{
	*s = (struct rx_state_serve){.channel = channel, .listener = listener};
}

static void let_go(struct rx_state_serve *s, unsigned i)
{
	km_close(&s->consumer[i].fd);
	free(s->consumer[i].buffer);
	s->consumer[i] = s->consumer[--s->n];
}

void rx_state_serve_free(struct rx_state_serve *s)
{
	while (s->n > 0)
		let_go(s, s->n - 1);
}

void rx_state_serve_accept(struct rx_state_serve *s, const struct rx_state_table *table)
{
	for (unsigned turn = 0; s->listener >= 0 && turn < RX_STATE_CONSUMERS; turn++) {
		struct rx_state_consumer c = {.began = table->seq};

		c.fd = accept4(s->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
		if (c.fd < 0)
			return; /* nobody, or no descriptor: they wait */
		if (s->n < RX_STATE_CONSUMERS)
			c.buffer = malloc(RX_STATE_BUFFER);
		if (!c.buffer) {
			s->refused++;
			km_close(&c.fd);
			continue;
		}
		s->consumer[s->n++] = c;
	}
}

/* A line, if it has room. */
static bool put_line(struct rx_state_serve *s, struct rx_state_consumer *c,
		     const struct rx_state_entry *e, uint64_t now_ns)
{
	const uint64_t seen = c->seq > c->began ? c->seq : c->began;
	const struct rx_state_reader reader = {
		.channel = s->channel,
		.snapshot = e->seq <= c->began,
		.coalesced = e->seq > seen ? e->seq - seen - 1 : 0,
	};
	struct wr wr;

	if (reader.snapshot && e->withdrawn)
		return true; /* it never heard of the key */
	wr_init(&wr, c->buffer + c->to, RX_STATE_BUFFER - c->to);
	rx_state_line(&wr, e, &reader, now_ns);
	wr_u8(&wr, '\n');
	if (!wr_ok(&wr))
		return false;
	c->to += wr.used;
	s->lines++;
	s->coalesced += reader.coalesced;
	return true;
}

/* What is new to it, into its buffer, once that is empty. */
static void fill(struct rx_state_serve *s, struct rx_state_consumer *c,
		 const struct rx_state_table *table, uint64_t now_ns)
{
	const struct rx_state_entry *e;

	if (c->from < c->to || c->seq == table->seq)
		return;
	c->from = c->to = 0;
	e = rx_state_table_after(table, c->seq);
	while (e && put_line(s, c, e, now_ns)) {
		c->seq = e->seq;
		e = rx_state_table_next(e);
	}
	if (!e)
		c->seq =
			table->seq; /* the last changes may be of keys that are forgotten */
}

/* False: it has gone. */
static bool flush(struct rx_state_consumer *c)
{
	while (c->from < c->to) {
		const ssize_t n = send(c->fd, c->buffer + c->from, c->to - c->from,
				       MSG_DONTWAIT | MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return errno == EAGAIN || errno == EWOULDBLOCK;
		c->from += (size_t)n;
	}
	return true;
}

static bool give(struct rx_state_serve *s, struct rx_state_consumer *c,
		 const struct rx_state_table *table, uint64_t now_ns)
{
	for (unsigned turn = 0; turn < SERVE_TURN; turn++) {
		fill(s, c, table, now_ns);
		if (c->from == c->to)
			return true;
		if (!flush(c))
			return false;
		if (c->from < c->to)
			return true;
	}
	s->more = true;
	return true;
}

void rx_state_serve_give(struct rx_state_serve *s, const struct rx_state_table *table,
			 uint64_t now_ns)
{
	s->more = false;
	for (unsigned i = s->n; i-- > 0;)
		if (!give(s, &s->consumer[i], table, now_ns))
			let_go(s, i);
}

unsigned rx_state_serve_poll(const struct rx_state_serve *s, struct pollfd *fds)
{
	unsigned n = 0;

	for (unsigned i = 0; i < s->n; i++) {
		const struct rx_state_consumer *c = &s->consumer[i];

		fds[n++] = (struct pollfd){.fd = c->fd,
					   .events = c->from < c->to ? POLLOUT : 0};
	}
	if (s->listener >= 0)
		fds[n++] = (struct pollfd){.fd = s->listener, .events = POLLIN};
	return n;
}

void rx_state_serve_polled(struct rx_state_serve *s, const struct pollfd *fds, unsigned n)
{
	for (unsigned i = s->n; i-- > 0;)
		if (i < n && fds[i].fd == s->consumer[i].fd &&
		    (fds[i].revents & (POLLHUP | POLLERR | POLLNVAL)))
			let_go(s, i);
}
