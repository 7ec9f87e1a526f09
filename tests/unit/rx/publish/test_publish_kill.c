// SPDX-License-Identifier: ISC
/*
 * publish is killed (SIGKILL) at seeded random moments, again and again, while it takes,
 * hashes, stores and places. Whatever is visible at any time must be exactly one
 * generation of its name; what was visible stays; and in the end everything is there.
 */
#include <criterion/criterion.h>
#include <fcntl.h>
#include <ftw.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "clock.h"
#include "publish_rig.h"
#include "verify.h"

#define KILLS 70u
#define PATHS 40u /* a name comes again every few batches */
#define BATCH 12u

TestSuite(publish_kill, .timeout = 280);

static struct rig rig;
static struct rig_object made[KILLS * BATCH];
static unsigned objects;
static unsigned newest_seen[PATHS]; /* object number seen under a path */
static unsigned visible, wrong;

/* Sizes are unique, so that a file's size tells which object it should be. */
static uint64_t size_of(unsigned number)
{
	return number % 11 == 0 ? 1200000 + number : number * 37u + 1u;
}

static bool content_is(int fd, const struct rig_object *o)
{
	static uint8_t want[65536], got[65536];

	for (uint64_t at = 0; at < o->size;) {
		size_t n =
			o->size - at < sizeof(want) ? (size_t)(o->size - at) : sizeof(want);

		rig_content(o->seed, at, want, n);
		if (pread(fd, got, n, (off_t)at) != (ssize_t)n || memcmp(got, want, n) != 0)
			return false;
		at += n;
	}
	return true;
}

/* Opens and judges one visible name. */
static int look(const char *path, const struct stat *unused, int type, struct FTW *ftw)
{
	const char *name = strstr(path, "/tree/") + 6;
	struct stat st;
	unsigned i, slot;
	int fd;

	(void)unused;
	(void)ftw;
	if (type != FTW_F)
		return 0;
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st) != 0) {
		wrong++;
		return 0;
	}
	visible++;
	for (i = 0; i < objects; i++)
		if (made[i].size == (uint64_t)st.st_size && strcmp(made[i].path, name) == 0)
			break;
	if (i == objects || !content_is(fd, &made[i])) {
		fprintf(stderr, "unverified content visible: %s, %lld bytes\n", name,
			(long long)st.st_size);
		wrong++;
	}
	close(fd);
	slot = (unsigned)atoi(strrchr(name, 'f') + 1) % PATHS;
	if (i < objects && made[i].number < newest_seen[slot]) {
		fprintf(stderr, "an older generation came over a newer one: %s\n", name);
		wrong++;
	}
	if (i < objects)
		newest_seen[slot] = (unsigned)made[i].number;
	return 0;
}

/* Names that were there before must still be there. */
static void look_at_tree(void)
{
	static unsigned before;

	visible = 0;
	nftw(rig_path(&rig, "tree", ""), look, 16, FTW_PHYS);
	cr_assert_eq(wrong, 0);
	cr_assert_geq(visible, before, "%u names were visible, now %u", before, visible);
	before = visible;
}

static pid_t start_child(void)
{
	pid_t pid = fork();

	cr_assert_geq(pid, 0);
	if (pid != 0)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	rig_start(&rig);
	for (;;) {
		int did = publish_step(rig.publish);

		if (did < 0)
			_exit(1);
		if (did == 0)
			publish_wait(rig.publish, 5 * CLOCK_NS_PER_MS);
	}
}

static void end_child(pid_t pid)
{
	int status = 0;

	kill(pid, SIGKILL);
	cr_assert_eq(waitpid(pid, &status, 0), pid);
	cr_assert(WIFSIGNALED(status), "publish ended by itself, status %d", status);
}

/* A batch: data and manifest, in any order, some pieces twice. */
static void send_batch(uint64_t *seed, const uint8_t *previous, uint8_t *hash,
		       unsigned number)
{
	struct rig_object *o = &made[objects];
	bool manifest_first = rig_random(seed) % 3 == 0;

	for (unsigned i = 0; i < BATCH; i++) {
		unsigned n = objects + i + 1, slot = (number * 5 + i) % PATHS;

		o[i] = (struct rig_object){.chain = RIG_CHAIN,
					   .number = n,
					   .seed = n,
					   .size = size_of(n),
					   .kind = MANIFEST_FLAT};
		snprintf(o[i].path, sizeof(o[i].path), "d%02u/f%03u", slot / 10, slot);
	}
	/* Paths of a batch ascend: number order is path order. */
	for (unsigned i = 0; i < BATCH; i++)
		for (unsigned j = i + 1; j < BATCH; j++)
			if (strcmp(o[i].path, o[j].path) > 0) {
				char path[WIRE_PATH_MAX + 1];

				memcpy(path, o[i].path, sizeof(path));
				memcpy(o[i].path, o[j].path, sizeof(path));
				memcpy(o[j].path, path, sizeof(path));
			}
	objects += BATCH;
	if (manifest_first)
		rig_manifest(&rig, o, BATCH, number, previous, hash);
	for (unsigned i = 0; i < BATCH; i++) {
		rig_data(&rig, &o[i]);
		if (rig_random(seed) % 4 == 0)
			rig_begin(&rig, &o[i]);
	}
	if (!manifest_first)
		rig_manifest(&rig, o, BATCH, number, previous, hash);
	rig_heads(&rig, RIG_CHAIN, objects, number);
}

static void finish_and_check(void)
{
	struct km_err err = KM_ERR_INIT;
	uint64_t findings = 1;
	FILE *out = fopen("/dev/null", "w");

	rig_start(&rig);
	for (unsigned i = 0; i < 30 && publish_count(rig.publish, "objects_missing") != 0;
	     i++) {
		rig_settle(&rig);
		usleep(100000);
	}
	rig_settle(&rig);
	look_at_tree();
	cr_expect_eq(publish_count(rig.publish, "objects_published"), objects);
	cr_expect_eq(publish_count(rig.publish, "objects_quarantined"), 0);
	cr_expect_eq(publish_count(rig.publish, "objects_missing"), 0);
	cr_expect_eq(publish_count(rig.publish, "manifests_stored"), KILLS);
	rig_check_sum(&rig);
	cr_expect_eq(rig_count_files(&rig, ".incoming"), 0);
	cr_expect_eq(visible, PATHS);
	cr_assert_eq(verify_print(&rig.config, NULL, out, &findings, &err), 0, "%s",
		     err.text);
	cr_expect_eq(findings, 0);
	fclose(out);
	for (unsigned i = 0; i < PATHS; i++) {
		unsigned newest = 0;
		char path[64];

		snprintf(path, sizeof(path), "d%02u/f%03u", i / 10, i);
		for (unsigned j = 0; j < objects; j++)
			if (strcmp(made[j].path, path) == 0)
				newest = j;
		cr_expect(rig_has(&rig, "tree", path, made[newest].seed, made[newest].size),
			  "%s is not its newest generation", path);
	}
}

Test(publish_kill, at_seeded_moments)
{
	uint64_t seed = rig_seed();
	uint8_t hash[2][DIGEST_LEN];

	rig_init(&rig, NULL);
	rig.config.channel[0].keep_generations = 1000;
	for (unsigned k = 0; k < KILLS; k++) {
		struct timespec wait = {.tv_nsec =
						(long)(rig_random(&seed) % 120) * 1000000};
		pid_t pid = start_child();

		send_batch(&seed, k ? hash[(k + 1) % 2] : NULL, hash[k % 2], k + 1);
		look_at_tree(); /* while it works */
		nanosleep(&wait, NULL);
		look_at_tree();
		end_child(pid);
		look_at_tree();
	}
	finish_and_check();
	rig_free(&rig);
}
