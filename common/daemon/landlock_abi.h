// SPDX-License-Identifier: ISC
/*
 * landlock_abi.h: Landlock as the kernel speaks it, up to ABI 6 (Linux 6.12); the headers of
 * Debian 12 know ABI 2. Numbers are the kernel's and the same on every architecture. Private
 * to this folder.
 */
#ifndef LANDLOCK_ABI_H
#define LANDLOCK_ABI_H

#include <stdint.h>

#define LANDLOCK_SYS_CREATE 444 /* landlock_create_ruleset */
#define LANDLOCK_SYS_ADD 445	/* landlock_add_rule */
#define LANDLOCK_SYS_RESTRICT 446

#define LANDLOCK_VERSION_FLAG 1U
#define LANDLOCK_PATH_BENEATH 1

/* struct landlock_ruleset_attr; how much of it a kernel knows follows from its ABI. */
struct landlock_handled {
	uint64_t files;
	uint64_t ports;	 /* from ABI 4 */
	uint64_t scoped; /* from ABI 6 */
};

/* struct landlock_path_beneath_attr */
struct landlock_path {
	uint64_t rights;
	int32_t parent;
} __attribute__((packed));

enum landlock_right {
	LANDLOCK_EXECUTE = 1 << 0,
	LANDLOCK_WRITE_FILE = 1 << 1,
	LANDLOCK_READ_FILE = 1 << 2,
	LANDLOCK_READ_DIR = 1 << 3,
	LANDLOCK_REMOVE_DIR = 1 << 4,
	LANDLOCK_REMOVE_FILE = 1 << 5,
	LANDLOCK_MAKE_CHAR = 1 << 6,
	LANDLOCK_MAKE_DIR = 1 << 7,
	LANDLOCK_MAKE_REG = 1 << 8,
	LANDLOCK_MAKE_SOCK = 1 << 9,
	LANDLOCK_MAKE_FIFO = 1 << 10,
	LANDLOCK_MAKE_BLOCK = 1 << 11,
	LANDLOCK_MAKE_SYM = 1 << 12,
	LANDLOCK_REFER = 1 << 13,     /* ABI 2: rename and link between directories */
	LANDLOCK_TRUNCATE = 1 << 14,  /* ABI 3 */
	LANDLOCK_IOCTL_DEV = 1 << 15, /* ABI 5 */
};

#define LANDLOCK_RIGHTS_ABI_2 ((1 << 14) - 1)
#define LANDLOCK_PORTS_ALL 3U  /* bind, connect: TCP */
#define LANDLOCK_SCOPED_ALL 3U /* abstract Unix sockets, signals */

#endif
