// SPDX-License-Identifier: ISC
#include "rx_state_in.h"

#include <errno.h>
#include <sys/socket.h>

#include "cursor.h"

/* A jump within a session, and what a new one had before we heard of it. */
static void count_lost(struct rx_state_in *in, const struct sink_head *head)
{
	const bool same = in->joined && in->session == head->session;
	const uint64_t last = same ? in->number : 0;

	if (in->joined && head->number > last)
		in->lost += head->number - last - 1;
	if (!same || head->number > in->number)
		in->number = head->number;
	in->session = head->session;
	in->joined = true;
}

enum km_rc rx_state_in_message(struct rx_state_in *in, const uint8_t *p, size_t n,
			       struct rx_state_table *table, struct rx_state_age *age,
			       uint64_t now_ns)
{
	struct state_message m;
	struct sink_head head;
	const uint8_t *bytes;
	struct rd rd;

	rd_init(&rd, p, n);
	rd_copy(&rd, &head, sizeof(head));
	bytes = rd_bytes(&rd, head.len);
	if (!rd_done(&rd) || head.place != in->place || head.len > WIRE_MESSAGE_MAX)
		return KM_ERR_MALFORMED;
	count_lost(in, &head);
	rx_state_age_note(age, head.tx_time_ns, now_ns);
	if (state_decode(&m, bytes, head.len) != KM_OK) {
		in->malformed++;
		return KM_OK;
	}
	const struct rx_state_origin from = {
		.session = head.session,
		.number = head.number,
		.age_ns = rx_state_age_of(age, m.update_ns, now_ns),
	};
	(void)!rx_state_table_put(table, &m, &from, now_ns); /* counted there */
	return KM_OK;
}

enum km_rc rx_state_in_take(struct rx_state_in *in, struct rx_state_table *table,
			    struct rx_state_age *age, unsigned most, uint64_t now_ns)
{
	for (unsigned i = 0; i < most;) {
		const ssize_t n = recv(in->fd, in->room, sizeof(in->room), MSG_DONTWAIT);
		enum km_rc rc;

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return errno == EAGAIN || errno == EWOULDBLOCK ? KM_ERR_EMPTY
								       : KM_ERR_SYS;
		if (n == 0)
			return KM_ERR_CLOSED;
		rc = rx_state_in_message(in, in->room, (size_t)n, table, age, now_ns);
		if (rc != KM_OK)
			return rc;
		i++;
	}
	return KM_OK;
}
