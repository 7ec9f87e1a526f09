// SPDX-License-Identifier: ISC
/* Large objects over several workers, through a whole source: lanes, loss, crash, sessions. */
#include <criterion/criterion.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "clock.h"
#include "fec.h"
#include "rig.h"
#include "spread.h"

static struct rig rig;

#define MIB (UINT64_C(1) << 20)
/* A tree digest, and a last leaf that is short. */
#define LARGE (66 * MIB + 12345)

/* A rate at which a range of each is a window of some MiB; flush is the rig's 20 ms. */
static void begin_with(unsigned workers, uint64_t flush_ns)
{
	cr_assert_eq(fec_init(FEC_KERNEL_AUTO, NULL), FEC_OK);
	rig_open(&rig, 0);
	rig.config.rate_bps = UINT64_C(10000000000);
	rig.config.read_ahead = 4 * MIB;
	rig.config.channel[0].flush_ns = flush_ns;
	rig_workers(&rig, workers);
	rig_start(&rig);
}

static void begin(unsigned workers)
{
	begin_with(workers, 20 * CLOCK_NS_PER_MS);
}

/* Which workers have carried windows of data. */
static unsigned lanes_used(void)
{
	unsigned mask = 0;

	for (const struct model_window *w = rig.rx.windows; w; w = w->next)
		if (w->stream == FRAME_STREAM_DATA)
			mask |= 1u << w->lane / WIRE_LANE_CLASSES;
	return mask;
}

static void stop(void)
{
	struct km_err err = KM_ERR_INIT;

	source_stop(rig.source);
	while (!source_stopped(rig.source)) {
		cr_assert_eq(source_run(rig.source, CLOCK_NS_PER_MS, &err), 0, "%s",
			     err.text);
		(void)model_take(&rig.rx, 64);
	}
	while (model_take(&rig.rx, 64))
		;
}

static const struct model_object *whole(const char *path)
{
	const struct model_object *o = rig.rx.objects;

	while (o && (strcmp(o->path, path) != 0 || o->withdrawn))
		o = o->next;
	return o;
}

Test(workers, ranges_are_of_whole_leaves_and_share_the_object)
{
	cr_assert_eq(spread_range(1024 * MIB, 40 * MIB, 1), 0, "no other worker");
	cr_assert_eq(spread_range(64 * MIB - 1, 40 * MIB, 2), 0, "no leaves");
	cr_assert_eq(spread_range(1024 * MIB, MIB - 1, 2), 0, "no leaf fits into a window");
	cr_assert_eq(spread_range(64 * MIB, 40 * MIB, 2), 32 * MIB);
	for (unsigned workers = 2; workers <= LANE_WORKERS_MAX; workers++) {
		for (uint64_t size = 64 * MIB; size < 3000 * MIB; size += 77 * MIB + 4711) {
			const uint64_t window = 41 * MIB + size % MIB;
			const uint64_t range = spread_range(size, window, workers);
			const uint64_t n = (size + range - 1) / range;

			cr_assert(range > 0 && range % WIRE_TREE_LEAF == 0 &&
				  range <= window && range <= WORKER_LEAVES_MAX * MIB);
			/* rounds of all workers: at most the last is not full */
			cr_assert_leq(n * range,
				      size + range + workers * MIB * (n / workers + 1));
		}
	}
}

Test(workers, as_many_as_rate_and_processors_allow)
{
	const uint64_t gbps = 1000000000;

	cr_assert_eq(tx_config_workers(100 * gbps, 1), 1);
	cr_assert_eq(tx_config_workers(100 * gbps, 2), 1);
	cr_assert_eq(tx_config_workers(100 * gbps, 3), 1);
	cr_assert_eq(tx_config_workers(100 * gbps, 4), 2);
	cr_assert_eq(tx_config_workers(100 * gbps, 64), LANE_WORKERS_MAX);
	cr_assert_eq(tx_config_workers(1 * gbps, 64), 1);
	cr_assert_eq(tx_config_workers(10 * gbps, 64), 3);
	cr_assert_eq(tx_config_workers(64000, 64), 1);
}

/* 0.5 % of the frames of data. */
static bool lossy(void *ctx, const struct frame_header *h, uint64_t index)
{
	return h->class != FRAME_CLASS_CONTROL && rig_random(&rig) % 200 == 0;
}

static void carry(unsigned workers)
{
	unsigned manifests;

	begin(workers);
	rig.rx.drop = lossy;
	rig_put(&rig, "a-small", 5000);
	rig_put(&rig, "b-large", LARGE);
	rig_put(&rig, "c-large", 64 * MIB);
	rig_put(&rig, "d-small", 100 * 1000);
	rig_run_idle(&rig);
	stop();
	cr_assert_gt(rig.rx.dropped, 50);
	cr_assert_eq(model_decode(&rig.rx), 0, "windows beyond repair");
	cr_assert_eq(model_verify(&rig.rx, &manifests), 4);
	rig_same(&rig, whole("b-large"), "b-large");
	rig_same(&rig, whole("c-large"), "c-large");
	cr_assert_eq(lanes_used(), (1u << workers) - 1, "every worker has carried some: %x",
		     lanes_used());
	/* every frame of every lane is told as accepted, but the last heartbeat's own */
	for (unsigned i = 0; i < lane_rings(&rig.plan); i++)
		cr_assert_leq(rig.rx.seq[i] - rig.rx.heartbeat.lane[i].accepted, i ? 0 : 1);
	cr_assert_eq(source_counts(rig.source)->bytes_read, LARGE + 64 * MIB + 105000);
	cr_assert_eq(rig_count(&rig, "spool0/.katamichi/sent"), 4);
	rig_close(&rig);
}

Test(workers, two_carry, .timeout = 120)
{
	carry(2);
}

Test(workers, three_carry, .timeout = 120)
{
	carry(3);
}

Test(workers, eight_carry, .timeout = 120)
{
	carry(8);
}

Test(workers, repairs_stay_within_their_share, .timeout = 120)
{
	const struct counts *c;

	/* a receiver as slow as the model must not make windows overdue */
	begin_with(2, 5 * CLOCK_NS_PER_SEC);
	rig_put(&rig, "large", 128 * MIB);
	rig_run_idle(&rig);
	c = source_counts(rig.source);
	cr_assert_leq(c->symbols_repair, c->symbols_source / 10 + 4,
		      "%lu repairs for %lu symbols", (unsigned long)c->symbols_repair,
		      (unsigned long)c->symbols_source);
	rig_close(&rig);
}

Test(workers, a_crash_among_ranges_loses_nothing, .timeout = 120)
{
	unsigned manifests;

	begin(2);
	rig_put(&rig, "large", LARGE);
	rig_run(&rig, 5000, 3000);
	cr_assert_eq(lanes_used(), 3);
	rig_crash(&rig);
	rig_start(&rig);
	rig_run_idle(&rig);
	stop();
	cr_assert_eq(model_verify(&rig.rx, &manifests), 1);
	rig_same(&rig, whole("large"), "large");
	cr_assert_eq(rig_count(&rig, "spool0/.katamichi/sent"), 1);
	rig_close(&rig);
}

/* Jobs pause for a planned session and go on in the next: no byte twice. */
Test(workers, a_new_session_among_ranges, .timeout = 120)
{
	unsigned manifests;

	begin(2);
	rig.config.session_ns = 1;
	rig_put(&rig, "large", LARGE);
	rig_run(&rig, 5000, 2000);
	/* source.c copied the length when it was made */
	rig_crash(&rig);
	rig.config.session_ns = 300 * CLOCK_NS_PER_MS;
	rig_start(&rig);
	rig_run_idle(&rig);
	cr_assert_gt(source_counts(rig.source)->sessions, 1);
	stop();
	cr_assert_eq(model_verify(&rig.rx, &manifests), 1);
	rig_same(&rig, whole("large"), "large");
	rig_close(&rig);
}

Test(workers, a_file_that_changes_is_withdrawn_by_whoever_sees_it, .timeout = 120)
{
	const struct model_object *o;
	const char *path;

	begin(2);
	rig_put(&rig, "large", LARGE);
	rig_run(&rig, 5000, 1500);
	o = whole("large");
	cr_assert(o);
	path = rig_path(&rig, "spool0/.katamichi/work/%lu-1", (unsigned long)o->chain);
	cr_assert_eq(truncate(path, 40 * MIB), 0);
	rig_run(&rig, 500, 0);
	cr_assert_eq(model_number(&rig.rx, o->chain, 1)->withdrawn,
		     RECORD_WITHDRAWN_CHANGED);
	cr_assert_eq(source_counts(rig.source)->files_withdrawn, 1);
	rig_close(&rig);
}

/*
 * Release: as long as one frame of the lane of a further worker has not left, the file is not sent:
 * not counted, not moved to where sent files are dropped from. (In the loop's own lane repeats of the
 * manifest follow, which push the last frame of the file out.)
 */
static void held_back_by(unsigned workers, unsigned worker)
{
	begin(workers);
	model_slow(&rig.rx, 1 + lane_ring(worker, FRAME_CLASS_NORMAL));
	rig_put(&rig, "large", LARGE);
	/* until all of it was in the lanes, and the manifest after it */
	while (source_counts(rig.source)->manifests_sent == 0)
		rig_run(&rig, 150, 0);
	rig_run(&rig, 500, 0);
	cr_assert_eq(lanes_used(), (1u << workers) - 1, "every worker has carried some: %x",
		     lanes_used());
	cr_assert_eq(source_counts(rig.source)->files_sent, 0, "worker %u of %u", worker,
		     workers);
	cr_assert_eq(rig_count(&rig, "spool0/.katamichi/work"), 1);
	cr_assert_eq(rig_count(&rig, "spool0/.katamichi/sent"), 0);
	model_slow(&rig.rx, 0);
	rig_run_idle(&rig);
	cr_assert_eq(source_counts(rig.source)->files_sent, 1);
	cr_assert_eq(rig_count(&rig, "spool0/.katamichi/sent"), 1);
	rig_close(&rig);
}

Test(workers, a_file_is_sent_when_the_lane_of_the_second_has_let_it_go, .timeout = 120)
{
	held_back_by(2, 1);
}

Test(workers, a_file_is_sent_when_the_lanes_of_all_have_let_it_go, .timeout = 120)
{
	held_back_by(3, 1);
	held_back_by(3, 2);
}
