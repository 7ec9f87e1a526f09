// SPDX-License-Identifier: ISC
/*
 * End to end within tx: a real spool on disk through the whole source into rings, and out of
 * them again by a receiver that opens, repairs, rebuilds and verifies.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "clock.h"
#include "rig.h"
#include "ticket.h"

static struct rig rig;

static unsigned verify(unsigned *manifests)
{
	cr_assert_eq(model_decode(&rig.rx), 0, "symbols stay missing");
	return model_verify(&rig.rx, manifests);
}

static void stop(void)
{
	struct km_err err = KM_ERR_INIT;
	const uint64_t start_ns = clock_mono_ns();

	source_stop(rig.source);
	while (!source_stopped(rig.source)) {
		cr_assert_eq(source_run(rig.source, CLOCK_NS_PER_MS, &err), 0, "%s",
			     err.text);
		(void)model_take(&rig.rx, 64);
		cr_assert_lt(clock_mono_ns() - start_ns, 5 * CLOCK_NS_PER_SEC);
	}
	(void)model_take(&rig.rx, 1000);
}

Test(source_loop, a_tree_crosses, .timeout = 60)
{
	/* Shift_JIS for "表" is 0x95 0x5C: a backslash as trail byte. */
	static const char *const names[] = {"empty",
					    "one",
					    "dir/a",
					    "dir/deep/er/b",
					    "\x95\x5c.txt",
					    "with space",
					    "\xff\xfe not utf-8",
					    "big"};
	static const uint64_t sizes[] = {0, 1, 5000, 70000, 12345, 8888, 17, 3000000};
	const uint64_t mtime = 1600000000;
	unsigned manifests;

	rig_open(&rig, 0);
	rig_start(&rig);
	for (unsigned i = 0; i < 8; i++) {
		const struct timespec times[2] = {{.tv_sec = mtime},
						  {.tv_sec = mtime, .tv_nsec = i}};

		rig_put(&rig, names[i], sizes[i]);
		cr_assert_eq(utimensat(AT_FDCWD, rig_path(&rig, "spool0/in/%s", names[i]),
				       times, 0),
			     0);
	}
	cr_assert_eq(mkdir(rig_path(&rig, "spool0/in/void"), 0755), 0);
	cr_assert_eq(symlink("big", rig_path(&rig, "spool0/in/link")), 0);
	cr_assert_eq(mkfifo(rig_path(&rig, "spool0/in/fifo"), 0644), 0);
	rig_put(&rig, "ctl\x01name", 5);
	rig_run(&rig, 400, 0);
	cr_assert_eq(verify(&manifests), 9); /* 8 files and the empty directory */
	cr_assert_geq(manifests, 1);
	for (unsigned i = 0; i < 8; i++) {
		const struct model_object *o = model_find(&rig.rx, names[i]);

		rig_same(&rig, o, names[i]);
		cr_assert_eq(o->size, sizes[i]);
		cr_assert_eq(o->mtime_s, mtime);
		cr_assert_eq(o->mtime_ns, i);
	}
	cr_assert_eq(model_find(&rig.rx, "void")->kind, RECORD_OBJECT_DIR);
	/* Refused by name and left; directories stay; sent files are kept. */
	cr_assert_eq(source_counts(rig.source)->files_refused, 3);
	cr_assert_eq(rig_count(&rig, "spool0/in"), 5);
	cr_assert_eq(rig_count(&rig, "spool0/.katamichi/sent"), 8);
	cr_assert_eq(rig_count(&rig, "spool0/.katamichi/work"), 0);
	cr_assert_eq(source_counts(rig.source)->files_sent, 9);
	cr_assert_eq(rig.rx.heads[1].objects, 9);
	cr_assert_eq(rig.rx.heads[1].manifests, manifests);
	stop();
	cr_assert_eq(rig.rx.farewells, 3);
	for (unsigned i = 0; i < LANE_COUNT; i++)
		cr_assert_leq(rig.rx.seq[i] - rig.rx.heartbeat.lane[i].accepted, i ? 0 : 1);
	rig_close(&rig);
}

/* Lose 1 % of everything but close records, and every first copy of those. */
static bool lossy(void *ctx, const struct frame_header *h, uint64_t index)
{
	struct rig *r = ctx;

	if (h->channel == WIRE_CHANNEL_CONTROL)
		return false;
	return rig_random(r) % 100 == 0;
}

/* At no moment is an object neither waiting, nor in hand, nor told: whoever waits for `backlog_files`
 * to be 0 has then seen all of it announced. */
Test(source_loop, backlog_counts_what_is_claimed, .timeout = 60)
{
	const unsigned count = 300;
	struct km_err err = KM_ERR_INIT;
	unsigned in_hand = 0;
	char name[64];

	rig_open(&rig, 1500);
	cr_assert_eq(mkdir(rig_path(&rig, "spool0/in"), 0755), 0);
	for (unsigned i = 0; i < count; i++) {
		(void)snprintf(name, sizeof(name), "f%05u", i);
		rig_put(&rig, name, 3000);
	}
	rig_start(&rig);
	for (const struct counts *c = source_counts(rig.source);
	     c->objects_announced < count; c = source_counts(rig.source)) {
		cr_assert_eq(source_run(rig.source, CLOCK_NS_PER_MS, &err), 0, "%s",
			     err.text);
		(void)model_take(&rig.rx, 16);
		c = source_counts(rig.source);
		if (c->files_claimed == 0)
			continue; /* not looked over yet */
		cr_assert_eq(c->backlog_files + c->objects_announced, count,
			     "%lu waiting or in hand, %lu told",
			     (unsigned long)c->backlog_files,
			     (unsigned long)c->objects_announced);
		in_hand += c->files_claimed > c->objects_announced;
	}
	cr_assert_gt(in_hand, 0, "never seen between the claim and the telling");
	rig_close(&rig);
}

Test(source_loop, many_small_files_with_loss, .timeout = 120)
{
	const unsigned count = 3000;
	const struct counts *c;
	uint64_t bytes = 0;
	unsigned manifests;
	char name[64];

	rig_open(&rig, 1500);
	/* As shipped. The rig's own closes windows early when this machine is slow, and the
	 * bytes counted below would tell its speed. */
	rig.config.channel[0].flush_ns = CLOCK_NS_PER_SEC;
	for (unsigned i = 0; i < count; i++) {
		const uint64_t size = rig_random(&rig) % 8192;

		if (i == 0)
			cr_assert_eq(mkdir(rig_path(&rig, "spool0/in"), 0755), 0);
		(void)snprintf(name, sizeof(name), "d%02u/f%05u", i % 40, i);
		rig_put(&rig, name, size);
		bytes += size;
	}
	rig_start(&rig);
	rig.rx.drop = lossy;
	rig.rx.drop_ctx = &rig;
	rig_run_idle(&rig);
	cr_assert_eq(verify(&manifests), count);
	cr_assert_gt(rig.rx.dropped, 50);
	for (unsigned i = 0; i < count; i++) {
		(void)snprintf(name, sizeof(name), "d%02u/f%05u", i % 40, i);
		rig_same(&rig, model_find(&rig.rx, name), name);
	}
	/* Small files share windows: one copy costs less than a quarter more. */
	cr_log_info("wire %lu for %lu bytes", (unsigned long)rig.rx.data_bytes,
		    (unsigned long)bytes);
	cr_assert_lt(rig.rx.data_bytes, bytes + bytes / 4);
	c = source_counts(rig.source);
	cr_assert_eq(c->files_sent, count);
	cr_assert_eq(c->bytes_read, bytes);
	rig_close(&rig);
}

Test(source_loop, tree_digest_and_burst, .timeout = 120)
{
	const uint64_t size = WIRE_TREE_FROM + 12345;
	unsigned manifests, windows = 0;

	rig_open(&rig, 0);
	rig_start(&rig);
	rig_put(&rig, "large", size);
	rig_run_idle(&rig);
	cr_assert_eq(verify(&manifests), 1);
	rig_same(&rig, model_find(&rig.rx, "large"), "large");
	for (const struct model_window *w = rig.rx.windows; w; w = w->next) {
		cr_assert_leq(w->depth, 63);
		windows += w->stream == FRAME_STREAM_DATA;
		if (w->stream == FRAME_STREAM_DATA && w->symbols == w->depth * 160u)
			cr_assert_eq(w->repairs_seen, w->depth * 16u);
	}
	cr_assert_geq(windows, 3);
	/* The begin record stands in every window of the object. */
	cr_assert_geq(model_find(&rig.rx, "large")->begins, windows);
	rig_close(&rig);
}

/* ---- restarts ------------------------------------------------------------------------------- */

Test(source_loop, killed_at_many_moments, .timeout = 300)
{
	unsigned manifests, kills = 0;
	char name[64];

	rig_open(&rig, 1500);
	cr_assert_eq(mkdir(rig_path(&rig, "spool0/in"), 0755), 0);
	for (unsigned i = 0; i < 400; i++) {
		(void)snprintf(name, sizeof(name), "n%u/f%u", i % 7, i);
		rig_put(&rig, name, i % 50 == 49 ? 600000 : i * 13);
	}
	rig_put(&rig, "large", 20u << 20);
	/* Far into the transfer, in the middle of batches, ledgers and left marks. */
	for (kills = 0; kills < 25; kills++) {
		rig_start(&rig);
		rig_run(&rig, 300, 20 + rig_random(&rig) % 6000);
		rig_crash(&rig);
	}
	rig_start(&rig);
	rig_run_idle(&rig);
	/* The model fails when a number ever meant two things. Windows cut off by a kill have
	 * no close record: only whole sessions are decoded, but nothing was lost here. */
	cr_assert_eq(model_verify(&rig.rx, &manifests), 401);
	for (unsigned i = 0; i < 400; i++) {
		(void)snprintf(name, sizeof(name), "n%u/f%u", i % 7, i);
		rig_same(&rig, model_find(&rig.rx, name), name);
	}
	rig_same(&rig, model_find(&rig.rx, "large"), "large");
	cr_assert_eq(rig.rx.sessions, kills + 1);
	cr_assert_eq(rig_count(&rig, "spool0/.katamichi/sent"), 401);
	cr_assert_eq(rig.rx.heads[1].objects, 401);
	rig_close(&rig);
}

Test(source_loop, same_manifest_after_restart, .timeout = 60)
{
	unsigned manifests;

	rig_open(&rig, 0);
	rig_start(&rig);
	rig_put(&rig, "a", 100000);
	/* The ring is not emptied: the manifest is made, its frames have not left. */
	for (const uint64_t end_ns = clock_mono_ns() + 600 * CLOCK_NS_PER_MS;
	     clock_mono_ns() < end_ns;) {
		struct km_err err = KM_ERR_INIT;

		cr_assert_eq(source_run(rig.source, CLOCK_NS_PER_MS, &err), 0);
	}
	cr_assert_eq(rig_count(&rig, "state/docs/outbox"), 2);
	(void)model_take(&rig.rx, 1000);
	rig_crash(&rig);
	rig_start(&rig);
	rig_run_idle(&rig);
	/* The model fails if the manifest's bytes differ between the copies. */
	cr_assert_eq(model_verify(&rig.rx, &manifests), 1);
	cr_assert_eq(manifests, 1);
	cr_assert_geq(rig.rx.manifests->copies, 2);
	cr_assert_eq(rig_count(&rig, "spool0/.katamichi/sent"), 1);
	rig_close(&rig);
}

Test(source_loop, lost_state_begins_a_chain_and_loses_no_file, .timeout = 60)
{
	uint64_t chain;

	rig_open(&rig, 1500);
	rig_start(&rig);
	rig_put(&rig, "a", 30u << 20);
	rig_run(&rig, 300, 500);
	chain = model_find(&rig.rx, "a")->chain;
	rig_crash(&rig);
	cr_assert_eq(rig_count(&rig, "spool0/.katamichi/work"), 1);
	cr_assert_eq(truncate(rig_path(&rig, "state/docs/journal"), 7), 0);
	rig_start(&rig);
	rig_run_idle(&rig);
	cr_assert_eq(rig_count(&rig, "spool0/.katamichi/sent"), 1);
	cr_assert_gt(rig.rx.heads[1].chain, chain);
	cr_assert_eq(rig.rx.heads[1].objects, 1);
	cr_assert(model_whole(model_number(&rig.rx, rig.rx.heads[1].chain, 1)));
	rig_close(&rig);
}

/* ---- the rest of a life ------------------------------------------------------------------------- */

Test(source_loop, sessions_change_in_mid_transfer, .timeout = 60)
{
	unsigned manifests;

	rig_open(&rig, 1500);
	rig.config.session_ns = 250 * CLOCK_NS_PER_MS;
	rig_start(&rig);
	rig_put(&rig, "a", 40u << 20);
	rig_put(&rig, "b", 4000);
	rig_run_idle(&rig);
	cr_assert_gt(rig.rx.sessions, 2);
	cr_assert_eq(verify(&manifests), 2);
	rig_same(&rig, model_find(&rig.rx, "a"), "a");
	rig_close(&rig);
}

Test(source_loop, a_file_that_changes_is_withdrawn_and_comes_again, .timeout = 60)
{
	unsigned manifests, withdrawn = 0;
	struct model_object *o;
	int fd;

	rig_open(&rig, 1500);
	rig_start(&rig);
	rig_put(&rig, "a", 8u << 20);
	rig_put(&rig, "b", 1000);
	fd = open(rig_path(&rig, "spool0/in/a"), O_RDWR);
	cr_assert_geq(fd, 0);
	/* Open for writing: the lease is refused and it waits, however settled it is. */
	rig_run(&rig, 200, 0);
	cr_assert_null(model_find(&rig.rx, "a"));
	rig_same(&rig, model_find(&rig.rx, "b"), "b");
	close(fd);
	/* Closed: it goes; and while it goes, a second name of it is written through. */
	cr_assert_eq(link(rig_path(&rig, "spool0/in/a"), rig_path(&rig, "other")), 0);
	rig_run(&rig, 300, 200);
	o = model_find(&rig.rx, "a");
	cr_assert(o);
	fd = open(rig_path(&rig, "other"), O_WRONLY);
	cr_assert_eq(pwrite(fd, "changed", 7, 8000000), 7);
	close(fd);
	rig_run_idle(&rig);
	(void)verify(&manifests);
	for (o = rig.rx.objects; o; o = o->next)
		withdrawn += o->withdrawn == RECORD_WITHDRAWN_CHANGED;
	cr_assert_eq(withdrawn, 1);
	o = model_find(&rig.rx, "a");
	cr_assert(model_whole(o));
	cr_assert_arr_eq(o->data + 8000000, "changed", 7);
	rig_close(&rig);
}

/* Had it to settle, this test would take an hour. */
/* Between the end of a batch and the first repeat of its manifest nothing is due. A slow
 * machine makes fewer rounds, so that time cannot fail this. */
Test(source_loop, at_rest_it_sleeps, .timeout = 60)
{
	struct km_err err = KM_ERR_INIT;
	unsigned rounds = 0;
	uint64_t end_ns;

	rig_open(&rig, 0);
	rig_start(&rig);
	for (unsigned i = 0; i < 20; i++) {
		char name[16];

		(void)snprintf(name, sizeof(name), "dir/%u", i);
		rig_put(&rig, name, 4096);
	}
	rig_run_idle(&rig);
	end_ns = clock_mono_ns() + CLOCK_NS_PER_SEC / 2;
	while (clock_mono_ns() < end_ns) {
		cr_assert_eq(source_run(rig.source, CLOCK_NS_PER_SEC, &err), 0, "%s",
			     err.text);
		(void)model_take(&rig.rx, 64);
		rounds++;
	}
	cr_log_info("%u rounds in half a second", rounds);
	cr_assert_lt(rounds, 1000, "%u rounds with nothing to do", rounds);
	stop();
	rig_close(&rig);
}

Test(source_loop, renamed_in_is_taken_at_once, .timeout = 120)
{
	rig_open(&rig, 0);
	rig.config.channel[0].settle_ns = 3600 * CLOCK_NS_PER_SEC;
	rig_start(&rig);
	rig_run(&rig, 200, 0);
	rig_put(&rig, "x", 10);
	cr_assert_eq(rename(rig_path(&rig, "spool0/in/x"), rig_path(&rig, "y")), 0);
	rig_run(&rig, 100, 0);
	cr_assert_eq(rename(rig_path(&rig, "y"), rig_path(&rig, "spool0/in/y")), 0);
	while (!model_find(&rig.rx, "y"))
		rig_run(&rig, 20, 0);
	cr_assert_null(model_find(&rig.rx, "x"));
	rig_close(&rig);
}

Test(source_loop, a_signer_that_refuses_holds_but_loses_nothing, .timeout = 60)
{
	unsigned manifests;

	rig_open(&rig, 0);
	rig.signer_refuses = true;
	rig_start(&rig);
	rig_put(&rig, "a", 5000);
	rig_run(&rig, 500, 0);
	cr_assert_null(rig.rx.manifests);
	cr_assert_gt(source_counts(rig.source)->journal_errors, 0);
	rig.signer_refuses = false;
	rig_run(&rig, 1500, 0);
	rig_run_idle(&rig);
	cr_assert_eq(verify(&manifests), 1);
	rig_close(&rig);
}

Test(source_loop, without_fec_nothing_is_repaired, .timeout = 30)
{
	unsigned manifests;

	rig_open(&rig, 1500);
	rig.config.channel[0].fec_m = 0;
	rig_start(&rig);
	rig_put(&rig, "a", 500000);
	rig_run_idle(&rig);
	cr_assert_eq(verify(&manifests), 1);
	cr_assert_eq(source_counts(rig.source)->symbols_repair, 0);
	rig_close(&rig);
}

/* Frames of each class, and of each channel, among the first of a contest. */
static struct {
	uint64_t by_channel[8];
	uint64_t total;
} contest;

static bool count_channels(void *ctx, const struct frame_header *h, uint64_t index)
{
	if (h->channel && h->channel < 8) {
		contest.by_channel[h->channel]++;
		contest.total++;
	}
	return false;
}

static void put_in(unsigned spool, const char *name, size_t size)
{
	rig_put(&rig, name, size);
	cr_assert_eq(rename(rig_path(&rig, "spool0/in/%s", name),
			    rig_path(&rig, "spool%u/in/%s", spool, name)),
		     0);
}

Test(source_loop, channels_share_a_class_and_classes_are_strict, .timeout = 120)
{
	const uint64_t big = 24u << 20;

	rig_open(&rig, 1500);
	rig_channel(&rig, "twin", FRAME_CLASS_NORMAL);
	rig_channel(&rig, "urgent", FRAME_CLASS_HIGH);
	rig_start(&rig);
	rig.rx.drop = count_channels;
	rig_run(&rig, 100, 0);
	put_in(1, "b", big);
	put_in(2, "c", big);
	rig_put(&rig, "a", big);
	memset(&contest, 0, sizeof(contest));
	rig_run(&rig, 500, 12000);
	/* The high class went nearly alone. */
	cr_assert_gt(contest.by_channel[3] * 10, contest.total * 7);
	rig_run(&rig, 500, 14000);
	/* The twins are within a third of each other. */
	cr_log_info("a %lu b %lu", (unsigned long)contest.by_channel[1],
		    (unsigned long)contest.by_channel[2]);
	cr_assert_lt(contest.by_channel[1], contest.by_channel[2] * 4 / 3 + 1000);
	cr_assert_lt(contest.by_channel[2], contest.by_channel[1] * 4 / 3 + 1000);
	rig_close(&rig);
}

/* ---- resend ---------------------------------------------------------------------------------------- */

static void ask(const struct ticket *t, char *answer, size_t room)
{
	char text[TICKET_TEXT_MAX];
	FILE *file;
	size_t n;

	cr_assert_eq(ticket_encode(text, t), KM_OK);
	file = fopen(rig_path(&rig, "state/requests/.new"), "w");
	cr_assert(file);
	fprintf(file, "%s\n", text);
	fclose(file);
	cr_assert_eq(rename(rig_path(&rig, "state/requests/.new"),
			    rig_path(&rig, "state/requests/one.ticket")),
		     0);
	for (unsigned i = 0; i < 100; i++) {
		rig_run(&rig, 50, 0);
		file = fopen(rig_path(&rig, "state/requests/one.result"), "r");
		if (file)
			break;
	}
	cr_assert(file, "no answer");
	n = fread(answer, 1, room - 1, file);
	answer[n] = '\0';
	fclose(file);
	rig_run(&rig, 100, 0);
	cr_assert_eq(unlink(rig_path(&rig, "state/requests/one.result")), 0);
	cr_assert_eq(rig_count(&rig, "state/requests"), 0);
}

/* Lose the data of one object's middle: 30 frames in a row, repairs too. */
static bool eat(void *ctx, const struct frame_header *h, uint64_t index)
{
	uint64_t *until = ctx;

	return h->channel == 1 && h->stream == FRAME_STREAM_DATA && index < *until;
}

/* A kept file that is not what was signed is not sent; one that is gone is named. */
static void ask_for_spoiled(struct ticket *t)
{
	static char answer[65536];
	uint64_t before;
	FILE *file;

	file = fopen(
		rig_path(&rig, "spool0/.katamichi/sent/%lu-1", (unsigned long)t->chain),
		"r+");
	cr_assert(file);
	fputc('#', file);
	fclose(file);
	cr_assert_eq(unlink(rig_path(&rig, "spool0/.katamichi/sent/%lu-2",
				     (unsigned long)t->chain)),
		     0);
	t->item[0].last = 2;
	before = source_counts(rig.source)->bytes_read;
	ask(t, answer, sizeof(answer));
	cr_assert_eq(source_counts(rig.source)->bytes_read, before);
	cr_assert(strstr(answer, "changed, not sent object 1 \"a\""), "%s", answer);
	cr_assert(strstr(answer, "not kept object 2 \"b\""), "%s", answer);
}

/* Bytes behind the end of a file; a chain of which nothing is kept, with numbers that nobody can
 * walk through: each is one line, and no descriptor stays. */
static void ask_for_nothing(struct ticket t)
{
	static char answer[65536];
	char fd[32];
	int next = dup(0);

	close(next);
	t.kind = TICKET_EXTENTS;
	t.object = 2;
	t.item[0].first = 1000;
	t.item[0].last = 1001;
	ask(&t, answer, sizeof(answer));
	cr_assert(strstr(answer, "no such bytes in object 2 \"b\""), "%s", answer);
	(void)snprintf(fd, sizeof(fd), "/proc/self/fd/%d", next);
	cr_assert_neq(access(fd, F_OK), 0, "%s is open", fd);
	t.kind = TICKET_OBJECTS;
	t.object = 0;
	t.chain++;
	t.item[0].first = 3;
	t.item[0].last = UINT64_C(1) << 60;
	ask(&t, answer, sizeof(answer));
	cr_assert_str_eq(answer, "not kept objects 3..1152921504606846976 ?\n");
}

Test(source_loop, a_ticket_brings_back_what_was_lost, .timeout = 60)
{
	struct ticket t = {.kind = TICKET_OBJECTS, .channel = 1, .items = 1};
	uint64_t until = UINT64_MAX, before;
	static char answer[65536];
	unsigned manifests;

	rig_open(&rig, 1500);
	rig_start(&rig);
	rig.rx.drop = eat;
	rig.rx.drop_ctx = &until;
	rig_put(&rig, "a", 100000);
	rig_put(&rig, "b", 300000);
	cr_assert_eq(mkdir(rig_path(&rig, "spool0/in/c"), 0755), 0);
	rig_run_idle(&rig);
	cr_assert_null(rig.rx.objects);
	cr_assert_eq(rig.rx.heads[1].objects, 3);
	until = 0;
	t.chain = rig.rx.heads[1].chain;
	/* One extent of b: 3 units of 4,096 bytes. */
	t.kind = TICKET_EXTENTS;
	t.object = 2;
	t.item[0].first = 5;
	t.item[0].last = 7;
	before = source_counts(rig.source)->bytes_read;
	ask(&t, answer, sizeof(answer));
	cr_assert_eq(source_counts(rig.source)->bytes_read - before, 3 * 4096);
	cr_assert(strstr(answer, "sent object 2 \"b\" 12288"), "%s", answer);
	cr_assert(strstr(answer, "sent manifest 1"), "%s", answer);
	cr_assert_eq(model_find(&rig.rx, "b")->have[5 * 4096], 1);
	cr_assert_eq(model_find(&rig.rx, "b")->have[5 * 4096 - 1], 0);
	cr_assert_eq(model_find(&rig.rx, "b")->have[8 * 4096], 0);
	/* All three, and numbers that never were. */
	t.kind = TICKET_OBJECTS;
	t.object = 0;
	t.item[0].first = 1;
	t.item[0].last = UINT64_C(1) << 60;
	ask(&t, answer, sizeof(answer));
	rig_same(&rig, model_find(&rig.rx, "a"), "a");
	rig_same(&rig, model_find(&rig.rx, "b"), "b");
	cr_assert_eq(model_verify(&rig.rx, &manifests), 3);
	cr_assert(strstr(answer, "never given out"), "%s", answer);
	ask_for_nothing(t);
	ask_for_spoiled(&t);
	/* Manifests alone. */
	t.kind = TICKET_MANIFESTS;
	t.item[0].first = t.item[0].last = 1;
	ask(&t, answer, sizeof(answer));
	cr_assert_str_eq(answer, "sent manifest 1\n");
	rig_close(&rig);
}
