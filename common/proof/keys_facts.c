// SPDX-License-Identifier: ISC
#include "keys_facts.h"

#include <stdio.h>
#include <string.h>

#include "cursor.h"

#define DAY_NS (UINT64_C(86400) * 1000000000)
/* Of the calendar's cycle of 400 years that began on 0000-03-01. */
#define CYCLE_DAYS 146097u
#define EPOCH_DAYS 719468u /* from there to 1970-01-01 */

/* ---- days ---------------------------------------------------------------------------------- */

/* Years begin in March, so that the leap day is the last of a year. */
static void civil_of_day(uint32_t day, unsigned *year, unsigned *month, unsigned *mday)
{
	const uint32_t z = day + EPOCH_DAYS;
	const uint32_t cycle = z / CYCLE_DAYS, in_cycle = z % CYCLE_DAYS;
	const uint32_t y =
		(in_cycle - in_cycle / 1460 + in_cycle / 36524 - in_cycle / 146096) / 365;
	const uint32_t in_year = in_cycle - (365 * y + y / 4 - y / 100);
	const uint32_t m = (5 * in_year + 2) / 153;

	*mday = in_year - (153 * m + 2) / 5 + 1;
	*month = m < 10 ? m + 3 : m - 9;
	*year = y + cycle * 400 + (*month <= 2);
}

static uint32_t day_of_civil(unsigned year, unsigned month, unsigned mday)
{
	const unsigned y = month <= 2 ? year - 1 : year;
	const unsigned m = month > 2 ? month - 3 : month + 9;
	const unsigned in_cycle = y % 400;

	return y / 400 * CYCLE_DAYS + in_cycle * 365 + in_cycle / 4 - in_cycle / 100 +
	       (153 * m + 2) / 5 + mday - 1 - EPOCH_DAYS;
}

/* WIDTH decimal digits; reads on and says 0 when they are others. */
static unsigned digits(struct rd *rd, unsigned width, bool *ok)
{
	unsigned value = 0;

	for (unsigned i = 0; i < width; i++) {
		const unsigned digit = (unsigned)rd_u8(rd) - '0';

		*ok = *ok && !rd->bad && digit <= 9;
		value = value * 10 + (digit <= 9 ? digit : 0);
	}
	return value;
}

enum km_rc keys_day_parse(uint32_t *day, const char *text, size_t len)
{
	char again[KEYS_DAY_TEXT_MAX];
	unsigned year, month, mday;
	struct rd rd;
	bool ok = true;

	rd_init(&rd, text, len);
	year = digits(&rd, 4, &ok);
	ok = ok && rd_u8(&rd) == '-';
	month = digits(&rd, 2, &ok);
	ok = ok && rd_u8(&rd) == '-';
	mday = digits(&rd, 2, &ok);
	if (!ok || !rd_done(&rd) || year < 1970 || month < 1 || month > 12 || mday < 1 ||
	    mday > 31)
		return KM_ERR_MALFORMED;
	*day = day_of_civil(year, month, mday);
	/* the 31st of a short month is another day's name */
	if (*day == 0 || memcmp(keys_day_format(again, *day), text, len) != 0)
		return KM_ERR_MALFORMED;
	return KM_OK;
}

char *keys_day_format(char *out, uint32_t day)
{
	unsigned year, month, mday;

	if (day == 0 || day > KEYS_DAY_MAX) {
		memcpy(out, "-", sizeof("-"));
		return out;
	}
	civil_of_day(day, &year, &month, &mday);
	(void)snprintf(out, KEYS_DAY_TEXT_MAX, "%04u-%02u-%02u", year % 10000, month % 100,
		       mday % 100);
	return out;
}

uint32_t keys_day_of(uint64_t real_ns)
{
	return (uint32_t)(real_ns / DAY_NS);
}

enum keys_age keys_age(const struct keys_facts *facts, uint32_t today, uint32_t warn_days)
{
	if (facts->expires_day == 0)
		return KEYS_AGE_FINE;
	if (today > facts->expires_day)
		return KEYS_AGE_PAST;
	return facts->expires_day - today < warn_days ? KEYS_AGE_SOON : KEYS_AGE_FINE;
}

/* ---- text ---------------------------------------------------------------------------------- */

size_t keys_facts_write(char *out, const struct keys_facts *facts)
{
	char day[KEYS_DAY_TEXT_MAX];
	size_t n = 0;

	out[0] = '\0';
	if (facts->created_day)
		n += (size_t)snprintf(out + n, KEYS_FACTS_TEXT_MAX - n, " created=%s",
				      keys_day_format(day, facts->created_day));
	if (facts->expires_day)
		n += (size_t)snprintf(out + n, KEYS_FACTS_TEXT_MAX - n, " expires=%s",
				      keys_day_format(day, facts->expires_day));
	if (facts->environment)
		n += (size_t)snprintf(out + n, KEYS_FACTS_TEXT_MAX - n, " environment=%u",
				      facts->environment);
	return n;
}

static bool starts(const char *word, size_t len, const char *with)
{
	return len >= strlen(with) && memcmp(word, with, strlen(with)) == 0;
}

static enum km_rc take_environment(uint16_t *environment, const char *text, size_t len)
{
	struct rd rd;
	bool ok = len >= 1 && len <= 5 && text[0] != '0';
	unsigned value;

	rd_init(&rd, text, len);
	value = ok ? digits(&rd, (unsigned)len, &ok) : 0;
	if (!ok || value > UINT16_MAX)
		return KM_ERR_MALFORMED;
	*environment = (uint16_t)value;
	return KM_OK;
}

/* One word. KM_ERR_NOTFOUND: none of ours. */
static enum km_rc take_word(struct keys_facts *facts, const char *word, size_t len)
{
	if (starts(word, len, "created="))
		return keys_day_parse(&facts->created_day, word + 8, len - 8);
	if (starts(word, len, "expires="))
		return keys_day_parse(&facts->expires_day, word + 8, len - 8);
	if (starts(word, len, "environment="))
		return take_environment(&facts->environment, word + 12, len - 12);
	return KM_ERR_NOTFOUND;
}

enum km_rc keys_facts_find(struct keys_facts *facts, const char *text, size_t len)
{
	size_t at = 0;

	*facts = (struct keys_facts){0};
	while (at < len) {
		const char *end = memchr(text + at, ' ', len - at);
		const size_t n = end ? (size_t)(end - (text + at)) : len - at;
		const enum km_rc rc = take_word(facts, text + at, n);

		if (rc != KM_OK && rc != KM_ERR_NOTFOUND)
			return rc;
		at += n + 1;
	}
	return KM_OK;
}

enum km_rc keys_facts_parse(struct keys_facts *facts, const char *text, size_t len)
{
	char again[KEYS_FACTS_TEXT_MAX];
	const enum km_rc rc = keys_facts_find(facts, text, len);

	if (rc != KM_OK)
		return rc;
	return keys_facts_write(again, facts) == len && memcmp(again, text, len) == 0
		       ? KM_OK
		       : KM_ERR_MALFORMED;
}

int keys_facts_judge(const struct keys_facts *facts, uint16_t environment, const char *path,
		     struct km_err *err)
{
	if (facts->environment == 0 || facts->environment == environment)
		return 0;
	return km_err_set(err, EX_CONFIG,
			  "key %s was made for environment %u and this is environment %u: "
			  "use a key of this one",
			  path, facts->environment, environment);
}
