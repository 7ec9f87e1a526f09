// SPDX-License-Identifier: ISC
/* What must agree between keys. Everything here is decided by the file (and the MTU) alone. */
#include <inttypes.h>
#include <string.h>

#include "frame.h"
#include "host.h"
#include "rx_table.h"

#define MIB (UINT64_C(1) << 20)

uint64_t rx_window_slots(uint64_t fec_k, uint64_t fec_m, uint64_t depth)
{
	return depth * (fec_k + fec_m);
}

uint32_t rx_slot_stride(uint32_t mtu)
{
	size_t symbol = frame_symbol_size(mtu);

	/* an odd number of cache lines, so that equal offsets spread over all cache sets */
	return (uint32_t)((((symbol + 63) / 64) | 1) * 64);
}

static void judge_paths(const struct rx_raw *raw, struct conf_report *report, uint32_t i)
{
	const char *root = raw->channel[i].root;

	for (uint32_t j = 0; j < i; j++) {
		size_t a = strlen(root), b = strlen(raw->channel[j].root);
		const char *longer = a >= b ? root : raw->channel[j].root;
		size_t n = a < b ? a : b;

		if (n == 0 || memcmp(root, raw->channel[j].root, n) != 0)
			continue;
		if (longer[n] == '\0' || longer[n] == '/')
			conf_report_add(
				report, raw, "channel", i, "root",
				"lies in the root of channel %s, or that one in it: "
				"every channel needs a tree of its own",
				raw->channel[j].name);
	}
}

static void judge_scan(const struct rx_raw *raw, struct conf_report *report, uint32_t i)
{
	const char *command = raw->channel[i].scan;
	struct rx_scan_words words;

	if (command[0] == '\0')
		return;
	if (rx_scan_split(&words, command) != 0)
		conf_report_add(report, raw, "channel", i, "scan",
				"is not a program and at most %u arguments",
				RX_SCAN_WORDS - 1);
	else if (words.word[0][0] != '/')
		conf_report_add(report, raw, "channel", i, "scan",
				"does not begin with the absolute path of a program");
}

static void judge_scan_paths(const struct rx_raw *raw, struct conf_report *report)
{
	for (uint32_t i = 0; i < raw->scan_paths.n && i < CONF_LIST_MAX; i++)
		if (raw->scan_paths.item[i][0] != '/')
			conf_report_add(report, raw, "receiver", 0, "scan_paths",
					"item %u is not an absolute path", i + 1);
}

static void judge_files(const struct rx_raw *raw, struct conf_report *report, uint32_t i)
{
	const struct rx_raw_channel *c = &raw->channel[i];
	int file_mode = conf_parse_mode(c->file_mode),
	    dir_mode = conf_parse_mode(c->dir_mode);

	if (c->root[0] == '\0')
		conf_report_add(report, raw, "channel", i, NULL,
				"kind = files needs the key root");
	if (c->deliver.kind != LOCAL_END_NONE)
		conf_report_add(report, raw, "channel", i, "deliver",
				"has no use with kind = files");
	if (file_mode < 0 || (file_mode & 0400) == 0 || (file_mode & 0133) != 0)
		conf_report_add(
			report, raw, "channel", i, "file_mode",
			"is no mode for published files: octal, readable by us, "
			"writable by nobody else and never executable, such as 0644 or "
			"0640");
	if (dir_mode < 0 || (dir_mode & 0700) != 0700 || (dir_mode & 022) != 0)
		conf_report_add(
			report, raw, "channel", i, "dir_mode",
			"is no mode for published directories: octal, all rights for "
			"us and no write for others, such as 0755 or 0750");
	if (c->fec_k + c->fec_m > WIRE_FEC_POINTS)
		conf_report_add(report, raw, "channel", i, "fec_k",
				"fec_k and fec_m together are at most %u", WIRE_FEC_POINTS);
	judge_scan(raw, report, i);
	judge_paths(raw, report, i);
}

/* What can only be seen on this host is rx_probe_consumers()'s. */
static void judge_deliver(const struct rx_raw *raw, struct conf_report *report, uint32_t i)
{
	const struct rx_raw_channel *c = &raw->channel[i];
	const char *by = c->deliver_interface;
	const bool group = c->kind == RX_KIND_DATAGRAM && local_end_is_group(&c->deliver);

	if (c->deliver.kind == LOCAL_END_INET && c->deliver.ip[0] >= 224 && !group)
		conf_report_add(report, raw, "channel", i, "deliver",
				"is a group, broadcast or reserved address: name one host");
	if (group && by[0] == '\0')
		conf_report_add(report, raw, "channel", i, "deliver",
				"is a group address: name the interface by which it is "
				"reached in the key deliver_interface");
	if (!group && by[0] != '\0')
		conf_report_add(report, raw, "channel", i, "deliver_interface",
				"has no use unless deliver is a group address");
	if (by[0] != '\0' && !host_name_is_plain(by))
		conf_report_add(report, raw, "channel", i, "deliver_interface",
				"is not the name of an interface");
	if (by[0] != '\0' && strcmp(by, raw->interface) == 0)
		conf_report_add(report, raw, "channel", i, "deliver_interface",
				"is the diode port, which never sends");
	if (c->deliver.kind == LOCAL_END_FIFO && c->kind != RX_KIND_STREAM)
		conf_report_add(
			report, raw, "channel", i, "deliver",
			"kind = %s has no use for a FIFO, which keeps no boundaries",
			rx_kind_name((enum rx_kind)c->kind));
}

static void judge_state(const struct rx_raw *raw, struct conf_report *report, uint32_t i)
{
	const struct rx_raw_channel *c = &raw->channel[i];
	uint32_t before = 0;

	if (conf_parse_mode(c->socket_mode) < 0)
		conf_report_add(report, raw, "channel", i, "socket_mode",
				"is no mode: octal, such as 0660");
	for (uint32_t j = 0; j < i; j++) {
		before += raw->channel[j].kind == RX_KIND_STATE;
		if (c->deliver.kind != LOCAL_END_NONE &&
		    local_end_equal(&raw->channel[j].deliver, &c->deliver))
			conf_report_add(report, raw, "channel", i, "deliver",
					"channel %s has it already", raw->channel[j].name);
	}
	for (uint32_t j = 0; c->file[0] != '\0' && j < i; j++)
		if (strcmp(raw->channel[j].file, c->file) == 0)
			conf_report_add(report, raw, "channel", i, "file",
					"channel %s has it already", raw->channel[j].name);
	if (before >= RX_STATES_MAX)
		conf_report_add(report, raw, "channel", i, "kind",
				"there are at most %u channels of kind state",
				RX_STATES_MAX);
}

static void judge_stream(const struct rx_raw *raw, struct conf_report *report, uint32_t i)
{
	const struct rx_raw_channel *c = &raw->channel[i];
	const char *number = strstr(c->gap_text, "%u");

	if (!number || strchr(c->gap_text, '%') != number || strchr(number + 1, '%'))
		conf_report_add(report, raw, "channel", i, "gap_text",
				"names the lost bytes by %%u, once, and has no other %%");
	for (uint32_t j = 0; c->deliver.kind == LOCAL_END_FIFO && j < i; j++)
		if (local_end_equal(&raw->channel[j].deliver, &c->deliver))
			conf_report_add(report, raw, "channel", i, "deliver",
					"channel %s writes into that FIFO already",
					raw->channel[j].name);
}

static void judge_live(const struct rx_raw *raw, struct conf_report *report, uint32_t i)
{
	const struct rx_raw_channel *c = &raw->channel[i];
	const char *kind = rx_kind_name((enum rx_kind)c->kind);
	uint32_t before = 0;

	if (c->scan[0] != '\0')
		conf_report_add(report, raw, "channel", i, "scan",
				"has no use with kind = %s: messages are not looked at",
				kind);
	if (c->root[0] != '\0')
		conf_report_add(report, raw, "channel", i, "root",
				"has no use with kind = %s", kind);
	if (c->deliver.kind == LOCAL_END_NONE && c->file[0] == '\0')
		conf_report_add(report, raw, "channel", i, NULL,
				"kind = %s needs the key deliver%s", kind,
				c->kind == RX_KIND_STATE ? ", file, or both" : "");
	if (c->file[0] != '\0' && c->kind != RX_KIND_STATE)
		conf_report_add(report, raw, "channel", i, "file",
				"has no use with kind = %s", kind);
	judge_deliver(raw, report, i);
	if (c->kind == RX_KIND_STATE)
		judge_state(raw, report, i);
	if (c->kind == RX_KIND_STREAM)
		judge_stream(raw, report, i);
	for (uint32_t j = 0; j < i; j++)
		before += raw->channel[j].kind != RX_KIND_FILES;
	if (before >= RX_LIVES_MAX)
		conf_report_add(report, raw, "channel", i, "kind",
				"there are at most %u live channels", RX_LIVES_MAX);
}

static void judge_channel(const struct rx_raw *raw, struct conf_report *report, uint32_t i)
{
	const struct rx_raw_channel *c = &raw->channel[i];

	for (uint32_t j = 0; j < i; j++)
		if (c->number != 0 && raw->channel[j].number == c->number)
			conf_report_add(report, raw, "channel", i, "number",
					"is already the number of channel %s",
					raw->channel[j].name);
	if (!host_name_is_plain(c->name))
		conf_report_add(report, raw, "channel", i, NULL,
				"a channel's name is made of letters, digits, '-', '_' and "
				"'.', and does not begin with '.': it names a directory");
	/* its directory would be that of a role */
	if (strcmp(c->name, "keeper") == 0 || strcmp(c->name, "publish") == 0)
		conf_report_add(report, raw, "channel", i, NULL,
				"is a name of the daemon's own below state_dir: take "
				"another one");
	if (c->kind == RX_KIND_FILES)
		judge_files(raw, report, i);
	else
		judge_live(raw, report, i);
}

static void judge_trust(const struct rx_raw *raw, struct conf_report *report)
{
	for (uint32_t i = 0; i < raw->trust.n && i < CONF_LIST_MAX; i++) {
		if (raw->trust.item[i][0] != '/')
			conf_report_add(report, raw, "receiver", 0, "trust",
					"item %u is not an absolute path", i + 1);
		for (uint32_t j = 0; j < i; j++)
			if (strcmp(raw->trust.item[i], raw->trust.item[j]) == 0)
				conf_report_add(report, raw, "receiver", 0, "trust",
						"items %u and %u are the same file", j + 1,
						i + 1);
	}
}

void rx_judge_pool(const struct rx_raw *raw, uint32_t mtu, struct conf_report *report)
{
	uint64_t stride = rx_slot_stride(mtu);
	uint64_t most = 0;
	uint32_t which = 0;

	for (uint32_t i = 0; i < raw->channels && i < WIRE_CHANNELS_MAX; i++) {
		const struct rx_raw_channel *c = &raw->channel[i];
		uint64_t slots = rx_window_slots(c->fec_k, c->fec_m, c->fec_depth);

		if (c->kind != RX_KIND_FILES)
			slots = 0; /* a block of those is small beside any pool */
		if (slots <= most)
			continue;
		most = slots;
		which = i;
	}
	if (most * stride <= raw->pool_bytes)
		return;
	conf_report_add(report, raw, "receiver", 0, "pool",
			"one window of channel %s at MTU %" PRIu32 " takes %" PRIu64
			" bytes: set pool = %" PRIu64
			" MiB, or a smaller fec_depth on both "
			"sides",
			raw->channel[which].name, mtu, most * stride,
			(most * stride + MIB - 1) / MIB);
}

static void judge_framing(const struct rx_raw *raw, struct conf_report *report)
{
	const bool udp = raw->framing == RX_FRAMING_UDP;
	const struct conf_endpoint *src = &raw->udp_src, *dst = &raw->udp_dst;

	if (udp && dst->port == 0)
		conf_report_add(report, raw, "receiver", 0, "framing", "needs udp_dst");
	if (!udp && dst->port != 0)
		conf_report_add(report, raw, "receiver", 0, "udp_dst",
				"has no use without framing = udp");
	if (!udp && src->port != 0)
		conf_report_add(report, raw, "receiver", 0, "udp_src",
				"has no use without framing = udp");
	if (src->ip[0] >= 224 || src->ip[0] == 127)
		conf_report_add(report, raw, "receiver", 0, "udp_src",
				"is no address that anything is sent from");
	if (dst->ip[0] >= 240 || dst->ip[0] == 127)
		conf_report_add(report, raw, "receiver", 0, "udp_dst",
				"is a broadcast, loopback or reserved address");
}

void rx_judge(const struct rx_raw *raw, struct conf_report *report)
{
	if (raw->interface[0] != '\0' && !host_name_is_plain(raw->interface))
		conf_report_add(report, raw, "receiver", 0, "interface",
				"is not the name of an interface");
	if (strcmp(raw->state_dir, raw->run_dir) == 0)
		conf_report_add(report, raw, "receiver", 0, "run_dir",
				"is also state_dir; give it a directory of its own");
	judge_framing(raw, report);
	judge_trust(raw, report);
	judge_scan_paths(raw, report);
	for (uint32_t i = 0; i < raw->channels && i < WIRE_CHANNELS_MAX; i++)
		judge_channel(raw, report, i);
	if (raw->mtu != 0)
		rx_judge_pool(raw, (uint32_t)raw->mtu, report);
}
