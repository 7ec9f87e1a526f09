// SPDX-License-Identifier: ISC
/* The manifest of a release, after its signature was found good. Strict: one way to write
 * each thing, so that nobody reads into it what its signer did not. */
#include <stdlib.h>
#include <string.h>

#include "cursor.h"
#include "release.h"
#include "text_span.h"

#define MODE_DIGITS 4u
#define COMPONENT_MAX 255u

struct parser {
	struct rd rd;
	unsigned line;
	unsigned cap; /* entries that there is room for */
};

/* All of S, printable and without blanks. */
static bool word_field(const struct span *s, char out[RELEASE_WORD_MAX + 1])
{
	if (s->n == 0 || s->n > RELEASE_WORD_MAX)
		return false;
	for (size_t i = 0; i < s->n; i++)
		if (s->p[i] <= ' ' || s->p[i] >= 0x7F)
			return false;
	memcpy(out, s->p, s->n);
	out[s->n] = '\0';
	return true;
}

static bool take_mode(struct span *s, uint32_t *mode)
{
	*mode = 0;
	if (s->n < MODE_DIGITS)
		return false;
	for (size_t i = 0; i < MODE_DIGITS; i++) {
		if (s->p[i] < '0' || s->p[i] > '7')
			return false;
		*mode = *mode << 3 | (uint32_t)(s->p[i] - '0');
	}
	s->p += MODE_DIGITS;
	s->n -= MODE_DIGITS;
	return true;
}

/* A number that is all of S, without leading zeros. */
static bool size_field(const struct span *s, uint64_t *size)
{
	uint64_t v = 0;

	if (s->n == 0 || (s->p[0] == '0' && s->n > 1))
		return false;
	for (size_t i = 0; i < s->n; i++) {
		unsigned digit = (unsigned)(s->p[i] - '0');

		if (s->p[i] < '0' || s->p[i] > '9' ||
		    v > ((uint64_t)INT64_MAX - digit) / 10)
			return false;
		v = v * 10 + digit;
	}
	*size = v;
	return true;
}

static bool component_ok(const char *p, size_t n)
{
	return n > 0 && n <= COMPONENT_MAX && !(n == 1 && p[0] == '.') &&
	       !(n == 2 && p[0] == '.' && p[1] == '.');
}

/* "./usr/sbin/katamichi-tx": names that need no escaping, here and in sha256sum. */
static bool path_field(struct span *s, char out[RELEASE_PATH_MAX + 1])
{
	size_t start = 0;

	if (!span_strip(s, "./") || s->n == 0 || s->n > RELEASE_PATH_MAX)
		return false;
	for (size_t i = 0; i <= s->n; i++) {
		if (i < s->n && s->p[i] != '/') {
			if (s->p[i] <= ' ' || s->p[i] >= 0x7F || s->p[i] == '\\')
				return false;
			continue;
		}
		if (!component_ok(s->p + start, i - start))
			return false;
		start = i + 1;
	}
	memcpy(out, s->p, s->n);
	out[s->n] = '\0';
	return true;
}

/* Room for one more entry at the end. */
static enum km_rc grow(struct parser *ps, struct release *r, struct release_entry **e)
{
	unsigned n = r->directories + r->files;

	if (n == RELEASE_ENTRIES_MAX)
		return KM_ERR_LIMIT;
	if (n == ps->cap) {
		unsigned cap = ps->cap ? ps->cap * 2 : 32;
		struct release_entry *more = realloc(r->entry, cap * sizeof(*more));

		if (!more)
			return KM_ERR_NOMEM;
		r->entry = more;
		ps->cap = cap;
	}
	*e = &r->entry[n];
	memset(*e, 0, sizeof(**e));
	return KM_OK;
}

static bool head(struct parser *ps, struct release *r)
{
	struct span s;

	return span_line(&ps->rd, &ps->line, &s) &&
	       span_strip(&s, "# katamichi release manifest 1") && s.n == 0 &&
	       span_line(&ps->rd, &ps->line, &s) && span_strip(&s, "# version: ") &&
	       word_field(&s, r->version) && span_line(&ps->rd, &ps->line, &s) &&
	       span_strip(&s, "# created: ") && word_field(&s, r->created) &&
	       span_line(&ps->rd, &ps->line, &s) && span_strip(&s, "# verify: ");
}

/* The two lines of a file; the first is in S, what marks it stripped. */
static bool file_lines(struct parser *ps, struct span *s, struct release_entry *e)
{
	if (!take_mode(s, &e->mode) || !span_strip(s, " ") || !size_field(s, &e->size) ||
	    !span_line(&ps->rd, &ps->line, s) || s->n < DIGEST_HEX_LEN ||
	    digest_from_hex(e->digest, s->p, DIGEST_HEX_LEN) != KM_OK)
		return false;
	s->p += DIGEST_HEX_LEN;
	s->n -= DIGEST_HEX_LEN;
	return span_strip(s, "  ") && path_field(s, e->path);
}

static enum km_rc entry(struct parser *ps, struct release *r)
{
	struct release_entry *e;
	struct span s;
	enum km_rc rc = grow(ps, r, &e);
	unsigned *count = &r->files;

	if (rc != KM_OK)
		return rc;
	if (!span_line(&ps->rd, &ps->line, &s))
		return KM_ERR_MALFORMED;
	if (span_strip(&s, "# directory ")) {
		if (r->files || !take_mode(&s, &e->mode) || !span_strip(&s, " ") ||
		    !path_field(&s, e->path))
			return KM_ERR_MALFORMED;
		count = &r->directories;
	} else if (!span_strip(&s, "# file ") || !file_lines(ps, &s, e)) {
		return KM_ERR_MALFORMED;
	}
	if (*count && strcmp(e[-1].path, e->path) >= 0)
		return KM_ERR_MALFORMED;
	++*count;
	return KM_OK;
}

enum km_rc release_parse(struct release *r, const void *text, size_t len, unsigned *line)
{
	struct parser ps = {.line = 0};
	enum km_rc rc;

	memset(r, 0, sizeof(*r));
	*line = 0;
	if (len > RELEASE_BYTES_MAX)
		return KM_ERR_LIMIT;
	rd_init(&ps.rd, text, len);
	rc = head(&ps, r) ? KM_OK : KM_ERR_MALFORMED;
	while (rc == KM_OK && rd_left(&ps.rd) > 0)
		rc = entry(&ps, r);
	/* a release without a file proves nothing */
	if (rc == KM_OK && r->files == 0)
		rc = KM_ERR_MALFORMED;
	if (rc != KM_OK) {
		*line = ps.line;
		release_free(r);
	}
	return rc;
}

void release_free(struct release *r)
{
	free(r->entry);
	memset(r, 0, sizeof(*r));
}
