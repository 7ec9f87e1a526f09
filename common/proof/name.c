// SPDX-License-Identifier: ISC
#include "name.h"

#include <string.h>

#include "wire_limits.h"

static const char reserved[] = ".katamichi";

static enum name_fault check_component(const uint8_t *p, size_t len)
{
	if (len == 0)
		return NAME_SLASHES;
	if (len > WIRE_NAME_MAX)
		return NAME_COMPONENT_TOO_LONG;
	if (p[0] == '.' && (len == 1 || (len == 2 && p[1] == '.')))
		return NAME_DOT;
	return NAME_OK;
}

enum name_fault name_check(const uint8_t *path, size_t len)
{
	size_t start = 0;

	if (len == 0)
		return NAME_EMPTY;
	if (len > WIRE_PATH_MAX)
		return NAME_TOO_LONG;
	if (path[0] == '/')
		return NAME_ABSOLUTE;
	for (size_t i = 0; i <= len; i++) {
		enum name_fault fault;

		if (i < len && (path[i] < 0x20 || path[i] == 0x7F))
			return NAME_CONTROL;
		if (i < len && path[i] != '/')
			continue;
		fault = check_component(path + start, i - start);
		if (fault != NAME_OK)
			return fault;
		if (start == 0 && i == sizeof(reserved) - 1 &&
		    memcmp(path, reserved, i) == 0)
			return NAME_RESERVED;
		start = i + 1;
	}
	return NAME_OK;
}

const char *name_fault_text(enum name_fault fault)
{
	switch (fault) {
	case NAME_OK:
		return "is a safe name";
	case NAME_EMPTY:
		return "is empty";
	case NAME_TOO_LONG:
		return "is longer than 1024 bytes";
	case NAME_COMPONENT_TOO_LONG:
		return "has a component longer than 255 bytes";
	case NAME_CONTROL:
		return "contains a control character";
	case NAME_DOT:
		return "has a component \".\" or \"..\"";
	case NAME_ABSOLUTE:
		return "begins with a slash";
	case NAME_SLASHES:
		return "has a double or trailing slash";
	case NAME_RESERVED:
		return "begins with .katamichi, which is reserved";
	}
	return "is refused for an unknown reason";
}

size_t name_escape(char *out, const uint8_t *path, size_t len, int *escaped)
{
	size_t used = 0;

	*escaped = 0;
	for (size_t i = 0; i < len; i++) {
		char c = (char)path[i];

		if (c == '\\' || c == '\n' || c == '\r') {
			out[used++] = '\\';
			c = c == '\n' ? 'n' : c == '\r' ? 'r' : '\\';
			*escaped = 1;
		}
		out[used++] = c;
	}
	out[used] = '\0';
	return used;
}

enum km_rc name_unescape(uint8_t *out, size_t *out_len, const char *text, size_t len,
			 int escaped)
{
	size_t used = 0;

	*out_len = 0;
	for (size_t i = 0; i < len; i++) {
		char c = text[i];

		if (c == '\n' || c == '\r')
			return KM_ERR_MALFORMED; /* always escaped when written */
		if (c == '\\') {
			if (!escaped || i + 1 == len)
				return KM_ERR_MALFORMED;
			c = text[++i];
			if (c != '\\' && c != 'n' && c != 'r')
				return KM_ERR_MALFORMED;
			c = c == 'n' ? '\n' : c == 'r' ? '\r' : '\\';
		}
		out[used++] = (uint8_t)c;
	}
	*out_len = used;
	return KM_OK;
}

int name_compare(const uint8_t *a, size_t alen, const uint8_t *b, size_t blen)
{
	int order = memcmp(a, b, alen < blen ? alen : blen);

	if (order)
		return order;
	return (alen > blen) - (alen < blen);
}
