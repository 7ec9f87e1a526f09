// SPDX-License-Identifier: ISC
#include "keys_pass.h"

#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <string.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

#include "fileio.h"

#define CTRL_C 0x03
#define CTRL_D 0x04
#define CTRL_U 0x15
#define BACKSPACE 0x08
#define DELETE 0x7f

/* The first line alone counts, so that an editor's LF and a note below do no harm. */
static int take_line(struct keys_pass *pass, size_t n, const char *path, struct km_err *err)
{
	const char *end = memchr(pass->text, '\n', n);

	pass->len = end ? (size_t)(end - pass->text) : n;
	if (pass->len == 0)
		return km_err_set(err, EX_DATAERR, "passphrase file %s is empty", path);
	if (pass->len == KEYS_PASS_MAX)
		return km_err_set(err, EX_DATAERR,
				  "passphrase file %s: its line is longer than %u bytes",
				  path, KEYS_PASS_MAX - 1);
	return 0;
}

int keys_pass_read(struct keys_pass *pass, const char *path, struct km_err *err)
{
	_cleanup_close_ int fd = -1;
	struct stat st;
	ssize_t n;

	pass->len = 0;
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	if (fd < 0 || fstat(fd, &st) < 0)
		return km_err_set_errno(err, errno == EACCES ? EX_NOPERM : EX_NOINPUT,
					"opening passphrase file %s", path);
	if (!S_ISREG(st.st_mode))
		return km_err_set(err, EX_NOINPUT, "passphrase file %s is no regular file",
				  path);
	if (st.st_mode & (S_IRWXO | S_IWGRP))
		return km_err_set(err, EX_NOPERM,
				  "passphrase file %s has mode %04o: chmod 400 it, and "
				  "take a new passphrase if it was exposed",
				  path, (unsigned)(st.st_mode & 07777));
	n = fileio_pread_full(fd, pass->text, sizeof(pass->text), 0);
	if (n < 0)
		return km_err_set_errno(err, EX_IOERR, "reading passphrase file %s", path);
	return take_line(pass, (size_t)n, path, err);
}

/* Byte by byte, so that the terminal is put right again whatever is typed. */
static int read_typed(struct keys_pass *pass, int tty, struct km_err *err)
{
	unsigned char c;

	pass->len = 0;
	for (;;) {
		const ssize_t n = read(tty, &c, 1);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return km_err_set_errno(err, EX_IOERR, "reading the terminal");
		if (n == 0 || c == CTRL_C || c == CTRL_D)
			return km_err_set(err, EX_USAGE, "no passphrase was given");
		if (c == '\n' || c == '\r')
			return 0;
		if (c == CTRL_U)
			pass->len = 0;
		else if ((c == BACKSPACE || c == DELETE) && pass->len > 0)
			pass->len--;
		else if (c >= ' ' && c != DELETE && pass->len < KEYS_PASS_MAX - 1)
			pass->text[pass->len++] = (char)c;
	}
}

static void say(int tty, const char *text)
{
	/* a prompt that cannot be shown is noticed by the one who waits for it */
	if (fileio_write_full(tty, text, strlen(text)) != 0)
		return;
}

int keys_pass_ask(struct keys_pass *pass, const char *what, const char *option,
		  struct km_err *err)
{
	_cleanup_close_ int tty = open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY);
	struct termios was, quiet;
	int rc;

	pass->len = 0;
	/* a script that happens to have a terminal somewhere must not hang at it */
	if (!isatty(STDIN_FILENO) || tty < 0 || tcgetattr(tty, &was) != 0)
		return km_err_set(err, EX_NOINPUT,
				  "no terminal to ask for the passphrase at: name its file "
				  "by %s",
				  option);
	quiet = was;
	quiet.c_lflag &= ~(tcflag_t)(ECHO | ECHOE | ECHOK | ECHONL | ICANON | ISIG);
	quiet.c_cc[VMIN] = 1;
	quiet.c_cc[VTIME] = 0;
	if (tcsetattr(tty, TCSAFLUSH, &quiet) != 0)
		return km_err_set_errno(err, EX_OSERR, "the terminal's echo");
	say(tty, what);
	say(tty, ": ");
	rc = read_typed(pass, tty, err);
	say(tty, "\n");
	if (tcsetattr(tty, TCSAFLUSH, &was) != 0 && rc == 0)
		rc = km_err_set_errno(err, EX_OSERR, "the terminal's echo");
	return rc;
}

static int ask_twice(struct keys_pass *pass, struct km_err *err)
{
	struct keys_pass *again = sodium_malloc(sizeof(*again));
	int rc;

	if (!again)
		return km_err_set(err, EX_OSERR, "no memory for a passphrase");
	rc = keys_pass_ask(pass, "New passphrase", "--passphrase-file", err);
	if (rc == 0)
		rc = keys_pass_ask(again, "The same again", "--passphrase-file", err);
	if (rc == 0 &&
	    (pass->len != again->len || memcmp(pass->text, again->text, pass->len) != 0))
		rc = km_err_set(err, EX_USAGE, "the two passphrases differ");
	sodium_free(again);
	return rc;
}

int keys_pass_new(struct keys_pass *pass, const char *path, struct km_err *err)
{
	if ((path ? keys_pass_read(pass, path, err) : ask_twice(pass, err)) != 0)
		return -1;
	if (pass->len < KEYS_PASS_MIN)
		return km_err_set(
			err, EX_USAGE,
			"the passphrase is shorter than %u bytes: six words drawn "
			"by dice are good",
			KEYS_PASS_MIN);
	return 0;
}
