// SPDX-License-Identifier: ISC
#include "metrics.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "conf.h"
#include "log.h"

/* The collector reads *.prom only: the one in the making is not seen. */
#define METRICS_NEW ".new"

static int write_whole(int fd, const char *text, size_t len)
{
	while (len > 0) {
		const ssize_t n = write(fd, text, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return -1;
		text += n;
		len -= (size_t)n;
	}
	return 0;
}

static int put(const char *path, const char *text, size_t len)
{
	char fresh[CONF_PATH_MAX + sizeof(METRICS_NEW)];
	int fd, rc;

	(void)snprintf(fresh, sizeof(fresh), "%s" METRICS_NEW, path);
	fd = open(fresh, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0644);
	if (fd < 0)
		return -1;
	rc = write_whole(fd, text, len);
	if (fchmod(fd, 0644) != 0 || close(fd) != 0)
		rc = -1;
	if (rc == 0)
		rc = renameat(AT_FDCWD, fresh, AT_FDCWD, path);
	return rc;
}

void metrics_tick(struct metrics *metrics, const struct stats_map *map, uint64_t now_ns)
{
	_cleanup_free_ char *text = NULL;
	size_t len = 0;
	FILE *out;

	if (!metrics->path || metrics->path[0] == '\0' || now_ns < metrics->due_ns)
		return;
	metrics->due_ns = now_ns + METRICS_EVERY_NS;
	out = open_memstream(&text, &len);
	if (out) {
		stats_print_prometheus(map, metrics->prefix, out);
		if (fclose(out) == 0 && put(metrics->path, text, len) == 0) {
			metrics->failed = false;
			return;
		}
	}
	if (!metrics->failed)
		log_event(EVENT_METRICS_FAILED,
			  "the file of metrics cannot be written: make its directory and "
			  "let the daemon's user write there file=%s error=\"%s\"",
			  metrics->path, strerror(errno));
	metrics->failed = true;
}

void metrics_end(const struct metrics *metrics)
{
	if (metrics->path && metrics->path[0] != '\0')
		(void)unlinkat(AT_FDCWD, metrics->path, 0);
}
