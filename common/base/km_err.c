// SPDX-License-Identifier: ISC
#include "km_err.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

const char *km_rc_name(enum km_rc rc)
{
	switch (rc) {
	case KM_OK:
		return "ok";
	case KM_ERR_SHORT:
		return "short";
	case KM_ERR_MALFORMED:
		return "malformed";
	case KM_ERR_VERSION:
		return "version";
	case KM_ERR_RANGE:
		return "range";
	case KM_ERR_LIMIT:
		return "limit";
	case KM_ERR_AUTH:
		return "auth";
	case KM_ERR_FULL:
		return "full";
	case KM_ERR_EMPTY:
		return "empty";
	case KM_ERR_NOMEM:
		return "nomem";
	case KM_ERR_SYS:
		return "sys";
	case KM_ERR_STATE:
		return "state";
	case KM_ERR_NOTFOUND:
		return "notfound";
	case KM_ERR_EXISTS:
		return "exists";
	case KM_ERR_TIMEOUT:
		return "timeout";
	case KM_ERR_CLOSED:
		return "closed";
	case KM_ERR_REPLAY:
		return "replay";
	case KM_ERR_UNSUPPORTED:
		return "unsupported";
	}
	return "unknown";
}

static KM_PRINTF(4, 0) void err_vset(struct km_err *err, int code, int saved_errno,
				     const char *fmt, va_list args)
{
	err->code = code;
	err->saved_errno = saved_errno;
	if (vsnprintf(err->text, sizeof(err->text), fmt, args) < 0)
		err->text[0] = '\0';
}

int km_err_set(struct km_err *err, int code, const char *fmt, ...)
{
	va_list args;

	if (!err)
		return -1;
	va_start(args, fmt);
	err_vset(err, code, 0, fmt, args);
	va_end(args);
	return -1;
}

int km_err_set_errno(struct km_err *err, int code, const char *fmt, ...)
{
	int saved = errno;
	va_list args;
	char why[96];
	size_t len;

	if (!err)
		return -1;
	va_start(args, fmt);
	err_vset(err, code, saved, fmt, args);
	va_end(args);
	len = strlen(err->text);
	/* _GNU_SOURCE: this strerror_r returns the text, not always in the buffer */
	(void)snprintf(err->text + len, sizeof(err->text) - len, ": %s",
		       strerror_r(saved, why, sizeof(why)));
	errno = saved;
	return -1;
}

int km_err_prefix(struct km_err *err, const char *fmt, ...)
{
	char text[KM_ERR_TEXT_MAX];
	va_list args;
	size_t used;
	int n;

	if (!err)
		return -1;
	va_start(args, fmt);
	n = vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	if (n < 0)
		return -1;
	used = strlen(text);
	for (const char *p = ": "; *p && used + 1 < sizeof(text); p++)
		text[used++] = *p;
	for (const char *p = err->text; *p && used + 1 < sizeof(text); p++)
		text[used++] = *p;
	text[used] = '\0';
	memcpy(err->text, text, sizeof(text));
	return -1;
}

void km_close(int *fd)
{
	int saved = errno;

	if (*fd >= 0)
		(void)close(*fd);
	*fd = -1;
	errno = saved;
}

void km_cleanup_close(int *fd)
{
	km_close(fd);
}

void km_cleanup_free(void *pointer_to_pointer)
{
	int saved = errno;
	void *p;

	memcpy(&p, pointer_to_pointer, sizeof(p));
	free(p);
	errno = saved;
}
