// SPDX-License-Identifier: ISC
/* What the keeper remembers: replays refused, wrong clocks survived, files checked. */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "floors.h"

#define NOW UINT64_C(1800000000)
#define DAY UINT64_C(86400)
#define Y2099 UINT64_C(4070908800)

static const uint8_t alice[32] = {1}, bob[32] = {2};
static struct floors f;
static char dir[64];
static int dirfd_ = -1;

static void setup(void)
{
	memset(&f, 0, sizeof(f));
	strcpy(dir, "/tmp/km-floors-XXXXXX");
	cr_assert(mkdtemp(dir) != NULL);
	dirfd_ = open(dir, O_RDONLY | O_DIRECTORY);
}

static void teardown(void)
{
	unlinkat(dirfd_, "floors", 0);
	close(dirfd_);
	rmdir(dir);
}

TestSuite(floors, .init = setup, .fini = teardown);

static enum ask_verdict judge(const uint8_t *key, uint32_t tag, uint64_t epoch,
			      uint64_t now)
{
	bool far;

	return floors_judge(&f, key, tag, epoch, now, 0, &far);
}

Test(floors, a_new_session_is_accepted_once_and_known_afterwards)
{
	cr_assert(eq(int, judge(alice, 7, NOW, NOW), ASK_ACCEPTED));
	cr_assert(floors_accept(&f, alice, 7, NOW, NOW) != NULL);
	cr_assert(eq(int, judge(alice, 7, NOW, NOW), ASK_ACCEPTED), "decode restarted");
	cr_assert(eq(int, judge(alice, 8, NOW, NOW), ASK_OLD_EPOCH),
		  "same epoch, other session");
	cr_assert(eq(int, judge(alice, 8, NOW - 1, NOW), ASK_OLD_EPOCH));
	cr_assert(eq(int, judge(alice, 8, NOW + 1, NOW), ASK_ACCEPTED));
	cr_assert(eq(int, judge(bob, 8, NOW - 1, NOW), ASK_ACCEPTED), "another identity");
}

Test(floors, two_sessions_are_remembered_and_a_third_replays_nothing)
{
	floors_accept(&f, alice, 1, NOW, NOW);
	floors_accept(&f, alice, 2, NOW + 1, NOW);
	cr_assert(eq(int, judge(alice, 1, NOW, NOW), ASK_ACCEPTED), "the predecessor");
	floors_accept(&f, alice, 3, NOW + 2, NOW);
	cr_assert(eq(int, judge(alice, 1, NOW, NOW), ASK_OLD_EPOCH));
	cr_assert(eq(int, judge(alice, 2, NOW + 1, NOW), ASK_ACCEPTED));
}

Test(floors, a_recording_of_last_week_is_refused_by_a_fresh_receiver)
{
	bool far;

	cr_assert(eq(int, judge(alice, 1, NOW - 7 * DAY, NOW), ASK_FAR_EPOCH));
	cr_assert(eq(int, judge(alice, 1, NOW + 2 * DAY, NOW), ASK_FAR_EPOCH));
	cr_assert(eq(int,
		     floors_judge(&f, alice, 1, NOW - 7 * DAY, NOW, NOW - 7 * DAY, &far),
		     ASK_ACCEPTED),
		  "the operator let it in");
	cr_assert(far);
}

Test(floors, a_clock_of_2099_does_not_mute_tx_for_ever)
{
	bool far;

	floors_accept(&f, alice, 1, NOW, NOW);
	cr_assert(eq(int, floors_judge(&f, alice, 2, Y2099, NOW, 0, &far), ASK_ACCEPTED));
	cr_assert(far, "it is alarmed");
	floors_accept(&f, alice, 2, Y2099, NOW);
	cr_assert(eq(u64, f.identity[0].floor, NOW + DAY), "the floor is not ratcheted");
	/* tx lost its disk, its clock is right again, two days later */
	cr_assert(eq(int, judge(alice, 3, NOW + 2 * DAY, NOW + 2 * DAY), ASK_ACCEPTED));
}

Test(floors, lane_numbers_only_rise)
{
	struct floors_session *s = floors_accept(&f, alice, 9, NOW, NOW);

	cr_assert(floors_raise(&f, 9, 3, 1000));
	cr_assert(floors_raise(&f, 9, 3, 10));
	cr_assert(floors_raise(&f, 9, 0, 5));
	cr_assert(not(floors_raise(&f, 10, 3, 1)), "no such session");
	cr_assert(eq(u32, s->lanes, 2));
	cr_assert(eq(u64, s->lane[0].seq, 1000));
	for (uint16_t lane = 0; lane < 200; lane++)
		(void)floors_raise(&f, 9, lane, 1);
	cr_assert(eq(u32, s->lanes, WIRE_LANES_MAX), "bounded");
}

Test(floors, identities_are_bounded)
{
	uint8_t key[32] = {0};

	for (unsigned i = 0; i < FLOORS_IDENTITIES; i++) {
		key[0] = (uint8_t)(i + 1);
		cr_assert(floors_accept(&f, key, i, NOW, NOW) != NULL);
	}
	key[0] = 200;
	cr_assert(floors_accept(&f, key, 1, NOW, NOW) == NULL);
}

Test(floors, survive_a_restart)
{
	struct floors g;
	struct km_err err = KM_ERR_INIT;

	cr_assert(eq(int, floors_load(&g, dirfd_, &err), 0), "absent is empty: %s",
		  err.text);
	cr_assert(eq(uint, g.count, 0));
	floors_accept(&f, alice, 1, NOW, NOW);
	floors_accept(&f, bob, 2, NOW + 5, NOW);
	floors_raise(&f, 2, 3, 77);
	cr_assert(eq(int, floors_store(&f, dirfd_, &err), 0), "%s", err.text);
	cr_assert(eq(int, floors_load(&g, dirfd_, &err), 0), "%s", err.text);
	cr_assert(eq(uint, g.count, 2));
	cr_assert(eq(u64, g.identity[1].floor, NOW + 5));
	cr_assert(eq(u64, g.identity[1].session[0].lane[0].seq, 77));
}

Test(floors, any_damage_to_the_file_is_seen)
{
	struct floors g;
	struct km_err err = KM_ERR_INIT;
	off_t size;
	int fd;

	floors_accept(&f, alice, 1, NOW, NOW);
	floors_raise(&f, 1, 3, 77);
	cr_assert(eq(int, floors_store(&f, dirfd_, &err), 0));
	fd = openat(dirfd_, "floors", O_RDWR);
	size = lseek(fd, 0, SEEK_END);
	for (off_t at = 0; at < size; at++) {
		uint8_t byte, bad;

		cr_assert(eq(long, pread(fd, &byte, 1, at), 1));
		bad = byte ^ 1;
		cr_assert(eq(long, pwrite(fd, &bad, 1, at), 1));
		cr_assert(eq(int, floors_load(&g, dirfd_, &err), -1), "byte %ld", (long)at);
		cr_assert(eq(int, err.code, EX_DATAERR));
		cr_assert(eq(long, pwrite(fd, &byte, 1, at), 1));
	}
	for (off_t cut = size - 1; cut > 0; cut--) {
		cr_assert(eq(int, ftruncate(fd, cut), 0));
		cr_assert(eq(int, floors_load(&g, dirfd_, &err), -1), "cut at %ld",
			  (long)cut);
	}
	close(fd);
}
