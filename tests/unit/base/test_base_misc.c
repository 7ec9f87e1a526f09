// SPDX-License-Identifier: ISC
/* km_err, clock, shm, stats. */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "clock.h"
#include "km_err.h"
#include "shm.h"
#include "stats.h"

Test(km_err, set_and_prefix)
{
	struct km_err err = KM_ERR_INIT;

	cr_assert_eq(km_err_set(&err, EX_CONFIG, "key %s", "k"), -1);
	cr_assert_eq(err.code, EX_CONFIG);
	cr_assert_eq(err.saved_errno, 0);
	cr_assert_eq(km_err_prefix(&err, "file %d", 3), -1);
	cr_assert_str_eq(err.text, "file 3: key k");
	errno = ENOENT;
	cr_assert_eq(km_err_set_errno(&err, EX_NOINPUT, "open x"), -1);
	cr_assert_eq(errno, ENOENT);
	cr_assert_eq(err.saved_errno, ENOENT);
	cr_assert_str_eq(err.text, "open x: No such file or directory");
	cr_assert_eq(km_err_set(NULL, 1, "x"), -1);
	cr_assert_eq(km_err_set_errno(NULL, 1, "x"), -1);
	cr_assert_eq(km_err_prefix(NULL, "x"), -1);
}

Test(km_err, long_texts_are_cut)
{
	struct km_err err = KM_ERR_INIT;
	char big[600];

	memset(big, 'a', sizeof(big) - 1);
	big[sizeof(big) - 1] = '\0';
	errno = EIO;
	km_err_set_errno(&err, EX_IOERR, "%s", big);
	cr_assert_eq(strlen(err.text), KM_ERR_TEXT_MAX - 1);
	km_err_prefix(&err, "%s", big);
	cr_assert_eq(strlen(err.text), KM_ERR_TEXT_MAX - 1);
	km_err_set(&err, EX_IOERR, "%.250s", big);
	km_err_prefix(&err, "pre");
	cr_assert_eq(strlen(err.text), KM_ERR_TEXT_MAX - 1);
	cr_assert_eq(strncmp(err.text, "pre: aaa", 8), 0);
}

Test(km_err, cleanup)
{
	int copy;

	{
		_cleanup_close_ int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
		_cleanup_free_ char *p = malloc(3);

		cr_assert(fd >= 0 && p);
		copy = fd;
	}
	cr_assert(fcntl(copy, F_GETFD) == -1 && errno == EBADF);
	for (int rc = KM_OK; rc >= KM_ERR_UNSUPPORTED; rc--)
		cr_assert_str_neq(km_rc_name((enum km_rc)rc), "unknown");
	cr_assert_str_eq(km_rc_name((enum km_rc) - 1000), "unknown");
}

Test(clock, ages_within_reason)
{
	const uint64_t day = 86400 * CLOCK_NS_PER_SEC,
		       since = UINT64_C(20000) * 86400000000000;

	cr_assert(!clock_aged(since + 7 * day - 1, since, 7 * day));
	cr_assert(clock_aged(since + 7 * day, since, 7 * day));
	cr_assert(clock_aged(since, since, 0));
	cr_assert(clock_aged(since + 372 * day, since, 7 * day), "off for a year");
	cr_assert(!clock_aged(since + 372 * day + 1, since, 7 * day), "the clock leapt");
	cr_assert(!clock_aged(UINT64_MAX, since, 7 * day));
	cr_assert(!clock_aged(since - 1, since, 0), "from the future");
	cr_assert(!clock_aged(0, since, 7 * day));
}

Test(clock, formats_and_adds)
{
	char text[CLOCK_TEXT_MAX];
	uint64_t start;

	cr_assert_str_eq(clock_format(0, text), "1970-01-01T00:00:00.000Z");
	cr_assert_str_eq(clock_format(UINT64_C(951782400999999999), text),
			 "2000-02-29T00:00:00.999Z");
	cr_assert_str_eq(clock_format(UINT64_MAX, text), "2554-07-21T23:34:33.709Z");
	cr_assert_eq(clock_add(1, 2), 3);
	cr_assert_eq(clock_add(CLOCK_NEVER - 1, 2), CLOCK_NEVER);
	cr_assert_eq(clock_poll_ms(CLOCK_NEVER), -1);
	cr_assert_eq(clock_poll_ms(0), 0);
	start = clock_mono_ns();
	cr_assert_eq(clock_poll_ms(start + 1) <= 1, 1);
	clock_sleep_until(start + 20 * CLOCK_NS_PER_MS);
	cr_assert_geq(clock_mono_ns(), start + 20 * CLOCK_NS_PER_MS);
	cr_assert_geq(clock_boot_ns(), start);
	cr_assert_gt(clock_real_ns(), UINT64_C(1600000000) * CLOCK_NS_PER_SEC);
}

/* Slept or spun: never short of the deadline, and no wait for one that has passed. */
Test(clock, waits_to_the_point)
{
	static const uint64_t waits[] = {0, 1, CLOCK_SPIN_NS, CLOCK_SPIN_NS + 1,
					 3 * CLOCK_NS_PER_MS};

	for (size_t i = 0; i < KM_COUNT(waits); i++) {
		uint64_t now = clock_mono_ns();

		clock_wait_until(now, now + waits[i]);
		cr_assert(clock_mono_ns() >= now + waits[i], "%zu", i);
		clock_wait_until(now, now - 1);
	}
}

Test(shm, sealed_and_sized)
{
	struct km_err err = KM_ERR_INIT;
	struct shm_map rw, ro;
	struct stat st;
	int fd = shm_create("test", 8192, &err), ro_fd;

	cr_assert_geq(fd, 0, "%s", err.text);
	cr_assert_eq(ftruncate(fd, 4096), -1);
	cr_assert_eq(ftruncate(fd, 16384), -1);
	cr_assert_eq(fstat(fd, &st), 0);
	cr_assert_eq(st.st_mode & 07777, 0600);
	cr_assert_eq(shm_map(&rw, fd, 4096, SHM_MAP_WRITE, &err), -1, "other size");
	cr_assert_eq(shm_map(&rw, fd, 8192, SHM_MAP_WRITE | SHM_MAP_POPULATE, &err), 0);
	ro_fd = shm_reopen_ro(fd, &err);
	cr_assert_geq(ro_fd, 0, "%s", err.text);
	cr_assert_eq(shm_map(&ro, ro_fd, 8192, SHM_MAP_WRITE, &err), -1,
		     "must stay read-only");
	cr_assert_eq(shm_map(&ro, ro_fd, 8192, SHM_MAP_READ | SHM_MAP_NO_DUMP, &err), 0);
	((uint8_t *)rw.p)[8191] = 42;
	cr_assert_eq(((uint8_t *)ro.p)[8191], 42);
	shm_unmap(&rw);
	shm_unmap(&ro);
	shm_unmap(&ro);
	close(ro_fd);
	close(fd);
	fd = memfd_create("unsealed", MFD_CLOEXEC);
	cr_assert_eq(ftruncate(fd, 4096), 0);
	cr_assert_eq(shm_map(&rw, fd, 4096, SHM_MAP_READ, &err), -1, "seals are demanded");
	cr_assert_eq(shm_create("nothing", 0, &err), -1);
	close(fd);
}

#define DEMO_STATS(X) X(DEMO_FRAMES, "frames", 0) X(DEMO_LOST, "lost", 0)
enum demo_stat { DEMO_STATS(STATS_ENUM_ROW) DEMO_COUNT };
static const char *const demo_names[] = {DEMO_STATS(STATS_NAME_ROW)};

static char *printed(const struct stats_map *map, bool json)
{
	char *text = NULL;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	cr_assert(out);
	if (json)
		stats_print_json(map, out);
	else
		stats_print_text(map, out);
	fclose(out);
	return text;
}

/* As the textfile collector reads it: each name's samples together, channels as labels, and no
 * name that spoils the file, whatever a role has scribbled. */
Test(stats, as_prometheus_reads_them)
{
	static const char *const names[] = {"frames",	   "ch7_lost",	"ch7_sent",
					    "ch12_lost",   "ch12_sent", "chaos_",
					    "bad.name-\"x"};
	static const char *const want =
		"# TYPE km_tx_open_frames untyped\nkm_tx_open_frames 5\n"
		"# TYPE km_tx_open_lost untyped\nkm_tx_open_lost{channel=\"7\"} 1\n"
		"km_tx_open_lost{channel=\"12\"} 3\n"
		"# TYPE km_tx_open_sent untyped\nkm_tx_open_sent{channel=\"7\"} 2\n"
		"km_tx_open_sent{channel=\"12\"} 4\n"
		"# TYPE km_tx_open_chaos_ untyped\nkm_tx_open_chaos_ 6\n"
		"# TYPE km_tx_open_bad_name__x untyped\nkm_tx_open_bad_name__x 7\n";
	struct km_err err = KM_ERR_INIT;
	struct stats_writer w;
	struct stats_map map;
	char *text = NULL;
	size_t len;
	FILE *out = open_memstream(&text, &len);
	int fd = stats_create(NULL, 2, &err);

	cr_assert_geq(fd, 0, "%s", err.text);
	cr_assert_eq(stats_map_rw(&map, fd, &err), 0, "%s", err.text);
	cr_assert_eq(stats_claim(&map, &w, 1, "open", names, KM_COUNT(names), &err), 0);
	stats_set(&w, 0, 5);
	for (uint32_t i = 1; i < KM_COUNT(names); i++)
		stats_set(&w, i, i < 5 ? i : i + 1);
	stats_print_prometheus(&map, "km_tx", out);
	fclose(out);
	cr_assert_str_eq(text, want);
	free(text);
	stats_unmap(&map);
	close(fd);
}

Test(stats, counts_survive_a_restart_of_the_role)
{
	struct km_err err = KM_ERR_INIT;
	struct stats_writer w;
	struct stats_map rw, ro;
	char dir[] = "/tmp/km-stats-XXXXXX", path[64], want[256];
	char *text;
	uint64_t v;
	int fd;

	cr_assert(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/counters", dir);
	fd = stats_create(path, 2, &err);
	cr_assert_geq(fd, 0, "%s", err.text);
	cr_assert_eq(stats_map_rw(&rw, fd, &err), 0, "%s", err.text);
	cr_assert_eq(stats_claim(&rw, &w, 1, "open", demo_names, DEMO_COUNT, &err), 0);
	stats_add(&w, DEMO_FRAMES, 5);
	stats_add(&w, DEMO_FRAMES, 2);
	stats_set(&w, DEMO_LOST, 9);
	stats_max(&w, DEMO_LOST, 3);
	stats_set(&w, DEMO_COUNT, 77); /* out of range: nothing happens */
	cr_assert_eq(stats_map_ro(&ro, path, &err), 0, "%s", err.text);
	cr_assert(stats_find(&ro, "open", "frames", &v) && v == 7);
	cr_assert(stats_find(&ro, "open", "lost", &v) && v == 9);
	cr_assert_not(stats_find(&ro, "open", "none", &v));
	cr_assert_eq(stats_claim(&rw, &w, 1, "open", demo_names, DEMO_COUNT, &err), 0);
	cr_assert_eq(stats_get(&w, DEMO_FRAMES), 7);
	text = printed(&ro, false);
	cr_assert_str_eq(text, "open.frames 7\nopen.lost 9\n");
	free(text);
	text = printed(&ro, true);
	snprintf(want, sizeof(want),
		 "{\"open\": {\"pid\": %d, \"starts\": 2, \"since_ns\": ", getpid());
	cr_assert_eq(strncmp(text, want, strlen(want)), 0, "%s", text);
	cr_assert_not_null(strstr(text, "\"counters\": {\"frames\": 7, \"lost\": 9}}}\n"));
	free(text);
	cr_assert_eq(stats_claim(&rw, &w, 1, "open", demo_names, 1, &err), 0);
	cr_assert_eq(stats_get(&w, DEMO_FRAMES), 0, "another table starts at 0");
	cr_assert_eq(stats_claim(&rw, &w, 2, "open", demo_names, 1, &err), -1);
	stats_unmap(&rw);
	stats_unmap(&ro);
	close(fd);
	unlink(path);
	rmdir(dir);
}

Test(stats, hostile_page_is_read_safely)
{
	struct km_err err = KM_ERR_INIT;
	struct stats_map rw;
	int fd = stats_create(NULL, 3, &err);
	char *text;
	uint64_t v;
	uint8_t *raw;

	cr_assert_geq(fd, 0, "%s", err.text);
	cr_assert_eq(stats_map_rw(&rw, fd, &err), 0);
	raw = (uint8_t *)rw.page;
	/* blocks full of 0xff: unterminated names, four billion entries */
	memset(raw + 4096, 0xff, rw.len - 4096);
	text = printed(&rw, false);
	cr_assert_eq(strspn(text, "?. 0123456789\n"), strlen(text));
	free(text);
	text = printed(&rw, true);
	cr_assert(strlen(text) > 0);
	free(text);
	cr_assert_not(stats_find(&rw, "open", "frames", &v));
	raw[0] ^= 1;
	{
		struct stats_map again;

		cr_assert_eq(stats_map_ro_fd(&again, fd, &err), -1);
	}
	stats_unmap(&rw);
	cr_assert_eq(ftruncate(fd, 100), 0);
	cr_assert_eq(stats_map_ro_fd(&rw, fd, &err), -1);
	close(fd);
	cr_assert_eq(stats_create(NULL, STATS_ROLES_MAX + 1, &err), -1);
	cr_assert_eq(stats_create("/nonexistent/dir/x", 1, &err), -1);
}
