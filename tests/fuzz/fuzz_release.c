// SPDX-License-Identifier: ISC
/* The manifest of a release: what the parser takes, written again, is what it was given. */
#include <string.h>

#include "fuzz_alloc.h"
#include "fuzz_target.h"
#include "release.h"

static const uint8_t *at;
static size_t left;

/* TEXT is what comes next. */
static void expect(const char *text)
{
	size_t n = strlen(text);

	FUZZ_ASSERT(left >= n && memcmp(at, text, n) == 0);
	at += n;
	left -= n;
}

static void expect_path(const char *path)
{
	FUZZ_ASSERT(path[0] != '/' && path[0] != '\0' && !strstr(path, "//"));
	FUZZ_ASSERT(strcmp(path, "..") != 0 && strncmp(path, "../", 3) != 0 &&
		    !strstr(path, "/../"));
	FUZZ_ASSERT(strlen(path) < 3 || strcmp(path + strlen(path) - 3, "/..") != 0);
	expect(path);
	expect("\n");
}

static void expect_head(const struct release *r)
{
	const uint8_t *end;

	expect("# katamichi release manifest 1\n# version: ");
	expect(r->version);
	expect("\n# created: ");
	expect(r->created);
	expect("\n# verify: ");
	end = memchr(at, '\n', left);
	FUZZ_ASSERT(end);
	left -= (size_t)(end + 1 - at);
	at = end + 1;
}

static void expect_all(const struct release *r)
{
	char line[64], hex[DIGEST_HEX_LEN + 1];

	expect_head(r);
	for (unsigned i = 0; i < r->directories + r->files; i++) {
		const struct release_entry *e = &r->entry[i];

		FUZZ_ASSERT(i == 0 || i == r->directories ||
			    strcmp(e[-1].path, e->path) < 0);
		if (i < r->directories) {
			(void)snprintf(line, sizeof(line), "# directory %04o ./", e->mode);
			expect(line);
		} else {
			(void)snprintf(line, sizeof(line), "# file %04o %llu\n", e->mode,
				       (unsigned long long)e->size);
			expect(line);
			digest_hex(hex, e->digest);
			expect(hex);
			expect("  ./");
		}
		expect_path(e->path);
	}
	FUZZ_ASSERT(left == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct release r;
	unsigned line;
	enum km_rc rc;
	bool refused;

	fuzz_alloc_begin(data, size);
	rc = release_parse(&r, data, size, &line);
	refused = fuzz_alloc_end();
	FUZZ_ASSERT(refused || rc != KM_ERR_NOMEM);
	if (rc != KM_OK) {
		FUZZ_ASSERT(!r.entry && r.files == 0);
		return 0;
	}
	FUZZ_ASSERT(line == 0 && r.files > 0);
	at = data;
	left = size;
	expect_all(&r);
	release_free(&r);
	return 0;
}
