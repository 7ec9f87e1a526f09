// SPDX-License-Identifier: ISC
#include "scan_text.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

/* What every scanner means by its exit code. */
#define EXIT_PASS 0
#define EXIT_REJECT 1

void scan_text_add(struct scan_text *text, const char *bytes, size_t n)
{
	for (size_t i = 0; i < n && !text->done; i++) {
		const char c = bytes[i];

		if (c == '\n' || c == '\r') {
			text->done = text->len > 0;
			continue;
		}
		text->line[text->len++] = c >= ' ' && c <= '~' ? c : '?';
		text->done = text->len == sizeof(text->line) - 1;
	}
	text->line[text->len] = '\0';
}

/* How it ended, before what it said. Cut at the end of the text, not of a sentence. */
static void say(struct scan_answer *answer, const struct scan_text *text, const char *how,
		int number, const char *why)
{
	char all[2 * SCAN_TEXT_MAX];

	(void)snprintf(all, sizeof(all), "%s %d%s%s%s", how, number, why,
		       text->len > 0 ? ": " : "", text->line);
	all[SCAN_TEXT_MAX - 1] = '\0';
	memcpy(answer->text, all, strlen(all) + 1);
}

void scan_text_judge(const struct scan_text *text, int status, bool timed_out,
		     struct scan_answer *answer)
{
	const int number = WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status);

	memset(answer->text, 0, sizeof(answer->text));
	/* what it had said before its time was over does not count any more */
	if (timed_out) {
		answer->verdict = SCAN_TIMEOUT;
		memcpy(answer->text, text->line, text->len);
		return;
	}
	if (WIFEXITED(status) && (number == EXIT_PASS || number == EXIT_REJECT)) {
		answer->verdict = number == EXIT_PASS ? SCAN_PASS : SCAN_REJECT;
		memcpy(answer->text, text->line, text->len);
		return;
	}
	answer->verdict = SCAN_ERROR;
	if (WIFEXITED(status))
		say(answer, text, "exit code", number, "");
	else if (number == SIGSYS)
		say(answer, text, "signal", number,
		    ", a system call that its cage does not allow");
	else if (number == SIGXCPU)
		say(answer, text, "signal", number, ", its processor time was used up");
	else
		say(answer, text, "signal", number, "");
}
