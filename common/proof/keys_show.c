// SPDX-License-Identifier: ISC
#include "keys_show.h"

#include <inttypes.h>
#include <string.h>

static void note(struct keys_row *row, const struct km_err *err)
{
	memcpy(row->problem, err->text, sizeof(row->problem));
}

/* What holds for every file that could be read. */
static void judge(struct keys_row *row, const uint8_t pk[32], uint16_t environment)
{
	struct km_err err = KM_ERR_INIT;

	keys_fingerprint(row->print, pk);
	if (keys_facts_judge(&row->facts, environment, row->path, &err) != 0)
		note(row, &err);
}

static void judge_own(struct keys_row *row, const struct keys_seen *seen,
		      const uint8_t pk[32], uint32_t owner, uint16_t environment)
{
	row->facts = seen->facts;
	row->locked = seen->locked;
	judge(row, pk, environment);
	if (seen->uid != owner)
		(void)snprintf(row->problem, sizeof(row->problem),
			       "secret key %s belongs to user %" PRIu32
			       " and must belong to the one the daemon runs as: chown "
			       "%" PRIu32 " it",
			       row->path, seen->uid, owner);
}

void keys_row_own_sign(struct keys_row *row, const char *path, uint32_t owner,
		       uint16_t environment)
{
	struct km_err err = KM_ERR_INIT;
	struct keys_sign_public pub;
	struct keys_seen seen;

	row->role = "own";
	row->kind = "Ed25519";
	row->path = path;
	if (keys_sign_peek(&pub, &seen, path, &err) != 0)
		note(row, &err);
	else
		judge_own(row, &seen, pub.pk, owner, environment);
}

void keys_row_own_box(struct keys_row *row, const char *path, uint32_t owner,
		      uint16_t environment)
{
	struct km_err err = KM_ERR_INIT;
	struct keys_box_public pub;
	struct keys_seen seen;

	row->role = "own";
	row->kind = "X25519";
	row->path = path;
	if (keys_box_peek(&pub, &seen, path, &err) != 0)
		note(row, &err);
	else
		judge_own(row, &seen, pub.pk, owner, environment);
}

void keys_row_sign(struct keys_row *row, const char *path, uint16_t environment)
{
	struct km_err err = KM_ERR_INIT;
	struct keys_sign_public pub;

	row->kind = "Ed25519";
	row->path = path;
	if (keys_sign_public_load(&pub, &row->facts, path, &err) != 0)
		note(row, &err);
	else
		judge(row, pub.pk, environment);
}

void keys_row_box(struct keys_row *row, const char *path, uint16_t environment)
{
	struct km_err err = KM_ERR_INIT;
	struct keys_box_public pub;

	row->kind = "X25519";
	row->path = path;
	if (keys_box_public_load(&pub, &row->facts, path, &err) != 0)
		note(row, &err);
	else
		judge(row, pub.pk, environment);
}

static const char *age_text(const struct keys_facts *facts, uint32_t today,
			    uint32_t warn_days)
{
	switch (keys_age(facts, today, warn_days)) {
	case KEYS_AGE_SOON:
		return " DUE";
	case KEYS_AGE_PAST:
		return " PAST";
	default:
		return "";
	}
}

unsigned keys_rows_print(const struct keys_row *row, unsigned n, uint32_t today,
			 uint32_t warn_days, FILE *out)
{
	char created[KEYS_DAY_TEXT_MAX], expires[KEYS_DAY_TEXT_MAX], environment[8];
	unsigned problems = 0;

	for (unsigned i = 0; i < n; i++, row++) {
		(void)snprintf(environment, sizeof(environment), "%u",
			       row->facts.environment);
		(void)fprintf(out,
			      "%-11s  %-7s  %-39s  created %-10s  expires %s%s  "
			      "environment %s%s\n    %s\n",
			      row->role, row->kind, row->print[0] ? row->print : "?",
			      keys_day_format(created, row->facts.created_day),
			      keys_day_format(expires, row->facts.expires_day),
			      age_text(&row->facts, today, warn_days),
			      row->facts.environment ? environment : "any",
			      row->locked ? "  under a passphrase" : "", row->path);
		if (row->problem[0] == '\0')
			continue;
		problems++;
		(void)fprintf(out, "    PROBLEM: %s\n", row->problem);
	}
	return problems;
}

void keys_rows_print_due(const struct keys_row *row, unsigned n, uint32_t today,
			 uint32_t warn_days, FILE *out)
{
	char day[KEYS_DAY_TEXT_MAX];

	for (unsigned i = 0; i < n; i++, row++) {
		const enum keys_age age = keys_age(&row->facts, today, warn_days);

		if (age != KEYS_AGE_FINE)
			(void)fprintf(out, "warning: key %s (%s) %s %s: replace it\n",
				      row->path, row->role,
				      age == KEYS_AGE_PAST ? "is past its date, it expired"
							   : "expires",
				      keys_day_format(day, row->facts.expires_day));
	}
}

static void print_day(uint64_t day, uint32_t today, FILE *out)
{
	char text[KEYS_DAY_TEXT_MAX];

	if (day == 0)
		(void)fprintf(out, "never");
	else
		(void)fprintf(out, "%s%s", keys_day_format(text, (uint32_t)day),
			      today > day ? " (PAST)" : "");
}

void keys_print_status(const uint64_t words[KEYS_PRINT_WORDS], uint64_t expires_day,
		       uint64_t peers, uint64_t peers_day, uint32_t today, FILE *out)
{
	char print[KEYS_FINGERPRINT_MAX];

	keys_fingerprint_of_words(print, words);
	(void)fprintf(out, "keys      own %s, expires ", print);
	print_day(expires_day, today, out);
	(void)fprintf(out, "; %" PRIu64 " of the other side, first expires ", peers);
	print_day(peers_day, today, out);
	(void)fprintf(out, "\n");
}
