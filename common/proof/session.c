// SPDX-License-Identifier: ISC
#include "session.h"

#include <sodium.h>
#include <string.h>

#include "digest.h"

/* Every domain string is used with its terminating NUL. */
static const char sign_domain[] = "katamichi announce v1";
static const char wrap_domain[] = "katamichi wrap v1";

_Static_assert(sizeof(struct announce_box) == WIRE_ANNOUNCE_BOX, "box has no padding");
_Static_assert(crypto_scalarmult_BYTES == 32 && crypto_sign_BYTES == WIRE_ANNOUNCE_SIG,
	       "suite");

/* What the signature covers: domain, NUL, all bytes before it. */
struct signed_bytes {
	uint8_t p[sizeof(sign_domain) + WIRE_ANNOUNCE_MAX];
	size_t len;
};

static void signed_bytes(struct signed_bytes *s, const uint8_t *p, size_t len)
{
	size_t body = len - WIRE_ANNOUNCE_SIG;

	memcpy(s->p, sign_domain, sizeof(sign_domain));
	memcpy(s->p + sizeof(sign_domain), p, body);
	s->len = sizeof(sign_domain) + body;
}

/* info of the wrap keys: ties a box to everything else that the announce says. P holds an
 * encoded announce of RECEIVERS boxes whose key ids are in place. */
static void wrap_info(uint8_t info[sizeof(wrap_domain) + DIGEST_LEN], const uint8_t *p,
		      unsigned receivers)
{
	uint8_t bytes[WIRE_ANNOUNCE_FIXED + 8 * WIRE_ANNOUNCE_RECEIVERS_MAX];

	memcpy(bytes, p, WIRE_ANNOUNCE_FIXED);
	for (unsigned i = 0; i < receivers; i++)
		memcpy(bytes + WIRE_ANNOUNCE_FIXED + 8 * i,
		       p + WIRE_ANNOUNCE_FIXED + i * WIRE_ANNOUNCE_BOX, 8);
	memcpy(info, wrap_domain, sizeof(wrap_domain));
	digest_sha256(info + sizeof(wrap_domain), bytes,
		      WIRE_ANNOUNCE_FIXED + 8 * receivers);
}

/* KM_ERR_SYS: PUBLIC is a low-order point, the result would be known to everyone. */
static enum km_rc wrap_key(uint8_t key[SEAL_KEY_LEN], const uint8_t secret[32],
			   const uint8_t public[32], const uint8_t *info, size_t info_len)
{
	uint8_t shared[32];

	if (crypto_scalarmult(shared, secret, public) != 0)
		return KM_ERR_SYS;
	seal_hkdf(key, SEAL_KEY_LEN, NULL, 0, shared, sizeof(shared), info, info_len);
	sodium_memzero(shared, sizeof(shared));
	return KM_OK;
}

static void announce_fill(struct announce *a, const struct session_draw *draw,
			  const struct session_facts *facts,
			  const struct keys_sign_secret *identity,
			  const struct keys_box_public *receivers, unsigned count)
{
	memset(a, 0, sizeof(*a));
	a->version_min = WIRE_VERSION_MIN;
	a->version = WIRE_VERSION;
	a->suite = ANNOUNCE_SUITE_1;
	a->code = FRAME_CODE_RS_LCH8;
	a->digest = ANNOUNCE_DIGEST_1;
	a->receivers = (uint8_t)count;
	a->environment = facts->environment;
	memcpy(a->identity, identity->pub.pk, sizeof(a->identity));
	memcpy(a->session_id, draw->session_id, sizeof(a->session_id));
	a->epoch = facts->epoch;
	a->created_ns = facts->created_ns;
	crypto_scalarmult_base(a->ephemeral, draw->ephemeral_secret);
	memcpy(a->config_digest, facts->config_digest, sizeof(a->config_digest));
	for (unsigned i = 0; i < count; i++)
		memcpy(a->box[i].key_id, receivers[i].id, sizeof(a->box[i].key_id));
}

static enum km_rc fill_boxes(struct announce *a, const uint8_t *encoded,
			     const struct session_draw *draw,
			     const struct keys_box_public *receivers)
{
	uint8_t info[sizeof(wrap_domain) + DIGEST_LEN];
	uint8_t key[SEAL_KEY_LEN], box[SEAL_SECRET_LEN + WIRE_TAG_LEN];
	enum km_rc rc = KM_OK;

	wrap_info(info, encoded, a->receivers);
	for (unsigned i = 0; rc == KM_OK && i < a->receivers; i++) {
		rc = wrap_key(key, draw->ephemeral_secret, receivers[i].pk, info,
			      sizeof(info));
		if (rc == KM_OK)
			rc = seal_wrap(box, key, draw->secret);
		if (rc != KM_OK)
			break;
		memcpy(a->box[i].wrapped, box, SEAL_SECRET_LEN);
		memcpy(a->box[i].tag, box + SEAL_SECRET_LEN, WIRE_TAG_LEN);
	}
	sodium_memzero(key, sizeof(key));
	return rc;
}

enum km_rc session_announce_make_from(uint8_t *out, size_t *out_len,
				      const struct session_draw *draw,
				      const struct session_facts *facts,
				      const struct keys_sign_secret *identity,
				      const struct keys_box_public *receivers,
				      unsigned count)
{
	struct signed_bytes s;
	struct announce a;
	enum km_rc rc;

	*out_len = 0;
	if (count < 1 || count > WIRE_ANNOUNCE_RECEIVERS_MAX)
		return KM_ERR_RANGE;
	announce_fill(&a, draw, facts, identity, receivers, count);
	announce_encode(out, &a); /* fixed part and key ids, which the boxes depend on */
	rc = fill_boxes(&a, out, draw, receivers);
	if (rc != KM_OK)
		return rc;
	*out_len = announce_encode(out, &a);
	signed_bytes(&s, out, *out_len);
	crypto_sign_detached(a.signature, NULL, s.p, s.len, identity->sk);
	*out_len = announce_encode(out, &a);
	return KM_OK;
}

enum km_rc session_announce_make(uint8_t *out, size_t *out_len,
				 uint8_t secret[SEAL_SECRET_LEN],
				 const struct session_facts *facts,
				 const struct keys_sign_secret *identity,
				 const struct keys_box_public *receivers, unsigned count)
{
	struct session_draw draw;
	enum km_rc rc;

	randombytes_buf(&draw, sizeof(draw));
	rc = session_announce_make_from(out, out_len, &draw, facts, identity, receivers,
					count);
	if (rc == KM_OK)
		memcpy(secret, draw.secret, SEAL_SECRET_LEN);
	sodium_memzero(&draw, sizeof(draw)); /* the ephemeral key is gone from here on */
	return rc;
}

enum km_rc session_announce_check(struct announce *a, const uint8_t *p, size_t len,
				  const struct keys_sign_public *trusted,
				  unsigned trusted_count)
{
	struct signed_bytes s;
	bool known = false;
	enum km_rc rc;

	rc = announce_decode(a, p, len);
	if (rc != KM_OK)
		return rc;
	for (unsigned i = 0; i < trusted_count && !known; i++)
		known = memcmp(trusted[i].pk, a->identity, sizeof(a->identity)) == 0;
	if (!known)
		return KM_ERR_NOTFOUND;
	signed_bytes(&s, p, len);
	if (crypto_sign_verify_detached(a->signature, s.p, s.len, a->identity) != 0)
		return KM_ERR_AUTH;
	return KM_OK;
}

static enum km_rc open_box(uint8_t secret[SEAL_SECRET_LEN], const struct announce *a,
			   unsigned i, const uint8_t *info, size_t info_len,
			   const struct keys_box_secret *receiver)
{
	uint8_t key[SEAL_KEY_LEN], box[SEAL_SECRET_LEN + WIRE_TAG_LEN];
	enum km_rc rc;

	if (wrap_key(key, receiver->sk, a->ephemeral, info, info_len) != KM_OK)
		return KM_ERR_AUTH; /* a low-order ephemeral key: no honest tx sends one */
	memcpy(box, a->box[i].wrapped, SEAL_SECRET_LEN);
	memcpy(box + SEAL_SECRET_LEN, a->box[i].tag, WIRE_TAG_LEN);
	rc = seal_unwrap(secret, key, box);
	sodium_memzero(key, sizeof(key));
	return rc;
}

enum km_rc session_announce_open(uint8_t secret[SEAL_SECRET_LEN], const struct announce *a,
				 const uint8_t *p, size_t len,
				 const struct keys_box_secret *receiver)
{
	uint8_t info[sizeof(wrap_domain) + DIGEST_LEN];
	enum km_rc rc = KM_ERR_NOTFOUND;

	if (a->receivers > WIRE_ANNOUNCE_RECEIVERS_MAX ||
	    len != announce_bytes(a->receivers))
		return KM_ERR_MALFORMED; /* P is not what A was decoded from */
	wrap_info(info, p, a->receivers);
	/* A key id has 64 bits: two receivers may, very rarely, share one. Try each. */
	for (unsigned i = 0; rc != KM_OK && i < a->receivers; i++) {
		if (memcmp(a->box[i].key_id, receiver->pub.id, sizeof(receiver->pub.id)) ==
		    0)
			rc = open_box(secret, a, i, info, sizeof(info), receiver);
	}
	return rc;
}

void session_transcript(uint8_t out[SEAL_TRANSCRIPT_LEN], const uint8_t *p, size_t len)
{
	digest_sha256(out, p, len);
}
