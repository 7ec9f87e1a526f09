// SPDX-License-Identifier: ISC
/*
 * The receive rings of the diode port without the daemon around them: capture opens them,
 * decode's feeds read them, and each frame is printed with the ring that it came by.
 *
 *	km-port-rings INTERFACE SLOT_BYTES SLOTS [udp]
 *
 * udp: for datagrams to 198.51.100.7:4002 from 192.0.2.1:4001, at MTU 1,500.
 *
 * Prints `open REFUSED` (errno of the realtime ring, or 0; -1: not asked for). Then for
 * each line on standard input: takes what comes until nothing has come for 300 ms, prints
 * a line `ring|realtime VLAN LENGTH HEX` for each frame (at most its first 64 bytes), then
 * `end RING-DROPS REALTIME-DROPS`.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "feed.h"
#include "frame.h"
#include "link_packet_ring.h"

#define QUIET_MS 300
#define BATCH 16u

static unsigned take(struct feed *f, const char *name)
{
	struct feed_frame frames[BATCH];
	unsigned n = feed_peek(f, frames, BATCH);

	for (unsigned i = 0; i < n; i++) {
		uint32_t len = frames[i].len < 64 ? frames[i].len : 64;

		printf("%s %d %u ", name, frames[i].vlan, frames[i].len);
		for (uint32_t j = 0; j < len; j++)
			printf("%02x", frames[i].p[j]);
		printf("\n");
	}
	if (n > 0)
		feed_release(f);
	return n;
}

static void take_until_quiet(struct feed *ring, struct feed *realtime)
{
	do {
		while (take(realtime, "realtime") + take(ring, "ring") > 0)
			;
		feed_wait(realtime, ring, QUIET_MS);
	} while (feed_ring_ready(ring) ||
		 (realtime->form != 0 && feed_slots_ready(realtime)));
	/* a block may have been retired empty */
	while (take(realtime, "realtime") + take(ring, "ring") > 0)
		;
}

static int fail(const struct km_err *err)
{
	fprintf(stderr, "%s\n", err->text);
	return 1;
}

int main(int argc, char **argv)
{
	struct intake_plan plan = {
		.form = INTAKE_RING,
		.block_bytes = 1u << 18,
		.blocks = 64,
		.retire_ms = 2,
		.frame_max = 9018,
	};
	struct link_match match = {.ethertype = WIRE_ETHERTYPE};
	struct feed ring, realtime = {0};
	struct link_packet_rings rings;
	struct km_err err = KM_ERR_INIT;
	char line[64];
	bool refused;

	if (argc < 4 || argc > 5)
		return 2;
	if (argc == 5)
		match = (struct link_match){
			.ethertype = WIRE_ETHERTYPE_IPV4,
			.udp = true,
			.longest = WIRE_ETHER_LEN + 1500,
			.path = {{{192, 0, 2, 1}, 4001}, {{198, 51, 100, 7}, 4002}},
		};
	plan.slot_bytes = (uint32_t)strtoul(argv[2], NULL, 10);
	plan.slots = (uint32_t)strtoul(argv[3], NULL, 10);
	if (link_packet_rings_open(&rings, argv[1], &match, &plan, &refused, &err) != 0 ||
	    feed_ring_open(&ring, rings.ring, &plan, &err) != 0)
		return fail(&err);
	if (rings.realtime >= 0 &&
	    feed_slots_open(&realtime, rings.realtime, &plan, &err) != 0)
		return fail(&err);
	printf("open %d\n", plan.slots ? rings.refused : -1);
	fflush(stdout);
	while (fgets(line, sizeof(line), stdin)) {
		uint64_t drops;

		take_until_quiet(&ring, &realtime);
		drops = feed_drops(&ring);
		printf("end %llu %llu\n", (unsigned long long)drops,
		       (unsigned long long)feed_drops(&realtime));
		fflush(stdout);
	}
	return 0;
}
