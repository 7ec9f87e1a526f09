// SPDX-License-Identifier: ISC
#include "publish_cage.h"

#include <fcntl.h>

#include "deliver.h"

/* Files below the channels' roots and the state directory, in all its threads; no socket but scan's. */
static const struct cage_call publish_calls[] = {
	CAGE_ANY(openat),
	CAGE_ANY(openat2),
	CAGE_ANY(fstat),
	CAGE_ANY(newfstatat),
	CAGE_ANY(statx),
	CAGE_ANY(fstatfs),
	CAGE_ANY(faccessat),
	CAGE_ANY(faccessat2),
	CAGE_ANY(getdents64),
	CAGE_ANY(lseek),
	CAGE_ANY(read),
	CAGE_ANY(pread64),
	CAGE_ANY(write),
	CAGE_ANY(pwrite64),
	CAGE_ANY(ftruncate),
	CAGE_ANY(fallocate),
	CAGE_ANY(fsync),
	CAGE_ANY(fdatasync),
	CAGE_ANY(fadvise64),
	CAGE_ANY(sync_file_range),
	CAGE_ANY(fchmod),
	CAGE_ANY(fchmodat),
	CAGE_ANY(utimensat),
	CAGE_ANY(mkdirat),
	CAGE_ANY(linkat),
	CAGE_ANY(unlinkat),
	CAGE_ANY(renameat),
	CAGE_ANY(renameat2),
	CAGE_IF(fcntl, 1, CAGE_INT, F_GETFL),
	CAGE_IF(fcntl, 1, CAGE_INT, F_SETFD),
	CAGE_IF(fcntl, 1, CAGE_INT, F_DUPFD_CLOEXEC),
	CAGE_IF(fcntl, 1, CAGE_INT, F_SETLEASE),
	/* hands objects to role scan; without one there is nothing under that number */
	CAGE_FD(sendmsg, RX_FD_SCAN),
	CAGE_FD(recvmsg, RX_FD_SCAN),
};

void publish_cage(struct cage *cage, const struct rx_config *config)
{
	*cage = (struct cage){
		.calls = publish_calls,
		.n_calls = KM_COUNT(publish_calls),
		.opens = true,
		.permissive = config->permissive,
	};
	cage_add_path(cage, CAGE_TREE, "%s", config->state_dir);
	/* what is on disk since this boot is told from what outlived a power cut */
	cage_add_path(cage, CAGE_READ, "/proc/sys/kernel/random/boot_id");
	for (unsigned i = 0; i < config->trusted; i++)
		cage_add_path(cage, CAGE_READ, "%s", config->trust[i]);
	for (unsigned i = 0; i < config->retired_count; i++)
		cage_add_path(cage, CAGE_READ, "%s", config->retired[i]);
	for (unsigned i = 0; i < config->channels; i++)
		cage_add_path(cage, CAGE_TREE, "%s", config->channel[i].root);
}
