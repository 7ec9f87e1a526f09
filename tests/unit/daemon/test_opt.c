// SPDX-License-Identifier: ISC
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "opt.h"

struct args {
	const char *config;
	const char *ticket;
	uint64_t count;
	bool json;
	bool quiet;
	int format;
	struct opt_rest files;
};

static const char *const formats[] = {"text", "json", NULL};

#define AT(field) offsetof(struct args, field)

static const struct opt_row run_rows[] = {
	{.name = "config",
	 .type = OPT_STRING,
	 .offset = AT(config),
	 .short_name = 'c',
	 .metavar = "FILE",
	 .help = "read this configuration",
	 .required = true},
	{.name = "count",
	 .type = OPT_U64,
	 .offset = AT(count),
	 .short_name = 'n',
	 .metavar = "N",
	 .min = 1,
	 .max = 10,
	 .help = "an explanation that is so long that it must be wrapped several times to "
		 "stay "
		 "within the eighty columns which every terminal has"},
	{.name = "json",
	 .type = OPT_FLAG,
	 .offset = AT(json),
	 .short_name = 'j',
	 .help = "JSON"},
	{.name = "quiet",
	 .type = OPT_FLAG,
	 .offset = AT(quiet),
	 .short_name = 'q',
	 .help = "less"},
	{.name = "an-option-with-a-rather-long-name",
	 .type = OPT_ENUM,
	 .offset = AT(format),
	 .metavar = "FORMAT",
	 .names = formats,
	 .help = "how to print"},
};

static const struct opt_row resend_rows[] = {
	{.name = "ticket",
	 .type = OPT_STRING,
	 .offset = AT(ticket),
	 .metavar = "TICKET",
	 .positional = true,
	 .required = true,
	 .help = "what to send again"},
	{.name = "files",
	 .type = OPT_REST,
	 .offset = AT(files),
	 .metavar = "FILE",
	 .positional = true,
	 .help = "more"},
};

static const struct opt_cmd cmds[] = {
	{.name = "run",
	 .help = "run the daemon",
	 .rows = run_rows,
	 .n_rows = KM_COUNT(run_rows)},
	{.name = "resend",
	 .help = "send again what a ticket names",
	 .rows = resend_rows,
	 .n_rows = KM_COUNT(resend_rows),
	 .id = 7},
	{.name = "status", .help = "print figures"},
	{.name = "stop", .help = "stop"},
	{.name = "a-command-of-a-very-long-name-indeed",
	 .help = "Averyveryveryveryveryveryveryveryveryveryverylongwordwithoutanyblankatall"
		 "init "
		 "and more"},
};

static void version(FILE *out)
{
	fputs("demo 1.0\n", out);
}

static const struct opt_prog prog = {.name = "demo",
				     .summary = "Shows what the table can do.",
				     .cmds = cmds,
				     .n_cmds = KM_COUNT(cmds),
				     .version = version,
				     .footer = "See demo(8)."};

static struct args got;
static const struct opt_cmd *cmd;
static char *out_text, *err_text;
static int code;

/* Runs the parser on a line split at blanks. */
static enum opt_outcome parse(const char *line)
{
	static char copy[512];
	char *argv[24] = {copy}, *save = NULL;
	size_t out_len, err_len;
	enum opt_outcome outcome;
	FILE *out, *err;
	int argc = 0;

	free(out_text);
	free(err_text);
	snprintf(copy, sizeof(copy), "demo %s", line);
	for (char *t = strtok_r(copy, " ", &save); t; t = strtok_r(NULL, " ", &save))
		argv[argc++] = t;
	out = open_memstream(&out_text, &out_len);
	err = open_memstream(&err_text, &err_len);
	cr_assert(out && err);
	memset(&got, 0, sizeof(got));
	outcome = opt_parse(&prog, argc, argv, &got, &cmd, &code, out, err);
	fclose(out);
	fclose(err);
	return outcome;
}

Test(opt, values_in_every_spelling)
{
	static const char *const same[] = {
		"run --config=f --count=3 --json",
		"run --config f --count 3 --json",
		"run -c f -n 3 -j",
		"run -cf -n3 -j",
		"run -jcf --count=3",
		"ru -j --config=f -n 3 --",
	};

	for (size_t i = 0; i < KM_COUNT(same); i++) {
		cr_assert_eq(parse(same[i]), OPT_RUN, "%s: %s", same[i], err_text);
		cr_assert(cmd == &cmds[0] && got.json && !got.quiet && got.count == 3);
		cr_assert_str_eq(got.config, "f");
		cr_assert(*out_text == '\0' && *err_text == '\0' && code == 0);
	}
	cr_assert_eq(parse("run -c f --an-option-with-a-rather-long-name json"), OPT_RUN);
	cr_assert_eq(got.format, 1);
}

Test(opt, positionals)
{
	cr_assert_eq(parse("resend T a -- --b c"), OPT_RUN, "%s", err_text);
	cr_assert_eq(cmd->id, 7);
	cr_assert_str_eq(got.ticket, "T");
	cr_assert_eq(got.files.n, 3);
	cr_assert_str_eq(got.files.v[0], "a");
	cr_assert_str_eq(got.files.v[1], "--b");
	cr_assert_str_eq(got.files.v[2], "c");
	cr_assert_eq(parse("resend -"), OPT_RUN);
	cr_assert_str_eq(got.ticket, "-");
}

static void refused(const char *line, const char *want)
{
	cr_assert_eq(parse(line), OPT_EXIT, "%s", line);
	cr_assert_eq(code, EX_USAGE);
	cr_assert_null(cmd);
	cr_assert_str_eq(err_text, want);
	cr_assert_str_eq(out_text, "");
}

Test(opt, errors_are_one_line_on_stderr)
{
	refused("", "demo: no command given; try demo --help\n");
	refused("-x", "demo: unknown option -x; try demo --help\n");
	refused("fly", "demo: unknown command 'fly'; try demo --help\n");
	refused("st", "demo: command 'st' is ambiguous (status, stop); try demo --help\n");
	refused("run", "demo run: --config=FILE is required; try demo run --help\n");
	refused("run -c a --config=b",
		"demo run: --config is given twice; try demo run --help\n");
	refused("run -jj -c a", "demo run: --json is given twice; try demo run --help\n");
	refused("run --conf=a", "demo run: unknown option --conf; try demo run --help\n");
	refused("run -z", "demo run: unknown option -z; try demo run --help\n");
	refused("run -c", "demo run: -c needs a value (FILE); try demo run --help\n");
	refused("run --config",
		"demo run: --config needs a value (FILE); try demo run --help\n");
	refused("run --json=1 -c a",
		"demo run: --json takes no value; try demo run --help\n");
	refused("run -c a -n x",
		"demo run: --count: 'x' is not a whole number; try demo run --help\n");
	refused("run -c a -n 11",
		"demo run: --count: 11 is out of range (1..10); try demo run --help\n");
	refused("run -c a -n 99999999999999999999",
		"demo run: --count: 99999999999999999999 is out of range (1..10); try demo "
		"run --help\n");
	refused("run -c a --an-option-with-a-rather-long-name=xml",
		"demo run: --an-option-with-a-rather-long-name: 'xml' is not one of its "
		"values; try "
		"demo run --help\n");
	refused("run -c a b", "demo run: unexpected argument 'b'; try demo run --help\n");
	refused("resend", "demo resend: TICKET is missing; try demo resend --help\n");
}

static void columns(const char *text)
{
	for (const char *line = text; *line;) {
		size_t n = strcspn(line, "\n");

		cr_assert_leq(n, 80, "%zu columns: %.*s", n, (int)n, line);
		cr_assert(n == 0 || line[n - 1] != ' ', "blank at the end: %.*s", (int)n,
			  line);
		line += n + 1;
	}
}

Test(opt, help_and_version)
{
	cr_assert_eq(parse("--help"), OPT_EXIT);
	cr_assert_eq(code, 0);
	columns(out_text);
	cr_assert_str_eq(err_text, "");
	for (size_t i = 0; i < KM_COUNT(cmds); i++)
		cr_assert_not_null(strstr(out_text, cmds[i].name));
	cr_assert_eq(parse("run --help"), OPT_EXIT);
	cr_assert_eq(code, 0);
	columns(out_text);
	for (size_t i = 0; i < KM_COUNT(run_rows); i++)
		cr_assert_not_null(strstr(out_text, run_rows[i].name));
	cr_assert_not_null(strstr(out_text,
				  "  -c, --config=FILE         read this configuration "
				  "(required)\n"),
			   "%s", out_text);
	cr_assert_not_null(strstr(out_text, "how to print (text, json)\n"));
	cr_assert_eq(parse("resend --help"), OPT_EXIT);
	cr_assert_not_null(
		strstr(out_text, "usage: demo resend [OPTION]... TICKET [FILE...]\n"));
	columns(out_text);
	cr_assert_eq(parse("--version"), OPT_EXIT);
	cr_assert_str_eq(out_text, "demo 1.0\n");
	cr_assert_eq(code, 0);
}
