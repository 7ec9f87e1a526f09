// SPDX-License-Identifier: ISC
#include "keys_make.h"

#include <limits.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>

bool keys_make_public_path(char *out, size_t len, const char *key)
{
	size_t n = strlen(key);
	int wrote;

	if (n > 4 && strcmp(key + n - 4, ".key") == 0)
		n -= 4;
	wrote = snprintf(out, len, "%.*s.pub", (int)n, key);
	return wrote > 0 && (size_t)wrote < len;
}

/* Days from today; 0: not a number of 1 to 5 digits. */
static uint32_t days_ahead(const char *text)
{
	const size_t n = strlen(text);
	uint32_t days = 0;

	if (n == 0 || n > 5 || strspn(text, "0123456789") != n)
		return 0;
	for (size_t i = 0; i < n; i++)
		days = days * 10 + (uint32_t)(text[i] - '0');
	return days;
}

int keys_make_facts(struct keys_facts *facts, const char *expires, uint16_t environment,
		    uint32_t today, struct km_err *err)
{
	*facts = (struct keys_facts){.created_day = today, .environment = environment};
	if (!expires)
		return 0;
	if (days_ahead(expires) != 0) {
		facts->expires_day = today + days_ahead(expires);
		return 0;
	}
	if (keys_day_parse(&facts->expires_day, expires, strlen(expires)) != KM_OK)
		return km_err_set(err, EX_USAGE,
				  "--expires %s: neither a day such as 2028-11-28 nor a "
				  "number of days",
				  expires);
	if (facts->expires_day <= today)
		return km_err_set(err, EX_USAGE, "--expires %s: that day is not ahead",
				  expires);
	return 0;
}

void keys_make_print(const struct keys_save *save, const uint8_t pk[32])
{
	char print[KEYS_FINGERPRINT_MAX], day[KEYS_DAY_TEXT_MAX];

	keys_fingerprint(print, pk);
	(void)printf("secret key   %s%s\npublic key   %s\nfingerprint  %s\n", save->secret,
		     save->pass ? " (under a passphrase)" : "", save->public, print);
	(void)printf("created      %s\n", keys_day_format(day, save->facts.created_day));
	if (save->facts.expires_day)
		(void)printf("expires      %s\n",
			     keys_day_format(day, save->facts.expires_day));
	if (save->facts.environment)
		(void)printf("environment  %u\n", save->facts.environment);
}

int keys_make_run(struct keys_save *save, bool locked, const char *pass_file,
		  int (*make)(const struct keys_save *save, struct km_err *err),
		  struct km_err *err)
{
	struct keys_pass *pass;
	int rc;

	if (!locked)
		return make(save, err);
	pass = sodium_malloc(sizeof(*pass));
	if (!pass)
		return km_err_set(err, EX_OSERR, "no locked memory for a passphrase");
	save->pass = pass;
	rc = keys_pass_new(pass, pass_file, err);
	if (rc == 0)
		rc = make(save, err);
	save->pass = NULL;
	sodium_free(pass);
	return rc;
}

/* In locked memory: the present and the new one. */
struct repass_room {
	struct keys_pass was, now;
};

static int get_both(const struct keys_repass *r, struct repass_room *room,
		    struct km_err *err)
{
	char what[PATH_MAX + 32];

	if (r->locked && r->was_file) {
		if (keys_pass_read(&room->was, r->was_file, err) != 0)
			return -1;
	} else if (r->locked) {
		(void)snprintf(what, sizeof(what), "Present passphrase of %s", r->path);
		if (keys_pass_ask(&room->was, what, "--old-passphrase-file", err) != 0)
			return -1;
	}
	return r->remove ? 0 : keys_pass_new(&room->now, r->now_file, err);
}

int keys_make_repass(const struct keys_repass *r,
		     int (*do_it)(const char *path, const struct keys_pass *was,
				  const struct keys_pass *now, struct km_err *err),
		     struct km_err *err)
{
	struct repass_room *room;
	int rc;

	if (r->remove && r->now_file)
		return km_err_set(err, EX_USAGE,
				  "--remove and --passphrase-file: either a new passphrase "
				  "or none");
	if (r->remove && !r->locked)
		return km_err_set(err, EX_USAGE, "%s is under no passphrase", r->path);
	if (r->was_file && !r->locked)
		return km_err_set(err, EX_USAGE,
				  "--old-passphrase-file: %s is under no passphrase",
				  r->path);
	room = sodium_malloc(sizeof(*room));
	if (!room)
		return km_err_set(err, EX_OSERR, "no locked memory for a passphrase");
	rc = get_both(r, room, err);
	if (rc == 0)
		rc = do_it(r->path, r->locked ? &room->was : NULL,
			   r->remove ? NULL : &room->now, err);
	sodium_free(room);
	if (rc == 0)
		(void)printf("%s is %s; the key is the same.\n%s", r->path,
			     r->remove ? "under no passphrase any more"
				       : "under the new passphrase",
			     r->remove ? ""
				       : "Put it into passphrase_file too, before a role "
					 "starts again.\n");
	return rc;
}
