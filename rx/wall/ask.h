// SPDX-License-Identifier: ISC
/*
 * The wall between rx decode and rx keeper: two rings of fixed-size messages
 * (base/ring.h) in one shared mapping, because decode has no socket. decode
 * asks about an announce, and tells each second how far each lane has come; the
 * keeper answers announces, one answer per question, in order. When it takes up its work it
 * says unasked whom it trusts, so that sessions of others end.
 */
#ifndef ASK_H
#define ASK_H

#include <stddef.h>
#include <stdint.h>

#include "ring.h"
#include "wire_limits.h"

#define ASK_SLOTS 64u
#define ASK_TRUSTED_MAX 16u

enum ask_type {
	ASK_ANNOUNCE = 1,
	ASK_FLOORS = 2, /* no answer; persisted within a second */
};

struct ask {
	uint32_t type;
	uint32_t len; /* announce bytes */
	uint32_t session;
	uint32_t lanes; /* ASK_FLOORS: entries of floor[] */
	union {
		uint8_t announce[WIRE_ANNOUNCE_MAX];
		struct {
			uint16_t lane;
			uint64_t seq; /* highest number opened */
		} floor[WIRE_LANES_MAX];
	};
};

enum ask_verdict {
	ASK_ACCEPTED = 0,
	ASK_MALFORMED = 1,
	ASK_VERSION = 2,
	ASK_UNTRUSTED = 3,   /* signed by nobody we trust */
	ASK_SIGNATURE = 4,   /* wrong signature */
	ASK_ENVIRONMENT = 5, /* another environment */
	ASK_NOT_FOR_US = 6,  /* no box for our key */
	ASK_OLD_EPOCH = 7,   /* at or below the floor: a replay */
	ASK_FAR_EPOCH = 8, /* more than 24 h from our clock and not above a stored floor */
	ASK_TOO_MANY = 9,  /* more than 50 new announces a second */
	ASK_STORE = 10,	   /* the floor could not be stored: refused, disk */
	ASK_TRUSTS = 11,   /* no answer: the keys that the keeper trusts from now on */
};

/* Layout of the ask memfd, in pages: questions ring, answers ring, bells. */
struct ask_bells {
	_Alignas(64) struct bell keeper; /* the keeper sleeps here */
	_Alignas(64) struct bell
		decode; /* rung by the keeper; decode looks at it between polls */
};

struct ask_answer {
	uint32_t verdict;
	uint32_t session; /* tag */
	uint64_t epoch;
	uint8_t secret[32]; /* session secret, if accepted */
	uint8_t transcript[32];
	uint8_t identity[32]; /* tx identity key */
	uint32_t far;	      /* accepted although far from our clock: alarm */
	uint32_t
		floors; /* entries of floor[]: numbers at or below are refused; or of trusted[] */
	union {
		struct {
			uint16_t lane;
			uint64_t seq;
		} floor[WIRE_LANES_MAX];
		uint8_t trusted[ASK_TRUSTED_MAX][32]; /* ASK_TRUSTS */
	};
};

static inline size_t ask_round(size_t n)
{
	return (n + 4095u) & ~(size_t)4095u;
}
static inline size_t ask_questions_bytes(void)
{
	return ask_round(ring_bytes(sizeof(struct ask), ASK_SLOTS));
}
static inline size_t ask_answers_bytes(void)
{
	return ask_round(ring_bytes(sizeof(struct ask_answer), ASK_SLOTS));
}
static inline void *ask_questions(void *mem)
{
	return mem;
}
static inline void *ask_answers(void *mem)
{
	return (uint8_t *)mem + ask_questions_bytes();
}
static inline struct ask_bells *ask_bells(void *mem)
{
	return (struct ask_bells *)((uint8_t *)mem + ask_questions_bytes() +
				    ask_answers_bytes());
}
static inline size_t ask_bytes(void)
{
	return ask_questions_bytes() + ask_answers_bytes() + 4096u;
}

_Static_assert(sizeof(struct ask) % 8 == 0, "a ring slot is a multiple of 8 bytes");
_Static_assert(sizeof(struct ask_answer) % 8 == 0, "a ring slot is a multiple of 8 bytes");

#endif
