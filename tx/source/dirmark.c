// SPDX-License-Identifier: ISC
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "dirmark.h"
#include "fileio.h"

#define LINE_ROOM 112u
#define FILE_MAX ((size_t)32 << 20)

/* Place of (dev, ino), or where it belongs. */
static uint32_t place(const struct dirmark *marks, const struct dirmark_row *row,
		      bool *found)
{
	uint32_t low = 0, high = marks->count;

	while (low < high) {
		const uint32_t mid = low + (high - low) / 2;
		const struct dirmark_row *m = &marks->row[mid];

		if (m->dev < row->dev || (m->dev == row->dev && m->ino < row->ino))
			low = mid + 1;
		else
			high = mid;
	}
	*found = low < marks->count && marks->row[low].dev == row->dev &&
		 marks->row[low].ino == row->ino;
	return low;
}

static void put(struct dirmark *marks, const struct dirmark_row *row)
{
	bool found;
	uint32_t at;

	if (marks->count == DIRMARK_MAX)
		marks->count = 0;
	at = place(marks, row, &found);
	if (!found) {
		if (marks->count == marks->room) {
			const uint32_t room = marks->room ? marks->room * 2 : 256;
			struct dirmark_row *more =
				realloc(marks->row, room * sizeof(*more));

			if (!more)
				return;
			marks->row = more;
			marks->room = room;
		}
		memmove(&marks->row[at + 1], &marks->row[at],
			(marks->count - at) * sizeof(marks->row[0]));
		marks->count++;
	}
	marks->row[at] = *row;
}

static int line_of(char line[LINE_ROOM], const struct dirmark_row *row)
{
	return snprintf(line, LINE_ROOM,
			"D %" PRIu64 " %" PRIu64 " %" PRId64 " %" PRIu32 "\n", row->dev,
			row->ino, row->mtime_s, row->mtime_ns);
}

/* Write what is known as a fresh file and append to that. */
static void rewrite(struct dirmark *marks)
{
	_cleanup_free_ char *text = malloc((size_t)marks->count * LINE_ROOM + 1);
	size_t used = 0;

	km_close(&marks->fd);
	if (!text)
		return;
	for (uint32_t i = 0; i < marks->count; i++)
		used += (size_t)line_of(text + used, &marks->row[i]);
	if (fileio_write_atomic(marks->dir, DIRMARK_NAME, text, used, 0600, NULL) != 0)
		return;
	marks->fd = openat(marks->dir, DIRMARK_NAME,
			   O_WRONLY | O_APPEND | O_CLOEXEC | O_NOFOLLOW);
	marks->appended = marks->count;
}

int dirmark_open(struct dirmark *marks, int dir, struct km_err *err)
{
	_cleanup_free_ uint8_t *data = NULL;
	char *line, *rest = NULL;
	size_t len;

	memset(marks, 0, sizeof(*marks));
	marks->dir = dir;
	marks->fd = -1;
	if (faccessat(dir, DIRMARK_NAME, F_OK, AT_SYMLINK_NOFOLLOW) == 0 &&
	    fileio_read_all(dir, DIRMARK_NAME, FILE_MAX, &data, &len, err) == 0) {
		for (line = strtok_r((char *)data, "\n", &rest); line;
		     line = strtok_r(NULL, "\n", &rest)) {
			struct dirmark_row row;

			if (sscanf(line, "D %" SCNu64 " %" SCNu64 " %" SCNd64 " %" SCNu32,
				   &row.dev, &row.ino, &row.mtime_s, &row.mtime_ns) == 4)
				put(marks, &row);
		}
	}
	rewrite(marks);
	if (marks->fd < 0)
		return km_err_set_errno(err, EX_IOERR, "%s cannot be written",
					DIRMARK_NAME);
	return 0;
}

void dirmark_close(struct dirmark *marks)
{
	km_close(&marks->fd);
	free(marks->row);
	marks->row = NULL;
	marks->count = marks->room = 0;
}

bool dirmark_known(const struct dirmark *marks, const struct dirmark_row *row)
{
	bool found;
	const uint32_t at = place(marks, row, &found);

	return found && marks->row[at].mtime_s == row->mtime_s &&
	       marks->row[at].mtime_ns == row->mtime_ns;
}

void dirmark_set(struct dirmark *marks, const struct dirmark_row *row)
{
	char line[LINE_ROOM];
	int len;

	if (dirmark_known(marks, row))
		return;
	put(marks, row);
	if (marks->fd < 0 || marks->appended > 2 * DIRMARK_MAX) {
		rewrite(marks);
		return;
	}
	len = line_of(line, row);
	/* A lost line only means that the directory is carried once more. */
	if (write(marks->fd, line, (size_t)len) == len)
		marks->appended++;
	else
		km_close(&marks->fd);
}
