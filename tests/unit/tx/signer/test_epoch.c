// SPDX-License-Identifier: ISC
/* The epoch never goes back: over restarts, torn writes and a wrong clock. */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "epoch.h"

static char dir[64], path[96];

static void setup(void)
{
	strcpy(dir, "/tmp/km-epoch-XXXXXX");
	cr_assert(mkdtemp(dir) != NULL);
	snprintf(path, sizeof(path), "%s/epoch", dir);
}

static void teardown(void)
{
	unlink(path);
	rmdir(dir);
}

TestSuite(epoch, .init = setup, .fini = teardown);

static uint64_t next(uint64_t now)
{
	struct epoch e;
	struct km_err err = KM_ERR_INIT;
	uint64_t value = 0;

	cr_assert(eq(int, epoch_open(&e, dir, &err), 0), "%s", err.text);
	cr_assert(eq(int, epoch_next(&e, now, &value, &err), 0), "%s", err.text);
	epoch_close(&e);
	return value;
}

Test(epoch, follows_the_clock_and_never_goes_back)
{
	cr_assert(eq(u64, next(1000), 1000));
	cr_assert(eq(u64, next(1000), 1001));
	cr_assert(eq(u64, next(5000), 5000));
	cr_assert(eq(u64, next(4070908800), 4070908800)); /* the clock says 2099 */
	cr_assert(eq(u64, next(5001), 4070908801));	  /* and is right again */
}

Test(epoch, one_open_file_gives_many)
{
	struct epoch e;
	struct km_err err = KM_ERR_INIT;
	uint64_t last = 0, value;

	cr_assert(eq(int, epoch_open(&e, dir, &err), 0));
	for (unsigned i = 0; i < 20; i++) {
		cr_assert(eq(int, epoch_next(&e, 7, &value, &err), 0));
		cr_assert(value > last);
		last = value;
	}
	epoch_close(&e);
	cr_assert(eq(u64, next(7), last + 1));
}

/* Every byte of the slot written last may be spoiled by a power cut: what was
 * given out before it stays the floor. */
Test(epoch, a_torn_slot_leaves_the_one_before)
{
	for (long at = 0; at < 64; at++) {
		uint8_t byte;
		int fd;

		unlink(path);
		cr_assert(eq(u64, next(100), 100)); /* slot 0 */
		cr_assert(eq(u64, next(200), 200)); /* slot 1 */
		fd = open(path, O_RDWR);
		cr_assert(eq(long, pread(fd, &byte, 1, 64 + at), 1));
		byte ^= 0x40;
		cr_assert(eq(long, pwrite(fd, &byte, 1, 64 + at), 1));
		close(fd);
		cr_assert(eq(u64, next(50), 101), "byte %ld", at);
	}
}

Test(epoch, a_wholly_damaged_file_is_refused_with_the_remedy)
{
	struct epoch e;
	struct km_err err = KM_ERR_INIT;
	int fd;

	next(100);
	next(200);
	fd = open(path, O_RDWR);
	cr_assert(eq(long, pwrite(fd, "x", 1, 3), 1));
	cr_assert(eq(long, pwrite(fd, "x", 1, 67), 1));
	close(fd);
	cr_assert(eq(int, epoch_open(&e, dir, &err), -1));
	cr_assert(eq(int, err.code, EX_DATAERR));
	cr_assert(strstr(err.text, "damaged") && strstr(err.text, "restore"));
}
