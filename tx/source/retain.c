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
#include "fileio.h"
#include "log.h"
#include "retain.h"

void retain_name(char out[RETAIN_NAME_MAX], uint64_t chain, uint64_t number)
{
	(void)snprintf(out, RETAIN_NAME_MAX, "%" PRIu64 "-%" PRIu64, chain, number);
}

bool retain_name_read(const char *name, uint64_t *chain, uint64_t *number)
{
	char again[RETAIN_NAME_MAX];

	if (sscanf(name, "%" SCNu64 "-%" SCNu64, chain, number) != 2)
		return false;
	retain_name(again, *chain, *number);
	return strcmp(name, again) == 0;
}

static bool older(const struct retain_file *a, const struct retain_file *b)
{
	return a->chain != b->chain ? a->chain < b->chain : a->number < b->number;
}

static int by_age(const void *a, const void *b)
{
	return older(a, b) ? -1 : older(b, a);
}

/* Put into a heap of at most RETAIN_FRONT whose top is the youngest. */
static void heap_put(struct retain *r, const struct retain_file *file)
{
	struct retain_file *heap = r->front;
	uint32_t at;

	if (r->front_count < RETAIN_FRONT) {
		at = r->front_count++;
		for (; at > 0 && older(&heap[(at - 1) / 2], file); at = (at - 1) / 2)
			heap[at] = heap[(at - 1) / 2];
		heap[at] = *file;
		return;
	}
	if (!older(file, &heap[0]))
		return;
	for (at = 0;;) {
		uint32_t child = 2 * at + 1;

		if (child >= r->front_count)
			break;
		if (child + 1 < r->front_count && older(&heap[child], &heap[child + 1]))
			child++;
		if (!older(file, &heap[child]))
			break;
		heap[at] = heap[child];
		at = child;
	}
	heap[at] = *file;
}

/* List the oldest files; counts all on the way. */
static void front_fill(struct retain *r)
{
	const int fd = openat(r->sent, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *list = fd >= 0 ? fdopendir(fd) : NULL;
	const struct dirent *entry;
	struct retain_file file;
	struct stat st;

	r->front_at = r->front_count = 0;
	if (!list) {
		if (fd >= 0)
			close(fd);
		return;
	}
	r->files = r->bytes = 0;
	while ((entry = readdir(list))) {
		if (!retain_name_read(entry->d_name, &file.chain, &file.number) ||
		    fstatat(r->sent, entry->d_name, &st, AT_SYMLINK_NOFOLLOW) != 0)
			continue;
		file.bytes = (uint64_t)st.st_size;
		/* The rename into sent/ was the last change of the inode. */
		file.at_ns = st.st_ctim.tv_sec > 0
				     ? (uint64_t)st.st_ctim.tv_sec * CLOCK_NS_PER_SEC
				     : 0;
		r->files++;
		r->bytes += file.bytes;
		heap_put(r, &file);
	}
	closedir(list);
	qsort(r->front, r->front_count, sizeof(r->front[0]), by_age);
}

void retain_open(struct retain *r, int sent, const char *channel, uint64_t keep_ns,
		 uint64_t keep_bytes, uint64_t min_free, struct counts *counts)
{
	memset(r, 0, sizeof(*r));
	r->channel = channel;
	r->counts = counts;
	r->sent = sent;
	r->keep_ns = keep_ns;
	r->keep_bytes = keep_bytes;
	r->min_free = min_free;
	r->start_real_ns = clock_real_ns();
	r->start_boot_ns = clock_boot_ns();
	front_fill(r);
}

void retain_added(struct retain *r, uint64_t bytes)
{
	r->files++;
	r->bytes += bytes;
}

/* What went for want of room, told as runs of numbers. */
struct yielded {
	uint64_t chain, first, last, bytes, count;
};

static void yielded_tell(const struct retain *r, const struct yielded *y)
{
	if (y->count == 0)
		return;
	log_event(EVENT_SPOOL_YIELD,
		  "sent files were removed before keep_days: they can no longer be resent; "
		  "give "
		  "the spool more room channel=%s chain=%" PRIu64 " objects=%" PRIu64
		  "..%" PRIu64 " files=%" PRIu64 " bytes=%" PRIu64,
		  r->channel, y->chain, y->first, y->last, y->count, y->bytes);
}

static void yielded_note(struct retain *r, struct yielded *y,
			 const struct retain_file *file)
{
	r->counts->yielded_files++;
	if (y->count > 0 && (y->chain != file->chain || y->last + 1 != file->number)) {
		yielded_tell(r, y);
		y->count = 0;
	}
	if (y->count == 0)
		*y = (struct yielded){.chain = file->chain, .first = file->number};
	y->last = file->number;
	y->bytes += file->bytes;
	y->count++;
}

void retain_apply(struct retain *r, uint64_t real_ns, uint64_t free_bytes)
{
	struct yielded yielded = {0};

	for (unsigned i = 0; i < RETAIN_BURST && r->files > 0; i++) {
		const struct retain_file *file;
		char name[RETAIN_NAME_MAX];
		bool aged, early;

		if (r->front_at == r->front_count)
			front_fill(r);
		if (r->front_at == r->front_count)
			break;
		file = &r->front[r->front_at];
		aged = clock_aged(real_ns, file->at_ns, r->keep_ns);
		early = (r->keep_bytes > 0 && r->bytes > r->keep_bytes) ||
			free_bytes < r->min_free;
		if (!aged && !early)
			break;
		r->front_at++;
		retain_name(name, file->chain, file->number);
		if (unlinkat(r->sent, name, 0) != 0)
			continue;
		r->files--;
		r->bytes -= file->bytes < r->bytes ? file->bytes : r->bytes;
		free_bytes = free_bytes + file->bytes;
		if (!aged)
			yielded_note(r, &yielded, file);
	}
	yielded_tell(r, &yielded);
}

uint64_t retain_tick(struct retain *r, uint64_t now_ns)
{
	uint64_t free_bytes, total;

	if (now_ns < r->due_ns)
		return r->due_ns;
	r->due_ns = now_ns + RETAIN_EVERY_NS;
	if (fileio_space(r->sent, &free_bytes, &total, NULL) != 0)
		free_bytes = UINT64_MAX;
	retain_apply(r, r->start_real_ns + (clock_boot_ns() - r->start_boot_ns),
		     free_bytes);
	return r->due_ns;
}
