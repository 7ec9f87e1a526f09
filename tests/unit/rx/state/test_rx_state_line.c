// SPDX-License-Identifier: ISC
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "rx_state_line.h"

#define MS UINT64_C(1000000)

static char text[4096];

static const char *line(const char *key, const char *value, size_t len,
			const struct rx_state_reader *reader, bool stale)
{
	const size_t key_len = strlen(key);
	struct rx_state_entry *e = calloc(1, sizeof(*e) + key_len);
	struct wr wr;

	cr_assert_not_null(e);
	memcpy(e->key, key, key_len);
	e->node.len = (uint8_t)key_len;
	e->value = (uint8_t *)(uintptr_t)value;
	e->len = (uint32_t)len;
	e->withdrawn = !value;
	e->stale = stale;
	e->session = 0x89abcdef;
	e->number = 17;
	e->update_ns = UINT64_C(1790000000123000000);
	e->born_ns = 1000 * MS;
	wr_init(&wr, text, sizeof(text) - 1);
	rx_state_line(&wr, e, reader, 1012 * MS + 5);
	cr_assert(wr_ok(&wr));
	text[wr.used] = '\0';
	free(e);
	return text;
}

#define S(text) text, sizeof(text) - 1
#define TAIL                                                                               \
	"\"update_time\":\"2026-09-21T14:13:20.123Z\",\"age_ms\":12,\"stale\":false,"      \
	"\"session\":\"89abcdef\",\"number\":17"

Test(rx_state_line, text_stands_as_text)
{
	const struct rx_state_reader reader = {.channel = "trains"};

	cr_assert_str_eq(line("train/1", S("{\"遅延\":3}"), &reader, false),
			 "{\"channel\":\"trains\",\"key\":\"train/1\","
			 "\"value\":\"{\\\"遅延\\\":3}\"," TAIL "}");
	cr_assert_str_eq(line("k", S(""), &reader, false),
			 "{\"channel\":\"trains\",\"key\":\"k\",\"value\":\"\"," TAIL "}");
}

/* 列車 in Shift_JIS: the bytes come back from base64 as they were. */
Test(rx_state_line, what_is_no_utf8_stands_as_base64)
{
	const struct rx_state_reader reader = {0};

	cr_assert_str_eq(line("train/1", S("\x97\xf1\x8e\xd4"), &reader, false),
			 "{\"key\":\"train/1\",\"value_base64\":\"l/GO1A==\"," TAIL "}");
	cr_assert_str_eq(line("\x97\xf1\x8e\xd4", S("\x08\x96\x01\x00"), &reader, false),
			 "{\"key_base64\":\"l/GO1A==\",\"value_base64\":\"CJYBAA==\"," TAIL
			 "}");
}

Test(rx_state_line, members_that_are_there_only_when_they_say_something)
{
	const struct rx_state_reader snapshot = {.snapshot = true},
				     behind = {.coalesced = 3};

	cr_assert_str_eq(line("k", S("v"), &snapshot, false),
			 "{\"key\":\"k\",\"value\":\"v\"," TAIL ",\"snapshot\":true}");
	cr_assert_str_eq(line("k", NULL, 0, &behind, false),
			 "{\"key\":\"k\",\"withdrawn\":true," TAIL ",\"coalesced\":3}");
	cr_assert_not_null(strstr(line("k", S("v"), &behind, true), "\"stale\":true"));
}

Test(rx_state_line, the_longest_fits_the_bound)
{
	static uint8_t value[WIRE_MESSAGE_MAX], out[RX_STATE_LINE_MAX];
	struct rx_state_entry *e = calloc(1, sizeof(*e) + STATE_KEY_MAX);
	char name[MANIFEST_NAME_MAX + 1];
	const struct rx_state_reader reader = {name, true, UINT64_MAX};
	struct wr wr;

	cr_assert_not_null(e);
	memset(name, 1, sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	memset(e->key, 2, STATE_KEY_MAX);
	memset(value, 1, sizeof(value));
	e->node.len = STATE_KEY_MAX;
	e->value = value;
	e->len = sizeof(value);
	e->number = UINT64_MAX;
	e->update_ns = UINT64_MAX;
	wr_init(&wr, out, sizeof(out));
	rx_state_line(&wr, e, &reader, UINT64_MAX);
	wr_u8(&wr, '\n');
	cr_assert(wr_ok(&wr));
	free(e);
}
