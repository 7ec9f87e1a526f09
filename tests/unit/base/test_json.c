// SPDX-License-Identifier: ISC
#include <criterion/criterion.h>
#include <string.h>

#include "json.h"

static char out[512];

static const char *string(const char *bytes, size_t n)
{
	struct wr wr;

	wr_init(&wr, out, sizeof(out) - 1);
	json_string(&wr, bytes, n);
	cr_assert(wr_ok(&wr));
	out[wr.used] = '\0';
	return out;
}

static const char *base64(const char *bytes, size_t n)
{
	struct wr wr;

	wr_init(&wr, out, sizeof(out) - 1);
	json_base64(&wr, bytes, n);
	cr_assert(wr_ok(&wr));
	out[wr.used] = '\0';
	return out;
}

#define S(text) text, sizeof(text) - 1

Test(json, text_is_utf8_from_end_to_end)
{
	cr_assert(json_is_text(S("")));
	cr_assert(json_is_text(S("\xe5\x88\x97\xe8\xbb\x8a 1"))); /* 列車 */
	cr_assert(json_is_text(S("\0\x1b")), "a control character is a character");
	cr_assert_not(json_is_text(S("\x97\xf1\x8e\xd4")), "Shift_JIS of the same");
	cr_assert_not(json_is_text(S("ok\xe5\x88")), "cut");
	cr_assert_not(json_is_text(S("\xed\xa0\x80")), "a surrogate");
}

Test(json, what_json_and_terminals_cannot_bear_is_escaped)
{
	cr_assert_str_eq(string(S("")), "\"\"");
	cr_assert_str_eq(string(S("a/b")), "\"a/b\"");
	cr_assert_str_eq(string(S("say \"x\\y\"")), "\"say \\\"x\\\\y\\\"\"");
	cr_assert_str_eq(string(S("1\n2\t\0\x7f")), "\"1\\n2\\u0009\\u0000\\u007f\"");
	cr_assert_str_eq(string(S("\x1b[31m")), "\"\\u001b[31m\"");
	cr_assert_str_eq(string(S("\xc2\x9b")), "\"\\u009b\"", "CSI in one character");
	cr_assert_str_eq(string(S("\xe2\x80\xae")), "\"\\u202e\"", "right to left");
	cr_assert_str_eq(string(S("\xe5\x88\x97\xf0\x9f\x9a\x83")),
			 "\"\xe5\x88\x97\xf0\x9f\x9a\x83\"");
	cr_assert_str_eq(string(S("a\xff"
				  "b")),
			 "\"a\\ufffdb\"");
}

/* RFC 4648, section 10. */
Test(json, base64)
{
	cr_assert_str_eq(base64(S("")), "\"\"");
	cr_assert_str_eq(base64(S("f")), "\"Zg==\"");
	cr_assert_str_eq(base64(S("fo")), "\"Zm8=\"");
	cr_assert_str_eq(base64(S("foo")), "\"Zm9v\"");
	cr_assert_str_eq(base64(S("foob")), "\"Zm9vYg==\"");
	cr_assert_str_eq(base64(S("\xff\xfe\xfb\x00\x10")), "\"//77ABA=\"");
}

Test(json, what_does_not_fit_is_bad_and_goes_nowhere)
{
	uint8_t room[16];

	for (size_t size = 0; size < sizeof(room); size++) {
		struct wr wr;

		memset(room, 0xaa, sizeof(room));
		wr_init(&wr, room, size);
		json_string(&wr, S("\x01\x01\x01"));
		cr_assert_not(wr_ok(&wr));
		for (size_t i = size; i < sizeof(room); i++)
			cr_assert_eq(room[i], 0xaa);
	}
}

Test(json, the_bound_holds)
{
	uint8_t bytes[256], room[JSON_STRING_MAX(sizeof(bytes))];
	struct wr wr;

	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (uint8_t)i;
	wr_init(&wr, room, sizeof(room));
	json_string(&wr, bytes, sizeof(bytes));
	cr_assert(wr_ok(&wr));
	memset(bytes, 1, sizeof(bytes));
	wr_init(&wr, room, sizeof(room));
	json_string(&wr, bytes, sizeof(bytes));
	cr_assert(wr_ok(&wr));
	cr_assert_eq(wr.used, sizeof(room));
}
