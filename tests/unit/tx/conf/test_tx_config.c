// SPDX-License-Identifier: ISC
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fec.h"
#include "frame.h"
#include "host.h"
#include "lane.h"
#include "ring.h"
#include "tx_probe.h"
#include "tx_table.h"

#define HEAD "[transmitter]\ninterface = lo\nreceivers = /r.pub\n"
#define CHANNEL(name, number)                                                              \
	"[channel " name "]\nnumber = " number "\nkind = files\nowner = o\npurpose = p\n"  \
	"classification = c\nspool = /spool/" name "\n"

static struct tx_config loaded(const char *text)
{
	static struct tx_config config;

	cr_assert_eq(tx_config_load(&config, text, strlen(text), "t.conf", stderr), 0);
	return config;
}

/* Lines of the report of a refused file; the caller frees. */
static char *refusal(const char *text)
{
	static struct tx_config config;
	char *lines = NULL;
	size_t len;
	FILE *out = open_memstream(&lines, &len);

	cr_assert_eq(tx_config_load(&config, text, strlen(text), "t.conf", out), -1);
	cr_assert_eq(fclose(out), 0);
	return lines;
}

#define DATAGRAM(name, number, more)                                                       \
	"[channel " name "]\nnumber = " number "\nkind = datagram\nowner = o\n"            \
	"purpose = p\nclassification = c\n" more "\n"

Test(tx_config, kinds_stand_apart)
{
	struct tx_config c = loaded(
		HEAD DATAGRAM("d", "9",
			      "listen = 192.0.2.1:514\nallow = 192.0.2.7, 10.0.0.1")
			CHANNEL("a", "1") DATAGRAM("e", "10", "listen = 192.0.2.1:515"));

	cr_assert_eq(c.channels, 1);
	cr_assert_eq(c.channel[0].number, 1);
	cr_assert_eq(c.lives, 2);
	cr_assert_eq(c.live[0].number, 9);
	cr_assert_arr_eq(c.live[0].listen.ip, ((uint8_t[]){192, 0, 2, 1}), 4);
	cr_assert_eq(c.live[0].listen.port, 514);
	cr_assert_eq(c.live[0].allowed, 2);
	cr_assert_arr_eq(c.live[0].allow[1], ((uint8_t[]){10, 0, 0, 1}), 4);
	cr_assert_eq(c.live[1].allowed, 0);
	cr_assert_eq(c.live[1].max_size, WIRE_MESSAGE_MAX);
	cr_assert_eq(c.live[1].max_messages + c.live[1].max_bps, 0);
	cr_assert_eq(c.live[1].receive_buffer, 4u << 20);
	cr_assert_eq(c.live[1].close_ns, 10000000);
	cr_assert_eq(c.live[1].gather_ns, 0);
	cr_assert(c.live[1].fec_k == 32 && c.live[1].fec_m == 8);
}

Test(tx_config, datagram_channels_are_bounded_and_apart)
{
	char text[8192] = HEAD, *lines;
	size_t at = strlen(text);

	for (unsigned i = 1; i <= TX_LIVES_MAX + 1; i++)
		at += (size_t)snprintf(text + at, sizeof(text) - at,
				       DATAGRAM("d%u", "%u", "listen = 192.0.2.1:%u"), i, i,
				       i == 3 ? 2 : i);
	lines = refusal(text);
	cr_assert(strstr(lines, "channel d2 listens there already"), "%s", lines);
	cr_assert(strstr(lines, "there are at most 16 live channels"), "%s", lines);
	free(lines);
}

static void refused(const char *text, const char *why)
{
	char *lines = refusal(text);

	cr_assert_not_null(strstr(lines, why), "%s", lines);
	free(lines);
}

Test(tx_config, groups_come_by_named_interfaces)
{
	struct tx_config c = loaded(
		HEAD DATAGRAM("d", "9", "listen = 224.1.2.3:514\njoin = eth1, eth2.5"));

	cr_assert_eq(c.live[0].joins, 2);
	cr_assert_str_eq(c.live[0].join[0], "eth1");
	cr_assert_str_eq(c.live[0].join[1], "eth2.5");
	refused(HEAD DATAGRAM("d", "9", "listen = 224.1.2.3:514"),
		"name the interfaces by which it comes in the key join");
	refused(HEAD DATAGRAM("d", "9", "listen = 240.1.2.3:514\njoin = eth1"),
		"is a group address or reserved");
	refused(HEAD DATAGRAM("d", "9", "listen = 192.0.2.1:514\njoin = eth1"),
		"join = eth1: has no use unless listen is a group address");
	refused(HEAD DATAGRAM("d", "9", "listen = /run/a\njoin = eth1"),
		"join = eth1: has no use unless listen is a group address");
	refused(HEAD DATAGRAM("d", "9", "listen = 224.1.2.3:514\njoin = eth1, lo"),
		"item 2 is the diode port, by which nothing may come in");
	refused(HEAD DATAGRAM("d", "9", "listen = 224.1.2.3:514\njoin = ../eth1"),
		"item 1 is not the name of an interface");
	refused(HEAD DATAGRAM("d", "9", "listen = 224.1.2.3:514\njoin = a234567890123456"),
		"item 1 is not the name of an interface");
	refused(HEAD DATAGRAM("d", "9", "listen = 224.1.2.3:514\njoin = eth1, eth2, eth1"),
		"items 1 and 3 are the same");
}

Test(tx_config, paths_of_datagrams)
{
	struct tx_config c =
		loaded(HEAD DATAGRAM("d", "9", "listen = /run/app/in\nsocket_mode = 0622"));

	cr_assert_eq(c.live[0].listen.kind, LOCAL_END_UNIX);
	cr_assert_str_eq(c.live[0].listen.path, "/run/app/in");
	cr_assert_eq(c.live[0].socket_mode, 0622);
	refused(HEAD DATAGRAM("d", "9", ""), "kind = datagram needs the key listen");
	refused(HEAD DATAGRAM("d", "9", "listen = fifo:/run/app/in"),
		"has no use for a FIFO, which keeps no boundaries");
	refused(HEAD DATAGRAM("d", "9", "listen = /run/app/in\nsocket_mode = rw"),
		"socket_mode = rw: is no mode");
	refused(HEAD DATAGRAM("d", "9", "listen = /run/app/in")
			DATAGRAM("e", "10", "listen = /run/app/in"),
		"channel d listens there already");
}

Test(tx_config, no_channel_has_the_directory_of_a_role)
{
	char *lines = refusal(HEAD CHANNEL("signer", "1") CHANNEL("requests", "2"));
	unsigned refused = 0;

	for (const char *at = lines; (at = strstr(at, "of the daemon's own")); at++)
		refused++;
	cr_assert_eq(refused, 2, "%s", lines);
	free(lines);
}

Test(tx_config, defaults_are_those_of_the_design)
{
	struct tx_config c = loaded(HEAD CHANNEL("a", "1"));

	cr_assert_eq(c.ethertype, WIRE_ETHERTYPE);
	cr_assert_eq(c.vlan, 0);
	cr_assert_eq(c.mtu, 0);
	cr_assert_eq(c.rate_bps, 1000000000u);
	cr_assert_eq(c.guarantee_percent, 5);
	cr_assert_eq(c.session_ns, UINT64_C(86400000000000));
	cr_assert_eq(c.environment, 1);
	cr_assert_eq(c.receiver_count, 1);
	cr_assert_str_eq(c.receivers[0], "/r.pub");
	cr_assert_str_eq(c.fec_kernel, "auto");
	cr_assert_eq(c.channels, 1);
	cr_assert_str_eq(c.channel[0].name, "a");
	cr_assert_eq(c.channel[0].class, FRAME_CLASS_NORMAL);
	cr_assert_eq(c.channel[0].settle_ns, UINT64_C(1000000000));
	cr_assert_eq(c.channel[0].keep_ns, 7 * UINT64_C(86400000000000));
	cr_assert_eq(c.channel[0].keep_bytes, 0);
	cr_assert_eq(c.channel[0].min_free, UINT64_C(1) << 30);
	cr_assert_eq(c.channel[0].fec_k, 160);
	cr_assert_eq(c.channel[0].fec_m, 16);
	cr_assert_eq(c.channel[0].depth_max, 63);
	cr_assert_eq(c.channel[0].flush_ns, UINT64_C(1000000000));
	cr_assert_eq(c.channel[0].batch_bytes, UINT64_C(64) << 20);
}

Test(tx_config, no_channel_is_legal)
{
	cr_assert_eq(loaded(HEAD).channels, 0);
}

Test(tx_config, digest_is_of_values_not_of_their_text)
{
	struct tx_config a = loaded(HEAD CHANNEL("a", "1"));
	struct tx_config b =
		loaded("# comment\n\n[transmitter]\nreceivers=/r.pub\ninterface = lo\n"
		       "rate = 1000 Mbit/s\n\n" CHANNEL("a", "1"));
	struct tx_config c = loaded(HEAD "rate = 999 Mbit/s\n" CHANNEL("a", "1"));

	cr_assert_arr_eq(a.digest, b.digest, sizeof(a.digest));
	cr_assert_arr_neq(a.digest, c.digest, sizeof(a.digest));
}

Test(tx_config, rows_leave_what_a_closed_block_needs)
{
	cr_assert_eq(tx_rows(0), 0);
	for (unsigned m = 1; m <= 128; m++) {
		unsigned rows = tx_rows(m);

		cr_assert(rows >= 6 && rows >= m && (rows & (rows - 1)) == 0);
		cr_assert(rows == 8 || rows / 2 < m, "m = %u: %u rows are too many", m,
			  rows);
	}
}

Test(tx_config, every_geometry_the_judge_takes_the_coder_takes)
{
	char text[1024];

	for (unsigned k = 1; k <= 255; k += 7)
		for (unsigned m = 0; m <= 128; m += 3) {
			struct tx_config c;
			int rc;

			(void)snprintf(text, sizeof(text), "%sfec_k = %u\nfec_m = %u\n",
				       HEAD CHANNEL("a", "1"), k, m);
			rc = tx_config_load(&c, text, strlen(text), "t.conf", NULL);
			if (m == 0)
				cr_assert_eq(rc, 0);
			else
				cr_assert_eq(rc == 0,
					     fec_geometry_check(k, m, tx_rows(m)) == FEC_OK,
					     "k = %u, m = %u", k, m);
		}
}

Test(tx_config, spools_are_apart_but_may_share_a_beginning)
{
	static const char two[] = HEAD CHANNEL("a", "1") CHANNEL("ab", "2");
	char *lines = refusal(HEAD CHANNEL(
		"a",
		"1") "[channel b]\nnumber = 2\nkind = files\n"
		     "owner = o\npurpose = p\nclassification = c\nspool = /spool/a/in\n");

	cr_assert_eq(loaded(two).channels, 2);
	cr_assert_not_null(strstr(lines,
				  "t.conf:17: spool = /spool/a/in: lies in the spool of "
				  "channel a"),
			   "%s", lines);
	free(lines);
}

static void judge_plan(uint32_t mtu, uint64_t rate_bps, uint16_t vlan)
{
	struct tx_config c = {.mtu = mtu, .rate_bps = rate_bps, .vlan = vlan};
	uint32_t head = vlan ? 18 : 14;
	struct lane_plan plan;
	uint64_t hold_ns;

	tx_config_lane_plan(&c, &plan);
	cr_assert(plan.slots >= LANE_SLOTS_MIN && plan.slots <= LANE_SLOTS_MAX);
	cr_assert_eq(plan.slots & (plan.slots - 1), 0);
	cr_assert_eq(plan.stride % 64, 0);
	cr_assert_eq(plan.stride / 64 % 2, 1);
	cr_assert_geq(plan.stride, sizeof(struct lane_desc) + head + mtu);
	cr_assert_lt(plan.stride, sizeof(struct lane_desc) + head + mtu + 192);
	cr_assert_neq(ring_bytes(plan.stride, plan.slots), 0, "a ring takes the geometry");
	hold_ns = (uint64_t)plan.slots * (mtu + head) * 8 * 1000000 / (rate_bps / 1000);
	if (plan.slots > LANE_SLOTS_MIN)
		cr_assert_leq(hold_ns, LANE_HOLD_BULK_NS, "mtu %u, rate %llu", mtu,
			      (unsigned long long)rate_bps);
}

Test(tx_config, lanes_hold_no_more_than_their_time)
{
	static const uint64_t rates[] = {64000, 10000000, 1000000000, 10000000000,
					 400000000000};
	static const uint32_t mtus[] = {1280, 1500, 8999, 9000, 65535};

	for (size_t i = 0; i < KM_COUNT(rates); i++)
		for (size_t j = 0; j < KM_COUNT(mtus); j++) {
			judge_plan(mtus[j], rates[i], 0);
			judge_plan(mtus[j], rates[i], 5);
		}
}

Test(tx_config, udp_takes_28_bytes)
{
	static const char text[] =
		HEAD "mtu = 1500\nvlan = 258\nframing = udp\nudp_src = 192.0.2.1:4001\n"
		     "udp_dst = 255.1.2.3:65535\n" CHANNEL("a", "1");
	uint8_t ether[WIRE_ETHER_VLAN_LEN];
	struct tx_config c;
	char good[sizeof(text)];
	char *lines = refusal(text);

	cr_assert_not_null(strstr(lines, "udp_dst = 255.1.2.3:65535: is a broadcast"));
	free(lines);
	memcpy(good, text, sizeof(text));
	memcpy(strstr(good, "255.1"), "239.1", 5);
	c = loaded(good);
	cr_assert(c.segmentation && c.udp.to.port == 65535 && c.udp.from.port == 4001);
	cr_assert_eq(tx_config_symbol_size(&c), 1500 - 28 - WIRE_OVERHEAD);
	cr_assert_eq(tx_config_link_header_len(&c), 18);
	tx_config_link_header(&c, ether);
	cr_assert_arr_eq(ether + 12, "\x81\x00\x01\x02\x08\x00", 6);
}

Test(tx_config, role_takes_the_sealed_bytes_and_what_was_resolved)
{
	static const char text[] = HEAD CHANNEL("a", "1");
	static char mtu[] = "--mtu", good[] = "8000", bad[] = "900";
	static char workers[] = "--workers", two[] = "2", nine[] = "9";
	char *args[] = {mtu, good, workers, two}, *wrong[] = {mtu, bad, workers, two};
	char *many[] = {mtu, good, workers, nine};
	struct lane_plan plan, single;
	struct km_err err = KM_ERR_INIT;
	struct tx_config c;
	int fd = host_seal_bytes("test", text, strlen(text), &err);
	FILE *open_file = tmpfile();

	cr_assert_geq(fd, 0);
	cr_assert_eq(write(fd, "x", 1), -1, "nobody changes it any more");
	cr_assert_eq(tx_config_for_role(&c, fd, 4, args, &err), 0, "%s", err.text);
	cr_assert_eq(c.mtu, 8000);
	cr_assert_eq(c.workers, 2);
	tx_config_lane_plan(&c, &plan);
	c.workers = 1;
	tx_config_lane_plan(&c, &single);
	cr_assert_eq(plan.workers, 2);
	cr_assert_eq(single.workers, 1);
	cr_assert_leq(plan.slots, single.slots, "together no more than one would have");
	cr_assert_eq(tx_config_symbol_size(&c), 8000 - WIRE_OVERHEAD);
	cr_assert_eq(tx_config_for_role(&c, fd, 4, wrong, &err), -1);
	cr_assert_eq(tx_config_for_role(&c, fd, 4, many, &err), -1);
	cr_assert_eq(tx_config_for_role(&c, fd, 2, args, &err), -1,
		     "the workers are not resolved");
	cr_assert_eq(tx_config_for_role(&c, fd, 0, NULL, &err), -1,
		     "the MTU is not resolved");
	cr_assert_neq(fputs(text, open_file), EOF);
	cr_assert_eq(fflush(open_file), 0);
	cr_assert_eq(tx_config_for_role(&c, fileno(open_file), 4, args, &err), -1,
		     "only sealed memory");
	(void)fclose(open_file);
	(void)close(fd);
}

Test(tx_config, memory_is_the_sum_of_its_parts)
{
	struct tx_config c = loaded(HEAD "mtu = 9000\n" CHANNEL("a", "1")
					    CHANNEL("b", "2") "fec_m = 0\n");
	struct tx_memory memory;
	struct lane_plan plan;

	tx_config_lane_plan(&c, &plan);
	tx_probe_memory(&c, &memory);
	cr_assert_geq(memory.lanes, lane_slots_bytes(&plan));
	cr_assert_eq(memory.encoders,
		     63 * fec_encoder_bytes(16, 9000 - WIRE_OVERHEAD, FEC_FEED_SYMBOLS),
		     "a channel without repairs needs none");
	cr_assert_eq(memory.total, memory.lanes + memory.encoders + c.read_ahead);
	cr_assert_eq(memory.workers, 0);
	/* a further worker has a window, no deeper than its share, and a read_ahead */
	c.workers = 2;
	tx_probe_memory(&c, &memory);
	cr_assert_gt(memory.workers, c.read_ahead);
	cr_assert_leq(memory.workers, c.read_ahead + memory.encoders);
	cr_assert_eq(memory.total,
		     memory.lanes + memory.encoders + memory.workers + c.read_ahead);
}
