// SPDX-License-Identifier: ISC
/*
 * One-way session establishment: making a signed announce with one box per
 * receiver (tx signer), and checking and opening one (rx keeper). A Noise
 * one-way pattern in spirit: the session secret is not protected against later
 * theft of a receiver's static key. The signer erases the ephemeral key before
 * session_announce_make() returns.
 *
 * wrap key = HKDF-SHA-256(ikm = X25519(ephemeral, receiver), salt = empty,
 *	info = "katamichi wrap v1" NUL, SHA-256(the 160 fixed bytes, all r key ids))
 * box = AES-256-GCM(wrap key, nonce 0, no associated data, session secret)
 * key id = first 8 bytes of SHA-256(X25519 public key)
 */
#ifndef SESSION_H
#define SESSION_H

#include "announce.h"
#include "keys.h"
#include "km_err.h"
#include "seal.h"

struct session_facts {
	uint16_t environment;
	uint64_t epoch;
	uint64_t created_ns;
	uint8_t config_digest[32];
};

/* Draw secret, session id and ephemeral key, build and sign. RECEIVERS holds
 * 1..16 keys. OUT has WIRE_ANNOUNCE_MAX bytes, *OUT_LEN is set. The caller owns
 * SECRET and wipes it. KM_ERR_RANGE for a bad count, KM_ERR_SYS if a receiver's
 * key is a low-order point. */
KM_MUST_CHECK enum km_rc session_announce_make(uint8_t *out, size_t *out_len,
					       uint8_t secret[SEAL_SECRET_LEN],
					       const struct session_facts *facts,
					       const struct keys_sign_secret *identity,
					       const struct keys_box_public *receivers,
					       unsigned count);

/* The same with every random value given: for test vectors, tests only use it. */
struct session_draw {
	uint8_t secret[32], session_id[16], ephemeral_secret[32];
};
KM_MUST_CHECK enum km_rc session_announce_make_from(uint8_t *out, size_t *out_len,
						    const struct session_draw *draw,
						    const struct session_facts *facts,
						    const struct keys_sign_secret *identity,
						    const struct keys_box_public *receivers,
						    unsigned count);

/* Check the form and the signature by A's identity, which must be one of the
 * TRUSTED (KM_ERR_NOTFOUND otherwise, before any signature is checked).
 * KM_ERR_AUTH: the signature is wrong. On KM_OK, A is filled. */
KM_MUST_CHECK enum km_rc session_announce_check(struct announce *a, const uint8_t *p,
						size_t len,
						const struct keys_sign_public *trusted,
						unsigned trusted_count);

/* Open our box of a checked announce whose bytes are P. KM_ERR_NOTFOUND: it has
 * none for our key; KM_ERR_AUTH: it does not open. */
KM_MUST_CHECK enum km_rc session_announce_open(uint8_t secret[SEAL_SECRET_LEN],
					       const struct announce *a, const uint8_t *p,
					       size_t len,
					       const struct keys_box_secret *receiver);

/* SHA-256 of the announce: the salt of all later keys; the session tag is its
 * first 4 bytes, big-endian. */
void session_transcript(uint8_t out[SEAL_TRANSCRIPT_LEN], const uint8_t *p, size_t len);
static inline uint32_t session_tag(const uint8_t transcript[SEAL_TRANSCRIPT_LEN])
{
	return (uint32_t)transcript[0] << 24 | (uint32_t)transcript[1] << 16 |
	       (uint32_t)transcript[2] << 8 | transcript[3];
}

#endif
