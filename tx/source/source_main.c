// SPDX-License-Identifier: ISC
/*
 * The role: descriptors and configuration into a source_setup, the handshake with the
 * supervisor, and the loop until it says stop.
 */
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "clock.h"
#include "digest_many.h"
#include "fec.h"
#include "keys.h"
#include "lane_out.h"
#include "log.h"
#include "record.h"
#include "shm.h"
#include "source.h"
#include "source_cage.h"
#include "stats.h"

/* Counters are copied to the page, and the stop message looked for, this often. */
#define LOOK_NS UINT64_C(20000000)

#define COUNTS_NAME(field, meaning) #field,
static const char *const count_names[] = {COUNTS(COUNTS_NAME)};
#undef COUNTS_NAME

/* "ch7_messages": the live block has a row per channel and count. */
#define LIVE_NAME(field, meaning) #field,
static const char *const live_names[] = {DATAGRAM_COUNTS(LIVE_NAME)};
#undef LIVE_NAME
#define LIVE_ROWS KM_COUNT(live_names)

struct source_role {
	struct tx_config config;
	struct cage cage;
	struct shm_map index, slots;
	struct stats_map stats_map;
	struct stats_writer stats, live;
	struct source *source;
	char live_name[TX_LIVES_MAX * LIVE_ROWS][STATS_NAME_MAX];
	uint64_t summary_ns;
	struct counts told; /* of the last summary */
};

static void live_show(struct source_role *r)
{
	uint32_t id = 0;

	for (unsigned i = 0; i < r->config.lives; i++) {
		const struct datagram_counts *c = source_datagram_counts(r->source, i);

#define LIVE_SHOW(field, meaning) stats_set(&r->live, id++, c->field);
		DATAGRAM_COUNTS(LIVE_SHOW)
#undef LIVE_SHOW
	}
}

static void stats_show(struct source_role *r)
{
	const struct counts *c = source_counts(r->source);
	uint32_t id = 0;

#define COUNTS_SHOW(field, meaning) stats_set(&r->stats, id++, c->field);
	COUNTS(COUNTS_SHOW)
#undef COUNTS_SHOW
	live_show(r);
}

/* The rows of the live channels, under their numbers; a source before us goes on. */
static int live_claim(struct source_role *r, struct km_err *err)
{
	const char *names[TX_LIVES_MAX * LIVE_ROWS];
	uint32_t n = 0, id = 0;

	for (unsigned i = 0; i < r->config.lives; i++) {
		for (unsigned row = 0; row < LIVE_ROWS; row++, n++) {
			(void)snprintf(r->live_name[n], STATS_NAME_MAX, "ch%u_%s",
				       r->config.live[i].number, live_names[row]);
			names[n] = r->live_name[n];
		}
	}
	if (stats_claim(&r->stats_map, &r->live, TX_STATS_LIVE, "live", names, n, err) != 0)
		return -1;
	for (unsigned i = 0; i < r->config.lives; i++) {
		struct datagram_counts c;

#define LIVE_RESUME(field, meaning) c.field = stats_get(&r->live, id++);
		DATAGRAM_COUNTS(LIVE_RESUME)
#undef LIVE_RESUME
		source_datagram_resume(r->source, i, &c);
	}
	return 0;
}

static void summary(struct source_role *r, uint64_t now_ns)
{
	const struct counts *c = source_counts(r->source);

	if (r->config.summary_ns == 0 || now_ns < r->summary_ns)
		return;
	r->summary_ns = now_ns + r->config.summary_ns;
	log_event(EVENT_SUMMARY,
		  "claimed=%" PRIu64 " sent=%" PRIu64 " refused=%" PRIu64 " bytes=%" PRIu64
		  " manifests=%" PRIu64 " backlog=%" PRIu64 " age_s=%" PRIu64
		  " kept=%" PRIu64 " yielded=%" PRIu64,
		  c->files_claimed - r->told.files_claimed,
		  c->files_sent - r->told.files_sent,
		  c->files_refused - r->told.files_refused,
		  c->bytes_read - r->told.bytes_read,
		  c->manifests_sent - r->told.manifests_sent, c->backlog_files,
		  c->spool_age_s, c->kept_files, c->yielded_files - r->told.yielded_files);
	r->told = *c;
}

static int kernel_choose(const struct tx_config *config, struct km_err *err)
{
	const int want =
		fec_kernel_from_name(config->fec_kernel[0] ? config->fec_kernel : "auto");
	struct fec_choice choice;

	if (want < 0 || fec_init((enum fec_kernel)want, &choice) != FEC_OK)
		return km_err_set(err, EX_CONFIG, "fec_kernel = %s: %s", config->fec_kernel,
				  want < 0 ? "no such kernel" : choice.why);
	return 0;
}

/* Auto never fails: without lanes, or with broken ones, libcrypto serves. */
static void digest_choose(char *why, size_t len)
{
	struct digest_choice choice;

	(void)!digest_init(DIGEST_KERNEL_AUTO, &choice);
	(void)snprintf(why, len, "; digest %s", choice.why);
}

static int set_up(struct source_role *r, struct role_ctx *ctx, struct km_err *err)
{
	static int datagram_fds[TX_LIVES_MAX];
	struct source_setup setup = {
		.config = &r->config,
		.datagram_fds = datagram_fds,
		.signer = TX_FD_SIGN,
		.port_fd = fcntl(TX_FD_PORT_RX, F_GETFD) >= 0 ? TX_FD_PORT_RX : -1,
		.software = "katamichi-tx " TX_SOURCE_VERSION,
	};

	if (keys_init(err) != 0 ||
	    tx_config_for_role(&r->config, TX_FD_CONFIG, ctx->argc, ctx->argv, err) != 0 ||
	    kernel_choose(&r->config, err) != 0)
		return -1;
	if (r->config.permissive || !sandbox_complete(&ctx->sandbox))
		setup.flags = RECORD_HB_PERMISSIVE;
	source_cage(&r->cage, &r->config);
	if (source_cage_make_dirs(&r->config, err) != 0 ||
	    role_cage(ctx, &r->cage, err) != 0)
		return -1;
	tx_config_lane_plan(&r->config, &setup.plan);
	setup.index_len = lane_index_bytes(&setup.plan);
	setup.slots_len = lane_slots_bytes(&setup.plan);
	if (shm_map(&r->index, TX_FD_LANE_INDEX, setup.index_len,
		    SHM_MAP_WRITE | SHM_MAP_POPULATE, err) != 0 ||
	    shm_map(&r->slots, TX_FD_LANE_SLOTS, setup.slots_len,
		    SHM_MAP_WRITE | SHM_MAP_POPULATE, err) != 0 ||
	    stats_map_rw(&r->stats_map, TX_FD_STATS, err) != 0 ||
	    stats_claim(&r->stats_map, &r->stats, TX_STATS_SOURCE, "source", count_names,
			KM_COUNT(count_names), err) != 0)
		return -1;
	/* We may cut files short: with the descriptor, the page too, which would kill all who
	 * write to it (SIGBUS), the supervisor first. */
	(void)close(TX_FD_STATS);
	role_beat_in(ctx, stats_beat_cell(&r->stats_map, TX_STATS_SOURCE));
	setup.index = r->index.p;
	setup.slots = r->slots.p;
	for (unsigned i = 0; i < r->config.lives; i++)
		datagram_fds[i] = TX_FD_LIVE + (int)i;
	r->source = source_new(&setup, err);
	return r->source ? live_claim(r, err) : -1;
}

static void heed(struct source_role *r, struct role_ctx *ctx)
{
	switch (role_listen(ctx)) {
	case ROLE_WORD_STOP:
		source_stop(r->source);
		break;
	case ROLE_WORD_RENEW:
		source_renew(r->source);
		break;
	case ROLE_WORD_NONE:
		break;
	}
}

static int work(struct source_role *r, struct role_ctx *ctx, struct km_err *err)
{
	uint64_t look_ns = 0;

	r->summary_ns = clock_mono_ns() + r->config.summary_ns;
	while (!source_stopped(r->source)) {
		const uint64_t now_ns = clock_mono_ns();

		if (now_ns >= look_ns) {
			look_ns = now_ns + LOOK_NS;
			stats_show(r);
			summary(r, now_ns);
			heed(r, ctx);
		}
		if (source_run(r->source, LOOK_NS, err) != 0)
			return -1;
	}
	stats_show(r);
	return 0;
}

int source_main(struct role_ctx *ctx)
{
	static struct source_role role; /* too large for the stack */
	struct km_err err = KM_ERR_INIT;
	struct cores cores;
	char text[320];
	int rc;

	if (set_up(&role, ctx, &err) != 0) {
		log_event(EVENT_DAEMON_FAILED, "%s", err.text);
		return err.code ? err.code : EX_SOFTWARE;
	}
	/* this thread only: the others are there already, the workers with slots of their own */
	tx_config_cores(&role.config, &cores);
	(void)cores_pin(&cores, TX_SLOT_WORKER);
	source_describe(role.source, text, sizeof(text));
	digest_choose(text + strlen(text), sizeof(text) - strlen(text));
	rc = role_ready(ctx, text, &err);
	if (rc == 0)
		rc = source_begin(role.source, &err);
	if (rc == 0)
		rc = work(&role, ctx, &err);
	if (rc != 0 && err.code)
		log_event(EVENT_DAEMON_FAILED, "%s", err.text);
	source_free(role.source);
	shm_unmap(&role.index);
	shm_unmap(&role.slots);
	stats_unmap(&role.stats_map);
	return rc == 0 || !err.code ? EX_OK : err.code;
}
