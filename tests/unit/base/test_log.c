// SPDX-License-Identifier: ISC
#include <criterion/criterion.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base_seed.h"
#include "log.h"
#include "utf8.h"

static char last[LOG_LINE_MAX + 1];
static size_t last_len;
static unsigned int lines;

static void catch_line(void *ctx, int level, enum event event, const char *line, size_t len)
{
	cr_assert_leq(len, LOG_LINE_MAX);
	memcpy(last, line, len);
	last[len] = '\0';
	last_len = len;
	lines++;
}

static void catch_on(void)
{
	log_init("tester");
	log_set_prefix(false);
	log_set_level(LOG_INFO);
	log_set_sink(catch_line, NULL);
	lines = 0;
}

Test(log, line_has_time_level_role_event_message)
{
	char *at;

	catch_on();
	log_event(EVENT_ROLE_DIED, "role %s died pid=%d", "x", 7);
	cr_assert_eq(lines, 1);
	cr_assert(last[10] == 'T' && last[23] == 'Z' && last[24] == ' ', "%s", last);
	at = last + 25;
	cr_assert_str_eq(at, "error tester role.died role x died pid=7\n");
	log_set_prefix(true);
	log_event(EVENT_ROLE_DIED, "role %s died pid=%d", "x", 7);
	cr_assert_str_eq(last, "<3>tester role.died role x died pid=7\n");
}

static int evaluated(void)
{
	static int n;

	return ++n;
}

Test(log, level_is_checked_before_arguments)
{
	catch_on();
	log_event(EVENT_DEBUG, "%d", evaluated());
	cr_assert_eq(lines, 0);
	log_set_level(LOG_DEBUG);
	log_event(EVENT_DEBUG, "%d", evaluated());
	cr_assert_eq(lines, 1);
	cr_assert_not_null(strstr(last, "debug 1\n"), "%s", last);
	for (int level = LOG_EMERG; level <= LOG_DEBUG; level++)
		cr_assert_eq(log_level_parse(log_level_name(level)), level);
	cr_assert_eq(log_level_parse("loud"), -1);
}

Test(log, control_characters_never_break_a_line)
{
	catch_on();
	log_event(EVENT_SUMMARY, "a%cb%sc", '\n', "\r\x1b[2J\x7f");
	cr_assert_eq(strchr(last, '\n') - last, (long)last_len - 1);
	cr_assert_not_null(strstr(last, "a?b??[2J?c\n"), "%s", last);
}

Test(log, long_lines_are_cut)
{
	static char big[3 * LOG_LINE_MAX];

	catch_on();
	memset(big, 'x', sizeof(big) - 1);
	log_event(EVENT_SUMMARY, "%s", big);
	cr_assert_leq(last_len, LOG_LINE_MAX);
	cr_assert_str_eq(last + last_len - 5, "x...\n");
}

Test(log, rate_limit_counts_what_it_swallows)
{
	struct log_limit limit = {0};
	uint64_t suppressed, t = 1000;

	for (int i = 0; i < 5; i++)
		cr_assert(log_limit_pass(&limit, t, 5, 100, &suppressed) &&
			  suppressed == 0);
	for (int i = 0; i < 7; i++)
		cr_assert_not(log_limit_pass(&limit, t + 99, 5, 100, &suppressed));
	cr_assert(log_limit_pass(&limit, t + 100, 5, 100, &suppressed));
	cr_assert_eq(suppressed, 7);
	cr_assert(log_limit_pass(&limit, t + 101, 5, 100, &suppressed));
	cr_assert_eq(suppressed, 0);
}

Test(log, rate_limit_is_per_call_site)
{
	catch_on();
	for (int i = 0; i < 20; i++)
		log_event_limited(EVENT_ROLE_DIED, "one %d", i);
	cr_assert_eq(lines, LOG_LIMIT_BURST);
	log_event_limited(EVENT_ROLE_DIED, "two");
	cr_assert_eq(lines, LOG_LIMIT_BURST + 1);
	/* and the line that passes after a silence carries the number */
	{
		struct log_limit limit = {.passed = 1, .since_ns = 0, .suppressed = 15};

		log_write_limited(&limit, LOG_ERR, EVENT_ROLE_DIED, "again");
		cr_assert_not_null(strstr(last, "again suppressed=15\n"), "%s", last);
	}
}

Test(log, one_write_per_line)
{
	char buf[512];
	ssize_t n;
	int fds[2];

	/* packet mode: each read returns what one write wrote */
	cr_assert_eq(pipe2(fds, O_DIRECT), 0);
	cr_assert_eq(dup2(fds[1], STDERR_FILENO), STDERR_FILENO);
	log_init("r");
	log_set_prefix(true);
	log_event(EVENT_SUMMARY, "a=%d", 1);
	log_event(EVENT_SUMMARY, "b=%d", 2);
	n = read(fds[0], buf, sizeof(buf));
	cr_assert_eq(n, (ssize_t)strlen("<6>r summary a=1\n"));
	cr_assert_eq(memcmp(buf, "<6>r summary a=1\n", (size_t)n), 0);
}

Test(log, journal_stream_is_recognised_by_device_and_inode)
{
	struct stat st;
	char text[64];

	cr_assert_eq(fstat(STDERR_FILENO, &st), 0);
	setenv("JOURNAL_STREAM", "1:2", 1);
	log_init("r");
	cr_assert_not(log_get_prefix());
	snprintf(text, sizeof(text), "%ju:%ju", (uintmax_t)st.st_dev, (uintmax_t)st.st_ino);
	setenv("JOURNAL_STREAM", text, 1);
	log_init("r");
	cr_assert(log_get_prefix());
}

static void quote_is(const char *in, size_t n, const char *want)
{
	char buf[256];

	cr_assert_str_eq(log_quote(buf, sizeof(buf), in, n), want);
}

Test(log, quoting)
{
	quote_is("", 0, "\"\"");
	quote_is("plain name", 10, "\"plain name\"");
	quote_is("a\"b\\c", 5, "\"a\\x22b\\x5cc\"");
	quote_is("\0\n\x1b\x7f", 4, "\"\\x00\\x0a\\x1b\\x7f\"");
	quote_is("\xe9\xa7\x85.txt", 7, "\"\xe9\xa7\x85.txt\"");
	quote_is("\x83\x5c.txt", 6, "\"\\x83\\x5c.txt\"");  /* Shift_JIS */
	quote_is("\xc2\x9b", 2, "\"\\xc2\\x9b\"");	    /* C1: terminals obey it */
	quote_is("\xe2\x80\xae", 3, "\"\\xe2\\x80\\xae\""); /* right-to-left override */
	quote_is("\xc0\xaf", 2, "\"\\xc0\\xaf\"");	    /* overlong */
	quote_is("\xed\xa0\x80", 3, "\"\\xed\\xa0\\x80\""); /* surrogate */
	quote_is("\xf4\x90\x80\x80", 4, "\"\\xf4\\x90\\x80\\x80\"");
	quote_is("\xe9\xa7", 2, "\"\\xe9\\xa7\""); /* cut */
}

Test(log, quoting_fits_every_buffer)
{
	uint64_t state = base_seed("quoting");
	uint8_t in[40];

	for (int round = 0; round < 3000; round++) {
		size_t n = base_random(&state) % (sizeof(in) + 1);
		size_t len = base_random(&state) % (LOG_QUOTE_MAX(sizeof(in)) + 4);
		char *buf = malloc(len + 1);
		size_t got;

		cr_assert(buf);
		for (size_t i = 0; i < n; i++)
			in[i] = (uint8_t)base_random(&state);
		buf[len] = 'Z';
		log_quote(buf, len, in, n);
		cr_assert_eq(buf[len], 'Z', "wrote past the end");
		if (len >= 6) {
			got = strlen(buf);
			cr_assert(got < len && got >= 2 && buf[0] == '"' &&
				  buf[got - 1] == '"');
			for (size_t i = 0; i < got;) {
				uint32_t code;
				size_t step =
					utf8_decode((uint8_t *)buf + i, got - i, &code);

				cr_assert(step > 0 && !utf8_is_control(code));
				i += step;
			}
		} else if (len > 0) {
			cr_assert_eq(buf[0], '\0');
		}
		free(buf);
	}
	/* cut at a whole token */
	{
		char small[12];

		cr_assert_str_eq(log_quote(small, sizeof(small), "abcdefghijkl", 12),
				 "\"abcdef...\"");
		cr_assert_str_eq(log_quote(small, sizeof(small), "abcdefghi", 9),
				 "\"abcdefghi\"");
	}
}

Test(log, event_ids_are_unique_and_well_formed)
{
	for (unsigned int i = 0; i < EVENT_COUNT; i++) {
		const char *id = event_id((enum event)i);

		cr_assert(id && *id && strlen(event_meaning((enum event)i)) > 0);
		cr_assert_eq(strspn(id, "abcdefghijklmnopqrstuvwxyz0123456789.-"),
			     strlen(id));
		cr_assert(event_level((enum event)i) >= LOG_EMERG &&
			  event_level((enum event)i) <= LOG_DEBUG);
		for (unsigned int j = 0; j < i; j++)
			cr_assert_str_neq(id, event_id((enum event)j));
	}
}
