// SPDX-License-Identifier: ISC
#include "root.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fileio.h"

#define ROOT_PROBE "probe"
#define ROOT_PROBE_LINK "probe.link"
#define ROOT_PROBE_MOVED ".probe"

static const struct root_part {
	const char *name;
	size_t offset;
	bool ours; /* nobody else looks inside */
} root_parts[] = {
	{".incoming", offsetof(struct root, incoming), true},
	{".quarantine", offsetof(struct root, quarantine), true},
	{"generations", offsetof(struct root, generations), false},
	{"manifests", offsetof(struct root, manifests), false},
	{"tree", offsetof(struct root, tree), false},
};

static int *root_fd(struct root *root, const struct root_part *part)
{
	return (int *)(void *)((char *)root + part->offset);
}

static int root_open_parts(struct root *root, const struct rx_config_channel *conf,
			   bool make, struct km_err *err)
{
	for (size_t i = 0; i < KM_COUNT(root_parts); i++) {
		const struct root_part *part = &root_parts[i];
		mode_t mode = part->ours ? 0700 : conf->dir_mode;
		int *fd = root_fd(root, part);

		if (make && mkdirat(root->dir, part->name, mode) == 0) {
			/* The umask must not decide who may read what is published. */
			if (fchmodat(root->dir, part->name, mode, 0) != 0)
				return km_err_set_errno(err, EX_CANTCREAT, "%s/%s: chmod",
							conf->root, part->name);
		} else if (make && errno != EEXIST) {
			return km_err_set_errno(err, EX_CANTCREAT, "%s/%s: cannot make",
						conf->root, part->name);
		}
		*fd = fileio_open_beneath(root->dir, part->name, O_RDONLY | O_DIRECTORY, 0);
		if (*fd < 0)
			return km_err_set_errno(err, make ? EX_IOERR : EX_NOINPUT,
						"%s/%s: cannot open", conf->root,
						part->name);
	}
	return 0;
}

/* One step of the dance failed: say which. */
static int root_refuse(struct km_err *err, const struct rx_config_channel *conf,
		       const char *step)
{
	return km_err_set_errno(err, EX_IOERR,
				"channel %s: root %s cannot publish, step \"%s\" failed",
				conf->name, conf->root, step);
}

static void root_clear_probe(struct root *root)
{
	int saved = errno;

	(void)unlinkat(root->incoming, ROOT_PROBE, 0);
	(void)unlinkat(root->incoming, ROOT_PROBE_LINK, 0);
	(void)unlinkat(root->generations, ROOT_PROBE_MOVED, 0);
	errno = saved;
}

/* The file's own life: made, written, synced, stamped, and nobody else writing to it. */
static int root_dance_file(struct root *root, const struct rx_config_channel *conf,
			   struct km_err *err)
{
	_cleanup_close_ int fd = fileio_open_beneath(root->incoming, ROOT_PROBE,
						     O_RDWR | O_CREAT | O_EXCL, 0600);
	const struct timespec times[2] = {{.tv_nsec = UTIME_OMIT}, {.tv_sec = 1}};

	if (fd < 0)
		return root_refuse(err, conf, "create a file in .incoming");
	if (fileio_pwrite_full(fd, "probe\n", 6, 0) != 0)
		return root_refuse(err, conf, "write");
	if (fdatasync(fd) != 0)
		return root_refuse(err, conf, "fdatasync");
	if (fchmod(fd, conf->file_mode & 0777) != 0)
		return root_refuse(err, conf, "set the mode");
	if (futimens(fd, times) != 0)
		return root_refuse(err, conf, "set the modification time");
	km_close(&fd);
	fd = fileio_open_beneath(root->incoming, ROOT_PROBE, O_RDONLY, 0);
	if (fd < 0)
		return root_refuse(err, conf, "open again for reading");
	root->leases = fcntl(fd, F_SETLEASE, F_RDLCK) == 0;
	if (root->leases)
		(void)fcntl(fd, F_SETLEASE, F_UNLCK);
	return 0;
}

/* The names' life: link, move without replacing, exchange, directories on disk. */
static int root_dance_names(struct root *root, const struct rx_config_channel *conf,
			    struct km_err *err)
{
	if (linkat(root->incoming, ROOT_PROBE, root->incoming, ROOT_PROBE_LINK, 0) != 0)
		return root_refuse(err, conf, "link");
	if (fileio_rename_noreplace(root->incoming, ROOT_PROBE, root->incoming,
				    ROOT_PROBE_LINK) == 0 ||
	    errno != EEXIST)
		return root_refuse(err, conf, "RENAME_NOREPLACE refuses an existing name");
	if (fileio_rename_noreplace(root->incoming, ROOT_PROBE_LINK, root->generations,
				    ROOT_PROBE_MOVED) != 0)
		return root_refuse(err, conf,
				   "RENAME_NOREPLACE from .incoming to generations "
				   "(both must be one mount)");
	if (fileio_rename_exchange(root->incoming, ROOT_PROBE, root->generations,
				   ROOT_PROBE_MOVED) != 0)
		return root_refuse(err, conf, "RENAME_EXCHANGE");
	/*
	 * A probe must not be seen under tree/. Moving onto "." is refused by every kernel
	 * with EEXIST, but only after the mounts were compared (EXDEV).
	 */
	if (fileio_rename_noreplace(root->incoming, ROOT_PROBE, root->tree, ".") == 0 ||
	    (errno != EEXIST && errno != EBUSY))
		return root_refuse(err, conf,
				   "move from .incoming to tree "
				   "(both must be one mount)");
	if (faccessat(root->tree, ".", W_OK | X_OK, AT_EACCESS) != 0)
		return root_refuse(err, conf, "write in tree");
	if (fileio_sync_dir(root->tree, err) != 0 ||
	    fileio_sync_dir(root->incoming, err) != 0)
		return km_err_prefix(err, "channel %s: root %s", conf->name, conf->root);
	return 0;
}

int root_open(struct root *root, const struct rx_config_channel *conf, struct km_err *err)
{
	*root = (struct root)ROOT_INIT;
	if (mkdir(conf->root, conf->dir_mode) == 0)
		(void)chmod(conf->root, conf->dir_mode);
	root->dir = open(conf->root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (root->dir < 0)
		return km_err_set_errno(
			err, EX_CANTCREAT,
			"channel %s: root %s: make it, or let us make it, and "
			"give it to our user",
			conf->name, conf->root);
	if (root_open_parts(root, conf, true, err) != 0)
		goto fail;
	root_clear_probe(root);
	if (root_dance_file(root, conf, err) != 0 || root_dance_names(root, conf, err) != 0)
		goto fail_probe;
	root_clear_probe(root);
	return 0;
fail_probe:
	root_clear_probe(root);
fail:
	root_close(root);
	return -1;
}

int root_open_existing(struct root *root, const struct rx_config_channel *conf,
		       struct km_err *err)
{
	*root = (struct root)ROOT_INIT;
	root->dir = open(conf->root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (root->dir < 0)
		return km_err_set_errno(err, EX_NOINPUT, "channel %s: root %s", conf->name,
					conf->root);
	if (root_open_parts(root, conf, false, err) == 0)
		return 0;
	root_close(root);
	return -1;
}

void root_close(struct root *root)
{
	km_close(&root->dir);
	for (size_t i = 0; i < KM_COUNT(root_parts); i++)
		km_close(root_fd(root, &root_parts[i]));
}
