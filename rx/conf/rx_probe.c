// SPDX-License-Identifier: ISC
#include "rx_probe.h"

#include <inttypes.h>
#include <net/if.h>
#include <string.h>
#include <unistd.h>

#include "ask.h"
#include "cage.h"
#include "deliver.h"
#include "fec.h"
#include "intake.h"
#include "keys.h"
#include "rx_keys.h"
#include "segment.h"

int rx_probe_link(struct rx_parse *parse, struct host_interface *port, struct km_err *err)
{
	struct rx_config *config = &parse->config;
	struct host_interface found;

	if (!port)
		port = &found;
	if (host_find_interface(config->interface, port, err) != 0)
		return -1;
	if (config->mtu == 0) {
		config->mtu = port->mtu < WIRE_MTU_MAX ? port->mtu : WIRE_MTU_MAX;
		rx_judge_pool(&parse->raw, config->mtu, &parse->report);
	}
	if (config->mtu > port->mtu)
		conf_report_add(&parse->report, &parse->raw, "receiver", 0, "mtu",
				"interface %s carries only %" PRIu32 ": set mtu = %" PRIu32
				" or run `ip link set dev %s mtu %" PRIu32 "`",
				config->interface, port->mtu, port->mtu, config->interface,
				config->mtu);
	if (config->mtu < WIRE_MTU_MIN)
		conf_report_add(&parse->report, &parse->raw, "receiver", 0, "interface",
				"its MTU is %" PRIu32
				", the least is %u: run `ip link set dev "
				"%s mtu 1500`",
				config->mtu, WIRE_MTU_MIN, config->interface);
	return 0;
}

void rx_probe_address(struct rx_parse *parse)
{
	const struct rx_config *config = &parse->config;

	/* the kernel would answer to what it has no socket for, by ICMP, into the diode */
	if (config->framing == RX_FRAMING_UDP && host_has_address(config->udp.to.ip))
		conf_report_add(&parse->report, &parse->raw, "receiver", 0, "udp_dst",
				"is an address of this host, which would answer: take it "
				"off the interface, or use another one");
}

enum rx_deliver rx_probe_deliver(const struct rx_config_live *conf, const char *diode,
				 char interface[16])
{
	unsigned index;

	if (conf->deliver.kind != LOCAL_END_INET)
		return RX_DELIVER_OK;
	if (local_end_is_group(&conf->deliver)) {
		memcpy(interface, conf->deliver_interface, IF_NAMESIZE);
		if (host_stands_on(interface, diode))
			return RX_DELIVER_DIODE;
		return if_nametoindex(interface) ? RX_DELIVER_OK : RX_DELIVER_NONE;
	}
	if (rx_kind_serves((enum rx_kind)conf->kind)) /* its address is ours */
		return host_address_interface(conf->deliver.ip, interface) &&
				       host_stands_on(interface, diode)
			       ? RX_DELIVER_DIODE
			       : RX_DELIVER_OK;
	if (host_route(conf->deliver.ip, &index) != 0 || !if_indextoname(index, interface))
		return RX_DELIVER_NONE;
	return host_stands_on(interface, diode) ? RX_DELIVER_DIODE : RX_DELIVER_OK;
}

void rx_probe_consumers(struct rx_parse *parse)
{
	char interface[IF_NAMESIZE];
	uint32_t place = 0;

	for (uint32_t i = 0; i < parse->raw.channels; i++) {
		if (parse->raw.channel[i].kind == RX_KIND_FILES)
			continue;
		if (place < parse->config.lives &&
		    rx_probe_deliver(&parse->config.live[place++], parse->config.interface,
				     interface) == RX_DELIVER_DIODE)
			conf_report_add(
				&parse->report, &parse->raw, "channel", i, "deliver",
				"would be reached by %s, which is the diode port or stands "
				"on it, and that never sends: correct it, or the host's "
				"routes",
				interface);
	}
}

void rx_probe_kernel(struct rx_parse *parse)
{
	struct fec_choice choice = {.why = ""};
	struct cage_kernel kernel;

	if (fec_init((enum fec_kernel)parse->raw.fec_kernel, &choice) != FEC_OK)
		conf_report_add(&parse->report, &parse->raw, "receiver", 0, "fec_kernel",
				"cannot be had here: %s", choice.why);
	cage_ask_kernel(&kernel);
	if (cage_lacking(&kernel) && !parse->raw.sandbox)
		conf_report_add(&parse->report, &parse->raw, "receiver", 0, "sandbox", "%s",
				cage_lacking(&kernel));
}

static void probe_dir(struct rx_parse *parse, const char *section, uint32_t i,
		      const char *key, const char *path)
{
	const char *why;
	size_t at;

	if (!host_dir_usable(path, &why, &at))
		conf_report_add(
			&parse->report, &parse->raw, section, i, key,
			"%.*s %s: make it, or give the daemon's user the right to write",
			(int)at, path, why);
}

static void probe_keys(struct rx_parse *parse)
{
	struct keys_row row[RX_KEYS_MAX];
	const unsigned n = rx_keys_rows(&parse->config, row);

	for (unsigned i = 0; i < n; i++)
		if (row[i].problem[0])
			conf_report_add(&parse->report, &parse->raw, "receiver", 0,
					row[i].conf, "%s", row[i].problem);
}

static void probe_scan(struct rx_parse *parse, uint32_t i)
{
	struct rx_scan_words words;
	const char *fault;

	if (parse->raw.channel[i].scan[0] == '\0' ||
	    rx_scan_split(&words, parse->raw.channel[i].scan) != 0)
		return;
	fault = rx_scan_fault(words.word[0]);
	if (fault)
		conf_report_add(&parse->report, &parse->raw, "channel", i, "scan", "%s %s",
				words.word[0], fault);
}

/* The directory in which a table is written. */
static void probe_file(struct rx_parse *parse, uint32_t i)
{
	char dir[RX_PATH_LEN];
	size_t len;

	memcpy(dir, parse->raw.channel[i].file, sizeof(dir));
	len = strlen(dir);
	while (len > 1 && dir[len - 1] != '/')
		len--;
	if (len > 1)
		dir[len - 1] = '\0';
	if (len > 0)
		probe_dir(parse, "channel", i, "file", dir);
}

static void probe_scan_paths(struct rx_parse *parse)
{
	for (unsigned i = 0; i < parse->config.scan_paths; i++)
		if (access(parse->config.scan_path[i], F_OK) != 0)
			conf_report_add(&parse->report, &parse->raw, "receiver", 0,
					"scan_paths", "%s cannot be found",
					parse->config.scan_path[i]);
}

void rx_probe_files(struct rx_parse *parse)
{
	const struct rx_config *config = &parse->config;
	struct km_err err = KM_ERR_INIT;

	probe_dir(parse, "receiver", 0, "state_dir", config->state_dir);
	probe_dir(parse, "receiver", 0, "run_dir", config->run_dir);
	for (uint32_t i = 0; i < parse->raw.channels; i++)
		if (parse->raw.channel[i].kind == RX_KIND_FILES) {
			probe_dir(parse, "channel", i, "root", parse->raw.channel[i].root);
			probe_scan(parse, i);
		}
	for (uint32_t i = 0; i < parse->raw.channels; i++)
		probe_file(parse, i);
	probe_scan_paths(parse);
	if (keys_init(&err) != 0)
		conf_report_add(&parse->report, &parse->raw, "receiver", 0, "key", "%s",
				err.text);
	else
		probe_keys(parse);
}

void rx_probe_memory(const struct rx_config *config, struct rx_memory *memory)
{
	struct segment_plan segment;
	struct intake_plan intake;

	rx_config_segment_plan(config, &segment);
	rx_config_intake_plan(config, &intake);
	memory->ring = (uint64_t)intake.block_bytes * intake.blocks +
		       (uint64_t)intake.slot_bytes * intake.slots;
	/* where the ring is refused, libpcap's buffer of the same size and the pump serve */
	if (config->capture != RX_CAPTURE_RING)
		memory->ring += intake_pump_bytes(&intake);
	memory->pool = segment_bytes(&segment);
	memory->hold = config->hold_bytes;
	memory->messages = deliver_bytes() + ask_bytes();
	memory->messages += config->lives ? sink_bytes() : 0;
	memory->hold += config->lives * (uint64_t)RX_LIVE_HOLD;
	for (unsigned i = 0; i < config->lives; i++)
		if (config->live[i].kind == RX_KIND_STATE)
			memory->hold += config->live[i].max_table;
		else if (config->live[i].kind == RX_KIND_STREAM)
			memory->hold += 2u * config->live[i].connections *
					config->live[i].consumer_buffer;
	memory->total = memory->ring + memory->pool + memory->hold + memory->messages;
}

void rx_probe_size(struct rx_parse *parse)
{
	struct rx_memory memory;
	uint64_t have = host_memory("MemTotal");

	rx_probe_memory(&parse->config, &memory);
	if (memory.total > have)
		conf_report_add(&parse->report, &parse->raw, "receiver", 0, "pool",
				"together with ring and hold that is %" PRIu64
				" MiB, and this machine has %" PRIu64 ": lower it",
				memory.total >> 20, have >> 20);
}

static double mib(uint64_t bytes)
{
	return (double)bytes / (1 << 20);
}

static void report_live(const struct rx_config_live *d, FILE *out)
{
	char text[LOCAL_END_TEXT_MAX];

	(void)fprintf(out,
		      "channel %s: number %u, %s to %s, held back at most %" PRIu64 " ms\n",
		      d->name, d->number, rx_kind_name((enum rx_kind)d->kind),
		      local_end_text(&d->deliver, text), d->hold_ns / 1000000);
}

static void report_pool(const struct rx_config *config, FILE *out)
{
	uint64_t stride = rx_slot_stride(config->mtu);
	uint64_t wanted = 0;

	for (unsigned i = 0; i < config->channels; i++) {
		const struct rx_config_channel *c = &config->channel[i];
		uint64_t bytes = rx_window_slots(c->fec_k, c->fec_m, c->depth_max) * stride;

		wanted += 2 * bytes;
		(void)fprintf(out,
			      "channel %s: number %u, a full window takes %.1f MiB of the "
			      "pool\n",
			      c->name, c->number, mib(bytes));
	}
	for (unsigned i = 0; i < config->lives; i++)
		report_live(&config->live[i], out);
	if (config->channels + config->lives == 0)
		(void)fprintf(out, "channels: none, nothing will be published\n");
	if (wanted > config->pool_bytes)
		(void)fprintf(
			out,
			"note: two windows of every channel at once take %.0f MiB: under "
			"loss on all of them a pool of %.0f MiB evicts the oldest\n",
			mib(wanted), mib(config->pool_bytes));
}

static void report_udp(const struct rx_config *config, FILE *out)
{
	const struct carrier_end *from = &config->udp.from, *to = &config->udp.to;

	if (config->framing != RX_FRAMING_UDP)
		return;
	(void)fprintf(out, "framing udp: to %u.%u.%u.%u:%u, ", to->ip[0], to->ip[1],
		      to->ip[2], to->ip[3], to->port);
	if (from->port == 0)
		(void)fprintf(out, "from anybody\n");
	else
		(void)fprintf(out, "from %u.%u.%u.%u:%u\n", from->ip[0], from->ip[1],
			      from->ip[2], from->ip[3], from->port);
}

void rx_probe_report(const struct rx_config *config, const struct host_interface *port,
		     FILE *out)
{
	uint64_t rmem = host_net_core("rmem_max");
	struct segment_plan segment;
	struct intake_plan intake;
	struct rx_memory memory;

	rx_config_segment_plan(config, &segment);
	rx_config_intake_plan(config, &intake);
	rx_probe_memory(config, &memory);
	if (port)
		(void)fprintf(out, "interface %s: index %u, MTU %" PRIu32 ", %s\n",
			      config->interface, port->index, port->mtu,
			      port->up ? "up" : "DOWN: nothing comes until it is up");
	(void)fprintf(out,
		      "frames: MTU %" PRIu32 ", symbol %" PRIu32 " bytes, pool of %" PRIu32
		      " slots of %" PRIu32 " bytes\n",
		      config->mtu, rx_config_symbol_size(config), segment.slots,
		      segment.stride);
	report_udp(config, out);
	report_pool(config, out);
	(void)fprintf(
		out,
		"memory: ring %.1f MiB, pool %.1f MiB, hold %.1f MiB, messages %.1f MiB, "
		"together %.1f MiB\n",
		mib(memory.ring), mib(memory.pool), mib(memory.hold), mib(memory.messages),
		mib(memory.total));
	if (config->capture == RX_CAPTURE_PCAP && rmem != 0)
		(void)fprintf(out,
			      "note: net.core.rmem_max %" PRIu64 " does not limit "
			      "libpcap's mapped buffer either\n",
			      rmem);
	else if (rmem != 0 && config->ring_bytes > rmem)
		(void)fprintf(out,
			      "note: ring = %.1f MiB is mapped memory; net.core.rmem_max "
			      "%" PRIu64 " does not limit it\n",
			      mib(config->ring_bytes), rmem);
}
