// SPDX-License-Identifier: ISC
#include "keys_roll.h"

#include <stdio.h>
#include <string.h>

#include "log.h"

/* "receiver:FINGERPRINT," for each key of a full configuration. */
#define NAMES_MAX (KEYS_WATCH_MAX * (16 + KEYS_FINGERPRINT_MAX + 2))

struct names {
	char text[NAMES_MAX];
	size_t len;
};

static bool same(const struct keys_roll_item *a, const struct keys_watch_item *b)
{
	return strncmp(a->role, b->role, sizeof(a->role)) == 0 &&
	       strncmp(a->print, b->print, sizeof(a->print)) == 0;
}

static unsigned count(const struct keys_roll *roll)
{
	return roll->n < KEYS_WATCH_MAX ? roll->n : KEYS_WATCH_MAX;
}

static bool on_roll(const struct keys_roll *roll, const struct keys_watch_item *item)
{
	for (unsigned i = 0; i < count(roll); i++)
		if (same(&roll->item[i], item))
			return true;
	return false;
}

static bool in_watch(const struct keys_watch *w, const struct keys_roll_item *item)
{
	for (unsigned i = 0; i < w->n; i++)
		if (same(item, &w->item[i]))
			return true;
	return false;
}

static void name(struct names *names, const char *role, const char *print)
{
	const int n = snprintf(names->text + names->len, sizeof(names->text) - names->len,
			       "%s%.15s:%.47s", names->len ? "," : "", role, print);

	if (n > 0 && (size_t)n < sizeof(names->text) - names->len)
		names->len += (size_t)n;
}

int keys_roll_judge(const struct keys_roll *roll, const struct keys_watch *w,
		    struct km_err *err)
{
	if (w->n > 0 && on_roll(roll, &w->item[0]))
		return 0;
	return km_err_set(
		err, EX_CONFIG,
		"key %s is another one than that in force: restart the daemon for "
		"that",
		w->n > 0 ? w->item[0].path : "");
}

void keys_roll_enter(struct keys_roll *roll, const struct keys_watch *w, bool asked)
{
	struct names added = {.len = 0}, removed = {.len = 0};
	const bool first = roll->n == 0;
	unsigned kept = 0;

	for (unsigned i = 0; i < w->n; i++) {
		if (on_roll(roll, &w->item[i]))
			kept++;
		else
			name(&added, w->item[i].role, w->item[i].print);
	}
	for (unsigned i = 0; i < count(roll); i++)
		if (!in_watch(w, &roll->item[i]))
			name(&removed, roll->item[i].role, roll->item[i].print);
	if (!first && (asked || added.len || removed.len))
		log_event(EVENT_KEYS_RELOADED,
			  "the keys were read again added=%s removed=%s kept=%u",
			  added.len ? added.text : "none",
			  removed.len ? removed.text : "none", kept);
	memset(roll, 0, sizeof(*roll));
	for (unsigned i = 0; i < w->n; i++) {
		(void)snprintf(roll->item[i].role, sizeof(roll->item[i].role), "%s",
			       w->item[i].role);
		(void)snprintf(roll->item[i].print, sizeof(roll->item[i].print), "%s",
			       w->item[i].print);
	}
	roll->n = w->n;
}
