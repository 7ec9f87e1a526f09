// SPDX-License-Identifier: ISC
#include "publish_cage.h"

#include <fcntl.h>

#include "deliver.h"
#include "fileio.h"
#include "voice.h"

/* Files below the channels' roots and its part of the state directory, in all its threads; no socket but scan's. */
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

static int make_dir(int state_dir, const char *name, struct km_err *err)
{
	_cleanup_close_ int dir = fileio_mkdir_beneath(state_dir, name, 0750, err);

	return dir < 0 ? -1 : 0;
}

int publish_cage_make_dirs(const struct rx_config *config, struct km_err *err)
{
	_cleanup_close_ int state_dir =
		open(config->state_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int rc;

	if (state_dir < 0)
		return km_err_set_errno(err, EX_CANTCREAT,
					"state_dir %s: make it and give it to our user",
					config->state_dir);
	rc = make_dir(state_dir, VOICE_DIR, err);
	for (unsigned i = 0; rc == 0 && i < config->channels; i++)
		rc = make_dir(state_dir, config->channel[i].name, err);
	if (rc != 0)
		return km_err_prefix(err,
				     "state_dir %s (it and what is in it must belong to "
				     "publish's user)",
				     config->state_dir);
	return 0;
}

void publish_cage(struct cage *cage, const struct rx_config *config)
{
	*cage = (struct cage){
		.calls = publish_calls,
		.n_calls = KM_COUNT(publish_calls),
		.opens = true,
		.permissive = config->permissive,
	};
	/* the keeper's directory beside its own is only seen, not opened */
	cage_add_path(cage, CAGE_LIST, "%s", config->state_dir);
	cage_add_path(cage, CAGE_TREE, "%s/" VOICE_DIR, config->state_dir);
	/* what is on disk since this boot is told from what outlived a power cut */
	cage_add_path(cage, CAGE_READ, "/proc/sys/kernel/random/boot_id");
	for (unsigned i = 0; i < config->trusted; i++)
		cage_add_path(cage, CAGE_READ, "%s", config->trust[i]);
	for (unsigned i = 0; i < config->retired_count; i++)
		cage_add_path(cage, CAGE_READ, "%s", config->retired[i]);
	for (unsigned i = 0; i < config->channels; i++) {
		cage_add_path(cage, CAGE_TREE, "%s/%s", config->state_dir,
			      config->channel[i].name);
		cage_add_path(cage, CAGE_TREE, "%s", config->channel[i].root);
	}
}
