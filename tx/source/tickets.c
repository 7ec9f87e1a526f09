// SPDX-License-Identifier: ISC
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fileio.h"
#include "log.h"
#include "tickets.h"

#define ENDING ".ticket"
#define ENDING_LEN (sizeof(ENDING) - 1)
#define MINUTE_NS UINT64_C(60000000000)

int tickets_open(struct tickets *t, int state_fd, struct km_err *err)
{
	memset(t, 0, sizeof(*t));
	t->dir = fileio_mkdir_beneath(state_fd, "requests", 0770, err);
	return t->dir < 0 ? km_err_prefix(err, "requests") : 0;
}

void tickets_close(struct tickets *t)
{
	km_close(&t->dir);
}

/* The first ticket file by name; false: none. */
static bool find(struct tickets *t)
{
	const int fd = openat(t->dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *list = fd >= 0 ? fdopendir(fd) : NULL;
	const struct dirent *entry;
	bool found = false;

	if (!list) {
		if (fd >= 0)
			close(fd);
		return false;
	}
	while ((entry = readdir(list))) {
		const size_t len = strlen(entry->d_name);

		/* 8 bytes are kept for the temporary name of the answer. */
		if (entry->d_name[0] == '.' || len <= ENDING_LEN ||
		    len > sizeof(t->name) - 32 ||
		    strcmp(entry->d_name + len - ENDING_LEN, ENDING) != 0)
			continue;
		if (!found || strncmp(entry->d_name, t->name, len - ENDING_LEN) < 0)
			(void)snprintf(t->name, sizeof(t->name), "%.*s",
				       (int)(len - ENDING_LEN), entry->d_name);
		found = true;
	}
	closedir(list);
	return found;
}

static enum km_rc read_ticket(const struct tickets *t, struct ticket *ticket)
{
	_cleanup_free_ uint8_t *data = NULL;
	char file[sizeof(t->name) + 16];
	size_t len;

	(void)snprintf(file, sizeof(file), "%s%s", t->name, ENDING);
	if (fileio_read_all(t->dir, file, TICKETS_FILE_MAX, &data, &len, NULL) != 0)
		return KM_ERR_SYS;
	while (len > 0 && isspace(data[len - 1]))
		len--;
	return ticket_decode(ticket, (const char *)data, len);
}

void tickets_answer(struct tickets *t, const char *text, size_t len)
{
	char file[sizeof(t->name) + 16];
	struct km_err err = KM_ERR_INIT;

	(void)snprintf(file, sizeof(file), "%s.result", t->name);
	if (fileio_write_atomic(t->dir, file, text, len, 0640, &err) != 0)
		log_event(EVENT_RESEND_REFUSED, "the answer cannot be written: %s",
			  err.text);
	(void)snprintf(file, sizeof(file), "%s%s", t->name, ENDING);
	if (unlinkat(t->dir, file, 0) != 0 && errno != ENOENT)
		log_event(
			EVENT_RESEND_REFUSED,
			"a ticket file cannot be removed and will be worked off again: %s",
			strerror(errno));
	t->name[0] = '\0';
}

bool tickets_next(struct tickets *t, struct ticket *ticket, uint64_t now_ns)
{
	char text[128];
	enum km_rc rc;

	if (t->name[0] || now_ns < t->look_ns)
		return false;
	t->look_ns = now_ns + TICKETS_LOOK_NS;
	if (now_ns - t->minute_ns >= MINUTE_NS) {
		t->minute_ns = now_ns;
		t->in_minute = 0;
	}
	if (t->in_minute >= TICKETS_PER_MINUTE || !find(t)) {
		t->name[0] = '\0';
		return false;
	}
	t->in_minute++;
	rc = read_ticket(t, ticket);
	if (rc == KM_OK)
		return true;
	log_event(EVENT_RESEND_REFUSED, "not a ticket (%s): copy it again reason=%s",
		  rc == KM_ERR_AUTH ? "its check digits do not match" : "not well formed",
		  km_rc_name(rc));
	tickets_answer(t, text,
		       (size_t)snprintf(text, sizeof(text), "refused: not a ticket (%s)\n",
					km_rc_name(rc)));
	return false;
}
