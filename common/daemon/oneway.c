// SPDX-License-Identifier: ISC
#include "oneway.h"

#include <stdarg.h>
#include <string.h>

static const char *const verdicts[] = {"pass", "FAIL", "unknown", "note"};
static const char *const verdict_words[] = {"pass", "fail", "unknown", "note"};

void oneway_add(struct oneway_report *report, const char *id, enum oneway_verdict verdict,
		const char *fmt, ...)
{
	struct oneway_line *line;
	va_list args;

	if (report->n == ONEWAY_MAX)
		return;
	line = &report->line[report->n++];
	line->id = id;
	line->verdict = verdict;
	line->by_hand[0] = '\0';
	va_start(args, fmt);
	(void)vsnprintf(line->found, sizeof(line->found), fmt, args);
	va_end(args);
}

void oneway_by_hand(struct oneway_report *report, const char *fmt, ...)
{
	struct oneway_line *line = &report->line[report->n - 1];
	va_list args;

	va_start(args, fmt);
	(void)vsnprintf(line->by_hand, sizeof(line->by_hand), fmt, args);
	va_end(args);
}

void oneway_print(const struct oneway_report *report, FILE *out)
{
	for (unsigned i = 0; i < report->n; i++) {
		const struct oneway_line *line = &report->line[i];

		(void)fprintf(out, "%-8s%-14s%s\n", verdicts[line->verdict], line->id,
			      line->found);
		if (line->by_hand[0] != '\0')
			(void)fprintf(out, "%-22sby hand: %s\n", "", line->by_hand);
	}
}

/* All texts are ours or printable ASCII. */
static void print_string(const char *text, FILE *out)
{
	(void)fputc('"', out);
	for (; *text != '\0'; text++) {
		if (*text == '"' || *text == '\\')
			(void)fputc('\\', out);
		(void)fputc(*text, out);
	}
	(void)fputc('"', out);
}

void oneway_print_json(const struct oneway_report *report, FILE *out)
{
	(void)fputc('[', out);
	for (unsigned i = 0; i < report->n; i++) {
		const struct oneway_line *line = &report->line[i];

		(void)fprintf(out, "%s{\"check\":\"%s\",\"verdict\":\"%s\",\"found\":",
			      i ? "," : "", line->id, verdict_words[line->verdict]);
		print_string(line->found, out);
		(void)fprintf(out, ",\"by_hand\":");
		print_string(line->by_hand, out);
		(void)fputc('}', out);
	}
	(void)fputc(']', out);
}

void oneway_tell(const struct oneway_report *report, const char *daemon,
		 const char *promise, const char *interface, bool json)
{
	if (!json) {
		(void)printf("%s: %s %s\n", daemon, promise, interface);
		oneway_print(report, stdout);
		return;
	}
	(void)printf("{\"daemon\":\"%s\",\"interface\":\"%s\",\"checks\":", daemon,
		     interface);
	oneway_print_json(report, stdout);
	(void)printf("}\n");
}

int oneway_exit_code(const struct oneway_report *report)
{
	int code = EX_OK;

	for (unsigned i = 0; i < report->n; i++) {
		if (report->line[i].verdict == ONEWAY_FAIL)
			return EX_DATAERR;
		if (report->line[i].verdict == ONEWAY_UNKNOWN)
			code = EX_UNAVAILABLE;
	}
	return code;
}
