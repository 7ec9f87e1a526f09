// SPDX-License-Identifier: ISC
#include "linktest_plan.h"

#include <inttypes.h>
#include <string.h>

#include "opt.h"

#define SECONDS_DEFAULT 1u
#define QUICK_MS 250u
#define PAUSE_MS 200u
#define QUICK_PAUSE_MS 100u
#define BURST_FIRST 64u
#define QUICK_BURST_FIRST 1024u
#define KBPS_PER_MBPS UINT64_C(1000)
#define ITEM_MAX 24u

/* One number of a list, advancing *TEXT behind its comma. */
static int next_item(const char **text, const char *option, uint64_t min, uint64_t max,
		     uint64_t *value, struct km_err *err)
{
	size_t n = strcspn(*text, ",");
	char item[ITEM_MAX] = "";

	if (n < sizeof(item))
		memcpy(item, *text, n);
	if (opt_parse_u64(item, value) != KM_OK || *value < min || *value > max)
		return km_err_set(err, EX_USAGE,
				  "--%s: '%.*s' is no number from %" PRIu64 " to %" PRIu64,
				  option, (int)(n > 40 ? 40 : n), *text, min, max);
	*text += n;
	if (**text == ',')
		(*text)++;
	return 0;
}

/* VALUE at its place of an ascending list of *N; twice is once. False: no room. */
static bool insert(uint64_t *list, uint8_t *n, unsigned max, uint64_t value)
{
	unsigned at = *n;

	for (unsigned i = 0; i < *n; i++)
		if (list[i] == value)
			return true;
	if (*n == max)
		return false;
	for (; at > 0 && list[at - 1] > value; at--)
		list[at] = list[at - 1];
	list[at] = value;
	(*n)++;
	return true;
}

static int read_list(const char *text, const char *option, uint64_t min, uint64_t max,
		     uint64_t *list, uint8_t *n, unsigned room, struct km_err *err)
{
	uint64_t value;

	do {
		if (next_item(&text, option, min, max, &value, err) != 0)
			return -1;
		if (!insert(list, n, room, value))
			return km_err_set(err, EX_USAGE, "--%s: more than %u of them",
					  option, room);
	} while (*text != '\0');
	return 0;
}

static int choose_sizes(struct linktest_plan *plan, const struct linktest_wish *wish,
			struct km_err *err)
{
	static const uint16_t usual[] = {512, 1500};
	uint64_t list[LINKTEST_SIZES_MAX] = {0};

	if (wish->sizes) {
		if (read_list(wish->sizes, "sizes", LINKTEST_SIZE_MIN, wish->mtu, list,
			      &plan->sizes, LINKTEST_SIZES_MAX, err) != 0)
			return -1;
	} else {
		for (unsigned i = 0; i < KM_COUNT(usual); i++)
			if (usual[i] < wish->mtu)
				(void)insert(list, &plan->sizes, LINKTEST_SIZES_MAX,
					     usual[i]);
		(void)insert(list, &plan->sizes, LINKTEST_SIZES_MAX, wish->mtu);
	}
	for (unsigned i = 0; i < plan->sizes; i++)
		plan->size[i] = (uint16_t)list[i];
	return 0;
}

static uint64_t highest_kbps(const struct linktest_wish *wish)
{
	if (wish->max_rate_mbps)
		return wish->max_rate_mbps * KBPS_PER_MBPS;
	return (wish->speed_bps ? wish->speed_bps : wish->rate_bps) / 1000;
}

static int choose_rates(struct linktest_plan *plan, const struct linktest_wish *wish,
			struct km_err *err)
{
	static const uint8_t all[] = {5, 10, 20, 30, 40, 50, 60, 70, 80, 90, 95, 100};
	static const uint8_t few[] = {10, 40, 70, 100};
	const uint8_t *percent = wish->quick ? few : all;
	unsigned n = wish->quick ? KM_COUNT(few) : KM_COUNT(all);
	uint64_t list[LINKTEST_RATES_MAX] = {0};

	if (wish->rates) {
		if (read_list(wish->rates, "rates", 1, UINT32_MAX / KBPS_PER_MBPS, list,
			      &plan->rates, LINKTEST_RATES_MAX, err) != 0)
			return -1;
		for (unsigned i = 0; i < plan->rates; i++)
			plan->rate_kbps[i] = (uint32_t)(list[i] * KBPS_PER_MBPS);
		return 0;
	}
	for (unsigned i = 0; i < n; i++) {
		uint64_t kbps = highest_kbps(wish) * percent[i] / 100;

		(void)insert(list, &plan->rates, LINKTEST_RATES_MAX,
			     kbps < LINKTEST_RATE_KBPS_MIN ? LINKTEST_RATE_KBPS_MIN : kbps);
	}
	for (unsigned i = 0; i < plan->rates; i++)
		plan->rate_kbps[i] = (uint32_t)list[i];
	return 0;
}

/* Doubling up to the longest; none that a receiver would not sit out. */
static void choose_bursts(struct linktest_plan *plan, const struct linktest_wish *wish)
{
	uint64_t frames = wish->quick ? QUICK_BURST_FIRST : BURST_FIRST;

	if (wish->burst == 0)
		return;
	plan->burst_first = (uint32_t)(wish->burst < frames ? wish->burst : frames);
	while (plan->bursts < LINKTEST_BURSTS_MAX) {
		struct linktest_step steps[LINKTEST_STEPS_MAX];
		unsigned n;

		if ((uint64_t)plan->burst_first << plan->bursts > wish->burst)
			break;
		plan->bursts++;
		n = linktest_steps(plan, steps);
		if (steps[n - 1].away_ms < LINKTEST_AWAY_MS_MAX || plan->bursts == 1)
			continue;
		plan->bursts--;
		break;
	}
}

int linktest_plan_make(struct linktest_plan *plan, const struct linktest_wish *wish,
		       struct km_err *err)
{
	*plan = (struct linktest_plan){
		.step_ms = (uint32_t)(wish->seconds ? wish->seconds * 1000
				      : wish->quick ? QUICK_MS
						    : SECONDS_DEFAULT * 1000),
		.pause_ms = wish->quick ? QUICK_PAUSE_MS : PAUSE_MS,
	};
	if (choose_sizes(plan, wish, err) != 0 || choose_rates(plan, wish, err) != 0)
		return -1;
	choose_bursts(plan, wish);
	if (linktest_plan_check(plan) != KM_OK)
		return km_err_set(err, EX_USAGE, "these options make no schedule");
	return 0;
}

uint64_t linktest_plan_ms(const struct linktest_plan *plan)
{
	struct linktest_step steps[LINKTEST_STEPS_MAX];
	unsigned n = linktest_steps(plan, steps);
	uint64_t ms = 0;

	for (unsigned i = 0; i < n; i++)
		ms += plan->pause_ms +
		      (steps[i].burst
			       ? steps[i].away_ms
			       : steps[i].frames * linktest_frame_bits(steps[i].size) /
					 steps[i].rate_kbps);
	return ms;
}
