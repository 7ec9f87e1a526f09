// SPDX-License-Identifier: ISC
#include "tx_state_in.h"

#include <errno.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

#include "cursor.h"

void tx_state_in_open(struct tx_state_in *in, const struct tx_config_live *conf, int fd)
{
	in->conf = conf;
	in->fd = fd;
}

enum km_rc tx_state_in_parse(struct state_message *m, const uint8_t *p, size_t n,
			     uint32_t max)
{
	const uint8_t *end = n > 0 ? memchr(p, '\n', n) : NULL;
	const size_t key_len = end ? (size_t)(end - p) : n;
	struct rd rd;

	*m = (struct state_message){0};
	if (key_len > STATE_KEY_MAX)
		return KM_ERR_MALFORMED;
	rd_init(&rd, p, n);
	m->op = end ? STATE_VALUE : STATE_WITHDRAWN;
	m->key_len = (uint8_t)key_len;
	m->key = rd_bytes(&rd, key_len);
	if (end)
		rd_skip(&rd, 1);
	m->value_len = (uint32_t)rd_left(&rd);
	m->value = rd_bytes(&rd, m->value_len);
	if (!rd_done(&rd) || !state_key_good(m->key, key_len))
		return KM_ERR_MALFORMED;
	if (max < STATE_HEAD_LEN + key_len ||
	    m->value_len > STATE_VALUE_MAX(max, (uint32_t)key_len))
		return KM_ERR_LIMIT;
	return KM_OK;
}

static bool allowed(const struct tx_config_live *conf, const struct sockaddr_in *from,
		    socklen_t len)
{
	if (conf->allowed == 0 || conf->listen.kind != LOCAL_END_INET)
		return true;
	if (len < sizeof(*from) || from->sin_family != AF_INET)
		return false;
	for (unsigned i = 0; i < conf->allowed; i++)
		if (memcmp(conf->allow[i], &from->sin_addr, sizeof(conf->allow[i])) == 0)
			return true;
	return false;
}

bool tx_state_in_next(struct tx_state_in *in, struct state_message *m, unsigned most,
		      unsigned *taken)
{
	for (*taken = 0; *taken < most;) {
		struct sockaddr_storage from;
		socklen_t len = sizeof(from);
		const ssize_t n = recvfrom(in->fd, in->room, sizeof(in->room), MSG_DONTWAIT,
					   (struct sockaddr *)&from, &len);

		if (n < 0 && errno != EINTR)
			return false;
		if (n < 0)
			continue;
		++*taken;
		if (!allowed(in->conf, (const struct sockaddr_in *)&from, len)) {
			in->drops.not_allowed++;
			continue;
		}
		switch (tx_state_in_parse(m, in->room, (size_t)n, in->conf->max_size)) {
		case KM_OK:
			return true;
		case KM_ERR_LIMIT:
			in->drops.too_long++;
			break;
		default:
			in->drops.malformed++;
			break;
		}
	}
	return false;
}

void tx_state_in_look(struct tx_state_in *in)
{
	uint32_t info[SK_MEMINFO_VARS] = {0};
	socklen_t len = sizeof(info);

	if (getsockopt(in->fd, SOL_SOCKET, SO_MEMINFO, info, &len) != 0 ||
	    len <= SK_MEMINFO_DROPS * sizeof(info[0]))
		return;
	/* the socket counts modulo 2^32, and outlives this process: what came before us is in it */
	in->drops.overflow += info[SK_MEMINFO_DROPS] - (uint32_t)in->drops.overflow;
}
