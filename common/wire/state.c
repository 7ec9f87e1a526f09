// SPDX-License-Identifier: ISC
#include "state.h"

#include "cursor.h"

#define VERSION 1u
#define FLAG_REFRESH 1u

bool state_key_good(const uint8_t *key, size_t len)
{
	if (len < 1 || len > STATE_KEY_MAX)
		return false;
	for (size_t i = 0; i < len; i++)
		if (key[i] < 0x20 || key[i] == 0x7f)
			return false;
	return true;
}

static bool sound(const struct state_message *m)
{
	if (m->op != STATE_VALUE && m->op != STATE_WITHDRAWN)
		return false;
	if (m->op == STATE_WITHDRAWN && m->value_len > 0)
		return false;
	return state_key_good(m->key, m->key_len);
}

enum km_rc state_encode(uint8_t *out, size_t size, const struct state_message *m,
			size_t *len)
{
	struct wr wr;

	if (!sound(m) || m->value_len > STATE_VALUE_MAX(WIRE_MESSAGE_MAX, m->key_len))
		return KM_ERR_RANGE;
	wr_init(&wr, out, size);
	wr_u8(&wr, VERSION);
	wr_u8(&wr, m->op);
	wr_u8(&wr, m->refresh ? FLAG_REFRESH : 0);
	wr_u64(&wr, m->update_ns);
	wr_u8(&wr, m->key_len);
	wr_bytes(&wr, m->key, m->key_len);
	if (m->value_len > 0)
		wr_bytes(&wr, m->value, m->value_len);
	*len = wr.used;
	return wr_ok(&wr) ? KM_OK : KM_ERR_FULL;
}

enum km_rc state_decode(struct state_message *m, const uint8_t *p, size_t n)
{
	uint8_t version, flags;
	struct rd rd;

	*m = (struct state_message){0};
	rd_init(&rd, p, n);
	version = rd_u8(&rd);
	m->op = rd_u8(&rd);
	flags = rd_u8(&rd);
	m->update_ns = rd_u64(&rd);
	m->key_len = rd_u8(&rd);
	m->key = rd_bytes(&rd, m->key_len);
	m->value_len = (uint32_t)rd_left(&rd);
	m->value = rd_bytes(&rd, m->value_len);
	if (n > 0 && version != VERSION)
		return KM_ERR_VERSION;
	if (!rd_done(&rd))
		return KM_ERR_SHORT;
	m->refresh = flags & FLAG_REFRESH;
	if ((flags & ~FLAG_REFRESH) || n > WIRE_MESSAGE_MAX || !sound(m))
		return KM_ERR_MALFORMED;
	return KM_OK;
}
