// SPDX-License-Identifier: ISC
#include "keys_watch.h"

#include <inttypes.h>
#include <stdio.h>

#include "clock.h"
#include "log.h"

#define DAY_NS (UINT64_C(86400) * CLOCK_NS_PER_SEC)

void keys_watch_add(struct keys_watch *w, const char *role, const char *kind,
		    const uint8_t pk[32], const struct keys_facts *facts, const char *path)
{
	struct keys_watch_item *item;

	if (w->n == KEYS_WATCH_MAX)
		return; /* more than any configuration names */
	item = &w->item[w->n];
	item->own = w->n++ == 0;
	item->retired = false;
	item->role = role;
	item->kind = kind;
	item->path = path;
	item->facts = *facts;
	keys_fingerprint(item->print, pk);
}

void keys_watch_add_retired(struct keys_watch *w, const char *kind, const uint8_t pk[32],
			    const struct keys_facts *facts, const char *path)
{
	const unsigned n = w->n;

	keys_watch_add(w, "retired", kind, pk, facts, path);
	if (w->n > n)
		w->item[n].retired = true;
}

void keys_watch_say(const struct keys_watch *w)
{
	char created[KEYS_DAY_TEXT_MAX], expires[KEYS_DAY_TEXT_MAX];

	for (unsigned i = 0; i < w->n; i++) {
		const struct keys_watch_item *item = &w->item[i];

		log_event(EVENT_KEY_LOADED,
			  "key role=%s kind=%s fingerprint=%s created=%s expires=%s "
			  "file=%s",
			  item->role, item->kind, item->print,
			  keys_day_format(created, item->facts.created_day),
			  keys_day_format(expires, item->facts.expires_day), item->path);
	}
}

static void say(const struct keys_watch *w, const struct keys_watch_item *item,
		uint32_t today)
{
	char day[KEYS_DAY_TEXT_MAX];

	keys_day_format(day, item->facts.expires_day);
	switch (keys_age(&item->facts, today, w->warn_days)) {
	case KEYS_AGE_SOON:
		log_event(EVENT_KEY_EXPIRES,
			  "replace this key in time days=%" PRIu32
			  " expires=%s role=%s fingerprint=%s file=%s",
			  item->facts.expires_day - today, day, item->role, item->print,
			  item->path);
		break;
	case KEYS_AGE_PAST:
		log_event(EVENT_KEY_EXPIRED,
			  "this key is past its date and still works: replace it, or "
			  "correct the clock days=%" PRIu32
			  " expires=%s role=%s fingerprint=%s file=%s",
			  today - item->facts.expires_day, day, item->role, item->print,
			  item->path);
		break;
	case KEYS_AGE_FINE:
		break;
	}
}

void keys_watch_tick(struct keys_watch *w, uint64_t mono_ns, uint64_t real_ns)
{
	if (mono_ns < w->next_ns)
		return;
	w->next_ns = clock_add(mono_ns, DAY_NS);
	for (unsigned i = 0; i < w->n; i++)
		if (!w->item[i].retired)
			say(w, &w->item[i], keys_day_of(real_ns));
}

uint32_t keys_watch_first(const struct keys_watch *w, bool own)
{
	uint32_t first = 0;

	for (unsigned i = 0; i < w->n; i++) {
		const uint32_t day = w->item[i].facts.expires_day;

		if (w->item[i].own == own && !w->item[i].retired && day &&
		    (!first || day < first))
			first = day;
	}
	return first;
}
