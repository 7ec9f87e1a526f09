// SPDX-License-Identifier: ISC
/*
 * conf.h: INI files read through tables: one row per key is the single truth for parser,
 * messages, --dump-config, the man page's key list and the lint of the docs.
 *
 * Parse and judge apart: conf_parse_mem() knows types, ranges and required keys; checks
 * across keys are the owner's judge function, which adds its findings with
 * conf_report_add(). All errors are collected, each as
 * `file:line: key = value: reason (allowed ..; default ..)`.
 *
 * Syntax: `[section]` or `[section argument]`, `key = value`, `#` or `;` at the start of a
 * line is a comment; no quoting, no continuation, no includes; spaces around a value go.
 * Values are bytes except NUL and control characters; `2.5 Gbit/s` is a number too.
 *
 * The result is a plain struct of the owner filled in place (fixed arrays, no pointers), so
 * it can be zeroed, copied and sent to a role as bytes. Only the report allocates.
 * Set-up time only. Fuzzable: conf_parse_mem() touches no file.
 */
#ifndef CONF_H
#define CONF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "km_err.h"
#include "local_end.h"

/* Limits on the file; each is far above any real configuration. */
#define CONF_FILE_MAX (UINT32_C(1) << 20) /* bytes */
#define CONF_LINE_MAX 4096		  /* bytes without newline */
#define CONF_SECTIONS_MAX 32		  /* kinds of section in a table */
#define CONF_INSTANCES_MAX 64		  /* [channel NAME] of one kind */
#define CONF_ROWS_MAX 64		  /* keys of one kind of section */
#define CONF_ERRORS_MAX 100		  /* reported; further ones are counted */
#define CONF_NAME_MAX 64		  /* argument of a section, with terminator */
#define CONF_STRING_MAX 256		  /* usual size of a CONF_STRING field */
#define CONF_PATH_MAX 1024		  /* usual size of a CONF_PATH field */
#define CONF_LIST_MAX 16		  /* items of a list */
#define CONF_ITEM_MAX 256		  /* bytes of a list item, with terminator */

enum conf_type {
	CONF_STRING, /* char[size], UTF-8, 1..size-1 bytes */
	CONF_PATH,   /* char[size], absolute */
	CONF_BOOL,   /* bool: yes/no, true/false, on/off */
	CONF_U64,    /* uint64_t, decimal */
	CONF_SIZE, /* uint64_t bytes: number with B, KiB, MiB, GiB, TiB (a bare number is bytes) */
	CONF_DURATION, /* uint64_t ns: number with us, ms, s, min, h, d (unit required, but for 0) */
	CONF_RATE, /* uint64_t bit/s: number with bit/s, kbit/s, Mbit/s, Gbit/s (required) */
	CONF_ENUM,     /* int: value of the matching conf_name */
	CONF_MAC,      /* uint8_t[6]: aa:bb:cc:dd:ee:ff */
	CONF_HEX16,    /* uint16_t: 0x88b5 */
	CONF_ENDPOINT, /* struct conf_endpoint: 192.0.2.1:4001, neither part 0 */
	CONF_END,      /* struct local_end: 192.0.2.1:4001, /path, fifo:/path */
	CONF_LIST      /* struct conf_list: comma-separated strings */
};

struct conf_list {
	uint32_t n;
	char item[CONF_LIST_MAX][CONF_ITEM_MAX];
};

/* An IPv4 address and a UDP port. Port 0: not set. */
struct conf_endpoint {
	uint8_t ip[4];
	uint16_t port;
};

/* Names of a CONF_ENUM; ends with {NULL, 0}. */
struct conf_name {
	const char *name;
	int value;
};

struct conf_row {
	const char *key;
	enum conf_type type;
	size_t offset; /* in the struct of the section's instance */
	size_t size;   /* of the field; checked against the type */
	bool required;
	const char *def; /* text, parsed like a value; NULL = zero / empty and "not set" */
	uint64_t min, max; /* in base units (bytes, ns, bit/s); max 0 = unlimited */
	const struct conf_name *names; /* CONF_ENUM */
	const char *help;	       /* one or two sentences for the manual */
};

/*
 * Row of field `field` in struct `type_`: CONF_ROW(struct tx_link, mtu, "mtu", CONF_U64,
 * .min = 576, .max = 9216, .def = "1500", .help = "...").
 */
#define CONF_ROW(type_, field, key_, kind_, ...)                                           \
	{                                                                                  \
		.key = (key_), .type = (kind_), .offset = offsetof(type_, field),          \
		.size = sizeof(((type_ *)0)->field), __VA_ARGS__                           \
	}

struct conf_section {
	const char *name;    /* "channel" */
	bool has_arg;	     /* [channel NAME]: repeatable, names unique */
	bool required;	     /* at least one must be present */
	size_t offset;	     /* of the struct (or of the array) in the result */
	size_t stride;	     /* has_arg: size of one array element */
	uint32_t max;	     /* has_arg: elements of the array, <= CONF_INSTANCES_MAX */
	size_t count_offset; /* has_arg: uint32_t in the result, filled in */
	size_t arg_offset;   /* has_arg: char[CONF_NAME_MAX] in the element */
	const struct conf_row *rows;
	uint32_t n_rows;
	const char *help;
};

struct conf_table {
	const struct conf_section *sections;
	uint32_t n_sections;
};

/* Errors and origins of one parse. Zero it before first use (CONF_REPORT_INIT). */
struct conf_report {
	const char *file;	     /* borrowed name, for messages */
	uint32_t errors;	     /* all, also those beyond CONF_ERRORS_MAX */
	char *line[CONF_ERRORS_MAX]; /* owned */
	uint32_t *origin; /* owned: line number per (section, instance, row); 0 = default */
	uint32_t section_line[CONF_SECTIONS_MAX][CONF_INSTANCES_MAX]; /* 0 = absent */
	const struct conf_table *table;
	bool out_of_memory;
};

#define CONF_REPORT_INIT                                                                   \
	{                                                                                  \
		0                                                                          \
	}

/*
 * Parses buf[0..len) into `result` (zeroed first by this function, `result_size` bytes;
 * every offset of the table is checked to lie inside). `name` is the file name used in
 * messages and must outlive the report. KM_OK when there are no errors; KM_ERR_MALFORMED
 * when report->errors > 0 (the result is then filled as far as possible, for --check);
 * KM_ERR_NOMEM; KM_ERR_STATE when the table itself is wrong (a bug of ours).
 */
KM_MUST_CHECK enum km_rc conf_parse_mem(const void *buf, size_t len, const char *name,
					const struct conf_table *table, void *result,
					size_t result_size, struct conf_report *report);

/*
 * Reads the file (bounded) and parses it. -1 with err (EX_CONFIG, or EX_NOINPUT / EX_NOPERM
 * when it cannot be read); details of EX_CONFIG are in the report, err holds the first.
 */
KM_MUST_CHECK int conf_load(const char *path, const struct conf_table *table, void *result,
			    size_t result_size, struct conf_report *report,
			    struct km_err *err);

/*
 * Adds a finding of the judge about a key: section `name`, instance (0 for sections without
 * argument), key (NULL: about the section). File and line come from the origin; the value
 * is shown from `result`.
 */
void conf_report_add(struct conf_report *report, const void *result, const char *section,
		     uint32_t instance, const char *key, const char *fmt, ...)
	KM_PRINTF(6, 7);

/* All lines to out, then "and N more" when some were only counted. */
void conf_report_print(const struct conf_report *report, FILE *out);

void conf_report_free(struct conf_report *report);

/* Line of the key's value in the file; 0 = default or not set. */
uint32_t conf_origin(const struct conf_report *report, const char *section,
		     uint32_t instance, const char *key);

/*
 * Effective values as a file that parses again, each below a comment with its origin.
 * The report must be the one of the parse that filled `result`.
 */
void conf_dump(FILE *out, const void *result, const struct conf_report *report);

/*
 * The first key whose value differs between A and B, two results of this table (or the section of
 * which there are others); NULL: none but the keys of BUT[], which ends with NULL.
 */
const char *conf_first_change(const struct conf_table *table, const void *a, const void *b,
			      const char *const *but);

/* Calls fn for every row, in table order; stops and returns at the first non-zero. */
typedef int conf_row_fn(void *ctx, const struct conf_section *section,
			const struct conf_row *row);
int conf_each_row(const struct conf_table *table, conf_row_fn *fn, void *ctx);

/* "allowed" text of a row, e.g. "1 ms .. 60 s" or "files, stream"; returns buf. */
char *conf_allowed_text(const struct conf_row *row, char *buf, size_t len);

/* The key list of the man page (man(7) macros), from help texts, units, limits, defaults. */
void conf_print_man(FILE *out, const struct conf_table *table);

/* Machine-readable list for lints: `section TAB key TAB type TAB default TAB allowed`. */
void conf_print_keys(FILE *out, const struct conf_table *table);

/* One value from text into field[row->size]; reason[] (KM_ERR_TEXT_MAX) says why not. */
KM_MUST_CHECK enum km_rc conf_value_parse(const struct conf_row *row, const char *text,
					  size_t len, void *field,
					  char reason[KM_ERR_TEXT_MAX]);

/* Text of a value, in the largest unit that is exact; returns buf. */
char *conf_value_format(const struct conf_row *row, const void *field, char *buf,
			size_t len);

/* A mode written as text, "0640", as number; -1 when it is not three or four octal digits up to
 * 0777. */
int conf_parse_mode(const char *text);

#endif
