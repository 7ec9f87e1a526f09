// SPDX-License-Identifier: ISC
#include "account.h"

#include <string.h>

static bool bit_get(const struct account *a, uint64_t seq)
{
	uint64_t at = seq % ACCOUNT_WINDOW;

	return a->seen[at / 64] >> (at % 64) & 1;
}

static void bit_set(struct account *a, uint64_t seq)
{
	uint64_t at = seq % ACCOUNT_WINDOW;

	a->seen[at / 64] |= UINT64_C(1) << (at % 64);
}

static void bit_clear(struct account *a, uint64_t seq)
{
	uint64_t at = seq % ACCOUNT_WINDOW;

	a->seen[at / 64] &= ~(UINT64_C(1) << (at % 64));
}

void account_start(struct account *a, uint64_t base, account_lost_fn *lost_fn, void *ctx)
{
	memset(a, 0, sizeof(*a));
	a->base = base;
	a->low = base;
	a->settled = base;
	a->next = base;
	a->lost_fn = lost_fn;
	a->ctx = ctx;
}

enum account_verdict account_judge(const struct account *a, uint64_t seq)
{
	if (seq < a->low)
		return ACCOUNT_OLD;
	if (seq >= a->next)
		return ACCOUNT_FRESH;
	return bit_get(a, seq) ? ACCOUNT_DUPLICATE : ACCOUNT_FRESH;
}

static void run_say(struct account *a)
{
	if (a->run_first < a->run_end && a->lost_fn)
		a->lost_fn(a->ctx, a->run_first, a->run_end - 1);
	a->run_first = a->run_end;
}

/* [first, end) is lost. Calls come in rising order, because `settled` only rises. */
static void lose(struct account *a, uint64_t first, uint64_t end)
{
	if (first >= end)
		return;
	a->lost += end - first;
	if (a->run_end != first || a->run_first == a->run_end) {
		run_say(a);
		a->run_first = first;
	}
	a->run_end = end;
}

/* Every number below UPTO that is known of becomes final. */
static void settle(struct account *a, uint64_t upto)
{
	uint64_t end = upto < a->next ? upto : a->next;

	for (uint64_t n = a->settled; n < end; n++) {
		if (bit_get(a, n))
			continue;
		lose(a, n, n + 1);
		a->pending--;
	}
	if (end > a->settled)
		a->settled = end;
	/* a taken number follows the run: it cannot grow any more */
	if (a->run_first < a->run_end && a->run_end < a->settled)
		run_say(a);
}

/* Numbers up to NEXT - 1 are known now. */
static void advance(struct account *a, uint64_t next)
{
	uint64_t low = a->low, from;

	if (next <= a->next)
		return;
	if (next > ACCOUNT_WINDOW && next - ACCOUNT_WINDOW > low)
		low = next - ACCOUNT_WINDOW;
	settle(a, low);
	if (low > a->next) {
		/* a jump of more than the window: what lies between was never pending */
		lose(a, a->next, low);
		a->next = low;
		a->settled = low;
	}
	a->low = low;
	from = a->next;
	a->pending += next - from;
	for (uint64_t n = from; n < next; n++)
		bit_clear(a, n);
	a->next = next;
}

bool account_take(struct account *a, uint64_t seq)
{
	bool late;

	advance(a, seq + 1);
	bit_set(a, seq);
	if (seq + 1 > a->opened)
		a->opened = seq + 1;
	late = seq < a->settled;
	if (late) {
		a->late++;
	} else {
		a->taken++;
		a->pending--;
	}
	return late;
}

void account_duplicate(struct account *a)
{
	a->duplicate++;
}

void account_heard(struct account *a, uint64_t accepted, uint64_t now_ns)
{
	advance(a, accepted);
	if (accepted <= a->settled)
		return;
	if (a->due_ns == 0) {
		a->due_seq = accepted;
		a->due_ns = now_ns + ACCOUNT_SETTLE_NS;
	} else if (accepted > a->due_seq) {
		a->queued_seq = accepted;
		a->queued_ns = now_ns + ACCOUNT_SETTLE_NS;
	}
}

void account_tick(struct account *a, uint64_t now_ns)
{
	if (a->due_ns != 0 && now_ns >= a->due_ns) {
		settle(a, a->due_seq);
		a->due_seq = a->queued_seq;
		a->due_ns = a->queued_ns;
		a->queued_seq = 0;
		a->queued_ns = 0;
	}
	run_say(a);
}

void account_end(struct account *a)
{
	settle(a, a->next);
	run_say(a);
	a->due_ns = 0;
	a->queued_ns = 0;
}

bool account_check(const struct account *a)
{
	uint64_t pending = 0;

	for (uint64_t n = a->settled; n < a->next; n++)
		pending += !bit_get(a, n);
	return a->base <= a->low && a->low <= a->settled && a->settled <= a->next &&
	       a->next - a->low <= ACCOUNT_WINDOW && a->pending == pending &&
	       a->next - a->base == a->taken + a->pending + a->lost;
}
