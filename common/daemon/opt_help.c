// SPDX-License-Identifier: ISC
/* --help from the same rows that parse. */
#include <inttypes.h>
#include <string.h>

#include "opt.h"

#define OPT_COLUMNS 80	/* the width a terminal is promised to have */
#define OPT_HELP_AT 28	/* column where the explanations begin */
#define OPT_LEFT_MAX 64 /* longest `-c, --name=META` shown whole */

/* Prints text as words between columns `from` and 80; the cursor is at column `at`. */
static void opt_wrap(FILE *out, const char *text, size_t at, size_t from)
{
	bool first = true;

	if (at > from) {
		(void)fputc('\n', out);
		at = 0;
	}
	for (; at < from; at++)
		(void)fputc(' ', out);
	while (*text) {
		size_t len = strcspn(text, " ");

		if (!first && at + 1 + len > OPT_COLUMNS) {
			(void)fputc('\n', out);
			for (at = 0; at < from; at++)
				(void)fputc(' ', out);
			first = true;
		}
		if (!first) {
			(void)fputc(' ', out);
			at++;
		}
		/* a word longer than the line is cut into lines */
		while (len > OPT_COLUMNS - at) {
			size_t part = OPT_COLUMNS - at;

			(void)fprintf(out, "%.*s\n", (int)part, text);
			text += part;
			len -= part;
			for (at = 0; at < from; at++)
				(void)fputc(' ', out);
		}
		(void)fprintf(out, "%.*s", (int)len, text);
		at += len;
		text += len;
		text += strspn(text, " ");
		first = false;
	}
	(void)fputc('\n', out);
}

static void opt_print_row(const struct opt_row *row, FILE *out)
{
	char left[OPT_LEFT_MAX], text[512];
	bool value = row->type != OPT_FLAG;
	size_t used;
	int n;

	if (row->positional)
		n = snprintf(left, sizeof(left), "  %s", row->metavar);
	else if (row->short_name)
		n = snprintf(left, sizeof(left), "  -%c, --%s%s%s", row->short_name,
			     row->name, value ? "=" : "", value ? row->metavar : "");
	else
		n = snprintf(left, sizeof(left), "      --%s%s%s", row->name,
			     value ? "=" : "", value ? row->metavar : "");
	n = n < 0 ? 0 : n;
	(void)snprintf(text, sizeof(text), "%s%s", row->help,
		       row->required && !row->positional ? " (required)" : "");
	for (size_t i = 0; row->names && row->names[i]; i++) {
		used = strlen(text);
		(void)snprintf(text + used, sizeof(text) - used, "%s%s%s", i ? ", " : " (",
			       row->names[i], row->names[i + 1] ? "" : ")");
	}
	(void)fputs(left, out);
	/* two spaces between the columns, or a new line */
	opt_wrap(out, text, (size_t)n + 1 >= OPT_HELP_AT ? OPT_HELP_AT + 1 : (size_t)n,
		 OPT_HELP_AT);
}

static void opt_print_cmd_help(const struct opt_prog *prog, const struct opt_cmd *cmd,
			       FILE *out)
{
	bool any = false;

	(void)fprintf(out, "usage: %s %s [OPTION]...", prog->name, cmd->name);
	for (size_t i = 0; i < cmd->n_rows; i++) {
		const struct opt_row *row = &cmd->rows[i];

		if (row->positional)
			(void)fprintf(out, " %s%s%s%s", row->required ? "" : "[",
				      row->metavar, row->type == OPT_REST ? "..." : "",
				      row->required ? "" : "]");
	}
	(void)fputs("\n\n", out);
	opt_wrap(out, cmd->help, 0, 0);
	for (size_t i = 0; i < cmd->n_rows; i++) {
		if (!cmd->rows[i].positional)
			continue;
		(void)fputs(any ? "" : "\narguments:\n", out);
		any = true;
		opt_print_row(&cmd->rows[i], out);
	}
	(void)fputs("\noptions:\n", out);
	for (size_t i = 0; i < cmd->n_rows; i++) {
		if (!cmd->rows[i].positional)
			opt_print_row(&cmd->rows[i], out);
	}
	(void)fputs("      --help", out);
	opt_wrap(out, "print this and exit", 12, OPT_HELP_AT);
}

void opt_print_help(const struct opt_prog *prog, const struct opt_cmd *cmd, FILE *out)
{
	if (cmd) {
		opt_print_cmd_help(prog, cmd, out);
		return;
	}
	(void)fprintf(out, "usage: %s COMMAND [OPTION]...\n\n", prog->name);
	opt_wrap(out, prog->summary, 0, 0);
	(void)fputs("\ncommands (a unique beginning of a name is enough):\n", out);
	for (size_t i = 0; i < prog->n_cmds; i++) {
		int n = fprintf(out, "  %s", prog->cmds[i].name);
		size_t at = n < 0 ? 0 : (size_t)n;

		opt_wrap(out, prog->cmds[i].help,
			 at + 1 >= OPT_HELP_AT ? OPT_HELP_AT + 1 : at, OPT_HELP_AT);
	}
	(void)fputs("\noptions:\n      --help", out);
	opt_wrap(out, "print this, or after a command its own help", 12, OPT_HELP_AT);
	(void)fputs("      --version", out);
	opt_wrap(out, "print version and what was built in", 15, OPT_HELP_AT);
	if (prog->footer) {
		(void)fputc('\n', out);
		opt_wrap(out, prog->footer, 0, 0);
	}
}
