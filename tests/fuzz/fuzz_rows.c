// SPDX-License-Identifier: ISC
/*
 * The files that rx reads back from its own disk: rows of receipts, manifests, names and
 * progress, heads, floors. Input: pieces { u8 file, u8 how, u16 length, bytes }; rows get their
 * length and checksum when HOW asks for it, so that what a checksum stops is not all that is
 * tried, and files of rows begin with their own first row when the input begins with one.
 *
 * Commands read first; then publish opens, adds a row, and opens again: what was added must be
 * there whatever stood before it.
 */
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "crc32.h"
#include "cursor.h"
#include "digest.h"
#include "floors.h"
#include "fuzz_alloc.h"
#include "fuzz_dir.h"
#include "fuzz_target.h"
#include "keys.h"
#include "ledger.h"
#include "names.h"
#include "progress.h"

#define FILE_MAX 524288u
#define ROW 1u	  /* how: length and checksum are made right */
#define FIRST 2u  /* the row that names the kind of file goes before it */
#define MANY 4u	  /* the row again and again, each with a number behind: tables must grow */
#define FOLDER 8u /* the name is a folder */
#define LINKED 16u /* the name is a symbolic link */
#define MANY_ROWS 2100u

enum file { OBJECTS, MANIFESTS, NAMES, PROGRESS, HEADS, FLOORS, PART, FILES };

static const char *const names_of[FILES] = {"objects", "manifests", "names",   "progress",
					    "heads",   "floors",    "1-1.part"};
static const char *const magic[FILES] = {"katamichi rx objects 1",
					 "katamichi rx manifests 1", "katamichi rx names 1",
					 "katamichi rx progress 1"};

static uint8_t text[FILES][FILE_MAX];
static size_t used[FILES];
static uint8_t odd[FILES]; /* FOLDER, LINKED */

static void put(enum file file, const uint8_t *p, size_t n, bool row)
{
	struct wr wr;

	wr_init(&wr, text[file] + used[file], FILE_MAX - used[file]);
	if (row) {
		wr_u32(&wr, (uint32_t)n);
		wr_u32(&wr, crc32_add(0, p, n));
	}
	wr_bytes(&wr, p, n);
	if (wr_ok(&wr))
		used[file] += wr.used;
}

static void put_many(enum file file, const uint8_t *p, size_t n)
{
	uint8_t row[256];

	for (unsigned i = 0; i < MANY_ROWS && n + 4 <= sizeof(row); i++) {
		memcpy(row, p, n);
		(void)snprintf((char *)row + n, sizeof(row) - n, "%04u", i);
		put(file, row, n + 4, true);
	}
}

static void write_files(struct rd *rd)
{
	memset(used, 0, sizeof(used));
	memset(odd, 0, sizeof(odd));
	while (rd_left(rd)) {
		const enum file file = rd_u8(rd) % FILES;
		const uint8_t how = rd_u8(rd);
		size_t n = rd_u16(rd);
		const uint8_t *p;

		n = n < rd_left(rd) ? n : rd_left(rd);
		p = rd_bytes(rd, n);
		odd[file] |= how & (FOLDER | LINKED);
		if ((how & FIRST) && magic[file])
			put(file, (const uint8_t *)magic[file], strlen(magic[file]), true);
		if (p && n)
			put(file, p, n, how & ROW);
		if (p && n && (how & MANY))
			put_many(file, p, n);
		if (file == FLOORS && (how & ROW)) { /* there it is a digest, at the end */
			uint8_t sum[DIGEST_LEN];

			used[file] = 0;
			put(file, p, n, false);
			digest_sha256(sum, p ? p : (const uint8_t *)"", p ? n : 0);
			put(file, sum, sizeof(sum), false);
		}
	}
	for (unsigned i = 0; i < FILES; i++) {
		if (odd[i] & FOLDER)
			FUZZ_ASSERT(mkdirat(fuzz_dir(), names_of[i], 0700) == 0);
		else if (odd[i] & LINKED)
			FUZZ_ASSERT(symlinkat("heads", fuzz_dir(), names_of[i]) == 0);
		else if (used[i])
			fuzz_dir_put(names_of[i], text[i], used[i]);
	}
}

static void check_sum(const struct ledger *ledger)
{
	struct ledger_sum sum;

	ledger_add_up(ledger, &sum);
	FUZZ_ASSERT(sum.announced ==
		    sum.published + sum.quarantined + sum.withdrawn + sum.missing);
	FUZZ_ASSERT(sum.manifests_missing <= UINT64_MAX - sum.manifests_stored);
	for (unsigned i = 0; i < ledger->chains; i++) {
		const struct ledger_chain *c = ledger->chain[i];

		FUZZ_ASSERT(i == 0 || c->id > ledger->chain[i - 1]->id);
		FUZZ_ASSERT(extents_total(&c->settled) ==
			    c->published + c->quarantined + c->withdrawn);
		for (size_t m = 0; m < c->n; m++)
			FUZZ_ASSERT(
				c->manifest[m].first <= c->manifest[m].last &&
				(m == 0 || c->manifest[m].first > c->manifest[m - 1].last));
	}
}

static void open_ledger(bool writing)
{
	static const uint8_t path[] = "a";
	const struct ledger_receipt receipt = {.state = LEDGER_PUBLISHED,
					       .chain = 77,
					       .number = 7,
					       .path = path,
					       .path_len = 1};
	struct km_err err = KM_ERR_INIT;
	struct ledger ledger;

	if ((writing ? ledger_open(&ledger, fuzz_dir(), &err)
		     : ledger_open_existing(&ledger, fuzz_dir(), &err)) != 0) {
		FUZZ_ASSERT(err.code && err.text[0]);
		return;
	}
	check_sum(&ledger);
	if (writing && ledger_receipt(&ledger, &receipt) == 0 &&
	    ledger_sync(&ledger, &err) == 0 && ledger_save_heads(&ledger, &err) == 0 &&
	    ledger_settled(&ledger, 77, 7)) {
		ledger_close(&ledger);
		if (ledger_open_existing(&ledger, fuzz_dir(), &err) != 0)
			return; /* no memory */
		FUZZ_ASSERT(ledger_settled(&ledger, 77, 7));
		check_sum(&ledger);
	}
	ledger_close(&ledger);
}

static void look_up(const struct names *names)
{
	struct names_row row, before;

	for (unsigned hop = 0; hop < 8; hop++) {
		if (hop == 0 ? !names_find(names, (const uint8_t *)"a", 1, &row)
			     : !names_prev(names, &before, &row))
			return;
		before = row;
	}
}

/* Which object the command would say stands under the name; 0: none. */
static uint64_t known(void)
{
	struct km_err err = KM_ERR_INIT;
	struct names_row row;
	struct names names;
	uint64_t number = 0;

	if (names_open_existing(&names, fuzz_dir(), &err) != 0)
		return 0;
	if (names_find(&names, (const uint8_t *)"a", 1, &row))
		number = row.number;
	names_close(&names);
	return number;
}

static void open_names(void)
{
	const struct names_row row = {.kind = NAMES_PLACED, .chain = 77, .number = 7};
	struct km_err err = KM_ERR_INIT;
	struct names names;
	struct names_row got;

	if (names_open_existing(&names, fuzz_dir(), &err) == 0) {
		look_up(&names);
		names_close(&names);
	}
	err = (struct km_err)KM_ERR_INIT;
	if (names_open(&names, fuzz_dir(), &err) != 0) {
		FUZZ_ASSERT(err.code && err.text[0]);
		return;
	}
	look_up(&names);
	if (names_put(&names, (const uint8_t *)"a", 1, &row) == 0 &&
	    names_find(&names, (const uint8_t *)"a", 1, &got) && got.chain == 77 &&
	    names_sync(&names, &err) == 0) {
		FUZZ_ASSERT(names_find(&names, (const uint8_t *)"a", 1, &got) &&
			    got.chain == 77);
		names_close(&names);
		if (names_open(&names, fuzz_dir(), &err) != 0)
			return; /* no memory */
		FUZZ_ASSERT(names_find(&names, (const uint8_t *)"a", 1, &got) &&
			    got.chain == 77);
	}
	names_close(&names);
}

static void check_extents(const struct extents *set)
{
	struct extents copy;

	if (extents_copy(&copy, set) != KM_OK)
		return; /* no memory */
	FUZZ_ASSERT(extents_total(&copy) == extents_total(set));
	for (size_t i = 0; i < copy.n; i++)
		FUZZ_ASSERT(extents_touches(set, copy.v[i].from, copy.v[i].to) &&
			    extents_covers(set, copy.v[i].from, copy.v[i].to));
	FUZZ_ASSERT(!extents_touches(set, 5, 5));
	extents_free(&copy);
}

static void check_shelf(const struct shelf *shelf)
{
	struct object *o, *next = NULL;
	size_t cursor = 0;

	while ((o = shelf_each(shelf, &cursor, &next))) {
		FUZZ_ASSERT(!o->begun || extents_end(&o->have) <= o->size);
		FUZZ_ASSERT(extents_end(&o->have) <= used[PART]);
		check_extents(&o->have);
		FUZZ_ASSERT(extents_total(&o->safe) <= extents_total(&o->have));
	}
}

static void open_progress(void)
{
	struct shelf_fds fds = {.max = 4};
	struct km_err err = KM_ERR_INIT;
	struct progress progress;
	struct shelf shelf;
	size_t before;

	if (shelf_init(&shelf, fuzz_dir(), &fds, 64, &err) != 0)
		return;
	if (progress_open(&progress, fuzz_dir(), &shelf, &err) == 0) {
		check_shelf(&shelf);
		before = shelf.count;
		progress_close(&progress);
		shelf_free(&shelf);
		if (shelf_init(&shelf, fuzz_dir(), &fds, 64, &err) != 0)
			return;
		/* written anew, it says the same of what it knows something of */
		if (progress_read(fuzz_dir(), &shelf, &err) == 0)
			FUZZ_ASSERT(shelf.count <= before);
	} else {
		FUZZ_ASSERT(err.code && err.text[0]);
		progress_close(&progress);
	}
	shelf_free(&shelf);
}

static void open_floors(void)
{
	static struct floors floors, again;
	struct km_err err = KM_ERR_INIT;

	if (floors_load(&floors, fuzz_dir(), &err) != 0) {
		FUZZ_ASSERT(err.code && err.text[0]);
		return;
	}
	FUZZ_ASSERT(floors.count <= FLOORS_IDENTITIES);
	(void)floors_raise(&floors, 1, 3, 99);
	if (floors_store(&floors, fuzz_dir(), &err) == 0 &&
	    floors_load(&again, fuzz_dir(), &err) == 0)
		FUZZ_ASSERT(memcmp(&floors, &again, sizeof(floors)) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct rd rd;
	uint64_t before, after;

	FUZZ_ASSERT(keys_init(NULL) == 0);
	rd_init(&rd, data, size);
	write_files(&rd);
	before = known();
	fuzz_alloc_begin(data, size);
	open_ledger(false);
	open_ledger(true);
	open_names();
	open_progress();
	open_floors();
	/* what was refused memory has not cut off what it could not take */
	(void)fuzz_alloc_end();
	after = known();
	FUZZ_ASSERT(after == before || after == 7);
	fuzz_dir_empty();
	return 0;
}
