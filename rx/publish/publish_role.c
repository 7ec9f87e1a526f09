// SPDX-License-Identifier: ISC
/*
 * publish_main(): descriptors, configuration, handshake, loop. The machine is
 * publish.c.
 */
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "clock.h"
#include "deliver.h"
#include "digest_many.h"
#include "fileio.h"
#include "log.h"
#include "publish.h"
#include "publish_cage.h"
#include "shm.h"

#define PUBLISH_CONFIG_MAX (1u << 20)

/* A stop is looked for so often; a message wakes the role at once all the same. */
#define PUBLISH_LOOK_NS UINT64_C(100000000)

struct publish_fds {
	struct shm_map deliver, segment;
	struct stats_map stats;
};

static int publish_load_config(struct rx_config *config, struct km_err *err)
{
	_cleanup_free_ char *bytes = NULL;
	struct stat st;
	ssize_t n;

	if (fstat(RX_FD_CONFIG, &st) != 0 || st.st_size <= 0 ||
	    (uint64_t)st.st_size > PUBLISH_CONFIG_MAX)
		return km_err_set(err, EX_SOFTWARE, "configuration was not handed over");
	bytes = malloc((size_t)st.st_size);
	if (!bytes)
		return km_err_set(err, EX_OSERR, "out of memory");
	n = fileio_pread_full(RX_FD_CONFIG, bytes, (size_t)st.st_size, 0);
	if (n != st.st_size)
		return km_err_set(err, EX_IOERR, "configuration cannot be read");
	if (rx_config_load(config, bytes, (size_t)n, "config", stderr) != 0)
		return km_err_set(err, EX_CONFIG, "configuration is refused");
	return 0;
}

static int publish_map(struct publish_fds *fds, struct km_err *err)
{
	struct stat st;

	if (shm_map(&fds->deliver, RX_FD_DELIVER, deliver_bytes(),
		    SHM_MAP_WRITE | SHM_MAP_POPULATE, err) != 0)
		return km_err_prefix(err, "deliver ring");
	if (fstat(RX_FD_SEGMENT, &st) != 0)
		return km_err_set_errno(err, EX_SOFTWARE,
					"window segment was not handed over");
	if (shm_map(&fds->segment, RX_FD_SEGMENT, (size_t)st.st_size,
		    SHM_MAP_READ | SHM_MAP_POPULATE | SHM_MAP_NO_DUMP, err) != 0)
		return km_err_prefix(err, "window segment");
	if (stats_map_rw(&fds->stats, RX_FD_STATS, err) != 0)
		return km_err_prefix(err, "counters page");
	/* We may cut files short: with the descriptor, the page too, which would kill all who
	 * write to it (SIGBUS), the supervisor first. */
	(void)close(RX_FD_STATS);
	return 0;
}

static int publish_loop(struct publish *publish, struct role_ctx *ctx)
{
	uint64_t look_ns = 0;

	for (;;) {
		int did = publish_step(publish);
		uint64_t now = clock_mono_ns();

		if (did < 0)
			return PUBLISH_EXIT_VIOLATION;
		if (now >= look_ns) {
			if (role_stop_requested(ctx))
				return 0;
			look_ns = clock_add(now, PUBLISH_LOOK_NS);
		}
		if (did == 0)
			publish_wait(publish, PUBLISH_LOOK_NS);
	}
}

int publish_main(struct role_ctx *ctx)
{
	static struct rx_config config; /* large */
	static struct cage cage;
	struct publish_fds fds = {0};
	struct publish_setup setup = {.config = &config};
	struct digest_choice digest;
	struct cores cores;
	struct km_err err = KM_ERR_INIT;
	struct publish *publish;
	char extra[160];
	int rc;

	umask(0);		  /* modes are the configuration's */
	signal(SIGXFSZ, SIG_IGN); /* a file size limit is an error of write, not a death */
	if (publish_load_config(&config, &err) != 0 || publish_map(&fds, &err) != 0)
		goto fail;
	log_set_level(config.log_level);
	if (digest_init(DIGEST_KERNEL_AUTO, &digest) != KM_OK) {
		(void)km_err_set(&err, EX_SOFTWARE, "digest: %s", digest.why);
		goto fail;
	}
	(void)snprintf(extra, sizeof(extra), "digest %s", digest.why);
	setup.deliver = fds.deliver.p;
	setup.deliver_len = fds.deliver.len;
	setup.segment = fds.segment.p;
	setup.segment_len = fds.segment.len;
	setup.stats = &fds.stats;
	setup.scan = RX_FD_SCAN;
	publish_cage(&cage, &config);
	if (publish_cage_make_dirs(&config, &err) != 0 || role_cage(ctx, &cage, &err) != 0)
		goto fail;
	publish = publish_open(&setup, &err);
	if (!publish)
		goto fail;
	role_beat_in(ctx, stats_beat_cell(&fds.stats, RX_STATS_PUBLISH));
	/* its own thread only: those that wait for the disk are there already */
	rx_config_cores(&config, &cores);
	(void)cores_pin(&cores, RX_SLOT_PUBLISH);
	if (role_ready(ctx, extra, &err) != 0) {
		publish_close(publish);
		if (err.code == 0)
			return 0;
		goto fail;
	}
	rc = publish_loop(publish, ctx);
	publish_close(publish);
	return rc;
fail:
	log_event(EVENT_DAEMON_FAILED, "publish: %s", err.text);
	return err.code ? err.code : EX_SOFTWARE;
}
