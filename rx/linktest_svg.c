// SPDX-License-Identifier: ISC
#include <inttypes.h>

#include "linktest_print.h"

#define WIDTH 720.0
#define HEIGHT 400.0
#define LEFT 70.0
#define RIGHT 130.0
#define TOP 40.0
#define BOTTOM 60.0

static double x_of(const struct linktest_report *r, unsigned i)
{
	const struct linktest_plan *p = &r->page->plan;

	return LEFT +
	       (WIDTH - LEFT - RIGHT) * r->step[i].rate_kbps / p->rate_kbps[p->rates - 1];
}

static double y_of(const struct linktest_result *x)
{
	double part = x->sent ? (double)x->lost / (double)x->sent : 0;

	return HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * (part > 1 ? 1 : part);
}

static void print_axes(const struct linktest_report *r, FILE *out)
{
	const struct linktest_plan *p = &r->page->plan;

	(void)fprintf(out, "<rect width=\"%.0f\" height=\"%.0f\" fill=\"#fff\"/>\n", WIDTH,
		      HEIGHT);
	(void)fprintf(
		out, "<text x=\"%.0f\" y=\"22\">Link test %08x on %s: frames lost</text>\n",
		LEFT, r->page->run, r->interface);
	for (unsigned i = 0; i <= 4; i++) {
		double y = HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * i / 4;

		(void)fprintf(
			out,
			"<path d=\"M%.1f %.1fH%.1f\" stroke=\"#ccc\"/>"
			"<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"end\">%u %%</text>\n",
			LEFT, y, WIDTH - RIGHT, LEFT - 6, y + 4, i * 25);
	}
	(void)fprintf(out, "<text x=\"%.0f\" y=\"%.0f\">0</text>", LEFT,
		      HEIGHT - BOTTOM + 20);
	(void)fprintf(
		out, "<text x=\"%.0f\" y=\"%.0f\" text-anchor=\"end\">%.1f Mbit/s</text>\n",
		WIDTH - RIGHT, HEIGHT - BOTTOM + 20, p->rate_kbps[p->rates - 1] / 1e3);
}

static void print_size(const struct linktest_report *r, unsigned size, FILE *out)
{
	static const char *const colours[] = {"#1f77b4", "#d62728", "#2ca02c", "#9467bd",
					      "#ff7f0e", "#17becf", "#8c564b", "#7f7f7f"};
	const char *colour = colours[size % KM_COUNT(colours)];
	const char *verb = "M";

	(void)fprintf(out, "<path fill=\"none\" stroke-width=\"2\" stroke=\"%s\" d=\"",
		      colour);
	for (unsigned i = 0; i < r->steps; i++) {
		if (r->step[i].burst || r->step[i].size_at != size || !r->result[i].whole)
			continue;
		(void)fprintf(out, "%s%.1f %.1f", verb, x_of(r, i), y_of(&r->result[i]));
		verb = "L";
	}
	(void)fprintf(
		out, "\"/>\n<text x=\"%.0f\" y=\"%.0f\" fill=\"%s\">%u bytes</text>\n",
		WIDTH - RIGHT + 10, TOP + 20 + 20 * size, colour, r->page->plan.size[size]);
}

void linktest_print_svg(const struct linktest_report *r, FILE *out)
{
	(void)fprintf(out,
		      "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %.0f %.0f\" "
		      "font-family=\"sans-serif\" font-size=\"13\">\n",
		      WIDTH, HEIGHT);
	print_axes(r, out);
	for (unsigned size = 0; size < r->page->plan.sizes; size++)
		print_size(r, size, out);
	if (r->verdict.found) {
		const struct linktest_plan *p = &r->page->plan;
		double x = LEFT + (WIDTH - LEFT - RIGHT) * (double)r->verdict.rate_bps /
					  (p->rate_kbps[p->rates - 1] * 1e3);

		(void)fprintf(
			out,
			"<path d=\"M%.1f %.0fV%.0f\" stroke=\"#000\" "
			"stroke-dasharray=\"4\"/><text x=\"%.1f\" y=\"%.0f\">proposed "
			"rate</text>\n",
			x, TOP, HEIGHT - BOTTOM, x + 4, TOP + 10);
	}
	(void)fprintf(out, "</svg>\n");
}
