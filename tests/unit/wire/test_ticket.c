// SPDX-License-Identifier: ISC
#include <criterion/criterion.h>
#include <ctype.h>
#include <string.h>

#include "base32.h"
#include "seeded.h"
#include "ticket.h"
#include "wire_limits.h"

static const struct {
	const char *text;
	struct ticket t;
} golden[] = {
	{"040GF-RZVZZ-40C0R-00R7G-004RQ-RAWY",
	 {.kind = TICKET_OBJECTS,
	  .channel = 7,
	  .chain = 1763704291,
	  .items = 3,
	  .item = {{3, 3}, {10, 25}, {26, 26}}}},
	{"041AR-0Q3ZF-ZWG1M-10400-1ZQZ3-Z0R87-B90J2-MA",
	 {.kind = TICKET_EXTENTS,
	  .channel = 300,
	  .chain = 1763704291,
	  .object = 129,
	  .items = 2,
	  .item = {{0, 0}, {524287, 1000000}}}},
	{"041G2-08403-G2SG4-0",
	 {.kind = TICKET_MANIFESTS,
	  .channel = 1,
	  .chain = 1,
	  .items = 1,
	  .item = {{4, 4}}}},
};

static bool same(const struct ticket *a, const struct ticket *b)
{
	if (a->kind != b->kind || a->channel != b->channel || a->chain != b->chain ||
	    a->object != b->object || a->items != b->items)
		return false;
	return memcmp(a->item, b->item, a->items * sizeof(a->item[0])) == 0;
}

/* What a reader may have made of the text: no hyphens, upper case, look-alikes resolved. */
static void plain(char *out, const char *text, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		char c = (char)toupper((unsigned char)text[i]);

		if (c != '-')
			*out++ = c == 'O' ? '0' : c == 'I' || c == 'L' ? '1' : c;
	}
	*out = '\0';
}

Test(ticket, golden_texts)
{
	for (size_t i = 0; i < KM_COUNT(golden); i++) {
		char text[TICKET_TEXT_MAX];
		struct ticket t;

		cr_assert_eq(ticket_encode(text, &golden[i].t), KM_OK);
		cr_assert_str_eq(text, golden[i].text);
		cr_assert_eq(ticket_decode(&t, text, strlen(text)), KM_OK);
		cr_assert(same(&t, &golden[i].t));
	}
}

Test(ticket, read_as_typed_by_a_tired_operator)
{
	static const char typed[] = "o41g-20840-3g2-sg4-o-";
	struct ticket t;

	cr_assert_eq(ticket_decode(&t, typed, strlen(typed)), KM_OK);
	cr_assert(same(&t, &golden[2].t));
}

static void must_be_honest(const char *text, size_t len)
{
	char again[TICKET_TEXT_MAX], a[300], b[300];
	struct ticket t;

	if (ticket_decode(&t, text, len) != KM_OK)
		return;
	cr_assert_eq(ticket_encode(again, &t), KM_OK);
	plain(a, text, len);
	plain(b, again, strlen(again));
	cr_assert_str_eq(a, b);
}

Test(ticket, every_truncation_and_single_byte_change)
{
	for (size_t g = 0; g < KM_COUNT(golden); g++) {
		size_t len = strlen(golden[g].text);
		char text[TICKET_TEXT_MAX];
		struct ticket t;

		for (size_t n = 0; n < len; n++) {
			if (golden[g].text[n] != '-')
				cr_assert_neq(ticket_decode(&t, golden[g].text, n), KM_OK);
		}
		for (size_t at = 0; at < len; at++) {
			for (unsigned v = 0; v < 256; v++) {
				memcpy(text, golden[g].text, len);
				text[at] = (char)v;
				must_be_honest(text, len);
			}
		}
	}
}

/* Bytes with a right CRC, so that the rest of the parser is reached. */
static enum km_rc from_bytes(struct ticket *t, const uint8_t *body, size_t len)
{
	uint8_t bytes[80];
	char text[256];
	uint32_t crc = UINT32_MAX;

	memcpy(bytes, body, len);
	for (size_t i = 0; i < len; i++) {
		crc ^= bytes[i];
		for (int bit = 0; bit < 8; bit++)
			crc = crc & 1 ? crc >> 1 ^ 0xEDB88320u : crc >> 1;
	}
	crc = ~crc;
	for (size_t i = 0; i < 4; i++)
		bytes[len + i] = (uint8_t)(crc >> (24 - 8 * i));
	base32_encode(text, bytes, len + 4, 0);
	must_be_honest(text, strlen(text));
	return ticket_decode(t, text, strlen(text));
}

#define FROM(t, ...)                                                                       \
	from_bytes((t), (const uint8_t[]){__VA_ARGS__},                                    \
		   sizeof((const uint8_t[]){__VA_ARGS__}))

Test(ticket, refuses_by_reason)
{
	struct ticket t;

	cr_assert_eq(FROM(&t, 1, 1, 7, 9, 3, 0), KM_OK);
	cr_assert_eq(FROM(&t, 2, 1, 7, 9, 3, 0), KM_ERR_VERSION);
	cr_assert_eq(FROM(&t, 1, 0, 7, 9, 3, 0), KM_ERR_MALFORMED, "kind");
	cr_assert_eq(FROM(&t, 1, 4, 7, 9, 3, 0), KM_ERR_MALFORMED, "kind");
	cr_assert_eq(FROM(&t, 1, 1, 0, 9, 3, 0), KM_ERR_MALFORMED, "control channel");
	cr_assert_eq(FROM(&t, 1, 1, 0x80, 0x80, 4, 9, 3, 0), KM_ERR_MALFORMED,
		     "channel 65536");
	cr_assert_eq(FROM(&t, 1, 1, 7, 0, 3, 0), KM_ERR_MALFORMED, "no chain");
	cr_assert_eq(FROM(&t, 1, 1, 7, 9), KM_ERR_MALFORMED, "no item");
	cr_assert_eq(FROM(&t, 1, 1, 7, 9, 3), KM_ERR_MALFORMED, "half an item");
	cr_assert_eq(FROM(&t, 1, 1, 7, 9, 0, 0), KM_ERR_MALFORMED, "object 0");
	cr_assert_eq(FROM(&t, 1, 2, 7, 9, 5, 0, 0), KM_OK, "extent 0");
	cr_assert_eq(FROM(&t, 1, 2, 7, 9, 0, 0, 0), KM_ERR_MALFORMED,
		     "extents of no object");
	cr_assert_eq(FROM(&t, 1, 1, 7, 9, 0x83, 0, 0), KM_ERR_MALFORMED, "long varint");
	cr_assert_eq(FROM(&t, 1, 1, 7, 9, 1, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
			  0xff, 1),
		     KM_ERR_MALFORMED, "end overflows");
	cr_assert_eq(FROM(&t, 1, 1, 7, 9, 1, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
			  0xff, 0xff, 1, 0),
		     KM_ERR_MALFORMED, "gap overflows");
	cr_assert_eq(FROM(&t, 1), KM_ERR_MALFORMED);
	cr_assert_eq(ticket_decode(&t, "", 0), KM_ERR_MALFORMED);
	cr_assert_eq(ticket_decode(&t, "041G2-08403-G2SG5-0", 19), KM_ERR_AUTH);
	cr_assert_eq(ticket_decode(&t, "041G2-U8403-G2SG4-0", 19), KM_ERR_MALFORMED);
}

Test(ticket, longest)
{
	struct ticket t = {.kind = TICKET_OBJECTS,
			   .channel = 1,
			   .chain = 1,
			   .items = TICKET_ITEMS_MAX},
		      got;
	char text[TICKET_TEXT_MAX], plain_text[TICKET_TEXT_MAX], more[256];

	for (unsigned i = 0; i < t.items; i++)
		t.item[i].first = t.item[i].last = 2 * i + 1;
	cr_assert_eq(ticket_encode(text, &t), KM_OK);
	plain(plain_text, text, strlen(text));
	cr_assert_eq(strlen(plain_text), TICKET_CHARS_MAX);
	cr_assert_eq(ticket_decode(&got, text, strlen(text)), KM_OK);
	cr_assert(same(&t, &got));
	snprintf(more, sizeof(more), "%s00", text);
	cr_assert_eq(ticket_decode(&got, more, strlen(more)), KM_ERR_LIMIT);
	t.chain = 1000;
	cr_assert_eq(ticket_encode(text, &t), KM_ERR_FULL);
	cr_assert_str_eq(text, "");
}

Test(ticket, refuses_to_write_nonsense)
{
	struct ticket t = golden[0].t;
	char text[TICKET_TEXT_MAX];

	t.item[1].first = 3;
	cr_assert_eq(ticket_encode(text, &t), KM_ERR_RANGE, "not ascending");
	t = golden[0].t;
	t.item[1].last = 9;
	cr_assert_eq(ticket_encode(text, &t), KM_ERR_RANGE, "ends before it begins");
	t = golden[0].t;
	t.item[2].last = WIRE_OBJECT_MAX + 1;
	cr_assert_eq(ticket_encode(text, &t), KM_ERR_RANGE);
	t = golden[0].t;
	t.object = 1;
	cr_assert_eq(ticket_encode(text, &t), KM_ERR_RANGE);
	t = golden[0].t;
	t.items = 0;
	cr_assert_eq(ticket_encode(text, &t), KM_ERR_RANGE);
	t.items = TICKET_ITEMS_MAX + 1;
	cr_assert_eq(ticket_encode(text, &t), KM_ERR_RANGE);
}

Test(ticket, random_round_trip)
{
	struct seeded rng;
	unsigned written = 0;

	seeded_init(&rng, "ticket.random_round_trip");
	for (unsigned i = 0; i < 50000; i++) {
		struct ticket t = {.kind = (uint8_t)(1 + seeded_below(&rng, 3))}, got;
		uint64_t next = t.kind != TICKET_EXTENTS;
		char text[TICKET_TEXT_MAX];
		enum km_rc rc;

		t.channel = (uint16_t)(1 + seeded_below(&rng, 65535));
		t.chain = seeded_any_size(&rng) | 1;
		t.object = t.kind == TICKET_EXTENTS ? seeded_any_size(&rng) | 1 : 0;
		t.items = (unsigned)(1 + seeded_below(&rng, 12));
		for (unsigned n = 0; n < t.items; n++) {
			t.item[n].first = next + (seeded_any_size(&rng) >> 20);
			t.item[n].last = t.item[n].first + (seeded_any_size(&rng) >> 20);
			next = t.item[n].last + 1;
		}
		rc = ticket_encode(text, &t);
		cr_assert(rc == KM_OK || rc == KM_ERR_FULL);
		if (rc != KM_OK)
			continue;
		written++;
		cr_assert_leq(strlen(text), TICKET_CHARS_MAX + TICKET_CHARS_MAX / 5 - 1);
		cr_assert_eq(ticket_decode(&got, text, strlen(text)), KM_OK);
		cr_assert(same(&t, &got));
	}
	cr_assert_gt(written, 1000u);
}
