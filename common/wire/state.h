// SPDX-License-Identifier: ISC
/*
 * A message of a channel of kind `state`: the latest value of one key, or that it has none any
 * more. docs/wire.md, "State", has the layout. Pure; no allocation. Any thread.
 */
#ifndef STATE_H
#define STATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "km_err.h"
#include "wire_limits.h"

#define STATE_KEY_MAX 255u
#define STATE_HEAD_LEN 12u /* before the key */
/* The longest value behind a key of KEY_LEN bytes, in a message of at most MAX bytes. */
#define STATE_VALUE_MAX(max, key_len) ((max)-STATE_HEAD_LEN - (key_len))

enum state_op {
	STATE_VALUE = 1,
	STATE_WITHDRAWN = 2, /* no value follows */
};

struct state_message {
	uint8_t op;
	bool refresh;	    /* nothing new: said again for those who did not hear it */
	uint64_t update_ns; /* CLOCK_REALTIME of tx when the producer said it */
	uint8_t key_len;    /* 1..255 */
	const uint8_t *key; /* no byte below 0x20, no 0x7f */
	const uint8_t *value;
	uint32_t value_len;
};

/* 1..255 bytes without control bytes. */
bool state_key_good(const uint8_t *key, size_t len);

/* Into OUT of SIZE bytes; *LEN is what it takes. KM_ERR_RANGE: no such message; KM_ERR_FULL. */
KM_MUST_CHECK enum km_rc state_encode(uint8_t *out, size_t size,
				      const struct state_message *m, size_t *len);

/* Key and value point into P. KM_ERR_VERSION; KM_ERR_SHORT; KM_ERR_MALFORMED: unknown operation
 * or flag, a key that is none, a withdrawal with a value, more than WIRE_MESSAGE_MAX. */
KM_MUST_CHECK enum km_rc state_decode(struct state_message *m, const uint8_t *p, size_t n);

#endif
