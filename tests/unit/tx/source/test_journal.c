// SPDX-License-Identifier: ISC
/* The journal: what comes back, at every length a power cut may leave, and what must not. */
#include <criterion/criterion.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fileio.h"
#include "journal.h"

static char dir_name[] = "/tmp/katamichi-journal-XXXXXX";
static int dir = -1;
static char text[BATCH_TEXT_MAX + 64];
static struct batch *batch;

static void set_up(void)
{
	cr_assert(mkdtemp(dir_name));
	dir = open(dir_name, O_RDONLY | O_DIRECTORY);
	cr_assert_geq(dir, 0);
	batch = batch_new();
	cr_assert(batch);
}

static void tear_down(void)
{
	(void)unlinkat(dir, JOURNAL_NAME, 0);
	(void)unlinkat(dir, JOURNAL_NAME ".damaged", 0);
	close(dir);
	(void)rmdir(dir_name);
	batch_free(batch);
}

TestSuite(journal, .init = set_up, .fini = tear_down, .timeout = 60);

static void fill(unsigned count, unsigned salt)
{
	batch_reset(batch);
	for (unsigned i = 0; i < count; i++) {
		const struct batch_object o = {.kind = i % 3 == 2,
					       .size = i % 3 == 2 ? 0 : i * 7,
					       .mtime_s = 1000 + i,
					       .mtime_ns = i,
					       .ino = salt + i};
		char path[64];

		cr_assert_eq(batch_add(batch, &o, path,
				       (size_t)snprintf(path, sizeof(path),
							"d/%05u \\ \x95\x5c", i)),
			     KM_OK);
	}
}

static void hash_of(uint8_t hash[DIGEST_LEN], uint64_t n)
{
	memset(hash, (int)n, DIGEST_LEN);
}

/* Three claims, one number given up, two made, one left. */
static void live_a_little(struct journal *j)
{
	struct km_err err = KM_ERR_INIT;
	enum journal_found found;
	uint8_t hash[DIGEST_LEN];

	cr_assert_eq(journal_open(j, dir, &found, &err), 0, "%s", err.text);
	cr_assert_eq(found, JOURNAL_NONE);
	cr_assert_eq(journal_start(j, 1700000000, &err), 0, "%s", err.text);
	for (unsigned i = 1; i <= 3; i++) {
		fill(i * 10, i);
		cr_assert_eq(journal_claim(j, batch, text, &err), 0, "%s", err.text);
		cr_assert_eq(batch->manifest, i);
	}
	cr_assert_eq(journal_withdraw(j, 15, 2, &err), 0);
	for (unsigned i = 1; i <= 2; i++) {
		hash_of(hash, i);
		cr_assert_eq(journal_made(j, i, hash, &err), 0);
	}
	cr_assert_eq(journal_left(j, 1, &err), 0);
}

static void expect_lived(struct journal *j)
{
	struct km_err err = KM_ERR_INIT;

	cr_assert_eq(j->chain, 1700000000);
	cr_assert_eq(j->objects, 60);
	cr_assert_eq(j->manifests, 2);
	cr_assert_eq(j->head[0], 2);
	cr_assert_eq(j->left, 1);
	cr_assert_eq(j->left_hash[5], 1);
	cr_assert_eq(j->left_objects, 10);
	cr_assert_eq(j->live_count, 2);
	cr_assert(j->live[0].made && !j->live[1].made);
	cr_assert_eq(journal_load(j, 0, batch, text, &err), 0, "%s", err.text);
	cr_assert_eq(batch->first, 11);
	cr_assert_eq(batch->count, 20);
	cr_assert_eq(batch->object[4].reason, 2);
	cr_assert_eq(batch->object[19].ino, 2 + 19);
	cr_assert_str_eq(batch_path(batch, &batch->object[3]), "d/00003 \\ \x95\x5c");
	cr_assert_eq(journal_load(j, 1, batch, text, &err), 0);
	cr_assert_eq(batch->count, 30);
	cr_assert_eq(batch->object[2].kind, RECORD_OBJECT_DIR);
}

Test(journal, comes_back)
{
	struct km_err err = KM_ERR_INIT;
	enum journal_found found;
	static struct journal j;

	live_a_little(&j);
	expect_lived(&j);
	journal_close(&j);
	cr_assert_eq(journal_open(&j, dir, &found, &err), 0);
	cr_assert_eq(found, JOURNAL_SOUND);
	expect_lived(&j);
	/* Rewritten: the same state in fewer bytes, and it can be gone on with. */
	cr_assert_eq(journal_compact(&j, true, &err), 0, "%s", err.text);
	expect_lived(&j);
	journal_close(&j);
	cr_assert_eq(journal_open(&j, dir, &found, &err), 0);
	cr_assert_eq(found, JOURNAL_SOUND);
	expect_lived(&j);
	fill(1, 9);
	cr_assert_eq(journal_claim(&j, batch, text, &err), 0);
	cr_assert_eq(batch->first, 61);
	cr_assert_eq(batch->manifest, 4);
	journal_close(&j);
}

Test(journal, every_truncation_is_a_state_that_was)
{
	struct km_err err = KM_ERR_INIT;
	enum journal_found found;
	static struct journal j;
	uint64_t objects = 0, left = 0;
	unsigned sound = 0;
	uint8_t *data;
	size_t len;

	live_a_little(&j);
	journal_close(&j);
	cr_assert_eq(fileio_read_all(dir, JOURNAL_NAME, 1 << 20, &data, &len, &err), 0);
	for (size_t n = 0; n <= len; n++) {
		cr_assert_eq(fileio_write_atomic(dir, JOURNAL_NAME, data, n, 0600, &err),
			     0);
		cr_assert_eq(journal_open(&j, dir, &found, &err), 0, "%s", err.text);
		if (j.chain == 0) {
			/* Only before the first state line is whole. */
			cr_assert_eq(found, JOURNAL_DAMAGED);
			cr_assert_eq(objects, 0);
			continue;
		}
		/* Numbers only grow with the length, and the end is cut off for good. */
		cr_assert_geq(j.objects, objects);
		cr_assert_geq(j.left, left);
		objects = j.objects;
		left = j.left;
		sound += found == JOURNAL_SOUND;
		for (unsigned i = 0; i < j.live_count; i++)
			cr_assert_eq(journal_load(&j, i, batch, text, &err), 0);
		fill(2, 1);
		if (n % 97 == 0) {
			cr_assert_eq(journal_claim(&j, batch, text, &err), 0);
			journal_close(&j);
			cr_assert_eq(journal_open(&j, dir, &found, &err), 0);
			cr_assert_eq(found, JOURNAL_SOUND);
			cr_assert_eq(j.objects, objects + 2);
		}
		journal_close(&j);
	}
	cr_assert_eq(sound, 8); /* one per entry */
	cr_assert_eq(left, 1);
	free(data);
}

/* A power cut may leave the last entry's blocks in any state. */
Test(journal, a_torn_last_entry_of_any_bytes_is_cut)
{
	struct km_err err = KM_ERR_INIT;
	enum journal_found found;
	static struct journal j;
	size_t before;
	uint8_t *data;
	size_t len;

	live_a_little(&j);
	before = (size_t)j.size;
	fill(40, 5);
	cr_assert_eq(journal_claim(&j, batch, text, &err), 0);
	journal_close(&j);
	cr_assert_eq(fileio_read_all(dir, JOURNAL_NAME, 1 << 20, &data, &len, &err), 0);
	for (size_t at = before; at < len; at += 13) {
		const uint8_t keep = data[at];

		data[at] ^= 0x20;
		cr_assert_eq(fileio_write_atomic(dir, JOURNAL_NAME, data, len, 0600, &err),
			     0);
		cr_assert_eq(journal_open(&j, dir, &found, &err), 0);
		cr_assert_eq(found, JOURNAL_TORN, "byte %zu", at);
		expect_lived(&j);
		journal_close(&j);
		data[at] = keep;
	}
	free(data);
}

Test(journal, damage_in_the_middle_is_not_taken_for_a_power_cut)
{
	struct km_err err = KM_ERR_INIT;
	enum journal_found found;
	static struct journal j;
	uint8_t *data;
	size_t len;

	live_a_little(&j);
	journal_close(&j);
	cr_assert_eq(fileio_read_all(dir, JOURNAL_NAME, 1 << 20, &data, &len, &err), 0);
	data[len / 2] ^= 1;
	cr_assert_eq(fileio_write_atomic(dir, JOURNAL_NAME, data, len, 0600, &err), 0);
	cr_assert_eq(journal_open(&j, dir, &found, &err), 0);
	cr_assert_eq(found, JOURNAL_DAMAGED);
	cr_assert_eq(j.chain, 0);
	cr_assert_eq(faccessat(dir, JOURNAL_NAME ".damaged", F_OK, 0), 0);
	cr_assert_eq(journal_start(&j, 7, &err), 0);
	cr_assert_eq(j.objects, 0);
	journal_close(&j);
	free(data);
}

Test(journal, rules_of_order)
{
	struct km_err err = KM_ERR_INIT;
	static struct journal j;
	uint8_t hash[DIGEST_LEN] = {9};

	live_a_little(&j);
	/* Only the oldest may leave, and only with its manifest made. */
	cr_assert_eq(journal_left(&j, 3, &err), -1);
	cr_assert_eq(journal_left(&j, 2, &err), 0);
	cr_assert_eq(journal_left(&j, 3, &err), -1);
	cr_assert_eq(journal_made(&j, 3, hash, &err), 0);
	cr_assert_eq(journal_left(&j, 3, &err), 0);
	cr_assert_eq(j.live_count, 0);
	for (unsigned i = 0; i < JOURNAL_LIVE_MAX; i++) {
		fill(1, i);
		cr_assert_eq(journal_claim(&j, batch, text, &err), 0);
	}
	cr_assert_eq(journal_claim(&j, batch, text, &err), -1);
	journal_close(&j);
}

Test(journal, a_batch_reads_what_it_wrote_and_nothing_else)
{
	static const char *const bad[] = {
		"",
		"B",
		"B 1 1 1",
		"B 1 1 1\n",
		"B 1 0 0\nO f 1 1 1 1 a\n",
		"B 1 1 1\nO f 1 1 1 1 ../a\n",
		"B 1 1 1\nO f 1 1 1 1 a",
		"B 1 1 1\nO x 1 1 1 1 a\n",
		"B 1 1 1\nO f 1 1 1000000000 1 a\n",
		"B 1 1 2\nO f 1 1 1 1 a\n",
		"B 1 1 1\nO f 1 1 1 1 a\nO f 1 1 1 1 b\n",
		"B 1 1 9999\nO f 1 1 1 1 a\n",
		"B 1 1 1\nO f 99999999999999999999 1 1 1 a\n",
		"B 1 1 1\nO f -1 1 1 1 a\n",
	};
	size_t len;

	fill(300, 3);
	batch->manifest = 4;
	batch->first = 77;
	len = batch_write(text, batch);
	cr_assert_eq(batch_read(batch, text, len), KM_OK);
	cr_assert_eq(batch->count, 300);
	cr_assert_eq(batch->manifest, 4);
	cr_assert_eq(batch->first, 77);
	for (size_t n = 0; n < len; n++)
		cr_assert_eq(batch_read(batch, text, n), KM_ERR_MALFORMED);
	for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		cr_assert_eq(batch_read(batch, bad[i], strlen(bad[i])), KM_ERR_MALFORMED,
			     "%s", bad[i]);
}
