// SPDX-License-Identifier: ISC
/* INI text to the owner's struct, all errors collected. */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "conf_table.h"
#include "fileio.h"

/* Longest name that is worth a suggestion, and how far off it may be. */
#define CONF_SUGGEST_MAX 40
#define CONF_SUGGEST_DISTANCE 2

struct conf_parse {
	const struct conf_table *table;
	struct conf_report *report;
	uint8_t *result;
	uint32_t counts[CONF_SECTIONS_MAX]; /* instances seen */
	uint32_t section;  /* current one; n_sections = none, or an unknown one */
	uint32_t instance; /* current one */
	bool skipping;	   /* an unusable section: its keys are passed over */
	uint32_t line;
};

#define conf_complain(parse, ...) conf_report_line((parse)->report, __VA_ARGS__)

static uint8_t *conf_field(struct conf_parse *parse, uint32_t s, uint32_t i, uint32_t r)
{
	const struct conf_section *section = &parse->table->sections[s];

	return parse->result + section->offset +
	       (section->has_arg ? section->stride * i : 0) + section->rows[r].offset;
}

static bool conf_row_sane(const struct conf_row *row, size_t room)
{
	static const size_t sizes[] = {
		[CONF_BOOL] = sizeof(bool),
		[CONF_U64] = sizeof(uint64_t),
		[CONF_SIZE] = sizeof(uint64_t),
		[CONF_DURATION] = sizeof(uint64_t),
		[CONF_RATE] = sizeof(uint64_t),
		[CONF_ENUM] = sizeof(int),
		[CONF_MAC] = 6,
		[CONF_HEX16] = sizeof(uint16_t),
		[CONF_ENDPOINT] = sizeof(struct conf_endpoint),
		[CONF_END] = sizeof(struct local_end),
		[CONF_LIST] = sizeof(struct conf_list),
	};

	if ((size_t)row->type >= KM_COUNT(sizes) || row->size > room ||
	    row->offset > room - row->size)
		return false;
	if (row->required && row->def)
		return false;
	if (row->type == CONF_STRING || row->type == CONF_PATH)
		return row->size >= 2;
	return row->size == sizes[row->type];
}

/* A wrong table is a bug of ours: found here before it becomes a wild write. */
static bool conf_table_sane(const struct conf_table *table, size_t result_size)
{
	if (table->n_sections > CONF_SECTIONS_MAX)
		return false;
	for (uint32_t s = 0; s < table->n_sections; s++) {
		const struct conf_section *sec = &table->sections[s];
		size_t room = result_size;

		if (sec->offset > room || sec->n_rows > CONF_ROWS_MAX)
			return false;
		room -= sec->offset;
		if (sec->has_arg) {
			if (sec->max == 0 || sec->max > CONF_INSTANCES_MAX ||
			    sec->stride == 0 || room / sec->stride < sec->max ||
			    sec->stride < CONF_NAME_MAX ||
			    sec->arg_offset > sec->stride - CONF_NAME_MAX ||
			    result_size < sizeof(uint32_t) ||
			    sec->count_offset > result_size - sizeof(uint32_t))
				return false;
			room = sec->stride;
		}
		for (uint32_t r = 0; r < sec->n_rows; r++) {
			if (!conf_row_sane(&sec->rows[r], room))
				return false;
		}
	}
	return true;
}

/* Edit distance (insert, delete, replace) of two short names. */
static size_t conf_distance(const char *a, size_t a_len, const char *b, size_t b_len)
{
	size_t row[CONF_SUGGEST_MAX + 1];

	if (a_len > CONF_SUGGEST_MAX || b_len > CONF_SUGGEST_MAX)
		return SIZE_MAX;
	for (size_t j = 0; j <= b_len; j++)
		row[j] = j;
	for (size_t i = 1; i <= a_len; i++) {
		size_t diagonal = row[0];

		row[0] = i;
		for (size_t j = 1; j <= b_len; j++) {
			size_t replace = diagonal + (a[i - 1] != b[j - 1]);
			size_t best =
				row[j] + 1 < row[j - 1] + 1 ? row[j] + 1 : row[j - 1] + 1;

			diagonal = row[j];
			row[j] = best < replace ? best : replace;
		}
	}
	return row[b_len];
}

/* Keeps `candidate` in *best when it is nearer to the name than all before. */
static void conf_nearer(const char *name, size_t len, const char *candidate,
			const char **best, size_t *distance)
{
	size_t d = conf_distance(name, len, candidate, strlen(candidate));

	if (d < *distance) {
		*distance = d;
		*best = candidate;
	}
}

static const char *conf_near_row(const struct conf_section *section, const char *key,
				 size_t len)
{
	size_t distance = CONF_SUGGEST_DISTANCE + 1;
	const char *best = NULL;

	for (uint32_t r = 0; r < section->n_rows; r++)
		conf_nearer(key, len, section->rows[r].key, &best, &distance);
	return best;
}

static const char *conf_near_section(const struct conf_table *table, const char *name,
				     size_t len)
{
	size_t distance = CONF_SUGGEST_DISTANCE + 1;
	const char *best = NULL;

	for (uint32_t s = 0; s < table->n_sections; s++)
		conf_nearer(name, len, table->sections[s].name, &best, &distance);
	return best;
}

/* Drops blanks at both ends of p[0..*n). */
static const char *conf_trim(const char *p, size_t *n)
{
	while (*n > 0 && (p[0] == ' ' || p[0] == '\t')) {
		p++;
		(*n)--;
	}
	while (*n > 0 && (p[*n - 1] == ' ' || p[*n - 1] == '\t' || p[*n - 1] == '\r'))
		(*n)--;
	return p;
}

static bool conf_name_ok(const char *p, size_t n)
{
	if (n == 0 || n >= CONF_NAME_MAX || p[0] == '.' || p[0] == '-')
		return false;
	for (size_t i = 0; i < n; i++) {
		bool fine = (p[i] >= 'a' && p[i] <= 'z') || (p[i] >= 'A' && p[i] <= 'Z') ||
			    (p[i] >= '0' && p[i] <= '9') || p[i] == '_' || p[i] == '-' ||
			    p[i] == '.';

		if (!fine)
			return false;
	}
	return true;
}

/* Opens instance `arg` of the section now current. False: an error, its keys are skipped. */
static bool conf_open_instance(struct conf_parse *parse, const char *arg, size_t arg_len)
{
	const struct conf_section *sec = &parse->table->sections[parse->section];
	const char *file = parse->report->file;
	uint32_t *count = &parse->counts[parse->section];
	char show[CONF_SHOW_MAX];
	char *name;

	for (uint32_t i = 0; i < *count; i++) {
		name = (char *)parse->result + sec->offset + sec->stride * i +
		       sec->arg_offset;
		if (sec->has_arg &&
		    (strlen(name) != arg_len || memcmp(name, arg, arg_len) != 0))
			continue;
		conf_complain(parse,
			      "%s:%u: section [%s%s%.*s] is given twice (first at line %u)",
			      file, parse->line, sec->name, arg_len ? " " : "",
			      (int)arg_len, arg,
			      parse->report->section_line[parse->section][i]);
		return false;
	}
	if (sec->has_arg && !conf_name_ok(arg, arg_len)) {
		conf_complain(
			parse,
			"%s:%u: section [%s %s]: not a name (allowed 1 to %d of A-Z a-z "
			"0-9 _ - . and not - or . first)",
			file, parse->line, sec->name,
			conf_show(arg, arg_len, show, sizeof(show)), CONF_NAME_MAX - 1);
		return false;
	}
	if (*count == conf_section_max(sec)) {
		conf_complain(parse, "%s:%u: more than %u sections [%s ..]", file,
			      parse->line, conf_section_max(sec), sec->name);
		return false;
	}
	if (sec->has_arg) {
		name = (char *)parse->result + sec->offset + sec->stride * *count +
		       sec->arg_offset;
		memcpy(name, arg, arg_len);
		name[arg_len] = '\0';
	}
	parse->instance = *count;
	parse->report->section_line[parse->section][parse->instance] = parse->line;
	(*count)++;
	return true;
}

static void conf_take_section(struct conf_parse *parse, const char *p, size_t n)
{
	const char *file = parse->report->file, *arg, *near;
	size_t name_len = 0, arg_len;
	char show[CONF_SHOW_MAX];

	parse->skipping = true;
	if (n < 2 || p[n - 1] != ']') {
		conf_complain(parse, "%s:%u: %s: a section line ends in ']'", file,
			      parse->line, conf_show(p, n, show, sizeof(show)));
		return;
	}
	n -= 2;
	p = conf_trim(p + 1, &n);
	while (name_len < n && p[name_len] != ' ' && p[name_len] != '\t')
		name_len++;
	arg_len = n - name_len;
	arg = conf_trim(p + name_len, &arg_len);
	parse->section = conf_find_section(parse->table, p, name_len);
	if (parse->section == parse->table->n_sections) {
		near = conf_near_section(parse->table, p, name_len);
		conf_complain(parse, "%s:%u: [%s]: unknown section%s%s%s", file,
			      parse->line, conf_show(p, name_len, show, sizeof(show)),
			      near ? " (did you mean [" : "", near ? near : "",
			      near ? "]?)" : "");
		return;
	}
	if (!parse->table->sections[parse->section].has_arg && arg_len > 0) {
		conf_complain(parse, "%s:%u: section [%.*s] takes no name", file,
			      parse->line, (int)name_len, p);
		return;
	}
	parse->skipping = !conf_open_instance(parse, arg, arg_len);
}

static void conf_take_value(struct conf_parse *parse, const char *key, size_t key_len,
			    const char *value, size_t value_len)
{
	const struct conf_section *sec = &parse->table->sections[parse->section];
	uint32_t r = conf_find_row(sec, key, key_len), *origin;
	const char *file = parse->report->file, *near;
	char show[CONF_SHOW_MAX], show_value[CONF_SHOW_MAX], hint[CONF_SHOW_MAX];
	char reason[KM_ERR_TEXT_MAX];

	(void)conf_show(key, key_len, show, sizeof(show));
	(void)conf_show(value, value_len, show_value, sizeof(show_value));
	if (r == sec->n_rows) {
		near = conf_near_row(sec, key, key_len);
		conf_complain(parse, "%s:%u: %s = %s: unknown key in [%s]%s%s%s", file,
			      parse->line, show, show_value, sec->name,
			      near ? " (did you mean " : "", near ? near : "",
			      near ? "?)" : "");
		return;
	}
	origin = &parse->report->origin[conf_origin_slot(parse->table, parse->section,
							 parse->instance, r)];
	if (*origin) {
		conf_complain(parse, "%s:%u: %s = %s: duplicate key (first at line %u)",
			      file, parse->line, show, show_value, *origin);
		return;
	}
	*origin = parse->line;
	if (conf_value_parse(&sec->rows[r], value, value_len,
			     conf_field(parse, parse->section, parse->instance, r),
			     reason) != KM_OK)
		conf_complain(parse, "%s:%u: %s = %s: %s %s", file, parse->line, show,
			      show_value, reason,
			      conf_hint(&sec->rows[r], hint, sizeof(hint)));
}

static void conf_take_line(struct conf_parse *parse, const char *p, size_t n)
{
	const char *file = parse->report->file, *equals, *value;
	char show[CONF_SHOW_MAX];
	size_t value_len;

	if (n > CONF_LINE_MAX) {
		conf_complain(parse, "%s:%u: line of %zu bytes (allowed up to %d)", file,
			      parse->line, n, CONF_LINE_MAX);
		return;
	}
	p = conf_trim(p, &n);
	if (n == 0 || p[0] == '#' || p[0] == ';')
		return;
	if (p[0] == '[') {
		conf_take_section(parse, p, n);
		return;
	}
	equals = memchr(p, '=', n);
	if (!equals || equals == p) {
		conf_complain(parse, "%s:%u: %s: neither [section] nor key = value", file,
			      parse->line, conf_show(p, n, show, sizeof(show)));
		return;
	}
	if (parse->skipping) {
		if (parse->section == UINT32_MAX)
			conf_complain(parse, "%s:%u: %s: before the first [section]", file,
				      parse->line, conf_show(p, n, show, sizeof(show)));
		return;
	}
	value = equals + 1;
	value_len = n - (size_t)(value - p);
	value = conf_trim(value, &value_len);
	n = (size_t)(equals - p);
	p = conf_trim(p, &n);
	conf_take_value(parse, p, n, value, value_len);
}

/* Fills the defaults of one instance and names what is missing. False: bad default. */
static bool conf_finish_instance(struct conf_parse *parse, uint32_t s, uint32_t i,
				 bool present)
{
	const struct conf_section *sec = &parse->table->sections[s];
	char reason[KM_ERR_TEXT_MAX], hint[CONF_SHOW_MAX];
	const char *arg = sec->has_arg ? (const char *)parse->result + sec->offset +
						 sec->stride * i + sec->arg_offset
				       : "";

	for (uint32_t r = 0; r < sec->n_rows; r++) {
		const struct conf_row *row = &sec->rows[r];

		if (parse->report->origin[conf_origin_slot(parse->table, s, i, r)])
			continue;
		if (row->def &&
		    conf_value_parse(row, row->def, strlen(row->def),
				     conf_field(parse, s, i, r), reason) != KM_OK)
			return false;
		if (row->required && present)
			conf_complain(parse, "%s:%u: [%s%s%s] %s: the key is missing %s",
				      parse->report->file,
				      parse->report->section_line[s][i], sec->name,
				      arg[0] ? " " : "", arg, row->key,
				      conf_hint(row, hint, sizeof(hint)));
	}
	return true;
}

static bool conf_finish(struct conf_parse *parse)
{
	for (uint32_t s = 0; s < parse->table->n_sections; s++) {
		const struct conf_section *sec = &parse->table->sections[s];
		uint32_t count = parse->counts[s];

		if (sec->has_arg)
			memcpy(parse->result + sec->count_offset, &count, sizeof(count));
		if (sec->required && count == 0)
			conf_complain(parse, "%s: section [%s%s] is missing",
				      parse->report->file, sec->name,
				      sec->has_arg ? " NAME" : "");
		/* a section without argument has its defaults even when it is absent */
		for (uint32_t i = 0; i < (sec->has_arg ? count : 1); i++) {
			if (!conf_finish_instance(parse, s, i, count > 0))
				return false;
		}
	}
	return true;
}

enum km_rc conf_parse_mem(const void *buf, size_t len, const char *name,
			  const struct conf_table *table, void *result, size_t result_size,
			  struct conf_report *report)
{
	struct conf_parse parse = {.table = table,
				   .report = report,
				   .result = result,
				   .section = UINT32_MAX,
				   .skipping = true};
	const char *text = buf;
	size_t slots = 0;

	conf_report_free(report);
	report->file = name;
	if (!conf_table_sane(table, result_size))
		return KM_ERR_STATE;
	for (uint32_t s = 0; s < table->n_sections; s++)
		slots += (size_t)conf_section_max(&table->sections[s]) *
			 table->sections[s].n_rows;
	report->origin = calloc(slots + 1, sizeof(*report->origin));
	if (!report->origin)
		return KM_ERR_NOMEM;
	report->table = table;
	memset(result, 0, result_size);
	if (len > CONF_FILE_MAX) {
		conf_report_line(report, "%s: %zu bytes (allowed up to %u)", name, len,
				 CONF_FILE_MAX);
		return KM_ERR_MALFORMED;
	}
	for (size_t at = 0; at < len;) {
		const char *end = memchr(text + at, '\n', len - at);
		size_t n = end ? (size_t)(end - text) - at : len - at;

		parse.line++;
		conf_take_line(&parse, text + at, n);
		at += n + 1;
	}
	if (!conf_finish(&parse))
		return KM_ERR_STATE;
	if (report->out_of_memory)
		return KM_ERR_NOMEM;
	return report->errors ? KM_ERR_MALFORMED : KM_OK;
}

int conf_load(const char *path, const struct conf_table *table, void *result,
	      size_t result_size, struct conf_report *report, struct km_err *err)
{
	_cleanup_free_ uint8_t *data = NULL;
	enum km_rc rc;
	size_t len;

	if (fileio_read_all(AT_FDCWD, path, CONF_FILE_MAX, &data, &len, err) != 0)
		return km_err_prefix(err, "configuration");
	rc = conf_parse_mem(data, len, path, table, result, result_size, report);
	if (rc == KM_OK)
		return 0;
	if (rc == KM_ERR_MALFORMED && report->line[0])
		return km_err_set(err, EX_CONFIG, "%s", report->line[0]);
	return km_err_set(err, EX_SOFTWARE, "configuration %s: %s", path, km_rc_name(rc));
}
