// SPDX-License-Identifier: ISC
#include "opt.h"

#include <inttypes.h>
#include <stdarg.h>
#include <string.h>

/* State of one parse. */
struct opt_parse {
	const struct opt_prog *prog;
	const struct opt_cmd *cmd;
	char **argv;
	int argc;
	uint8_t *result;
	FILE *err_out;
	uint64_t seen; /* bit per row */
	size_t positionals;
};

_Static_assert(OPT_ROWS_MAX <= 64, "one bit per row");

enum km_rc opt_parse_u64(const char *text, uint64_t *value)
{
	uint64_t v = 0;

	if (*text == '\0')
		return KM_ERR_MALFORMED;
	for (const char *p = text; *p; p++) {
		unsigned int digit = (unsigned int)(*p - '0');

		if (*p < '0' || *p > '9')
			return KM_ERR_MALFORMED;
		if (v > (UINT64_MAX - digit) / 10)
			return KM_ERR_RANGE;
		v = v * 10 + digit;
	}
	*value = v;
	return KM_OK;
}

static KM_PRINTF(4, 0) int opt_vusage(const struct opt_prog *prog,
				      const struct opt_cmd *cmd, FILE *err_out,
				      const char *fmt, va_list args)
{
	(void)fprintf(err_out, "%s%s%s: ", prog->name, cmd ? " " : "",
		      cmd ? cmd->name : "");
	(void)vfprintf(err_out, fmt, args);
	(void)fprintf(err_out, "; try %s%s%s --help\n", prog->name, cmd ? " " : "",
		      cmd ? cmd->name : "");
	return EX_USAGE;
}

int opt_usage_error(const struct opt_prog *prog, const struct opt_cmd *cmd, FILE *err_out,
		    const char *fmt, ...)
{
	va_list args;
	int code;

	va_start(args, fmt);
	code = opt_vusage(prog, cmd, err_out, fmt, args);
	va_end(args);
	return code;
}

#define opt_error(parse, ...)                                                              \
	(opt_usage_error((parse)->prog, (parse)->cmd, (parse)->err_out, __VA_ARGS__), -1)

/* Stores one value; 0 or -1 with the error printed. */
static int opt_store(struct opt_parse *parse, const struct opt_row *row, char *text)
{
	uint8_t *field = parse->result + row->offset;
	const char *dashes = row->positional ? "" : "--";
	uint64_t number;
	enum km_rc rc;

	if (row->type == OPT_STRING) {
		const char *value = text;

		memcpy(field, &value, sizeof(value));
		return 0;
	}
	if (row->type == OPT_U64) {
		rc = opt_parse_u64(text, &number);
		if (rc == KM_ERR_MALFORMED)
			return opt_error(parse, "%s%s: '%s' is not a whole number", dashes,
					 row->name, text);
		if (rc != KM_OK || number < row->min || (row->max && number > row->max))
			return opt_error(parse,
					 "%s%s: %s is out of range (%" PRIu64 "..%" PRIu64
					 ")",
					 dashes, row->name, text, row->min,
					 row->max ? row->max : UINT64_MAX);
		memcpy(field, &number, sizeof(number));
		return 0;
	}
	for (int i = 0; row->names && row->names[i]; i++) {
		if (strcmp(row->names[i], text) == 0) {
			memcpy(field, &i, sizeof(i));
			return 0;
		}
	}
	return opt_error(parse, "%s%s: '%s' is not one of its values", dashes, row->name,
			 text);
}

static const struct opt_row *opt_find_long(const struct opt_cmd *cmd, const char *name,
					   size_t len)
{
	for (size_t i = 0; i < cmd->n_rows; i++) {
		const struct opt_row *row = &cmd->rows[i];

		if (!row->positional && strlen(row->name) == len &&
		    memcmp(row->name, name, len) == 0)
			return row;
	}
	return NULL;
}

static const struct opt_row *opt_find_short(const struct opt_cmd *cmd, char name)
{
	for (size_t i = 0; i < cmd->n_rows; i++) {
		const struct opt_row *row = &cmd->rows[i];

		if (!row->positional && row->short_name == name)
			return row;
	}
	return NULL;
}

static int opt_mark(struct opt_parse *parse, const struct opt_row *row)
{
	uint64_t bit = UINT64_C(1) << (row - parse->cmd->rows);

	if (parse->seen & bit)
		return opt_error(parse, "--%s is given twice", row->name);
	parse->seen |= bit;
	return 0;
}

/* One `--name`, `--name=value` or `--name value`; *i may move on by one. */
static int opt_take_long(struct opt_parse *parse, int *i)
{
	char *text = parse->argv[*i] + 2;
	char *equals = strchr(text, '=');
	size_t len = equals ? (size_t)(equals - text) : strlen(text);
	const struct opt_row *row = opt_find_long(parse->cmd, text, len);

	if (!row)
		return opt_error(parse, "unknown option --%.*s", (int)len, text);
	if (opt_mark(parse, row) != 0)
		return -1;
	if (row->type == OPT_FLAG) {
		if (equals)
			return opt_error(parse, "--%s takes no value", row->name);
		*(bool *)(parse->result + row->offset) = true;
		return 0;
	}
	if (equals)
		return opt_store(parse, row, equals + 1);
	if (*i + 1 >= parse->argc)
		return opt_error(parse, "--%s needs a value (%s)", row->name, row->metavar);
	(*i)++;
	return opt_store(parse, row, parse->argv[*i]);
}

/* A cluster of short options: `-x`, `-xVALUE`, `-x VALUE`, `-ab`. */
static int opt_take_short(struct opt_parse *parse, int *i)
{
	char *text = parse->argv[*i] + 1;

	for (; *text; text++) {
		const struct opt_row *row = opt_find_short(parse->cmd, *text);

		if (!row)
			return opt_error(parse, "unknown option -%c", *text);
		if (opt_mark(parse, row) != 0)
			return -1;
		if (row->type == OPT_FLAG) {
			*(bool *)(parse->result + row->offset) = true;
			continue;
		}
		if (text[1])
			return opt_store(parse, row, text + 1);
		if (*i + 1 >= parse->argc)
			return opt_error(parse, "-%c needs a value (%s)", *text,
					 row->metavar);
		(*i)++;
		return opt_store(parse, row, parse->argv[*i]);
	}
	return 0;
}

/* Gives the collected positionals to their rows, in order. */
static int opt_give_positionals(struct opt_parse *parse, char **v)
{
	size_t next = 0;

	for (size_t r = 0; r < parse->cmd->n_rows; r++) {
		const struct opt_row *row = &parse->cmd->rows[r];

		if (!row->positional)
			continue;
		if (row->required && next >= parse->positionals)
			return opt_error(parse, "%s is missing", row->metavar);
		if (row->type == OPT_REST) {
			struct opt_rest rest = {.v = v + next,
						.n = parse->positionals - next};

			memcpy(parse->result + row->offset, &rest, sizeof(rest));
			return 0;
		}
		if (next < parse->positionals && opt_store(parse, row, v[next++]) != 0)
			return -1;
	}
	if (next < parse->positionals)
		return opt_error(parse, "unexpected argument '%s'", v[next]);
	return 0;
}

/* Everything behind the command's name. 1 = help was asked for, -1 = error. */
static int opt_take_all(struct opt_parse *parse, int first)
{
	char **v = parse->argv + first; /* positionals gather here, never past the reader */
	bool options_end = false;

	for (int i = first; i < parse->argc; i++) {
		char *arg = parse->argv[i];
		int rc;

		if (options_end || arg[0] != '-' || arg[1] == '\0') {
			v[parse->positionals++] = arg;
			continue;
		}
		if (strcmp(arg, "--") == 0) {
			options_end = true;
			continue;
		}
		if (strcmp(arg, "--help") == 0)
			return 1;
		rc = arg[1] == '-' ? opt_take_long(parse, &i) : opt_take_short(parse, &i);
		if (rc != 0)
			return -1;
	}
	if (opt_give_positionals(parse, v) != 0)
		return -1;
	for (size_t r = 0; r < parse->cmd->n_rows; r++) {
		const struct opt_row *row = &parse->cmd->rows[r];

		if (row->required && !row->positional && !(parse->seen >> r & 1))
			return opt_error(parse, "--%s=%s is required", row->name,
					 row->metavar);
	}
	return 0;
}

/* Exact name or unique prefix; NULL with the error printed. */
static const struct opt_cmd *opt_find_cmd(struct opt_parse *parse, const char *name)
{
	const struct opt_prog *prog = parse->prog;
	const struct opt_cmd *found = NULL, *second = NULL;

	for (size_t i = 0; i < prog->n_cmds; i++) {
		if (strcmp(prog->cmds[i].name, name) == 0)
			return &prog->cmds[i];
		if (strncmp(prog->cmds[i].name, name, strlen(name)) != 0)
			continue;
		if (found)
			second = &prog->cmds[i];
		else
			found = &prog->cmds[i];
	}
	if (second)
		(void)opt_error(parse, "command '%s' is ambiguous (%s, %s)", name,
				found->name, second->name);
	else if (!found)
		(void)opt_error(parse, "unknown command '%s'", name);
	return second ? NULL : found;
}

enum opt_outcome opt_parse(const struct opt_prog *prog, int argc, char **argv, void *result,
			   const struct opt_cmd **cmd, int *exit_code, FILE *out,
			   FILE *err_out)
{
	struct opt_parse parse = {.prog = prog,
				  .argv = argv,
				  .argc = argc,
				  .result = result,
				  .err_out = err_out};
	int rc;

	*cmd = NULL;
	*exit_code = EX_USAGE;
	if (argc < 2 || argv[1][0] == '\0') {
		(void)opt_error(&parse, "no command given");
		return OPT_EXIT;
	}
	if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "--version") == 0) {
		if (argv[1][2] == 'h')
			opt_print_help(prog, NULL, out);
		else
			prog->version(out);
		*exit_code = 0;
		return OPT_EXIT;
	}
	if (argv[1][0] == '-') {
		(void)opt_error(&parse, "unknown option %s", argv[1]);
		return OPT_EXIT;
	}
	parse.cmd = opt_find_cmd(&parse, argv[1]);
	if (!parse.cmd)
		return OPT_EXIT;
	if (parse.cmd->n_rows > OPT_ROWS_MAX) {
		*exit_code = EX_SOFTWARE;
		return OPT_EXIT;
	}
	rc = opt_take_all(&parse, 2);
	if (rc == 1) {
		opt_print_help(prog, parse.cmd, out);
		*exit_code = 0;
	}
	if (rc != 0)
		return OPT_EXIT;
	*cmd = parse.cmd;
	*exit_code = 0;
	return OPT_RUN;
}
