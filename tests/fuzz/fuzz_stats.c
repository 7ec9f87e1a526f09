// SPDX-License-Identifier: ISC
/*
 * The counters page, on which every role writes, as the supervisor and `status` read it: any
 * bytes at any place, then everything that is printed of it. Input: u8 blocks, then
 * { u32 offset, u8 length, bytes }; u8 0 blocks: the file is what follows.
 */
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "cursor.h"
#include "fuzz_alloc.h"
#include "fuzz_target.h"
#include "stats.h"

#define PAGE_MAX (4096u + STATS_ROLES_MAX * sizeof(struct stats_block))

static int file_of(struct rd *rd)
{
	const uint8_t blocks = rd_u8(rd) % (STATS_ROLES_MAX + 1);
	int fd = blocks ? stats_create(NULL, blocks, NULL)
			: memfd_create("counters", MFD_CLOEXEC);

	if (!blocks) {
		const size_t n = rd_left(rd);

		FUZZ_ASSERT(fd >= 0 && write(fd, rd_bytes(rd, n), n) == (ssize_t)n);
	}
	while (fd >= 0 && rd_left(rd)) {
		const off_t at = rd_u32(rd) % PAGE_MAX;
		size_t n = rd_u8(rd);
		const uint8_t *p;

		n = n < rd_left(rd) ? n : rd_left(rd);
		p = rd_bytes(rd, n);
		FUZZ_ASSERT(!p || pwrite(fd, p, n, at) == (ssize_t)n);
	}
	return fd;
}

/* What a terminal or a JSON reader must be able to take. */
static void check_text(const char *text, size_t len)
{
	for (size_t i = 0; i < len; i++)
		FUZZ_ASSERT(text[i] == '\n' || (text[i] >= ' ' && text[i] < 0x7f));
}

/* One bad name would spoil the whole file for its reader. */
static void print_metrics(const struct stats_map *map)
{
	char *text = NULL, *line, *at = NULL;
	size_t len = 0;
	FILE *out = open_memstream(&text, &len);

	FUZZ_ASSERT(out);
	stats_print_prometheus(map, "fuzz", out);
	fclose(out);
	check_text(text, len);
	for (line = strtok_r(text, "\n", &at); line; line = strtok_r(NULL, "\n", &at)) {
		const size_t name = strspn(line, "abcdefghijklmnopqrstuvwxyz_"
						 "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789");

		FUZZ_ASSERT(strncmp(line, "# TYPE fuzz_", 12) == 0 ||
			    (strncmp(line, "fuzz_", 5) == 0 &&
			     (line[name] == ' ' || line[name] == '{')));
	}
	free(text);
}

static void print(const struct stats_map *map, bool json)
{
	char *text = NULL;
	size_t len = 0;
	FILE *out = open_memstream(&text, &len);

	FUZZ_ASSERT(out);
	if (json)
		stats_print_json(map, out);
	else
		stats_print_text(map, out);
	fclose(out);
	check_text(text, len);
	if (json) /* a name ends where its quotes do */
		for (size_t i = 0; i < len; i++)
			FUZZ_ASSERT(text[i] != '\\');
	free(text);
}

/* The role starts again on the page as it is. */
static void claim(int fd)
{
	static const char *const names[] = {"frames", "bytes"};
	struct km_err err = KM_ERR_INIT;
	struct stats_map map;
	struct stats_writer w;
	uint64_t value;

	if (stats_map_rw(&map, fd, &err) != 0)
		return;
	if (stats_claim(&map, &w, 0, "role", names, 2, &err) == 0) {
		stats_set(&w, 1, 77);
		FUZZ_ASSERT(stats_find(&map, "role", "bytes", &value) && value == 77);
	}
	stats_unmap(&map);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct km_err err = KM_ERR_INIT;
	struct stats_map map;
	uint64_t value;
	struct rd rd;
	int fd;

	rd_init(&rd, data, size);
	fd = file_of(&rd);
	FUZZ_ASSERT(fd >= 0);
	fuzz_alloc_begin(data, size);
	if (stats_map_ro_fd(&map, fd, &err) == 0) {
		FUZZ_ASSERT(map.roles >= 1 && map.roles <= STATS_ROLES_MAX);
		(void)stats_find(&map, "role", "frames", &value);
		print(&map, false);
		print(&map, true);
		print_metrics(&map);
		stats_unmap(&map);
		claim(fd);
	} else {
		FUZZ_ASSERT(err.code && err.text[0]);
	}
	(void)fuzz_alloc_end();
	close(fd);
	return 0;
}
