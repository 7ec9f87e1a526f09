// SPDX-License-Identifier: ISC
/*
 * A source that was broken into, against the real tx sender, on the loopback interface of a
 * network namespace of its own. Whatever the source writes into the lanes, what leaves has our
 * Ethernet header, no more than the MTU, and no more than the rate; else the pair ends.
 */
#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <errno.h>
#include <linux/capability.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "attack_rig.h"
#include "clock.h"
#include "host.h"
#include "lane.h"
#include "sender.h"
#include "shm.h"
#include "stats.h"
#include "tx_table.h"

TestSuite(attack_sender, .timeout = 120);

#define MTU 1500u
#define FRAME_MAX (MTU + WIRE_ETHER_LEN)
#define RATE_BPS UINT64_C(20000000)

static struct attack_role sender;
static struct tx_config config;
static struct lane_plan plan;
static struct shm_map index_map, slots_map;
static struct ring lane[LANE_COUNT];
static uint8_t head[WIRE_ETHER_VLAN_LEN];
static int fd_config, fd_stats, fd_index, fd_slots, fd_slots_ro, tap = -1;

static void format(void)
{
	struct lane_bells *bells = lane_index_bells(index_map.p, &plan);

	memset(index_map.p, 0, index_map.len);
	for (unsigned i = 0; i < LANE_COUNT; i++) {
		cr_assert_eq(ring_format(lane_index_page(index_map.p, i), LANE_PAGE,
					 plan.stride, plan.slots),
			     KM_OK);
		cr_assert_eq(ring_attach_split(
				     &lane[i], lane_index_page(index_map.p, i), LANE_PAGE,
				     (uint8_t *)slots_map.p + i * lane_ring_bytes(&plan),
				     lane_ring_bytes(&plan), plan.stride, plan.slots,
				     RING_PRODUCER),
			     KM_OK);
		ring_set_bells(&lane[i], &bells->sender.bell, &bells->worker[0].bell);
	}
}

static void start(void)
{
	const struct role_fd fds[] = {{fd_config, TX_FD_CONFIG},
				      {fd_stats, TX_FD_STATS},
				      {fd_index, TX_FD_LANE_INDEX},
				      {fd_slots_ro, TX_FD_LANE_SLOTS}};
	const struct attack_spec spec = {.name = "sender",
					 .main = sender_main,
					 .fds = fds,
					 .n_fds = KM_COUNT(fds),
					 .args = {"--mtu", "1500", "--workers", "1"},
					 .n_args = 4,
					 .keep_caps = SANDBOX_CAP(CAP_NET_RAW)};

	format();
	attack_start(&sender, &spec);
}

/* What leaves: every frame that the interface sends. */
static void open_tap(void)
{
	struct sockaddr_ll at = {.sll_family = AF_PACKET,
				 .sll_protocol = htons(ETH_P_ALL),
				 .sll_ifindex = (int)if_nametoindex("lo")};
	const int buffer = 64 << 20;

	tap = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, htons(ETH_P_ALL));
	cr_assert_geq(tap, 0);
	(void)setsockopt(tap, SOL_SOCKET, SO_RCVBUFFORCE, &buffer, sizeof(buffer));
	cr_assert_eq(bind(tap, (struct sockaddr *)&at, sizeof(at)), 0);
}

static void set_up(void)
{
	static const char text[] =
		"[transmitter]\ninterface = lo\nreceivers = /rx.pub\n"
		"rate = 20 Mbit/s\nbackend = packet\nsandbox = permissive\n";
	struct ifreq up = {.ifr_name = "lo"};
	struct km_err err = KM_ERR_INIT;
	int sock;

	if (unshare(CLONE_NEWNET) != 0) {
		fprintf(stderr, "skipped: a network namespace needs CAP_SYS_ADMIN: %s\n",
			strerror(errno));
		cr_skip_test("no network namespace");
	}
	sock = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	up.ifr_flags = IFF_UP;
	cr_assert_eq(ioctl(sock, SIOCSIFFLAGS, &up), 0);
	(void)close(sock);
	cr_assert_eq(tx_config_load(&config, text, strlen(text), "config", stderr), 0);
	config.mtu = MTU;
	config.workers = 1;
	tx_config_lane_plan(&config, &plan);
	tx_config_link_header(&config, head);
	fd_config = host_seal_bytes("config", text, strlen(text), &err);
	fd_stats = stats_create(NULL, TX_STATS_ROLES, &err);
	fd_index = shm_create("index", lane_index_bytes(&plan), &err);
	fd_slots = shm_create("slots", lane_slots_bytes(&plan), &err);
	cr_assert(fd_config >= 0 && fd_stats >= 0 && fd_index >= 0 && fd_slots >= 0, "%s",
		  err.text);
	cr_assert_eq(
		shm_map(&index_map, fd_index, lane_index_bytes(&plan), SHM_MAP_WRITE, &err),
		0);
	cr_assert_eq(
		shm_map(&slots_map, fd_slots, lane_slots_bytes(&plan), SHM_MAP_WRITE, &err),
		0);
	fd_slots_ro = shm_reopen_ro(fd_slots, &err);
	cr_assert_geq(fd_slots_ro, 0);
	open_tap();
	start();
}

static void tear_down(void)
{
	if (tap >= 0) /* not skipped */
		attack_free(&sender);
}

/* A frame whose descriptor says `length`; filled with bytes that are no header of ours. */
static void put(unsigned class, uint32_t length, uint32_t flags)
{
	const struct lane_desc desc = {.length = length, .flags = flags};
	uint64_t slot;
	uint8_t *at;

	while (ring_reserve(&lane[class], 1, &slot) != KM_OK)
		clock_sleep_until(clock_mono_ns() + CLOCK_NS_PER_MS / 10);
	at = ring_slot(&lane[class], slot);
	memset(at, 0xff, plan.stride);
	memcpy(at, &desc, sizeof(desc));
	cr_assert_eq(ring_submit(&lane[class], 1), KM_OK);
}

/* Frames that left since the last call; each with our header and within the MTU. */
static unsigned left(uint64_t *bytes)
{
	static uint8_t frame[65536];
	unsigned n = 0;

	for (;;) {
		struct sockaddr_ll from;
		socklen_t len = sizeof(from);
		const ssize_t got = recvfrom(tap, frame, sizeof(frame), MSG_TRUNC,
					     (struct sockaddr *)&from, &len);

		if (got < 0)
			return n;
		/* on loopback each is seen twice: when it leaves, and some time later */
		if (from.sll_pkttype != PACKET_OUTGOING)
			continue;
		cr_expect_leq(got, FRAME_MAX);
		cr_expect_geq(got, WIRE_ETHER_LEN + WIRE_HEADER_LEN);
		cr_expect_arr_eq(frame, head, WIRE_ETHER_LEN);
		*bytes += (uint64_t)got;
		n++;
	}
}

static void drained(unsigned class)
{
	while (ring_ready(&lane[class]) < (int64_t)plan.slots) {
		struct role_exit exit;

		cr_assert(attack_runs(&sender, &exit), "%s %d",
			  exit.signalled ? "signal" : "exit", exit.number);
		clock_sleep_until(clock_mono_ns() + CLOCK_NS_PER_MS);
	}
}

/* Ended, with one line, and nothing left. */
static void broke(const char *what)
{
	const struct role_exit exit = attack_await_end(&sender);
	uint64_t bytes = 0;

	cr_expect(!exit.signalled && exit.number == EX_PROTOCOL, "%s: %s %d", what,
		  exit.signalled ? "signal" : "exit", exit.number);
	cr_expect_eq(attack_lines(&sender, "ring.violation"), 1, "%s", what);
	cr_expect_eq(left(&bytes), 0, "%s", what);
	attack_free(&sender);
	start();
}

Test(attack_sender, wild_lengths_end_the_pair, .init = set_up, .fini = tear_down)
{
	static const uint32_t lengths[] = {0,
					   1,
					   WIRE_ETHER_LEN,
					   WIRE_ETHER_LEN + WIRE_HEADER_LEN - 1,
					   FRAME_MAX + 1,
					   65536,
					   INT32_MAX,
					   UINT32_MAX - 7,
					   UINT32_MAX};

	for (unsigned i = 0; i < KM_COUNT(lengths); i++) {
		char what[32];

		(void)snprintf(what, sizeof(what), "length %u", lengths[i]);
		put(i % LANE_COUNT, lengths[i], UINT32_MAX);
		broke(what);
	}
	attack_stop(&sender);
}

Test(attack_sender, wild_indices_end_the_pair, .init = set_up, .fini = tear_down)
{
	struct ring_page *page = lane_index_page(index_map.p, 3);

	atomic_store(&page->head, (uint64_t)plan.slots + 1);
	broke("beyond the slots");
	put(3, FRAME_MAX, 0);
	drained(3);
	uint64_t bytes = 0;
	cr_expect_eq(left(&bytes), 1);
	atomic_store(&page->head, 0);
	broke("backwards");
	attack_stop(&sender);
}

/* Whom a frame is for, and as what, is not the source's to say. */
Test(attack_sender, header_is_the_senders, .init = set_up, .fini = tear_down)
{
	uint64_t bytes = 0;

	for (unsigned class = 0; class < LANE_COUNT; class ++) {
		put(class, FRAME_MAX, 0);
		put(class, WIRE_ETHER_LEN + WIRE_HEADER_LEN, UINT32_MAX);
		drained(class);
	}
	cr_expect_eq(left(&bytes), 2 * LANE_COUNT);
	attack_stop(&sender);
}

/* The descriptor changes after it was submitted, between what is possible and what is not. */
Test(attack_sender, descriptor_toggles, .init = set_up, .fini = tear_down)
{
	unsigned sent = 0, ended = 0;
	uint64_t bytes = 0;

	/* until it has hit a few times */
	for (unsigned round = 0; round < 2000 && ended < 3; round++) {
		struct attack_toggle toggle;
		struct role_exit exit;
		uint64_t before;

		/* byte 2 of the length of slot 1: 1,514 or some 16 million */
		put(3, FRAME_MAX, 0);
		drained(3);
		sent++;
		before = ring_ready(&lane[3]) > 0 ? lane[3].own : 0;
		attack_toggle_start(&toggle, (uint8_t *)ring_slot(&lane[3], before) + 2, 1,
				    0xff);
		put(3, FRAME_MAX, 0);
		while (attack_runs(&sender, &exit) &&
		       ring_ready(&lane[3]) < (int64_t)plan.slots)
			clock_sleep_until(clock_mono_ns() + CLOCK_NS_PER_MS / 10);
		attack_toggle_stop(&toggle);
		if (sender.child.pid != 0) {
			sent++;
			continue;
		}
		cr_expect(!exit.signalled && exit.number == EX_PROTOCOL);
		ended++;
		attack_free(&sender);
		start();
	}
	fprintf(stderr, "sent %u, ended %u\n", sent, ended);
	cr_expect_eq(left(&bytes), sent);
	cr_expect_leq(bytes, (uint64_t)sent * FRAME_MAX);
	cr_expect_gt(ended, 0, "the thread did not hit");
	attack_stop(&sender);
}

/*
 * As fast as the source can, on all lanes at once: no more than the rate, counted from before the
 * first to after the last, and what the bucket holds. A slow machine has only more time.
 */
Test(attack_sender, no_more_than_the_rate, .init = set_up, .fini = tear_down)
{
	const uint64_t begun = clock_mono_ns();
	uint64_t bytes = 0, elapsed, most;
	unsigned n = 0;

	for (unsigned i = 0; i < 1500; i++) {
		put(i % LANE_COUNT, FRAME_MAX, i % 7 ? 0 : LANE_ANNOUNCE);
		n += left(&bytes);
	}
	for (unsigned class = 0; class < LANE_COUNT; class ++)
		drained(class);
	n += left(&bytes);
	elapsed = clock_mono_ns() - begun;
	most = RATE_BPS / 8 * elapsed / CLOCK_NS_PER_SEC + 64 * FRAME_MAX;
	fprintf(stderr, "%u frames, %llu of at most %llu bytes\n", n,
		(unsigned long long)bytes, (unsigned long long)most);
	cr_expect_eq(n, 1500);
	cr_expect_leq(bytes, most);
	attack_stop(&sender);
}

/* Nothing is ever submitted again: it waits, and stops when told. */
Test(attack_sender, stall, .init = set_up, .fini = tear_down)
{
	uint64_t slot, bytes = 0;

	put(2, FRAME_MAX, 0);
	drained(2);
	cr_assert_eq(ring_reserve(&lane[2], 1, &slot), KM_OK);
	memset(lane_index_bells(index_map.p, &plan), 0xff, sizeof(struct lane_bells));
	attack_stop(&sender);
	cr_expect_eq(left(&bytes), 1);
}
