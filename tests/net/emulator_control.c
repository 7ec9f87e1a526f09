// SPDX-License-Identifier: ISC
#include "emulator_control.h"

#include <errno.h>
#include <unistd.h>

static void take(struct emulator_control *c, char byte, void (*handle)(void *, char *),
		 void *arg)
{
	if (byte != '\n') {
		if (c->used < EMULATOR_LINE_BYTES - 1)
			c->line[c->used++] = byte;
		else
			c->too_long = true;
		return;
	}
	c->line[c->used] = '\0';
	handle(arg, c->too_long ? NULL : c->line);
	c->used = 0;
	c->too_long = false;
}

bool emulator_control_read(struct emulator_control *c, int fd,
			   void (*handle)(void *, char *), void *arg)
{
	char bytes[512];
	ssize_t n = read(fd, bytes, sizeof(bytes));

	if (n < 0)
		return errno == EINTR || errno == EAGAIN;
	for (ssize_t i = 0; i < n; i++)
		take(c, bytes[i], handle, arg);
	return n > 0;
}
