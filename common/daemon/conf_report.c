// SPDX-License-Identifier: ISC
/* Errors and origins of a parse. */
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "conf_table.h"
#include "log.h"
#include "utf8.h"

size_t conf_origin_slot(const struct conf_table *table, uint32_t s, uint32_t i, uint32_t r)
{
	size_t slot = 0;

	for (uint32_t before = 0; before < s; before++)
		slot += (size_t)conf_section_max(&table->sections[before]) *
			table->sections[before].n_rows;
	return slot + (size_t)i * table->sections[s].n_rows + r;
}

uint32_t conf_find_section(const struct conf_table *table, const char *name, size_t len)
{
	uint32_t s = 0;

	while (s < table->n_sections && (strlen(table->sections[s].name) != len ||
					 memcmp(table->sections[s].name, name, len) != 0))
		s++;
	return s;
}

uint32_t conf_find_row(const struct conf_section *section, const char *key, size_t len)
{
	uint32_t r = 0;

	while (r < section->n_rows && (strlen(section->rows[r].key) != len ||
				       memcmp(section->rows[r].key, key, len) != 0))
		r++;
	return r;
}

void conf_report_line(struct conf_report *report, const char *fmt, ...)
{
	char *line = NULL;
	va_list args;

	if (report->errors < CONF_ERRORS_MAX) {
		va_start(args, fmt);
		if (vasprintf(&line, fmt, args) < 0) {
			line = NULL;
			report->out_of_memory = true;
		}
		va_end(args);
		report->line[report->errors] = line;
	}
	report->errors++;
}

char *conf_hint(const struct conf_row *row, char *buf, size_t len)
{
	char allowed[256];

	(void)conf_allowed_text(row, allowed, sizeof(allowed));
	if (row->def)
		(void)snprintf(buf, len, "(allowed %s; default %s)", allowed, row->def);
	else
		(void)snprintf(buf, len, "(allowed %s; %s)", allowed,
			       row->required ? "required" : "no default");
	return buf;
}

char *conf_show(const char *text, size_t n, char *buf, size_t len)
{
	bool plain = n > 0 && n <= 80 && n < len;

	for (size_t i = 0; plain && i < n;) {
		uint32_t code;
		size_t used = utf8_decode((const uint8_t *)text + i, n - i, &code);

		plain = used > 0 && !utf8_is_control(code);
		i += used;
	}
	if (!plain)
		return log_quote(buf, len, text, n);
	memcpy(buf, text, n);
	buf[n] = '\0';
	return buf;
}

uint32_t conf_origin(const struct conf_report *report, const char *section,
		     uint32_t instance, const char *key)
{
	const struct conf_table *table = report->table;
	uint32_t s, r;

	if (!table || !report->origin)
		return 0;
	s = conf_find_section(table, section, strlen(section));
	if (s == table->n_sections || instance >= conf_section_max(&table->sections[s]))
		return 0;
	r = conf_find_row(&table->sections[s], key, strlen(key));
	if (r == table->sections[s].n_rows)
		return 0;
	return report->origin[conf_origin_slot(table, s, instance, r)];
}

/* "FILE:LINE: " of the key, or "FILE: [section arg] " when the key is not in the file. */
static void conf_report_where(const struct conf_report *report, const void *result,
			      const struct conf_section *section, uint32_t instance,
			      uint32_t line, char *buf, size_t len)
{
	const char *arg = section->has_arg
				  ? (const char *)conf_instance(result, section, instance) +
					    section->arg_offset
				  : "";

	if (line)
		(void)snprintf(buf, len, "%s:%u: ", report->file, line);
	else
		(void)snprintf(buf, len, "%s: [%s%s%s] ", report->file, section->name,
			       section->has_arg ? " " : "", arg);
}

void conf_report_add(struct conf_report *report, const void *result, const char *section,
		     uint32_t instance, const char *key, const char *fmt, ...)
{
	const struct conf_table *table = report->table;
	char text[KM_ERR_TEXT_MAX], where[CONF_SHOW_MAX], value[CONF_SHOW_MAX];
	const struct conf_section *found;
	uint32_t s, r, line;
	va_list args;

	va_start(args, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	s = table ? conf_find_section(table, section, strlen(section)) : 0;
	if (!table || s == table->n_sections ||
	    instance >= conf_section_max(&table->sections[s])) {
		conf_report_line(report, "%s: [%s] %s: %s",
				 report->file ? report->file : "?", section, key ? key : "",
				 text);
		return;
	}
	found = &table->sections[s];
	r = key ? conf_find_row(found, key, strlen(key)) : found->n_rows;
	if (r == found->n_rows) {
		conf_report_where(report, result, found, instance,
				  report->section_line[s][instance], where, sizeof(where));
		conf_report_line(report, "%s%s%s%s", where, key ? key : "", key ? ": " : "",
				 text);
		return;
	}
	line = conf_origin(report, section, instance, key);
	conf_report_where(report, result, found, instance, line, where, sizeof(where));
	(void)conf_value_format(&found->rows[r],
				conf_instance(result, found, instance) +
					found->rows[r].offset,
				value, sizeof(value));
	conf_report_line(report, "%s%s = %s%s: %s", where, key,
			 value[0] ? value : "(not set)", line ? "" : " (default)", text);
}

void conf_report_print(const struct conf_report *report, FILE *out)
{
	uint32_t shown =
		report->errors < CONF_ERRORS_MAX ? report->errors : CONF_ERRORS_MAX;

	for (uint32_t i = 0; i < shown; i++)
		(void)fprintf(out, "%s\n",
			      report->line[i] ? report->line[i] : "out of memory");
	if (report->errors > shown)
		(void)fprintf(out, "%s: and %u more errors\n", report->file,
			      report->errors - shown);
}

void conf_report_free(struct conf_report *report)
{
	for (uint32_t i = 0; i < CONF_ERRORS_MAX; i++)
		free(report->line[i]);
	free(report->origin);
	memset(report, 0, sizeof(*report));
}
