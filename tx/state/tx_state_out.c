// SPDX-License-Identifier: ISC
#include "tx_state_out.h"

#include <errno.h>
#include <sys/socket.h>

/* KM_ERR_FULL: not now. Any other error is final for this message, and counted. */
static enum km_rc send_one(struct tx_state_out *out, const struct state_message *m)
{
	ssize_t n;
	size_t len;

	if (state_encode(out->room, sizeof(out->room), m, &len) != KM_OK) {
		out->sent.failed++;
		return KM_OK;
	}
	do {
		n = send(out->fd, out->room, len, MSG_DONTWAIT | MSG_NOSIGNAL);
	} while (n < 0 && errno == EINTR);
	if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == ENOBUFS))
		return KM_ERR_FULL;
	if (n < 0)
		out->sent.failed++;
	else if (m->refresh)
		out->sent.refreshes++;
	else
		out->sent.updates++;
	return KM_OK;
}

enum km_rc tx_state_out_run(struct tx_state_out *out, struct tx_state_table *table,
			    unsigned most, uint64_t now_ns)
{
	struct state_message m;

	for (unsigned i = 0; i < most; i++) {
		if (!tx_state_table_peek(table, &m, now_ns))
			return KM_OK;
		if (send_one(out, &m) == KM_ERR_FULL)
			return KM_ERR_FULL;
		tx_state_table_take(table, now_ns);
	}
	return KM_ERR_LIMIT;
}
