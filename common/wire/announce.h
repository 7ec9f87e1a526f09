// SPDX-License-Identifier: ISC
/*
 * The announce: one frame of fixed layout by which tx opens a session to its
 * receivers, one way. Layout only; signing, wrapping and checking are
 * proof/session.h. Constant bytes for the life of a session.
 *
 *  off size field
 *   0   8   magic "KMANNC01"
 *   8   1   lowest wire version tx can be read with
 *   9   1   wire version of this session
 *  10   1   suite: 1 = X25519, HKDF-SHA-256, AES-256-GCM, Ed25519
 *  11   1   FEC code id
 *  12   1   digest id: 1 = SHA-256, from 64 MiB on SHA-256 tree of 1 MiB leaves
 *  13   1   r, number of receivers, 1..16
 *  14   2   environment id (production refuses test)
 *  16  32   tx identity, Ed25519 public key
 *  48  16   session id
 *  64   8   epoch, seconds
 *  72   8   tx CLOCK_REALTIME at creation, ns
 *  80  32   ephemeral X25519 public key
 * 112  32   config digest, SHA-256
 * 144  16   reserved, zero
 * 160 56r   r boxes { key id 8, wrapped session secret 32, tag 16 }
 *      64   Ed25519 over "katamichi announce v1" NUL and all bytes before
 */
#ifndef ANNOUNCE_H
#define ANNOUNCE_H

#include <stddef.h>
#include <stdint.h>

#include "km_err.h"
#include "wire_limits.h"

#define ANNOUNCE_SUITE_1 1u
#define ANNOUNCE_DIGEST_1 1u

struct announce_box {
	uint8_t key_id[8];
	uint8_t wrapped[32];
	uint8_t tag[16];
};

struct announce {
	uint8_t version_min, version, suite, code, digest, receivers;
	uint16_t environment;
	uint8_t identity[32];
	uint8_t session_id[16];
	uint64_t epoch;
	uint64_t created_ns;
	uint8_t ephemeral[32];
	uint8_t config_digest[32];
	struct announce_box box[WIRE_ANNOUNCE_RECEIVERS_MAX];
	uint8_t signature[WIRE_ANNOUNCE_SIG];
};

/* Bytes of an announce for R receivers. */
static inline size_t announce_bytes(unsigned r)
{
	return WIRE_ANNOUNCE_FIXED + r * WIRE_ANNOUNCE_BOX + WIRE_ANNOUNCE_SIG;
}

/* Write A into OUT of at least announce_bytes(A->receivers) bytes; returns the length. */
size_t announce_encode(uint8_t *out, const struct announce *a);

/* Read an announce of exactly LEN bytes. Form only: nothing is authentic yet.
 * KM_ERR_SHORT, KM_ERR_MALFORMED (magic, reserved, r), KM_ERR_VERSION (version
 * range, suite, code, digest). */
KM_MUST_CHECK enum km_rc announce_decode(struct announce *a, const uint8_t *p, size_t len);

#endif
