// SPDX-License-Identifier: ISC
/*
 * A decode that was broken into, against the real rx publish: its process, its cage, its shared
 * memory. Whatever decode does, only what a signed manifest covers becomes visible, publish does
 * not crash, hang or grow, and what it says of it is bounded.
 */
#include <criterion/criterion.h>
#include <fcntl.h>
#include <ftw.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "attack_rig.h"
#include "clock.h"
#include "digest_file.h"
#include "host.h"
#include "manifest.h"
#include "publish_rig.h"
#include "shm.h"
#include "stats.h"

TestSuite(attack_publish, .timeout = 120);

#define MIB (UINT64_C(1) << 20)

static struct rig rig;
static struct attack_role publish;
static struct stats_map stats;
static struct shm_map deliver, segment;
static int fd_config, fd_stats, fd_deliver, fd_segment, fd_segment_ro;

static void start(void)
{
	const struct role_fd fds[] = {{fd_config, RX_FD_CONFIG},
				      {fd_stats, RX_FD_STATS},
				      {fd_deliver, RX_FD_DELIVER},
				      {fd_segment_ro, RX_FD_SEGMENT}};
	const struct attack_spec spec = {.name = "publish",
					 .main = publish_main,
					 .fds = fds,
					 .n_fds = KM_COUNT(fds)};

	attack_start(&publish, &spec);
}

/* The ring as the supervisor formats it when all roles start. */
static void format(void)
{
	memset(rig.deliver, 0, deliver_bytes());
	cr_assert_eq(ring_format(rig.deliver, deliver_ring_bytes(), DELIVER_MSG_LEN,
				 DELIVER_RING_SLOTS),
		     KM_OK);
	cr_assert_eq(ring_attach(&rig.ring, rig.deliver, deliver_ring_bytes(),
				 DELIVER_MSG_LEN, DELIVER_RING_SLOTS, RING_PRODUCER),
		     KM_OK);
	ring_set_bells(&rig.ring, &deliver_bells(rig.deliver)->publish,
		       &deliver_bells(rig.deliver)->decode);
}

static void set_up(void)
{
	struct km_err err = KM_ERR_INIT;
	char text[1024];
	int n;

	rig_init(&rig, NULL);
	n = snprintf(text, sizeof(text),
		     "[receiver]\ninterface = lo\ntrust = %s\nstate_dir = %s\n"
		     "sandbox = permissive\n"
		     "[channel files]\nnumber = %u\nkind = files\nowner = o\npurpose = p\n"
		     "classification = c\nroot = %s/root\nmin_free = 0\n",
		     rig.config.trust[0], rig.config.state_dir, RIG_CHANNEL, rig.dir);
	cr_assert_eq(mkdir(rig.config.channel[0].root, 0755), 0);
	fd_config = host_seal_bytes("config", text, (size_t)n, &err);
	fd_stats = stats_create(NULL, RX_STATS_ROLES, &err);
	fd_deliver = shm_create("deliver", deliver_bytes(), &err);
	fd_segment = shm_create("segment", RIG_SEGMENT, &err);
	cr_assert(fd_config >= 0 && fd_stats >= 0 && fd_deliver >= 0 && fd_segment >= 0,
		  "%s", err.text);
	cr_assert_eq(shm_map(&deliver, fd_deliver, deliver_bytes(), SHM_MAP_WRITE, &err),
		     0);
	cr_assert_eq(shm_map(&segment, fd_segment, RIG_SEGMENT, SHM_MAP_WRITE, &err), 0);
	fd_segment_ro = shm_reopen_ro(fd_segment, &err);
	cr_assert_geq(fd_segment_ro, 0, "%s", err.text);
	cr_assert_eq(stats_map_ro_fd(&stats, fd_stats, &err), 0);
	(void)munmap(rig.deliver, deliver_bytes());
	(void)munmap(rig.segment, RIG_SEGMENT);
	rig.deliver = deliver.p;
	rig.segment = segment.p;
	format();
	start();
}

static void tear_down(void)
{
	attack_free(&publish);
	rig_free(&rig);
}

static uint64_t count(const char *name)
{
	uint64_t value = 0;

	(void)stats_find(&stats, "publish", name, &value);
	return value;
}

/* Until publish has released every message, and `name` is at least `value`. */
static void settle(const char *name, uint64_t value)
{
	const uint64_t until = clock_mono_ns() + 60 * CLOCK_NS_PER_SEC;
	struct role_exit exit;

	while (ring_ready(&rig.ring) < (int64_t)DELIVER_RING_SLOTS || count(name) < value) {
		if (!attack_runs(&publish, &exit)) {
			(void)attack_lines(&publish, NULL);
			cr_assert_fail("publish is gone: %s %d",
				       exit.signalled ? "signal" : "exit", exit.number);
		}
		if (clock_mono_ns() > until)
			cr_assert_fail("%s stays at %llu", name,
				       (unsigned long long)count(name));
		clock_sleep_until(clock_mono_ns() + CLOCK_NS_PER_MS);
	}
}

static struct rig_object object(uint64_t number, uint64_t size)
{
	struct rig_object o = {
		.chain = RIG_CHAIN, .number = number, .size = size, .seed = number};

	(void)snprintf(o.path, sizeof(o.path), "f%05u", (unsigned)number);
	return o;
}

/* What it could cut short and so kill everybody else by, it does not hold any more. */
Test(attack_publish, no_way_to_cut_the_counters_page, .init = set_up, .fini = tear_down)
{
	char path[64];

	(void)snprintf(path, sizeof(path), "/proc/%d/fd/%d", (int)publish.child.pid,
		       RX_FD_DELIVER);
	if (access(path, F_OK) != 0)
		cr_skip_test("descriptors of the role cannot be seen");
	for (int fd = 4; fd < 64; fd++) {
		char target[64] = "";

		(void)snprintf(path, sizeof(path), "/proc/%d/fd/%d", (int)publish.child.pid,
			       fd);
		(void)!readlink(path, target, sizeof(target) - 1);
		cr_expect_null(strstr(target, "counters"), "descriptor %d is %s", fd,
			       target);
	}
	attack_stop(&publish);
}

/* One honest file goes through: publish still works. */
static void still_works(uint64_t chain)
{
	struct rig_object o = object(1, 5000);

	o.chain = chain;
	(void)snprintf(o.path, sizeof(o.path), "honest-%u", (unsigned)chain);
	rig_data(&rig, &o);
	rig_manifest(&rig, &o, 1, 1, NULL, NULL);
	settle("objects_published", 1);
	cr_expect(rig_has(&rig, "tree", o.path, o.seed, o.size));
}

#define OBJECTS 400u

/*
 * Verify-then-swap. Every byte of the fragments changes and changes back while publish takes them:
 * a publish that looked twice would now and then have hashed the right bytes and written others.
 */
Test(attack_publish, bytes_toggle_between_copy_and_write, .init = set_up, .fini = tear_down)
{
	static struct rig_object o[OBJECTS];
	struct attack_toggle toggle;
	unsigned shown = 0, refused;

	attack_toggle_start(&toggle, rig.segment, 4096, 0x20);
	for (unsigned i = 0; i < OBJECTS; i++) {
		o[i] = object(i + 1, 3000 + i);
		rig.segment_at = 8192;
		rig_begin(&rig, &o[i]);
		settle("messages", 2 * i + 1);
		rig.segment_at = 0; /* the place that changes */
		rig_fragment(&rig, &o[i], 0, (size_t)o[i].size);
		settle("messages", 2 * i + 2);
	}
	attack_toggle_stop(&toggle);
	rig_manifest(&rig, o, OBJECTS, 1, NULL, NULL);
	settle("manifests_stored", 1);
	while (count("objects_published") + count("objects_quarantined") < OBJECTS)
		clock_sleep_until(clock_mono_ns() + CLOCK_NS_PER_MS);
	for (unsigned i = 0; i < OBJECTS; i++) {
		if (!rig_exists(&rig, "tree", o[i].path))
			continue;
		shown++;
		cr_expect(rig_has(&rig, "tree", o[i].path, o[i].seed, o[i].size), "%s",
			  o[i].path);
	}
	refused = (unsigned)count("objects_quarantined");
	fprintf(stderr, "visible %u, refused %u\n", shown, refused);
	cr_expect_eq(shown + refused, OBJECTS);
	cr_expect_gt(refused, 0, "the thread did not hit");
	attack_stop(&publish);
}

/* True when the stored manifest is there, and byte for byte what tx has signed. */
static bool stored_as_signed(uint64_t number, const uint8_t *bytes, size_t len)
{
	static char got[65536];
	char name[64];
	int fd;
	ssize_t n;

	(void)snprintf(name, sizeof(name), "%u-%08u.manifest", (unsigned)RIG_CHAIN,
		       (unsigned)number);
	fd = open(rig_path(&rig, "manifests", name), O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	n = read(fd, got, sizeof(got));
	(void)close(fd);
	cr_expect(n > 0 && (size_t)n < len && memcmp(got, bytes + 4, (size_t)n) == 0, "%s",
		  name);
	return true;
}

#define MANIFESTS 200u

/* The same with the signed statement itself: what is stored is what tx signed, or nothing. */
Test(attack_publish, manifest_toggles_between_check_and_use, .init = set_up,
     .fini = tear_down)
{
	static uint8_t *bytes[MANIFESTS];
	static size_t len[MANIFESTS];
	struct attack_toggle toggle;
	unsigned stored = 0;

	attack_toggle_start(&toggle, rig.segment + 100, 500, 0x01);
	for (unsigned i = 0; i < MANIFESTS; i++) {
		const struct rig_object o = object(i + 1, 10);

		bytes[i] = rig_manifest_bytes(&rig, &o, 1, i + 1, NULL, NULL, &len[i]);
		cr_assert_leq(len[i], RIG_PIECE);
		rig.segment_at = 0;
		rig_send_manifest(&rig, RIG_CHAIN, i + 1, bytes[i], len[i]);
		settle("messages", i + 1);
	}
	attack_toggle_stop(&toggle);
	for (unsigned i = 0; i < MANIFESTS; i++) {
		stored += stored_as_signed(i + 1, bytes[i], len[i]);
		free(bytes[i]);
	}
	fprintf(stderr, "stored %u, refused %u\n", stored,
		(unsigned)count("manifests_refused"));
	cr_expect_gt(count("manifests_refused"), 0, "the thread did not hit");
	cr_expect_eq(rig_count_files(&rig, "manifests"), 2 * stored, "text and signature");
	still_works(99);
	attack_stop(&publish);
}

static void submit(const struct deliver_msg *m)
{
	uint64_t slot;

	cr_assert_eq(ring_reserve(&rig.ring, 1, &slot), KM_OK);
	memcpy(ring_slot(&rig.ring, slot), m, sizeof(*m));
	cr_assert_eq(ring_submit(&rig.ring, 1), KM_OK);
}

/* publish ended because decode broke the protocol: one line of it, the code that says so. */
static void broke_by(const char *what, const char *line)
{
	const struct role_exit exit = attack_await_end(&publish);

	cr_expect(!exit.signalled && exit.number == PUBLISH_EXIT_VIOLATION, "%s: %s %d",
		  what, exit.signalled ? "signal" : "exit", exit.number);
	cr_expect_eq(attack_lines(&publish, "publish.violation"), 1, "%s", what);
	cr_expect_eq(attack_lines(&publish, line), 1, "%s: no line of %s", what, line);
	attack_free(&publish);
	format();
	start();
}

static void broke(const char *what)
{
	broke_by(what, "type=");
}

/* What no honest decode can say ends the pair, and the next publish goes on. */
Test(attack_publish, wild_messages_end_the_pair, .init = set_up, .fini = tear_down)
{
	const struct deliver_msg good = {.type = DELIVER_FRAGMENT,
					 .channel = RIG_CHANNEL,
					 .chain = 1,
					 .number = 1,
					 .len = 10};
	struct deliver_msg m;

	m = good, m.pos = RIG_SEGMENT - 9;
	submit(&m), broke("one byte beyond");
	m = good, m.pos = UINT64_MAX - 9;
	submit(&m), broke("position that wraps");
	m = good, m.len = UINT32_MAX, m.pos = UINT64_MAX;
	submit(&m), broke("both");
	m = good, m.type = DELIVER_MANIFEST, m.len = 65537;
	submit(&m), broke("length");
	m = good, m.type = DELIVER_LIVE + 1;
	submit(&m), broke("type");
	cr_expect_eq(rig_count_files(&rig, "tree"), 0);
	still_works(9);
	attack_stop(&publish);
}

/* The indices of the ring, and its bells. */
Test(attack_publish, wild_ring, .init = set_up, .fini = tear_down)
{
	struct ring_page *page = rig.deliver;

	atomic_store(&page->head, UINT64_C(1) << 40);
	broke_by("beyond the slots", "impossible ring indices");
	still_works(9);
	atomic_store(&page->head, 1);
	broke_by("backwards", "impossible ring indices");
	/* tail is publish's own; the geometry was compared once and is never looked at again */
	atomic_store(&page->tail, UINT64_MAX);
	page->slot_size = page->count = UINT32_MAX;
	memset(deliver_bells(rig.deliver), 0xff, sizeof(struct deliver_bells));
	attack_stop(&publish);
	format();
}

/* Slots and positions of other objects while publish reads them: any bytes, for ever others. */
static void *scribble(void *ctx)
{
	atomic_bool *stop = ctx;
	uint64_t seed = attack_seed();
	uint8_t *slots = (uint8_t *)rig.deliver + RING_SLOTS_OFFSET;

	while (!atomic_load(stop)) {
		struct deliver_msg *m =
			(void *)(slots + attack_random(&seed) % DELIVER_RING_SLOTS *
						 DELIVER_MSG_LEN);

		m->number = attack_random(&seed) % 50;
		m->offset = attack_random(&seed) % 20000;
		m->len = (uint32_t)(1 + attack_random(&seed) % 3000);
		m->pos = attack_random(&seed) % (RIG_SEGMENT - 65536);
	}
	return NULL;
}

static struct deliver_msg any_message(uint64_t *seed)
{
	static const uint64_t edges[] = {
		0, 1, UINT32_MAX, UINT64_C(1) << 62, INT64_MAX, UINT64_MAX - 1, UINT64_MAX};
	static const uint16_t types[] = {1, 2, 3, 4, 5, 16, 17, 18, 19, 20, 21, 22, 23};
	struct deliver_msg m = {
		.type = types[attack_random(seed) % KM_COUNT(types)],
		.channel = attack_random(seed) % 16 ? RIG_CHANNEL : 999,
		.lane = (uint16_t)attack_random(seed),
		.stream = (uint8_t)attack_random(seed),
		.session = (uint32_t)attack_random(seed),
		.len = (uint32_t)(1 + attack_random(seed) % 2000),
		.pos = attack_random(seed) % (RIG_SEGMENT - 65536),
		.chain = 1 + attack_random(seed) % 1000,
		.number = attack_random(seed) % 50,
		.offset = attack_random(seed) % 20000,
		.a = attack_random(seed) % 24,
		.b = attack_random(seed) % 24,
	};

	if (attack_random(seed) % 4 == 0)
		m.chain = edges[attack_random(seed) % KM_COUNT(edges)];
	if (attack_random(seed) % 4 == 0)
		m.number = edges[attack_random(seed) % KM_COUNT(edges)];
	if (attack_random(seed) % 4 == 0)
		m.offset = edges[attack_random(seed) % KM_COUNT(edges)];
	if (attack_random(seed) % 4 == 0)
		m.a = edges[attack_random(seed) % KM_COUNT(edges)];
	if (attack_random(seed) % 4 == 0)
		m.b = edges[attack_random(seed) % KM_COUNT(edges)];
	return m;
}

#define FLOOD 300000u

/*
 * As much as decode can send of everything that it may send, with slots that change meanwhile:
 * publish takes it, in bounded memory, says little of it, and stops when it is told to.
 */
Test(attack_publish, flood, .init = set_up, .fini = tear_down)
{
	uint64_t seed = attack_seed(), before;
	pthread_t thread;
	atomic_bool stop;

	atomic_init(&stop, false);
	for (size_t i = 0; i < RIG_SEGMENT; i += 8)
		*(uint64_t *)(void *)(rig.segment + i) = attack_random(&seed);
	before = attack_memory(&publish);
	cr_assert_eq(pthread_create(&thread, NULL, scribble, &stop), 0);
	for (unsigned i = 0; i < FLOOD; i++) {
		const struct deliver_msg m = any_message(&seed);

		while (ring_ready(&rig.ring) == 0) {
			struct role_exit exit;

			cr_assert(attack_runs(&publish, &exit), "%s %d",
				  exit.signalled ? "signal" : "exit", exit.number);
			clock_sleep_until(clock_mono_ns() + CLOCK_NS_PER_MS);
		}
		submit(&m);
	}
	atomic_store(&stop, true);
	cr_assert_eq(pthread_join(thread, NULL), 0);
	settle("messages", FLOOD);
	fprintf(stderr, "grown by %llu KiB, %u lines\n",
		(unsigned long long)((attack_memory(&publish) - before) >> 10),
		attack_lines(&publish, ""));
	cr_expect_lt(attack_memory(&publish), before + 64 * MIB + ATTACK_SLACK);
	cr_expect_lt(attack_lines(&publish, ""), 4000); /* of 300,000 */
	cr_expect_eq(rig_count_files(&rig, "tree"), 0);
	cr_expect_eq(rig_count_files(&rig, "manifests"), 0);
	still_works(77777);
	attack_stop(&publish);
}

static void *flood_for_ever(void *ctx)
{
	atomic_bool *stop = ctx;
	uint64_t seed = 1;

	while (!atomic_load(stop)) {
		const struct deliver_msg m = any_message(&seed);

		if (ring_ready(&rig.ring) > 0)
			submit(&m);
	}
	return NULL;
}

/* Told to stop while decode does not stop: it stops. */
Test(attack_publish, stops_under_flood, .init = set_up, .fini = tear_down)
{
	pthread_t thread;
	atomic_bool stop;

	atomic_init(&stop, false);
	cr_assert_eq(pthread_create(&thread, NULL, flood_for_ever, &stop), 0);
	while (count("messages") < 1000)
		clock_sleep_until(clock_mono_ns() + CLOCK_NS_PER_MS);
	attack_stop(&publish);
	atomic_store(&stop, true);
	cr_assert_eq(pthread_join(thread, NULL), 0);
}

/*
 * decode stops in the middle of everything and never goes on: publish keeps its clocks, says what
 * it has to say, and stops.
 */
Test(attack_publish, stall, .init = set_up, .fini = tear_down)
{
	struct rig_object o = object(1, 3 * RIG_PIECE);
	uint64_t slot;

	rig_begin(&rig, &o);
	rig_fragment(&rig, &o, RIG_PIECE, RIG_PIECE);
	settle("messages", 2);
	cr_assert_eq(ring_reserve(&rig.ring, 5, &slot), KM_OK); /* and never submitted */
	while (count("objects_partial") < 1)			/* made once a second */
		clock_sleep_until(clock_mono_ns() + CLOCK_NS_PER_MS);
	cr_expect_eq(rig_count_files(&rig, "tree"), 0);
	attack_stop(&publish);
	/* a decode in its place goes on where it stood */
	attack_free(&publish);
	cr_assert_eq(ring_attach(&rig.ring, rig.deliver, deliver_ring_bytes(),
				 DELIVER_MSG_LEN, DELIVER_RING_SLOTS, RING_PRODUCER),
		     KM_OK);
	ring_set_bells(&rig.ring, &deliver_bells(rig.deliver)->publish,
		       &deliver_bells(rig.deliver)->decode);
	start();
	rig_data(&rig, &o);
	rig_manifest(&rig, &o, 1, 1, NULL, NULL);
	settle("objects_published", 1);
	cr_expect(rig_has(&rig, "tree", o.path, o.seed, o.size));
	attack_stop(&publish);
}
