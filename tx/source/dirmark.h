// SPDX-License-Identifier: ISC
/*
 * dirmark: which empty directories were carried already, or were emptied by our own claims:
 * (device, inode, mtime) each. Kept in STATE/<channel>/dirs so that a restart does not send
 * them again. Losing it is harmless (they are carried once more), so it is not synced, and
 * damaged lines are skipped. One thread.
 */
#ifndef DIRMARK_H
#define DIRMARK_H

#include <stdbool.h>
#include <stdint.h>

#include "km_err.h"

#define DIRMARK_MAX 65536u /* when full, all are forgotten */
#define DIRMARK_NAME "dirs"

struct dirmark_row {
	uint64_t dev, ino;
	int64_t mtime_s;
	uint32_t mtime_ns;
};

struct dirmark {
	int dir;		 /* borrowed: the channel's state directory */
	int fd;			 /* appended to; -1: cannot be written now */
	struct dirmark_row *row; /* sorted by device and inode */
	uint32_t count, room;
	uint32_t appended; /* lines in the file */
};

KM_MUST_CHECK int dirmark_open(struct dirmark *marks, int dir, struct km_err *err);
void dirmark_close(struct dirmark *marks);
bool dirmark_known(const struct dirmark *marks, const struct dirmark_row *row);
void dirmark_set(struct dirmark *marks, const struct dirmark_row *row);

#endif
