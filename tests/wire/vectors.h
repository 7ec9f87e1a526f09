// SPDX-License-Identifier: ISC
/*
 * Parts of docs/wire-vectors.json, each written by the code that speaks the wire, from fixed
 * inputs: what a second implementation checks itself against. Not linked into any daemon.
 */
#ifndef VECTORS_H
#define VECTORS_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "session.h"

#define VECTORS_RECEIVERS 2u
#define VECTORS_CHAIN UINT64_C(1763704291)
#define VECTORS_CHANNEL 7u

/* Everything that the parts share. */
struct vectors {
	FILE *out;
	struct keys_sign_secret tx;
	struct keys_box_secret rx[VECTORS_RECEIVERS];
	uint8_t announce[WIRE_ANNOUNCE_MAX];
	size_t announce_len;
	uint8_t secret[SEAL_SECRET_LEN];
	uint8_t transcript[SEAL_TRANSCRIPT_LEN];
};

/* Ends the program with a message unless OK: a vector must not be half made. */
void vectors_need(int ok, const char *what);

/* Bytes that look random and are the same everywhere: SHA-256 of LABEL, a NUL and a 32-bit
 * counter from 0, big-endian, one after another. */
void vectors_bytes(uint8_t *p, size_t len, const char *label);

/* `"NAME": "hex",` on a line of its own, END behind it ("," or ""). */
void vectors_hex(const struct vectors *v, const char *indent, const char *name,
		 const void *p, size_t len, const char *end);

void vectors_write_window(const struct vectors *v);
void vectors_write_records(const struct vectors *v);
void vectors_write_tickets(const struct vectors *v);
void vectors_write_linktest(const struct vectors *v);
void vectors_write_manifest(const struct vectors *v);

#endif
