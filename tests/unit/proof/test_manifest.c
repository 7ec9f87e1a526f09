// SPDX-License-Identifier: ISC
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

#include "manifest_sample.h"
#include "minisig.h"
#include "seeded.h"

#define HEX8(b) b b b b b b b b
#define HEX32(b) HEX8(b) HEX8(b) HEX8(b) HEX8(b)

static const char golden[] =
	"# katamichi manifest 1\n"
	"# tx: CSM7-NBFR-CAYQ-EV4F-R65R-X7WE-4049-E545\n"
	"# channel: 7 timetables\n"
	"# owner: Dept. 4, \xe9\x81\x8b\xe8\xbb\xa2\n"
	"# purpose: daily timetables to the office\n"
	"# classification: internal\n"
	"# chain: 1763704291\n"
	"# manifest: 2\n"
	"# previous: " HEX32(
		"cd") "\n"
		      "# objects: 5 11\n"
		      "# created: 2025-11-21T05:51:31.042Z\n"
		      "# software: katamichi 0.1.0\n"
		      "# config: " HEX32(
			      "1f") "\n"
				    "# verify: minisign -Vm 1763704291-00000002.manifest "
				    "-p tx.pub && sha256sum --strict -c "
				    "1763704291-00000002.manifest\n"
				    "# mtime 1763704000.000000000\n" HEX32(
					    "a0") "  ./-rf\n"
						  "# mtime 1763704001.000000001\n" HEX32(
							  "a1") "  ./a b\n"
								"# withdrawn gone "
								"./c\\\\gone\n"
								"# mtime "
								"1763704003.000000003\n# "
								"dir ./d\\\\ir/empty\n"
								"# mtime "
								"1763704004."
								"000000004\n\\" HEX32(
									"a4") "  ./e\\\\f\n"
									      "# mtime "
									      "1763704005."
									      "000000005\nS"
									      "HA256-TREE-"
									      "1M "
									      "(./"
									      "large\\\\) "
									      "= " HEX32(
										      "a5") "\n"
											    "# mtime 1763704006.000000006\n\\" HEX32(
												    "a6") "  ./\x83\\\\\x94\\\\\n";

static char out[SAMPLE_ROOM];
static uint8_t scratch[SAMPLE_ROOM];
static struct manifest_head head;
static struct manifest_entry entries[WIRE_BATCH_OBJECTS_MAX];

/* Parse, and hold the parser to its word: what it accepts the writer writes. */
static enum km_rc parse(const char *text, size_t len, unsigned *line)
{
	static char again[SAMPLE_ROOM];
	size_t count, n;
	enum km_rc rc;

	rc = manifest_parse(&head, entries, WIRE_BATCH_OBJECTS_MAX, &count, scratch,
			    sizeof(scratch), text, len, line);
	cr_assert_eq(rc == KM_ERR_MALFORMED, *line > 0);
	if (rc != KM_OK)
		return rc;
	cr_assert_eq(count, head.last - head.first + 1);
	cr_assert_eq(manifest_write(again, sizeof(again), &n, &head, entries, count),
		     KM_OK);
	cr_assert(n == len && memcmp(again, text, len) == 0);
	cr_assert_leq(n, manifest_bytes_max(entries, count));
	return rc;
}

static unsigned bad_line(const char *text)
{
	unsigned line;

	cr_assert_eq(parse(text, strlen(text), &line), KM_ERR_MALFORMED);
	return line;
}

Test(manifest, golden_text)
{
	struct manifest_entry e[SAMPLE_ENTRIES];
	struct manifest_head h;
	unsigned line;
	size_t n;

	manifest_sample(&h, e);
	cr_assert_eq(manifest_write(out, sizeof(out), &n, &h, e, SAMPLE_ENTRIES), KM_OK);
	cr_assert_eq(n, strlen(golden));
	cr_assert_eq(memcmp(out, golden, n), 0, "%.*s", (int)n, out);
	cr_assert_eq(parse(golden, n, &line), KM_OK, "line %u", line);
	cr_assert_eq(memcmp(&h, &head, sizeof(h)), 0);
	for (unsigned i = 0; i < SAMPLE_ENTRIES; i++) {
		cr_assert_eq(entries[i].kind, e[i].kind);
		cr_assert_eq(entries[i].number, e[i].number);
		cr_assert_eq(entries[i].mtime_s, e[i].mtime_s);
		cr_assert_eq(entries[i].mtime_ns, e[i].mtime_ns);
		cr_assert_eq(entries[i].reason, e[i].reason);
		cr_assert_arr_eq(entries[i].digest, e[i].digest, DIGEST_LEN);
		cr_assert_eq(entries[i].path_len, e[i].path_len);
		cr_assert_arr_eq(entries[i].path, e[i].path, e[i].path_len);
	}
}

Test(manifest, first_of_a_chain)
{
	struct manifest_entry e[SAMPLE_ENTRIES];
	struct manifest_head h;
	unsigned line;
	size_t n;

	manifest_sample(&h, e);
	h.number = 1;
	cr_assert_eq(manifest_write(out, sizeof(out), &n, &h, e, SAMPLE_ENTRIES),
		     KM_ERR_RANGE);
	memset(h.previous, 0, sizeof(h.previous));
	cr_assert_eq(manifest_write(out, sizeof(out), &n, &h, e, SAMPLE_ENTRIES), KM_OK);
	out[n] = '\0';
	cr_assert_not_null(strstr(out, "# previous: none\n"));
	cr_assert_eq(parse(out, n, &line), KM_OK);
	h.number = 2;
	cr_assert_eq(manifest_write(out, sizeof(out), &n, &h, e, SAMPLE_ENTRIES),
		     KM_ERR_RANGE);
}

Test(manifest, every_truncation)
{
	size_t len = strlen(golden);
	unsigned line;

	for (size_t n = 0; n < len; n++)
		cr_assert_eq(parse(golden, n, &line), KM_ERR_MALFORMED, "%zu bytes", n);
	memcpy(out, golden, len);
	out[len] = '\n';
	cr_assert_eq(parse(out, len + 1, &line), KM_ERR_MALFORMED);
	cr_assert_eq(line, 28u);
}

Test(manifest, every_single_byte_change, .timeout = 300)
{
	size_t len = strlen(golden), accepted = 0;
	unsigned line;

	memcpy(out, golden, len);
	for (size_t at = 0; at < len; at++) {
		for (unsigned v = 0; v < 256; v++) {
			out[at] = (char)v;
			accepted += parse(out, len, &line) == KM_OK;
		}
		out[at] = golden[at];
	}
	cr_assert_gt(accepted, len);
}

/* Replace the first FROM of the golden text by TO. */
static const char *with(const char *from, const char *to)
{
	const char *at = strstr(golden, from);

	cr_assert_not_null(at, "%s", from);
	snprintf(out, sizeof(out), "%.*s%s%s", (int)(at - golden), golden, to,
		 at + strlen(from));
	return out;
}

Test(manifest, names_the_line_of_the_fault)
{
	cr_assert_eq(bad_line(""), 1u);
	cr_assert_eq(bad_line(with("manifest 1\n", "manifest 2\n")), 1u);
	cr_assert_eq(bad_line(with("manifest 1\n", "manifest 1 \n")), 1u);
	cr_assert_eq(bad_line(with("channel: 7", "channel: 65536")), 3u);
	cr_assert_eq(bad_line(with("channel: 7", "channel: 07")), 3u);
	cr_assert_eq(bad_line(with("chain: 1", "chain: +1")), 7u);
	cr_assert_eq(bad_line(with("chain: 1763704291", "chain: 99999999999999999999")),
		     7u);
	cr_assert_eq(bad_line(with("previous: cd", "previous: CD")), 9u);
	cr_assert_eq(bad_line(with("05:51:31", "5:51:31")), 11u);
	cr_assert_eq(bad_line(with("2025-11-21", "2025-11-31")), 11u);
	cr_assert_eq(bad_line(with("31.042Z", "31.42Z")), 11u);
	cr_assert_eq(bad_line(with("-p tx.pub", "-p rx.pub")), 14u);
	cr_assert_eq(bad_line(with("4000.000000000", "4000.00000000")), 16u);
	cr_assert_eq(bad_line(with("./-rf", "-rf")), 16u);
	cr_assert_eq(bad_line(with("  ./-rf", " *./-rf")), 16u);
	cr_assert_eq(bad_line(with("./a b", "./a/../b")), 18u);
	cr_assert_eq(bad_line(with("./a b", "./+")), 18u, "out of order");
	cr_assert_eq(bad_line(with("./a b", "./-rf")), 18u, "twice");
	cr_assert_eq(bad_line(with("gone ./", "lost ./")), 19u);
	cr_assert_eq(bad_line(with("./c\\\\gone", "./c\\gone")), 19u);
	cr_assert_eq(bad_line(with("# withdrawn", "# mtime 1.000000000\n# withdrawn")),
		     20u);
	cr_assert_eq(bad_line(with("\\a4a4", "a4a4")), 23u, "escape without its mark");
	cr_assert_eq(bad_line(with("./e\\\\f", "./ef")), 23u, "mark without an escape");
	cr_assert_eq(bad_line(with(") = a5", ")= a5")), 25u);
	cr_assert_eq(bad_line(with("objects: 5 11", "objects: 5 10")), 26u);
	cr_assert_eq(bad_line(with("objects: 5 11", "objects: 5 12")), 28u);
}

Test(manifest, head_texts)
{
	static const char *const bad[] = {
		"owner: \n",	 "owner: a\tb\n",	  "owner: \x1b[2J\n",
		"owner: \xc3\n", "owner: \xe2\x80\xae\n", "owner: \xc2\x85\n"};
	char line[300];
	unsigned at;

	for (size_t i = 0; i < KM_COUNT(bad); i++)
		cr_assert_gt(bad_line(with("owner: Dept. 4, \xe9\x81\x8b\xe8\xbb\xa2\n",
					   bad[i])),
			     0u);
	snprintf(line, sizeof(line), "owner: %0200d\n", 7);
	with("owner: Dept. 4, \xe9\x81\x8b\xe8\xbb\xa2\n", line);
	cr_assert_eq(parse(out, strlen(out), &at), KM_OK);
	snprintf(line, sizeof(line), "owner: %0201d\n", 7);
	cr_assert_eq(bad_line(with("owner: Dept. 4, \xe9\x81\x8b\xe8\xbb\xa2\n", line)),
		     4u);
	cr_assert_eq(bad_line(with("CSM7-", "CSU7-")), 14u, "no such character");
}

Test(manifest, limits)
{
	struct manifest_entry e[SAMPLE_ENTRIES];
	struct manifest_head h;
	size_t n, count;
	unsigned line;

	manifest_sample(&h, e);
	for (size_t cap = 0; cap < strlen(golden); cap++)
		cr_assert_eq(manifest_write(out, cap, &n, &h, e, SAMPLE_ENTRIES),
			     KM_ERR_FULL);
	cr_assert_eq(manifest_write(out, strlen(golden), &n, &h, e, SAMPLE_ENTRIES), KM_OK);
	cr_assert_eq(manifest_write(out, sizeof(out), &n, &h, e, SAMPLE_ENTRIES - 1),
		     KM_ERR_RANGE);
	e[3].number++;
	cr_assert_eq(manifest_write(out, sizeof(out), &n, &h, e, SAMPLE_ENTRIES),
		     KM_ERR_RANGE);
	e[3].number--;
	e[3].mtime_s = -1;
	cr_assert_eq(manifest_write(out, sizeof(out), &n, &h, e, SAMPLE_ENTRIES),
		     KM_ERR_RANGE);
	e[3].mtime_s = 0;
	e[3].mtime_ns = 1000000000;
	cr_assert_eq(manifest_write(out, sizeof(out), &n, &h, e, SAMPLE_ENTRIES),
		     KM_ERR_RANGE);
	e[3].mtime_ns = 0;
	e[3].path = (const uint8_t *)"..";
	e[3].path_len = 2;
	cr_assert_eq(manifest_write(out, sizeof(out), &n, &h, e, SAMPLE_ENTRIES),
		     KM_ERR_RANGE);
	cr_assert_eq(manifest_parse(&head, entries, SAMPLE_ENTRIES - 1, &count, scratch,
				    sizeof(scratch), golden, strlen(golden), &line),
		     KM_ERR_LIMIT);
	cr_assert_eq(manifest_parse(&head, entries, SAMPLE_ENTRIES, &count, scratch,
				    strlen(golden) - 1, golden, strlen(golden), &line),
		     KM_ERR_LIMIT);
	cr_assert_eq(manifest_parse(&head, entries, SAMPLE_ENTRIES, &count, scratch,
				    MANIFEST_BYTES_MAX + 1, golden, MANIFEST_BYTES_MAX + 1,
				    &line),
		     KM_ERR_LIMIT);
}

/* The largest batch there can be, with names that fill the limit and names that burst it. */
Test(manifest, largest_batch, .timeout = 120)
{
	static struct manifest_entry e[WIRE_BATCH_OBJECTS_MAX], few[SAMPLE_ENTRIES];
	static uint8_t names[WIRE_BATCH_OBJECTS_MAX][WIRE_PATH_MAX];
	char *text = malloc(WIRE_MANIFEST_MAX);
	uint8_t *room = malloc(WIRE_MANIFEST_MAX);
	struct manifest_head h;
	unsigned line;
	size_t n, count;

	cr_assert(text && room);
	manifest_sample(&h, few);
	h.last = h.first + WIRE_BATCH_OBJECTS_MAX - 1;
	for (unsigned i = 0; i < WIRE_BATCH_OBJECTS_MAX; i++) {
		memset(names[i], 'n', WIRE_PATH_MAX);
		for (unsigned k = 200; k < WIRE_PATH_MAX; k += 200)
			names[i][k] = '/';
		snprintf((char *)names[i], 8, "%07u", i);
		names[i][7] = 'n';
		e[i] = (struct manifest_entry){.kind = MANIFEST_FLAT,
					       .number = h.first + i,
					       .path = names[i],
					       .path_len = WIRE_PATH_MAX};
	}
	cr_assert_eq(
		manifest_write(text, WIRE_MANIFEST_MAX, &n, &h, e, WIRE_BATCH_OBJECTS_MAX),
		KM_OK);
	cr_assert_eq(manifest_parse(&head, entries, WIRE_BATCH_OBJECTS_MAX, &count, room,
				    WIRE_MANIFEST_MAX, text, n, &line),
		     KM_OK);
	cr_assert_eq(count, WIRE_BATCH_OBJECTS_MAX);
	for (unsigned i = 0; i < WIRE_BATCH_OBJECTS_MAX; i++)
		memset(names[i] + 8, '\\', 190);
	for (unsigned i = 0; i < WIRE_BATCH_OBJECTS_MAX; i++)
		for (unsigned k = 201; k < WIRE_PATH_MAX; k++)
			if (names[i][k] == 'n')
				names[i][k] = '\\';
	cr_assert_eq(
		manifest_write(text, WIRE_MANIFEST_MAX, &n, &h, e, WIRE_BATCH_OBJECTS_MAX),
		KM_ERR_LIMIT);
	cr_assert_gt(manifest_bytes_max(e, WIRE_BATCH_OBJECTS_MAX), MANIFEST_BYTES_MAX);
	free(text);
	free(room);
}

static int by_path(const void *a, const void *b)
{
	const struct manifest_entry *x = a, *y = b;
	size_t n = x->path_len < y->path_len ? x->path_len : y->path_len;
	int c = memcmp(x->path, y->path, n);

	return c ? c : (x->path_len > y->path_len) - (x->path_len < y->path_len);
}

Test(manifest, random_round_trip, .timeout = 120)
{
	struct seeded rng;

	seeded_init(&rng, "manifest.random_round_trip");
	for (unsigned i = 0; i < 500; i++) {
		static uint8_t names[32][16];
		struct manifest_entry e[32], few[SAMPLE_ENTRIES];
		size_t count = 1 + seeded_below(&rng, 32), n;
		struct manifest_head h;
		unsigned line;

		manifest_sample(&h, few);
		h.first = 1 + (seeded_any_size(&rng) >> 3);
		h.last = h.first + count - 1;
		h.created_ns = seeded_any_size(&rng) / 1000000 * 1000000;
		memset(e, 0, sizeof(e));
		for (size_t k = 0; k < count; k++) {
			e[k].path_len = 1 + seeded_below(&rng, 15);
			seeded_bytes(&rng, names[k], 16);
			for (size_t b = 0; b < 16; b++)
				names[k][b] = (uint8_t)(names[k][b] % 5 ? names[k][b] | 0x40
									: '\\');
			names[k][0] = (uint8_t)('A' + k); /* all different */
			for (size_t b = 0; b < 16; b++)
				names[k][b] = names[k][b] == 0x7f ? 'x' : names[k][b];
			e[k].path = names[k];
			e[k].kind = (enum manifest_kind)seeded_below(&rng, 4);
			e[k].reason = (uint8_t)(1 + seeded_below(&rng, 2));
			e[k].mtime_s = (int64_t)(seeded_any_size(&rng) >> 1);
			e[k].mtime_ns = (uint32_t)seeded_below(&rng, 1000000000);
			seeded_bytes(&rng, e[k].digest, DIGEST_LEN);
		}
		qsort(e, count, sizeof(e[0]), by_path);
		for (size_t k = 0; k < count; k++)
			e[k].number = h.first + k;
		cr_assert_eq(manifest_write(out, sizeof(out), &n, &h, e, count), KM_OK);
		cr_assert_eq(parse(out, n, &line), KM_OK, "line %u", line);
		cr_assert_eq(head.created_ns, h.created_ns);
	}
}

Test(manifest, file_name_and_comment)
{
	char name[64], comment[MINISIG_COMMENT_MAX + 1];
	uint8_t hash[DIGEST_LEN];

	manifest_file_name(name, 1763704291, 42);
	cr_assert_str_eq(name, "1763704291-00000042.manifest");
	manifest_file_name(name, UINT64_MAX, UINT64_MAX);
	cr_assert_str_eq(name, "18446744073709551615-18446744073709551615.manifest");
	memset(hash, 0x5e, sizeof(hash));
	manifest_comment(comment, 1763704291, 123456789, hash);
	cr_assert_str_eq(comment, "1763704291-123456789.manifest " HEX32("5e"));
}
