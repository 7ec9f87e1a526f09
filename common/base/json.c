// SPDX-License-Identifier: ISC
#include "json.h"

#include <stdarg.h>
#include <stdio.h>

#include "utf8.h"

bool json_is_text(const void *bytes, size_t n)
{
	const uint8_t *p = bytes;
	size_t at = 0;

	while (at < n) {
		const size_t len = utf8_decode(p + at, n - at, NULL);

		if (len == 0)
			return false;
		at += len;
	}
	return true;
}

void json_string(struct wr *wr, const void *bytes, size_t n)
{
	const uint8_t *p = bytes;
	size_t at = 0;

	wr_u8(wr, '"');
	while (at < n && wr_ok(wr)) {
		uint32_t code = 0;
		const size_t len = utf8_decode(p + at, n - at, &code);

		if (len == 0)
			json_print(wr, "\\ufffd");
		else if (code == '"' || code == '\\')
			json_print(wr, "\\%c", (int)code);
		else if (code == '\n')
			json_print(wr, "\\n");
		else if (utf8_is_control(code)) /* none of them is above U+FFFF */
			json_print(wr, "\\u%04x", code);
		else
			wr_bytes(wr, p + at, len);
		at += len ? len : 1;
	}
	wr_u8(wr, '"');
}

void json_base64(struct wr *wr, const void *bytes, size_t n)
{
	static const char digits[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	const uint8_t *p = bytes;

	wr_u8(wr, '"');
	for (size_t at = 0; at < n && wr_ok(wr); at += 3) {
		const size_t left = n - at;
		const uint32_t group = (uint32_t)p[at] << 16 |
				       (left > 1 ? (uint32_t)p[at + 1] << 8 : 0) |
				       (left > 2 ? p[at + 2] : 0);

		wr_u8(wr, (uint8_t)digits[group >> 18]);
		wr_u8(wr, (uint8_t)digits[group >> 12 & 63]);
		wr_u8(wr, left > 1 ? (uint8_t)digits[group >> 6 & 63] : '=');
		wr_u8(wr, left > 2 ? (uint8_t)digits[group & 63] : '=');
	}
	wr_u8(wr, '"');
}

void json_print(struct wr *wr, const char *fmt, ...)
{
	char text[256];
	va_list args;
	int n;

	va_start(args, fmt);
	n = vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	if (n < 0 || (size_t)n >= sizeof(text))
		wr->bad = true;
	else
		wr_bytes(wr, text, (size_t)n);
}
