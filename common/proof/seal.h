// SPDX-License-Identifier: ISC
/*
 * Lane keys, sealing and opening of frames: AES-256-GCM of libcrypto, one
 * context per direction, keyed once, nothing allocated per frame. The
 * nonce is 32 zero bits and the 64-bit lane sequence; who uses a sealer must
 * never seal two frames with one sequence (docs/wire.md, "Keys").
 */
#ifndef SEAL_H
#define SEAL_H

#include <stddef.h>
#include <stdint.h>

#include "frame.h"
#include "km_err.h"

#define SEAL_KEY_LEN 32u
#define SEAL_SECRET_LEN 32u
#define SEAL_TRANSCRIPT_LEN 32u /* SHA-256 of the announce */

/* HKDF-SHA-256 (RFC 5869): OUT of LEN <= 8,160 bytes. */
void seal_hkdf(uint8_t *out, size_t len, const uint8_t *salt, size_t salt_len,
	       const uint8_t *ikm, size_t ikm_len, const uint8_t *info, size_t info_len);

/* Key of LANE: HKDF(ikm = session secret, salt = transcript,
 * info = "katamichi lane v1" NUL, u16 lane). */
void seal_lane_key(uint8_t key[SEAL_KEY_LEN], const uint8_t secret[SEAL_SECRET_LEN],
		   const uint8_t transcript[SEAL_TRANSCRIPT_LEN], uint16_t lane);

/* Fetch the cipher now, because a caged role can load nothing later; keys_init() does it.
 * KM_ERR_UNSUPPORTED: this libcrypto has no AES-256-GCM. */
KM_MUST_CHECK enum km_rc seal_prepare(void);

struct seal; /* a keyed context, for one thread */

/* NULL when libcrypto refuses or memory is out. */
struct seal *seal_new(const uint8_t key[SEAL_KEY_LEN]);
void seal_free(struct seal *s); /* wipes; NULL is fine */

/* Encrypt LEN bytes from PLAIN to OUT (the same buffer or disjoint) and write
 * the 16-byte tag behind them. HEADER is the encoded clear header; its first
 * WIRE_AAD_LEN bytes are authenticated. OUT has LEN + WIRE_TAG_LEN bytes. */
KM_MUST_CHECK enum km_rc seal_frame(struct seal *s, const uint8_t header[WIRE_HEADER_LEN],
				    uint64_t seq, const uint8_t *plain, size_t len,
				    uint8_t *out);

/* The reverse: LEN bytes of ciphertext and the tag behind them at SEALED.
 * KM_ERR_AUTH: OUT (LEN bytes) is wiped. KM_ERR_RANGE, both: LEN > WIRE_SYMBOL_MAX. */
KM_MUST_CHECK enum km_rc seal_open(struct seal *s, const uint8_t header[WIRE_HEADER_LEN],
				   uint64_t seq, const uint8_t *sealed, size_t len,
				   uint8_t *out);

/* A session secret under a key that is used for nothing else: nonce 0, no associated data
 * (session.h). KM_ERR_AUTH: it is not what was wrapped under KEY; SECRET is wiped then. */
KM_MUST_CHECK enum km_rc seal_wrap(uint8_t out[SEAL_SECRET_LEN + WIRE_TAG_LEN],
				   const uint8_t key[SEAL_KEY_LEN],
				   const uint8_t secret[SEAL_SECRET_LEN]);
KM_MUST_CHECK enum km_rc seal_unwrap(uint8_t secret[SEAL_SECRET_LEN],
				     const uint8_t key[SEAL_KEY_LEN],
				     const uint8_t wrapped[SEAL_SECRET_LEN + WIRE_TAG_LEN]);

#endif
