// SPDX-License-Identifier: ISC
#include "linktest_print.h"

#include <inttypes.h>
#include <string.h>

#include "wire_limits.h"

#define BAR 40u
#define MBIT 1e6

static double percent(const struct linktest_result *r)
{
	return r->sent ? (double)r->lost * 100 / (double)r->sent : 0;
}

static const char *remark(const struct linktest_report *report, unsigned i)
{
	const struct linktest_result *r = &report->result[i];

	if (!r->whole)
		return i < report->page->first_whole ? "before we listened"
						     : "not to its end";
	if (r->drops > 0)
		return r->lost > 0 ? "our ring was full" : "ring full";
	if (r->lost > 0)
		return r->taken ? "lost before our ring" : "nothing came";
	return r->slower ? "tx is slower" : "";
}

void linktest_print_table(const struct linktest_report *r, FILE *out)
{
	(void)fprintf(out, "step   size     Mbit/s   tx sent     frames      lost   loss %%"
			   "  in a row     drops\n");
	for (unsigned i = 0; i < r->steps; i++) {
		const struct linktest_step *step = &r->step[i];
		const struct linktest_result *x = &r->result[i];
		char rate[24] = "burst";

		if (!step->burst)
			(void)snprintf(rate, sizeof(rate), "%.1f", step->rate_kbps / 1e3);
		if (!x->whole && x->taken == 0)
			(void)fprintf(out, "%4u %6u %10s  %s\n", i, step->size, rate,
				      remark(r, i));
		else
			(void)fprintf(out,
				      "%4u %6u %10s %9.1f %10" PRIu64 " %9" PRIu64
				      " %8.4f %9u %9" PRIu64 "  %s\n",
				      i, step->size, rate, (double)x->bps / MBIT, x->sent,
				      x->lost, percent(x), x->longest, x->drops,
				      remark(r, i));
	}
}

/* The range NUMBER of step I. */
static struct linktest_range range_of(const struct linktest_report *r, unsigned i,
				      unsigned number)
{
	const struct linktest_result *x = &r->result[i];

	if (number < x->named)
		return r->page->step[i].range[number];
	return (struct linktest_range){(uint32_t)(x->sent - x->tail),
				       (uint32_t)x->sent - 1};
}

static unsigned ranges_known(const struct linktest_result *x)
{
	return x->named + (x->tail > 0);
}

void linktest_print_losses(const struct linktest_report *r, unsigned max, FILE *out)
{
	for (unsigned i = 0; i < r->steps; i++) {
		const struct linktest_result *x = &r->result[i];
		unsigned known = ranges_known(x), n = known < max ? known : max;

		if (!x->whole || x->lost == 0)
			continue;
		(void)fprintf(out, "step %u lost", i);
		for (unsigned k = 0; k < n; k++) {
			struct linktest_range range = range_of(r, i, k);

			if (range.first == range.last)
				(void)fprintf(out, " %u", range.first);
			else
				(void)fprintf(out, " %u-%u", range.first, range.last);
		}
		if (x->ranges > n)
			(void)fprintf(out, " and %u more ranges", x->ranges - n);
		(void)fprintf(out, "\n");
	}
}

static void print_bar(const struct linktest_report *r, unsigned i, FILE *out)
{
	const struct linktest_result *x = &r->result[i];
	/* what was lost shows, however little it was */
	unsigned lost = x->sent ? (unsigned)((x->lost * BAR + x->sent - 1) / x->sent) : 0;
	char bar[BAR + 1];

	lost = lost > BAR ? BAR : lost;
	memset(bar, '#', BAR - lost);
	memset(bar + BAR - lost, '.', lost);
	bar[BAR] = '\0';
	(void)fprintf(out, "%10.1f |%s| %s%s", r->step[i].rate_kbps / 1e3, bar,
		      x->slower ? "tx " : "", x->lost ? "" : "whole");
	if (x->lost)
		(void)fprintf(out, "-%.4f %%", percent(x));
	(void)fprintf(out, "\n");
}

void linktest_print_plot(const struct linktest_report *r, FILE *out)
{
	for (unsigned size = 0; size < r->page->plan.sizes; size++) {
		(void)fprintf(out, "%u bytes, by Mbit/s (tx: it did not reach the rate)\n",
			      r->page->plan.size[size]);
		for (unsigned i = 0; i < r->steps; i++)
			if (!r->step[i].burst && r->step[i].size_at == size &&
			    r->result[i].whole)
				print_bar(r, i, out);
	}
}

static void print_rate(uint64_t bps, FILE *out)
{
	if (bps % 1000000 == 0)
		(void)fprintf(out, "%" PRIu64 " Mbit/s", bps / 1000000);
	else
		(void)fprintf(out, "%" PRIu64 " kbit/s", bps / 1000);
}

static void propose_rate(const struct linktest_report *r, FILE *out)
{
	const struct linktest_verdict *v = &r->verdict;

	if (!v->found) {
		(void)fprintf(
			out,
			"# No rate came without loss: no rate is proposed. Mend the "
			"link first;\n"
			"# docs/tuning.md says where to look: cable and optics, MTU on "
			"the way,\n"
			"# queues and interrupts of the receiving port.\n");
		return;
	}
	(void)fprintf(out,
		      "# Nothing was lost at any size at %.1f Mbit/s%s;\n# %u %% are "
		      "kept free.\n",
		      (double)v->limit_bps / MBIT,
		      v->by_tx ? ", and tx cannot send faster"
		      : v->top ? ", the highest rate that was tried"
			       : ", above it frames were lost",
		      LINKTEST_HEADROOM_PERCENT);
	if (v->lost_below)
		(void)fprintf(out,
			      "# Yet %" PRIu64 " of %" PRIu64 " frames were lost at lower "
			      "rates: a matter of\n# the link, not of its load.\n",
			      v->lost_below, v->sent_below);
	(void)fprintf(out, "rate = ");
	print_rate(v->rate_bps, out);
	(void)fprintf(out, "\n");
}

static void propose_mtu(const struct linktest_report *r, FILE *out)
{
	const struct linktest_verdict *v = &r->verdict;

	if (v->not_through <= v->size)
		return;
	(void)fprintf(out, "# No frame of %u bytes came; of %u bytes they do.\n",
		      v->not_through, v->size);
	if (v->size >= WIRE_MTU_MIN)
		(void)fprintf(out, "mtu = %u\n", v->size);
}

static void propose_fec(const struct linktest_report *r, FILE *out)
{
	const struct linktest_verdict *v = &r->verdict;
	const unsigned reach = v->fec_m * v->fec_depth;

	(void)fprintf(out, "[channel NAME]\n");
	if (v->longest == 0)
		(void)fprintf(out,
			      "# Nothing was lost: the default, for %u frames in a row. A "
			      "short test is no\n# proof that it never happens.\n",
			      reach);
	else if (v->fec_covers)
		(void)fprintf(out,
			      "# %u frames in a row were lost at most: %u are repaired.\n",
			      v->longest, reach);
	else
		(void)fprintf(
			out,
			"# %u frames in a row and %.2f %% in all were lost: more than "
			"this repairs\n# safely. Mend the link; see docs/tuning.md.\n",
			v->longest,
			v->sent_below ? (double)v->lost_below * 100 / (double)v->sent_below
				      : 0.0);
	(void)fprintf(out, "fec_k = %u\nfec_m = %u\nfec_depth = %u\n", v->fec_k, v->fec_m,
		      v->fec_depth);
}

static void propose_ring(const struct linktest_report *r, FILE *out)
{
	const struct linktest_verdict *v = &r->verdict;

	if (!v->bursts)
		(void)fprintf(out, "# No burst was judged: as it is.\n");
	else if (v->burst_lost == 0)
		(void)fprintf(out,
			      "# A burst of %u frames of %u bytes was held, the longest "
			      "that was tried.\n",
			      v->burst_ridden, v->burst_size);
	else if (v->burst_by_ring)
		(void)fprintf(out,
			      "# A burst of %u frames of %u bytes was held, of %u not.\n",
			      v->burst_ridden, v->burst_size, v->burst_lost);
	else
		(void)fprintf(
			out,
			"# A burst of %u frames was lost in part, but not for want of "
			"ring: see to the\n# queue of the port (docs/tuning.md).\n",
			v->burst_lost);
	if (v->need_bytes)
		(void)fprintf(out, "# %u ms at the rate above are %.1f MiB.\n",
			      LINKTEST_RIDE_MS, (double)v->need_bytes / (1 << 20));
	(void)fprintf(out, "ring = %" PRIu64 " MiB\n", v->ring_bytes >> 20);
	(void)fprintf(out, "# At least two windows of the channel below.\n");
	(void)fprintf(out, "pool = %" PRIu64 " MiB\n", v->pool_bytes >> 20);
}

void linktest_print_proposal(const struct linktest_report *r, FILE *out)
{
	(void)fprintf(out, "For the transmitter's file:\n\n[transmitter]\n");
	propose_rate(r, out);
	propose_mtu(r, out);
	propose_fec(r, out);
	(void)fprintf(out, "\nFor the receiver's file:\n\n[receiver]\n");
	propose_ring(r, out);
	propose_mtu(r, out);
	propose_fec(r, out);
}

static void json_step(const struct linktest_report *r, unsigned i, FILE *out)
{
	const struct linktest_step *step = &r->step[i];
	const struct linktest_result *x = &r->result[i];

	(void)fprintf(
		out,
		"  {\"step\": %u, \"kind\": \"%s\", \"size\": %u, \"rate_bps\": %" PRIu64
		", \"first\": %" PRIu64 ", \"planned\": %u, \"whole\": %s, \"told\": %s, "
		"\"reached\": %s, \"sent_bps\": %" PRIu64 ", \"sent\": %" PRIu64
		", \"taken\": %" PRIu64 ", \"lost\": %" PRIu64 ", \"copies\": %" PRIu64
		", \"late\": %" PRIu64 ", \"drops\": %" PRIu64
		", \"longest\": %u, \"ranges\": %u, \"lost_ranges\": [",
		i, step->burst ? "burst" : "rate", step->size,
		(uint64_t)step->rate_kbps * 1000, step->first, step->frames,
		x->whole ? "true" : "false", x->told ? "true" : "false",
		x->slower ? "false" : "true", x->bps, x->sent, x->taken, x->lost, x->copies,
		x->late, x->drops, x->longest, x->ranges);
	for (unsigned k = 0; k < ranges_known(x); k++) {
		struct linktest_range range = range_of(r, i, k);

		(void)fprintf(out, "%s[%u, %u]", k ? ", " : "", range.first, range.last);
	}
	(void)fprintf(out, "]}%s\n", i + 1 < r->steps ? "," : "");
}

void linktest_print_json(const struct linktest_report *r, FILE *out)
{
	const struct linktest_heard *p = r->page;
	const struct linktest_verdict *v = &r->verdict;

	(void)fprintf(out,
		      "{\"run\": \"%08x\", \"interface\": \"%s\", \"over\": %s, \"seen\": "
		      "%" PRIu64 ", \"foreign\": %" PRIu64 ", \"malformed\": %" PRIu64
		      ", \"other_run\": %" PRIu64 ", \"impossible\": %" PRIu64
		      ", \"first_whole\": %u,\n \"steps\": [\n",
		      p->run, r->interface,
		      p->state == LINKTEST_HEARD_OVER ? "true" : "false", (uint64_t)p->seen,
		      p->foreign, p->malformed, p->other_run, p->impossible,
		      p->first_whole);
	for (unsigned i = 0; i < r->steps; i++)
		json_step(r, i, out);
	(void)fprintf(out,
		      " ],\n \"proposal\": {\"found\": %s, \"limit_bps\": %" PRIu64
		      ", \"rate_bps\": %" PRIu64 ", \"size\": %u, \"not_through\": %u, "
		      "\"longest\": %u, \"fec_k\": %u, \"fec_m\": %u, \"fec_depth\": %u, "
		      "\"fec_covers\": %s, \"burst_ridden\": %u, \"burst_lost\": %u, "
		      "\"ring_bytes\": %" PRIu64 ", \"pool_bytes\": %" PRIu64 "}}\n",
		      v->found ? "true" : "false", v->limit_bps, v->rate_bps, v->size,
		      v->not_through, v->longest, v->fec_k, v->fec_m, v->fec_depth,
		      v->fec_covers ? "true" : "false", v->burst_ridden, v->burst_lost,
		      v->ring_bytes, v->pool_bytes);
}
