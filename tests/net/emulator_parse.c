// SPDX-License-Identifier: ISC
#include "emulator_parse.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct complaint {
	char *text;
	size_t bytes;
};

__attribute__((format(printf, 2, 3))) static int refuse(const struct complaint *c,
							const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(c->text, c->bytes, fmt, ap);
	va_end(ap);
	return -1;
}

/* A number at @text that ends where @end says; signs and blanks are refused. */
static int number_until(const char *text, char **end, uint64_t *value)
{
	if (text[0] < '0' || text[0] > '9')
		return -1;
	errno = 0;
	*value = strtoull(text, end, text[0] == '0' && text[1] == 'x' ? 16 : 10);
	return errno ? -1 : 0;
}

int emulator_parse_u64(const char *text, uint64_t *value)
{
	char *end;

	return number_until(text, &end, value) || *end ? -1 : 0;
}

static int real_until(const char *text, char **end, double *value)
{
	if (!strchr("0123456789.", text[0]) || !text[0])
		return -1;
	*value = strtod(text, end);
	if (**end == '%') {
		*value /= 100;
		++*end;
	}
	return *value >= 0 && *value <= 1 ? 0 : -1;
}

static int set_probability(double *to, const char *key, const char *text,
			   const struct complaint *c)
{
	double value;
	char *end;

	if (real_until(text, &end, &value) || *end)
		return refuse(c, "%s %s: want a probability, 0 to 1 or 0%% to 100%%", key,
			      text);
	*to = value;
	return 0;
}

static int set_ge(struct emulator_schedule *s, const char *text, const struct complaint *c)
{
	double v[4];
	char *end = NULL;

	if (!strcmp(text, "off")) {
		s->ge.on = false;
		return 0;
	}
	for (size_t i = 0; i < 4; i++) {
		const char *from = i ? end + 1 : text;

		if (real_until(from, &end, v + i) || *end != (i < 3 ? ',' : '\0'))
			return refuse(c, "ge %s: want p,r,h,k, four probabilities, or off",
				      text);
	}
	if (v[0] + v[1] == 0)
		return refuse(c, "ge %s: p and r are both 0, the state would never change",
			      text);
	s->ge = (struct emulator_ge){true, v[0], v[1], v[2], v[3]};
	return 0;
}

static int add_burst(struct emulator_schedule *s, const char *text, uint64_t next,
		     const struct complaint *c)
{
	uint64_t frames, first = next;
	char *end;

	if (number_until(text, &end, &frames) || !frames ||
	    (*end == '@' ? emulator_parse_u64(end + 1, &first) : *end))
		return refuse(c, "burst %s: want N or N@X, N frames from data frame X on",
			      text);
	if (frames - 1 > UINT64_MAX - first)
		return refuse(c, "burst %s: runs past the last frame number", text);
	if (emulator_ranges_add(&s->bursts, first, first + (frames - 1)))
		return refuse(c, "burst %s: out of memory", text);
	return 0;
}

static int set_reorder(struct emulator_schedule *s, const char *text,
		       const struct complaint *c)
{
	uint64_t distance = 0;
	double value;
	char *end;

	if (real_until(text, &end, &value) ||
	    (*end == ':' ? emulator_parse_u64(end + 1, &distance) : value > 0 || *end) ||
	    (value > 0 && (!distance || distance > EMULATOR_DISTANCE_MAX)))
		return refuse(c, "reorder %s: want P:DISTANCE, distance 1 to %u, or 0",
			      text, EMULATOR_DISTANCE_MAX);
	s->reorder = value;
	if (value > 0)
		s->distance = (uint32_t)distance;
	return 0;
}

/* One "field=value" or "field=first-last" at @text, up to the comma or the end. */
static int selector_part(struct emulator_selector *sel, const char *text, char **end)
{
	const char *equals = strchr(text, '=');
	uint64_t first, last;
	int field;

	if (!equals)
		return -1;
	field = emulator_frame_field_named(text, (size_t)(equals - text));
	if (field < 0 || number_until(equals + 1, end, &first))
		return -1;
	last = first;
	if (**end == '-' && number_until(*end + 1, end, &last))
		return -1;
	if (last < first || (**end && **end != ',') || sel->fields & 1u << field)
		return -1;
	sel->fields |= 1u << field;
	sel->first[field] = first;
	sel->last[field] = last;
	return 0;
}

static int add_selector(struct emulator_schedule *s, const char *text,
			const struct complaint *c)
{
	struct emulator_selector sel = {0};
	const char *at = text;
	char *end;

	if (s->selector_count == EMULATOR_SELECTORS_MAX)
		return refuse(c, "drop-if %s: at most %u selectors", text,
			      EMULATOR_SELECTORS_MAX);
	for (;;) {
		if (selector_part(&sel, at, &end))
			return refuse(
				c,
				"drop-if %s: want field=value[-value],... with the fields "
				"type class fec session lane channel seq window index "
				"depth flags payload link length, each once",
				text);
		if (!*end)
			break;
		at = end + 1;
	}
	s->selectors[s->selector_count++] = sel;
	return 0;
}

/* A line of a drop list: N or N-M, or a line of an earlier run's list, of which only the
 * lost data frames count. Comments and blank lines are skipped. */
static int list_line(struct emulator_ranges *list, const char *line)
{
	uint64_t first, last;
	char *end;

	if (line[0] == '#' || line[0] == '\n' || !line[0] || !strncmp(line, "- ", 2))
		return 0;
	if (number_until(line, &end, &first))
		return -1;
	last = first;
	if (*end == '-' && number_until(end + 1, &end, &last))
		return -1;
	if (*end == ' ' && strncmp(end, " lost ", 6))
		return 0;
	if (*end && *end != ' ' && *end != '\n')
		return -1;
	return emulator_ranges_add(list, first, last);
}

static int read_list(struct emulator_schedule *s, const char *path,
		     const struct complaint *c)
{
	FILE *f = fopen(path, "re");
	char line[512];
	size_t number = 0;

	if (!f)
		return refuse(c, "drop-list %s: %s", path, strerror(errno));
	while (fgets(line, sizeof(line), f)) {
		number++;
		if (!list_line(&s->list, line))
			continue;
		fclose(f);
		return refuse(c, "drop-list %s: line %zu: want N, N-M or a line of a list",
			      path, number);
	}
	if (ferror(f)) {
		fclose(f);
		return refuse(c, "drop-list %s: read error", path);
	}
	fclose(f);
	return 0;
}

static int set_switch(bool *to, const char *key, const char *text,
		      const struct complaint *c)
{
	if (strcmp(text, "on") && strcmp(text, "off"))
		return refuse(c, "%s %s: want on or off", key, text);
	*to = !strcmp(text, "on");
	return 0;
}

static int set_every(struct emulator_schedule *s, const char *text,
		     const struct complaint *c)
{
	uint64_t every;

	if (emulator_parse_u64(text, &every))
		return refuse(c, "every %s: want a whole number, 0 = off", text);
	s->every = every;
	return 0;
}

int emulator_parse_set(struct emulator_schedule *s, const char *key, const char *value,
		       uint64_t next, char *why, size_t why_bytes)
{
	struct complaint c = {why, why_bytes};

	if (!strcmp(key, "loss"))
		return set_probability(&s->loss, key, value, &c);
	if (!strcmp(key, "dup"))
		return set_probability(&s->duplicate, key, value, &c);
	if (!strcmp(key, "corrupt"))
		return set_probability(&s->corrupt, key, value, &c);
	if (!strcmp(key, "truncate"))
		return set_probability(&s->truncate, key, value, &c);
	if (!strcmp(key, "ge"))
		return set_ge(s, value, &c);
	if (!strcmp(key, "burst"))
		return add_burst(s, value, next, &c);
	if (!strcmp(key, "reorder"))
		return set_reorder(s, value, &c);
	if (!strcmp(key, "drop-if"))
		return add_selector(s, value, &c);
	if (!strcmp(key, "drop-list"))
		return read_list(s, value, &c);
	if (!strcmp(key, "drop"))
		return set_switch(&s->drop_all, key, value, &c);
	if (!strcmp(key, "every"))
		return set_every(s, value, &c);
	return refuse(&c, "%s: no such impairment", key);
}
