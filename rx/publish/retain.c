// SPDX-License-Identifier: ISC
#include "retain.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "clock.h"
#include "fileio.h"
#include "log.h"
#include "manifests.h"
#include "place_item.h"

/* Rows of a path looked at beyond keep_generations: each replacement adds one and drops
 * one, so what lies further back is gone already. */
#define RETAIN_SLACK 64u
#define RETAIN_ROWS_MAX 4096u

struct retain_generation {
	uint64_t chain, number;
};

/*
 * Removes generations/<chain>-<number>/<path> and the directories that it leaves
 * empty.
 */
static void retain_drop(struct flow *flow, uint64_t chain, uint64_t number,
			const uint8_t *path, size_t path_len, const char *why)
{
	char name[PLACE_GENERATION_MAX + WIRE_PATH_MAX + 2];
	char quoted[LOG_QUOTE_MAX(WIRE_PATH_MAX)];
	char *slash;
	size_t n;

	place_generation_name(name, chain, number);
	n = strlen(name);
	snprintf(name + n, sizeof(name) - n, "/%.*s", (int)path_len, (const char *)path);
	if (unlinkat(flow->root.generations, name, 0) != 0)
		return; /* gone before */
	while ((slash = strrchr(name, '/'))) {
		*slash = 0;
		if (unlinkat(flow->root.generations, name, AT_REMOVEDIR) != 0)
			break;
	}
	log_event(EVENT_GENERATION_DROPPED,
		  "old generation removed: %s channel=%s chain=%" PRIu64 " object=%" PRIu64
		  " path=%s",
		  why, flow->conf->name, chain, number,
		  log_quote(quoted, sizeof(quoted), path, path_len));
}

static bool retain_exists(const struct flow *flow, uint64_t chain, uint64_t number,
			  const uint8_t *path, size_t path_len)
{
	char name[PLACE_GENERATION_MAX + WIRE_PATH_MAX + 2];
	size_t n;

	place_generation_name(name, chain, number);
	n = strlen(name);
	snprintf(name + n, sizeof(name) - n, "/%.*s", (int)path_len, (const char *)path);
	return faccessat(flow->root.generations, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

static int retain_newest_first(const void *a, const void *b)
{
	const struct retain_generation *x = a, *y = b;

	if (x->chain != y->chain)
		return x->chain < y->chain ? 1 : -1;
	return x->number < y->number ? 1 : x->number > y->number ? -1 : 0;
}

void retain_path(struct flow *flow, const uint8_t *path, size_t len)
{
	static struct retain_generation found[RETAIN_ROWS_MAX];
	size_t limit = (size_t)flow->conf->keep_generations + RETAIN_SLACK, n = 0, rows = 0;
	size_t kept = 0;
	struct names_visible visible;
	struct names_row row;
	bool more = names_find(&flow->names, path, len, &row);

	if (limit > RETAIN_ROWS_MAX)
		limit = RETAIN_ROWS_MAX;
	if (!more)
		return;
	visible = row.visible;
	for (; more && rows < limit; more = names_prev(&flow->names, &row, &row), rows++) {
		if (row.kind == NAMES_UNDONE)
			continue;
		if (row.chain == visible.chain && row.number == visible.number)
			continue;
		if (!retain_exists(flow, row.chain, row.number, path, len))
			continue;
		found[n++] = (struct retain_generation){row.chain, row.number};
	}
	qsort(found, n, sizeof(found[0]), retain_newest_first);
	/* A row may stand twice (a crash between it and the name): counted once. */
	for (size_t i = 0; i < n; i++)
		if (kept == 0 || retain_newest_first(&found[kept - 1], &found[i]) != 0)
			found[kept++] = found[i];
	for (size_t i = flow->conf->keep_generations; i < kept; i++)
		retain_drop(flow, found[i].chain, found[i].number, path, len,
			    "keep_generations");
}

void retain_age(struct flow *flow, uint64_t now_real_ns)
{
	int fd =
		fileio_open_beneath(flow->root.generations, ".", O_RDONLY | O_DIRECTORY, 0);
	DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
	const struct dirent *entry;

	if (!dir) {
		km_close(&fd);
		return;
	}
	while ((entry = readdir(dir))) {
		const struct manifest_entry *what;
		uint64_t chain, number, since;
		struct stat st;

		if (sscanf(entry->d_name, "%" SCNu64 "-%" SCNu64, &chain, &number) != 2 ||
		    fstatat(dirfd(dir), entry->d_name, &st, AT_SYMLINK_NOFOLLOW) != 0)
			continue;
		/* The directory was last changed when the file came into it. */
		since = (uint64_t)st.st_mtim.tv_sec * CLOCK_NS_PER_SEC +
			(uint64_t)st.st_mtim.tv_nsec;
		if (!clock_aged(now_real_ns, since, flow->conf->keep_ns))
			continue;
		what = manifests_entry(flow, chain, number);
		if (what)
			retain_drop(flow, chain, number, what->path, what->path_len,
				    "keep_days");
	}
	closedir(dir);
}
