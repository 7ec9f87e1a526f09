// SPDX-License-Identifier: ISC
#include "quarantine.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fileio.h"
#include "log.h"
#include "scan.h"
#include "wire_limits.h"

#define QUARANTINE_NAME_MAX 128u

const char *quarantine_text(uint8_t reason)
{
	switch ((enum quarantine_reason)reason) {
	case QUARANTINE_DIGEST:
		return "the content differs from the signed digest";
	case QUARANTINE_NAME:
		return "the begin record and the signed manifest name different paths";
	case QUARANTINE_TAKEN:
		return "the name exists and was not put there by us";
	case QUARANTINE_DIRECTORY:
		return "a directory has this name";
	case QUARANTINE_PARENT:
		return "a directory of this path cannot be made: a file or a link has its "
		       "name";
	case QUARANTINE_REFUSED:
		return "an earlier generation is published and replace = refuse";
	case QUARANTINE_SIGNATURE:
		return "the signature is not by a trusted key, or is wrong";
	case QUARANTINE_MALFORMED:
		return "the manifest breaks its own format or names another";
	case QUARANTINE_FORK:
		return "another manifest of this chain and number is stored";
	case QUARANTINE_KIND:
		return "the begin record and the signed manifest disagree on what it is";
	case QUARANTINE_BUSY:
		return "another process holds the content open for writing";
	case QUARANTINE_STRAY:
		return "left by a crash; if something is missing for it, send it again";
	case QUARANTINE_SCAN_REJECT:
		return "the scanner rejects the content";
	case QUARANTINE_SCAN_ERROR:
		return "the scanner failed, so nobody has looked at the content";
	case QUARANTINE_SCAN_TIMEOUT:
		return "the scanner did not end in time, so nobody has looked at the "
		       "content";
	}
	return "unknown reason";
}

/* True when there is room for one more; counts only when somebody asks. */
static bool quarantine_has_room(int quarantine)
{
	int fd = fileio_open_beneath(quarantine, ".", O_RDONLY | O_DIRECTORY, 0);
	unsigned n = 0;
	DIR *dir;

	if (fd < 0)
		return false;
	dir = fdopendir(fd);
	if (!dir) {
		km_close(&fd);
		return false;
	}
	while (n < 2 * QUARANTINE_MAX && readdir(dir))
		n++;
	closedir(dir);
	return n < 2 * QUARANTINE_MAX;
}

int quarantine_move(int quarantine, int from, const char *name, const char *as,
		    uint8_t reason, const uint8_t *path, size_t path_len,
		    struct km_err *err)
{
	return quarantine_move_said(quarantine, from, name, as, reason, NULL, path,
				    path_len, err);
}

int quarantine_move_said(int quarantine, int from, const char *name, const char *as,
			 uint8_t reason, const char *says, const uint8_t *path,
			 size_t path_len, struct km_err *err)
{
	char text[LOG_QUOTE_MAX(WIRE_PATH_MAX) + LOG_QUOTE_MAX(SCAN_TEXT_MAX) + 160];
	char quoted[LOG_QUOTE_MAX(WIRE_PATH_MAX)], said[LOG_QUOTE_MAX(SCAN_TEXT_MAX)];
	char file[QUARANTINE_NAME_MAX];
	struct km_err ignored = KM_ERR_INIT;
	int n;

	if (!quarantine_has_room(quarantine)) {
		if (unlinkat(from, name, 0) != 0 && errno != ENOENT)
			return km_err_set_errno(err, EX_IOERR, "%s: cannot remove", name);
		return 0;
	}
	log_quote(quoted, sizeof(quoted), path ? path : (const uint8_t *)"",
		  path ? path_len : 0);
	n = snprintf(text, sizeof(text), "reason: %s\npath: %s\n", quarantine_text(reason),
		     quoted);
	if (says && says[0])
		n += snprintf(
			text + n, sizeof(text) - (size_t)n, "scanner: %s\n",
			log_quote(said, sizeof(said), says, strnlen(says, SCAN_TEXT_MAX)));
	snprintf(file, sizeof(file), "%s.reason", as);
	/* On a full disk the move, which needs no room, is what matters. */
	(void)!fileio_write_atomic(quarantine, file, text, (size_t)n, 0600, &ignored);
	if (renameat(from, name, quarantine, as) != 0 && errno != ENOENT)
		return km_err_set_errno(err, EX_IOERR, "%s: cannot move to .quarantine",
					name);
	return 0;
}

bool quarantine_holds(int quarantine, const char *as)
{
	struct stat st;

	return fstatat(quarantine, as, &st, AT_SYMLINK_NOFOLLOW) == 0;
}
