// SPDX-License-Identifier: ISC
#include "epoch.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cursor.h"
#include "digest.h"
#include "fileio.h"

/* "KMEPOCH1", u64 epoch, 32 bytes SHA-256 of the 16 before, zero to 64. */
static const char epoch_magic[8] = {'K', 'M', 'E', 'P', 'O', 'C', 'H', '1'};

static void epoch_slot_encode(uint8_t slot[EPOCH_SLOT_LEN], uint64_t value)
{
	memset(slot, 0, EPOCH_SLOT_LEN);
	memcpy(slot, epoch_magic, sizeof(epoch_magic));
	for (unsigned i = 0; i < 8; i++)
		slot[8 + i] = (uint8_t)(value >> (56 - 8 * i));
	digest_sha256(slot + 16, slot, 16);
}

/* 0: not a valid slot. */
static uint64_t epoch_slot_decode(const uint8_t slot[EPOCH_SLOT_LEN])
{
	uint8_t expect[EPOCH_SLOT_LEN];
	uint64_t value = 0;

	for (unsigned i = 0; i < 8; i++)
		value = value << 8 | slot[8 + i];
	epoch_slot_encode(expect, value);
	return memcmp(slot, expect, sizeof(expect)) == 0 ? value : 0;
}

int epoch_look(struct epoch *e, struct km_err *err)
{
	uint8_t both[2 * EPOCH_SLOT_LEN] = {0};
	ssize_t n = fileio_pread_full(e->fd, both, sizeof(both), 0);
	uint64_t value[2];

	if (n < 0)
		return km_err_set_errno(err, EX_IOERR, "epoch: cannot be read");
	value[0] = epoch_slot_decode(both);
	value[1] = epoch_slot_decode(both + EPOCH_SLOT_LEN);
	e->slot = value[1] > value[0];
	e->value = value[e->slot];
	/* A first write torn by a power cut leaves less than one slot: nothing was given out. */
	if (e->value == 0 && n > (ssize_t)EPOCH_SLOT_LEN)
		return km_err_set(
			err, EX_DATAERR,
			"epoch: damaged: restore it, or remove it if the clock is "
			"right and no session was opened in the future");
	return 0;
}

int epoch_open(struct epoch *e, const char *dir, struct km_err *err)
{
	_cleanup_close_ int dirfd = -1;

	*e = (struct epoch){.fd = -1};
	if (mkdir(dir, 0700) < 0 && errno != EEXIST)
		return km_err_set_errno(err, EX_CANTCREAT, "%s: cannot be created", dir);
	dirfd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dirfd < 0)
		return km_err_set_errno(err, EX_NOPERM, "%s: cannot be opened", dir);
	e->fd = openat(dirfd, "epoch", O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (e->fd < 0)
		return km_err_set_errno(err, EX_NOPERM, "%s/epoch: cannot be opened", dir);
	if (fileio_sync_dir(dirfd, err) < 0 || epoch_look(e, err) < 0) {
		epoch_close(e);
		return km_err_prefix(err, "%s", dir);
	}
	return 0;
}

void epoch_close(struct epoch *e)
{
	km_close(&e->fd);
}

int epoch_next(struct epoch *e, uint64_t now_s, uint64_t *epoch, struct km_err *err)
{
	uint64_t next = e->value + 1 > now_s ? e->value + 1 : now_s;
	unsigned slot = e->value == 0 ? 0 : !e->slot;
	uint8_t bytes[EPOCH_SLOT_LEN];

	epoch_slot_encode(bytes, next);
	if (fileio_pwrite_full(e->fd, bytes, sizeof(bytes), (off_t)slot * EPOCH_SLOT_LEN) <
		    0 ||
	    fdatasync(e->fd) < 0)
		return km_err_set_errno(err, EX_IOERR, "epoch %llu: cannot be stored",
					(unsigned long long)next);
	e->value = next;
	e->slot = slot;
	*epoch = next;
	return 0;
}
