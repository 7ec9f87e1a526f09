// SPDX-License-Identifier: ISC
#include <criterion/criterion.h>
#include <string.h>

#include "base32.h"
#include "seeded.h"

Test(base32, known_texts)
{
	static const uint8_t bytes[] = {0x00, 0x44, 0x32, 0x14, 0xc7, 0x42, 0x54,
					0xb6, 0x35, 0xcf, 0x84, 0x65, 0x3a, 0x56,
					0xd7, 0xc6, 0x75, 0xbe, 0x77, 0xdf};
	char out[64];

	/* The 32 values in order are the alphabet. */
	cr_assert_eq(base32_encode(out, bytes, sizeof(bytes), 0), 32u);
	cr_assert_str_eq(out, "0123456789ABCDEFGHJKMNPQRSTVWXYZ");
	cr_assert_eq(base32_encode(out, bytes, 7, 4), 14u);
	cr_assert_str_eq(out, "0123-4567-89A0");
	cr_assert_eq(base32_encode(out, bytes, 0, 5), 0u);
	cr_assert_str_eq(out, "");
}

Test(base32, forgives_what_people_do)
{
	uint8_t a[8], b[8];
	size_t n, m;

	cr_assert_eq(base32_decode(a, sizeof(a), &n, "01-JK1-1V", 9), KM_ERR_MALFORMED);
	cr_assert_eq(base32_decode(a, sizeof(a), &n, "01JKM1V0", 8), KM_OK);
	cr_assert_eq(base32_decode(b, sizeof(b), &m, "-oi-jkm-Lvo--", 13), KM_OK);
	cr_assert_eq(n, 5u);
	cr_assert_eq(m, n);
	cr_assert_arr_eq(a, b, n);
	cr_assert_eq(base32_decode(a, 4, &n, "01JKM1V0", 8), KM_ERR_LIMIT);
	cr_assert_eq(base32_decode(a, sizeof(a), &n, "U1JKM1V0", 8), KM_ERR_MALFORMED);
	cr_assert_eq(base32_decode(a, sizeof(a), &n, "01JKM1V ", 8), KM_ERR_MALFORMED);
	cr_assert_eq(base32_decode(a, sizeof(a), &n, "01JKM1V\0", 8), KM_ERR_MALFORMED);
	cr_assert_eq(base32_decode(a, sizeof(a), &n, "0", 1), KM_ERR_MALFORMED, "5 bits");
	cr_assert_eq(base32_decode(a, sizeof(a), &n, "03", 2), KM_ERR_MALFORMED, "filling");
	cr_assert_eq(base32_decode(a, sizeof(a), &n, "00", 2), KM_OK);
	cr_assert_eq(base32_decode(a, sizeof(a), &n, "---", 3), KM_OK);
	cr_assert_eq(n, 0u);
}

Test(base32, random_round_trip)
{
	struct seeded rng;

	seeded_init(&rng, "base32.random_round_trip");
	for (unsigned i = 0; i < 20000; i++) {
		uint8_t in[64], out[64];
		char text[256];
		size_t len = seeded_below(&rng, sizeof(in) + 1), n, chars;

		seeded_bytes(&rng, in, len);
		chars = base32_encode(text, in, len, seeded_below(&rng, 7));
		cr_assert_eq(chars, strlen(text));
		cr_assert_eq(base32_decode(out, sizeof(out), &n, text, chars), KM_OK);
		cr_assert_eq(n, len);
		cr_assert_eq(memcmp(in, out, len), 0);
	}
}
