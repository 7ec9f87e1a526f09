// SPDX-License-Identifier: ISC
/*
 * A link test for people and for machines: table, plot and proposal as text, a plot as SVG,
 * and everything as JSON.
 */
#ifndef LINKTEST_PRINT_H
#define LINKTEST_PRINT_H

#include <stdio.h>

#include "linktest_verdict.h"

/* All that is known at the end. */
struct linktest_report {
	const struct linktest_heard *page; /* a private copy */
	struct linktest_step step[LINKTEST_STEPS_MAX];
	struct linktest_result result[LINKTEST_STEPS_MAX];
	unsigned steps;
	struct linktest_verdict verdict;
	const char *interface;
};

void linktest_print_table(const struct linktest_report *r, FILE *out);

/* Lost ranges by position: of each step the first MAX. */
void linktest_print_losses(const struct linktest_report *r, unsigned max, FILE *out);

/* One bar for each rate and size: # came, . was lost. */
void linktest_print_plot(const struct linktest_report *r, FILE *out);

/* Settings, with the reason above each; lines of a configuration file. */
void linktest_print_proposal(const struct linktest_report *r, FILE *out);

void linktest_print_json(const struct linktest_report *r, FILE *out);

/* Loss in percent by rate, a line for each size. */
void linktest_print_svg(const struct linktest_report *r, FILE *out);

#endif
