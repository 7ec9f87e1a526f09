// SPDX-License-Identifier: ISC
#include <criterion/criterion.h>
#include <string.h>

#include "cursor.h"
#include "state.h"

#define S(text) (const uint8_t *)(text), sizeof(text) - 1

/* docs/wire.md, "State": as it stands there. */
static const uint8_t value_vector[] = {
	0x01, 0x01, 0x00, 0x18, 0x7c, 0x2d, 0x9f, 0x6b, 0x1a, 0x40, 0x00, 0x07,
	't',  'r',  'a',  'i',	'n',  '/',  '1',  0x97, 0xf1, 0x8e, 0xd4,
};
static const uint8_t withdrawn_vector[] = {
	0x01, 0x02, 0x01, 0x18, 0x7c, 0x2d, 0x9f, 0x6b,
	0x1a, 0x40, 0x01, 0x03, 0xe5, 0x88, 0x97,
};
#define UPDATE_NS UINT64_C(0x187c2d9f6b1a4000)

static const struct state_message value = {
	.op = STATE_VALUE,
	.update_ns = UPDATE_NS,
	.key_len = 7,
	.key = (const uint8_t *)"train/1",
	.value = (const uint8_t *)"\x97\xf1\x8e\xd4",
	.value_len = 4,
};

static void same(const struct state_message *a, const struct state_message *b)
{
	cr_assert_eq(a->op, b->op);
	cr_assert_eq(a->refresh, b->refresh);
	cr_assert_eq(a->update_ns, b->update_ns);
	cr_assert_eq(a->key_len, b->key_len);
	cr_assert_arr_eq(a->key, b->key, b->key_len);
	cr_assert_eq(a->value_len, b->value_len);
	if (b->value_len > 0)
		cr_assert_arr_eq(a->value, b->value, b->value_len);
}

Test(state, vectors)
{
	const struct state_message withdrawn = {
		.op = STATE_WITHDRAWN,
		.refresh = true,
		.update_ns = UPDATE_NS + 1,
		.key_len = 3,
		.key = (const uint8_t *)"\xe5\x88\x97",
	};
	struct state_message read;
	uint8_t out[64];
	size_t len;

	cr_assert_eq(state_encode(out, sizeof(out), &value, &len), KM_OK);
	cr_assert_eq(len, sizeof(value_vector));
	cr_assert_arr_eq(out, value_vector, len);
	cr_assert_eq(state_decode(&read, value_vector, sizeof(value_vector)), KM_OK);
	same(&read, &value);
	cr_assert_eq(state_encode(out, sizeof(out), &withdrawn, &len), KM_OK);
	cr_assert_eq(len, sizeof(withdrawn_vector));
	cr_assert_arr_eq(out, withdrawn_vector, len);
	cr_assert_eq(state_decode(&read, withdrawn_vector, sizeof(withdrawn_vector)),
		     KM_OK);
	same(&read, &withdrawn);
}

Test(state, a_key_is_short_and_has_no_control_bytes)
{
	uint8_t longest[STATE_KEY_MAX + 1];

	memset(longest, 'k', sizeof(longest));
	cr_assert(state_key_good(S("a")));
	cr_assert(state_key_good(S(" \x97\xf1\x8e\xd4\xff")));
	cr_assert(state_key_good(longest, STATE_KEY_MAX));
	cr_assert_not(state_key_good(longest, STATE_KEY_MAX + 1));
	cr_assert_not(state_key_good(S("")));
	for (unsigned c = 0; c < 0x100; c++) {
		const uint8_t key[3] = {'a', (uint8_t)c, 'b'};

		cr_assert_eq(state_key_good(key, 3), c >= 0x20 && c != 0x7f);
	}
}

static enum km_rc changed(size_t at, uint8_t to)
{
	struct state_message read;
	uint8_t bytes[sizeof(value_vector)];

	memcpy(bytes, value_vector, sizeof(bytes));
	bytes[at] = to;
	return state_decode(&read, bytes, sizeof(bytes));
}

Test(state, what_no_tx_says_is_refused)
{
	struct state_message read;

	cr_assert_eq(changed(0, 2), KM_ERR_VERSION);
	cr_assert_eq(changed(0, 0), KM_ERR_VERSION);
	cr_assert_eq(changed(1, 0), KM_ERR_MALFORMED);
	cr_assert_eq(changed(1, 3), KM_ERR_MALFORMED);
	cr_assert_eq(changed(1, STATE_WITHDRAWN), KM_ERR_MALFORMED,
		     "withdrawn, with a value");
	cr_assert_eq(changed(2, 1), KM_OK);
	cr_assert_eq(changed(2, 2), KM_ERR_MALFORMED);
	cr_assert_eq(changed(2, 0x81), KM_ERR_MALFORMED);
	cr_assert_eq(changed(11, 0), KM_ERR_MALFORMED);
	cr_assert_eq(changed(11, 11), KM_OK, "all of it is key: an empty value");
	cr_assert_eq(changed(11, 12), KM_ERR_SHORT);
	cr_assert_eq(changed(12, '\n'), KM_ERR_MALFORMED);
	for (size_t n = 0; n < STATE_HEAD_LEN + 7; n++)
		cr_assert_eq(state_decode(&read, value_vector, n), KM_ERR_SHORT);
	for (size_t n = STATE_HEAD_LEN + 7; n <= sizeof(value_vector); n++)
		cr_assert_eq(state_decode(&read, value_vector, n), KM_OK);
}

Test(state, the_longest_and_what_is_longer)
{
	static uint8_t bytes[WIRE_MESSAGE_MAX], out[WIRE_MESSAGE_MAX + 1];
	struct state_message m = value, read;
	size_t len;

	m.value = bytes;
	m.value_len = STATE_VALUE_MAX(WIRE_MESSAGE_MAX, m.key_len);
	cr_assert_eq(state_encode(out, sizeof(out), &m, &len), KM_OK);
	cr_assert_eq(len, WIRE_MESSAGE_MAX);
	cr_assert_eq(state_decode(&read, out, len), KM_OK);
	same(&read, &m);
	cr_assert_eq(state_decode(&read, out, len + 1), KM_ERR_MALFORMED);
	cr_assert_eq(state_encode(out, len - 1, &m, &len), KM_ERR_FULL);
	m.value_len++;
	cr_assert_eq(state_encode(out, sizeof(out), &m, &len), KM_ERR_RANGE);
	m = value;
	m.key_len = 0;
	cr_assert_eq(state_encode(out, sizeof(out), &m, &len), KM_ERR_RANGE);
	m = value;
	m.op = STATE_WITHDRAWN;
	cr_assert_eq(state_encode(out, sizeof(out), &m, &len), KM_ERR_RANGE);
}
