// SPDX-License-Identifier: ISC
#include "outlet.h"

#include <stdlib.h>
#include <string.h>

/* The first memory of an outlet that has something to wait for. */
#define ROOM_LEAST ((size_t)16384)

void outlet_clear(struct outlet *o)
{
	memset(o, 0, sizeof(*o));
	o->fd = -1;
}

static bool grow(struct outlet *o, size_t need, size_t limit)
{
	size_t room = o->room ? o->room : ROOM_LEAST;
	uint8_t *ring;

	while (room < need)
		room *= 2;
	if (room > limit)
		room = limit;
	ring = malloc(room);
	if (!ring)
		return false;
	for (size_t done = 0; done < o->held && o->room > 0;) {
		const size_t at = (o->from + done) % o->room;
		size_t n = o->room - at;

		if (n > o->held - done)
			n = o->held - done;
		memcpy(ring + done, o->ring + at, n);
		done += n;
	}
	free(o->ring);
	o->ring = ring;
	o->room = room;
	o->from = 0;
	return true;
}

enum km_rc outlet_put(struct outlet *o, const void *bytes, size_t len, size_t limit)
{
	const uint8_t *from = bytes;
	size_t at, n;

	if (len == 0)
		return KM_OK;
	if (o->held > limit || len > limit - o->held)
		return KM_ERR_FULL;
	if (len > o->room - o->held && !grow(o, o->held + len, limit))
		return KM_ERR_FULL;
	at = (o->from + o->held) % o->room;
	n = len < o->room - at ? len : o->room - at;
	memcpy(o->ring + at, from, n);
	memcpy(o->ring, from + n, len - n);
	o->held += len;
	o->line = from[len - 1] != '\n';
	return KM_OK;
}

const uint8_t *outlet_first(const struct outlet *o, size_t *len)
{
	if (o->held == 0)
		return NULL;
	*len = o->held < o->room - o->from ? o->held : o->room - o->from;
	return o->ring + o->from;
}

void outlet_took(struct outlet *o, size_t len)
{
	o->held -= len;
	o->from = o->held == 0 ? 0 : (o->from + len) % o->room;
}

void outlet_drop(struct outlet *o)
{
	km_close(&o->fd);
	free(o->ring);
	if (o->over) {
		outlet_clear(o);
		return;
	}
	/* what stands in the ring may be a mark too, and never came from tx: rather too early */
	o->sent = o->held < o->next ? o->next - o->held : 0;
	o->ring = NULL;
	o->room = o->from = o->held = 0;
	o->state = OUTLET_DEAD;
	o->asked = o->told = o->deaf = false;
	o->end_ns = 0;
}
