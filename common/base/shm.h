// SPDX-License-Identifier: ISC
/*
 * shm.h: memory shared by descriptor between roles that do not trust each other.
 *
 * A memfd of fixed size, sealed against shrinking, growing and further sealing, so that no
 * side can make the other fault (SIGBUS) by cutting it. Mode 0600: a role of another uid
 * that was given a read-only descriptor cannot reopen it for writing. Not POSIX shm.
 * Set-up time only.
 */
#ifndef SHM_H
#define SHM_H

#include <stddef.h>
#include <stdint.h>

#include "km_err.h"

enum shm_flag {
	SHM_MAP_READ = 0,     /* read-only mapping */
	SHM_MAP_WRITE = 1,    /* read and write */
	SHM_MAP_POPULATE = 2, /* fault every page in now: start-up pays, not the hot path */
	SHM_MAP_HUGE_HINT = 4, /* ask for transparent huge pages (a hint, never an error) */
	SHM_MAP_NO_DUMP = 8    /* keep it out of core dumps */
};

struct shm_map {
	void *p; /* NULL = not mapped */
	size_t len;
};

/* Makes and seals a zeroed memfd of `len` > 0 bytes. `name` shows in /proc. Returns the fd. */
KM_MUST_CHECK int shm_create(const char *name, size_t len, struct km_err *err);

/*
 * A second descriptor of the same memory that can only be mapped read-only; the caller's.
 * Needs /proc (the supervisor has it). Where we are root the memory is given to SHM_NOBODY
 * then: a role that is root by number and without capabilities is not its owner, and cannot
 * reopen it for writing.
 */
#define SHM_NOBODY 4294967294u /* nobody has it: the highest that is a user's */
KM_MUST_CHECK int shm_reopen_ro(int fd, struct km_err *err);

/*
 * Maps `len` bytes of fd after checking that it is exactly `len` long and carries the
 * seals. fd stays the caller's and may be closed. `flags` is an OR of enum shm_flag.
 */
KM_MUST_CHECK int shm_map(struct shm_map *map, int fd, size_t len, unsigned int flags,
			  struct km_err *err);

/* Undoes shm_map; nothing to do when map->p is NULL. */
void shm_unmap(struct shm_map *map);

#endif
