// SPDX-License-Identifier: ISC
/* What differs between two parses of a file. */
#include <string.h>

#include "conf_table.h"

/* Large enough for a full list. */
#define CONF_VALUE_TEXT_MAX (CONF_LIST_MAX * (CONF_ITEM_MAX + 2))

static bool conf_is_one_of(const char *key, const char *const *keys)
{
	for (; *keys; keys++)
		if (strcmp(key, *keys) == 0)
			return true;
	return false;
}

/* By their text: behind the end of a string the bytes of a default may stand. */
static bool conf_same_value(const struct conf_row *row, const uint8_t *a, const uint8_t *b)
{
	char one[CONF_VALUE_TEXT_MAX], two[CONF_VALUE_TEXT_MAX];

	return strcmp(conf_value_format(row, a + row->offset, one, sizeof(one)),
		      conf_value_format(row, b + row->offset, two, sizeof(two))) == 0;
}

static bool conf_same_sections(const struct conf_section *sec, const void *a, const void *b)
{
	uint32_t n, m;

	if (!sec->has_arg)
		return true;
	memcpy(&n, (const uint8_t *)a + sec->count_offset, sizeof(n));
	memcpy(&m, (const uint8_t *)b + sec->count_offset, sizeof(m));
	for (uint32_t i = 0; n == m && i < n; i++)
		if (strcmp((const char *)conf_instance(a, sec, i) + sec->arg_offset,
			   (const char *)conf_instance(b, sec, i) + sec->arg_offset) != 0)
			return false;
	return n == m;
}

const char *conf_first_change(const struct conf_table *table, const void *a, const void *b,
			      const char *const *but)
{
	for (uint32_t s = 0; s < table->n_sections; s++) {
		const struct conf_section *sec = &table->sections[s];

		if (!conf_same_sections(sec, a, b))
			return sec->name;
		for (uint32_t i = 0; i < conf_section_max(sec); i++)
			for (uint32_t r = 0; r < sec->n_rows; r++)
				if (!conf_is_one_of(sec->rows[r].key, but) &&
				    !conf_same_value(&sec->rows[r],
						     conf_instance(a, sec, i),
						     conf_instance(b, sec, i)))
					return sec->rows[r].key;
	}
	return NULL;
}
