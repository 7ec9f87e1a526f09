// SPDX-License-Identifier: ISC
#include "stats.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "clock.h"

#define STATS_MAGIC UINT64_C(0x4b4d5354415453) /* "KMSTATS" */
#define STATS_VERSION 1
#define STATS_HEADER 4096

struct stats_page {
	uint64_t magic;
	uint32_t version;
	uint32_t roles;
	uint8_t pad[STATS_HEADER - 16];
	struct stats_block block[];
};

_Static_assert(sizeof(struct stats_block) == 8192, "a block is two pages");
_Static_assert(offsetof(struct stats_page, block) == STATS_HEADER, "blocks after one page");

static size_t stats_len(uint32_t roles)
{
	return STATS_HEADER + (size_t)roles * sizeof(struct stats_block);
}

/* Sizes the file and writes the header. */
static int stats_fill(int fd, uint32_t roles)
{
	struct stats_page head = {
		.magic = STATS_MAGIC, .version = STATS_VERSION, .roles = roles};

	if (ftruncate(fd, (off_t)stats_len(roles)) != 0)
		return -1;
	if (pwrite(fd, &head, STATS_HEADER, 0) != STATS_HEADER)
		return -1;
	return 0;
}

static int stats_create_file(const char *path, uint32_t roles, struct km_err *err)
{
	_cleanup_close_ int fd = -1;
	char tmp[PATH_MAX];
	int n = snprintf(tmp, sizeof(tmp), "%s.new", path);

	if (n < 0 || (size_t)n >= sizeof(tmp))
		return km_err_set(err, EX_CONFIG, "counters page: path of %d bytes", n);
	if (unlink(tmp) != 0 && errno != ENOENT)
		return km_err_set_errno(err, EX_CANTCREAT, "counters page %s", tmp);
	fd = open(tmp, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return km_err_set_errno(err, EX_CANTCREAT, "counters page %s", tmp);
	if (stats_fill(fd, roles) != 0 || fchmod(fd, 0644) != 0 || rename(tmp, path) != 0) {
		(void)km_err_set_errno(err, EX_CANTCREAT, "counters page %s", path);
		(void)unlink(tmp);
		return -1;
	}
	return km_take_fd(&fd);
}

int stats_create(const char *path, uint32_t roles, struct km_err *err)
{
	_cleanup_close_ int fd = -1;

	if (roles == 0 || roles > STATS_ROLES_MAX)
		return km_err_set(err, EX_SOFTWARE, "counters page: %u roles", roles);
	if (path)
		return stats_create_file(path, roles, err);
	fd = memfd_create("counters", MFD_CLOEXEC);
	if (fd < 0 || stats_fill(fd, roles) != 0)
		return km_err_set_errno(err, EX_OSERR, "counters page: memfd");
	return km_take_fd(&fd);
}

static int stats_map_fd(struct stats_map *map, int fd, int prot, const char *name,
			struct km_err *err)
{
	struct stats_page *page;
	struct stat st;

	memset(map, 0, sizeof(*map));
	if (fstat(fd, &st) != 0)
		return km_err_set_errno(err, EX_OSERR, "counters page %s", name);
	if (!S_ISREG(st.st_mode) || st.st_size < (off_t)stats_len(1) ||
	    st.st_size > (off_t)stats_len(STATS_ROLES_MAX))
		return km_err_set(err, EX_DATAERR, "counters page %s: not a counters page",
				  name);
	map->len = (size_t)st.st_size;
	page = mmap(NULL, map->len, prot, MAP_SHARED, fd, 0);
	if (page == MAP_FAILED)
		return km_err_set_errno(err, EX_OSERR, "counters page %s: map", name);
	map->page = page;
	map->roles = (uint32_t)((map->len - STATS_HEADER) / sizeof(struct stats_block));
	if (page->magic != STATS_MAGIC || page->version != STATS_VERSION ||
	    page->roles != map->roles) {
		stats_unmap(map);
		return km_err_set(err, EX_DATAERR,
				  "counters page %s: not a counters page of this version",
				  name);
	}
	return 0;
}

int stats_map_rw(struct stats_map *map, int fd, struct km_err *err)
{
	return stats_map_fd(map, fd, PROT_READ | PROT_WRITE, "(descriptor)", err);
}

int stats_map_ro_fd(struct stats_map *map, int fd, struct km_err *err)
{
	return stats_map_fd(map, fd, PROT_READ, "(descriptor)", err);
}

int stats_map_ro(struct stats_map *map, const char *path, struct km_err *err)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

	memset(map, 0, sizeof(*map));
	if (fd < 0)
		return km_err_set_errno(err, EX_NOINPUT, "counters page %s", path);
	return stats_map_fd(map, fd, PROT_READ, path, err);
}

void stats_unmap(struct stats_map *map)
{
	if (map->page)
		(void)munmap(map->page, map->len);
	memset(map, 0, sizeof(*map));
}

/* True when the block carries exactly this role and these names. */
static bool stats_same(const struct stats_block *block, const char *role,
		       const char *const *names, uint32_t n)
{
	if (strncmp(block->role, role, STATS_ROLE_NAME_MAX) != 0)
		return false;
	if (atomic_load_explicit(&block->entries, memory_order_acquire) != n)
		return false;
	for (uint32_t i = 0; i < n; i++) {
		if (strncmp(block->entry[i].name, names[i], STATS_NAME_MAX) != 0)
			return false;
	}
	return true;
}

int stats_claim(struct stats_map *map, struct stats_writer *writer, uint32_t index,
		const char *role, const char *const *names, uint32_t n, struct km_err *err)
{
	struct stats_block *block;

	if (index >= map->roles || n > STATS_ENTRIES_MAX ||
	    strlen(role) >= STATS_ROLE_NAME_MAX)
		return km_err_set(err, EX_SOFTWARE,
				  "counters of %s: block %u of %u, %u names", role, index,
				  map->roles, n);
	for (uint32_t i = 0; i < n; i++) {
		if (strlen(names[i]) >= STATS_NAME_MAX)
			return km_err_set(err, EX_SOFTWARE,
					  "counters of %s: name %s too long", role,
					  names[i]);
	}
	block = &map->page->block[index];
	if (!stats_same(block, role, names, n)) {
		atomic_store_explicit(&block->entries, 0, memory_order_release);
		memset(block->entry, 0, sizeof(block->entry));
		(void)snprintf(block->role, sizeof(block->role), "%s", role);
		for (uint32_t i = 0; i < n; i++)
			(void)snprintf(block->entry[i].name, STATS_NAME_MAX, "%s",
				       names[i]);
	}
	atomic_store_explicit(&block->pid, (uint32_t)getpid(), memory_order_relaxed);
	atomic_store_explicit(&block->since_ns, clock_real_ns(), memory_order_relaxed);
	atomic_fetch_add_explicit(&block->starts, 1, memory_order_relaxed);
	/* names first, then their number: a reader never shows a half-made table */
	atomic_store_explicit(&block->entries, n, memory_order_release);
	writer->block = block;
	writer->entries = n;
	return 0;
}

_Atomic uint64_t *stats_beat_cell(struct stats_map *map, uint32_t index)
{
	return map->page && index < map->roles ? &map->page->block[index].beats : NULL;
}

bool stats_beats(const struct stats_map *map, uint32_t index, uint32_t pid, uint64_t *beats)
{
	const struct stats_block *block;

	if (!map->page || index >= map->roles)
		return false;
	block = &map->page->block[index];
	if (atomic_load_explicit(&block->pid, memory_order_relaxed) != pid)
		return false;
	*beats = atomic_load_explicit(&block->beats, memory_order_relaxed);
	return true;
}

/* Copies a name out of the page: terminated, only [A-Za-z0-9_.-], anything else '?'. */
static void stats_name(char *to, const char *from, size_t size)
{
	size_t i;

	for (i = 0; i + 1 < size && from[i] != '\0'; i++) {
		char c = from[i];
		bool fine = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
			    (c >= '0' && c <= '9') || c == '_' || c == '.' || c == '-';

		to[i] = fine ? c : '?';
	}
	to[i] = '\0';
}

static uint32_t stats_entries(const struct stats_block *block)
{
	uint32_t n = atomic_load_explicit(&block->entries, memory_order_acquire);

	return n < STATS_ENTRIES_MAX ? n : STATS_ENTRIES_MAX;
}

bool stats_find(const struct stats_map *map, const char *role, const char *name,
		uint64_t *value)
{
	for (uint32_t r = 0; r < map->roles; r++) {
		const struct stats_block *block = &map->page->block[r];
		uint32_t n = stats_entries(block);

		if (strncmp(block->role, role, STATS_ROLE_NAME_MAX) != 0)
			continue;
		for (uint32_t i = 0; i < n; i++) {
			if (strncmp(block->entry[i].name, name, STATS_NAME_MAX) != 0)
				continue;
			*value = atomic_load_explicit(&block->entry[i].value,
						      memory_order_relaxed);
			return true;
		}
	}
	return false;
}

uint64_t stats_ask(const char *run_dir, const char *role, const char *name)
{
	char path[PATH_MAX];
	struct stats_map map = {0};
	uint64_t value = UINT64_MAX;

	if (!run_dir ||
	    snprintf(path, sizeof(path), "%s/stats", run_dir) >= (int)sizeof(path) ||
	    stats_map_ro(&map, path, NULL) != 0)
		return UINT64_MAX;
	if (!stats_find(&map, role, name, &value))
		value = UINT64_MAX;
	stats_unmap(&map);
	return value;
}

void stats_print_text(const struct stats_map *map, FILE *out)
{
	char role[STATS_ROLE_NAME_MAX], name[STATS_NAME_MAX];

	for (uint32_t r = 0; r < map->roles; r++) {
		const struct stats_block *block = &map->page->block[r];
		uint32_t n = stats_entries(block);

		stats_name(role, block->role, sizeof(role));
		if (role[0] == '\0')
			continue;
		for (uint32_t i = 0; i < n; i++) {
			stats_name(name, block->entry[i].name, sizeof(name));
			(void)fprintf(out, "%s.%s %" PRIu64 "\n", role, name,
				      atomic_load_explicit(&block->entry[i].value,
							   memory_order_relaxed));
		}
	}
}

static void stats_print_json_block(const struct stats_block *block, const char *role,
				   FILE *out)
{
	uint32_t n = stats_entries(block);
	char name[STATS_NAME_MAX];

	(void)fprintf(out, "\"%s\": {\"pid\": %" PRIu32 ", \"starts\": %" PRIu64, role,
		      atomic_load_explicit(&block->pid, memory_order_relaxed),
		      atomic_load_explicit(&block->starts, memory_order_relaxed));
	(void)fprintf(out, ", \"since_ns\": %" PRIu64 ", \"counters\": {",
		      atomic_load_explicit(&block->since_ns, memory_order_relaxed));
	for (uint32_t i = 0; i < n; i++) {
		stats_name(name, block->entry[i].name, sizeof(name));
		(void)fprintf(
			out, "%s\"%s\": %" PRIu64, i ? ", " : "", name,
			atomic_load_explicit(&block->entry[i].value, memory_order_relaxed));
	}
	(void)fputs("}}", out);
}

void stats_print_json(const struct stats_map *map, FILE *out)
{
	char role[STATS_ROLE_NAME_MAX];
	bool any = false;

	(void)fputc('{', out);
	for (uint32_t r = 0; r < map->roles; r++) {
		const struct stats_block *block = &map->page->block[r];

		stats_name(role, block->role, sizeof(role));
		if (role[0] == '\0')
			continue;
		if (any)
			(void)fputs(",\n ", out);
		any = true;
		stats_print_json_block(block, role, out);
	}
	(void)fputs("}\n", out);
}

/* What a metric's name may not hold becomes '_': one bad name spoils the whole file. */
static void metric_name(char *name)
{
	for (; *name; name++)
		if (*name == '.' || *name == '-' || *name == '?')
			*name = '_';
}

/* "ch7_name": where the name begins, and how many digits the number has; 0: no such row. */
static size_t channel_row(const char *name, size_t *digits)
{
	size_t n = 0;

	if (name[0] != 'c' || name[1] != 'h')
		return 0;
	while (name[2 + n] >= '0' && name[2 + n] <= '9')
		n++;
	*digits = n;
	return n > 0 && name[2 + n] == '_' && name[3 + n] != '\0' ? 3 + n : 0;
}

static void print_sample(const char *prefix, const char *role, const char *name,
			 uint64_t value, FILE *out)
{
	size_t digits = 0;
	const size_t at = channel_row(name, &digits);

	(void)fprintf(out, "%s_%s_%s", prefix, role, name + at);
	if (at > 0)
		(void)fprintf(out, "{channel=\"%.*s\"}", (int)digits, name + 2);
	(void)fprintf(out, " %" PRIu64 "\n", value);
}

/* Entry AT of COPY[N] and all after it of the same name, but for the channel. */
static void print_family(const char *prefix, const char *role, char copy[][STATS_NAME_MAX],
			 const struct stats_block *block, uint32_t n, uint32_t at,
			 FILE *out)
{
	size_t digits;
	const size_t from = channel_row(copy[at], &digits);
	const char *family = copy[at] + from;

	(void)fprintf(out, "# TYPE %s_%s_%s untyped\n", prefix, role, family);
	for (uint32_t i = at; i < n; i++) {
		const size_t here = channel_row(copy[i], &digits);

		if ((here == 0) != (from == 0) || strcmp(copy[i] + here, family) != 0 ||
		    copy[i][0] == '\0')
			continue;
		print_sample(
			prefix, role, copy[i],
			atomic_load_explicit(&block->entry[i].value, memory_order_relaxed),
			out);
		if (i > at)
			copy[i][0] = '\0'; /* told */
		if (from == 0)
			return;
	}
}

void stats_print_prometheus(const struct stats_map *map, const char *prefix, FILE *out)
{
	char copy[STATS_ENTRIES_MAX][STATS_NAME_MAX], role[STATS_ROLE_NAME_MAX];

	for (uint32_t r = 0; r < map->roles; r++) {
		const struct stats_block *block = &map->page->block[r];
		const uint32_t n = stats_entries(block);

		stats_name(role, block->role, sizeof(role));
		metric_name(role);
		if (role[0] == '\0')
			continue;
		for (uint32_t i = 0; i < n; i++) {
			stats_name(copy[i], block->entry[i].name, sizeof(copy[i]));
			metric_name(copy[i]);
		}
		for (uint32_t i = 0; i < n; i++)
			if (copy[i][0] != '\0')
				print_family(prefix, role, copy, block, n, i, out);
	}
}
