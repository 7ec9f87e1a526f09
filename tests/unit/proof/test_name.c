// SPDX-License-Identifier: ISC
#include <criterion/criterion.h>
#include <string.h>

#include "name.h"
#include "seeded.h"
#include "wire_limits.h"

static enum name_fault check(const char *path)
{
	return name_check((const uint8_t *)path, strlen(path));
}

Test(name, accepted)
{
	static const char *const good[] = {
		"a",
		"a/b",
		".hidden",
		"..a",
		"a..",
		"...",
		"a/...",
		"-rf",
		" ",
		"a b ",
		"a\\b",
		"\x83\x5c\x94\x5c", /* Shift_JIS with trail byte 0x5C */
		"\xff\xfe\x80",
		"\xe6\x97\xa5",
		"a/.katamichi",
		".katamichi2",
		".katamich",
		"~",
		"*",
	};

	for (size_t i = 0; i < KM_COUNT(good); i++)
		cr_assert_eq(check(good[i]), NAME_OK, "%s", good[i]);
}

Test(name, refused)
{
	cr_assert_eq(check(""), NAME_EMPTY);
	cr_assert_eq(check("/"), NAME_ABSOLUTE);
	cr_assert_eq(check("/etc"), NAME_ABSOLUTE);
	cr_assert_eq(check("."), NAME_DOT);
	cr_assert_eq(check(".."), NAME_DOT);
	cr_assert_eq(check("a/../b"), NAME_DOT);
	cr_assert_eq(check("../a"), NAME_DOT);
	cr_assert_eq(check("a/.."), NAME_DOT);
	cr_assert_eq(check("./a"), NAME_DOT);
	cr_assert_eq(check("a//b"), NAME_SLASHES);
	cr_assert_eq(check("a/"), NAME_SLASHES);
	cr_assert_eq(check(".katamichi"), NAME_RESERVED);
	cr_assert_eq(check(".katamichi/x"), NAME_RESERVED);
	cr_assert_eq(check("a\nb"), NAME_CONTROL);
	cr_assert_eq(name_check((const uint8_t *)"a\0b", 3), NAME_CONTROL);
	for (unsigned c = 0; c < 256; c++) {
		uint8_t p[3] = {'a', (uint8_t)c, 'b'};

		cr_assert_eq(name_check(p, 3),
			     c < 0x20 || c == 0x7f ? NAME_CONTROL : NAME_OK, "byte %u", c);
	}
}

Test(name, lengths)
{
	uint8_t p[WIRE_PATH_MAX + 1];

	memset(p, 'x', sizeof(p));
	cr_assert_eq(name_check(p, WIRE_NAME_MAX), NAME_OK);
	cr_assert_eq(name_check(p, WIRE_NAME_MAX + 1), NAME_COMPONENT_TOO_LONG);
	for (size_t i = 200; i < sizeof(p); i += 200)
		p[i] = '/';
	cr_assert_eq(name_check(p, WIRE_PATH_MAX), NAME_OK);
	cr_assert_eq(name_check(p, WIRE_PATH_MAX + 1), NAME_TOO_LONG);
}

Test(name, fault_texts_differ)
{
	for (unsigned a = NAME_OK; a <= NAME_RESERVED; a++) {
		cr_assert_not_null(name_fault_text((enum name_fault)a));
		for (unsigned b = NAME_OK; b < a; b++)
			cr_assert_str_neq(name_fault_text((enum name_fault)a),
					  name_fault_text((enum name_fault)b));
	}
}

Test(name, escapes_of_coreutils)
{
	char text[32];
	uint8_t back[32];
	size_t n;
	int escaped;

	cr_assert_eq(name_escape(text, (const uint8_t *)"a\\\n\rb", 5, &escaped), 8u);
	cr_assert_str_eq(text, "a\\\\\\n\\rb");
	cr_assert_eq(escaped, 1);
	cr_assert_eq(name_unescape(back, &n, text, 8, 1), KM_OK);
	cr_assert_eq(n, 5u);
	cr_assert_arr_eq(back, "a\\\n\rb", 5);
	cr_assert_eq(name_escape(text, (const uint8_t *)"plain", 5, &escaped), 5u);
	cr_assert_eq(escaped, 0);
	cr_assert_eq(name_unescape(back, &n, "a\\b", 3, 0), KM_ERR_MALFORMED);
	cr_assert_eq(name_unescape(back, &n, "a\\b", 3, 1), KM_ERR_MALFORMED);
	cr_assert_eq(name_unescape(back, &n, "a\\", 2, 1), KM_ERR_MALFORMED);
	cr_assert_eq(name_unescape(back, &n, "a\nb", 3, 1), KM_ERR_MALFORMED);
}

Test(name, random_escapes_round_trip)
{
	struct seeded rng;

	seeded_init(&rng, "name.random_escapes_round_trip");
	for (unsigned i = 0; i < 20000; i++) {
		static const char few[] = "\\\n\rnra/\x83";
		uint8_t in[40], out[80];
		char text[81];
		size_t len = seeded_below(&rng, sizeof(in)), n;
		int escaped;

		for (size_t k = 0; k < len; k++)
			in[k] = (uint8_t)few[seeded_below(&rng, sizeof(few) - 1)];
		n = name_escape(text, in, len, &escaped);
		cr_assert_eq(strlen(text), n);
		cr_assert_eq(name_unescape(out, &n, text, n, escaped), KM_OK);
		cr_assert(n == len && memcmp(in, out, len) == 0);
	}
}

Test(name, order_is_bytewise)
{
	static const char *const order[] = {"",	   "-",	  "A",	"a",   "a ",
					    "a-b", "a/b", "a0", "\x80"};

	for (size_t i = 0; i < KM_COUNT(order); i++) {
		for (size_t k = 0; k < KM_COUNT(order); k++) {
			int c = name_compare((const uint8_t *)order[i], strlen(order[i]),
					     (const uint8_t *)order[k], strlen(order[k]));

			cr_assert_eq((c > 0) - (c < 0), (i > k) - (i < k));
		}
	}
}
