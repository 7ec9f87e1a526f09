// SPDX-License-Identifier: ISC
/* From the file's bytes to struct rx_config, and what follows from it. */
#include <stdlib.h>
#include <string.h>

#include "conf.h"
#include "digest.h"
#include "fec.h"
#include "frame.h"
#include "host.h"
#include "intake.h"
#include "opt.h"
#include "rx_table.h"
#include "segment.h"

#define DAY_NS UINT64_C(86400000000000)

/* Blocks of the receive ring: large enough that a block holds many jumbo frames, small enough
 * that retiring one by time wastes little. */
#define RING_BLOCK_MAX (1U << 18)
#define RING_BLOCKS_MIN 4
/* AF_XDP: the kernel writes behind 256 bytes that it keeps for itself (xsk_ring.h). */
#define XDP_CHUNK_SMALL 2048U
#define XDP_CHUNK 4096U
#define XDP_CHUNK_HEAD 256U
#define REALTIME_SLOT_MIN 2048U
#define REALTIME_SLOTS_MIN 8U

static void convert_channel(struct rx_config_channel *to, const struct rx_raw_channel *from)
{
	memcpy(to->name, from->name, sizeof(from->name));
	memcpy(to->owner, from->owner, sizeof(to->owner));
	memcpy(to->purpose, from->purpose, sizeof(to->purpose));
	memcpy(to->classification, from->classification, sizeof(to->classification));
	memcpy(to->root, from->root, sizeof(to->root));
	to->number = (uint16_t)from->number;
	to->replace = (uint8_t)from->replace;
	to->keep_generations = (uint32_t)from->keep_generations;
	to->keep_ns = from->keep_days * DAY_NS;
	to->max_object = from->max_object;
	to->min_free = from->min_free;
	to->file_mode = (uint16_t)conf_parse_mode(from->file_mode);
	to->dir_mode = (uint16_t)conf_parse_mode(from->dir_mode);
	memcpy(to->scan, from->scan, sizeof(to->scan));
	to->scan_timeout_ns = from->scan_timeout_ns;
	to->scan_jobs = (unsigned)from->scan_jobs;
	to->fec_k = (unsigned)from->fec_k;
	to->fec_m = (unsigned)from->fec_m;
	to->depth_max = (unsigned)from->fec_depth;
}

static struct carrier_end convert_end(const struct conf_endpoint *from)
{
	struct carrier_end to = {.port = from->port};

	memcpy(to.ip, from->ip, sizeof(to.ip));
	return to;
}

static void convert_live(struct rx_config_live *to, const struct rx_raw_channel *from)
{
	memcpy(to->name, from->name, sizeof(from->name));
	memcpy(to->owner, from->owner, sizeof(to->owner));
	memcpy(to->purpose, from->purpose, sizeof(to->purpose));
	memcpy(to->classification, from->classification, sizeof(to->classification));
	to->number = (uint16_t)from->number;
	to->kind = (uint8_t)from->kind;
	to->deliver = from->deliver;
	memcpy(to->deliver_interface, from->deliver_interface,
	       sizeof(to->deliver_interface));
	to->deliver_ttl = (uint8_t)from->deliver_ttl;
	to->deliver_buffer = from->deliver_buffer;
	to->hold_ns = from->hold_back_ns;
	to->socket_mode = (uint16_t)conf_parse_mode(from->socket_mode);
	to->stale_ns = from->stale_ns;
	to->max_keys = (uint32_t)from->max_keys;
	to->max_table = from->max_table;
	memcpy(to->file, from->file, sizeof(to->file));
	to->file_every_ns = from->file_every_ns;
	to->file_mode = (uint16_t)conf_parse_mode(from->file_mode);
	to->connections =
		from->deliver.kind == LOCAL_END_FIFO ? 1 : (unsigned)from->connections;
	to->consumer_buffer = from->consumer_buffer;
	to->gap = (uint8_t)from->gap;
	memcpy(to->gap_text, from->gap_text, sizeof(to->gap_text));
}

static void convert_channels(struct rx_config *to, const struct rx_raw *from)
{
	for (uint32_t i = 0; i < from->channels && i < WIRE_CHANNELS_MAX; i++) {
		const struct rx_raw_channel *c = &from->channel[i];

		if (c->kind == RX_KIND_FILES)
			convert_channel(&to->channel[to->channels++], c);
		else if (to->lives < RX_LIVES_MAX)
			convert_live(&to->live[to->lives++], c);
	}
}

static void convert(struct rx_config *to, const struct rx_raw *from)
{
	memset(to, 0, sizeof(*to));
	memcpy(to->name, from->name, sizeof(to->name));
	memcpy(to->interface, from->interface, sizeof(to->interface));
	memcpy(to->state_dir, from->state_dir, sizeof(to->state_dir));
	memcpy(to->run_dir, from->run_dir, sizeof(to->run_dir));
	memcpy(to->key, from->key, sizeof(to->key));
	memcpy(to->user, from->user, sizeof(to->user));
	to->ethertype = from->ethertype;
	to->vlan = (uint16_t)from->vlan;
	to->framing = (uint8_t)from->framing;
	to->udp.from = convert_end(&from->udp_src);
	to->udp.to = convert_end(&from->udp_dst);
	to->mtu = (uint32_t)from->mtu;
	to->environment = (uint16_t)from->environment;
	to->capture = (uint8_t)from->capture;
	to->ring_bytes = from->ring_bytes;
	to->retire_ms = (uint32_t)(from->retire_ns / 1000000);
	to->realtime_bytes = from->realtime_bytes;
	to->spin = from->spin;
	to->pool_bytes = from->pool_bytes;
	to->hold_bytes = from->hold_bytes;
	to->silent_ns = from->silent_ns;
	to->log_level = from->log_level;
	to->permissive = from->sandbox != 0;
	to->pin = from->cores != 0;
	to->summary_ns = from->summary_ns;
	memcpy(to->metrics, from->metrics, sizeof(to->metrics));
	(void)snprintf(to->fec_kernel, sizeof(to->fec_kernel), "%s",
		       fec_kernel_name((enum fec_kernel)from->fec_kernel));
	for (uint32_t i = 0; i < from->trust.n && i < RX_TRUSTED_MAX; i++)
		(void)snprintf(to->trust[to->trusted++], RX_PATH_LEN, "%s",
			       from->trust.item[i]);
	for (uint32_t i = 0; i < from->retired.n && i < RX_TRUSTED_MAX; i++)
		(void)snprintf(to->retired[to->retired_count++], RX_PATH_LEN, "%s",
			       from->retired.item[i]);
	memcpy(to->scan_user, from->scan_user, sizeof(to->scan_user));
	for (uint32_t i = 0; i < from->scan_paths.n && i < RX_SCAN_PATHS_MAX; i++)
		(void)snprintf(to->scan_path[to->scan_paths++], RX_PATH_LEN, "%s",
			       from->scan_paths.item[i]);
	memcpy(to->passphrase_file, from->passphrase_file, sizeof(to->passphrase_file));
	to->key_warning_ns = from->key_warning_ns;
	convert_channels(to, from);
}

/* SHA-256 of the effective values: the dump without the comments that say where from. */
static int digest_of(uint8_t out[32], const struct rx_parse *parse)
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

struct rx_parse *rx_parse_new(const char *bytes, size_t len, const char *file_name,
			      struct km_err *err)
{
	struct rx_parse *p = calloc(1, sizeof(*p));
	enum km_rc rc;

	if (!p) {
		(void)km_err_set(err, EX_OSERR, "%s: out of memory", file_name);
		return NULL;
	}
	rc = conf_parse_mem(bytes, len, file_name, &rx_table, &p->raw, sizeof(p->raw),
			    &p->report);
	if (rc != KM_OK && rc != KM_ERR_MALFORMED) {
		(void)km_err_set(err, EX_SOFTWARE, "%s: %s", file_name, km_rc_name(rc));
		rx_parse_free(p);
		return NULL;
	}
	rx_judge(&p->raw, &p->report);
	convert(&p->config, &p->raw);
	if (p->report.errors == 0 && digest_of(p->config.digest, p) != 0) {
		(void)km_err_set(err, EX_OSERR, "%s: out of memory", file_name);
		rx_parse_free(p);
		return NULL;
	}
	return p;
}

void rx_parse_free(struct rx_parse *parse)
{
	if (!parse)
		return;
	conf_report_free(&parse->report);
	free(parse);
}

int rx_config_load(struct rx_config *config, const char *bytes, size_t len,
		   const char *file_name, FILE *report)
{
	struct km_err err = KM_ERR_INIT;
	struct rx_parse *p = rx_parse_new(bytes, len, file_name, &err);
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
	rx_parse_free(p);
	return rc;
}

int rx_config_for_role(struct rx_config *config, int fd, int argc, char **argv,
		       struct km_err *err)
{
	const char *mtu = host_arg(argc, argv, "--mtu");
	char *bytes = NULL;
	uint64_t value;
	size_t len;
	int rc;

	if (host_read_sealed(fd, CONF_FILE_MAX, &bytes, &len, err) != 0)
		return km_err_prefix(err, "configuration");
	rc = rx_config_load(config, bytes, len, "configuration", stderr);
	free(bytes);
	if (rc != 0)
		return km_err_set(err, EX_CONFIG, "configuration: refused, see above");
	if (mtu) {
		if (opt_parse_u64(mtu, &value) != KM_OK || value < WIRE_MTU_MIN ||
		    value > WIRE_MTU_MAX)
			return km_err_set(err, EX_SOFTWARE, "--mtu %s: out of range", mtu);
		config->mtu = (uint32_t)value;
	}
	if (config->mtu == 0)
		return km_err_set(err, EX_SOFTWARE, "the MTU was not resolved");
	return 0;
}

int rx_config_dump(const char *bytes, size_t len, const char *file_name, FILE *out,
		   struct km_err *err)
{
	struct rx_parse *p = rx_parse_new(bytes, len, file_name, err);

	if (!p)
		return -1;
	conf_dump(out, &p->raw, &p->report);
	rx_parse_free(p);
	return 0;
}

uint32_t rx_config_link_header_len(const struct rx_config *config)
{
	return config->vlan ? WIRE_ETHER_VLAN_LEN : WIRE_ETHER_LEN;
}

uint32_t rx_config_symbol_size(const struct rx_config *config)
{
	uint32_t carrier = config->framing == RX_FRAMING_UDP ? WIRE_CARRIER_UDP : 0;

	return (uint32_t)frame_symbol_size(config->mtu - carrier);
}

void rx_config_segment_plan(const struct rx_config *config, struct segment_plan *plan)
{
	uint64_t slots;

	plan->stride = rx_slot_stride(config->mtu);
	slots = config->pool_bytes / plan->stride;
	plan->slots = slots < UINT32_MAX ? (uint32_t)slots : UINT32_MAX;
}

/* A slot holds the largest frame (with framing udp no train: those go by the ring of blocks,
 * see link_filter.h); powers of two, so that slots fill the kernel's blocks. */
static void plan_realtime(const struct rx_config *config, struct intake_plan *plan)
{
	uint64_t slots;

	plan->slot_bytes = REALTIME_SLOT_MIN;
	plan->slots = 0;
	if (config->realtime_bytes == 0 || plan->form != INTAKE_RING)
		return;
	while (plan->slot_bytes < INTAKE_SLOT_HEAD + WIRE_ETHER_VLAN_LEN + config->mtu)
		plan->slot_bytes *= 2;
	slots = config->realtime_bytes / plan->slot_bytes;
	plan->slots =
		slots > REALTIME_SLOTS_MIN ? (uint32_t)slots & ~7U : REALTIME_SLOTS_MIN;
}

/* A power of two of chunks, at most as much memory as the ring would have. */
static void plan_xdp(const struct rx_config *config, struct intake_plan *plan)
{
	plan->frame_xdp = config->mtu + WIRE_ETHER_VLAN_LEN;
	plan->chunk_bytes = plan->frame_xdp <= XDP_CHUNK_SMALL - XDP_CHUNK_HEAD
				    ? XDP_CHUNK_SMALL
				    : XDP_CHUNK;
	plan->chunks = 1;
	while (plan->chunks <= config->ring_bytes / plan->chunk_bytes / 2)
		plan->chunks *= 2;
}

void rx_config_intake_plan(const struct rx_config *config, struct intake_plan *plan)
{
	uint64_t block = RING_BLOCK_MAX;
	/* the kernel may join datagrams into one of the largest size that IP has */
	uint32_t largest = config->framing == RX_FRAMING_UDP ? WIRE_MTU_MAX : config->mtu;

	/* always a power of two of pages, and never fewer than a few blocks */
	while (block > 65536 && config->ring_bytes / block < RING_BLOCKS_MIN)
		block /= 2;
	/* one frame of the largest size and the headers of the ring fit the smallest block twice */
	while (block < 2 * (uint64_t)largest)
		block *= 2;
	plan->form = config->capture == RX_CAPTURE_PCAP	 ? INTAKE_PUMP
		     : config->capture == RX_CAPTURE_XDP ? INTAKE_XDP
							 : INTAKE_RING;
	plan->block_bytes = (uint32_t)block;
	plan->blocks = (uint32_t)(config->ring_bytes / block);
	plan->retire_ms = config->retire_ms;
	plan->frame_max = largest + WIRE_ETHER_VLAN_LEN;
	plan_realtime(config, plan);
	plan_xdp(config, plan);
}

const char *rx_kind_name(enum rx_kind kind)
{
	static const char *const names[RX_KINDS] = {
		[RX_KIND_FILES] = "files",
		[RX_KIND_DATAGRAM] = "datagram",
		[RX_KIND_STATE] = "state",
		[RX_KIND_STREAM] = "stream",
	};

	return names[kind];
}

unsigned rx_config_count(const struct rx_config *config, enum rx_kind kind)
{
	unsigned n = 0;

	for (unsigned i = 0; i < config->lives; i++)
		n += config->live[i].kind == kind;
	return n;
}

const struct rx_config_channel *rx_config_channel(const struct rx_config *config,
						  uint16_t number)
{
	for (unsigned i = 0; i < config->channels; i++)
		if (config->channel[i].number == number)
			return &config->channel[i];
	return NULL;
}

bool rx_config_scans(const struct rx_config *config)
{
	for (unsigned i = 0; i < config->channels; i++)
		if (config->channel[i].scan[0] != '\0')
			return true;
	return false;
}

const char *rx_config_name(const struct rx_config *config, uint16_t number)
{
	const struct rx_config_channel *channel = rx_config_channel(config, number);

	for (unsigned i = 0; !channel && i < config->lives; i++)
		if (config->live[i].number == number)
			return config->live[i].name;
	return channel ? channel->name : NULL;
}

void rx_config_cores(const struct rx_config *config, struct cores *cores)
{
	cores_plan_here(cores, RX_SLOTS, 2, config->pin);
}
