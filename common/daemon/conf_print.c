// SPDX-License-Identifier: ISC
/* What the tables and a parsed file look like: --dump-config, manual, lint list. */
#include <string.h>

#include "conf_table.h"

static const char *const conf_type_names[] = {
	[CONF_STRING] = "string", [CONF_PATH] = "path",	       [CONF_BOOL] = "bool",
	[CONF_U64] = "number",	  [CONF_SIZE] = "size",	       [CONF_DURATION] = "duration",
	[CONF_RATE] = "rate",	  [CONF_ENUM] = "choice",      [CONF_MAC] = "mac",
	[CONF_HEX16] = "hex",	  [CONF_ENDPOINT] = "address", [CONF_LIST] = "list",
	[CONF_END] = "end",
};

/* Large enough for a full list. */
#define CONF_VALUE_TEXT_MAX (CONF_LIST_MAX * (CONF_ITEM_MAX + 2))

static void conf_dump_row(FILE *out, const struct conf_report *report,
			  const uint8_t *instance, const struct conf_row *row,
			  uint32_t line)
{
	char value[CONF_VALUE_TEXT_MAX];

	if (line == 0 && !row->def) {
		(void)fprintf(out, "# %s is not set\n", row->key);
		return;
	}
	(void)conf_value_format(row, instance + row->offset, value, sizeof(value));
	if (line)
		(void)fprintf(out, "# from %s:%u\n", report->file, line);
	else
		(void)fputs("# default\n", out);
	(void)fprintf(out, "%s = %s\n", row->key, value);
}

void conf_dump(FILE *out, const void *result, const struct conf_report *report)
{
	const struct conf_table *table = report->table;

	for (uint32_t s = 0; table && s < table->n_sections; s++) {
		const struct conf_section *sec = &table->sections[s];

		for (uint32_t i = 0; i < conf_section_max(sec); i++) {
			const uint8_t *instance = conf_instance(result, sec, i);
			bool present = report->section_line[s][i] != 0;

			if (!present && (sec->has_arg || sec->required))
				continue;
			(void)fprintf(out, "[%s%s%s]\n", sec->name, sec->has_arg ? " " : "",
				      sec->has_arg
					      ? (const char *)instance + sec->arg_offset
					      : "");
			for (uint32_t r = 0; r < sec->n_rows; r++) {
				/* the whole section is absent: nothing required is either */
				if (!present && sec->rows[r].required)
					continue;
				conf_dump_row(
					out, report, instance, &sec->rows[r],
					report->origin[conf_origin_slot(table, s, i, r)]);
			}
			(void)fputc('\n', out);
		}
	}
}

int conf_each_row(const struct conf_table *table, conf_row_fn *fn, void *ctx)
{
	for (uint32_t s = 0; s < table->n_sections; s++) {
		const struct conf_section *sec = &table->sections[s];

		for (uint32_t r = 0; r < sec->n_rows; r++) {
			int rc = fn(ctx, sec, &sec->rows[r]);

			if (rc != 0)
				return rc;
		}
	}
	return 0;
}

/* Text for man(7): hyphens and backslashes literal, no accidental request at line start. */
static void conf_man_text(FILE *out, const char *text)
{
	if (text[0] == '.' || text[0] == '\'')
		(void)fputs("\\&", out);
	for (; *text; text++) {
		if (*text == '-' || *text == '\\')
			(void)fputs(*text == '-' ? "\\-" : "\\e", out);
		else
			(void)fputc(*text, out);
	}
}

static void conf_man_row(FILE *out, const struct conf_row *row)
{
	char allowed[256];

	(void)fputs(".TP\n.BR ", out);
	conf_man_text(out, row->key);
	(void)fprintf(out, " \" = \\fI%s\\fP\"\n", conf_type_names[row->type]);
	conf_man_text(out, row->help ? row->help : "");
	(void)fputs("\nAllowed: ", out);
	conf_man_text(out, conf_allowed_text(row, allowed, sizeof(allowed)));
	if (row->def) {
		(void)fputs(". Default: ", out);
		conf_man_text(out, row->def);
		(void)fputs(".\n", out);
	} else {
		(void)fprintf(out, ". %s.\n", row->required ? "Required" : "No default");
	}
}

void conf_print_man(FILE *out, const struct conf_table *table)
{
	for (uint32_t s = 0; s < table->n_sections; s++) {
		const struct conf_section *sec = &table->sections[s];

		(void)fprintf(out, ".SS [%s%s]\n", sec->name, sec->has_arg ? " NAME" : "");
		conf_man_text(out, sec->help ? sec->help : "");
		(void)fputc('\n', out);
		for (uint32_t r = 0; r < sec->n_rows; r++)
			conf_man_row(out, &sec->rows[r]);
	}
}

static int conf_print_key(void *ctx, const struct conf_section *section,
			  const struct conf_row *row)
{
	char allowed[256];
	FILE *out = ctx;

	(void)fprintf(out, "%s\t%s\t%s\t%s\t%s\n", section->name, row->key,
		      conf_type_names[row->type],
		      row->def ? row->def : (row->required ? "(required)" : "(none)"),
		      conf_allowed_text(row, allowed, sizeof(allowed)));
	return 0;
}

void conf_print_keys(FILE *out, const struct conf_table *table)
{
	(void)conf_each_row(table, conf_print_key, out);
}
