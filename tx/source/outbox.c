// SPDX-License-Identifier: ISC
#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "clock.h"
#include "cursor.h"
#include "fileio.h"
#include "outbox.h"

/* The head lines in front of "# objects:" are at most this long together. */
#define HEAD_MAX 2048u
#define NAME_ROOM 96u

static void names(char text[NAME_ROOM], char sig[NAME_ROOM], uint64_t chain,
		  uint64_t number)
{
	char base[64];

	manifest_file_name(base, chain, number);
	(void)snprintf(text, NAME_ROOM, "%s", base);
	(void)snprintf(sig, NAME_ROOM, "%s.minisig", base);
}

int outbox_write(int dir, uint64_t chain, uint64_t number, const char *text, size_t len,
		 const char *sig, size_t sig_len, struct km_err *err)
{
	char text_name[NAME_ROOM], sig_name[NAME_ROOM];

	names(text_name, sig_name, chain, number);
	if (fileio_write_atomic(dir, text_name, text, len, 0644, err) != 0 ||
	    fileio_write_atomic(dir, sig_name, sig, sig_len, 0644, err) != 0)
		return km_err_prefix(err, "outbox");
	return 0;
}

int outbox_read(int dir, uint64_t chain, uint64_t number, uint8_t **data, size_t *len,
		struct km_err *err)
{
	_cleanup_free_ uint8_t *text = NULL;
	_cleanup_free_ uint8_t *sig = NULL;
	char text_name[NAME_ROOM], sig_name[NAME_ROOM];
	size_t text_len, sig_len;
	struct wr wr;

	names(text_name, sig_name, chain, number);
	if (fileio_read_all(dir, text_name, WIRE_MANIFEST_MAX, &text, &text_len, err) !=
		    0 ||
	    fileio_read_all(dir, sig_name, MINISIG_FILE_MAX, &sig, &sig_len, err) != 0)
		return km_err_prefix(err, "outbox");
	if (4 + text_len + sig_len > WIRE_MANIFEST_MAX)
		return km_err_set(err, EX_SOFTWARE, "outbox: %s is too long for the wire",
				  text_name);
	*len = 4 + text_len + sig_len;
	*data = malloc(*len);
	if (!*data)
		return km_err_set(err, EX_OSERR, "outbox: out of memory");
	wr_init(&wr, *data, *len);
	wr_u32(&wr, (uint32_t)text_len);
	wr_bytes(&wr, text, text_len);
	wr_bytes(&wr, sig, sig_len);
	return 0;
}

int outbox_range(int dir, uint64_t chain, uint64_t number, uint64_t *first, uint64_t *last)
{
	static const char key[] = "\n# objects: ";
	char text_name[NAME_ROOM], sig_name[NAME_ROOM], head[HEAD_MAX + 1];
	_cleanup_close_ int fd = -1;
	const char *at;
	ssize_t n;

	names(text_name, sig_name, chain, number);
	fd = openat(dir, text_name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return -1;
	n = fileio_pread_full(fd, head, HEAD_MAX, 0);
	if (n <= 0)
		return -1;
	head[n] = '\0';
	at = strstr(head, key);
	if (!at || sscanf(at + sizeof(key) - 1, "%" SCNu64 " %" SCNu64, first, last) != 2)
		return -1;
	return *first >= 1 && *first <= *last ? 0 : -1;
}

uint64_t outbox_find(int dir, uint64_t chain, uint64_t highest, uint64_t number,
		     uint64_t *until)
{
	uint64_t low = 1, high = highest;

	*until = UINT64_MAX;
	/* Objects rise with manifests, and pruning removes the oldest: one that is gone lies
	 * below all that are kept. */
	while (low <= high && high > 0) {
		const uint64_t mid = low + (high - low) / 2;
		uint64_t first, last;

		if (outbox_range(dir, chain, mid, &first, &last) != 0 || last < number) {
			if (mid == UINT64_MAX)
				break;
			low = mid + 1;
		} else if (first > number) {
			*until = first - 1;
			high = mid - 1;
		} else {
			*until = last;
			return mid;
		}
	}
	return 0;
}

/* "<chain>-<number>.manifest" or its .minisig: only what we would write ourselves. */
static bool name_read(const char *name, uint64_t *chain, uint64_t *number)
{
	char text[NAME_ROOM], sig[NAME_ROOM];

	if (sscanf(name, "%" SCNu64 "-%" SCNu64, chain, number) != 2)
		return false;
	names(text, sig, *chain, *number);
	return strcmp(name, text) == 0 || strcmp(name, sig) == 0;
}

static DIR *open_list(int dir)
{
	const int fd = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *list = fd >= 0 ? fdopendir(fd) : NULL;

	if (!list && fd >= 0)
		close(fd);
	return list;
}

uint64_t outbox_highest(int dir, uint64_t chain)
{
	DIR *list = open_list(dir);
	uint64_t highest = 0, c, number;
	const struct dirent *entry;

	if (!list)
		return 0;
	while ((entry = readdir(list))) {
		if (name_read(entry->d_name, &c, &number) && c == chain && number > highest)
			highest = number;
	}
	closedir(list);
	return highest;
}

unsigned outbox_prune(int dir, uint64_t chain, uint64_t highest, uint64_t keep_ns,
		      uint64_t now_real_ns)
{
	DIR *list = open_list(dir);
	const struct dirent *entry;
	unsigned gone = 0;
	struct stat st;
	uint64_t c, number, at_ns;

	if (!list)
		return 0;
	while ((entry = readdir(list))) {
		if (!name_read(entry->d_name, &c, &number) ||
		    (c == chain && (number >= highest || highest - number < OUTBOX_KEEP)) ||
		    fstatat(dir, entry->d_name, &st, AT_SYMLINK_NOFOLLOW) != 0 ||
		    st.st_mtim.tv_sec < 0)
			continue;
		at_ns = (uint64_t)st.st_mtim.tv_sec * CLOCK_NS_PER_SEC;
		if (clock_aged(now_real_ns, at_ns, keep_ns) &&
		    unlinkat(dir, entry->d_name, 0) == 0)
			gone++;
	}
	closedir(list);
	return gone;
}
