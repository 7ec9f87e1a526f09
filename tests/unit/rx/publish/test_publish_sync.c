// SPDX-License-Identifier: ISC
/*
 * The threads that wait for the disk (syncer.h), and a publish whose disk does not answer:
 * it goes on taking, nothing gets a name before its content is on the disk, and what a sync
 * failed to keep is never believed.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "clock.h"
#include "publish_rig.h"
#include "syncer.h"

TestSuite(publish_sync, .timeout = 120);

static struct rig rig;

/* ---- the threads alone ---- */

static struct syncer *start(void)
{
	struct km_err err = KM_ERR_INIT;
	struct syncer *s = syncer_new(NULL, &err);

	cr_assert_not_null(s, "%s", err.text);
	return s;
}

static struct syncer_done collect(struct syncer *s)
{
	struct syncer_done done;

	cr_assert_gt(syncer_pending(s), 0);
	while (!syncer_collect(s, &done))
		usleep(1000);
	return done;
}

static unsigned open_descriptors(void)
{
	unsigned n = 0;

	for (int fd = 0; fd < 1024; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

Test(publish_sync, everything_comes_back)
{
	char dir[] = "/tmp/publish-sync-XXXXXX", name[32];
	struct syncer *s = start();
	static bool seen[500];
	int top, fd;

	cr_assert_not_null(mkdtemp(dir));
	top = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	for (unsigned i = 0; i < KM_COUNT(seen); i++) {
		struct syncer_tag tag = {.owner = dir, .kind = 3, .number = i};

		snprintf(name, sizeof(name), "f%u", i);
		fd = openat(top, name, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
		cr_assert_eq(write(fd, "x", 1), 1);
		if (i % 5 == 0) {
			cr_assert(syncer_fd(s, &tag, fd, i % 2 == 0));
		} else {
			close(fd);
			cr_assert(syncer_file(s, &tag, top, name));
		}
	}
	for (unsigned i = 0; i < KM_COUNT(seen); i++) {
		struct syncer_done done = collect(s);

		cr_assert_eq(done.error, 0);
		cr_assert(done.opened && done.tag.owner == dir && done.tag.kind == 3);
		cr_assert(!seen[done.tag.number], "%" PRIu64 " came twice",
			  done.tag.number);
		seen[done.tag.number] = true;
	}
	cr_expect_eq(syncer_pending(s), 0);
	syncer_free(s);
	for (unsigned i = 0; i < KM_COUNT(seen); i++) {
		snprintf(name, sizeof(name), "f%u", i);
		unlinkat(top, name, 0);
	}
	close(top);
	rmdir(dir);
}

Test(publish_sync, errors_and_files_replaced)
{
	char dir[] = "/tmp/publish-sync-XXXXXX", got[8] = "";
	struct syncer_tag tag = {.kind = 1};
	struct syncer *s = start();
	struct syncer_done done;
	int top, fd;

	cr_assert_not_null(mkdtemp(dir));
	top = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	cr_assert(syncer_file(s, &tag, top, "nothing"));
	done = collect(s);
	cr_expect_eq(done.error, ENOENT);
	cr_expect(!done.opened);
	cr_assert(syncer_write(s, &tag, top, "small", strdup("text"), 4, 0640));
	cr_expect_eq(collect(s).error, 0);
	fd = openat(top, "small", O_RDONLY | O_CLOEXEC);
	cr_expect_eq(read(fd, got, sizeof(got)), 4);
	cr_expect_str_eq(got, "text");
	syncer_break(s, EIO);
	cr_assert(syncer_fd(s, &tag, fd, true));
	done = collect(s);
	cr_expect_eq(done.error, EIO);
	cr_expect(done.opened);
	cr_expect(!syncer_fd(s, &tag, -1, true));
	syncer_free(s);
	unlinkat(top, "small", 0);
	close(top);
	rmdir(dir);
}

Test(publish_sync, bounded_first_things_first_and_no_descriptor_lost)
{
	unsigned before = open_descriptors(), files = 0, urgent = 0, i;
	struct syncer *s = start();
	struct syncer_tag tag = {.kind = 1};
	int top = open("/tmp", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	syncer_hold(s, true);
	while (syncer_file(s, &tag, top, "publish-sync-nothing"))
		files++;
	cr_expect_eq(files, SYNCER_JOBS - SYNCER_RESERVE);
	cr_expect(!syncer_has_room(s));
	tag.kind = 2;
	for (i = 0; i < 100; i++)
		urgent += syncer_fd(s, &tag, dup(top), false);
	cr_expect_eq(urgent, 100, "the reserve is for these");
	cr_expect(!syncer_ready(s));
	syncer_hold(s, false);
	/* A file is begun only when no urgent one waits: the other threads have the last. */
	for (i = 0; collect(s).tag.kind == 2; i++)
		;
	cr_expect_gt(i + SYNCER_THREADS, urgent, "a file after %u of them", i);
	syncer_hold(s, true);
	(void)!syncer_fd(s, &tag, dup(top), false);
	syncer_free(s); /* with much not begun: dropped, and closed */
	close(top);
	cr_expect_eq(open_descriptors(), before);
}

/* ---- a publish whose disk does not answer ---- */

static struct rig_object object(uint64_t number, const char *path, uint64_t size)
{
	struct rig_object o = {.chain = RIG_CHAIN,
			       .number = number,
			       .size = size,
			       .seed = number,
			       .kind = MANIFEST_FLAT};

	snprintf(o.path, sizeof(o.path), "%s", path);
	return o;
}

/* Steps until nothing is done any more, whatever is under way. */
static void step_until_idle(void)
{
	unsigned idle = 0;

	for (unsigned i = 0; i < 100000 && idle < 3; i++) {
		int did = publish_step(rig.publish);

		cr_assert_geq(did, 0);
		idle = did ? 0 : idle + 1;
	}
	cr_assert_eq(idle, 3, "publish is busy with waiting");
}

Test(publish_sync, taking_goes_on_and_names_wait)
{
	enum { N = 300 };
	static struct rig_object o[N];
	uint64_t begun, took;

	rig_init(&rig, NULL);
	rig_start(&rig);
	syncer_hold(publish_syncer(rig.publish), true);
	for (unsigned i = 0; i < N; i++) {
		char path[32];

		snprintf(path, sizeof(path), "d%03u/f", i);
		o[i] = object(i + 1, path, i == 7 ? 0 : 100 + i);
		rig_data(&rig, &o[i]);
	}
	begun = clock_mono_ns();
	rig_manifest(&rig, o, N, 1, NULL, NULL);
	step_until_idle();
	took = clock_mono_ns() - begun;
	cr_expect_eq(ring_ready(&rig.ring), DELIVER_RING_SLOTS, "messages are left");
	cr_expect_lt(took, 5 * CLOCK_NS_PER_SEC);
	cr_expect_eq(publish_count(rig.publish, "manifests_stored"), 1);
	cr_expect_eq(publish_count(rig.publish, "objects_published"), 0);
	cr_expect_eq(rig_count_files(&rig, "tree"), 0);
	cr_expect(publish_pending(rig.publish));
	syncer_hold(publish_syncer(rig.publish), false);
	rig_settle(&rig);
	cr_expect_eq(publish_count(rig.publish, "objects_published"), N);
	for (unsigned i = 0; i < N; i++)
		cr_expect(rig_has(&rig, "tree", o[i].path, o[i].seed, o[i].size));
	cr_expect_eq(rig_count_files(&rig, ".incoming"), 0);
	rig_check_sum(&rig);
	rig_free(&rig);
}

/* What place does to the name "a", as far as its exchange. */
static void exchange(const char *part, const char *aside)
{
	char there[PATH_MAX], from[PATH_MAX];

	snprintf(there, sizeof(there), "%s", rig_path(&rig, "tree", "a"));
	snprintf(from, sizeof(from), "%s", rig_path(&rig, ".incoming", part));
	cr_assert_eq(link(there, rig_path(&rig, "generations", aside)), 0);
	cr_assert_eq(chmod(from, 0644), 0);
	cr_assert_eq(renameat2(AT_FDCWD, from, AT_FDCWD, there, RENAME_EXCHANGE), 0);
}

/* Each stage of a group is cut off; what is there then is whole, and a restart ends it. */
Test(publish_sync, killed_at_each_stage)
{
	enum { STAGES = 14 };

	for (unsigned stage = 0; stage < STAGES; stage++) {
		struct rig_object o[3] = {object(1, "a", 5000), object(2, "b/c", 100),
					  object(3, "d", 2000000)};
		struct rig_object next = object(4, "a", 70);
		uint8_t hash[DIGEST_LEN];

		rig_init(&rig, NULL);
		rig_start(&rig);
		for (unsigned i = 0; i < 3; i++)
			rig_data(&rig, &o[i]);
		rig_manifest(&rig, o, 3, 1, NULL, hash);
		rig_settle(&rig);
		rig_data(&rig, &next);
		rig_manifest(&rig, &next, 1, 2, hash, NULL);
		for (unsigned i = 0; i < stage; i++) {
			cr_assert_geq(publish_step(rig.publish), 0);
			if (i % 2)
				publish_wait(rig.publish, CLOCK_NS_PER_MS);
		}
		rig_kill(&rig);
		cr_expect(rig_has(&rig, "tree", "a", 1, 5000) ||
				  rig_has(&rig, "tree", "a", 4, 70),
			  "stage %u: neither generation is there", stage);
		rig_start(&rig);
		rig_settle(&rig);
		cr_expect(rig_has(&rig, "tree", "a", 4, 70), "stage %u", stage);
		cr_expect_eq(rig_count_files(&rig, "generations"), 1, "stage %u", stage);
		cr_expect_eq(rig_count_files(&rig, ".incoming"), 0, "stage %u", stage);
		cr_expect_eq(publish_count(rig.publish, "objects_published"), 4);
		rig_check_sum(&rig);
		rig_free(&rig);
	}
}

/*
 * Killed behind the exchange of a replacement, before the former content's name in .incoming
 * was removed: it stands there under the name of the object that took its place, and must be
 * taken neither for its bytes nor for a file to write them to.
 */
Test(publish_sync, killed_behind_the_exchange)
{
	struct rig_object o = object(1, "a", 5000), next = object(2, "a", 70);
	char part[64], aside[64];

	rig_init(&rig, NULL);
	rig_start(&rig);
	rig_data(&rig, &o);
	rig_manifest(&rig, &o, 1, 1, NULL, NULL);
	rig_settle(&rig);
	rig_data(&rig, &next);
	rig_settle(&rig);
	rig_stop(&rig);
	snprintf(part, sizeof(part), "%llu-2.part", (unsigned long long)RIG_CHAIN);
	snprintf(aside, sizeof(aside), "%llu-%012u", (unsigned long long)RIG_CHAIN, 1);
	cr_assert(rig_exists(&rig, ".incoming", part));
	cr_assert_eq(mkdir(rig_path(&rig, "generations", aside), 0755), 0);
	strcat(aside, "/a");
	exchange(part, aside);
	rig_start(&rig);
	rig_settle(&rig);
	cr_expect(rig_has(&rig, "generations", aside, o.seed, o.size), "at the start");
	cr_expect_not(rig_exists(&rig, ".incoming", part));
	rig_data(&rig, &next); /* sent again */
	rig_settle(&rig);
	cr_expect(rig_has(&rig, "generations", aside, o.seed, o.size), "sent again");
	cr_expect(rig_has(&rig, "tree", "a", next.seed, next.size));
	rig_free(&rig);
}

/*
 * Killed when a file had got its mode and was not yet visible, and before its ranges were on disk:
 * nothing knows the part file then. It was not refused by anybody: it is missing, and published
 * when it comes again.
 */
Test(publish_sync, killed_when_prepared_and_not_yet_noted)
{
	struct rig_object o = object(1, "a", 5000);
	char part[64];

	rig_init(&rig, NULL);
	rig_start(&rig);
	rig_data(&rig, &o);
	rig_settle(&rig);
	rig_stop(&rig);
	snprintf(part, sizeof(part), "%llu-1.part", (unsigned long long)RIG_CHAIN);
	cr_assert_eq(chmod(rig_path(&rig, ".incoming", part), 0644), 0);
	cr_assert_eq(unlink(rig_path(&rig, "../state/files", "progress")), 0);
	rig_start(&rig);
	rig_manifest(&rig, &o, 1, 1, NULL, NULL);
	rig_settle(&rig);
	cr_expect_eq(publish_count(rig.publish, "objects_quarantined"), 0);
	cr_expect_eq(publish_count(rig.publish, "objects_missing"), 1);
	cr_expect_eq(rig_count_files(&rig, ".quarantine"), 2, "kept, with its reason");
	rig_data(&rig, &o); /* sent again */
	rig_settle(&rig);
	cr_expect(rig_has(&rig, "tree", "a", o.seed, o.size));
	cr_expect_eq(publish_count(rig.publish, "objects_missing"), 0);
	rig_check_sum(&rig);
	rig_free(&rig);
}

Test(publish_sync, what_the_disk_did_not_keep_is_missing)
{
	struct rig_object o[2] = {object(1, "kept", 900), object(2, "lost", 900)};

	rig_init(&rig, NULL);
	rig_start(&rig);
	rig_data(&rig, &o[0]);
	rig_settle(&rig);
	syncer_break(publish_syncer(rig.publish), EIO);
	rig_data(&rig, &o[1]);
	rig_settle(&rig);
	cr_expect_eq(rig_count_files(&rig, ".incoming"), 1);
	syncer_break(publish_syncer(rig.publish), 0);
	rig_manifest(&rig, o, 2, 1, NULL, NULL);
	rig_settle(&rig);
	cr_expect(rig_has(&rig, "tree", "kept", 1, 900));
	cr_expect(!rig_exists(&rig, "tree", "lost"));
	cr_expect_eq(publish_count(rig.publish, "objects_missing"), 1);
	rig_data(&rig, &o[1]); /* a resend */
	rig_settle(&rig);
	cr_expect(rig_has(&rig, "tree", "lost", 2, 900));
	cr_expect_eq(publish_count(rig.publish, "objects_missing"), 0);
	rig_check_sum(&rig);
	rig_free(&rig);
}

/* A group whose intents or directories cannot be synced is tried again, as a whole. */
Test(publish_sync, a_group_that_failed_comes_again)
{
	struct rig_object o[2] = {object(1, "a", 900), object(2, "b/c", 900)};

	rig_init(&rig, NULL);
	rig_start(&rig);
	rig_data(&rig, &o[0]);
	rig_data(&rig, &o[1]);
	rig_settle(&rig);
	syncer_break(publish_syncer(rig.publish), EIO);
	rig_manifest(&rig, o, 2, 1, NULL, NULL);
	rig_settle(&rig);
	cr_expect_eq(publish_count(rig.publish, "objects_published"), 0);
	cr_expect_gt(publish_count(rig.publish, "write_errors"), 0);
	syncer_break(publish_syncer(rig.publish), 0);
	usleep(1100000);
	rig_settle(&rig);
	cr_expect(rig_has(&rig, "tree", "a", 1, 900));
	cr_expect(rig_has(&rig, "tree", "b/c", 2, 900));
	cr_expect_eq(publish_count(rig.publish, "objects_published"), 2);
	rig_check_sum(&rig);
	rig_free(&rig);
}

/* More objects than the queue of syncs takes: those that found it full come again. */
Test(publish_sync, more_than_the_queue_holds)
{
	enum { N = SYNCER_JOBS + 500 };
	struct rig_object *o = calloc(N, sizeof(*o));

	cr_assert_not_null(o);
	rig_init(&rig, NULL);
	rig_start(&rig);
	syncer_hold(publish_syncer(rig.publish), true);
	for (unsigned i = 0; i < N; i++) {
		char path[32];

		snprintf(path, sizeof(path), "f%05u", i);
		o[i] = object(i + 1, path, 10);
		rig_data(&rig, &o[i]);
	}
	step_until_idle();
	cr_expect(!syncer_has_room(publish_syncer(rig.publish)));
	syncer_hold(publish_syncer(rig.publish), false);
	rig_manifest(&rig, o, 4000, 1, NULL, NULL);
	for (unsigned i = 0;
	     i < 100 && publish_count(rig.publish, "objects_published") < 4000; i++)
		rig_settle(&rig);
	cr_expect_eq(publish_count(rig.publish, "objects_published"), 4000);
	rig_free(&rig);
	free(o);
}
