// SPDX-License-Identifier: ISC
#include "tx_probe.h"

#include <inttypes.h>
#include <net/if.h>
#include <sched.h>
#include <string.h>

#include "cage.h"
#include "fec.h"
#include "keys.h"
#include "lane.h"
#include "tx_keys.h"

/* Processors that we may run on. */
static unsigned cores(void)
{
	cpu_set_t set;

	return sched_getaffinity(0, sizeof(set), &set) == 0 ? (unsigned)CPU_COUNT(&set) : 1;
}

/* By the diode port nothing comes in, nor by a VLAN, bridge or bond of it. */
static void probe_join(struct tx_parse *parse)
{
	const char *diode = parse->config.interface;

	for (uint32_t i = 0; i < parse->raw.channels; i++) {
		const struct conf_list *join = &parse->raw.channel[i].join;

		for (uint32_t n = 0; n < join->n; n++)
			if (strcmp(join->item[n], diode) != 0 &&
			    host_stands_on(join->item[n], diode))
				conf_report_add(&parse->report, &parse->raw, "channel", i,
						"join",
						"item %u stands on %s, the diode port, by "
						"which nothing may come in",
						n + 1, diode);
	}
}

int tx_probe_link(struct tx_parse *parse, struct host_interface *port, struct km_err *err)
{
	struct tx_config *config = &parse->config;
	struct host_interface found;

	if (!port)
		port = &found;
	if (config->workers == 0)
		config->workers = tx_config_workers(config->rate_bps, cores());
	if (host_find_interface(config->interface, port, err) != 0)
		return -1;
	if (config->mtu == 0)
		config->mtu = port->mtu < WIRE_MTU_MAX ? port->mtu : WIRE_MTU_MAX;
	if (config->mtu > port->mtu)
		conf_report_add(&parse->report, &parse->raw, "transmitter", 0, "mtu",
				"interface %s carries only %" PRIu32 ": set mtu = %" PRIu32
				" or run `ip link set dev %s mtu %" PRIu32 "`",
				config->interface, port->mtu, port->mtu, config->interface,
				config->mtu);
	if (config->mtu < WIRE_MTU_MIN)
		conf_report_add(&parse->report, &parse->raw, "transmitter", 0, "interface",
				"its MTU is %" PRIu32
				", the least is %u: run `ip link set dev "
				"%s mtu 1500`",
				config->mtu, WIRE_MTU_MIN, config->interface);
	probe_join(parse);
	return 0;
}

void tx_probe_kernel(struct tx_parse *parse)
{
	struct fec_choice choice = {.why = ""};
	struct cage_kernel kernel;

	if (fec_init((enum fec_kernel)parse->raw.fec_kernel, &choice) != FEC_OK)
		conf_report_add(&parse->report, &parse->raw, "transmitter", 0, "fec_kernel",
				"cannot be had here: %s", choice.why);
	cage_ask_kernel(&kernel);
	if (cage_lacking(&kernel) && !parse->raw.sandbox)
		conf_report_add(&parse->report, &parse->raw, "transmitter", 0, "sandbox",
				"%s", cage_lacking(&kernel));
}

static void probe_dir(struct tx_parse *parse, const char *section, uint32_t i,
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

static void probe_keys(struct tx_parse *parse)
{
	struct keys_row row[TX_KEYS_MAX];
	const unsigned n = tx_keys_rows(&parse->config, row);

	for (unsigned i = 0; i < n; i++)
		if (row[i].problem[0])
			conf_report_add(&parse->report, &parse->raw, "transmitter", 0,
					row[i].conf, "%s", row[i].problem);
}

void tx_probe_files(struct tx_parse *parse)
{
	const struct tx_config *config = &parse->config;
	struct km_err err = KM_ERR_INIT;

	probe_dir(parse, "transmitter", 0, "state_dir", config->state_dir);
	probe_dir(parse, "transmitter", 0, "run_dir", config->run_dir);
	for (uint32_t i = 0; i < parse->raw.channels; i++)
		if (parse->raw.channel[i].kind == TX_KIND_FILES)
			probe_dir(parse, "channel", i, "spool",
				  parse->raw.channel[i].spool);
	if (keys_init(&err) != 0) {
		conf_report_add(&parse->report, &parse->raw, "transmitter", 0, "key", "%s",
				err.text);
		return;
	}
	probe_keys(parse);
}

static uint64_t live_bytes(const struct tx_config *config, const struct tx_config_live *d)
{
	const uint64_t coder = d->fec_m ? fec_encoder_bytes(fec_rows_for(d->fec_m),
							    tx_config_symbol_size(config),
							    FEC_FEED_SYMBOLS)
					: 0;

	return coder + tx_config_symbol_size(config) +
	       (d->kind == TX_KIND_STATE ? d->max_table : 0);
}

void tx_probe_memory(const struct tx_config *config, struct tx_memory *memory)
{
	struct lane_plan plan;

	tx_config_lane_plan(config, &plan);
	memory->lanes = lane_index_bytes(&plan) + lane_slots_bytes(&plan);
	memory->encoders = memory->workers = 0;
	for (unsigned i = 0; i < config->channels; i++) {
		unsigned rows = tx_rows(config->channel[i].fec_m);
		uint64_t coder =
			rows == 0 ? 0
				  : fec_encoder_bytes(rows, tx_config_symbol_size(config),
						      FEC_FEED_SYMBOLS);
		uint64_t depth = tx_config_worker_depth(config, &config->channel[i]);

		memory->encoders += config->channel[i].depth_max * coder;
		if (depth * coder > memory->workers)
			memory->workers = depth * coder;
	}
	if (config->channels > 0)
		memory->workers += config->read_ahead;
	memory->workers *= plan.workers - 1;
	for (unsigned i = 0; i < config->lives; i++)
		memory->encoders += live_bytes(config, &config->live[i]);
	memory->total =
		memory->lanes + memory->encoders + memory->workers + config->read_ahead;
}

static double mib(uint64_t bytes)
{
	return (double)bytes / (1 << 20);
}

static void report_channel(const struct tx_config *config,
			   const struct tx_config_channel *c, FILE *out)
{
	uint64_t frame = (uint64_t)config->mtu + tx_config_link_header_len(config);
	uint64_t frames = (uint64_t)c->depth_max * (c->fec_k + c->fec_m);
	uint64_t ms = frames * frame * 8 * 1000 / config->rate_bps;

	(void)fprintf(out,
		      "channel %s: number %u, code (%u,%u) x %u, full window %" PRIu64
		      " frames = %.1f MiB = %" PRIu64 " ms; rides out %" PRIu64
		      " frames in a row\n",
		      c->name, c->number, c->fec_k, c->fec_m, c->depth_max, frames,
		      mib(frames * frame), ms, (uint64_t)c->depth_max * c->fec_m);
}

static void report_live(const struct tx_config_live *d, FILE *out)
{
	char text[LOCAL_END_TEXT_MAX];
	const bool group = local_end_is_group(&d->listen);
	const bool lacking = d->listen.kind == LOCAL_END_INET && !group &&
			     !host_has_address(d->listen.ip);

	(void)fprintf(out,
		      "channel %s: number %u, %s at %s, code (%u,%u), "
		      "closed after %" PRIu64 " ms%s\n",
		      d->name, d->number, tx_kind_name((enum tx_kind)d->kind),
		      local_end_text(&d->listen, text), d->fec_k, d->fec_m,
		      d->close_ns / 1000000,
		      lacking ? "; this host HAS NO SUCH ADDRESS now" : "");
	for (unsigned i = 0; i < d->joins; i++)
		(void)fprintf(out, "channel %s: the group is joined on %s%s\n", d->name,
			      d->join[i],
			      if_nametoindex(d->join[i])
				      ? ""
				      : "; this host HAS NO SUCH INTERFACE now");
}

static void report_udp(const struct tx_config *config, FILE *out)
{
	const struct carrier_end *from = &config->udp.from, *to = &config->udp.to;
	uint32_t datagram = config->mtu - WIRE_CARRIER_UDP;
	const uint8_t *mac = config->dst_mac;

	if (config->framing != TX_FRAMING_UDP)
		return;
	(void)fprintf(out,
		      "framing udp: %u.%u.%u.%u:%u to %u.%u.%u.%u:%u at "
		      "%02x:%02x:%02x:%02x:%02x:%02x, datagrams of %" PRIu32
		      " bytes, %" PRIu32 " at once if the kernel takes them\n",
		      from->ip[0], from->ip[1], from->ip[2], from->ip[3], from->port,
		      to->ip[0], to->ip[1], to->ip[2], to->ip[3], to->port, mac[0], mac[1],
		      mac[2], mac[3], mac[4], mac[5], datagram,
		      config->segmentation ? WIRE_CARRIER_PAYLOAD_MAX / datagram : 1);
}

void tx_probe_report(const struct tx_config *config, const struct host_interface *port,
		     FILE *out)
{
	uint64_t wmem = host_net_core("wmem_max");
	struct tx_memory memory;
	struct lane_plan plan;

	tx_config_lane_plan(config, &plan);
	tx_probe_memory(config, &memory);
	if (port)
		(void)fprintf(out, "interface %s: index %u, MTU %" PRIu32 ", %s\n",
			      config->interface, port->index, port->mtu,
			      port->up ? "up" : "DOWN: frames wait until it is up");
	(void)fprintf(out,
		      "frames: MTU %" PRIu32 ", symbol %" PRIu32 " bytes, %" PRIu32
		      " worker%s, lanes of %" PRIu32 " slots\n",
		      config->mtu, tx_config_symbol_size(config), plan.workers,
		      plan.workers > 1 ? "s" : "", plan.slots);
	report_udp(config, out);
	for (unsigned i = 0; i < config->channels; i++)
		report_channel(config, &config->channel[i], out);
	for (unsigned i = 0; i < config->lives; i++)
		report_live(&config->live[i], out);
	if (config->channels + config->lives == 0)
		(void)fprintf(out, "channels: none, nothing will be sent but heartbeats\n");
	(void)fprintf(out,
		      "memory: lanes %.1f MiB, encoders %.1f MiB, read_ahead %.1f MiB, "
		      "further workers %.1f MiB, together %.1f MiB\n",
		      mib(memory.lanes), mib(memory.encoders), mib(config->read_ahead),
		      mib(memory.workers), mib(memory.total));
	if (wmem != 0 && config->send_buffer > wmem)
		(void)fprintf(out,
			      "note: send_buffer %" PRIu32
			      " is above net.core.wmem_max %" PRIu64
			      "; the kernel will give the latter\n",
			      config->send_buffer, wmem);
}
