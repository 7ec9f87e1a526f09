// SPDX-License-Identifier: ISC
/*
 * The modules of rx publish one by one: extents, append, progress, names, ledger,
 * shelf, root.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "append.h"
#include "bout.h"
#include "extents.h"
#include "ledger.h"
#include "names.h"
#include "progress.h"
#include "publish_rig.h"
#include "quarantine.h"
#include "root.h"
#include "shelf.h"

TestSuite(publish_parts, .timeout = 60);

static char dir_name[64];

static int temp_dir(void)
{
	int fd;

	snprintf(dir_name, sizeof(dir_name), "/tmp/publish-parts-XXXXXX");
	cr_assert_not_null(mkdtemp(dir_name));
	fd = open(dir_name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	cr_assert_geq(fd, 0);
	return fd;
}

static void remove_dir(int fd, const char *const *names)
{
	for (; *names; names++)
		unlinkat(fd, *names, 0);
	close(fd);
	cr_expect_eq(rmdir(dir_name), 0, "left behind in %s: %s", dir_name,
		     strerror(errno));
}

/* ---- extents against a bitmap ---- */

#define MODEL 512u

static void check_model(const struct extents *e, const bool *model, uint64_t *seed)
{
	uint64_t from = rig_random(seed) % MODEL,
		 to = from + rig_random(seed) % (MODEL - from + 1);
	uint64_t a = 0, b = 0, total = 0, run = from, hole = from;
	bool touches = false, found;

	for (size_t i = 0; i + 1 < e->n; i++)
		cr_assert(e->v[i].from < e->v[i].to && e->v[i].to < e->v[i + 1].from);
	for (uint64_t i = from; i < to; i++) {
		total += model[i];
		touches |= model[i];
	}
	while (hole < to && model[hole])
		hole++;
	while (run < MODEL && model[run])
		run++;
	cr_assert_eq(extents_within(e, from, to), total);
	cr_assert_eq(extents_touches(e, from, to), touches);
	cr_assert_eq(extents_covers(e, from, to), total == to - from);
	cr_assert_eq(extents_run(e, from), run);
	found = extents_hole(e, from, to, &a, &b);
	cr_assert_eq(found, hole < to);
	if (!found)
		return;
	cr_assert_eq(a, hole);
	while (hole < to && !model[hole])
		hole++;
	cr_assert_eq(b, hole);
}

Test(publish_parts, extents_against_a_bitmap)
{
	uint64_t seed = rig_seed();

	for (unsigned round = 0; round < 300; round++) {
		struct extents e = {0};
		bool model[MODEL] = {false};

		for (unsigned step = 0; step < 60; step++) {
			uint64_t from = rig_random(&seed) % MODEL;
			uint64_t len = 1 + rig_random(&seed) % (round % 2 ? 4 : 60);
			uint64_t to = from + len < MODEL ? from + len : MODEL, end = 0;

			cr_assert_eq(extents_add(&e, from, to), KM_OK);
			memset(model + from, true, to - from);
			for (uint64_t i = 0; i < MODEL; i++)
				end = model[i] ? i + 1 : end;
			cr_assert_eq(extents_end(&e), end);
			check_model(&e, model, &seed);
		}
		extents_free(&e);
	}
}

Test(publish_parts, extents_limits)
{
	struct extents e = {0};

	cr_expect_eq(extents_add(&e, 5, 5), KM_ERR_RANGE);
	cr_expect_eq(extents_add(&e, 6, 5), KM_ERR_RANGE);
	for (uint64_t i = 0; i < EXTENTS_MAX; i++)
		cr_assert_eq(extents_add(&e, 2 * i, 2 * i + 1), KM_OK);
	cr_expect_eq(extents_add(&e, 2 * EXTENTS_MAX + 2, 2 * EXTENTS_MAX + 3),
		     KM_ERR_LIMIT);
	cr_expect_eq(extents_add(&e, 1, 2), KM_OK); /* merging needs no room */
	cr_expect_eq(e.n, EXTENTS_MAX - 1);
	cr_expect_eq(extents_add(&e, UINT64_MAX - 1, UINT64_MAX), KM_OK);
	cr_expect_eq(extents_end(&e), UINT64_MAX);
	extents_free(&e);
}

/* ---- append ---- */

static unsigned rows_seen;

static int count_row(void *ctx, uint64_t at, const uint8_t *row, size_t len)
{
	(void)ctx;
	(void)at;
	cr_assert_eq(len, rows_seen % 50 + 1);
	for (size_t i = 0; i < len; i++)
		cr_assert_eq(row[i], (uint8_t)rows_seen);
	rows_seen++;
	return 0;
}

/* Cut at every byte of the last rows, or changed there: only whole rows are seen. */
Test(publish_parts, append_torn_at_every_byte)
{
	const char *const names[] = {"log", NULL};
	struct km_err err = KM_ERR_INIT;
	uint8_t bytes[50], whole[8192];
	uint64_t end[41];
	struct append a;
	int dir = temp_dir(), fd;
	ssize_t size;

	cr_assert_eq(append_open(&a, dir, "log", "magic 1", count_row, NULL, &err), 0);
	for (unsigned i = 0; i < 40; i++) {
		memset(bytes, (int)i, sizeof(bytes));
		cr_assert_eq(append_row(&a, bytes, i % 50 + 1, NULL), 0);
		cr_assert_eq(append_flush(&a, &err), 0);
		end[i + 1] = a.good;
	}
	end[0] = 8 + strlen("magic 1");
	append_close(&a);
	fd = openat(dir, "log", O_RDWR);
	size = pread(fd, whole, sizeof(whole), 0);
	cr_assert_eq((uint64_t)size, end[40]);
	for (uint64_t cut = end[0]; cut < end[40]; cut++) {
		unsigned want = 0;

		while (want < 40 && end[want + 1] <= cut)
			want++;
		rows_seen = 0;
		cr_assert_eq(ftruncate(fd, (off_t)cut), 0);
		cr_assert_eq(append_open(&a, dir, "log", "magic 1", count_row, NULL, &err),
			     0);
		cr_assert_eq(rows_seen, want);
		cr_assert_eq(a.good, end[want]);
		append_close(&a);
		/* whole again, then one byte changed */
		cr_assert_eq(pwrite(fd, whole, (size_t)size, 0), size);
		bytes[0] = (uint8_t)(whole[cut] ^ 0x10);
		cr_assert_eq(pwrite(fd, bytes, 1, (off_t)cut), 1);
		rows_seen = 0;
		cr_assert_eq(append_read(dir, "log", "magic 1", count_row, NULL, &err), 0);
		cr_assert_eq(rows_seen, want);
		cr_assert_eq(pwrite(fd, whole, (size_t)size, 0), size);
	}
	cr_expect_eq(append_open(&a, dir, "log", "magic 2", NULL, NULL, &err), -1);
	close(fd);
	remove_dir(dir, names);
}

/* ---- progress: what counts after a kill, and after another boot ---- */

static void progress_fill(int dir, struct shelf *shelf, struct progress *p)
{
	const uint8_t path[] = "some/path";
	struct km_err err = KM_ERR_INIT;
	uint8_t *bytes = calloc(1, 2u << 20);
	struct object *o;

	cr_assert_eq(progress_open(p, dir, shelf, &err), 0, "%s", err.text);
	o = shelf_add(shelf, OBJECT_DATA, 5, 1);
	cr_assert_eq(object_begin(o, 0, 3u << 20, 17, 3, path, 9), KM_OK);
	cr_assert_eq(progress_begin(p, o), 0);
	cr_assert_eq(shelf_ready(shelf, o), 0);
	cr_assert_eq(object_write(o, 0, bytes, 2u << 20), KM_OK);
	cr_assert_eq(progress_extent(p, o, 0, 2u << 20), 0);
	cr_assert_eq(progress_sync(p, shelf, &err), 0, "%s", err.text);
	cr_assert_eq(object_write(o, 2u << 20, bytes, 100), KM_OK);
	cr_assert_eq(progress_extent(p, o, 2u << 20, (2u << 20) + 100), 0);
	o = shelf_add(shelf, OBJECT_DATA, 5, 2);
	cr_assert_eq(progress_begin(p, o) | progress_done(p, o), 0);
	cr_assert_eq(progress_flush(p, &err), 0);
	progress_close(p);
	free(bytes);
}

/*
 * Writes the boot row anew, by the module's own means, with another id of the same
 * length.
 */
static void another_boot(int dir)
{
	static const char magic[] = "katamichi rx progress 1";
	struct km_err err = KM_ERR_INIT;
	struct append a, fresh;

	cr_assert_eq(append_open(&a, dir, "progress", magic, NULL, NULL, &err), 0);
	cr_assert_eq(append_begin_swap(&fresh, dir, "progress", magic, &err), 0);
	for (uint64_t at = 8 + sizeof(magic) - 1; at < a.good;) {
		uint8_t row[APPEND_ROW_MAX];
		int n = append_get(&a, at, row);

		cr_assert_gt(n, 0);
		if (row[0] == 1)
			row[5] ^= 1;
		cr_assert_eq(append_row(&fresh, row, (size_t)n, NULL), 0);
		at += 8 + (uint64_t)n;
	}
	cr_assert_eq(append_swap(&a, &fresh, dir, &err), 0);
	append_close(&a);
}

Test(publish_parts, progress_counts_by_boot)
{
	const char *const names[] = {"progress", "5-1.part", NULL};
	struct km_err err = KM_ERR_INIT;
	struct shelf_fds fds = {.max = 4};
	struct progress p;
	struct shelf shelf;
	struct object *o;
	int dir = temp_dir(), fd;
	uint8_t head[128];

	cr_assert_eq(shelf_init(&shelf, dir, &fds, 100, &err), 0);
	progress_fill(dir, &shelf, &p);
	shelf_free(&shelf);
	cr_assert_eq(shelf_init(&shelf, dir, &fds, 100, &err), 0);
	cr_assert_eq(progress_open(&p, dir, &shelf, &err), 0, "%s", err.text);
	cr_expect_eq(shelf.count, 1);
	o = shelf_find(&shelf, OBJECT_DATA, 5, 1);
	cr_assert_not_null(o);
	cr_expect(o->begun && o->size == 3u << 20 && o->path_len == 9 && o->mtime_s == 17);
	cr_expect_eq(extents_total(&o->have), (2u << 20) + 100);
	progress_close(&p);
	shelf_free(&shelf);
	/* SAFE rows come only from a sync: make some, then live ones, then "another boot" */
	cr_assert_eq(unlinkat(dir, "progress", 0), 0);
	cr_assert_eq(shelf_init(&shelf, dir, &fds, 100, &err), 0);
	progress_fill(dir, &shelf, &p);
	shelf_free(&shelf);
	fd = openat(dir, "progress", O_RDWR);
	cr_assert_eq(pread(fd, head, sizeof(head), 0), (ssize_t)sizeof(head));
	cr_assert_eq(head[8 + 23 + 8], 1, "the first row after the magic is the boot row");
	close(fd);
	another_boot(dir);
	cr_assert_eq(shelf_init(&shelf, dir, &fds, 100, &err), 0);
	cr_assert_eq(progress_open(&p, dir, &shelf, &err), 0, "%s", err.text);
	o = shelf_find(&shelf, OBJECT_DATA, 5, 1);
	cr_assert_not_null(o);
	cr_expect_eq(extents_total(&o->have), 2u << 20, "only what was synced");
	progress_close(&p);
	shelf_free(&shelf);
	remove_dir(dir, names);
}

/* ---- names, ledger, shelf, root ---- */

Test(publish_parts, names_many_and_again)
{
	const char *const left[] = {"names", NULL};
	struct km_err err = KM_ERR_INIT;
	struct names names;
	struct names_row row;
	int dir = temp_dir();

	cr_assert_eq(names_open(&names, dir, &err), 0);
	for (unsigned i = 0; i < 6000; i++) {
		char path[32];
		int n = snprintf(path, sizeof(path), "p%u", i % 3000);

		row = (struct names_row){.kind = NAMES_PLACED, .chain = 1, .number = i + 1};
		row.visible =
			(struct names_visible){.chain = 1, .number = i + 1, .size = i};
		cr_assert_eq(names_put(&names, (uint8_t *)path, (size_t)n, &row), 0);
	}
	for (unsigned again = 0; again < 2; again++) {
		for (unsigned i = 0; i < 3000; i++) {
			struct names_row prev;
			char path[32];
			int n = snprintf(path, sizeof(path), "p%u", i);

			cr_assert(names_find(&names, (uint8_t *)path, (size_t)n, &row));
			cr_assert_eq(row.number, 3000 + i + 1);
			cr_assert_eq(row.visible.size, 3000 + i);
			cr_assert(names_prev(&names, &row, &prev));
			cr_assert_eq(prev.number, i + 1);
			cr_assert(!names_prev(&names, &prev, &prev));
		}
		cr_assert(!names_find(&names, (const uint8_t *)"q", 1, &row));
		cr_assert_eq(names_sync(&names, &err), 0);
		names_close(&names);
		cr_assert_eq(again ? 0 : names_open(&names, dir, &err), 0);
	}
	cr_assert_eq(names_open_existing(&names, dir, &err), 0);
	cr_expect(names_find(&names, (const uint8_t *)"p7", 2, &row));
	names_close(&names);
	remove_dir(dir, left);
}

Test(publish_parts, ledger_sums_and_ranges)
{
	const char *const left[] = {"objects", "manifests", "heads", NULL};
	struct ledger_manifest m = {.number = 3, .first = 21, .last = 30};
	struct km_err err = KM_ERR_INIT;
	const uint8_t head[DIGEST_LEN] = {1};
	static struct ledger ledger;
	struct ledger_sum sum;
	int dir = temp_dir();

	cr_assert_eq(ledger_open(&ledger, dir, &err), 0, "%s", err.text);
	ledger_heads(&ledger, 9, 50, 5, head);
	for (uint64_t i = 1; i <= 10; i++) {
		struct ledger_receipt r = {.state = (i % 3) + 1,
					   .chain = 9,
					   .number = i,
					   .path = (const uint8_t *)"p",
					   .path_len = 1};

		cr_assert_eq(ledger_receipt(&ledger, &r), 0);
		cr_assert_eq(ledger_receipt(&ledger, &r), 0); /* twice is once */
	}
	cr_expect_eq(ledger_store(&ledger, 9, &m), KM_OK);
	cr_expect_eq(ledger_store(&ledger, 9, &m), KM_ERR_EXISTS);
	m.number = 2, m.first = 15, m.last = 21;
	cr_expect_eq(ledger_store(&ledger, 9, &m), KM_ERR_RANGE);
	m.number = 4, m.first = 30, m.last = 35;
	cr_expect_eq(ledger_store(&ledger, 9, &m), KM_ERR_RANGE);
	m.number = 4, m.first = 40, m.last = 45;
	cr_expect_eq(ledger_store(&ledger, 9, &m), KM_OK);
	m.first = 9, m.last = 8;
	cr_expect_eq(ledger_store(&ledger, 9, &m), KM_ERR_RANGE);
	cr_assert_eq(ledger_sync(&ledger, &err), 0);
	cr_assert_eq(ledger_save_heads(&ledger, &err), 0, "%s", err.text);
	for (unsigned again = 0; again < 2; again++) {
		ledger_add_up(&ledger, &sum);
		cr_expect_eq(sum.announced, 50);
		cr_expect_eq(sum.published + sum.quarantined + sum.withdrawn, 10);
		cr_expect_eq(sum.missing, 40);
		cr_expect_eq(sum.manifests_stored, 2);
		cr_expect_eq(sum.manifests_missing, 3);
		cr_expect_eq(ledger_covering(&ledger, 9, 25)->number, 3);
		cr_expect_null(ledger_covering(&ledger, 9, 31));
		cr_expect_null(ledger_covering(&ledger, 9, 46));
		cr_expect_null(ledger_covering(&ledger, 8, 25));
		ledger_close(&ledger);
		cr_assert_eq(again ? 0 : ledger_open(&ledger, dir, &err), 0);
	}
	/* chains that only unsigned records name make room, the signed one stays */
	cr_assert_eq(ledger_open(&ledger, dir, &err), 0);
	for (uint64_t i = 100; i < 1000; i++)
		ledger_note(&ledger, i, 1);
	cr_expect_leq(ledger.chains, LEDGER_CHAINS_MAX);
	cr_expect_not_null(ledger_manifest(&ledger, 9, 3));
	ledger_close(&ledger);
	remove_dir(dir, left);
}

Test(publish_parts, shelf_is_bounded)
{
	const char *const left[] = {"1-1.part", "1-2.part", "1-3.part",
				    "1-4.part", "1-5.part", NULL};
	struct km_err err = KM_ERR_INIT;
	struct shelf_fds fds = {.max = 2};
	struct object *o[5];
	struct shelf shelf;
	int dir = temp_dir();

	cr_assert_eq(shelf_init(&shelf, dir, &fds, 5, &err), 0);
	for (unsigned i = 0; i < 5; i++) {
		o[i] = shelf_add(&shelf, OBJECT_DATA, 1, i + 1);
		cr_assert_not_null(o[i]);
		cr_assert_eq(shelf_ready(&shelf, o[i]), 0);
		cr_assert_leq(fds.open, 2);
	}
	cr_expect_null(shelf_add(&shelf, OBJECT_DATA, 1, 6));
	cr_expect(o[0]->fd < 0 && o[3]->fd >= 0 && o[4]->fd >= 0);
	cr_assert_eq(shelf_ready(&shelf, o[3]), 0);
	cr_assert_eq(shelf_ready(&shelf, o[0]), 0);
	cr_expect(o[4]->fd < 0 && o[3]->fd >= 0, "the least recently used was closed");
	shelf_drop(&shelf, o[3], true);
	cr_expect_eq(fds.open, 1);
	cr_expect_null(shelf_find(&shelf, OBJECT_DATA, 1, 4));
	cr_expect_eq(faccessat(dir, "1-4.part", F_OK, 0), -1);
	shelf_free(&shelf);
	cr_expect_eq(fds.open, 0);
	remove_dir(dir, left);
}

Test(publish_parts, root_refuses_with_the_step)
{
	struct rx_config_channel conf = {
		.name = "files", .dir_mode = 0755, .file_mode = 0644};
	struct km_err err = KM_ERR_INIT;
	struct root root;
	char command[256];
	int dir = temp_dir();

	snprintf(conf.root, sizeof(conf.root), "%s/root", dir_name);
	cr_assert_eq(root_open(&root, &conf, &err), 0, "%s", err.text);
	cr_expect(root.leases);
	cr_expect_eq(faccessat(root.incoming, "probe", F_OK, 0), -1);
	root_close(&root);
	/* tree/ is not a directory */
	snprintf(command, sizeof(command), "%s/root/tree", dir_name);
	cr_assert_eq(rmdir(command), 0);
	close(open(command, O_WRONLY | O_CREAT, 0644));
	cr_expect_eq(root_open(&root, &conf, &err), -1);
	cr_expect_not_null(strstr(err.text, "tree"), "%s", err.text);
	cr_assert_eq(unlink(command), 0);
	cr_expect_eq(root_open_existing(&root, &conf, &err), -1);
	cr_expect_eq(root_open(&root, &conf, &err), 0);
	root_close(&root);
	snprintf(conf.root, sizeof(conf.root), "%s/no/such", dir_name);
	cr_expect_eq(root_open(&root, &conf, &err), -1);
	for (unsigned i = 0; i < 5; i++) {
		static const char *const parts[] = {".incoming", ".quarantine",
						    "generations", "manifests", "tree"};

		snprintf(command, sizeof(command), "%s/root/%s", dir_name, parts[i]);
		cr_expect_eq(rmdir(command), 0);
	}
	snprintf(command, sizeof(command), "%s/root", dir_name);
	cr_expect_eq(rmdir(command), 0);
	close(dir);
	cr_expect_eq(rmdir(dir_name), 0);
}

/* ---- bout ---- */

#define SECOND UINT64_C(1000000000)

Test(parts, a_flood_is_said_at_once_and_once_a_minute)
{
	struct bout bout = {0};
	uint64_t count = 0, said = 0, lines = 0;

	cr_assert_not(bout_note(&bout, 0, 5 * SECOND, &count));
	for (uint64_t s = 100; s < 100 + 600; s++) {
		if (!bout_note(&bout, 7, s * SECOND, &count))
			continue;
		cr_assert_eq(count, lines == 0 ? 7 : 7 * 60);
		lines++;
		said += count;
	}
	cr_assert_eq(lines, 10);
	/* what came last is said too, and then nothing */
	cr_assert_not(bout_note(&bout, 0, 699 * SECOND, &count));
	cr_assert(bout_note(&bout, 0, 700 * SECOND, &count));
	cr_assert_eq(said + count, 600 * 7);
	for (uint64_t s = 701; s < 900; s++)
		cr_assert_not(bout_note(&bout, 0, s * SECOND, &count));
	cr_assert(bout_note(&bout, 1, 900 * SECOND, &count));
	cr_assert_eq(count, 1);
}

/* A decode that leaves holes everywhere: ranges are bounded over all objects and channels. */
Test(publish_parts, ranges_of_all_objects_are_bounded)
{
	struct shelf_fds fds = {.max = 4};
	struct shelf shelf[2];
	struct km_err err = KM_ERR_INIT;
	struct object *o, *full = NULL;

	for (unsigned i = 0; i < 2; i++)
		cr_assert_eq(shelf_init(&shelf[i], -1, &fds, SHELF_MAX, &err), 0);
	for (unsigned i = 0; i < SHELF_RANGES_MAX / EXTENTS_MAX; i++) {
		full = shelf_add(&shelf[i % 2], OBJECT_DATA, 1, i + 1);
		cr_assert_not_null(full);
		for (uint64_t r = 0; r < EXTENTS_MAX; r++) {
			cr_assert(shelf_takes(&shelf[i % 2], full, 2 * r, 2 * r + 1));
			cr_assert_eq(extents_add(&full->have, 2 * r, 2 * r + 1), KM_OK);
			shelf_count(&shelf[i % 2], full);
		}
	}
	o = shelf_add(&shelf[0], OBJECT_DATA, 2, 1);
	cr_expect_not(shelf_takes(&shelf[0], o, 100, 110));
	cr_expect(shelf_takes(&shelf[1], full, 1, 2), "it joins two");
	cr_assert_eq(extents_add(&full->have, 1, 2), KM_OK);
	shelf_count(&shelf[1], full);
	cr_expect(shelf_takes(&shelf[0], o, 100, 110), "there is room for one");
	shelf_drop(&shelf[1], full, false);
	cr_expect_eq(fds.ranges, SHELF_RANGES_MAX - EXTENTS_MAX);
	shelf_free(&shelf[0]);
	shelf_free(&shelf[1]);
	cr_expect_eq(fds.ranges, 0);
}
