// SPDX-License-Identifier: ISC
/* The door of rx publish, with a scripted role scan: what is let through, and what never. */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fileio.h"
#include "ipc.h"
#include "publish_rig.h"
#include "scan.h"

TestSuite(publish_scan, .timeout = 60);

#define JOBS 2

static struct rig rig;
static int end; /* role scan's */
static struct ipc_msg msg;

static struct rig_object object(uint64_t n, const char *path, uint64_t seed)
{
	struct rig_object o = {.chain = RIG_CHAIN,
			       .number = n,
			       .size = 1000 + n,
			       .seed = seed,
			       .kind = MANIFEST_FLAT};

	snprintf(o.path, sizeof(o.path), "%s", path);
	return o;
}

/* What publish has sent, after it had time to: its type, or 0. An object is left in msg. */
static uint32_t hear(void)
{
	static const struct ipc_type rows[] = {SCAN_TO_SCAN_ROWS};
	static const struct ipc_table table = {rows, KM_COUNT(rows)};

	ipc_msg_close(&msg);
	rig_settle(&rig);
	return ipc_recv(end, &table, &msg, 0) == KM_OK ? msg.type : 0;
}

/* Number of the object that was asked about last: its size says it. */
static uint64_t number;

static uint64_t asked(void)
{
	struct scan_ask ask;
	struct stat st;

	cr_assert_eq(hear(), SCAN_ASK);
	memcpy(&ask, msg.body, sizeof(ask));
	cr_assert_eq(ask.channel, RIG_CHANNEL);
	cr_assert_eq(fstat(msg.fds[0], &st), 0);
	number = (uint64_t)st.st_size - 1000;
	return ask.ticket;
}

static void answer(uint64_t ticket, uint32_t verdict, const char *text)
{
	struct scan_answer a = {.ticket = ticket, .verdict = verdict, .ms = 5};

	memcpy(a.text, text, strlen(text));
	cr_assert_eq(ipc_send(end, SCAN_ANSWER, &a, sizeof(a), NULL, 0, 0), KM_OK);
	rig_settle(&rig);
}

/* Objects 1 and 2, in whatever order they are asked about. */
static void ask_both(uint64_t *first, uint64_t *second)
{
	for (unsigned i = 0; i < 2; i++) {
		const uint64_t ticket = asked();

		*(number == 1 ? first : second) = ticket;
	}
}

static void expect(const char *counter, uint64_t value)
{
	cr_expect_eq(publish_count(rig.publish, counter), value, "%s is %llu, not %llu",
		     counter, (unsigned long long)publish_count(rig.publish, counter),
		     (unsigned long long)value);
}

static void set_up(void)
{
	struct km_err err = KM_ERR_INIT;
	int pair[2];

	for (unsigned i = 0; i < IPC_FDS_MAX; i++)
		msg.fds[i] = -1;
	rig_init(&rig, NULL);
	snprintf(rig.config.channel[0].scan, RX_SCAN_LEN, "/bin/true");
	rig.config.channel[0].scan_jobs = JOBS;
	cr_assert_eq(ipc_pair(pair, &err), 0, "%s", err.text);
	rig.scan = pair[0];
	end = pair[1];
	rig_start(&rig);
	cr_assert_eq(hear(), SCAN_BEGIN);
}

static void tear_down(void)
{
	rig_check_sum(&rig);
	rig_stop(&rig);
	rig_free(&rig);
	ipc_msg_close(&msg);
	close(end);
	close(rig.scan);
}

/* Objects and the one manifest that proves them. */
static void send_all(const struct rig_object *o, size_t n, uint64_t manifest)
{
	for (size_t i = 0; i < n; i++)
		rig_data(&rig, &o[i]);
	rig_manifest(&rig, o, n, manifest, NULL, NULL);
	rig_settle(&rig);
}

/* The words of the .reason file of object NUMBER. */
static const char *reason(uint64_t n)
{
	static char text[2048];
	char name[96];
	_cleanup_close_ int fd = -1;
	ssize_t got;

	snprintf(name, sizeof(name), "%llu-%llu.part.reason", (unsigned long long)RIG_CHAIN,
		 (unsigned long long)n);
	fd = open(rig_path(&rig, ".quarantine", name), O_RDONLY);
	cr_assert_geq(fd, 0, "%s: %s", name, strerror(errno));
	got = read(fd, text, sizeof(text) - 1);
	text[got > 0 ? got : 0] = '\0';
	return text;
}

Test(publish_scan, nothing_is_visible_before_its_verdict)
{
	struct rig_object o[] = {object(1, "new/a", 1), object(2, "new/b", 2)};
	uint64_t first, second;

	set_up();
	/* neither before its manifest nor after it is there a name, nor a directory for one */
	rig_data(&rig, &o[0]);
	cr_expect_eq(hear(), 0, "asked about what no manifest has proven");
	rig_data(&rig, &o[1]);
	rig_manifest(&rig, o, 2, 1, NULL, NULL);
	ask_both(&first, &second);
	cr_expect(!rig_exists(&rig, "tree", "new"));
	expect("scan_waiting", 2);
	answer(second, SCAN_PASS, "");
	cr_expect(rig_has(&rig, "tree", "new/b", 2, o[1].size));
	cr_expect(!rig_exists(&rig, "tree", "new/a"));
	rig_check_sum(&rig);
	answer(first, SCAN_PASS, "");
	cr_expect(rig_has(&rig, "tree", "new/a", 1, o[0].size));
	expect("scan_passed", 2);
	expect("scan_waiting", 0);
	expect("objects_published", 2);
	tear_down();
}

Test(publish_scan, what_does_not_pass_is_in_quarantine_with_its_reason)
{
	struct rig_object o[] = {object(1, "a", 1), object(2, "b", 2), object(3, "c", 3),
				 object(4, "d", 4)};
	static const uint32_t verdicts[] = {0, SCAN_REJECT, SCAN_ERROR, SCAN_TIMEOUT,
					    SCAN_PASS};

	set_up();
	send_all(o, 4, 1);
	for (unsigned i = 0; i < 4; i++) {
		const uint64_t ticket = asked();

		answer(ticket, verdicts[number], "Eicar \n FOUND");
	}
	expect("objects_quarantined", 3);
	expect("objects_published", 1);
	expect("scan_rejected", 1);
	expect("scan_errors", 1);
	expect("scan_timeouts", 1);
	cr_expect_eq(rig_count_files(&rig, "tree"), 1);
	cr_expect_eq(rig_count_files(&rig, ".incoming"), 0);
	cr_expect_not_null(strstr(reason(1), "the scanner rejects the content"));
	cr_expect_not_null(strstr(reason(1), "scanner: \"Eicar \\x0a FOUND\""), "%s",
			   reason(1));
	cr_expect_not_null(strstr(reason(2), "the scanner failed"));
	cr_expect_not_null(strstr(reason(3), "did not end in time"));
	tear_down();
}

Test(publish_scan, the_object_comes_read_only_and_whole)
{
	struct rig_object o = object(1, "a", 77);
	uint8_t want[2000], got[2000];

	set_up();
	send_all(&o, 1, 1);
	(void)asked();
	cr_assert_eq(read(msg.fds[0], got, sizeof(got)), (ssize_t)o.size);
	rig_content(o.seed, 0, want, o.size);
	cr_expect_eq(memcmp(want, got, o.size), 0);
	cr_expect_eq(fcntl(msg.fds[0], F_GETFL) & O_ACCMODE, O_RDONLY);
	cr_expect_eq(pwrite(msg.fds[0], "x", 1, 0), -1);
	tear_down();
}

Test(publish_scan, no_more_is_asked_than_may_be)
{
	struct rig_object o[] = {object(1, "a", 1), object(2, "b", 2), object(3, "c", 3)};
	uint64_t ticket[JOBS];

	set_up();
	send_all(o, 3, 1);
	for (unsigned i = 0; i < JOBS; i++)
		ticket[i] = asked();
	cr_expect_eq(hear(), 0, "one more than scan_jobs");
	expect("scan_waiting", 3);
	answer(ticket[0], SCAN_PASS, "");
	(void)asked();
	tear_down();
}

Test(publish_scan, an_answer_that_nobody_asked_for_lets_nothing_in)
{
	struct rig_object o = object(1, "a", 1);
	uint64_t ticket;

	set_up();
	send_all(&o, 1, 1);
	ticket = asked();
	answer(ticket + 1, SCAN_PASS, "");
	answer(0, SCAN_PASS, "");
	cr_expect(!rig_exists(&rig, "tree", "a"));
	/* neither does one that means nothing */
	answer(ticket, 17, "");
	cr_expect(!rig_exists(&rig, "tree", "a"));
	expect("objects_quarantined", 1);
	expect("scan_errors", 1);
	/* and a second word comes too late */
	answer(ticket, SCAN_PASS, "");
	cr_expect(!rig_exists(&rig, "tree", "a"));
	tear_down();
}

Test(publish_scan, no_verdict_is_none_and_a_malformed_message_is_no_verdict)
{
	struct rig_object o = object(1, "a", 1);
	uint64_t ticket;
	uint32_t type = SCAN_ANSWER;

	set_up();
	send_all(&o, 1, 1);
	ticket = asked();
	cr_assert_eq(write(end, &type, sizeof(type)), (ssize_t)sizeof(type));
	answer(ticket, SCAN_NONE, "");
	cr_expect(!rig_exists(&rig, "tree", "a"));
	expect("objects_quarantined", 1);
	tear_down();
}

Test(publish_scan, a_new_role_is_asked_again)
{
	struct rig_object o[] = {object(1, "a", 1), object(2, "b", 2), object(3, "c", 3)};
	uint64_t old, again[3];

	set_up();
	send_all(o, 3, 1);
	old = asked();
	(void)asked();
	cr_assert_eq(ipc_send(end, SCAN_HELLO, NULL, 0, NULL, 0, 0), KM_OK);
	again[0] = asked();
	again[1] = asked();
	cr_expect_gt(again[0], old);
	answer(old, SCAN_PASS, ""); /* of the dead one */
	expect("objects_published", 0);
	answer(again[0], SCAN_PASS, "");
	again[2] = asked();
	answer(again[1], SCAN_PASS, "");
	answer(again[2], SCAN_PASS, "");
	expect("objects_published", 3);
	tear_down();
}

Test(publish_scan, a_killed_publish_believes_no_earlier_answer)
{
	struct rig_object o = object(1, "a", 1);
	uint64_t old, again;

	set_up();
	send_all(&o, 1, 1);
	old = asked();
	rig_kill(&rig);
	rig_start(&rig);
	cr_assert_eq(hear(), SCAN_BEGIN);
	again = asked();
	cr_expect_gt(again, old);
	answer(old, SCAN_PASS, "");
	cr_expect(!rig_exists(&rig, "tree", "a"));
	answer(again, SCAN_REJECT, "no");
	expect("objects_quarantined", 1);
	tear_down();
}

/* Two generations of one path, in a manifest each. */
static void send_generations(const struct rig_object o[2])
{
	uint8_t hash[DIGEST_LEN];

	rig_data(&rig, &o[0]);
	rig_manifest(&rig, &o[0], 1, 1, NULL, hash);
	rig_data(&rig, &o[1]);
	rig_manifest(&rig, &o[1], 1, 2, hash, NULL);
	rig_settle(&rig);
}

Test(publish_scan, an_older_generation_that_passes_late_stays_behind)
{
	struct rig_object o[] = {object(1, "same", 1), object(2, "same", 2)};
	uint64_t first, second;

	set_up();
	send_generations(o);
	ask_both(&first, &second);
	answer(second, SCAN_PASS, "");
	cr_expect(rig_has(&rig, "tree", "same", 2, o[1].size));
	answer(first, SCAN_PASS, "");
	cr_expect(rig_has(&rig, "tree", "same", 2, o[1].size));
	expect("objects_published", 2);
	expect("generations", 1);
	tear_down();
}

Test(publish_scan, a_rejected_generation_leaves_the_former_one)
{
	struct rig_object o[] = {object(1, "same", 1), object(2, "same", 2)};
	uint64_t first, second;

	set_up();
	send_generations(o);
	ask_both(&first, &second);
	answer(first, SCAN_PASS, "");
	answer(second, SCAN_REJECT, "");
	cr_expect(rig_has(&rig, "tree", "same", 1, o[0].size));
	expect("objects_quarantined", 1);
	tear_down();
}

/* ---- the operator's word ---- */

static const char *state_path(uint64_t n, const char *tail)
{
	static char path[RX_PATH_LEN + 128];

	snprintf(path, sizeof(path), "%s/%s/release-%llu-%llu%s", rig.config.state_dir,
		 rig.config.channel[0].name, (unsigned long long)RIG_CHAIN,
		 (unsigned long long)n, tail);
	return path;
}

static void ask_release(uint64_t n)
{
	FILE *file = fopen(state_path(n, ""), "w");

	cr_assert_not_null(file, "%s", state_path(n, ""));
	fprintf(file, "1000 the supplier says so\n");
	fclose(file);
}

/* The answer, which publish gives within a second or two, and no request any more. */
static const char *released(uint64_t n)
{
	static char text[256];
	FILE *file = NULL;

	for (unsigned i = 0; i < 2000 && !file; i++) {
		cr_assert_geq(publish_step(rig.publish), 0);
		publish_wait(rig.publish, 10000000);
		file = fopen(state_path(n, ".answer"), "r");
	}
	cr_assert_not_null(file, "no answer");
	cr_assert_not_null(fgets(text, sizeof(text), file));
	fclose(file);
	unlink(state_path(n, ".answer"));
	cr_expect_neq(access(state_path(n, ""), F_OK), 0, "the request is left");
	rig_settle(&rig);
	return text;
}

static const char *part(uint64_t n)
{
	static char name[96];

	snprintf(name, sizeof(name), "%llu-%llu.part", (unsigned long long)RIG_CHAIN,
		 (unsigned long long)n);
	return name;
}

Test(publish_scan, what_is_released_is_published_and_counted_once)
{
	struct rig_object o[] = {object(1, "dir/a", 1), object(2, "dir/b", 2)};
	uint64_t first, second;

	set_up();
	send_all(o, 2, 1);
	ask_both(&first, &second);
	answer(first, SCAN_REJECT, "Maybe FOUND");
	answer(second, SCAN_PASS, "");
	ask_release(1);
	cr_expect_str_eq(released(1), "released\n");
	cr_expect(rig_has(&rig, "tree", "dir/a", 1, o[0].size));
	cr_expect_eq(rig_count_files(&rig, ".quarantine"), 0);
	cr_expect_eq(rig_count_files(&rig, ".incoming"), 0);
	expect("objects_published", 2);
	expect("objects_quarantined", 0);
	rig_check_sum(&rig);
	/* and so it is after a restart; a second word finds nothing */
	rig_stop(&rig);
	rig_start(&rig);
	cr_assert_eq(hear(), SCAN_BEGIN);
	expect("objects_published", 2);
	expect("objects_quarantined", 0);
	ask_release(1);
	(void)released(1);
	expect("objects_published", 2);
	cr_expect(rig_has(&rig, "tree", "dir/a", 1, o[0].size));
	tear_down();
}

Test(publish_scan, what_differs_from_its_signed_digest_is_not_released)
{
	struct rig_object o = object(1, "a", 1);
	_cleanup_close_ int fd = -1;

	set_up();
	send_all(&o, 1, 1);
	answer(asked(), SCAN_ERROR, "");
	fd = open(rig_path(&rig, ".quarantine", part(1)), O_WRONLY);
	cr_assert_eq(pwrite(fd, "X", 1, 500), 1);
	km_close(&fd);
	ask_release(1);
	cr_expect_not_null(strstr(released(1), "differs from the signed digest"));
	cr_expect(!rig_exists(&rig, "tree", "a"));
	cr_expect(rig_exists(&rig, ".quarantine", part(1)));
	expect("objects_published", 0);
	expect("objects_quarantined", 1);
	tear_down();
}

Test(publish_scan, a_released_object_never_stands_over_a_newer_one)
{
	struct rig_object o[] = {object(1, "same", 1), object(2, "same", 2)};
	uint64_t first, second;

	set_up();
	send_generations(o);
	ask_both(&first, &second);
	answer(first, SCAN_REJECT, "");
	answer(second, SCAN_PASS, "");
	ask_release(1);
	cr_expect_str_eq(released(1), "released\n");
	cr_expect(rig_has(&rig, "tree", "same", 2, o[1].size));
	cr_expect_eq(rig_count_files(&rig, "generations"), 1);
	expect("objects_published", 2);
	tear_down();
}

Test(publish_scan, a_release_cut_off_by_a_kill_goes_on)
{
	struct rig_object o = object(1, "a", 1);
	char from[256];

	set_up();
	send_all(&o, 1, 1);
	answer(asked(), SCAN_REJECT, "");
	/* killed when it had taken the object back */
	ask_release(1);
	rig_kill(&rig);
	snprintf(from, sizeof(from), "%s", rig_path(&rig, ".quarantine", part(1)));
	cr_assert_eq(rename(from, rig_path(&rig, ".incoming", part(1))), 0);
	rig_start(&rig);
	cr_assert_eq(hear(), SCAN_BEGIN);
	cr_expect_str_eq(released(1), "released\n");
	cr_expect(rig_has(&rig, "tree", "a", 1, o.size));
	expect("objects_published", 1);
	expect("objects_quarantined", 0);
	tear_down();
}

Test(publish_scan, nothing_is_released_that_is_not_in_quarantine)
{
	struct rig_object o = object(1, "a", 1);

	set_up();
	send_all(&o, 1, 1);
	(void)asked();
	ask_release(1);
	cr_expect_not_null(strstr(released(1), "not in quarantine"));
	cr_expect(!rig_exists(&rig, "tree", "a"), "past the scanner");
	ask_release(99);
	cr_expect_not_null(strstr(released(99), "no signed manifest"));
	tear_down();
}
