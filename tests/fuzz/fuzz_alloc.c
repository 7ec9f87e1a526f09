// SPDX-License-Identifier: ISC
#include "fuzz_alloc.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz_target.h"

#define DRAWN_MAX 32u

void *__real_malloc(size_t size);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *p, size_t size);
char *__real_strdup(const char *s);
char *__real_strndup(const char *s, size_t n);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *p, size_t size);
char *__wrap_strdup(const char *s);
char *__wrap_strndup(const char *s, size_t n);

static struct {
	unsigned nth, seen;
	bool stay, armed, reached, refused, forbidden;
} alloc;

void fuzz_alloc_plan(unsigned nth, bool stay)
{
	alloc.nth = nth;
	alloc.stay = stay;
	alloc.reached = false;
}

bool fuzz_alloc_reached(void)
{
	return alloc.reached;
}

void fuzz_alloc_begin(const uint8_t *data, size_t size)
{
	uint32_t h = 2166136261u;

	if (getenv("KM_FUZZ_ALLOC")) {
		for (size_t i = 0; i < size; i++)
			h = (h ^ data[i]) * 16777619u;
		fuzz_alloc_plan(1 + h % DRAWN_MAX, h >> 31);
	}
	alloc.seen = 0;
	alloc.refused = false;
	alloc.armed = true;
}

bool fuzz_alloc_end(void)
{
	alloc.armed = false;
	return alloc.refused;
}

void fuzz_alloc_forbid(void)
{
	alloc.forbidden = true;
}

void fuzz_alloc_permit(void)
{
	alloc.forbidden = false;
}

static bool refuse(void)
{
	FUZZ_ASSERT(!alloc.forbidden);
	if (!alloc.armed || alloc.nth == 0)
		return false;
	alloc.seen++;
	if (alloc.seen != alloc.nth && !(alloc.stay && alloc.seen > alloc.nth))
		return false;
	alloc.reached = true;
	alloc.refused = true;
	errno = ENOMEM;
	return true;
}

void *__wrap_malloc(size_t size)
{
	return refuse() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t n, size_t size)
{
	return refuse() ? NULL : __real_calloc(n, size);
}

void *__wrap_realloc(void *p, size_t size)
{
	return refuse() ? NULL : __real_realloc(p, size);
}

char *__wrap_strdup(const char *s)
{
	return refuse() ? NULL : __real_strdup(s);
}

char *__wrap_strndup(const char *s, size_t n)
{
	return refuse() ? NULL : __real_strndup(s, n);
}
