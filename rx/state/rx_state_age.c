// SPDX-License-Identifier: ISC
#include "rx_state_age.h"

#define DEAD_TIMES 3u

void rx_state_age_init(struct rx_state_age *a, uint64_t real_ns, uint64_t mono_ns)
{
	*a = (struct rx_state_age){.base_ns = (int64_t)(real_ns - mono_ns)};
}

/* Hostile times wrap; they give a wrong age to their own channel. */
static int64_t difference(const struct rx_state_age *a, uint64_t tx_ns, uint64_t mono_ns)
{
	return (int64_t)(mono_ns + (uint64_t)a->base_ns - tx_ns);
}

static int64_t best(const struct rx_state_age *a)
{
	return a->least < a->before ? a->least : a->before;
}

void rx_state_age_note(struct rx_state_age *a, uint64_t sent_ns, uint64_t mono_ns)
{
	const int64_t now = difference(a, sent_ns, mono_ns);
	const bool set_back =
		a->sent_ns > sent_ns && a->sent_ns - sent_ns > RX_STATE_STEP_NS;

	a->sent_ns = sent_ns;
	if (!a->known || set_back) {
		a->known = true;
		a->span_ns = mono_ns;
		a->least = a->before = now;
		return;
	}
	if (mono_ns - a->span_ns >= RX_STATE_SPAN_NS) {
		/* of a span that is long past nothing counts any more */
		a->before = mono_ns - a->span_ns < 2 * RX_STATE_SPAN_NS ? a->least : now;
		a->least = now;
		a->span_ns = mono_ns;
	}
	if (now < a->least)
		a->least = now;
}

uint64_t rx_state_age_of(const struct rx_state_age *a, uint64_t update_ns, uint64_t mono_ns)
{
	const int64_t age =
		(int64_t)((uint64_t)difference(a, update_ns, mono_ns) - (uint64_t)best(a));

	return a->known && age > 0 ? (uint64_t)age : 0;
}

enum rx_state_alarm rx_state_alarm_next(enum rx_state_alarm alarm, uint64_t age_ns,
					uint64_t stale_ns)
{
	if (age_ns / DEAD_TIMES > stale_ns)
		return RX_STATE_DEAD;
	if (age_ns > stale_ns && alarm == RX_STATE_FRESH)
		return RX_STATE_STALE;
	if (age_ns < stale_ns / 2)
		return RX_STATE_FRESH;
	return alarm;
}
