// SPDX-License-Identifier: ISC
/* From the file's bytes to struct tx_config, and what follows from it. */
#include <stdlib.h>
#include <string.h>

#include "conf.h"
#include "digest.h"
#include "fec.h"
#include "frame.h"
#include "host.h"
#include "lane.h"
#include "opt.h"
#include "tx_table.h"

#define DAY_NS UINT64_C(86400000000000)

static void convert_channel(struct tx_config_channel *to, const struct tx_raw_channel *from)
{
	memcpy(to->name, from->name, sizeof(from->name));
	memcpy(to->owner, from->owner, sizeof(to->owner));
	memcpy(to->purpose, from->purpose, sizeof(to->purpose));
	memcpy(to->classification, from->classification, sizeof(to->classification));
	memcpy(to->spool, from->spool, sizeof(to->spool));
	to->number = (uint16_t)from->number;
	to->class = (uint8_t)from->priority;
	to->settle_ns = from->settle_ns;
	to->keep_ns = from->keep_days * DAY_NS;
	to->keep_bytes = from->keep_bytes;
	to->min_free = from->min_free;
	to->max_object = from->max_object;
	to->fec_k = (unsigned)from->fec_k;
	to->fec_m = (unsigned)from->fec_m;
	to->depth_max = (unsigned)from->fec_depth;
	to->flush_ns = from->flush_ns;
	to->batch_bytes = from->batch_bytes;
}

static struct carrier_end convert_end(const struct conf_endpoint *from)
{
	struct carrier_end to = {.port = from->port};

	memcpy(to.ip, from->ip, sizeof(to.ip));
	return to;
}

static void convert_live(struct tx_config_live *to, const struct tx_raw_channel *from)
{
	memcpy(to->name, from->name, sizeof(from->name));
	memcpy(to->owner, from->owner, sizeof(to->owner));
	memcpy(to->purpose, from->purpose, sizeof(to->purpose));
	memcpy(to->classification, from->classification, sizeof(to->classification));
	to->number = (uint16_t)from->number;
	to->kind = (uint8_t)from->kind;
	to->listen = from->listen;
	for (uint32_t i = 0; i < from->join.n && i < TX_JOIN_MAX; i++)
		(void)snprintf(to->join[to->joins++], sizeof(to->join[0]), "%s",
			       from->join.item[i]);
	to->socket_mode = (uint16_t)conf_parse_mode(from->socket_mode);
	for (uint32_t i = 0; i < from->allow.n && i < TX_ALLOW_MAX; i++)
		if (tx_parse_address(from->allow.item[i], to->allow[to->allowed]))
			to->allowed++;
	to->max_size = (uint32_t)from->max_size;
	to->max_messages = from->max_messages;
	to->max_bps = from->max_bps;
	to->receive_buffer = from->receive_buffer;
	to->close_ns = from->close_ns;
	to->gather_ns = from->gather_ns;
	to->fec_k = (unsigned)from->live_k;
	to->connections =
		from->listen.kind == LOCAL_END_FIFO ? 1 : (unsigned)from->connections;
	to->overflow = (uint8_t)from->overflow;
	to->fec_m = (unsigned)from->live_m;
	to->refresh_ns = from->refresh_ns;
	to->max_keys = (uint32_t)from->max_keys;
	to->max_table = from->max_table;
}

static void convert_channels(struct tx_config *to, const struct tx_raw *from)
{
	for (uint32_t i = 0; i < from->channels && i < WIRE_CHANNELS_MAX; i++) {
		const struct tx_raw_channel *c = &from->channel[i];

		if (c->kind == TX_KIND_FILES)
			convert_channel(&to->channel[to->channels++], c);
		else if (to->lives < TX_LIVES_MAX)
			convert_live(&to->live[to->lives++], c);
	}
}

static void convert(struct tx_config *to, const struct tx_raw *from)
{
	memset(to, 0, sizeof(*to));
	memcpy(to->name, from->name, sizeof(to->name));
	memcpy(to->interface, from->interface, sizeof(to->interface));
	memcpy(to->src_mac, from->src_mac, sizeof(to->src_mac));
	memcpy(to->dst_mac, from->dst_mac, sizeof(to->dst_mac));
	memcpy(to->state_dir, from->state_dir, sizeof(to->state_dir));
	memcpy(to->run_dir, from->run_dir, sizeof(to->run_dir));
	memcpy(to->key, from->key, sizeof(to->key));
	memcpy(to->user, from->user, sizeof(to->user));
	to->ethertype = from->ethertype;
	to->vlan = (uint16_t)from->vlan;
	to->framing = (uint8_t)from->framing;
	to->udp.from = convert_end(&from->udp_src);
	to->udp.to = convert_end(&from->udp_dst);
	to->segmentation = from->segmentation;
	to->backend = (uint8_t)from->backend;
	to->mtu = (uint32_t)from->mtu;
	to->rate_bps = from->rate_bps;
	to->guarantee_percent = (uint32_t)from->guarantee;
	to->read_ahead = from->read_ahead;
	to->workers = (unsigned)from->workers;
	to->send_buffer = (uint32_t)from->send_buffer;
	to->environment = (uint16_t)from->environment;
	memcpy(to->passphrase_file, from->passphrase_file, sizeof(to->passphrase_file));
	to->key_warning_ns = from->key_warning_ns;
	to->session_ns = from->session_ns;
	to->log_level = from->log_level;
	to->permissive = from->sandbox != 0;
	to->pin = from->cores != 0;
	to->summary_ns = from->summary_ns;
	memcpy(to->metrics, from->metrics, sizeof(to->metrics));
	(void)snprintf(to->fec_kernel, sizeof(to->fec_kernel), "%s",
		       fec_kernel_name((enum fec_kernel)from->fec_kernel));
	for (uint32_t i = 0; i < from->receivers.n && i < WIRE_ANNOUNCE_RECEIVERS_MAX; i++)
		(void)snprintf(to->receivers[to->receiver_count++], TX_PATH_LEN, "%s",
			       from->receivers.item[i]);
	convert_channels(to, from);
}

/* SHA-256 of the effective values: the dump without the comments that say where from. */
static int digest_of(uint8_t out[32], const struct tx_parse *parse)
{
	size_t len = 0, kept = 0;
	char *text = NULL;
	FILE *f = open_memstream(&text, &len);

	if (!f)
		return -1;
	conf_dump(f, &parse->raw, &parse->report);
	if (fclose(f) != 0) {
		free(text);
		return -1;
	}
	for (size_t at = 0; at < len;) {
		char *end = memchr(text + at, '\n', len - at);
		size_t n = end ? (size_t)(end - (text + at)) + 1 : len - at;

		if (text[at] != '#' && text[at] != '\n') {
			memmove(text + kept, text + at, n);
			kept += n;
		}
		at += n;
	}
	digest_sha256(out, text, kept);
	free(text);
	return 0;
}

struct tx_parse *tx_parse_new(const char *bytes, size_t len, const char *file_name,
			      struct km_err *err)
{
	struct tx_parse *p = calloc(1, sizeof(*p));
	enum km_rc rc;

	if (!p) {
		(void)km_err_set(err, EX_OSERR, "%s: out of memory", file_name);
		return NULL;
	}
	rc = conf_parse_mem(bytes, len, file_name, &tx_table, &p->raw, sizeof(p->raw),
			    &p->report);
	if (rc != KM_OK && rc != KM_ERR_MALFORMED) {
		(void)km_err_set(err, EX_SOFTWARE, "%s: %s", file_name, km_rc_name(rc));
		tx_parse_free(p);
		return NULL;
	}
	tx_judge(&p->raw, &p->report);
	convert(&p->config, &p->raw);
	if (p->report.errors == 0 && digest_of(p->config.digest, p) != 0) {
		(void)km_err_set(err, EX_OSERR, "%s: out of memory", file_name);
		tx_parse_free(p);
		return NULL;
	}
	return p;
}

void tx_parse_free(struct tx_parse *parse)
{
	if (!parse)
		return;
	conf_report_free(&parse->report);
	free(parse);
}

int tx_config_load(struct tx_config *config, const char *bytes, size_t len,
		   const char *file_name, FILE *report)
{
	struct km_err err = KM_ERR_INIT;
	struct tx_parse *p = tx_parse_new(bytes, len, file_name, &err);
	int rc;

	if (!p) {
		if (report)
			(void)fprintf(report, "%s\n", err.text);
		return -1;
	}
	*config = p->config;
	if (report)
		conf_report_print(&p->report, report);
	rc = p->report.errors == 0 ? 0 : -1;
	tx_parse_free(p);
	return rc;
}

int tx_config_for_role(struct tx_config *config, int fd, int argc, char **argv,
		       struct km_err *err)
{
	const char *mtu = host_arg(argc, argv, "--mtu");
	const char *workers = host_arg(argc, argv, "--workers");
	char *bytes = NULL;
	uint64_t value;
	size_t len;
	int rc;

	if (host_read_sealed(fd, CONF_FILE_MAX, &bytes, &len, err) != 0)
		return km_err_prefix(err, "configuration");
	rc = tx_config_load(config, bytes, len, "configuration", stderr);
	free(bytes);
	if (rc != 0)
		return km_err_set(err, EX_CONFIG, "configuration: refused, see above");
	if (mtu) {
		if (opt_parse_u64(mtu, &value) != KM_OK || value < WIRE_MTU_MIN ||
		    value > WIRE_MTU_MAX)
			return km_err_set(err, EX_SOFTWARE, "--mtu %s: out of range", mtu);
		config->mtu = (uint32_t)value;
	}
	if (workers) {
		if (opt_parse_u64(workers, &value) != KM_OK || value < 1 ||
		    value > LANE_WORKERS_MAX)
			return km_err_set(err, EX_SOFTWARE, "--workers %s: out of range",
					  workers);
		config->workers = (unsigned)value;
	}
	if (config->mtu == 0 || config->workers == 0)
		return km_err_set(err, EX_SOFTWARE, "%s not resolved",
				  config->mtu == 0 ? "the MTU was" : "the workers were");
	return 0;
}

unsigned tx_config_worker_depth(const struct tx_config *config,
				const struct tx_config_channel *channel)
{
	const unsigned workers = config->workers > 1 ? config->workers : 1;

	return (channel->depth_max + workers - 1) / workers;
}

void tx_config_cores(const struct tx_config *config, struct cores *cores)
{
	cores_plan_here(cores, TX_SLOT_WORKER + config->workers, 1, config->pin);
}

const char *tx_kind_name(enum tx_kind kind)
{
	static const char *const names[TX_KINDS] = {
		[TX_KIND_FILES] = "files",
		[TX_KIND_DATAGRAM] = "datagram",
		[TX_KIND_STATE] = "state",
		[TX_KIND_STREAM] = "stream",
	};

	return names[kind];
}

unsigned tx_config_count(const struct tx_config *config, enum tx_kind kind)
{
	unsigned n = 0;

	for (unsigned i = 0; i < config->lives; i++)
		n += config->live[i].kind == kind;
	return n;
}

unsigned tx_config_workers(uint64_t rate_bps, unsigned cores)
{
	const uint64_t needed = (rate_bps + TX_WORKER_BPS - 1) / TX_WORKER_BPS;
	uint64_t workers = cores > 3 ? cores - 2 : 1;

	if (workers > needed)
		workers = needed;
	if (workers > LANE_WORKERS_MAX)
		workers = LANE_WORKERS_MAX;
	return workers > 1 ? (unsigned)workers : 1;
}

int tx_config_dump(const char *bytes, size_t len, const char *file_name, FILE *out,
		   struct km_err *err)
{
	struct tx_parse *p = tx_parse_new(bytes, len, file_name, err);

	if (!p)
		return -1;
	conf_dump(out, &p->raw, &p->report);
	tx_parse_free(p);
	return 0;
}

uint32_t tx_config_send_buffer(const struct tx_config *config)
{
	if (config->send_buffer != 0)
		return config->send_buffer;
	/* backpressure, not loss, at either frame size (io-limits section 4) */
	return config->mtu <= 1500 ? 212992 : 1000000;
}

uint32_t tx_config_link_header_len(const struct tx_config *config)
{
	return config->vlan ? WIRE_ETHER_VLAN_LEN : WIRE_ETHER_LEN;
}

uint32_t tx_config_carrier_len(const struct tx_config *config)
{
	return config->framing == TX_FRAMING_UDP ? WIRE_CARRIER_UDP : 0;
}

void tx_config_link_header(const struct tx_config *c, uint8_t ether[WIRE_ETHER_VLAN_LEN])
{
	const uint16_t type =
		c->framing == TX_FRAMING_UDP ? WIRE_ETHERTYPE_IPV4 : c->ethertype;
	uint8_t *at = ether + 12;

	memcpy(ether, c->dst_mac, 6);
	memcpy(ether + 6, c->src_mac, 6);
	if (c->vlan) {
		*at++ = 0x81; /* IEEE 802.1Q tag, priority 0 */
		*at++ = 0x00;
		*at++ = (uint8_t)(c->vlan >> 8 & 0x0F);
		*at++ = (uint8_t)c->vlan;
	}
	*at++ = (uint8_t)(type >> 8);
	*at = (uint8_t)type;
}

uint32_t tx_config_symbol_size(const struct tx_config *config)
{
	return (uint32_t)frame_symbol_size(config->mtu - tx_config_carrier_len(config));
}

void tx_config_lane_plan(const struct tx_config *config, struct lane_plan *plan)
{
	uint64_t frame = (uint64_t)config->mtu + tx_config_link_header_len(config);
	uint64_t lines = (sizeof(struct lane_desc) + frame + 63) / 64;
	/* bits in the hold time, in whole frames; 400 Gbit/s * 20 ms fits easily */
	uint64_t frames =
		config->rate_bps / 1000 * (LANE_HOLD_BULK_NS / 1000000) / (frame * 8);
	const uint32_t workers = config->workers > 1 ? config->workers : 1;
	uint32_t slots = LANE_SLOTS_MIN;

	/* rounded down: what lies in the ring is what a heartbeat cannot yet vouch for */
	while (slots < LANE_SLOTS_MAX && (uint64_t)slots * 2 <= frames / workers)
		slots *= 2;
	plan->workers = workers;
	plan->slots = slots;
	/* an odd number of lines, so that equal offsets of slots spread over all cache sets */
	plan->stride = (uint32_t)((lines | 1) * 64);
}
