// SPDX-License-Identifier: ISC
#include "link_udp.h"

#include <errno.h>
#include <linux/if_packet.h>
#include <string.h>
#include <sys/socket.h>

/* linux/virtio_net.h, by its numbers; its fields are in the byte order of the machine. */
#define VNET_NEEDS_CSUM 1u
#define VNET_GSO_NONE 0u
#define VNET_GSO_UDP_L4 5u

struct vnet_header {
	uint8_t flags, gso_type;
	uint16_t hdr_len; /* headers: what the kernel keeps together in one piece */
	uint16_t gso_size, csum_start, csum_offset;
};
_Static_assert(sizeof(struct vnet_header) == LINK_UDP_VNET_LEN, "virtio header");

/* Messages of one system call, and what they are made of. */
struct batch {
	unsigned messages;
	unsigned frames[LINK_UDP_BATCH]; /* of each message */
	struct mmsghdr message[LINK_UDP_BATCH];
	struct iovec
		piece[2 * LINK_UDP_BATCH]; /* a head for each message, and the frames */
	uint8_t head[LINK_UDP_BATCH][LINK_UDP_HEAD_MAX];
};

void link_udp_open(struct link_udp *udp, struct link_packet *link,
		   const struct tx_config *config)
{
	int on = 1;

	memset(udp, 0, sizeof(*udp));
	udp->link = link;
	udp->path = config->udp;
	udp->ether_len = tx_config_link_header_len(config);
	tx_config_link_header(config, udp->ether);
	if (!config->segmentation)
		return;
	if (setsockopt(link->fd, SOL_PACKET, PACKET_VNET_HDR, &on, sizeof(on)) < 0) {
		udp->refused = errno;
		return;
	}
	udp->vnet = true;
	udp->trains = LINK_UDP_UNTRIED;
}

uint32_t link_udp_head_len(const struct link_udp *udp)
{
	return udp->ether_len + WIRE_CARRIER_UDP;
}

/* How many of the N frames go as one train. */
static unsigned train_length(const struct link_udp *udp, const struct iovec *frames,
			     unsigned n, enum link_udp_how how)
{
	size_t total = frames[0].iov_len;
	unsigned count = 1;

	if (udp->trains == LINK_UDP_OFF || how == LINK_UDP_SINGLE)
		return 1;
	while (count < n && count < LINK_UDP_TRAIN_MAX &&
	       frames[count].iov_len <= frames[0].iov_len &&
	       total + frames[count].iov_len <= WIRE_CARRIER_PAYLOAD_MAX) {
		total += frames[count].iov_len;
		if (frames[count++].iov_len < frames[0].iov_len)
			break; /* a shorter one is the last */
	}
	return count;
}

/* The headers in front of COUNT frames; their length. */
static size_t write_head(const struct link_udp *udp, uint8_t *head,
			 const struct iovec *frames, unsigned count)
{
	struct vnet_header vnet = {.gso_type = VNET_GSO_NONE};
	uint8_t *at = head;
	uint16_t checksum;
	size_t total = 0;

	for (unsigned i = 0; i < count; i++)
		total += frames[i].iov_len;
	if (count > 1) {
		vnet.flags = VNET_NEEDS_CSUM;
		vnet.gso_type = VNET_GSO_UDP_L4;
		vnet.hdr_len = (uint16_t)link_udp_head_len(udp);
		vnet.gso_size = (uint16_t)frames[0].iov_len;
		vnet.csum_start = (uint16_t)(udp->ether_len + WIRE_IPV4_LEN);
		vnet.csum_offset = 6;
		checksum = carrier_udp_partial(&udp->path, total);
	} else {
		/* ready for the wire, whatever the device can do */
		checksum = carrier_udp_checksum(&udp->path, frames[0].iov_base, total);
	}
	if (udp->vnet) {
		memcpy(at, &vnet, sizeof(vnet));
		at += sizeof(vnet);
	}
	memcpy(at, udp->ether, udp->ether_len);
	at += udp->ether_len;
	carrier_udp_write(at, &udp->path, total, checksum);
	return (size_t)(at + WIRE_CARRIER_UDP - head);
}

static void make_batch(const struct link_udp *udp, struct batch *b,
		       const struct iovec *frames, unsigned n, enum link_udp_how how)
{
	struct iovec *piece = b->piece;

	b->messages = 0;
	while (n > 0) {
		const unsigned count = train_length(udp, frames, n, how), m = b->messages++;

		b->frames[m] = count;
		memset(&b->message[m], 0, sizeof(b->message[m]));
		b->message[m].msg_hdr.msg_iov = piece;
		b->message[m].msg_hdr.msg_iovlen = count + 1;
		piece->iov_base = b->head[m];
		piece->iov_len = write_head(udp, b->head[m], frames, count);
		memcpy(piece + 1, frames, count * sizeof(*piece));
		piece += count + 1;
		frames += count;
		n -= count;
	}
}

/* The kernel does not know these trains, or the device cannot carry them. */
static bool refuses_trains(int error)
{
	return error == EINVAL || error == EOPNOTSUPP || error == EMSGSIZE ||
	       error == EPROTONOSUPPORT || error == EIO;
}

/* Send the batch; *DONE frames were taken. KM_ERR_UNSUPPORTED: the next is a train, and it
 * was refused for being one. */
static enum km_rc send_batch(struct link_udp *udp, struct batch *b, unsigned *done)
{
	unsigned at = 0;

	while (at < b->messages) {
		int sent = sendmmsg(udp->link->fd, b->message + at, b->messages - at, 0);

		for (int i = 0; i < sent; i++, at++) {
			*done += b->frames[at];
			if (b->frames[at] < 2)
				continue;
			udp->train_count++;
			udp->trains = LINK_UDP_ON;
		}
		if (sent > 0)
			continue;
		if (b->frames[at] > 1 && refuses_trains(errno))
			return KM_ERR_UNSUPPORTED;
		enum km_rc rc = link_packet_judge(udp->link);

		if (rc != KM_OK)
			return rc;
	}
	return KM_OK;
}

/* The announce as a train of two. */
static enum km_rc send_probe(struct link_udp *udp, struct batch *b,
			     const struct iovec *announce)
{
	const struct iovec twice[2] = {*announce, *announce};
	unsigned done = 0;
	enum km_rc rc;

	make_batch(udp, b, twice, 2, LINK_UDP_PROBE);
	rc = send_batch(udp, b, &done);
	if (rc == KM_OK)
		udp->probes++;
	return rc;
}

enum km_rc link_udp_send(struct link_udp *udp, const struct iovec *frames, unsigned n,
			 enum link_udp_how how, unsigned *done)
{
	struct batch b;
	enum km_rc rc = KM_OK;

	*done = 0;
	if (how == LINK_UDP_PROBE && udp->trains == LINK_UDP_UNTRIED) {
		rc = send_probe(udp, &b, frames);
		if (rc == KM_OK)
			*done = 1;
	}
	while (*done < n && (rc == KM_OK || rc == KM_ERR_UNSUPPORTED)) {
		if (rc == KM_ERR_UNSUPPORTED) {
			udp->refused = errno;
			udp->trains = LINK_UDP_OFF;
		}
		make_batch(udp, &b, frames + *done, n - *done, how);
		rc = send_batch(udp, &b, done);
	}
	return rc;
}
