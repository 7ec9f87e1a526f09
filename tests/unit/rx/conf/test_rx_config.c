// SPDX-License-Identifier: ISC
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "host.h"
#include "intake.h"
#include "rx_probe.h"
#include "rx_table.h"
#include "segment.h"

#define HEAD "[receiver]\ninterface = lo\ntrust = /t.pub\n"
#define CHANNEL(name, number)                                                              \
	"[channel " name "]\nnumber = " number "\nkind = files\nowner = o\npurpose = p\n"  \
	"classification = c\nroot = /root/" name "\n"

static struct rx_config loaded(const char *text)
{
	static struct rx_config config;

	cr_assert_eq(rx_config_load(&config, text, strlen(text), "r.conf", stderr), 0);
	return config;
}

Test(rx_config, defaults_are_those_of_the_design)
{
	struct rx_config c = loaded(HEAD CHANNEL("a", "1"));

	cr_assert_eq(c.capture, RX_CAPTURE_AUTO);
	cr_assert_eq(c.ring_bytes, 64u << 20);
	cr_assert_eq(c.retire_ms, 2);
	cr_assert_eq(c.pool_bytes, 256u << 20);
	cr_assert_eq(c.hold_bytes, 16u << 20);
	cr_assert_eq(c.silent_ns, UINT64_C(5000000000));
	cr_assert_eq(c.trusted, 1);
	cr_assert_eq(c.channel[0].replace, RX_REPLACE_GENERATION);
	cr_assert_eq(c.channel[0].keep_generations, 10);
	cr_assert_eq(c.channel[0].keep_ns, 30 * UINT64_C(86400000000000));
	cr_assert_eq(c.channel[0].file_mode, 0644);
	cr_assert_eq(c.channel[0].dir_mode, 0755);
}

Test(rx_config, channel_is_found_by_number)
{
	struct rx_config c = loaded(HEAD CHANNEL("a", "1") CHANNEL("b", "65535"));

	cr_assert_str_eq(rx_config_channel(&c, 65535)->name, "b");
	cr_assert_null(rx_config_channel(&c, 2));
	cr_assert_null(rx_config_channel(&c, 0));
}

#define DATAGRAM(name, number, more)                                                       \
	"[channel " name "]\nnumber = " number "\nkind = datagram\nowner = o\n"            \
	"purpose = p\nclassification = c\n" more "\n"

Test(rx_config, kinds_stand_apart)
{
	struct rx_config c = loaded(HEAD DATAGRAM("d", "9", "deliver = 192.0.2.9:514")
					    CHANNEL("a", "1"));

	cr_assert_eq(c.channels, 1);
	cr_assert_eq(c.lives, 1);
	cr_assert_eq(c.live[0].number, 9);
	cr_assert_arr_eq(c.live[0].deliver.ip, ((uint8_t[]){192, 0, 2, 9}), 4);
	cr_assert_eq(c.live[0].deliver.port, 514);
	cr_assert_eq(c.live[0].hold_ns, 50000000);
	cr_assert_null(rx_config_channel(&c, 9), "it has no directory");
	cr_assert_str_eq(rx_config_name(&c, 9), "d");
	cr_assert_str_eq(rx_config_name(&c, 1), "a");
	cr_assert_null(rx_config_name(&c, 2));
}

/* A consumer at an address of this host is reached by loopback. */
Test(rx_config, the_way_to_a_consumer)
{
	struct rx_config c = loaded(HEAD DATAGRAM("d", "9", "deliver = 127.0.0.1:514"));
	char interface[16];

	cr_assert_eq(rx_probe_deliver(&c.live[0], "enp1s0", interface), RX_DELIVER_OK);
	cr_assert_str_eq(interface, "lo");
	cr_assert_eq(rx_probe_deliver(&c.live[0], "lo", interface), RX_DELIVER_DIODE);
}

/* To a group by the interface that is named, and never by the diode port. */
Test(rx_config, the_way_to_a_group)
{
	struct rx_config c = loaded(HEAD DATAGRAM("d", "9",
						  "deliver = 239.1.2.3:514\n"
						  "deliver_interface = eth7\n"
						  "deliver_ttl = 7"));
	char interface[16];

	cr_assert_eq(c.live[0].deliver_ttl, 7);
	cr_assert_str_eq(c.live[0].deliver_interface, "eth7");
	strcpy(c.live[0].deliver_interface, "lo");
	cr_assert_eq(rx_probe_deliver(&c.live[0], "enp1s0", interface), RX_DELIVER_OK);
	cr_assert_str_eq(interface, "lo");
	cr_assert_eq(rx_probe_deliver(&c.live[0], "lo", interface), RX_DELIVER_DIODE);
	strcpy(c.live[0].deliver_interface, "no-such-one");
	cr_assert_eq(rx_probe_deliver(&c.live[0], "enp1s0", interface), RX_DELIVER_NONE);
}

static void refused(const char *text, const char *why)
{
	static struct rx_config config;
	char *lines = NULL;
	size_t len;
	FILE *out = open_memstream(&lines, &len);

	cr_assert_eq(rx_config_load(&config, text, strlen(text), "r.conf", out), -1);
	cr_assert_eq(fclose(out), 0);
	cr_assert_not_null(strstr(lines, why), "%s", lines);
	free(lines);
}

Test(rx_config, places_that_no_datagram_goes_to)
{
	refused(HEAD DATAGRAM("d", "9", ""), "kind = datagram needs the key deliver");
	refused(HEAD DATAGRAM("d", "9", "deliver = 239.1.2.3:514"),
		"name the interface by which it is reached in the key deliver_interface");
	refused(HEAD DATAGRAM("d", "9", "deliver = 240.1.2.3:514\ndeliver_interface = lo"),
		"deliver = 240.1.2.3:514: is a group, broadcast or reserved address");
	refused(HEAD DATAGRAM("d", "9", "deliver = 192.0.2.9:514\ndeliver_interface = lo"),
		"deliver_interface = lo: has no use unless deliver is a group address");
	refused(HEAD DATAGRAM("d", "9", "deliver = /run/a\ndeliver_interface = lo"),
		"deliver_interface = lo: has no use unless deliver is a group address");
	refused(HEAD DATAGRAM("d", "9",
			      "deliver = 239.1.2.3:514\ndeliver_interface = ../lo"),
		"is not the name of an interface");
	refused(HEAD DATAGRAM("d", "9", "deliver = 239.1.2.3:514\ndeliver_interface = lo"),
		"is the diode port, which never sends");
	refused(HEAD DATAGRAM("d", "9", "deliver = fifo:/run/a"),
		"has no use for a FIFO, which keeps no boundaries");
	refused(HEAD DATAGRAM("d", "9",
			      "deliver = 239.1.2.3:514\ndeliver_interface = lo\n"
			      "deliver_ttl = 256"),
		"deliver_ttl = 256: too large");
}

Test(rx_config, modes_are_octal_and_plain)
{
	cr_assert_eq(conf_parse_mode("644"), 0644);
	cr_assert_eq(conf_parse_mode("0600"), 0600);
	cr_assert_eq(conf_parse_mode("0777"), 0777);
	cr_assert_eq(conf_parse_mode("1777"), -1);
	cr_assert_eq(conf_parse_mode("4644"), -1);
	cr_assert_eq(conf_parse_mode("648"), -1);
	cr_assert_eq(conf_parse_mode("44"), -1);
	cr_assert_eq(conf_parse_mode("00644"), -1);
	cr_assert_eq(conf_parse_mode(""), -1);
}

/* The pool that the message names is enough, and one MiB less is not. */
Test(rx_config, no_channel_has_a_name_of_the_state_directory)
{
	static const char text[] =
		HEAD CHANNEL("keeper", "1") CHANNEL("publish", "2") CHANNEL("link", "3");
	unsigned refused = 0;
	struct rx_config c;
	char *lines = NULL;
	size_t len;
	FILE *out = open_memstream(&lines, &len);

	cr_assert_eq(rx_config_load(&c, text, strlen(text), "r.conf", out), -1);
	cr_assert_eq(fclose(out), 0);
	for (const char *at = lines; (at = strstr(at, "of the daemon's own")); at++)
		refused++;
	cr_assert_eq(refused, 2, "%s", lines);
	free(lines);
}

Test(rx_config, pool_message_names_the_least_that_does)
{
	static const unsigned depths[] = {1, 15, 63, 255};
	char text[1024], *line = NULL, *at;
	struct rx_config c;
	size_t len;

	for (size_t i = 0; i < KM_COUNT(depths); i++) {
		unsigned long mib;
		FILE *out = open_memstream(&line, &len);

		(void)snprintf(text, sizeof(text), "%sfec_depth = %u\n",
			       HEAD "mtu = 9000\npool = 1 MiB\n" CHANNEL("a", "1"),
			       depths[i]);
		cr_assert_eq(rx_config_load(&c, text, strlen(text), "r.conf", out), -1);
		cr_assert_eq(fclose(out), 0);
		at = strstr(line, "set pool = ");
		cr_assert_not_null(at, "%s", line);
		mib = strtoul(at + strlen("set pool = "), NULL, 10);
		free(line);
		for (unsigned long less = 0; less < 2 && mib > less + 1; less++) {
			(void)snprintf(text, sizeof(text),
				       "%smtu = 9000\npool = %lu MiB\n%sfec_depth = %u\n",
				       HEAD, mib - less, CHANNEL("a", "1"), depths[i]);
			cr_assert_eq(rx_config_load(&c, text, strlen(text), "r.conf", NULL),
				     less ? -1 : 0, "depth %u, %lu MiB", depths[i],
				     mib - less);
		}
	}
}

static void judge_plans(uint32_t mtu, uint64_t ring, uint64_t pool, uint16_t vlan)
{
	struct rx_config c = {
		.mtu = mtu, .ring_bytes = ring, .pool_bytes = pool, .vlan = vlan};
	long page = sysconf(_SC_PAGESIZE);
	struct segment_plan segment;
	struct intake_plan intake;

	rx_config_segment_plan(&c, &segment);
	cr_assert_geq(segment.stride, rx_config_symbol_size(&c));
	cr_assert_eq(segment.stride % 64, 0);
	cr_assert_eq(segment.stride / 64 % 2, 1);
	cr_assert_leq(segment_bytes(&segment), pool);
	cr_assert_gt(segment_bytes(&segment) + segment.stride, pool);

	rx_config_intake_plan(&c, &intake);
	cr_assert_eq(intake.form, INTAKE_RING);
	cr_assert_eq(intake.block_bytes % (uint32_t)page, 0);
	cr_assert_eq(intake.block_bytes & (intake.block_bytes - 1), 0);
	cr_assert_geq(intake.blocks, 4, "ring %llu", (unsigned long long)ring);
	cr_assert_leq((uint64_t)intake.blocks * intake.block_bytes, ring);
	cr_assert_geq(intake.frame_max, mtu + rx_config_link_header_len(&c));
	cr_assert_gt(intake.block_bytes, intake.frame_max + 256,
		     "a frame and its headers fit");
	cr_assert_neq(intake_pump_bytes(&intake), 0,
		      "a ring takes the geometry of the pump");
}

/* What packet_set_ring() checks: whole slots fill whole blocks. */
static void judge_slots(uint32_t mtu, uint64_t bytes)
{
	struct rx_config c = {.mtu = mtu, .ring_bytes = 64 << 20, .realtime_bytes = bytes};
	struct intake_plan plan;
	uint32_t block;

	rx_config_intake_plan(&c, &plan);
	block = plan.slot_bytes > INTAKE_SLOT_BLOCK ? plan.slot_bytes : INTAKE_SLOT_BLOCK;
	cr_assert_geq(plan.slot_bytes, INTAKE_SLOT_HEAD + plan.frame_max);
	cr_assert_eq(plan.slot_bytes & (plan.slot_bytes - 1), 0);
	cr_assert_geq(plan.slots, 8);
	cr_assert_eq((uint64_t)plan.slots * plan.slot_bytes % block, 0);
	cr_assert(plan.slots == 8 || (uint64_t)plan.slots * plan.slot_bytes <= bytes);
}

Test(rx_config, realtime_ring)
{
	static const uint32_t mtus[] = {1280, 1500, 1936, 1937, 9000, 65535};
	static const uint64_t sizes[] = {1, 1 << 20, (3 << 20) + 4097, 16 << 20, 1u << 30};
	struct rx_config c = {
		.mtu = 1500, .ring_bytes = 64 << 20, .capture = RX_CAPTURE_PCAP};
	struct intake_plan plan;

	for (size_t i = 0; i < KM_COUNT(mtus); i++)
		for (size_t j = 0; j < KM_COUNT(sizes); j++)
			judge_slots(mtus[i], sizes[j]);
	c.realtime_bytes = 16 << 20;
	rx_config_intake_plan(&c, &plan);
	cr_assert_eq(plan.slots, 0, "libpcap has one handle");
	c.capture = RX_CAPTURE_AUTO;
	rx_config_intake_plan(&c, &plan);
	cr_assert_eq(plan.slots, 8192);
	c.realtime_bytes = 0;
	rx_config_intake_plan(&c, &plan);
	cr_assert_eq(plan.slots, 0);
}

Test(rx_config, plans_fit_what_the_kernel_takes)
{
	static const uint32_t mtus[] = {1280, 1500, 9000, 65535};
	static const uint64_t rings[] = {1 << 20, (3 << 20) + 4097, 64 << 20,
					 UINT64_C(4) << 30};

	for (size_t i = 0; i < KM_COUNT(mtus); i++)
		for (size_t j = 0; j < KM_COUNT(rings); j++) {
			judge_plans(mtus[i], rings[j], 256u << 20, 0);
			judge_plans(mtus[i], rings[j], (1u << 20) + 12345, 9);
		}
}

Test(rx_config, udp_takes_28_bytes_and_whole_trains)
{
	static const char text[] =
		"[receiver]\ninterface = lo\ntrust = /t.pub\nmtu = 1500\n"
		"framing = udp\nudp_dst = 198.51.100.7:4002\n" CHANNEL("a", "1");
	struct rx_config c = loaded(text);
	struct intake_plan plan;

	cr_assert_eq(c.udp.to.port, 4002);
	cr_assert(c.udp.to.ip[0] == 198 && c.udp.to.ip[3] == 7);
	cr_assert_eq(c.udp.from.port, 0, "any sender");
	cr_assert_eq(rx_config_symbol_size(&c), 1500 - 28 - WIRE_OVERHEAD);
	rx_config_intake_plan(&c, &plan);
	cr_assert_eq(plan.frame_max, 65535 + WIRE_ETHER_VLAN_LEN);
	cr_assert_geq(plan.block_bytes, 2 * plan.frame_max);
	/* of realtime, single datagrams, as many as with ethernet */
	cr_assert(plan.slot_bytes == 2048 && plan.slots == 8192);
	/* the pump costs no more than a quarter of its slots */
	cr_assert_leq(intake_pump_bytes(&plan), 68u << 20);
}

Test(rx_config, pump_is_planned_where_configured)
{
	struct rx_config c = {
		.mtu = 1500, .ring_bytes = 1 << 20, .capture = RX_CAPTURE_PCAP};
	struct intake_plan intake;

	rx_config_intake_plan(&c, &intake);
	cr_assert_eq(intake.form, INTAKE_PUMP);
}

Test(rx_config, role_takes_the_sealed_bytes_and_the_resolved_mtu)
{
	static const char text[] = HEAD CHANNEL("a", "1");
	static char intake[] = "--intake", ring[] = "ring", mtu[] = "--mtu",
		    value[] = "9000";
	char *args[] = {intake, ring, mtu, value};
	struct km_err err = KM_ERR_INIT;
	struct rx_config c;
	int fd = host_seal_bytes("test", text, strlen(text), &err);

	cr_assert_geq(fd, 0);
	cr_assert_eq(rx_config_for_role(&c, fd, 4, args, &err), 0, "%s", err.text);
	cr_assert_eq(c.mtu, 9000);
	cr_assert_eq(rx_config_for_role(&c, fd, 2, args, &err), -1,
		     "the MTU is not resolved");
	(void)close(fd);
}

/* AF_XDP: the smallest chunk that a frame fits, a power of two of them within the ring. */
Test(rx_config, xdp_plan)
{
	struct rx_config c = {.capture = RX_CAPTURE_XDP, .framing = RX_FRAMING_ETHERNET};
	struct intake_plan plan;

	for (uint32_t mtu = WIRE_MTU_MIN; mtu <= 9000; mtu++) {
		c.mtu = mtu;
		c.ring_bytes = (UINT64_C(1) << 20) + (uint64_t)mtu * 12345;
		c.realtime_bytes = 16 << 20;
		rx_config_intake_plan(&c, &plan);
		cr_assert_eq(plan.form, INTAKE_XDP);
		cr_assert_eq(plan.slots, 0, "no realtime ring beside it");
		cr_assert_eq(plan.chunk_bytes,
			     mtu + WIRE_ETHER_VLAN_LEN + 256 <= 2048 ? 2048 : 4096);
		cr_assert_eq(plan.chunks & (plan.chunks - 1), 0);
		cr_assert_leq((uint64_t)plan.chunks * plan.chunk_bytes, c.ring_bytes);
		cr_assert_gt((uint64_t)plan.chunks * plan.chunk_bytes * 2, c.ring_bytes);
		cr_assert_eq(plan.frame_xdp, mtu + WIRE_ETHER_VLAN_LEN);
	}
	/* auto: planned, in case it serves, beside the ring with its realtime ring */
	c.capture = RX_CAPTURE_AUTO;
	rx_config_intake_plan(&c, &plan);
	cr_assert(plan.form == INTAKE_RING && plan.slots > 0 && plan.chunks > 0);
}
