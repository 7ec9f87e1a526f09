// SPDX-License-Identifier: ISC
#include "advice.h"

#include <stdarg.h>
#include <string.h>

/* Preamble and start, FCS, and the gap between frames (IEEE 802.3). */
#define ADVICE_UNCOUNTED 24u

void advice_add(struct advice_list *list, enum event event, const char *fmt, ...)
{
	struct advice *a;
	va_list args;

	if (list->n == ADVICE_MAX)
		return;
	a = &list->item[list->n++];
	a->event = event;
	va_start(args, fmt);
	(void)vsnprintf(a->text, sizeof(a->text), fmt, args);
	va_end(args);
}

void advice_common(struct advice_list *list, const struct host_facts *facts,
		   const char *interface)
{
	if (facts->up == 0)
		advice_add(list, EVENT_TUNING_CARRIER,
			   "interface %s is down: nothing passes; type `ip link set dev %s "
			   "up`",
			   interface, interface);
	else if (facts->carrier == 0)
		advice_add(
			list, EVENT_TUNING_CARRIER,
			"interface %s has no carrier: what leaves is thrown away and "
			"nothing comes; look at fibre and transceiver, and if nothing "
			"ever comes back by this fibre, type `ethtool -s %s autoneg off`",
			interface, interface);
	if (strcmp(facts->governor, "powersave") == 0)
		advice_add(list, EVENT_TUNING_GOVERNOR,
			   "processors save power and are slow when a burst comes; type "
			   "`cpupower frequency-set -g performance`");
}

uint64_t advice_frames_per_s(uint64_t speed_bps, uint32_t mtu, uint32_t link_header)
{
	return speed_bps / 8 / (mtu + link_header + ADVICE_UNCOUNTED);
}

void advice_log(const struct advice_list *list)
{
	for (unsigned i = 0; i < list->n; i++)
		log_event(list->item[i].event, "%s", list->item[i].text);
}

void advice_print(const struct advice_list *list, FILE *out)
{
	for (unsigned i = 0; i < list->n; i++)
		(void)fprintf(out, "warning: %s: %s\n", event_id(list->item[i].event),
			      list->item[i].text);
}
