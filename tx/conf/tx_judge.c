// SPDX-License-Identifier: ISC
/* What must agree between keys. Everything here is decided by the file alone. */
#include <arpa/inet.h>
#include <net/if.h>
#include <string.h>

#include "fec.h"
#include "host.h"
#include "state.h"
#include "stream.h"
#include "tx_table.h"

unsigned tx_rows(uint64_t fec_m)
{
	/* A block closed early keeps at least 6 repairs (k up to 40), see docs/wire.md. */
	if (fec_m == 0)
		return 0;
	return fec_rows_for(fec_m < 6 ? 6 : (unsigned)fec_m);
}

bool tx_parse_address(const char *text, uint8_t ip[4])
{
	struct in_addr address;

	if (inet_pton(AF_INET, text, &address) != 1 || address.s_addr == 0)
		return false;
	memcpy(ip, &address, 4);
	return true;
}

static void judge_geometry(const struct tx_raw *raw, struct conf_report *report, uint32_t i)
{
	const struct tx_raw_channel *c = &raw->channel[i];
	unsigned rows = tx_rows(c->fec_m);

	if (c->fec_k + rows > WIRE_FEC_POINTS)
		conf_report_add(
			report, raw, "channel", i, "fec_k",
			"with fec_m = %llu the code has %u rows, and sources and rows "
			"together are at most %u: set fec_k to %u or less",
			(unsigned long long)c->fec_m, rows, WIRE_FEC_POINTS,
			WIRE_FEC_POINTS - rows);
}

static void judge_paths(const struct tx_raw *raw, struct conf_report *report, uint32_t i)
{
	const char *spool = raw->channel[i].spool;

	for (uint32_t j = 0; j < i; j++) {
		size_t a = strlen(spool), b = strlen(raw->channel[j].spool);
		const char *longer = a >= b ? spool : raw->channel[j].spool;
		size_t n = a < b ? a : b;

		if (n == 0 || memcmp(spool, raw->channel[j].spool, n) != 0)
			continue;
		if (longer[n] == '\0' || longer[n] == '/')
			conf_report_add(
				report, raw, "channel", i, "spool",
				"lies in the spool of channel %s, or that one in it: "
				"every channel needs a tree of its own",
				raw->channel[j].name);
	}
}

static void judge_files(const struct tx_raw *raw, struct conf_report *report, uint32_t i)
{
	if (raw->channel[i].spool[0] == '\0')
		conf_report_add(report, raw, "channel", i, NULL,
				"kind = files needs the key spool");
	if (raw->channel[i].listen.kind != LOCAL_END_NONE)
		conf_report_add(report, raw, "channel", i, "listen",
				"has no use with kind = files");
	judge_geometry(raw, report, i);
	judge_paths(raw, report, i);
}

/* What can only be seen on this host is tx_probe_join()'s. */
static void judge_join(const struct tx_raw *raw, struct conf_report *report, uint32_t i)
{
	const struct tx_raw_channel *c = &raw->channel[i];

	if (local_end_is_group(&c->listen) && c->join.n == 0)
		conf_report_add(report, raw, "channel", i, "listen",
				"is a group address: name the interfaces by which it comes "
				"in the key join");
	if (!local_end_is_group(&c->listen) && c->join.n > 0)
		conf_report_add(report, raw, "channel", i, "join",
				"has no use unless listen is a group address");
	for (uint32_t n = 0; n < c->join.n && n < CONF_LIST_MAX; n++) {
		const char *name = c->join.item[n];

		if (!host_name_is_plain(name) || strlen(name) >= IF_NAMESIZE)
			conf_report_add(report, raw, "channel", i, "join",
					"item %u is not the name of an interface", n + 1);
		else if (strcmp(name, raw->interface) == 0)
			conf_report_add(report, raw, "channel", i, "join",
					"item %u is the diode port, by which nothing may "
					"come in",
					n + 1);
		for (uint32_t m = 0; m < n; m++)
			if (strcmp(c->join.item[m], name) == 0)
				conf_report_add(report, raw, "channel", i, "join",
						"items %u and %u are the same", m + 1,
						n + 1);
	}
}

/* Two channels at one address would take each other's messages. */
static void judge_listen(const struct tx_raw *raw, struct conf_report *report, uint32_t i)
{
	const struct tx_raw_channel *c = &raw->channel[i];
	const struct local_end *listen = &c->listen;

	if (listen->kind == LOCAL_END_NONE)
		conf_report_add(report, raw, "channel", i, NULL,
				"kind = %s needs the key listen",
				tx_kind_name((enum tx_kind)c->kind));
	if (listen->kind == LOCAL_END_INET && listen->ip[0] >= 224 &&
	    !(c->kind == TX_KIND_DATAGRAM && local_end_is_group(listen)))
		conf_report_add(
			report, raw, "channel", i, "listen",
			"is a group address or reserved: name an address of this host");
	else
		judge_join(raw, report, i);
	if (listen->kind == LOCAL_END_FIFO && c->kind != TX_KIND_STREAM)
		conf_report_add(
			report, raw, "channel", i, "listen",
			"kind = %s has no use for a FIFO, which keeps no boundaries",
			tx_kind_name((enum tx_kind)c->kind));
	for (uint32_t j = 0; listen->kind != LOCAL_END_NONE && j < i; j++)
		if (local_end_equal(&raw->channel[j].listen, listen))
			conf_report_add(report, raw, "channel", i, "listen",
					"channel %s listens there already",
					raw->channel[j].name);
	if (conf_parse_mode(c->socket_mode) < 0)
		conf_report_add(report, raw, "channel", i, "socket_mode",
				"is no mode: octal, such as 0660");
}

static void judge_state(const struct tx_raw *raw, struct conf_report *report, uint32_t i)
{
	uint32_t before = 0;

	for (uint32_t j = 0; j < i; j++)
		before += raw->channel[j].kind == TX_KIND_STATE;
	if (before >= TX_STATES_MAX)
		conf_report_add(report, raw, "channel", i, "kind",
				"there are at most %u channels of kind state",
				TX_STATES_MAX);
	if (raw->channel[i].max_size < STATE_HEAD_LEN + 2)
		conf_report_add(report, raw, "channel", i, "max_size",
				"no key fits: a message has %u bytes before it",
				STATE_HEAD_LEN);
}

/* Streams cannot lose a message to a limit and go on: their producers wait instead. */
static void judge_stream(const struct tx_raw *raw, struct conf_report *report, uint32_t i)
{
	const struct tx_raw_channel *c = &raw->channel[i];

	if (c->max_size < STREAM_MARKS_MAX)
		conf_report_add(report, raw, "channel", i, "max_size",
				"is less than the %u bytes that a message of kind = stream "
				"may need",
				STREAM_MARKS_MAX);
	if (c->max_messages != 0)
		conf_report_add(report, raw, "channel", i, "max_messages",
				"has no use with kind = stream: it would tear holes");
	if (c->max_bps != 0)
		conf_report_add(report, raw, "channel", i, "max_rate",
				"has no use with kind = stream: it would tear holes");
	if (c->allow.n != 0 && c->listen.kind != LOCAL_END_INET)
		conf_report_add(report, raw, "channel", i, "allow",
				"has no use with a path: socket_mode says who may");
}

static void judge_live(const struct tx_raw *raw, struct conf_report *report, uint32_t i)
{
	const struct tx_raw_channel *c = &raw->channel[i];
	const unsigned rows = c->live_m == 0 ? 0 : fec_rows_for((unsigned)c->live_m);
	uint32_t before = 0;
	uint8_t ip[4];

	if (c->spool[0] != '\0')
		conf_report_add(report, raw, "channel", i, "spool",
				"has no use with kind = %s",
				tx_kind_name((enum tx_kind)c->kind));
	judge_listen(raw, report, i);
	if (c->kind == TX_KIND_STATE)
		judge_state(raw, report, i);
	for (uint32_t n = 0; n < c->allow.n && n < CONF_LIST_MAX; n++)
		if (!tx_parse_address(c->allow.item[n], ip))
			conf_report_add(report, raw, "channel", i, "allow",
					"item %u is no IPv4 address", n + 1);
	if (c->live_k + rows > WIRE_FEC_POINTS)
		conf_report_add(report, raw, "channel", i, "live_k",
				"with live_m = %llu it is at most %u",
				(unsigned long long)c->live_m, WIRE_FEC_POINTS - rows);
	if (c->gather_ns > c->close_ns)
		conf_report_add(report, raw, "channel", i, "gather",
				"is longer than close, which ends the wait anyway");
	if (c->kind == TX_KIND_STREAM)
		judge_stream(raw, report, i);
	for (uint32_t j = 0; j < i; j++)
		before += raw->channel[j].kind != TX_KIND_FILES;
	if (before >= TX_LIVES_MAX)
		conf_report_add(report, raw, "channel", i, "kind",
				"there are at most %u live channels", TX_LIVES_MAX);
}

static void judge_channel(const struct tx_raw *raw, struct conf_report *report, uint32_t i)
{
	const struct tx_raw_channel *c = &raw->channel[i];

	for (uint32_t j = 0; j < i; j++)
		if (c->number != 0 && raw->channel[j].number == c->number)
			conf_report_add(report, raw, "channel", i, "number",
					"is already the number of channel %s",
					raw->channel[j].name);
	if (!host_name_is_plain(c->name))
		conf_report_add(report, raw, "channel", i, NULL,
				"a channel's name is made of letters, digits, '-', '_' and "
				"'.', and does not begin with '.': it names a directory");
	/* its directory would be that of another role, or another file */
	if (strcmp(c->name, "signer") == 0 || strcmp(c->name, "requests") == 0)
		conf_report_add(report, raw, "channel", i, NULL,
				"is a name of the daemon's own below state_dir: take "
				"another one");
	if (c->kind == TX_KIND_FILES)
		judge_files(raw, report, i);
	else
		judge_live(raw, report, i);
}

static void judge_receivers(const struct tx_raw *raw, struct conf_report *report)
{
	for (uint32_t i = 0; i < raw->receivers.n && i < CONF_LIST_MAX; i++) {
		if (raw->receivers.item[i][0] != '/')
			conf_report_add(report, raw, "transmitter", 0, "receivers",
					"item %u is not an absolute path", i + 1);
		for (uint32_t j = 0; j < i; j++)
			if (strcmp(raw->receivers.item[i], raw->receivers.item[j]) == 0)
				conf_report_add(report, raw, "transmitter", 0, "receivers",
						"items %u and %u are the same file", j + 1,
						i + 1);
	}
}

static void judge_framing(const struct tx_raw *raw, struct conf_report *report)
{
	const bool udp = raw->framing == TX_FRAMING_UDP;
	const struct conf_endpoint *src = &raw->udp_src, *dst = &raw->udp_dst;

	if (udp != (src->port != 0))
		conf_report_add(report, raw, "transmitter", 0, udp ? "framing" : "udp_src",
				udp ? "needs udp_src and udp_dst"
				    : "has no use without framing = udp");
	if (udp != (dst->port != 0))
		conf_report_add(report, raw, "transmitter", 0, udp ? "framing" : "udp_dst",
				udp ? "needs udp_src and udp_dst"
				    : "has no use without framing = udp");
	if (udp && raw->backend == TX_BACKEND_XDP)
		conf_report_add(report, raw, "transmitter", 0, "backend",
				"xdp sends Ethernet frames only: with framing = udp the "
				"packet socket's trains are faster");
	if (src->ip[0] >= 224)
		conf_report_add(
			report, raw, "transmitter", 0, "udp_src",
			"is a group address or reserved; a source address never is");
	if (dst->ip[0] >= 240)
		conf_report_add(report, raw, "transmitter", 0, "udp_dst",
				"is a broadcast or reserved address");
	if (src->ip[0] == 127 || dst->ip[0] == 127)
		conf_report_add(report, raw, "transmitter", 0,
				src->ip[0] == 127 ? "udp_src" : "udp_dst",
				"is a loopback address, which no wire carries");
}

void tx_judge(const struct tx_raw *raw, struct conf_report *report)
{
	if (raw->interface[0] != '\0' && !host_name_is_plain(raw->interface))
		conf_report_add(report, raw, "transmitter", 0, "interface",
				"is not the name of an interface");
	if ((raw->src_mac[0] & 1) != 0)
		conf_report_add(report, raw, "transmitter", 0, "src_mac",
				"is a group address; a source address never is");
	if (strcmp(raw->state_dir, raw->run_dir) == 0)
		conf_report_add(report, raw, "transmitter", 0, "run_dir",
				"is also state_dir; give it a directory of its own");
	judge_framing(raw, report);
	judge_receivers(raw, report);
	for (uint32_t i = 0; i < raw->channels && i < WIRE_CHANNELS_MAX; i++)
		judge_channel(raw, report, i);
}
