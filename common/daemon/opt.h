// SPDX-License-Identifier: ISC
/*
 * opt.h: command lines from one table: GNU long options, subcommands, help, errors.
 *
 * A program is a list of subcommands; a subcommand is a list of rows. The same rows drive
 * the parser, `--help` (at most 80 columns, on stdout) and the errors (one line on stderr
 * ending in "try --help", exit code 64). `--help` and `--version` work everywhere. An
 * option given twice is refused. A unique prefix of a subcommand's name is enough; options
 * are never abbreviated, so that a script means the same after the next release.
 *
 * Not getopt, no globals. Set-up time; strings in the result point into argv.
 */
#ifndef OPT_H
#define OPT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "km_err.h"

enum opt_type {
	OPT_FLAG,   /* bool, takes no value */
	OPT_STRING, /* const char * */
	OPT_U64,    /* uint64_t, decimal, min..max of the row */
	OPT_ENUM,   /* int, one of the row's `names` (its position) */
	OPT_REST    /* struct opt_rest: all remaining positionals; last row only */
};

/* Options a subcommand may have, --help and --version not counted. */
#define OPT_ROWS_MAX 32

struct opt_rest {
	char *const *v; /* into a permuted argv: valid as long as argv */
	size_t n;
};

struct opt_row {
	const char *name; /* "config" for --config; for a positional only its name */
	enum opt_type type;
	size_t offset;	     /* into the caller's result struct */
	char short_name;     /* 'c' or 0 */
	const char *metavar; /* "FILE" */
	const char *help;    /* one sentence; wrapped by --help */
	bool required;
	bool positional;
	uint64_t min, max;	  /* OPT_U64; max 0 = no upper bound */
	const char *const *names; /* OPT_ENUM: NULL-terminated */
};

struct opt_cmd {
	const char *name;
	const char *help; /* one line of the command list */
	const struct opt_row *rows;
	size_t n_rows;
	int id; /* the caller's own number */
};

struct opt_prog {
	const char *name;    /* "katamichi-tx" */
	const char *summary; /* one sentence */
	const struct opt_cmd *cmds;
	size_t n_cmds;
	void (*version)(FILE *out); /* prints --version, several lines allowed */
	const char *footer;	    /* last paragraph of the top --help, or NULL */
};

enum opt_outcome {
	OPT_RUN, /* run *cmd */
	OPT_EXIT /* everything is said; leave with *exit_code */
};

/*
 * Parses argv[1..argc) into `result` (zeroed and given defaults by the caller; rows not on
 * the command line leave their field alone). argv is permuted. Help and version go to
 * `out`, errors to `err_out`. OPT_RUN: *cmd is set. OPT_EXIT: *exit_code is 0 or EX_USAGE.
 */
KM_MUST_CHECK enum opt_outcome opt_parse(const struct opt_prog *prog, int argc, char **argv,
					 void *result, const struct opt_cmd **cmd,
					 int *exit_code, FILE *out, FILE *err_out);

/* Help of the program (cmd NULL) or of one subcommand. */
void opt_print_help(const struct opt_prog *prog, const struct opt_cmd *cmd, FILE *out);

/* For checks beyond the table: prints "PROG CMD: TEXT; try PROG CMD --help" and returns 64. */
int opt_usage_error(const struct opt_prog *prog, const struct opt_cmd *cmd, FILE *err_out,
		    const char *fmt, ...) KM_PRINTF(4, 5);

/* Decimal digits only, whole string, no overflow. */
KM_MUST_CHECK enum km_rc opt_parse_u64(const char *text, uint64_t *value);

#endif
