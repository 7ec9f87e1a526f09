// SPDX-License-Identifier: ISC
/*
 * The parser reads loosely and then judges strictly: what it understood is written again by
 * the writer's own code and must give the same bytes. So it needs no second opinion on
 * leading zeros, signs, spaces or escapes.
 */
#include <string.h>
#include <time.h>

#include "cursor.h"
#include "manifest_text.h"
#include "name.h"
#include "record.h"
#include "text_span.h"

#define NS_PER_S UINT64_C(1000000000)
#define NS_PER_MS UINT64_C(1000000)
/* 2^64 ns end in 2554. */
#define YEAR_MAX 2553

struct parser {
	struct rd rd;
	unsigned line;	/* number of the line last read */
	uint8_t *names; /* where unescaped paths go */
	size_t names_used;
};

/* Digits at the front of S. */
static bool take_number(struct span *s, uint64_t *value)
{
	size_t digits = 0;
	uint64_t v = 0;

	while (digits < s->n && s->p[digits] >= '0' && s->p[digits] <= '9') {
		unsigned digit = (unsigned)(s->p[digits] - '0');

		if (v > (UINT64_MAX - digit) / 10)
			return false;
		v = v * 10 + digit;
		digits++;
	}
	s->p += digits;
	s->n -= digits;
	*value = v;
	return digits > 0;
}

static bool number_field(struct span *s, uint64_t *value)
{
	return take_number(s, value) && s->n == 0;
}

static bool text_field(const struct span *s, char *out, size_t cap)
{
	if (s->n >= cap || memchr(s->p, '\0', s->n))
		return false;
	memcpy(out, s->p, s->n);
	out[s->n] = '\0';
	return true;
}

/* "2026-11-21T05:51:31.042Z"; impossible dates show when the time is written again. */
static bool time_field(struct span *s, uint64_t *ns)
{
	uint64_t year, month, day, hour, minute, second, ms;
	struct tm tm = {0};
	time_t t;

	if (!take_number(s, &year) || !span_strip(s, "-") || !take_number(s, &month) ||
	    !span_strip(s, "-") || !take_number(s, &day) || !span_strip(s, "T") ||
	    !take_number(s, &hour) || !span_strip(s, ":") || !take_number(s, &minute) ||
	    !span_strip(s, ":") || !take_number(s, &second) || !span_strip(s, ".") ||
	    !take_number(s, &ms) || !span_strip(s, "Z") || s->n)
		return false;
	if (year < 1970 || year > YEAR_MAX || month < 1 || month > 12 || day > 31 ||
	    hour > 23 || minute > 59 || second > 59 || ms > 999)
		return false;
	tm.tm_year = (int)year - 1900;
	tm.tm_mon = (int)month - 1;
	tm.tm_mday = (int)day;
	tm.tm_hour = (int)hour;
	tm.tm_min = (int)minute;
	tm.tm_sec = (int)second;
	t = timegm(&tm);
	if (t < 0)
		return false;
	*ns = (uint64_t)t * NS_PER_S + ms * NS_PER_MS;
	return true;
}

static bool channel_field(struct span *s, struct manifest_head *h)
{
	uint64_t number;

	if (!take_number(s, &number) || number > UINT16_MAX || !span_strip(s, " "))
		return false;
	h->channel = (uint16_t)number;
	return text_field(s, h->channel_name, sizeof(h->channel_name));
}

static bool previous_field(const struct span *s, struct manifest_head *h)
{
	if (s->n == 4 && memcmp(s->p, "none", 4) == 0)
		return true;
	return digest_from_hex(h->previous, s->p, s->n) == KM_OK;
}

static bool objects_field(struct span *s, struct manifest_head *h)
{
	return take_number(s, &h->first) && span_strip(s, " ") && number_field(s, &h->last);
}

/* Line I of the head, prefix stripped. */
static bool head_line(unsigned i, struct span *s, struct manifest_head *h)
{
	switch (i) {
	case 1:
		return text_field(s, h->fingerprint, sizeof(h->fingerprint));
	case 2:
		return channel_field(s, h);
	case 3:
		return text_field(s, h->owner, sizeof(h->owner));
	case 4:
		return text_field(s, h->purpose, sizeof(h->purpose));
	case 5:
		return text_field(s, h->classification, sizeof(h->classification));
	case 6:
		return number_field(s, &h->chain);
	case 7:
		return number_field(s, &h->number);
	case 8:
		return previous_field(s, h);
	case 9:
		return objects_field(s, h);
	case 10:
		return time_field(s, &h->created_ns);
	case 11:
		return text_field(s, h->software, sizeof(h->software));
	case 12:
		return digest_from_hex(h->config_digest, s->p, s->n) == KM_OK;
	default:
		return true; /* first and last line: compared below */
	}
}

static bool parse_head(struct parser *ps, struct manifest_head *h)
{
	static const char *const prefix[] = {
		"# katamichi manifest 1",
		"# tx: ",
		"# channel: ",
		"# owner: ",
		"# purpose: ",
		"# classification: ",
		"# chain: ",
		"# manifest: ",
		"# previous: ",
		"# objects: ",
		"# created: ",
		"# software: ",
		"# config: ",
		"# verify: ",
	};
	char again[MANIFEST_HEAD_BYTES];
	struct span s;
	size_t len, same = 0;

	for (unsigned i = 0; i < KM_COUNT(prefix); i++) {
		if (!span_line(&ps->rd, &ps->line, &s) || !span_strip(&s, prefix[i]) ||
		    !head_line(i, &s, h))
			return false;
	}
	if (!manifest_text_head_ok(h))
		return false;
	len = manifest_text_head(again, h);
	while (same < len && same < ps->rd.used && again[same] == (char)ps->rd.p[same])
		same++;
	if (same == len && same == ps->rd.used)
		return true;
	/* Name the line of the first difference. */
	ps->line = 1;
	for (size_t i = 0; i < same; i++)
		ps->line += ps->rd.p[i] == '\n';
	return false;
}

static bool take_path(struct parser *ps, struct manifest_entry *e, const struct span *s,
		      int escaped)
{
	uint8_t *to = ps->names + ps->names_used;

	if (name_unescape(to, &e->path_len, s->p, s->n, escaped) != KM_OK)
		return false;
	e->path = to;
	ps->names_used += e->path_len;
	return true;
}

static bool tree_line(struct parser *ps, struct span s, struct manifest_entry *e)
{
	static const char mid[] = ") = ";
	const size_t tail = sizeof(mid) - 1 + DIGEST_HEX_LEN;
	struct span path;

	if (s.n < tail)
		return false;
	path.p = s.p;
	path.n = s.n - tail;
	s.p += path.n;
	s.n = tail;
	e->kind = MANIFEST_TREE;
	return span_strip(&s, mid) && digest_from_hex(e->digest, s.p, s.n) == KM_OK &&
	       take_path(ps, e, &path, 1);
}

static bool flat_line(struct parser *ps, struct span s, struct manifest_entry *e)
{
	int escaped = span_strip(&s, "\\");

	e->kind = MANIFEST_FLAT;
	if (s.n < DIGEST_HEX_LEN ||
	    digest_from_hex(e->digest, s.p, DIGEST_HEX_LEN) != KM_OK)
		return false;
	s.p += DIGEST_HEX_LEN;
	s.n -= DIGEST_HEX_LEN;
	return span_strip(&s, "  ./") && take_path(ps, e, &s, escaped);
}

static bool object_line(struct parser *ps, struct span s, struct manifest_entry *e)
{
	if (span_strip(&s, "# dir ./")) {
		e->kind = MANIFEST_DIR;
		return take_path(ps, e, &s, 1);
	}
	if (span_strip(&s, "# withdrawn ")) {
		e->kind = MANIFEST_WITHDRAWN;
		if (span_strip(&s, "changed ./"))
			e->reason = RECORD_WITHDRAWN_CHANGED;
		else if (span_strip(&s, "gone ./"))
			e->reason = RECORD_WITHDRAWN_GONE;
		else
			return false;
		return take_path(ps, e, &s, 1);
	}
	if (span_strip(&s, "SHA256-TREE-1M (./"))
		return tree_line(ps, s, e);
	return flat_line(ps, s, e);
}

static bool mtime_line(struct span s, struct manifest_entry *e)
{
	uint64_t seconds, ns;

	if (!take_number(&s, &seconds) || seconds > INT64_MAX || !span_strip(&s, ".") ||
	    !number_field(&s, &ns) || ns >= NS_PER_S)
		return false;
	e->mtime_s = (int64_t)seconds;
	e->mtime_ns = (uint32_t)ns;
	return true;
}

static bool parse_entry(struct parser *ps, struct manifest_entry *e)
{
	char again[MANIFEST_ENTRY_BYTES];
	size_t start = ps->rd.used;
	struct span s;

	memset(e, 0, sizeof(*e));
	if (!span_line(&ps->rd, &ps->line, &s))
		return false;
	if (span_strip(&s, "# mtime ") &&
	    (!mtime_line(s, e) || !span_line(&ps->rd, &ps->line, &s)))
		return false;
	if (!object_line(ps, s, e) || !manifest_text_entry_ok(e))
		return false;
	return manifest_text_entry(again, e) == ps->rd.used - start &&
	       memcmp(again, ps->rd.p + start, ps->rd.used - start) == 0;
}

enum km_rc manifest_parse(struct manifest_head *head, struct manifest_entry *entries,
			  size_t cap, size_t *count, uint8_t *scratch, size_t scratch_len,
			  const char *text, size_t len, unsigned *line)
{
	struct parser ps = {.names = scratch};
	uint64_t want;

	memset(head, 0, sizeof(*head));
	*count = 0;
	*line = 0;
	if (len > MANIFEST_BYTES_MAX || scratch_len < len)
		return KM_ERR_LIMIT;
	rd_init(&ps.rd, text, len);
	if (!parse_head(&ps, head)) {
		*line = ps.line;
		return KM_ERR_MALFORMED;
	}
	want = head->last - head->first + 1;
	if (want > cap)
		return KM_ERR_LIMIT;
	for (size_t i = 0; i < want; i++) {
		struct manifest_entry *e = &entries[i];

		if (!parse_entry(&ps, e) ||
		    (i &&
		     name_compare(e[-1].path, e[-1].path_len, e->path, e->path_len) >= 0)) {
			*line = ps.line;
			return KM_ERR_MALFORMED;
		}
		e->number = head->first + i;
	}
	*line = ps.line + 1;
	if (!rd_done(&ps.rd))
		return KM_ERR_MALFORMED; /* more lines than objects */
	*line = 0;
	*count = (size_t)want;
	return KM_OK;
}
