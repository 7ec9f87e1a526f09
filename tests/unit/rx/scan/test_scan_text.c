// SPDX-License-Identifier: ISC
/* How a program ended and what it said, as a verdict; the words of its command line. */
#include <criterion/criterion.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "rx_scan.h"
#include "scan_text.h"

/* wait status of an exit code, and of a signal, as Linux puts them together */
#define EXITED(code) ((code) << 8)
#define KILLED(signal) (signal)

static struct scan_answer judged(const char *said, int status, bool timed_out)
{
	struct scan_text text = {.len = 0};
	struct scan_answer answer;

	memset(&answer, 0xee, sizeof(answer));
	scan_text_add(&text, said, strlen(said));
	scan_text_judge(&text, status, timed_out, &answer);
	return answer;
}

Test(scan_text, only_zero_passes_and_only_one_rejects)
{
	cr_expect_eq(judged("", EXITED(0), false).verdict, SCAN_PASS);
	cr_expect_eq(judged("", EXITED(1), false).verdict, SCAN_REJECT);
	for (int code = 2; code < 256; code++)
		cr_expect_eq(judged("OK", EXITED(code), false).verdict, SCAN_ERROR, "%d",
			     code);
	for (int number = 1; number < 32; number++)
		cr_expect_eq(judged("OK", KILLED(number), false).verdict, SCAN_ERROR,
			     "signal %d", number);
}

Test(scan_text, what_was_killed_for_its_time_is_a_timeout_whatever_it_said)
{
	cr_expect_eq(judged("fine", EXITED(0), true).verdict, SCAN_TIMEOUT);
	cr_expect_eq(judged("", KILLED(SIGKILL), true).verdict, SCAN_TIMEOUT);
}

Test(scan_text, errors_say_how_it_ended)
{
	struct scan_answer a = judged("no such socket\nmore\n", EXITED(2), false);

	cr_expect_str_eq(a.text, "exit code 2: no such socket");
	a = judged("", KILLED(SIGSYS), false);
	cr_expect_not_null(strstr(a.text, "its cage does not allow"), "%s", a.text);
	a = judged("", KILLED(SIGXCPU), false);
	cr_expect_not_null(strstr(a.text, "processor time"), "%s", a.text);
	a = judged("stream: Eicar FOUND\n", EXITED(1), false);
	cr_expect_str_eq(a.text, "stream: Eicar FOUND");
}

Test(scan_text, the_first_line_is_kept_and_nothing_that_harms)
{
	struct scan_answer a = judged("\n\r\n\033[2Jred\t\xff\nsecond", EXITED(1), false);

	cr_expect_str_eq(a.text, "?[2Jred??");
}

Test(scan_text, output_without_end_is_bounded)
{
	struct scan_text text = {.len = 0};
	struct scan_answer answer = {.ticket = 1};
	char chunk[4096];

	memset(chunk, 'x', sizeof(chunk));
	for (int i = 0; i < 1000; i++)
		scan_text_add(&text, chunk, sizeof(chunk));
	cr_assert_eq(text.len, SCAN_TEXT_MAX - 1);
	scan_text_judge(&text, EXITED(99), false, &answer);
	cr_assert_eq(strnlen(answer.text, SCAN_TEXT_MAX), SCAN_TEXT_MAX - 1);
	cr_assert_eq(strncmp(answer.text, "exit code 99: xx", 16), 0);
}

Test(scan_text, a_command_is_split_at_blanks)
{
	struct rx_scan_words words;
	char many[200] = "";

	cr_assert_eq(rx_scan_split(&words, " /bin/true  --a\t-"), 0);
	cr_assert_eq(words.n, 3);
	cr_expect_str_eq(words.word[0], "/bin/true");
	cr_expect_str_eq(words.word[1], "--a");
	cr_expect_str_eq(words.word[2], "-");
	cr_expect_null(words.word[3]);
	cr_expect_eq(rx_scan_split(&words, " \t"), -1);
	for (unsigned i = 0; i < RX_SCAN_WORDS; i++)
		strcat(many, "a ");
	cr_expect_eq(rx_scan_split(&words, many), 0);
	cr_expect_null(words.word[RX_SCAN_WORDS]);
	strcat(many, "a");
	cr_expect_eq(rx_scan_split(&words, many), -1);
}

static char dir[] = "/tmp/km-scan-XXXXXX";

static const char *hook(const char *text, mode_t mode, uid_t uid)
{
	static char path[64];
	int fd;

	snprintf(path, sizeof(path), "%s/hook", dir);
	fd = open(path, O_CREAT | O_TRUNC | O_WRONLY, 0700);
	cr_assert_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	cr_assert_eq(fchown(fd, uid, (gid_t)-1), 0);
	cr_assert_eq(fchmod(fd, mode), 0);
	close(fd);
	return path;
}

Test(scan_text, a_program_is_roots_and_nobody_elses)
{
	char interpreter[64];
	const char *path;

	if (geteuid() != 0)
		cr_skip_test("needs root, to make a file of root's");
	cr_assert_not_null(mkdtemp(dir));
	path = hook("#! /bin/sh -e\nexit 0\n", 0755, 0);
	rx_scan_interpreter(path, interpreter, sizeof(interpreter));
	cr_expect_str_eq(interpreter, "/bin/sh");
	cr_expect_null(rx_scan_fault(path), "%s", rx_scan_fault(path));
	cr_expect_not_null(rx_scan_fault(hook("", 0775, 0)), "its group may write");
	cr_expect_not_null(rx_scan_fault(hook("", 0757, 0)), "others may write");
	cr_expect_not_null(rx_scan_fault(hook("", 0644, 0)), "not executable");
	cr_expect_not_null(rx_scan_fault(hook("", 0755, 1)), "another's");
	path = hook("\177ELF", 0755, 0);
	rx_scan_interpreter(path, interpreter, sizeof(interpreter));
	cr_expect_str_eq(interpreter, "");
	cr_assert_eq(chmod(dir, 0777), 0);
	cr_expect_not_null(rx_scan_fault(path), "others may replace it");
	cr_assert_eq(chmod(dir, 01777), 0);
	cr_expect_null(rx_scan_fault(path), "in a sticky directory they cannot");
	cr_expect_not_null(rx_scan_fault("bin/true"));
	cr_expect_not_null(rx_scan_fault(dir), "a directory");
	cr_expect_not_null(rx_scan_fault("/nowhere/at-all"));
	unlink(path);
	rmdir(dir);
}
