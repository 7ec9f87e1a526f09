// SPDX-License-Identifier: ISC
/*
 * Digests of objects in progress: whatever order the bytes of large and small objects come
 * in, between each other and with holes filled late, over restarts too, and whichever kernel
 * hashes, the digest is that of what is in the file.
 */
#include <criterion/criterion.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "digest_many.h"
#include "object.h"
#include "publish_rig.h"

#define MIB (UINT64_C(1) << 20)
#define OBJECTS 3u
#define HOLES_MAX 64u
#define WRITE_MAX (1u << 20)

struct hole {
	uint64_t from, to;
};

/* An object, and what of it is still to come. */
struct coming {
	struct object *o;
	uint64_t size, next; /* bytes from next on were not sent */
	struct hole hole[HOLES_MAX];
	unsigned holes;
	uint8_t want[DIGEST_LEN];
};

static char dir_name[64];
static int dir_fd;
static uint8_t *content; /* of the largest; object i has it from byte i on */
static uint8_t gather[WRITE_MAX];

static void set_up(uint64_t *seed)
{
	const size_t most = 100 * MIB;
	struct km_err err = KM_ERR_INIT;

	cr_assert_eq(object_stage_make(&err), 0, "%s", err.text);
	snprintf(dir_name, sizeof(dir_name), "/tmp/publish-object-XXXXXX");
	cr_assert_not_null(mkdtemp(dir_name));
	dir_fd = open(dir_name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	cr_assert_geq(dir_fd, 0);
	content = malloc(most);
	cr_assert_not_null(content);
	for (size_t i = 0; i < most; i += 8) {
		const uint64_t word = rig_random(seed);

		memcpy(content + i, &word, 8);
	}
}

static void tear_down(void)
{
	free(content);
	close(dir_fd);
	cr_expect_eq(rmdir(dir_name), 0);
}

static void begin(struct coming *c, unsigned i)
{
	c->o = object_new(OBJECT_DATA, 1, i + 1);
	cr_assert_not_null(c->o);
	cr_assert_eq(object_begin(c->o, RECORD_OBJECT_FILE, c->size, 0, 0,
				  (const uint8_t *)"x", 1),
		     KM_OK);
	cr_assert_eq(object_open(c->o, dir_fd), 0);
}

static void drop(struct coming *c, bool unlink_part)
{
	char name[OBJECT_PART_NAME_MAX];

	object_part_name(name, OBJECT_DATA, c->o->chain, c->o->number);
	object_free(c->o);
	c->o = NULL;
	if (unlink_part)
		cr_assert_eq(unlinkat(dir_fd, name, 0), 0);
}

/* Bytes [from, from + len), as messages.c brings them: put together, written, hashed on. */
static uint64_t write_some(struct coming *c, unsigned i, uint64_t from, uint64_t len)
{
	size_t room = 0;
	uint8_t *to = object_stage(c->o, from, &room);

	if (!to) {
		to = gather;
		room = WRITE_MAX;
	}
	len = len < room ? len : room;
	memcpy(to, content + i + from, len);
	cr_assert_eq(object_write(c->o, from, to, len), KM_OK);
	memset(gather, 0xee, 64); /* nobody may still want it */
	cr_assert_eq(object_catch_up(c->o, OBJECT_CATCH_UP), KM_OK);
	return len;
}

static void one_step(struct coming *c, unsigned i, uint64_t *seed)
{
	uint64_t len = 1 + rig_random(seed) % WRITE_MAX;

	if (c->holes && (c->next == c->size || rig_random(seed) % 40 == 0)) {
		const unsigned h = (unsigned)(rig_random(seed) % c->holes);
		struct hole *hole = &c->hole[h];

		len = len < hole->to - hole->from ? len : hole->to - hole->from;
		hole->from += write_some(c, i, hole->from, len);
		if (hole->from == hole->to)
			*hole = c->hole[--c->holes];
		return;
	}
	len = len < c->size - c->next ? len : c->size - c->next;
	if (c->holes < HOLES_MAX && rig_random(seed) % 30 == 0) {
		c->hole[c->holes++] = (struct hole){c->next, c->next + len};
		c->next += len;
		return;
	}
	c->next += write_some(c, i, c->next, len);
}

/* What is known of the ranges survives; what was hashed does not. */
static void restart(struct coming *c, unsigned i)
{
	struct extents have = {0};

	cr_assert_eq(extents_copy(&have, &c->o->have), KM_OK);
	drop(c, false);
	begin(c, i);
	c->o->have = have;
}

static void check_all(const uint64_t sizes[OBJECTS], uint64_t *seed, bool restarts)
{
	struct coming c[OBJECTS] = {{0}};
	unsigned open = 0;

	for (unsigned i = 0; i < OBJECTS; i++) {
		struct digest_object *d = digest_object_new(sizes[i]);

		c[i].size = sizes[i];
		digest_object_update(d, content + i, sizes[i]);
		cr_assert_eq(digest_object_end(d, c[i].want), KM_OK);
		digest_object_free(d);
		begin(&c[i], i);
		open++;
	}
	while (open > 0) {
		/* Now by turns, now one for long: then the others wait. */
		const unsigned i = (unsigned)(rig_random(seed) % OBJECTS);
		unsigned steps = rig_random(seed) % 4 ? 1 : 100;

		while (c[i].o && steps-- > 0) {
			if (c[i].next < c[i].size || c[i].holes)
				one_step(&c[i], i, seed);
			else
				cr_assert_eq(object_catch_up(c[i].o, OBJECT_CATCH_UP),
					     KM_OK);
			if (!c[i].o->digested)
				continue;
			cr_assert(c[i].next == c[i].size && c[i].holes == 0);
			cr_assert_arr_eq(c[i].o->digest, c[i].want, DIGEST_LEN, "object %u",
					 i);
			drop(&c[i], true);
			open--;
		}
		if (restarts && c[i].o && rig_random(seed) % 20 == 0)
			restart(&c[i], i);
	}
}

static void check_kernel(enum digest_kernel kernel)
{
	const uint64_t sizes[2][OBJECTS] = {{95 * MIB + 77, 66 * MIB, 3 * MIB + 1},
					    {64 * MIB, 80 * MIB, 64 * MIB - 1}};
	uint64_t seed = rig_seed();

	if (digest_init(kernel, NULL) != KM_OK)
		cr_skip_test("kernel %s is not to be had here", digest_kernel_name(kernel));
	set_up(&seed);
	for (unsigned round = 0; round < 4; round++)
		check_all(sizes[round % 2], &seed, round >= 2);
	tear_down();
}

Test(publish_object, any_order_auto, .timeout = 120)
{
	check_kernel(DIGEST_KERNEL_AUTO);
}

Test(publish_object, any_order_libcrypto, .timeout = 120)
{
	check_kernel(DIGEST_KERNEL_LIBCRYPTO);
}

/* One object at a time has it; one for which nothing comes loses it. */
Test(publish_object, stage_is_for_one, .timeout = 60)
{
	struct coming a = {.size = 64 * MIB}, b = {.size = 64 * MIB};
	uint64_t seed = rig_seed();
	size_t room = 0;

	if (digest_init(DIGEST_KERNEL_AUTO, NULL) != KM_OK || digest_many_lanes() < 2)
		cr_skip_test("no lanes on this machine");
	set_up(&seed);
	begin(&a, 0);
	begin(&b, 1);
	cr_assert_not_null(object_stage(a.o, 0, &room));
	cr_assert_eq(room, DIGEST_FILE_GROUP);
	cr_assert_eq(write_some(&a, 0, 0, 1000), 1000);
	cr_assert_null(object_stage(b.o, 0, &room), "it is taken");
	cr_assert_null(object_stage(a.o, 1, &room), "not where it goes on");
	cr_assert_not_null(object_stage(a.o, 1000, &room));
	cr_assert_eq(room, DIGEST_FILE_GROUP - 1000);
	drop(&a, true);
	cr_assert_not_null(object_stage(b.o, 0, &room), "free again");
	begin(&a, 0);
	for (unsigned i = 0; i < 63; i++)
		(void)!object_stage(a.o, 0, &room);
	cr_assert_not_null(object_stage(a.o, 0, &room), "nothing came for the other");
	drop(&a, true);
	drop(&b, true);
	tear_down();
}
