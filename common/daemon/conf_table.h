// SPDX-License-Identifier: ISC
/*
 * conf_table.h: look-ups in the tables shared by conf_parse.c, conf_report.c and
 * conf_print.c. Private to this folder.
 */
#ifndef CONF_TABLE_H
#define CONF_TABLE_H

#include "conf.h"

/* Instances a section can have in the result. */
static inline uint32_t conf_section_max(const struct conf_section *section)
{
	return section->has_arg ? section->max : 1;
}

/* The struct of instance `i` of a section in the result. */
static inline const uint8_t *conf_instance(const void *result,
					   const struct conf_section *section, uint32_t i)
{
	return (const uint8_t *)result + section->offset +
	       (section->has_arg ? section->stride * i : 0);
}

/* Slot of (section s, instance i, row r) in conf_report.origin. */
size_t conf_origin_slot(const struct conf_table *table, uint32_t s, uint32_t i, uint32_t r);

/* Index of a section or row by name; the number of them when there is none. */
uint32_t conf_find_section(const struct conf_table *table, const char *name, size_t len);
uint32_t conf_find_row(const struct conf_section *section, const char *key, size_t len);

/* Adds one formatted error line; the first CONF_ERRORS_MAX are kept. */
void conf_report_line(struct conf_report *report, const char *fmt, ...) KM_PRINTF(2, 3);

/* " (allowed ..; default ..)" of a row; returns buf. */
char *conf_hint(const struct conf_row *row, char *buf, size_t len);

/* A value as messages show it: plain where harmless and short, else quoted; returns buf. */
char *conf_show(const char *text, size_t n, char *buf, size_t len);

/* Room for conf_show() and conf_hint(). */
#define CONF_SHOW_MAX 512

#endif
