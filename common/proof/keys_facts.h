// SPDX-License-Identifier: ISC
/*
 * What a key file says about its key beside the key: when it was made, when it is to be
 * replaced, and for which environment it is. Advice to people: the dates of a public key are
 * protected by nothing (the fingerprint is of the key alone), so nothing stops because of
 * them; the environment is refused where it differs.
 *
 * Text: " created=2026-11-28 expires=2028-11-28 environment=1", each part optional, in this
 * order, each with a blank before it. Pure; no clock of its own.
 */
#ifndef KEYS_FACTS_H
#define KEYS_FACTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "km_err.h"

#define KEYS_FACTS_TEXT_MAX 80u
#define KEYS_DAY_TEXT_MAX 12u
#define KEYS_DAY_MAX UINT32_C(2932896) /* 9999-12-31 */

struct keys_facts {
	uint32_t created_day; /* days since 1970-01-01, UTC; 0: not said */
	uint32_t expires_day; /* the last day on which nobody is warned; 0: never */
	uint16_t environment; /* 0: any */
};

/* OUT has KEYS_FACTS_TEXT_MAX bytes; returns the length, 0 when there is nothing to say. */
size_t keys_facts_write(char *out, const struct keys_facts *facts);

/* Exactly what keys_facts_write() writes. KM_ERR_MALFORMED. */
KM_MUST_CHECK enum km_rc keys_facts_parse(struct keys_facts *facts, const char *text,
					  size_t len);

/* The same words anywhere in a free text, a comment. KM_ERR_MALFORMED: one of them has a
 * value that is none. */
KM_MUST_CHECK enum km_rc keys_facts_find(struct keys_facts *facts, const char *text,
					 size_t len);

/* "2026-11-28", a day that exists, from 1970-01-02 on. */
KM_MUST_CHECK enum km_rc keys_day_parse(uint32_t *day, const char *text, size_t len);
/* OUT has KEYS_DAY_TEXT_MAX bytes; "-" for 0. Returns OUT. */
char *keys_day_format(char *out, uint32_t day);
uint32_t keys_day_of(uint64_t real_ns);

enum keys_age {
	KEYS_AGE_FINE, /* or no date */
	KEYS_AGE_SOON, /* fewer than the days of warning are left */
	KEYS_AGE_PAST,
};
enum keys_age keys_age(const struct keys_facts *facts, uint32_t today, uint32_t warn_days);

/* Why a key of FACTS must not serve in ENVIRONMENT: -1 with EX_CONFIG. */
KM_MUST_CHECK int keys_facts_judge(const struct keys_facts *facts, uint16_t environment,
				   const char *path, struct km_err *err);

#endif
