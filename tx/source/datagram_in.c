// SPDX-License-Identifier: ISC
#include "datagram_in.h"

#include <linux/sock_diag.h>
#include <stdlib.h>
#include <string.h>

#define LIMIT_BURST_US UINT64_C(100000)
#define LIMIT_UNIT UINT64_C(1000000)

void datagram_limit_init(struct datagram_limit *limit, uint64_t rate, uint64_t largest,
			 uint64_t now_ns)
{
	const uint64_t burst = rate * LIMIT_BURST_US;

	limit->rate = rate;
	limit->most = burst > largest * LIMIT_UNIT ? burst : largest * LIMIT_UNIT;
	limit->credit = limit->most;
	limit->at_us = now_ns / 1000;
}

bool datagram_limit_take(struct datagram_limit *limit, uint64_t cost, uint64_t now_ns)
{
	const uint64_t now_us = now_ns / 1000;
	uint64_t passed = now_us - limit->at_us;

	if (limit->rate == 0)
		return true;
	/* longer than it takes to fill: no overflow for any rate */
	if (passed > limit->most / limit->rate)
		passed = limit->most / limit->rate + 1;
	limit->at_us = now_us;
	limit->credit += passed * limit->rate;
	if (limit->credit > limit->most)
		limit->credit = limit->most;
	if (limit->credit < cost * LIMIT_UNIT)
		return false;
	limit->credit -= cost * LIMIT_UNIT;
	return true;
}

int datagram_in_open(struct datagram_in *in, const struct tx_config_live *conf, int fd,
		     struct datagram_counts *counts, uint64_t now_ns, struct km_err *err)
{
	const size_t stride = conf->max_size + 1u;

	memset(in, 0, sizeof(*in));
	in->conf = conf;
	in->counts = counts;
	in->fd = fd;
	in->addressed = conf->listen.kind == LOCAL_END_INET &&
			!tx_kind_has_role((enum tx_kind)conf->kind);
	datagram_limit_init(&in->messages, conf->max_messages, 1, now_ns);
	datagram_limit_init(&in->bytes, conf->max_bps / 8, conf->max_size, now_ns);
	in->room = malloc(DATAGRAM_BATCH * stride);
	if (!in->room)
		return km_err_set(err, EX_OSERR, "channel %s: out of memory", conf->name);
	for (unsigned i = 0; i < DATAGRAM_BATCH; i++) {
		in->piece[i] = (struct iovec){in->room + i * stride, stride};
		in->head[i].msg_hdr.msg_iov = &in->piece[i];
		in->head[i].msg_hdr.msg_iovlen = 1;
		in->head[i].msg_hdr.msg_name = &in->from[i];
	}
	return 0;
}

void datagram_in_close(struct datagram_in *in)
{
	free(in->room);
	in->room = NULL;
	in->count = in->next = 0;
}

static bool allowed(const struct tx_config_live *conf, const struct sockaddr_in *from)
{
	for (unsigned i = 0; i < conf->allowed; i++)
		if (memcmp(conf->allow[i], &from->sin_addr, sizeof(conf->allow[i])) == 0)
			return true;
	return conf->allowed == 0;
}

/* Whether policy lets the message in; else it is counted. */
static bool let_in(struct datagram_in *in, const struct mmsghdr *head,
		   const struct sockaddr_in *from, uint64_t now_ns)
{
	if (in->addressed && (head->msg_hdr.msg_namelen < sizeof(*from) ||
			      from->sin_family != AF_INET || !allowed(in->conf, from))) {
		in->counts->not_allowed++;
		return false;
	}
	if ((head->msg_hdr.msg_flags & MSG_TRUNC) || head->msg_len > in->conf->max_size) {
		in->counts->too_long++;
		return false;
	}
	if (!datagram_limit_take(&in->messages, 1, now_ns) ||
	    !datagram_limit_take(&in->bytes, head->msg_len, now_ns)) {
		in->counts->over_rate++;
		return false;
	}
	return true;
}

/* A batch of what waits at the socket, judged. */
static void batch_take(struct datagram_in *in, uint64_t now_ns)
{
	int n;

	in->next = in->count = 0;
	for (unsigned i = 0; i < DATAGRAM_BATCH; i++)
		in->head[i].msg_hdr.msg_namelen = sizeof(in->from[i]);
	n = recvmmsg(in->fd, in->head, DATAGRAM_BATCH, MSG_DONTWAIT, NULL);
	for (int i = 0; i < n; i++)
		if (let_in(in, &in->head[i], &in->from[i], now_ns))
			in->let_in[in->count++] = (uint8_t)i;
}

bool datagram_in_peek(struct datagram_in *in, struct datagram_message *message,
		      uint64_t now_ns)
{
	unsigned at;

	if (in->next == in->count)
		batch_take(in, now_ns);
	if (in->next == in->count)
		return false;
	at = in->let_in[in->next];
	message->data = in->piece[at].iov_base;
	message->len = in->head[at].msg_len;
	message->source_len = in->addressed ? sizeof(message->source) : 0;
	if (!in->addressed)
		return true;
	memcpy(message->source, &in->from[at].sin_addr, 4);
	memcpy(message->source + 4, &in->from[at].sin_port, 2);
	return true;
}

void datagram_in_done(struct datagram_in *in)
{
	if (in->next < in->count)
		in->next++;
}

uint64_t datagram_in_waiting(const struct datagram_in *in)
{
	uint64_t bytes = 0;

	for (unsigned i = in->next; i < in->count; i++)
		bytes += in->head[in->let_in[i]].msg_len;
	return bytes;
}

/* SO_MEMINFO tells the same number as SO_RXQ_OVFL, and without a message that carries it. */
void datagram_in_look(struct datagram_in *in)
{
	uint32_t info[SK_MEMINFO_VARS] = {0};
	socklen_t len = sizeof(info);

	if (getsockopt(in->fd, SOL_SOCKET, SO_MEMINFO, info, &len) != 0 ||
	    len <= SK_MEMINFO_DROPS * sizeof(info[0]))
		return;
	in->counts->overflow += info[SK_MEMINFO_DROPS] - in->drops; /* modulo 2^32 */
	in->drops = info[SK_MEMINFO_DROPS];
}
