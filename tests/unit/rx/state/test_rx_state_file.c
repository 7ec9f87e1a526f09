// SPDX-License-Identifier: ISC
#include <criterion/criterion.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "clock.h"
#include "rx_state_file.h"

#define S CLOCK_NS_PER_SEC
#define REAL (UINT64_C(1790000000) * S)

static const struct rx_state_plan plan = {
	.max_keys = 1000, .max_bytes = 64 << 20, .stale_ns = 30 * S};
static struct rx_config_live conf = {
	.name = "trains", .file_every_ns = S, .file_mode = 0640};
static struct rx_state_table t;
static struct rx_state_file f;
static struct km_err err;
static char dir[] = "/tmp/km-state-XXXXXX", text[1 << 20];
static uint64_t number;

static void begin(void)
{
	cr_assert_not_null(mkdtemp(dir));
	(void)snprintf(conf.file, sizeof(conf.file), "%s/state.json", dir);
	cr_assert_eq(rx_state_table_init(&t, &plan, 0), KM_OK);
	cr_assert_eq(rx_state_file_open(&f, &conf, &err), 0, "%s", err.text);
}

static void end(void)
{
	rx_state_file_close(&f);
	rx_state_table_free(&t);
	(void)unlink(conf.file);
	(void)rmdir(dir);
}

static void put(const char *key, const char *value, uint64_t now_ns)
{
	const struct state_message m = {
		.op = value ? STATE_VALUE : STATE_WITHDRAWN,
		.key = (const uint8_t *)key,
		.key_len = (uint8_t)strlen(key),
		.value = (const uint8_t *)value,
		.value_len = value ? (uint32_t)strlen(value) : 0,
	};
	const struct rx_state_origin from = {.number = ++number};

	cr_assert_eq(rx_state_table_put(&t, &m, &from, now_ns), KM_OK);
}

/* Runs until the thread is done with it; how often it was written, and could not be. */
static uint64_t run(uint64_t now_ns, uint64_t *failed)
{
	uint64_t written, no;
	bool busy = true;

	rx_state_file_run(&f, &t, now_ns, REAL + now_ns);
	while (busy) {
		pthread_mutex_lock(&f.lock);
		busy = f.busy;
		pthread_mutex_unlock(&f.lock);
	}
	rx_state_file_counts(&f, &written, failed ? failed : &no);
	return written;
}

static const char *content(void)
{
	FILE *file = fopen(conf.file, "r");

	cr_assert_not_null(file);
	text[fread(text, 1, sizeof(text) - 1, file)] = '\0';
	(void)fclose(file);
	return text;
}

Test(rx_state_file, the_directory_of_a_path)
{
	char out[RX_PATH_LEN];

	rx_state_file_dir("/run/board/state.json", out);
	cr_assert_str_eq(out, "/run/board");
	rx_state_file_dir("/state.json", out);
	cr_assert_str_eq(out, "/");
}

Test(rx_state_file, it_is_written_when_something_changed_and_not_too_often)
{
	struct stat st;

	begin();
	cr_assert_eq(run(10 * S, NULL), 1, "an empty table has a file");
	cr_assert_str_eq(content(),
			 "{\"channel\":\"trains\",\"written\":\"2026-09-21T14:13:30.000Z\""
			 ",\"keys\":0,\"stale\":0,\"values\":[\n]}\n");
	cr_assert_eq(stat(conf.file, &st), 0);
	cr_assert_eq(st.st_mode & 07777, 0640);
	cr_assert_eq(run(20 * S, NULL), 1, "nothing changed");
	put("a", "1", 21 * S);
	put("b", "2", 21 * S);
	put("b", NULL, 21 * S);
	cr_assert_eq(run(22 * S, NULL), 2);
	cr_assert_str_eq(content(),
			 "{\"channel\":\"trains\",\"written\":\"2026-09-21T14:13:42.000Z\""
			 ",\"keys\":1,\"stale\":0,\"values\":[\n"
			 "{\"key\":\"a\",\"value\":\"1\",\"update_time\":"
			 "\"1970-01-01T00:00:00.000Z\",\"age_ms\":1000,\"stale\":false,"
			 "\"session\":\"00000000\",\"number\":1}\n]}\n");
	put("c", "3", 22 * S);
	cr_assert_eq(run(22 * S + S / 2, NULL), 2, "too soon");
	cr_assert_eq(run(23 * S, NULL), 3);
	cr_assert_not_null(strstr(content(), "},\n{\"key\":\"c\""));
	end();
}

Test(rx_state_file, it_grows_with_the_table)
{
	static char value[60001];
	char key[8];

	begin();
	memset(value, '\x01', sizeof(value) - 1); /* sixfold */
	for (unsigned i = 0; i < 5; i++) {
		(void)snprintf(key, sizeof(key), "%u", i);
		put(key, value, S);
		cr_assert_eq(run((i + 1) * S, NULL), i + 1);
		cr_assert_eq(strlen(content()) / 360000, i + 1 > 2 ? 2 : i + 1,
			     "as far as this test reads");
	}
	end();
}

Test(rx_state_file, what_cannot_be_written_is_counted_and_tried_again)
{
	uint64_t failed;

	begin();
	cr_assert_eq(mkdir(conf.file, 0700),
		     0); /* in its place: rename fails, also as root */
	put("a", "1", S);
	cr_assert_eq(run(S, &failed), 0);
	cr_assert_eq(failed, 1);
	cr_assert_eq(rmdir(conf.file), 0);
	cr_assert_eq(run(S + S / 2, &failed), 0, "not before its time");
	cr_assert_eq(run(2 * S, &failed), 1, "although nothing has changed since");
	cr_assert_eq(failed, 1);
	cr_assert_not_null(strstr(content(), "\"key\":\"a\""));
	end();
}
