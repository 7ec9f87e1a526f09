// SPDX-License-Identifier: ISC
#include "events.h"

#include <stddef.h>
#include <syslog.h>

struct event_row {
	const char *id;
	const char *meaning;
	int level;
};

#define EVENTS_ROW(name, id_, level_, meaning_)                                            \
	[EVENT_##name] = {.id = (id_), .meaning = (meaning_), .level = (level_)},

static const struct event_row event_rows[EVENT_COUNT] = {EVENTS(EVENTS_ROW)};

static const struct event_row *event_row(enum event event)
{
	if ((unsigned int)event >= EVENT_COUNT)
		event = EVENT_DEBUG;
	return &event_rows[event];
}

const char *event_id(enum event event)
{
	return event_row(event)->id;
}

int event_level(enum event event)
{
	return event_row(event)->level;
}

const char *event_meaning(enum event event)
{
	return event_row(event)->meaning;
}
