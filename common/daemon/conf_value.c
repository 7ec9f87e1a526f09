// SPDX-License-Identifier: ISC
/* One configuration value: text to field and back, and what is allowed. */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "conf.h"
#include "utf8.h"

/* A unit and its factor; ends with a NULL name. Ascending. */
struct conf_unit {
	const char *name;
	uint64_t factor;
};

static const struct conf_unit conf_units_size[] = {
	{"B", 1},
	{"KiB", UINT64_C(1) << 10},
	{"MiB", UINT64_C(1) << 20},
	{"GiB", UINT64_C(1) << 30},
	{"TiB", UINT64_C(1) << 40},
	{NULL, 0},
};

static const struct conf_unit conf_units_duration[] = {
	{"us", CLOCK_NS_PER_US},
	{"ms", CLOCK_NS_PER_MS},
	{"s", CLOCK_NS_PER_SEC},
	{"min", 60 * CLOCK_NS_PER_SEC},
	{"h", 3600 * CLOCK_NS_PER_SEC},
	{"d", 86400 * CLOCK_NS_PER_SEC},
	{NULL, 0},
};

static const struct conf_unit conf_units_rate[] = {
	{"bit/s", 1},		{"kbit/s", 1000}, {"Mbit/s", 1000000},
	{"Gbit/s", 1000000000}, {NULL, 0},
};

static const struct conf_unit *conf_units(enum conf_type type)
{
	if (type == CONF_SIZE)
		return conf_units_size;
	if (type == CONF_DURATION)
		return conf_units_duration;
	return type == CONF_RATE ? conf_units_rate : NULL;
}

static KM_PRINTF(2, 3) enum km_rc conf_no(char *reason, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	(void)vsnprintf(reason, KM_ERR_TEXT_MAX, fmt, args);
	va_end(args);
	return KM_ERR_MALFORMED;
}

/* "in range?": the number is in base units. */
static enum km_rc conf_in_range(const struct conf_row *row, uint64_t v, char *reason)
{
	if (v >= row->min && (row->max == 0 || v <= row->max))
		return KM_OK;
	(void)conf_no(reason, v < row->min ? "too small" : "too large");
	return KM_ERR_RANGE;
}

/* Digits with at most nine after a point: whole + frac / scale. Length used, 0 = none. */
static size_t conf_number(const char *text, size_t len, unsigned __int128 *whole,
			  uint64_t *frac, uint64_t *scale)
{
	const unsigned __int128 top = (unsigned __int128)UINT64_MAX + 1;
	size_t i = 0, digits;

	*whole = 0;
	*frac = 0;
	*scale = 1;
	for (; i < len && text[i] >= '0' && text[i] <= '9'; i++) {
		*whole = *whole * 10 + (unsigned int)(text[i] - '0');
		if (*whole > top)
			*whole = top; /* too large whatever follows */
	}
	if (i == 0 || i == len || text[i] != '.')
		return i;
	digits = ++i;
	for (; i < len && text[i] >= '0' && text[i] <= '9'; i++) {
		if (i - digits == 9)
			return 0;
		*frac = *frac * 10 + (uint64_t)(text[i] - '0');
		*scale *= 10;
	}
	return i == digits ? 0 : i;
}

static enum km_rc conf_parse_amount(const struct conf_row *row, const char *text,
				    size_t len, uint64_t *value, char *reason)
{
	const struct conf_unit *units = conf_units(row->type);
	unsigned __int128 whole, total;
	uint64_t frac, scale, factor = 0;
	size_t used = conf_number(text, len, &whole, &frac, &scale);

	if (used == 0)
		return conf_no(reason, "not a number");
	while (used < len && (text[used] == ' ' || text[used] == '\t'))
		used++;
	if (used == len && (!units || row->type == CONF_SIZE || (whole == 0 && frac == 0)))
		factor = 1;
	for (; units && used < len && units->name; units++) {
		if (strlen(units->name) == len - used &&
		    memcmp(units->name, text + used, len - used) == 0)
			factor = units->factor;
	}
	if (factor == 0 && used == len)
		return conf_no(reason, "the unit is missing");
	if (factor == 0)
		return conf_no(reason, units ? "unknown unit" : "not a whole number");
	if ((unsigned __int128)frac * factor % scale != 0)
		return conf_no(reason, "not a whole number of the smallest unit");
	total = whole * factor + (unsigned __int128)frac * factor / scale;
	if (total > UINT64_MAX) {
		(void)conf_no(reason, "too large");
		return KM_ERR_RANGE;
	}
	*value = (uint64_t)total;
	return conf_in_range(row, *value, reason);
}

/* Text without control characters in valid UTF-8 (paths: any bytes but controls). */
static bool conf_text_clean(const char *text, size_t len, bool any_bytes)
{
	const uint8_t *p = (const uint8_t *)text;

	for (size_t i = 0; i < len;) {
		uint32_t code = p[i];
		size_t n = any_bytes ? 1 : utf8_decode(p + i, len - i, &code);

		if (n == 0 ||
		    (any_bytes ? code < 0x20 || code == 0x7f : utf8_is_control(code)))
			return false;
		i += n;
	}
	return true;
}

static enum km_rc conf_parse_text(const struct conf_row *row, const char *text, size_t len,
				  char *field, char *reason)
{
	bool path = row->type == CONF_PATH;

	if (!conf_text_clean(text, len, path))
		return conf_no(reason, path ? "holds a control character"
					    : "not UTF-8 text without control characters");
	if (path && text[0] != '/')
		return conf_no(reason, "not an absolute path");
	while (path && len > 1 && text[len - 1] == '/')
		len--;
	if (len >= row->size)
		return conf_no(reason, "longer than %zu bytes", row->size - 1);
	for (size_t i = 0; path && i + 2 < len; i++) {
		if (memcmp(text + i, "/..", 3) == 0 && (i + 3 == len || text[i + 3] == '/'))
			return conf_no(reason, "must not hold '..'");
	}
	memset(field, 0, row->size);
	memcpy(field, text, len);
	return KM_OK;
}

static int conf_hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

static enum km_rc conf_parse_mac(const char *text, size_t len, uint8_t mac[6], char *reason)
{
	uint8_t out[6];

	if (len != 17)
		return conf_no(reason, "not a MAC address");
	for (size_t i = 0; i < 6; i++) {
		int high = conf_hex_digit(text[3 * i]),
		    low = conf_hex_digit(text[3 * i + 1]);

		if (high < 0 || low < 0 || (i < 5 && text[3 * i + 2] != ':'))
			return conf_no(reason, "not a MAC address");
		out[i] = (uint8_t)(high << 4 | low);
	}
	memcpy(mac, out, 6);
	return KM_OK;
}

static enum km_rc conf_parse_hex16(const struct conf_row *row, const char *text, size_t len,
				   uint16_t *field, char *reason)
{
	unsigned int v = 0;
	enum km_rc rc;

	if (len < 3 || len > 6 || text[0] != '0' || text[1] != 'x')
		return conf_no(reason, "not a hexadecimal number of 16 bits");
	for (size_t i = 2; i < len; i++) {
		int digit = conf_hex_digit(text[i]);

		if (digit < 0)
			return conf_no(reason, "not a hexadecimal number of 16 bits");
		v = v << 4 | (unsigned int)digit;
	}
	rc = conf_in_range(row, v, reason);
	if (rc == KM_OK)
		*field = (uint16_t)v;
	return rc;
}

/* A decimal number of at most `max` without leading zeros, then `end` or the end of the
 * text; the bytes used, 0 when there is none. */
static size_t conf_part(const char *text, size_t len, unsigned int max, char end,
			unsigned int *value)
{
	size_t i = 0;

	*value = 0;
	for (; i < len && text[i] >= '0' && text[i] <= '9'; i++) {
		*value = *value * 10 + (unsigned int)(text[i] - '0');
		if (*value > max || (i > 0 && text[0] == '0'))
			return 0;
	}
	if (i == 0 || (end == '\0' ? i != len : i == len || text[i] != end))
		return 0;
	return end == '\0' ? i : i + 1;
}

static enum km_rc conf_parse_endpoint(const char *text, size_t len,
				      struct conf_endpoint *field, char *reason)
{
	static const char ends[5] = {'.', '.', '.', ':', '\0'};
	struct conf_endpoint out;
	unsigned int v = 0;
	size_t at = 0, used;

	for (unsigned int i = 0; i < 5; i++) {
		used = conf_part(text + at, len - at, i < 4 ? 255 : 65535, ends[i], &v);
		if (used == 0)
			return conf_no(reason, "not an IPv4 address and a port");
		at += used;
		if (i < 4)
			out.ip[i] = (uint8_t)v;
	}
	out.port = (uint16_t)v;
	if (out.port == 0 || out.ip[0] == 0)
		return conf_no(reason, "0 is no address and no port");
	*field = out;
	return KM_OK;
}

/* A path of its file system, or an address and a port. */
static enum km_rc conf_parse_end(const char *text, size_t len, struct local_end *field,
				 char *reason)
{
	static const char fifo[] = "fifo:";
	const bool is_fifo =
		len > sizeof(fifo) - 1 && memcmp(text, fifo, sizeof(fifo) - 1) == 0;
	const size_t from = is_fifo ? sizeof(fifo) - 1 : 0;
	const struct conf_row path = {.type = CONF_PATH, .size = sizeof(field->path)};
	struct conf_endpoint end = {0};
	struct local_end out;
	enum km_rc rc;

	memset(&out, 0, sizeof(out)); /* padding too: results are compared as bytes */
	if (is_fifo || text[0] == '/') {
		out.kind = is_fifo ? LOCAL_END_FIFO : LOCAL_END_UNIX;
		rc = conf_parse_text(&path, text + from, len - from, out.path, reason);
	} else {
		out.kind = LOCAL_END_INET;
		rc = conf_parse_endpoint(text, len, &end, reason);
		if (rc != KM_OK)
			return conf_no(reason,
				       "neither an IPv4 address and a port nor a path");
		memcpy(out.ip, end.ip, sizeof(out.ip));
		out.port = end.port;
	}
	if (rc == KM_OK)
		memcpy(field, &out, sizeof(out));
	return rc;
}

static enum km_rc conf_parse_list(const char *text, size_t len, struct conf_list *list,
				  char *reason)
{
	struct conf_list out;
	size_t at = 0;

	memset(&out, 0, sizeof(out));
	while (at <= len) {
		const char *comma = at < len ? memchr(text + at, ',', len - at) : NULL;
		size_t end = comma ? (size_t)(comma - text) : len;
		size_t next = end + 1;

		while (at < end && (text[at] == ' ' || text[at] == '\t'))
			at++;
		while (end > at && (text[end - 1] == ' ' || text[end - 1] == '\t'))
			end--;
		if (end == at)
			return conf_no(reason, "an item is empty");
		if (end - at >= CONF_ITEM_MAX)
			return conf_no(reason, "an item is longer than %d bytes",
				       CONF_ITEM_MAX - 1);
		if (out.n == CONF_LIST_MAX)
			return conf_no(reason, "more than %d items", CONF_LIST_MAX);
		if (!conf_text_clean(text + at, end - at, false))
			return conf_no(reason, "not UTF-8 text without control characters");
		memcpy(out.item[out.n++], text + at, end - at);
		at = next;
	}
	memcpy(list, &out, sizeof(out));
	return KM_OK;
}

static enum km_rc conf_parse_word(const struct conf_row *row, const char *text, size_t len,
				  void *field, char *reason)
{
	static const struct conf_name bools[] = {
		{"yes", 1}, {"no", 0},	{"true", 1}, {"false", 0},
		{"on", 1},  {"off", 0}, {NULL, 0},
	};
	const struct conf_name *name = row->type == CONF_BOOL ? bools : row->names;

	for (; name && name->name; name++) {
		if (strlen(name->name) != len || memcmp(name->name, text, len) != 0)
			continue;
		if (row->type == CONF_BOOL)
			*(bool *)field = name->value;
		else
			*(int *)field = name->value;
		return KM_OK;
	}
	return conf_no(reason,
		       row->type == CONF_BOOL ? "neither yes nor no" : "no such choice");
}

enum km_rc conf_value_parse(const struct conf_row *row, const char *text, size_t len,
			    void *field, char reason[KM_ERR_TEXT_MAX])
{
	uint64_t amount = 0;
	enum km_rc rc;

	reason[0] = '\0';
	if (len == 0)
		return conf_no(reason, "the value is empty");
	switch (row->type) {
	case CONF_STRING:
	case CONF_PATH:
		return conf_parse_text(row, text, len, field, reason);
	case CONF_BOOL:
	case CONF_ENUM:
		return conf_parse_word(row, text, len, field, reason);
	case CONF_U64:
	case CONF_SIZE:
	case CONF_DURATION:
	case CONF_RATE:
		rc = conf_parse_amount(row, text, len, &amount, reason);
		if (rc == KM_OK)
			*(uint64_t *)field = amount;
		return rc;
	case CONF_MAC:
		return conf_parse_mac(text, len, field, reason);
	case CONF_HEX16:
		return conf_parse_hex16(row, text, len, field, reason);
	case CONF_ENDPOINT:
		return conf_parse_endpoint(text, len, field, reason);
	case CONF_END:
		return conf_parse_end(text, len, field, reason);
	case CONF_LIST:
		return conf_parse_list(text, len, field, reason);
	}
	return KM_ERR_STATE;
}

/* A number in the largest unit that is exact. */
static void conf_amount_format(enum conf_type type, uint64_t v, char *buf, size_t len)
{
	const struct conf_unit *unit = conf_units(type), *best = unit;

	if (!unit || (v == 0 && type != CONF_RATE)) {
		(void)snprintf(buf, len, "%" PRIu64, v);
		return;
	}
	for (; unit->name; unit++) {
		if (v % unit->factor == 0 && v > 0)
			best = unit;
	}
	if (v % best->factor != 0) { /* nanoseconds that are no whole microseconds */
		(void)snprintf(buf, len, "%" PRIu64 ".%03" PRIu64 " %s", v / best->factor,
			       v % best->factor, best->name);
		return;
	}
	(void)snprintf(buf, len, "%" PRIu64 " %s", v / best->factor, best->name);
}

char *conf_value_format(const struct conf_row *row, const void *field, char *buf,
			size_t len)
{
	const struct conf_list *list = field;
	const struct conf_endpoint *end = field;
	const uint8_t *mac = field;
	char place[LOCAL_END_TEXT_MAX];
	size_t used = 0;

	buf[0] = '\0';
	switch (row->type) {
	case CONF_STRING:
	case CONF_PATH:
		(void)snprintf(buf, len, "%s", (const char *)field);
		break;
	case CONF_BOOL:
		(void)snprintf(buf, len, "%s", *(const bool *)field ? "yes" : "no");
		break;
	case CONF_ENUM:
		for (const struct conf_name *n = row->names; n && n->name; n++) {
			if (n->value == *(const int *)field) {
				(void)snprintf(buf, len, "%s", n->name);
				break;
			}
		}
		break;
	case CONF_U64:
	case CONF_SIZE:
	case CONF_DURATION:
	case CONF_RATE:
		conf_amount_format(row->type, *(const uint64_t *)field, buf, len);
		break;
	case CONF_MAC:
		(void)snprintf(buf, len, "%02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1],
			       mac[2], mac[3], mac[4], mac[5]);
		break;
	case CONF_HEX16:
		(void)snprintf(buf, len, "0x%04x", *(const uint16_t *)field);
		break;
	case CONF_ENDPOINT:
		(void)snprintf(buf, len, "%u.%u.%u.%u:%u", end->ip[0], end->ip[1],
			       end->ip[2], end->ip[3], end->port);
		break;
	case CONF_END:
		(void)snprintf(buf, len, "%s", local_end_text(field, place));
		break;
	case CONF_LIST:
		for (uint32_t i = 0; i < list->n && i < CONF_LIST_MAX && used < len; i++) {
			(void)snprintf(buf + used, len - used, "%s%s", i ? ", " : "",
				       list->item[i]);
			used += strlen(buf + used);
		}
		break;
	}
	return buf;
}

static void conf_allowed_amount(const struct conf_row *row, char *buf, size_t len)
{
	const struct conf_unit *unit = conf_units(row->type);
	char low[48], high[48];
	size_t used;

	if (row->max > 0) {
		conf_amount_format(row->type, row->min, low, sizeof(low));
		conf_amount_format(row->type, row->max, high, sizeof(high));
		(void)snprintf(buf, len, "%s .. %s", low, high);
	} else if (row->min > 0) {
		conf_amount_format(row->type, row->min, low, sizeof(low));
		(void)snprintf(buf, len, "from %s", low);
	} else if (!unit) {
		(void)snprintf(buf, len, "a whole number");
	} else {
		(void)snprintf(buf, len, "a number with");
		for (; unit->name; unit++) {
			used = strlen(buf);
			(void)snprintf(buf + used, len - used, " %s", unit->name);
		}
	}
}

char *conf_allowed_text(const struct conf_row *row, char *buf, size_t len)
{
	size_t used = 0;

	buf[0] = '\0';
	switch (row->type) {
	case CONF_STRING:
		(void)snprintf(buf, len, "text up to %zu bytes", row->size - 1);
		break;
	case CONF_PATH:
		(void)snprintf(buf, len, "an absolute path up to %zu bytes", row->size - 1);
		break;
	case CONF_BOOL:
		(void)snprintf(buf, len, "yes, no");
		break;
	case CONF_ENUM:
		for (const struct conf_name *n = row->names; n && n->name && used < len;
		     n++) {
			(void)snprintf(buf + used, len - used, "%s%s", used ? ", " : "",
				       n->name);
			used += strlen(buf + used);
		}
		break;
	case CONF_U64:
	case CONF_SIZE:
	case CONF_DURATION:
	case CONF_RATE:
		conf_allowed_amount(row, buf, len);
		break;
	case CONF_MAC:
		(void)snprintf(buf, len, "aa:bb:cc:dd:ee:ff");
		break;
	case CONF_HEX16:
		(void)snprintf(buf, len, "0x%04x .. 0x%04x", (unsigned int)row->min,
			       row->max ? (unsigned int)row->max : 0xffffU);
		break;
	case CONF_ENDPOINT:
		(void)snprintf(buf, len, "an IPv4 address and a port, 192.0.2.1:4001");
		break;
	case CONF_END:
		(void)snprintf(buf, len,
			       "an IPv4 address and a port, 192.0.2.1:4001, or an absolute "
			       "path up to %u bytes, after fifo: that of a FIFO",
			       LOCAL_END_PATH_MAX - 1);
		break;
	case CONF_LIST:
		(void)snprintf(buf, len, "up to %d items with commas between",
			       CONF_LIST_MAX);
		break;
	}
	return buf;
}

int conf_parse_mode(const char *text)
{
	size_t n = strlen(text);
	long mode;

	if (n < 3 || n > 4 || text[strspn(text, "01234567")] != '\0')
		return -1;
	mode = strtol(text, NULL, 8);
	return mode <= 0777 ? (int)mode : -1;
}
