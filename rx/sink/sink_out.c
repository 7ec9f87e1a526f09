// SPDX-License-Identifier: ISC
#include "sink_out.h"

#include <errno.h>
#include <string.h>

/* Slots looked at once: SINK_BATCH small messages, or a few of the largest. */
#define SINK_LOOK 256u

enum km_rc sink_out_attach(struct sink_out *out, void *mem, size_t len)
{
	return ring_attach(&out->ring, mem, len, SINK_SLOT, SINK_SLOTS, RING_CONSUMER);
}

/* The message at slot INDEX into the batch, as pieces of its slots. */
static void batch_add(struct sink_out *out, uint64_t index, const struct sink_head *head)
{
	struct iovec *piece = out->piece[out->batch];
	uint32_t from = sizeof(*head), len = head->len;
	unsigned n = 0;

	if (out->headed[out->place]) {
		out->judged[out->batch] = *head; /* not the slot's, which may change */
		piece[n++] = (struct iovec){&out->judged[out->batch], sizeof(*head)};
	}
	while (len > 0) {
		const uint32_t room = SINK_SLOT - from;
		const uint32_t here = len < room ? len : room;

		if (here > 0)
			piece[n++] = (struct iovec){
				(uint8_t *)ring_slot(&out->ring, index) + from, here};
		len -= here;
		index++;
		from = 0;
	}
	out->head[out->batch].msg_hdr = (struct msghdr){.msg_iov = piece, .msg_iovlen = n};
	out->batch++;
}

static uint64_t batch_bytes(const struct sink_out *out, unsigned at)
{
	uint64_t bytes = 0;

	for (size_t i = out->headed[out->place]; i < out->head[at].msg_hdr.msg_iovlen; i++)
		bytes += out->piece[at][i].iov_len;
	return bytes;
}

/* What the kernel said instead of taking the message. True: try the same one again. */
static bool batch_error(struct sink_out *out, uint64_t *count, bool again)
{
	out->error[out->place] = errno;
	/* an answer to one before this: said once, and this one was not tried */
	if (errno == ECONNREFUSED) {
		count[SINK_REFUSED]++;
		if (!again)
			return true;
	}
	if (errno == EINTR)
		return true;
	/* a path where a consumer was: the supervisor connects the next one */
	if (errno == ENOTCONN)
		count[SINK_NO_ROUTE]++;
	else if (errno == EAGAIN || errno == EWOULDBLOCK || errno == ENOBUFS)
		count[SINK_BUSY]++;
	else
		count[SINK_FAILED]++;
	return false;
}

/* Send the batch in hand, all of one channel. */
static void batch_send(struct sink_out *out)
{
	uint64_t *count = out->count[out->place];
	const int fd = out->fd[out->place];
	unsigned done = 0;
	bool again = false;

	if (fd < 0) {
		count[SINK_NO_ROUTE] += out->batch;
		done = out->batch;
	}
	while (done < out->batch) {
		int n = sendmmsg(fd, out->head + done, out->batch - done,
				 MSG_DONTWAIT | MSG_NOSIGNAL);

		if (n > 0) {
			for (int i = 0; i < n; i++, done++)
				count[SINK_BYTES] += batch_bytes(out, done);
			count[SINK_SENT] += (uint64_t)n;
			again = false;
		} else {
			again = batch_error(out, count, again);
			done += !again;
		}
	}
	out->batch = 0;
}

/* One message from slot FIRST of N. Slots it takes; 0: a violation. */
static uint32_t message_take(struct sink_out *out, uint64_t first, uint32_t n)
{
	struct sink_head head;
	uint32_t slots;

	memcpy(&head, ring_slot(&out->ring, first), sizeof(head)); /* once: it may change */
	if (head.place >= out->channels || head.len > WIRE_MESSAGE_MAX)
		return 0;
	slots = sink_slots(head.len);
	if (slots > n)
		return SINK_SLOTS; /* the caller knows whether more can come */
	if (out->batch > 0 && (head.place != out->place || out->batch == SINK_BATCH))
		batch_send(out);
	out->place = head.place;
	batch_add(out, first, &head);
	return slots;
}

enum km_rc sink_out_run(struct sink_out *out)
{
	uint32_t n, used = 0;
	uint64_t first;
	enum km_rc rc = ring_peek(&out->ring, SINK_LOOK, &first, &n);

	if (rc != KM_OK)
		return rc;
	while (used < n) {
		const uint32_t slots = message_take(out, first + used, n - used);

		if (slots == 0)
			return KM_ERR_MALFORMED;
		if (slots == SINK_SLOTS) {
			/* all slots of a message are submitted at once: only our own limit
			 * may have cut it */
			if (n < SINK_LOOK || used == 0)
				return KM_ERR_MALFORMED;
			break;
		}
		used += slots;
	}
	if (out->batch > 0)
		batch_send(out);
	if (used < n && ring_cancel(&out->ring, n - used) != KM_OK)
		return KM_ERR_STATE;
	return ring_release(&out->ring, used);
}
