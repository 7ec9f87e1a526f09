// SPDX-License-Identifier: ISC
/*
 * The files that tx reads back from its own disk: the journal of a channel with its claims,
 * the directories carried already, manifests of the outbox. Input: u8 how, then the pieces of
 * the journal { u8 how, u16 length, bytes }, which get head and checksum when HOW asks for it.
 * A journal that is believed is written anew, and must then say the same.
 */
#include <string.h>
#include <sys/stat.h>

#include "batch.h"
#include "crc32.h"
#include "cursor.h"
#include "digest.h"
#include "dirmark.h"
#include "fuzz_alloc.h"
#include "fuzz_dir.h"
#include "fuzz_target.h"
#include "journal.h"
#include "outbox.h"

#define FILE_MAX 32768u
#define ENTRY 1u /* how: head and checksum are made right */

enum kind { JOURNAL, DIRS, OUTBOX, KINDS };

static struct batch *batch;
static char *claim;

static void write_journal(struct rd *rd)
{
	static char text[FILE_MAX + 64];
	size_t used = 0;

	if (rd_u8(rd) & 1)
		used = (size_t)snprintf(text, sizeof(text), "katamichi journal 1\n");
	while (rd_left(rd)) {
		const uint8_t how = rd_u8(rd);
		size_t n = rd_u16(rd);
		const uint8_t *p;

		n = n < rd_left(rd) ? n : rd_left(rd);
		p = rd_bytes(rd, n);
		if (!p || used + n + 64 > FILE_MAX)
			break;
		if (how & ENTRY)
			used += (size_t)snprintf(text + used, 64, "T %zu %08x\n", n,
						 crc32_add(0, p, n));
		memcpy(text + used, p, n);
		used += n;
	}
	fuzz_dir_put(JOURNAL_NAME, text, used);
}

static void same(const struct journal *a, const struct journal *b)
{
	FUZZ_ASSERT(a->chain == b->chain && a->objects == b->objects);
	FUZZ_ASSERT(a->manifests == b->manifests && a->left == b->left);
	FUZZ_ASSERT(a->left_objects == b->left_objects && a->live_count == b->live_count);
	for (unsigned i = 0; i < a->live_count; i++) {
		const struct journal_live *x = &a->live[i], *y = &b->live[i];

		FUZZ_ASSERT(x->manifest == y->manifest && x->first == y->first &&
			    x->last == y->last && x->made == y->made && x->len == y->len);
		FUZZ_ASSERT(memcmp(x->reason, y->reason, sizeof(x->reason)) == 0);
		FUZZ_ASSERT(!x->made || memcmp(x->hash, y->hash, DIGEST_LEN) == 0);
	}
}

static void read_claims(struct journal *j)
{
	struct km_err err = KM_ERR_INIT;

	for (unsigned i = 0; i < j->live_count; i++) {
		if (journal_load(j, i, batch, claim, &err) != 0)
			continue;
		FUZZ_ASSERT(batch->first == j->live[i].first &&
			    batch->first + batch->count - 1 == j->live[i].last);
		for (unsigned o = 0; o < batch->count; o++)
			FUZZ_ASSERT(batch->object[o].path_len ==
				    strlen(batch_path(batch, &batch->object[o])));
	}
}

/* New numbers go on behind all that the journal knows. */
static void go_on(struct journal *j)
{
	const struct batch_object object = {.kind = RECORD_OBJECT_FILE, .size = 1};
	struct km_err err = KM_ERR_INIT;
	const uint64_t objects = j->objects;

	if (j->live_count == JOURNAL_LIVE_MAX || objects > UINT64_MAX - 8)
		return;
	batch_reset(batch);
	if (batch_add(batch, &object, "a", 1) != KM_OK ||
	    journal_claim(j, batch, claim, &err) != 0)
		return;
	FUZZ_ASSERT(batch->first == objects + 1 && j->objects == objects + 1);
}

static void open_journal(void)
{
	static struct journal j, again;
	struct km_err err = KM_ERR_INIT;
	enum journal_found found;

	if (journal_open(&j, fuzz_dir(), &found, &err) != 0) {
		FUZZ_ASSERT(err.code && err.text[0]);
		journal_close(&j);
		return;
	}
	FUZZ_ASSERT((found == JOURNAL_SOUND || found == JOURNAL_TORN) == (j.chain != 0));
	if (j.chain == 0) {
		FUZZ_ASSERT(found == JOURNAL_DAMAGED);
		if (journal_start(&j, 5, &err) != 0) {
			journal_close(&j);
			return;
		}
	}
	read_claims(&j);
	go_on(&j);
	if (journal_compact(&j, true, &err) == 0 &&
	    journal_open(&again, fuzz_dir(), &found, &err) == 0) {
		FUZZ_ASSERT(found == JOURNAL_SOUND);
		same(&j, &again);
		journal_close(&again);
	}
	journal_close(&j);
}

static void open_dirs(struct rd *rd)
{
	const struct dirmark_row row = {.dev = 1, .ino = 2, .mtime_s = 3, .mtime_ns = 4};
	const size_t n = rd_left(rd);
	struct km_err err = KM_ERR_INIT;
	struct dirmark marks;

	fuzz_dir_put(DIRMARK_NAME, rd_bytes(rd, n), n);
	if (dirmark_open(&marks, fuzz_dir(), &err) != 0) {
		FUZZ_ASSERT(err.code && err.text[0]);
		dirmark_close(&marks);
		return;
	}
	for (uint32_t i = 1; i < marks.count; i++)
		FUZZ_ASSERT(marks.row[i - 1].dev < marks.row[i].dev ||
			    (marks.row[i - 1].dev == marks.row[i].dev &&
			     marks.row[i - 1].ino < marks.row[i].ino));
	dirmark_set(&marks, &row);
	dirmark_close(&marks);
}

static void open_outbox(struct rd *rd)
{
	uint64_t first, last, found, until;
	size_t n = rd_u8(rd), len;
	uint8_t *data = NULL;

	n = n < rd_left(rd) ? n : rd_left(rd);
	fuzz_dir_put("5-00000001.manifest.minisig", rd_bytes(rd, n), n);
	n = rd_left(rd);
	fuzz_dir_put("5-00000001.manifest", rd_bytes(rd, n), n);
	if (outbox_range(fuzz_dir(), 5, 1, &first, &last) == 0)
		FUZZ_ASSERT(first >= 1 && first <= last);
	found = outbox_find(fuzz_dir(), 5, 3, 2, &until);
	FUZZ_ASSERT(found <= 1 && until >= 2);
	(void)outbox_highest(fuzz_dir(), 5);
	if (outbox_read(fuzz_dir(), 5, 1, &data, &len, NULL) == 0)
		FUZZ_ASSERT(len >= 4 && len <= WIRE_MANIFEST_MAX);
	free(data);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct rd rd;

	if (!batch) {
		fuzz_dir_hush();
		batch = batch_new();
		claim = malloc(BATCH_TEXT_MAX + 64);
		FUZZ_ASSERT(batch && claim);
	}
	rd_init(&rd, data, size);
	switch (rd_u8(&rd) % KINDS) {
	case JOURNAL:
		write_journal(&rd);
		fuzz_alloc_begin(data, size);
		open_journal();
		break;
	case DIRS:
		fuzz_alloc_begin(data, size);
		open_dirs(&rd);
		break;
	default:
		fuzz_alloc_begin(data, size);
		open_outbox(&rd);
		break;
	}
	(void)fuzz_alloc_end();
	fuzz_dir_empty();
	return 0;
}
