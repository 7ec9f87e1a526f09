// SPDX-License-Identifier: ISC
/* The spool on real directories: what is taken, when, and what is left alone and told. */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "clock.h"
#include "log.h"
#include "retain.h"
#include "spool.h"
#include "tickets.h"

#define MS CLOCK_NS_PER_MS

static char top[] = "/tmp/katamichi-spool-XXXXXX";
static int top_fd;
static struct spool spool;
static struct dirmark marks;
static struct counts counts;
static struct batch *batch;
static char lines[65536];

static void sink(void *ctx, int level, enum event event, const char *line, size_t len)
{
	const size_t used = strlen(lines);

	if (len < sizeof(lines) - used)
		memcpy(lines + used, line, len);
}

static void open_spool(void)
{
	const struct spool_policy policy = {.settle_ns = 50 * MS,
					    .max_object = 1 << 20,
					    .batch_bytes = 10000,
					    .gather_ns = 10 * MS};
	struct km_err err = KM_ERR_INIT;

	cr_assert_eq(dirmark_open(&marks, top_fd, &err), 0, "%s", err.text);
	cr_assert_eq(spool_open(&spool, top, "docs", &policy, &counts, &marks, &err), 0,
		     "%s", err.text);
}

static void close_spool(void)
{
	spool_close(&spool);
	dirmark_close(&marks);
}

static void set_up(void)
{
	cr_assert(mkdtemp(top));
	top_fd = open(top, O_RDONLY | O_DIRECTORY);
	log_set_sink(sink, NULL);
	batch = batch_new();
	open_spool();
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	return remove(path);
}

static void tear_down(void)
{
	close_spool();
	batch_free(batch);
	close(top_fd);
	(void)nftw(top, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

TestSuite(spool, .init = set_up, .fini = tear_down, .timeout = 60);

static const char *in(const char *name)
{
	static char path[2][2048];
	static unsigned turn;
	char *at = path[turn++ % 2];

	(void)snprintf(at, 2048, "%s/in/%s", top, name);
	return at;
}

static void put(const char *name, size_t size)
{
	FILE *file = fopen(in(name), "wb");

	cr_assert(file, "%s: %s", name, strerror(errno));
	for (size_t i = 0; i < size; i++)
		fputc('x', file);
	cr_assert_eq(fclose(file), 0);
}

/* Tick for a while; number of objects that a collect then gives. */
static unsigned collect_after(unsigned ms)
{
	const uint64_t end_ns = clock_mono_ns() + ms * MS;

	while (clock_mono_ns() < end_ns) {
		(void)spool_tick(&spool, clock_mono_ns());
		usleep(2000);
	}
	spool_look(&spool, clock_mono_ns());
	return spool_collect(&spool, batch, clock_mono_ns());
}

/* Tick until `want` objects can be collected, 5 s at most. */
static unsigned collect_want(unsigned want)
{
	const uint64_t end_ns = clock_mono_ns() + 5000 * MS;
	unsigned got = 0;

	while (got != want && clock_mono_ns() < end_ns)
		got = collect_after(10);
	return got;
}

/* Names in work/: 1-100, 1-101 and so on. */
static void take_all(void)
{
	static uint64_t next = 100;
	struct spool_from from = SPOOL_FROM_INIT;

	for (unsigned i = 0; i < batch->count; i++) {
		char name[RETAIN_NAME_MAX];

		retain_name(name, 1, next++);
		cr_assert_eq(spool_take(&spool, &from, batch, &batch->object[i], name), 0,
			     "%s", strerror(errno));
	}
	spool_from_close(&from);
	spool_took(&spool, batch);
}

Test(spool, waits_until_a_file_has_settled_and_orders_by_bytes)
{
	put("b", 3);
	put("\x95\x5c", 1);
	put("B", 2);
	cr_assert_eq(collect_after(20), 0);
	cr_assert_eq(collect_want(3), 3);
	cr_assert_str_eq(batch_path(batch, &batch->object[0]), "B");
	cr_assert_str_eq(batch_path(batch, &batch->object[1]), "b");
	cr_assert_str_eq(batch_path(batch, &batch->object[2]), "\x95\x5c");
	cr_assert_eq(batch->object[0].size, 2);
	take_all();
	cr_assert_eq(faccessat(spool.work, "1-100", F_OK, 0), 0);
	cr_assert_eq(access(in("B"), F_OK), -1);
	cr_assert_eq(collect_after(80), 0);
}

Test(spool, a_file_that_grows_is_left_alone)
{
	put("log", 1);
	for (unsigned i = 0; i < 6; i++) {
		FILE *file = fopen(in("log"), "ab");

		fputc('y', file);
		fclose(file);
		cr_assert_eq(collect_after(25), 0, "round %u", i);
	}
	cr_assert_eq(collect_want(1), 1);
	cr_assert_eq(batch->object[0].size, 7);
}

Test(spool, an_open_writer_keeps_it)
{
	int fd;

	put("f", 5);
	fd = open(in("f"), O_WRONLY);
	cr_assert_eq(collect_after(150), 0);
	cr_assert_eq(collect_after(100), 0);
	close(fd);
	cr_assert_eq(collect_want(1), 1);
	cr_assert_eq(counts.files_refused, 0);
}

Test(spool, renamed_in_needs_no_settling_but_a_put_back_does)
{
	char put_at[SPOOL_PUT_MAX], other[128];

	(void)collect_after(10);
	spool.policy.settle_ns = 60 * CLOCK_NS_PER_SEC;
	put("tmp", 4);
	(void)snprintf(other, sizeof(other), "%s/other", top);
	cr_assert_eq(rename(in("tmp"), other), 0);
	(void)collect_after(30);
	cr_assert_eq(rename(other, in("done")), 0);
	cr_assert_eq(collect_want(1), 1);
	take_all();
	cr_assert_eq(spool_put_back(&spool, "done", "1-100", false, put_at), 0);
	cr_assert_str_eq(put_at, "done");
	cr_assert_eq(collect_after(100), 0);
	spool.policy.settle_ns = 10 * MS;
	cr_assert_eq(collect_want(1), 1);
}

Test(spool, refuses_by_name_once_and_leaves_in_place)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	char deep[1300];
	const int sock = socket(AF_UNIX, SOCK_STREAM, 0);

	(void)snprintf(address.sun_path, sizeof(address.sun_path), "%s/in/sock", top);
	cr_assert_eq(bind(sock, (struct sockaddr *)&address, sizeof(address)), 0);
	cr_assert_eq(symlink("/etc/passwd", in("link")), 0);
	cr_assert_eq(symlink("/etc", in("dirlink")), 0);
	cr_assert_eq(mkfifo(in("fifo"), 0666), 0);
	put("new\nline", 1);
	put("del\x7f", 1);
	put("huge", (1 << 20) + 1);
	cr_assert_eq(mkdir(in(".katamichi"), 0755), 0);
	put("good", 1);
	/* Two components of 255 bytes fit, five do not: 1,024 in all. */
	memset(deep, 'n', sizeof(deep));
	for (unsigned i = 0; i < 4; i++) {
		deep[i * 256 + 255] = '\0';
		cr_assert_eq(mkdir(in(deep), 0755), 0, "%s", strerror(errno));
		deep[i * 256 + 255] = '/';
	}
	deep[4 * 256 + 20] = '\0';
	cr_assert_eq(mkdir(in(deep), 0755), 0, "%s", strerror(errno));
	cr_assert_eq(collect_want(1), 1);
	cr_assert_str_eq(batch_path(batch, &batch->object[0]), "good");
	cr_assert_eq(counts.files_refused, 9, "%s", lines);
	cr_assert(strstr(lines, "is a symbolic link channel=docs path=\"link\""));
	cr_assert(strstr(lines, "is a symbolic link channel=docs path=\"dirlink\""));
	cr_assert(strstr(lines, "is a FIFO channel=docs path=\"fifo\""));
	cr_assert(strstr(lines, "is a socket channel=docs path=\"sock\""));
	cr_assert(strstr(lines, "path=\"new\\x0aline\""));
	cr_assert(strstr(lines, "is larger than max_object channel=docs path=\"huge\""));
	take_all();
	for (uint32_t i = 0; i < spool.dirs; i++)
		spool.dir[i].dirty = true;
	cr_assert_eq(collect_after(150), 0);
	cr_assert_eq(counts.files_refused, 9);
	cr_assert_eq(access(in("huge"), F_OK), 0);
	/* Changed: judged again. */
	put("huge", 10);
	cr_assert_eq(collect_want(1), 1);
	close(sock);
}

Test(spool, follows_trees_as_they_come_and_go)
{
	cr_assert_eq(mkdir(in("a"), 0755), 0);
	(void)collect_after(30);
	cr_assert_eq(mkdir(in("a/b"), 0755), 0);
	put("a/b/f", 1);
	cr_assert_eq(collect_want(1), 1);
	cr_assert_str_eq(batch_path(batch, &batch->object[0]), "a/b/f");
	/* The tree is renamed: the file is found under its new name, and only there. */
	cr_assert_eq(rename(in("a"), in("z")), 0);
	cr_assert_eq(collect_want(1), 1);
	cr_assert_str_eq(batch_path(batch, &batch->object[0]), "z/b/f");
	put("z/b/g", 1);
	cr_assert_eq(collect_want(2), 2);
	cr_assert_eq(remove(in("z/b/f")), 0);
	cr_assert_eq(remove(in("z/b/g")), 0);
	cr_assert_eq(rmdir(in("z/b")), 0);
	/* z is empty now, and was not emptied by us. */
	cr_assert_eq(collect_want(1), 1);
	cr_assert_eq(batch->object[0].kind, RECORD_OBJECT_DIR);
}

Test(spool, an_empty_directory_is_carried_once_even_after_a_restart)
{
	cr_assert_eq(mkdir(in("void"), 0755), 0);
	cr_assert_eq(mkdir(in("full"), 0755), 0);
	put("full/f", 1);
	cr_assert_eq(collect_want(2), 2);
	cr_assert_eq(batch->object[1].kind, RECORD_OBJECT_DIR);
	take_all();
	/* "full" is empty now, by our own claim: not carried either. */
	cr_assert_eq(collect_after(150), 0);
	close_spool();
	open_spool();
	cr_assert_eq(collect_after(150), 0);
	/* Used again by a producer and emptied: it is news. */
	put("void/x", 1);
	cr_assert_eq(remove(in("void/x")), 0);
	cr_assert_eq(collect_want(1), 1);
}

Test(spool, batches_are_bounded_and_large_files_stand_alone)
{
	char name[32];

	spool.policy.max_object = UINT64_C(1) << 40;
	for (unsigned i = 0; i < 30; i++) {
		(void)snprintf(name, sizeof(name), "s%02u", i);
		put(name, 1000);
	}
	put("large", 0);
	cr_assert_eq(truncate(in("large"), (off_t)SPOOL_LARGE), 0);
	cr_assert_eq(collect_want(1), 1);
	cr_assert_str_eq(batch_path(batch, &batch->object[0]), "large");
	cr_assert_eq(collect_want(10), 10); /* batch_bytes = 10,000 */
	take_all();
	cr_assert_eq(collect_want(1), 1);
	take_all();
}

Test(spool, a_swapped_name_is_never_followed_or_taken)
{
	struct spool_from from = SPOOL_FROM_INIT;
	char name[RETAIN_NAME_MAX];

	put("f", 4);
	cr_assert_eq(collect_want(1), 1);
	/* Between choosing and renaming, another thing takes the name. */
	cr_assert_eq(remove(in("f")), 0);
	cr_assert_eq(symlink("/etc/passwd", in("f")), 0);
	retain_name(name, 1, 1);
	cr_assert_eq(spool_take(&spool, &from, batch, &batch->object[0], name), -1);
	cr_assert_eq(errno, ESTALE);
	spool_from_close(&from);
	cr_assert_eq(access(in("f"), F_OK), 0);
	cr_assert_eq(faccessat(spool.work, name, F_OK, AT_SYMLINK_NOFOLLOW), -1);
}

Test(spool, put_back_never_overwrites)
{
	char at[SPOOL_PUT_MAX];

	cr_assert_eq(mkdir(in("d"), 0755), 0);
	put("d/f", 4);
	cr_assert_eq(collect_want(1), 1);
	take_all();
	put("d/f", 9);
	cr_assert_eq(spool_put_back(&spool, "d/f", "1-100", false, at), 0);
	cr_assert_str_eq(at, "d/put-back-1-100");
	cr_assert_eq(access(in("d/put-back-1-100"), F_OK), 0);
	/* A directory that has gone meanwhile is made again. */
	cr_assert_eq(collect_want(2), 2);
	take_all();
	cr_assert_eq(rmdir(in("d")), 0);
	cr_assert_eq(spool_put_back(&spool, "d/f", "1-101", true, at), 0);
	cr_assert_eq(access(in("d/f"), F_OK), 0);
	/* Held: not touched until it changes. */
	cr_assert_eq(collect_after(150), 0);
}

/* ---- retention ------------------------------------------------------------------------------- */

static void keep(uint64_t chain, uint64_t number, size_t size)
{
	char name[RETAIN_NAME_MAX];
	int fd;

	retain_name(name, chain, number);
	fd = openat(spool.sent, name, O_WRONLY | O_CREAT | O_EXCL, 0600);
	cr_assert_geq(fd, 0);
	cr_assert_eq(ftruncate(fd, (off_t)size), 0);
	close(fd);
}

static bool kept(uint64_t chain, uint64_t number)
{
	char name[RETAIN_NAME_MAX];

	retain_name(name, chain, number);
	return faccessat(spool.sent, name, F_OK, 0) == 0;
}

Test(spool, sent_files_yield_oldest_first)
{
	static struct retain r;
	const uint64_t now = clock_real_ns();

	for (unsigned i = 1; i <= 20; i++)
		keep(i <= 5 ? 7 : 9, i <= 5 ? 100 + i : i, 1000);
	cr_assert_eq(mkdirat(spool.sent, "strange", 0700), 0);
	retain_open(&r, spool.sent, "docs", 3600 * CLOCK_NS_PER_SEC, 16000, 0, &counts);
	cr_assert_eq(r.files, 20);
	cr_assert_eq(r.bytes, 20000);
	retain_apply(&r, now, UINT64_MAX);
	cr_assert_eq(r.bytes, 16000);
	cr_assert(!kept(7, 104) && kept(7, 105) && kept(9, 6));
	cr_assert_eq(counts.yielded_files, 4);
	cr_assert(strstr(lines, "chain=7 objects=101..104 files=4 bytes=4000"), "%s",
		  lines);
	/* Below the mark of free space: until it would be reached. */
	r.min_free = 5000;
	retain_apply(&r, now, 2500);
	cr_assert_eq(r.files, 13);
	cr_assert(!kept(7, 105) && !kept(9, 7) && kept(9, 8));
	/* By age: in order, and no alarm. */
	r.min_free = 0;
	retain_apply(&r, now + 3700 * CLOCK_NS_PER_SEC, UINT64_MAX);
	cr_assert_eq(r.files, 0);
	cr_assert_eq(r.bytes, 0);
	cr_assert_eq(counts.yielded_files, 7);
	cr_assert_eq(unlinkat(spool.sent, "strange", AT_REMOVEDIR), 0);
}

Test(spool, retention_lists_more_than_one_front_in_order)
{
	static struct retain r;
	const unsigned count = RETAIN_FRONT + 300;

	for (unsigned i = count; i >= 1; i--)
		keep(5, i, 10);
	retain_open(&r, spool.sent, "docs", 3600 * CLOCK_NS_PER_SEC, 10 * 100, 0, &counts);
	cr_assert_eq(r.files, count);
	for (unsigned i = 0; i < 20; i++)
		retain_apply(&r, clock_real_ns(), UINT64_MAX);
	cr_assert_eq(r.files, 100);
	cr_assert(!kept(5, count - 100) && kept(5, count - 99) && kept(5, count));
}

/* ---- tickets ------------------------------------------------------------------------------------ */

static void request(const char *name, const char *text)
{
	char path[256];
	FILE *file;

	(void)snprintf(path, sizeof(path), "%s/requests/%s", top, name);
	file = fopen(path, "w");
	cr_assert(file);
	fputs(text, file);
	fclose(file);
}

Test(spool, tickets_are_taken_in_order_and_limited)
{
	struct ticket t = {.kind = TICKET_OBJECTS,
			   .channel = 3,
			   .chain = 9,
			   .items = 1,
			   .item = {{.first = 1, .last = 4}}},
		      got;
	char text[TICKET_TEXT_MAX + 2], name[32];
	struct km_err err = KM_ERR_INIT;
	uint64_t now = 100 * CLOCK_NS_PER_SEC;
	static struct tickets tickets;
	unsigned taken = 0;

	cr_assert_eq(tickets_open(&tickets, top_fd, &err), 0, "%s", err.text);
	cr_assert_eq(ticket_encode(text, &t), KM_OK);
	cr_assert(!tickets_next(&tickets, &got, now));
	request("a.ticket", "not a ticket");
	now += TICKETS_LOOK_NS;
	cr_assert(!tickets_next(&tickets, &got, now));
	cr_assert_eq(faccessat(tickets.dir, "a.result", F_OK, 0), 0);
	cr_assert_eq(faccessat(tickets.dir, "a.ticket", F_OK, 0), -1);
	for (unsigned i = 0; i < 15; i++) {
		(void)snprintf(name, sizeof(name), "t%02u.ticket", i);
		request(name, text);
	}
	for (unsigned i = 0; i < 40; i++) {
		now += TICKETS_LOOK_NS;
		if (!tickets_next(&tickets, &got, now))
			continue;
		cr_assert_eq(got.channel, 3);
		(void)snprintf(name, sizeof(name), "t%02u", taken++);
		cr_assert_str_eq(tickets.name, name);
		/* One in hand: no other. */
		cr_assert(!tickets_next(&tickets, &got, now + TICKETS_LOOK_NS));
		tickets_answer(&tickets, "sent\n", 5);
	}
	cr_assert_eq(taken, TICKETS_PER_MINUTE - 1); /* the bad one counts too */
	now += 61 * CLOCK_NS_PER_SEC;
	cr_assert(tickets_next(&tickets, &got, now));
	tickets_answer(&tickets, "sent\n", 5);
	tickets_close(&tickets);
}
