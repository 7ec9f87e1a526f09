// SPDX-License-Identifier: ISC
#include "announce.h"

#include <string.h>

#include "cursor.h"
#include "frame.h"

#define MAGIC "KMANNC01"
#define MAGIC_LEN 8u
#define RESERVED_LEN 16u

size_t announce_encode(uint8_t *out, const struct announce *a)
{
	struct wr wr;

	wr_init(&wr, out, announce_bytes(a->receivers));
	wr_bytes(&wr, MAGIC, MAGIC_LEN);
	wr_u8(&wr, a->version_min);
	wr_u8(&wr, a->version);
	wr_u8(&wr, a->suite);
	wr_u8(&wr, a->code);
	wr_u8(&wr, a->digest);
	wr_u8(&wr, a->receivers);
	wr_u16(&wr, a->environment);
	wr_bytes(&wr, a->identity, sizeof(a->identity));
	wr_bytes(&wr, a->session_id, sizeof(a->session_id));
	wr_u64(&wr, a->epoch);
	wr_u64(&wr, a->created_ns);
	wr_bytes(&wr, a->ephemeral, sizeof(a->ephemeral));
	wr_bytes(&wr, a->config_digest, sizeof(a->config_digest));
	wr_zero(&wr, RESERVED_LEN);
	for (unsigned i = 0; i < a->receivers && i < WIRE_ANNOUNCE_RECEIVERS_MAX; i++) {
		wr_bytes(&wr, a->box[i].key_id, sizeof(a->box[i].key_id));
		wr_bytes(&wr, a->box[i].wrapped, sizeof(a->box[i].wrapped));
		wr_bytes(&wr, a->box[i].tag, sizeof(a->box[i].tag));
	}
	wr_bytes(&wr, a->signature, sizeof(a->signature));
	return wr.used;
}

static enum km_rc check_suite(const struct announce *a)
{
	if (a->version < WIRE_VERSION_MIN || a->version > WIRE_VERSION ||
	    a->version_min < 1 || a->version_min > a->version)
		return KM_ERR_VERSION;
	if (a->suite != ANNOUNCE_SUITE_1 || a->code != FRAME_CODE_RS_LCH8 ||
	    a->digest != ANNOUNCE_DIGEST_1)
		return KM_ERR_VERSION;
	return KM_OK;
}

enum km_rc announce_decode(struct announce *a, const uint8_t *p, size_t len)
{
	static const uint8_t zero[RESERVED_LEN];
	const uint8_t *magic, *reserved;
	struct rd rd;
	enum km_rc rc;

	memset(a, 0, sizeof(*a));
	if (len < WIRE_ANNOUNCE_MIN)
		return KM_ERR_SHORT;
	rd_init(&rd, p, len);
	magic = rd_bytes(&rd, MAGIC_LEN);
	if (!magic || memcmp(magic, MAGIC, MAGIC_LEN) != 0)
		return KM_ERR_MALFORMED;
	a->version_min = rd_u8(&rd);
	a->version = rd_u8(&rd);
	a->suite = rd_u8(&rd);
	a->code = rd_u8(&rd);
	a->digest = rd_u8(&rd);
	a->receivers = rd_u8(&rd);
	rc = check_suite(a);
	if (rc != KM_OK)
		return rc;
	if (a->receivers < 1 || a->receivers > WIRE_ANNOUNCE_RECEIVERS_MAX)
		return KM_ERR_MALFORMED;
	if (len < announce_bytes(a->receivers))
		return KM_ERR_SHORT;
	a->environment = rd_u16(&rd);
	rd_copy(&rd, a->identity, sizeof(a->identity));
	rd_copy(&rd, a->session_id, sizeof(a->session_id));
	a->epoch = rd_u64(&rd);
	a->created_ns = rd_u64(&rd);
	rd_copy(&rd, a->ephemeral, sizeof(a->ephemeral));
	rd_copy(&rd, a->config_digest, sizeof(a->config_digest));
	reserved = rd_bytes(&rd, RESERVED_LEN);
	if (!reserved || memcmp(reserved, zero, RESERVED_LEN) != 0)
		return KM_ERR_MALFORMED;
	for (unsigned i = 0; i < a->receivers; i++) {
		rd_copy(&rd, a->box[i].key_id, sizeof(a->box[i].key_id));
		rd_copy(&rd, a->box[i].wrapped, sizeof(a->box[i].wrapped));
		rd_copy(&rd, a->box[i].tag, sizeof(a->box[i].tag));
	}
	rd_copy(&rd, a->signature, sizeof(a->signature));
	return rd_done(&rd) ? KM_OK : KM_ERR_MALFORMED;
}
