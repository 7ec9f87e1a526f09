// SPDX-License-Identifier: ISC
#include "rx_scan.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "fileio.h"

#define BLANKS " \t"

int rx_scan_split(struct rx_scan_words *words, const char *command)
{
	char *save = NULL;

	words->n = 0;
	if (snprintf(words->text, sizeof(words->text), "%s", command) >=
	    (int)sizeof(words->text))
		return -1;
	for (char *word = strtok_r(words->text, BLANKS, &save); word;
	     word = strtok_r(NULL, BLANKS, &save)) {
		if (words->n == RX_SCAN_WORDS)
			return -1;
		words->word[words->n++] = word;
	}
	words->word[words->n] = NULL;
	return words->n > 0 ? 0 : -1;
}

/* A sticky directory lets nobody take away what is another's. */
static bool is_roots(const struct stat *st)
{
	return st->st_uid == 0 &&
	       ((st->st_mode & (S_IWGRP | S_IWOTH)) == 0 || (st->st_mode & S_ISVTX));
}

const char *rx_scan_fault(const char *program)
{
	char dir[RX_SCAN_LEN];
	struct stat st;
	char *slash;

	if (program[0] != '/')
		return "is not an absolute path";
	if (stat(program, &st) != 0)
		return "cannot be found";
	if (!S_ISREG(st.st_mode) || (st.st_mode & 0111) == 0)
		return "is no program: make it executable";
	if (st.st_uid != 0 || (st.st_mode & (S_IWGRP | S_IWOTH)))
		return "can be changed by somebody else: give it to root, mode 0755";
	(void)snprintf(dir, sizeof(dir), "%s", program);
	slash = strrchr(dir, '/');
	slash[slash == dir] = '\0';
	if (stat(dir, &st) != 0 || !is_roots(&st))
		return "can be replaced by somebody else: give its directory to root, mode "
		       "0755";
	return NULL;
}

void rx_scan_interpreter(const char *program, char *out, size_t len)
{
	_cleanup_close_ int fd = open(program, O_RDONLY | O_CLOEXEC);
	char line[256];
	ssize_t n = fd < 0 ? -1 : fileio_pread_full(fd, line, sizeof(line) - 1, 0);
	char *word;

	out[0] = '\0';
	if (n < 3 || line[0] != '#' || line[1] != '!')
		return;
	line[n] = '\0';
	line[strcspn(line, "\n")] = '\0';
	word = line + 2 + strspn(line + 2, BLANKS);
	word[strcspn(word, BLANKS)] = '\0';
	(void)snprintf(out, len, "%s", word);
}
