// SPDX-License-Identifier: ISC
/*
 * What the link emulator understands: option values, control lines, drop lists, frame
 * headers, and the lines it writes itself.
 */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "emulator_frame.h"
#include "emulator_list.h"
#include "emulator_model.h"
#include "emulator_parse.h"

static int set(struct emulator_schedule *s, const char *key, const char *value)
{
	char why[256] = "";
	int rc = emulator_parse_set(s, key, value, 77, why, sizeof(why));

	cr_assert_eq(rc != 0, why[0] != '\0', "%s %s: rc %d, why '%s'", key, value, rc,
		     why);
	return rc;
}

Test(emulator_parse, probabilities)
{
	const char *const bad[] = {"",	  "x",	  "-0.1", "1.1", "101%",
				   "1%%", "0.1 ", " 0.1", "nan", "%"};
	struct emulator_schedule s = {0};

	cr_assert_eq(set(&s, "loss", "1%"), 0);
	cr_expect_float_eq(s.loss, 0.01, 1e-12);
	cr_assert_eq(set(&s, "dup", "0.25"), 0);
	cr_expect_float_eq(s.duplicate, 0.25, 1e-12);
	cr_assert_eq(set(&s, "corrupt", "1"), 0);
	cr_assert_eq(set(&s, "truncate", "0"), 0);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		cr_expect_eq(set(&s, "loss", bad[i]), -1, "'%s' was taken", bad[i]);
	cr_expect_float_eq(s.loss, 0.01, 1e-12, "a refused value changed the schedule");
	cr_expect_eq(set(&s, "lose", "1%"), -1);
}

Test(emulator_parse, gilbert_elliott)
{
	const char *const bad[] = {"0.1,0.2,0.3", "0.1,0.2,0.3,0.4,0.5", "0,0,0,1",
				   "a,b,c,d", "2,0,0,1"};
	struct emulator_schedule s = {0};

	cr_assert_eq(set(&s, "ge", "0.1%,0.1,0,1"), 0);
	cr_assert(s.ge.on);
	cr_expect_float_eq(s.ge.p, 0.001, 1e-12);
	cr_expect_float_eq(s.ge.k, 1, 1e-12);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		cr_expect_eq(set(&s, "ge", bad[i]), -1, "'%s' was taken", bad[i]);
	cr_assert_eq(set(&s, "ge", "off"), 0);
	cr_assert_not(s.ge.on);
}

Test(emulator_parse, bursts)
{
	const char *const bad[] = {"",	  "0",	"0@5",	 "5@",
				   "5@x", "@5", "5@5@5", "2@18446744073709551615"};
	struct emulator_schedule s = {0};

	cr_assert_eq(set(&s, "burst", "1000@5"), 0);
	cr_assert_eq(set(&s, "burst", "3"), 0); /* inside: at the next frame, 77 */
	cr_assert_eq(set(&s, "burst", "1@2000"), 0);
	cr_assert_eq(s.bursts.count, 2);
	cr_assert_null(emulator_ranges_find(&s.bursts, 4));
	cr_assert_not_null(emulator_ranges_find(&s.bursts, 5));
	cr_assert_not_null(emulator_ranges_find(&s.bursts, 1004));
	cr_assert_null(emulator_ranges_find(&s.bursts, 1005));
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		cr_expect_eq(set(&s, "burst", bad[i]), -1, "'%s' was taken", bad[i]);
	emulator_ranges_clear(&s.bursts);
}

Test(emulator_parse, reorder_every_and_switch)
{
	const char *const bad[] = {"0.1", "0.1:0", "0.1:1025", "0.1:x", "x:1", "0.1:1:1"};
	struct emulator_schedule s = {0};

	cr_assert_eq(set(&s, "reorder", "1%:5"), 0);
	cr_assert_eq(s.distance, 5);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		cr_expect_eq(set(&s, "reorder", bad[i]), -1, "'%s' was taken", bad[i]);
	cr_assert_eq(set(&s, "reorder", "0"), 0);
	cr_assert_eq(s.reorder, 0);
	cr_assert_eq(set(&s, "every", "0x10"), 0);
	cr_assert_eq(s.every, 16);
	cr_assert_eq(set(&s, "every", "5x"), -1);
	cr_assert_eq(s.every, 16);
	cr_assert_eq(set(&s, "drop", "on"), 0);
	cr_assert(s.drop_all);
	cr_assert_eq(set(&s, "drop", "yes"), -1);
	cr_assert_eq(set(&s, "drop", "off"), 0);
	cr_assert_not(s.drop_all);
}

Test(emulator_parse, selectors)
{
	const char *const bad[] = {"",	      "lane",	     "lane=",	"lane=x",
				   "lane=3-", "lane=3-2",    "lane=3,", "lane=3,lane=4",
				   "nose=3",  "lane=3;seq=4"};
	struct emulator_schedule s = {0};

	cr_assert_eq(set(&s, "drop-if", "lane=3,seq=100-200"), 0);
	cr_assert_eq(set(&s, "drop-if", "session=0xdeadbeef"), 0);
	cr_assert_eq(s.selector_count, 2);
	cr_assert_eq(s.selectors[0].first[EMULATOR_FIELD_SEQ], 100);
	cr_assert_eq(s.selectors[0].last[EMULATOR_FIELD_SEQ], 200);
	cr_assert_eq(s.selectors[0].last[EMULATOR_FIELD_LANE], 3);
	cr_assert_eq(s.selectors[1].first[EMULATOR_FIELD_SESSION], 0xdeadbeef);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		cr_expect_eq(set(&s, "drop-if", bad[i]), -1, "'%s' was taken", bad[i]);
	cr_assert_eq(s.selector_count, 2);
	while (s.selector_count < EMULATOR_SELECTORS_MAX)
		cr_assert_eq(set(&s, "drop-if", "type=1"), 0);
	cr_assert_eq(set(&s, "drop-if", "type=1"), -1);
}

static void list_of(struct emulator_schedule *s, const char *text, int want)
{
	char path[] = "/tmp/km-test-list-XXXXXX";
	int fd = mkstemp(path);

	cr_assert_geq(fd, 0);
	cr_assert_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	close(fd);
	cr_expect_eq(set(s, "drop-list", path), want, "list:\n%s", text);
	unlink(path);
}

Test(emulator_parse, drop_list_takes_numbers_ranges_and_earlier_lists)
{
	struct emulator_schedule s = {0};
	const uint64_t in[] = {5, 10, 11, 20, 30}, out[] = {4, 6, 9, 21, 31, 40, 50};

	list_of(&s,
		"# a comment\n\n5\n10-20\n30 lost lane=1 seq=9 type=2 session=0x0 "
		"why=loss\n"
		"40 duplicated lane=1 seq=10 type=2 session=0x0\n"
		"- lost lane=- seq=- type=1 session=0x0 why=loss before=50\n",
		0);
	for (size_t i = 0; i < sizeof(in) / sizeof(in[0]); i++)
		cr_expect_not_null(emulator_ranges_find(&s.list, in[i]));
	for (size_t i = 0; i < sizeof(out) / sizeof(out[0]); i++)
		cr_expect_null(emulator_ranges_find(&s.list, out[i]));
	list_of(&s, "5\nsix\n", -1);
	list_of(&s, "7-3\n", -1);
	emulator_ranges_clear(&s.list);
	cr_assert_eq(set(&s, "drop-list", "/nonexistent/list"), -1);
}

Test(emulator_parse, ranges_melt_together)
{
	struct emulator_ranges r = {0};
	bool want[200] = {false};
	uint64_t state = 1;

	for (int round = 0; round < 300; round++) {
		uint64_t first, last;

		state = emulator_model_draw(1, 1, state);
		first = state % 190;
		last = first + state / 1000 % (round % 3 == 0 ? 9 : 1);
		for (uint64_t i = first; i <= last; i++)
			want[i] = true;
		cr_assert_eq(emulator_ranges_add(&r, first, last), 0);
		for (uint64_t i = 0; i < 200; i++)
			cr_assert_eq(emulator_ranges_find(&r, i) != NULL, want[i]);
		for (size_t i = 1; i < r.count; i++)
			cr_assert_gt(r.v[i].first, r.v[i - 1].last + 1);
	}
	cr_assert_eq(emulator_ranges_add(&r, 5, 4), -1);
	cr_assert_eq(emulator_ranges_add(&r, 100, UINT64_MAX), 0);
	cr_assert_not_null(emulator_ranges_find(&r, UINT64_MAX));
	cr_assert_eq(emulator_ranges_add(&r, 0, UINT64_MAX), 0);
	cr_assert_eq(r.count, 1);
	emulator_ranges_clear(&r);
}

static const uint8_t golden[14 + 40] = {
	0x03, 0x4b, 0x4d, 0,	0,    1,    0x02, 0x4b, 0x4d, 0,    0,	  2,	0x88, 0xb5,
	1,    3,    2,	  4,	0xde, 0xad, 0xbe, 0xef, 0x01, 0x02, 0x03, 0x04, 0x11, 0x12,
	0x13, 0x14, 0x15, 0x16, 0x17, 0x18, 0xa1, 0xa2, 0xa3, 0xa4, 0x05, 0x06, 0x07, 0x08,
	16,   160,  9,	  0x80, 0x22, 0xd8, 0x22, 0xe0, 0,    0,    0,	  7,
};

Test(emulator_parse, frame_header_at_its_offsets)
{
	struct emulator_frame f;

	cr_assert(emulator_frame_read(golden, sizeof(golden), &f));
	cr_assert(f.is_data);
	cr_expect_eq(f.ethertype, 0x88b5);
	cr_expect_eq(f.type, 3);
	cr_expect_eq(f.class, 2);
	cr_expect_eq(f.fec, 4);
	cr_expect_eq(f.session, 0xdeadbeef);
	cr_expect_eq(f.lane, 0x0102);
	cr_expect_eq(f.channel, 0x0304);
	cr_expect_eq(f.seq, 0x1112131415161718u);
	cr_expect_eq(f.window, 0xa1a2a3a4);
	cr_expect_eq(f.index, 0x0506);
	cr_expect_eq(f.depth, 0x0708);
	cr_expect_eq(f.code_rows, 16);
	cr_expect_eq(f.k, 160);
	cr_expect_eq(f.m, 9);
	cr_expect_eq(f.flags, 0x80);
	cr_expect_eq(f.payload_bytes, 0x22d8);
	cr_expect_eq(f.symbol_bytes, 0x22e0);
	cr_expect_eq(f.link, 7);
}

Test(emulator_parse, frame_prefixes_and_strangers)
{
	uint8_t bytes[sizeof(golden) + 4];
	struct emulator_frame f;

	for (size_t n = 0; n < sizeof(golden); n++) {
		uint8_t *exact = malloc(n ? n : 1); /* ASan sees a read past the end */

		memcpy(exact, golden, n);
		cr_assert_eq(emulator_frame_read(exact, n, &f), n >= 14);
		cr_assert_not(f.is_data);
		cr_assert_eq(f.has_prefix, n >= 22);
		free(exact);
	}
	memcpy(bytes, golden, 12);
	memcpy(bytes + 12, "\x81\x00\x20\x05", 4);
	memcpy(bytes + 16, golden + 12, sizeof(golden) - 12);
	cr_assert(emulator_frame_read(bytes, sizeof(bytes), &f));
	cr_assert(f.is_data);
	cr_assert_eq(f.ethertype, 0x88b5);
	cr_assert_eq(f.seq, 0x1112131415161718u);
	memcpy(bytes, golden, sizeof(golden));
	bytes[14] = 2; /* another version */
	emulator_frame_read(bytes, sizeof(golden), &f);
	cr_assert_not(f.is_data);
	bytes[14] = 1;
	bytes[15] = 1; /* an announce */
	emulator_frame_read(bytes, sizeof(golden), &f);
	cr_assert_not(f.is_data);
	cr_assert_eq(f.type, EMULATOR_TYPE_ANNOUNCE);
}

static void check_line(const struct emulator_touch *t, const char *want)
{
	char *text = NULL;
	size_t bytes;
	FILE *out = open_memstream(&text, &bytes);

	cr_assert_not_null(out);
	emulator_list_write(out, t);
	fclose(out);
	cr_expect_str_eq(text, want);
	free(text);
}

Test(emulator_parse, list_lines)
{
	struct emulator_decision d = {
		.is_data = true, .number = 12, .why = EMULATOR_WHY_BURST};
	struct emulator_frame f;
	struct emulator_touch t = {.decision = &d, .frame = &f, .distance = 5};

	emulator_frame_read(golden, sizeof(golden), &f);
	check_line(&t, "12 lost lane=258 seq=1230066625199609624 type=3 session=0xdeadbeef "
		       "channel=772 window=2711790500 index=1286 length=54 why=burst\n");
	d.why = EMULATOR_WHY_KEPT;
	check_line(&t, "");
	d.reorder = d.duplicate = true;
	t.truncated = t.corrupted = true;
	t.cut_bytes = 20;
	t.bit = 130;
	check_line(&t,
		   "12 truncated+corrupted+duplicated+reordered lane=258 "
		   "seq=1230066625199609624 type=3 session=0xdeadbeef channel=772 "
		   "window=2711790500 index=1286 length=54 cut=20 bit=130 distance=5\n");
	t.frame = NULL;
	check_line(&t, "12 truncated+corrupted+duplicated+reordered lane=- seq=- type=- "
		       "session=- distance=5\n");
	d = (struct emulator_decision){.number = 4, .why = EMULATOR_WHY_LOSS};
	f.is_data = false;
	t = (struct emulator_touch){.decision = &d, .frame = &f};
	check_line(&t, "- lost lane=- seq=- type=3 session=0xdeadbeef length=54 why=loss "
		       "before=4\n");
}
