// SPDX-License-Identifier: ISC
/*
 * rx publish against a decode that lies: wild fields, changing bytes, wild ring
 * indices.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "clock.h"
#include "publish_rig.h"

TestSuite(publish_hostile, .timeout = 120);

static struct rig rig;

/*
 * One message as it is; true when publish called it a violation (it is then started
 * anew).
 */
static bool violates(const struct deliver_msg *m)
{
	uint64_t slot;
	int did;

	cr_assert_eq(ring_reserve(&rig.ring, 1, &slot), KM_OK);
	memcpy(ring_slot(&rig.ring, slot), m, sizeof(*m));
	cr_assert_eq(ring_submit(&rig.ring, 1), KM_OK);
	did = publish_step(rig.publish);
	if (did >= 0)
		return false;
	rig_stop(&rig);
	rig_start(&rig); /* the message was released: it is not met again */
	cr_assert_geq(publish_step(rig.publish), 0);
	return true;
}

Test(publish_hostile, impossible_messages_end_the_pair)
{
	const struct deliver_msg good = {.type = DELIVER_FRAGMENT,
					 .channel = RIG_CHANNEL,
					 .chain = 1,
					 .number = 1,
					 .pos = 0,
					 .len = 10};
	struct deliver_msg m;

	rig_init(&rig, NULL);
	rig_start(&rig);
	cr_expect(!violates(&good));
	m = good, m.pos = RIG_SEGMENT - 9;
	cr_expect(violates(&m));
	m = good, m.pos = UINT64_MAX - 5;
	cr_expect(violates(&m));
	m = good, m.len = 0;
	cr_expect(violates(&m));
	m = good, m.len = 65537;
	cr_expect(violates(&m));
	m = good, m.len = UINT32_MAX;
	cr_expect(violates(&m));
	m = good, m.type = 0;
	cr_expect(violates(&m));
	m = good, m.type = 15;
	cr_expect(violates(&m));
	m = good, m.type = UINT16_MAX;
	cr_expect(violates(&m));
	m = good, m.type = DELIVER_MANIFEST, m.pos = RIG_SEGMENT;
	cr_expect(violates(&m));
	m = good, m.type = DELIVER_BEGIN, m.pos = RIG_SEGMENT - 1;
	cr_expect(violates(&m));
	rig_free(&rig);
}

Test(publish_hostile, senseless_records_are_refused)
{
	const struct deliver_msg good = {.type = DELIVER_FRAGMENT,
					 .channel = RIG_CHANNEL,
					 .chain = 1,
					 .number = 1,
					 .pos = 0,
					 .len = 10};
	struct deliver_msg m;

	rig_init(&rig, NULL);
	rig_start(&rig);
	m = good, m.number = 0;
	cr_expect(!violates(&m));
	m = good, m.chain = 0;
	cr_expect(!violates(&m));
	m = good, m.number = UINT64_MAX;
	cr_expect(!violates(&m));
	m = good, m.offset = UINT64_MAX - 3;
	cr_expect(!violates(&m));
	m = good, m.offset = UINT64_C(1) << 40;
	cr_expect(!violates(&m));
	m = good, m.type = DELIVER_MANIFEST, m.a = UINT64_MAX;
	cr_expect(!violates(&m));
	m = good, m.type = DELIVER_MANIFEST, m.a = 100, m.offset = 95;
	cr_expect(!violates(&m));
	m = good, m.type = DELIVER_LOST, m.a = 5, m.b = 4;
	cr_expect(!violates(&m));
	m = good, m.type = DELIVER_ALARM, m.a = 1000;
	cr_expect(!violates(&m));
	m = good, m.type = DELIVER_SESSION_END, m.a = 1000;
	cr_expect(!violates(&m));
	m = good, m.type = DELIVER_BEGIN; /* ten zero bytes */
	cr_expect(!violates(&m));
	cr_expect_eq(publish_count(rig.publish, "records_refused"), 11);
	m = good, m.channel = 999;
	cr_expect(!violates(&m));
	cr_expect_eq(publish_count(rig.publish, "unknown_channel"), 1);
	cr_expect_eq(rig_count_files(&rig, ""), 0);
	rig_free(&rig);
}

/* Names that only a lying tx or decode would send. */
Test(publish_hostile, names_in_begin_records)
{
	static const char *const names[] = {"../x",	    "/etc/x",	 "a//b",
					    "a/./b",	    "a/",	 "x\ny",
					    ".katamichi/x", "a/../../b", "\177"};
	struct rig_object o = {.chain = RIG_CHAIN, .size = 10, .seed = 1};

	rig_init(&rig, NULL);
	rig_start(&rig);
	for (unsigned i = 0; i < KM_COUNT(names); i++) {
		o.number = i + 1;
		snprintf(o.path, sizeof(o.path), "%s", names[i]);
		rig_begin(&rig, &o);
	}
	rig_settle(&rig);
	cr_expect_eq(publish_count(rig.publish, "records_refused"), KM_COUNT(names));
	cr_expect_eq(publish_count(rig.publish, "objects_partial"), 0);
	rig_free(&rig);
}

Test(publish_hostile, random_messages)
{
	uint64_t seed = rig_seed();
	unsigned violations = 0;

	rig_init(&rig, NULL);
	rig_start(&rig);
	for (unsigned i = 0; i < 4000; i++) {
		struct deliver_msg m;
		uint8_t *raw = (uint8_t *)&m;

		for (size_t j = 0; j < sizeof(m); j++)
			raw[j] = (uint8_t)rig_random(&seed);
		/* mostly plausible, a few fields wild */
		if (rig_random(&seed) % 100)
			m.type = (uint16_t)(1 + rig_random(&seed) % 5);
		if (rig_random(&seed) % 4 == 0)
			m.type = (uint16_t)(16 + rig_random(&seed) % 7);
		m.channel = rig_random(&seed) % 8 ? RIG_CHANNEL : m.channel;
		if (rig_random(&seed) % 100) {
			m.len = (uint32_t)(1 + rig_random(&seed) % 2000);
			m.pos %= RIG_SEGMENT - 2000;
		}
		m.chain = rig_random(&seed) % 4 ? 1 + m.chain % 3 : m.chain;
		m.number = rig_random(&seed) % 4 ? 1 + m.number % 30 : m.number;
		m.offset = rig_random(&seed) % 4 ? m.offset % 100000 : m.offset;
		m.a = rig_random(&seed) % 2 ? m.a % 20000 : m.a;
		for (unsigned j = 0; j < 64; j++)
			rig.segment[rig_random(&seed) % RIG_SEGMENT] = (uint8_t)seed;
		violations += violates(&m);
	}
	rig_settle(&rig);
	cr_expect_gt(violations, 0);
	cr_expect_eq(rig_count_files(&rig, "tree"), 0);
	cr_expect_eq(rig_count_files(&rig, "manifests"), 0);
	rig_check_sum(&rig);
	rig_free(&rig);
}

static atomic_bool scribbling;

static void *scribble(void *unused)
{
	uint64_t seed = 1;

	(void)unused;
	while (atomic_load(&scribbling))
		rig.segment[rig_random(&seed) % (4u << 20)] ^= 0x20;
	return NULL;
}

/*
 * Bytes change while publish looks: what becomes visible is right, or it is not
 * visible.
 */
Test(publish_hostile, bytes_change_under_our_eyes)
{
	static struct rig_object o[300];
	pthread_t thread;
	unsigned shown = 0;

	rig_init(&rig, NULL);
	rig_start(&rig);
	atomic_store(&scribbling, true);
	cr_assert_eq(pthread_create(&thread, NULL, scribble, NULL), 0);
	for (unsigned i = 0; i < 300; i++) {
		o[i] = (struct rig_object){.chain = RIG_CHAIN,
					   .number = i + 1,
					   .size = 40 * i + 1,
					   .seed = i + 1};
		snprintf(o[i].path, sizeof(o[i].path), "f%04u", i);
		rig_data(&rig, &o[i]);
	}
	rig_settle(&rig);
	atomic_store(&scribbling, false);
	pthread_join(thread, NULL);
	rig_manifest(&rig, o, 300, 1, NULL, NULL);
	rig_settle(&rig);
	for (unsigned i = 0; i < 300; i++) {
		if (!rig_exists(&rig, "tree", o[i].path))
			continue;
		shown++;
		cr_expect(rig_has(&rig, "tree", o[i].path, o[i].seed, o[i].size), "%s",
			  o[i].path);
	}
	cr_expect_eq(publish_count(rig.publish, "objects_published"), shown);
	rig_check_sum(&rig);
	rig_free(&rig);
}

Test(publish_hostile, wild_ring_index)
{
	struct ring_page *page;

	rig_init(&rig, NULL);
	rig_start(&rig);
	rig_settle(&rig);
	page = rig.deliver;
	atomic_store(&page->head, UINT64_C(1) << 40);
	cr_expect_eq(publish_step(rig.publish), -1);
	cr_expect_eq(publish_count(rig.publish, "violations"), 1);
	atomic_store(&page->head, 0);
	rig_free(&rig);
}

/* A small tmpfs in a mount namespace of this test process alone. */
static void mount_small(const char *dir, const char *size)
{
	char options[64];

	snprintf(options, sizeof(options), "size=%s,mode=0755", size);
	if (unshare(CLONE_NEWNS) != 0 ||
	    mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 ||
	    (mkdir(dir, 0755) != 0 && errno != EEXIST) ||
	    mount("tmpfs", dir, "tmpfs", 0, options) != 0) {
		fprintf(stderr, "skipped: a tmpfs of its own needs CAP_SYS_ADMIN: %s\n",
			strerror(errno));
		rig_free(&rig);
		cr_skip_test("no mount of its own");
	}
}

/* The root is too small: named, held back, and all right once there is room. */
Test(publish_hostile, full_disk)
{
	static struct rig_object o[8];
	char root[128];

	rig_init(&rig, NULL);
	snprintf(root, sizeof(root), "%s/root", rig.dir);
	mount_small(root, "4m");
	rig_start(&rig);
	for (unsigned i = 0; i < 8; i++) {
		o[i] = (struct rig_object){
			.chain = RIG_CHAIN, .number = i + 1, .size = 1000000, .seed = i};
		snprintf(o[i].path, sizeof(o[i].path), "f%u", i);
		rig_data(&rig, &o[i]);
	}
	rig_manifest(&rig, o, 8, 1, NULL, NULL);
	rig_settle(&rig);
	cr_expect_gt(publish_count(rig.publish, "write_errors"), 0);
	cr_expect_gt(publish_count(rig.publish, "fragments_held_back"), 0);
	cr_expect_lt(publish_count(rig.publish, "objects_published"), 8);
	rig_check_sum(&rig);
	for (unsigned i = 0; i < 8; i++)
		if (rig_exists(&rig, "tree", o[i].path))
			cr_expect(rig_has(&rig, "tree", o[i].path, i, 1000000));
	cr_assert_eq(mount(NULL, root, NULL, MS_REMOUNT, "size=64m"), 0);
	usleep(1200000);
	rig_settle(&rig);
	cr_expect_eq(publish_count(rig.publish, "disk_full"), 0);
	for (unsigned i = 0; i < 8; i++)
		rig_data(&rig, &o[i]);
	rig_manifest(&rig, o, 8, 1, NULL, NULL);
	rig_settle(&rig);
	usleep(1200000);
	rig_settle(&rig);
	cr_expect_eq(publish_count(rig.publish, "objects_published"), 8);
	for (unsigned i = 0; i < 8; i++)
		cr_expect(rig_has(&rig, "tree", o[i].path, i, 1000000));
	rig_stop(&rig);
	cr_assert_eq(umount(root), 0);
	rig_free(&rig);
}

/* The state directory is full: nothing is released before its rows are written. */
Test(publish_hostile, full_state)
{
	struct rig_object o = {.chain = RIG_CHAIN, .number = 1, .size = 100, .seed = 4};
	char state[128], filler[160];
	uint8_t junk[4096] = {1};
	int fd;

	rig_init(&rig, NULL);
	snprintf(state, sizeof(state), "%s/state", rig.dir);
	mount_small(state, "256k");
	rig_start(&rig);
	rig_settle(&rig);
	snprintf(filler, sizeof(filler), "%s/filler", state);
	fd = open(filler, O_WRONLY | O_CREAT, 0600);
	cr_assert_geq(fd, 0);
	while (write(fd, junk, sizeof(junk)) > 0)
		;
	close(fd);
	snprintf(o.path, sizeof(o.path), "f");
	for (unsigned i = 0; i < 200; i++) { /* more rows than the last page has room for */
		o.number = i + 1;
		rig_data(&rig, &o);
	}
	for (unsigned i = 0; i < 20; i++) {
		cr_assert_geq(publish_step(rig.publish), 0);
		usleep(10000);
	}
	cr_expect_lt(ring_ready(&rig.ring), (int64_t)DELIVER_RING_SLOTS,
		     "released too early");
	cr_assert_eq(unlink(filler), 0);
	usleep(1200000); /* the sums are made once a second */
	rig_settle(&rig);
	cr_expect_eq(ring_ready(&rig.ring), (int64_t)DELIVER_RING_SLOTS);
	cr_expect_eq(publish_count(rig.publish, "objects_partial"), 200);
	rig_stop(&rig);
	cr_assert_eq(umount(state), 0);
	rig_free(&rig);
}
