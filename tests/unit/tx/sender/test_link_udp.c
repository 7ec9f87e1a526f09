// SPDX-License-Identifier: ISC
/*
 * Trains of datagrams against a kernel of our own: setsockopt() and sendmmsg() are interposed,
 * what is sent is cut as Linux cuts it, and every kind of refusal is tried at every place.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <linux/if_packet.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "carrier.h"
#include "link_udp.h"

#define FRAMES_MAX 1024u
#define PIECE_MAX 1500u

static struct kernel {
	bool no_vnet;	    /* knows no virtio header */
	int refuses;	    /* errno for trains, 0: takes them */
	unsigned refuse_at; /* from this train on */
	unsigned most;	    /* messages of one call, 0: all */
	int fails;	    /* errno for the message number fail_at, told once */
	unsigned fail_at;
	/* what came */
	bool vnet;
	unsigned messages, trains, offers, frames;
	uint16_t length[FRAMES_MAX];
	uint8_t payload[FRAMES_MAX][PIECE_MAX];
} kernel;

static const uint8_t ether[WIRE_ETHER_LEN] = {3, 'K', 'M', 0, 0, 1, 2, 0, 0, 0, 0, 9, 8, 0};

int setsockopt(int fd, int level, int name, const void *value, socklen_t len)
{
	if (fd != 77) /* the test runner's own */
		return (int)syscall(SYS_setsockopt, fd, level, name, value, len);
	cr_assert(level == SOL_PACKET && name == PACKET_VNET_HDR && len == sizeof(int) &&
		  *(const int *)value == 1);
	if (kernel.no_vnet) {
		errno = ENOPROTOOPT;
		return -1;
	}
	kernel.vnet = true;
	return 0;
}

static uint16_t native16(const uint8_t *p)
{
	uint16_t v;

	memcpy(&v, p, sizeof(v));
	return v;
}

/* One datagram on the wire, judged as our receiver would and its checksum by itself. */
static void take_datagram(const uint8_t *p, size_t len)
{
	static const struct carrier_udp path = {{{192, 0, 2, 1}, 4001},
						{{198, 51, 100, 7}, 4002}};
	const uint8_t *payload;
	size_t n;

	cr_assert_arr_eq(p, ether, sizeof(ether));
	cr_assert_eq(carrier_udp_read(&path, p + sizeof(ether), len - sizeof(ether),
				      &payload, &n),
		     CARRIER_OURS);
	cr_assert_eq(payload[-2] << 8 | payload[-1],
		     carrier_udp_checksum(&path, payload, n));
	cr_assert(kernel.frames < FRAMES_MAX && n <= PIECE_MAX);
	kernel.length[kernel.frames] = (uint16_t)n;
	memcpy(kernel.payload[kernel.frames++], payload, n);
}

/* Cut a train as Linux does; false: it is none, or not one that Linux would take. */
static bool take_train(const uint8_t *vnet, const uint8_t *p, size_t len)
{
	static const struct carrier_udp path = {{{192, 0, 2, 1}, 4001},
						{{198, 51, 100, 7}, 4002}};
	const size_t head = sizeof(ether) + WIRE_CARRIER_UDP, piece = native16(vnet + 4);
	const size_t total = len - head;
	uint8_t out[PIECE_MAX + 64];

	if (vnet[1] == 0)
		return false;
	cr_assert(vnet[0] == 1 && vnet[1] == 5, "NEEDS_CSUM and UDP_L4");
	cr_assert(native16(vnet + 2) == head && native16(vnet + 6) == 34 &&
		  native16(vnet + 8) == 6);
	cr_assert(len > head && total > piece && total <= 64 * piece &&
		  len - sizeof(ether) <= 65535);
	cr_assert_eq(p[40] << 8 | p[41], carrier_udp_partial(&path, total));
	cr_assert_eq(p[16] << 8 | p[17], (int)(len - sizeof(ether)));
	cr_assert_eq(p[38] << 8 | p[39], (int)(total + WIRE_UDP_LEN));
	for (size_t at = 0; at < total; at += piece) {
		size_t n = total - at < piece ? total - at : piece;

		memcpy(out, ether, sizeof(ether));
		carrier_udp_write(out + sizeof(ether), &path, n,
				  carrier_udp_checksum(&path, p + head + at, n));
		memcpy(out + head, p + head + at, n);
		take_datagram(out, head + n);
	}
	kernel.trains++;
	return true;
}

static int take_message(const struct msghdr *m)
{
	static uint8_t flat[70000];
	static const uint8_t plain[LINK_UDP_VNET_LEN];
	const uint8_t *vnet = plain, *p = flat;
	size_t len = 0;

	for (size_t i = 0; i < m->msg_iovlen; i++) {
		cr_assert(len + m->msg_iov[i].iov_len <= sizeof(flat));
		memcpy(flat + len, m->msg_iov[i].iov_base, m->msg_iov[i].iov_len);
		len += m->msg_iov[i].iov_len;
	}
	if (kernel.fails && kernel.messages == kernel.fail_at) {
		errno = kernel.fails;
		return -1;
	}
	if (kernel.vnet) {
		vnet = flat;
		p += LINK_UDP_VNET_LEN;
		len -= LINK_UDP_VNET_LEN;
	}
	if (vnet[1] != 0 && kernel.offers++ >= kernel.refuse_at && kernel.refuses) {
		errno = kernel.refuses;
		return -1;
	}
	if (!take_train(vnet, p, len))
		take_datagram(p, len);
	kernel.messages++;
	return 0;
}

int sendmmsg(int fd, struct mmsghdr *messages, unsigned n, int flags)
{
	unsigned i;

	if (fd != 77)
		return (int)syscall(SYS_sendmmsg, fd, messages, n, flags);
	cr_assert(flags == 0 && n > 0);
	for (i = 0; i < n && (kernel.most == 0 || i < kernel.most); i++)
		if (take_message(&messages[i].msg_hdr) < 0)
			break;
	/* an error behind messages that were taken shows at the next call only */
	if (i > 0)
		return (int)i;
	if (errno == kernel.fails)
		kernel.fails = 0;
	return -1;
}

static struct link_packet link_of_77 = {.fd = 77};
static struct link_udp udp;
static uint8_t bytes[FRAMES_MAX][PIECE_MAX];
static struct iovec frames[FRAMES_MAX];

static void begin(bool segmentation)
{
	static struct tx_config config;

	/* every frame is another, and its sums are odd */
	for (unsigned i = 0; i < FRAMES_MAX; i++)
		for (unsigned j = 0; j < PIECE_MAX; j++)
			bytes[i][j] = (uint8_t)(i * 31 + j * 7 + (i * j >> 5));
	config.framing = TX_FRAMING_UDP;
	config.segmentation = segmentation;
	config.udp =
		(struct carrier_udp){{{192, 0, 2, 1}, 4001}, {{198, 51, 100, 7}, 4002}};
	memcpy(config.dst_mac, ether, 6);
	memcpy(config.src_mac, ether + 6, 6);
	link_udp_open(&udp, &link_of_77, &config);
}

/* N frames of SIZE bytes each from number FIRST on. */
static void fill(unsigned first, unsigned n, size_t size)
{
	for (unsigned i = first; i < first + n; i++)
		frames[i] = (struct iovec){bytes[i], size};
}

/* The N frames from number FROM on came as the kernel's frames from number AT on. */
static void check_came(unsigned at, unsigned from, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		cr_assert_eq(kernel.length[at + i], frames[from + i].iov_len, "frame %u",
			     from + i);
		cr_assert_arr_eq(kernel.payload[at + i], frames[from + i].iov_base,
				 frames[from + i].iov_len);
	}
}

Test(link_udp, trains_are_frames_of_one_size_and_a_shorter_last)
{
	unsigned done;

	begin(true);
	fill(0, 10, 1472);
	fill(10, 1, 300); /* ends the train */
	fill(11, 3, 900);
	fill(14, 1, 901); /* longer than the first: begins one */
	fill(15, 2, 60);
	cr_assert_eq(link_udp_send(&udp, frames, 17, LINK_UDP_TRAIN, &done), KM_OK);
	cr_assert(done == 17 && kernel.frames == 17);
	check_came(0, 0, 17);
	/* 10 + 300; 900 x 3; 901 + 60; 60 alone */
	cr_assert(kernel.trains == 3 && kernel.messages == 4 && udp.train_count == 3);
	cr_assert(udp.trains == LINK_UDP_ON && udp.refused == 0);
}

Test(link_udp, realtime_makes_no_trains)
{
	unsigned done;

	begin(true);
	fill(0, 64, 300);
	cr_assert_eq(link_udp_send(&udp, frames, 64, LINK_UDP_SINGLE, &done), KM_OK);
	cr_assert(done == 64 && kernel.messages == 64 && kernel.offers == 0);
	check_came(0, 0, 64);
}

Test(link_udp, limits_of_a_train)
{
	unsigned done;

	begin(true);
	fill(0, 128, 60); /* by count: 64 + 64 */
	cr_assert_eq(link_udp_send(&udp, frames, 128, LINK_UDP_TRAIN, &done), KM_OK);
	cr_assert(done == 128 && kernel.trains == 2);
	fill(128, 128, 1472); /* by bytes: 44 + 44 + 40 */
	cr_assert_eq(link_udp_send(&udp, frames + 128, 128, LINK_UDP_TRAIN, &done), KM_OK);
	cr_assert(done == 128 && kernel.trains == 5);
	check_came(0, 0, 256);
}

Test(link_udp, the_announce_tries_a_train)
{
	unsigned done;

	begin(true);
	fill(0, 3, 380);
	cr_assert_eq(link_udp_send(&udp, frames, 1, LINK_UDP_PROBE, &done), KM_OK);
	cr_assert(done == 1 && kernel.frames == 2 && udp.probes == 1 && kernel.trains == 1);
	check_came(0, 0, 1);
	check_came(1, 0, 1);
	/* and only once */
	cr_assert_eq(link_udp_send(&udp, frames + 1, 2, LINK_UDP_PROBE, &done), KM_OK);
	cr_assert(done == 2 && kernel.frames == 4 && udp.probes == 1);
	check_came(2, 1, 2);
}

Test(link_udp, a_kernel_that_refuses_trains)
{
	static const int errors[] = {EINVAL, EOPNOTSUPP, EMSGSIZE, EPROTONOSUPPORT, EIO};
	unsigned done;

	for (size_t i = 0; i < KM_COUNT(errors); i++) {
		kernel = (struct kernel){.refuses = errors[i]};
		begin(true);
		fill(0, 100, 1472);
		cr_assert_eq(link_udp_send(&udp, frames, 1, LINK_UDP_PROBE, &done), KM_OK);
		cr_assert(done == 1 && kernel.frames == 1 && udp.probes == 0);
		cr_assert(udp.trains == LINK_UDP_OFF && udp.refused == errors[i]);
		cr_assert_eq(link_udp_send(&udp, frames + 1, 99, LINK_UDP_PROBE, &done),
			     KM_OK);
		cr_assert(done == 99 && kernel.frames == 100 && kernel.offers == 1);
		check_came(0, 0, 100);
	}
}

Test(link_udp, a_kernel_that_stops_taking_trains)
{
	unsigned done;

	for (unsigned at = 0; at < 3; at++) {
		kernel = (struct kernel){.refuses = EIO, .refuse_at = at};
		begin(true);
		fill(0, 128, 1472);
		cr_assert_eq(link_udp_send(&udp, frames, 128, LINK_UDP_TRAIN, &done),
			     KM_OK);
		cr_assert(done == 128 && kernel.frames == 128 && kernel.trains == at);
		cr_assert(udp.trains == LINK_UDP_OFF && udp.train_count == at);
		check_came(0, 0, 128);
	}
}

Test(link_udp, without_virtio_headers)
{
	unsigned done;

	kernel.no_vnet = true;
	begin(true);
	fill(0, 20, 1472);
	cr_assert_eq(link_udp_send(&udp, frames, 20, LINK_UDP_PROBE, &done), KM_OK);
	cr_assert(done == 20 && kernel.messages == 20 && kernel.offers == 0);
	cr_assert(udp.refused == ENOPROTOOPT && !udp.vnet);
	check_came(0, 0, 20);
	/* the same when it is not wanted; then nothing was refused */
	kernel = (struct kernel){0};
	begin(false);
	cr_assert_eq(link_udp_send(&udp, frames, 20, LINK_UDP_PROBE, &done), KM_OK);
	cr_assert(done == 20 && kernel.messages == 20 && !kernel.vnet && udp.refused == 0);
	check_came(0, 0, 20);
}

Test(link_udp, what_a_failed_call_leaves)
{
	static const struct {
		int error;
		enum km_rc rc;
	} rows[] = {
		{ENETDOWN, KM_ERR_TIMEOUT}, {ENXIO, KM_ERR_CLOSED}, {ENOMEM, KM_ERR_SYS}};
	unsigned done;

	for (unsigned i = 0; i < KM_COUNT(rows) * 3; i++) {
		kernel = (struct kernel){
			.fails = rows[i / 3].error, .fail_at = i % 3, .most = i % 2};
		begin(true);
		fill(0, 128, 1472); /* 44 + 44 + 40 */
		cr_assert_eq(link_udp_send(&udp, frames, 128, LINK_UDP_TRAIN, &done),
			     rows[i / 3].rc);
		cr_assert(done == 44 * (i % 3) && kernel.frames == done);
		/* what was not taken is offered again */
		cr_assert_eq(link_udp_send(&udp, frames + done, 128 - done, LINK_UDP_TRAIN,
					   &done),
			     KM_OK);
		cr_assert_eq(kernel.frames, 128);
		check_came(0, 0, 128);
	}
}

Test(link_udp, a_full_queue_is_tried_again)
{
	unsigned done;

	kernel = (struct kernel){.fails = ENOBUFS, .fail_at = 1};
	begin(true);
	link_of_77.enobufs = 0;
	fill(0, 128, 1472);
	cr_assert_eq(link_udp_send(&udp, frames, 128, LINK_UDP_TRAIN, &done), KM_OK);
	cr_assert(done == 128 && kernel.frames == 128 && link_of_77.enobufs == 1);
	check_came(0, 0, 128);
	/* a single frame beyond the MTU is no train that is refused */
	kernel = (struct kernel){.fails = EMSGSIZE};
	begin(true);
	cr_assert_eq(link_udp_send(&udp, frames, 1, LINK_UDP_TRAIN, &done), KM_ERR_LIMIT);
	cr_assert(done == 0 && udp.trains == LINK_UDP_UNTRIED);
}
