// SPDX-License-Identifier: ISC
#include "source_cage.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/socket.h>

#include "host.h"
#include "lane.h"

/*
 * Files below spool and state, never a new socket. What it may write() on is what it opened,
 * its counters of shared memory apart: it holds no packet socket.
 */
static const struct cage_call source_calls[] = {
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
	CAGE_ANY(fsync),
	CAGE_ANY(fdatasync),
	CAGE_ANY(fadvise64),
	CAGE_ANY(fchmod),
	CAGE_ANY(mkdirat),
	CAGE_ANY(unlinkat),
	CAGE_ANY(renameat),
	CAGE_ANY(renameat2),
	CAGE_ANY(dup),
	CAGE_IF(fcntl, 1, CAGE_INT, F_GETFL),
	CAGE_IF(fcntl, 1, CAGE_INT, F_SETFD),
	CAGE_IF(fcntl, 1, CAGE_INT, F_GETFD),
	CAGE_IF(fcntl, 1, CAGE_INT, F_DUPFD_CLOEXEC),
	CAGE_IF(fcntl, 1, CAGE_INT, F_SETLEASE),
	CAGE_ANY(inotify_init1),
	CAGE_ANY(inotify_add_watch),
	CAGE_ANY(inotify_rm_watch),
	/* datagram channels: taken, never answered */
	CAGE_ANY(recvmmsg),
	CAGE_IF2(getsockopt, 1, CAGE_INT, SOL_SOCKET, 2, CAGE_INT, SO_MEMINFO),
	CAGE_FD(sendmsg, TX_FD_SIGN),
	CAGE_FD(recvmsg, TX_FD_SIGN),
};

int source_cage_make_dirs(const struct tx_config *config, struct km_err *err)
{
	char path[TX_PATH_LEN + MANIFEST_NAME_MAX + 2];

	for (unsigned i = 0; i < config->channels; i++) {
		(void)snprintf(path, sizeof(path), "%s/%s", config->state_dir,
			       config->channel[i].name);
		if (host_make_dir(path, 0700, 0, 0, err) != 0)
			return km_err_prefix(err,
					     "state_dir %s (it and what is in it must "
					     "belong to the source's user)",
					     config->state_dir);
	}
	return 0;
}

void source_cage(struct cage *cage, const struct tx_config *config)
{
	*cage = (struct cage){
		.calls = source_calls,
		.n_calls = KM_COUNT(source_calls),
		.opens = true,
		.permissive = config->permissive,
	};
	/* the signer's directory beside them is only seen, not opened */
	cage_add_path(cage, CAGE_LIST, "%s", config->state_dir);
	cage_add_path(cage, CAGE_TREE, "%s/requests", config->state_dir);
	for (unsigned i = 0; i < config->channels; i++) {
		cage_add_path(cage, CAGE_TREE, "%s/%s", config->state_dir,
			      config->channel[i].name);
		cage_add_path(cage, CAGE_TREE, "%s", config->channel[i].spool);
	}
}
