// SPDX-License-Identifier: ISC
#include "host.h"

#include <errno.h>
#include <fcntl.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fileio.h"

#define HOST_PATH_MAX 1024
#define HOST_SEALS (F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL)

bool host_name_is_plain(const char *name)
{
	static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				      "0123456789-_.";

	return name[0] != '\0' && name[0] != '.' && name[strspn(name, allowed)] == '\0';
}

int host_find_interface(const char *name, struct host_interface *out, struct km_err *err)
{
	_cleanup_close_ int fd = -1;
	struct ifreq req = {0};

	memset(out, 0, sizeof(*out));
	if (strlen(name) >= sizeof(req.ifr_name))
		return km_err_set(err, EX_UNAVAILABLE, "interface %s: name too long", name);
	/* any socket will do for a question about an interface; this one can carry nothing */
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return km_err_set_errno(err, EX_OSERR, "interface %s: socket", name);
	memcpy(req.ifr_name, name, strlen(name));
	if (ioctl(fd, SIOCGIFINDEX, &req) != 0)
		return km_err_set_errno(err, EX_UNAVAILABLE,
					"interface %s: not there; `ip link` lists what is",
					name);
	out->index = (unsigned int)req.ifr_ifindex;
	if (ioctl(fd, SIOCGIFMTU, &req) != 0 || req.ifr_mtu <= 0) {
		out->index = 0;
		return km_err_set_errno(err, EX_UNAVAILABLE, "interface %s: MTU", name);
	}
	out->mtu = (uint32_t)req.ifr_mtu;
	out->up = ioctl(fd, SIOCGIFFLAGS, &req) == 0 && (req.ifr_flags & IFF_UP) != 0;
	return 0;
}

bool host_has_address(const uint8_t ip[4])
{
	struct ifaddrs *all;
	bool found = false;

	if (getifaddrs(&all) != 0)
		return false;
	for (const struct ifaddrs *one = all; one && !found; one = one->ifa_next) {
		const struct sockaddr_in *in = (const void *)one->ifa_addr;

		if (in && in->sin_family == AF_INET)
			found = memcmp(&in->sin_addr, ip, 4) == 0;
	}
	freeifaddrs(all);
	return found;
}

bool host_address_interface(const uint8_t ip[4], char name[16])
{
	struct ifaddrs *all;
	bool found = ip[0] == 127;

	if (found)
		memcpy(name, "lo", sizeof("lo"));
	if (found || getifaddrs(&all) != 0)
		return found;
	for (const struct ifaddrs *one = all; one && !found; one = one->ifa_next) {
		const struct sockaddr_in *in = (const void *)one->ifa_addr;

		found = in && in->sin_family == AF_INET &&
			memcmp(&in->sin_addr, ip, 4) == 0;
		if (found)
			/* of an alias without its label: "eth0:1" */
			(void)snprintf(name, IF_NAMESIZE, "%.*s",
				       (int)strcspn(one->ifa_name, ":"), one->ifa_name);
	}
	freeifaddrs(all);
	return found;
}

int host_open_counter(const char *name, const char *counter)
{
	char path[HOST_PATH_MAX];
	int n = snprintf(path, sizeof(path), "/sys/class/net/%s/statistics/%s", name,
			 counter);

	if (!host_name_is_plain(name) || n < 0 || (size_t)n >= sizeof(path))
		return -1;
	return open(path, O_RDONLY | O_CLOEXEC);
}

bool host_read_counter(int fd, uint64_t *value)
{
	char text[32];
	ssize_t n;
	char *end;

	if (fd < 0)
		return false;
	n = pread(fd, text, sizeof(text) - 1, 0);
	if (n <= 0)
		return false;
	text[n] = '\0';
	errno = 0;
	*value = strtoull(text, &end, 10);
	return errno == 0 && end != text;
}

uint64_t host_net_core(const char *name)
{
	char path[HOST_PATH_MAX];
	uint64_t value = 0;
	int fd;

	(void)snprintf(path, sizeof(path), "/proc/sys/net/core/%s", name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (!host_read_counter(fd, &value))
		value = 0;
	km_close(&fd);
	return value;
}

uint64_t host_memory(const char *line)
{
	FILE *f = fopen("/proc/meminfo", "re");
	uint64_t bytes = UINT64_MAX;
	char text[128];
	size_t n = strlen(line);

	while (f && fgets(text, sizeof(text), f))
		if (strncmp(text, line, n) == 0 && text[n] == ':') {
			bytes = strtoull(text + n + 1, NULL, 10) * 1024;
			break;
		}
	if (f)
		(void)fclose(f);
	return bytes;
}

/* One component; *made tells whether it was not there. */
static int host_make_one(const char *path, mode_t mode, bool *made, struct km_err *err)
{
	struct stat st;

	*made = mkdir(path, mode) == 0;
	if (*made)
		return 0;
	if (errno != EEXIST)
		return km_err_set_errno(err, EX_CANTCREAT, "directory %s: cannot be made",
					path);
	if (stat(path, &st) != 0)
		return km_err_set_errno(err, EX_CANTCREAT, "directory %s", path);
	if (!S_ISDIR(st.st_mode))
		return km_err_set(err, EX_CANTCREAT, "directory %s: is something else",
				  path);
	return 0;
}

int host_make_dir(const char *path, mode_t mode, uid_t uid, gid_t gid, struct km_err *err)
{
	char part[HOST_PATH_MAX];
	size_t len = strlen(path);
	bool made = false;

	if (len == 0 || len >= sizeof(part) || path[0] != '/')
		return km_err_set(err, EX_CONFIG, "directory %s: not an absolute path",
				  path);
	for (size_t i = 1; i < len; i++) {
		if (path[i] != '/' || path[i - 1] == '/')
			continue;
		memcpy(part, path, i);
		part[i] = '\0';
		if (host_make_one(part, 0755, &made, err) != 0)
			return -1;
	}
	if (host_make_one(path, mode, &made, err) != 0)
		return -1;
	if (!made)
		return 0;
	if (chmod(path, mode) != 0)
		return km_err_set_errno(err, EX_CANTCREAT, "directory %s: mode", path);
	if ((uid != 0 || gid != 0) && geteuid() == 0 && chown(path, uid, gid) != 0)
		return km_err_set_errno(err, EX_NOPERM, "directory %s: owner", path);
	return 0;
}

bool host_dir_usable(const char *path, const char **why, size_t *at)
{
	char part[HOST_PATH_MAX];
	size_t len = strlen(path);
	struct stat st;

	*at = len;
	*why = "is no absolute path";
	if (len == 0 || len >= sizeof(part) || path[0] != '/')
		return false;
	memcpy(part, path, len + 1);
	while (stat(part, &st) != 0) {
		char *slash = strrchr(part, '/');

		if (errno != ENOENT || !slash) {
			*why = strerrordesc_np(errno);
			return false;
		}
		/* what is missing can be made where its parent allows it */
		if (slash == part)
			slash++;
		*slash = '\0';
		*at = strlen(part);
	}
	*why = "is not a directory";
	if (!S_ISDIR(st.st_mode))
		return false;
	if (faccessat(AT_FDCWD, part, W_OK | X_OK, AT_EACCESS) != 0) {
		*why = errno == EROFS ? "lies on a read-only file system"
				      : "is not writable for us";
		return false;
	}
	return true;
}

static int host_pid_path(char *path, size_t len, const char *run_dir)
{
	int n = snprintf(path, len, "%s/pid", run_dir);

	return n < 0 || (size_t)n >= len ? -1 : 0;
}

static pid_t host_pid_in(int fd)
{
	uint64_t pid = 0;

	return host_read_counter(fd, &pid) && pid <= INT32_MAX ? (pid_t)pid : 0;
}

int host_lock_pid(const char *run_dir, struct km_err *err)
{
	struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
	char path[HOST_PATH_MAX], text[32];
	_cleanup_close_ int fd = -1;
	int n;

	if (host_pid_path(path, sizeof(path), run_dir) != 0)
		return km_err_set(err, EX_CONFIG, "run_dir %s: path too long", run_dir);
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644);
	if (fd < 0)
		return km_err_set_errno(err, EX_CANTCREAT, "pid file %s", path);
	if (fcntl(fd, F_OFD_SETLK, &lock) != 0) {
		if (errno != EAGAIN && errno != EACCES)
			return km_err_set_errno(err, EX_OSERR, "pid file %s: lock", path);
		return km_err_set(
			err, EX_UNAVAILABLE,
			"already running as pid %d (%s is locked); stop it first, or "
			"give this one its own run_dir and state_dir",
			(int)host_pid_in(fd), path);
	}
	n = snprintf(text, sizeof(text), "%d\n", (int)getpid());
	if (ftruncate(fd, 0) != 0 || fileio_pwrite_full(fd, text, (size_t)n, 0) != 0)
		return km_err_set_errno(err, EX_IOERR, "pid file %s", path);
	return km_take_fd(&fd);
}

bool host_is_running(const char *run_dir, pid_t *pid)
{
	/* asking does not take the lock, so a daemon that starts just now is not disturbed */
	struct flock lock = {.l_type = F_RDLCK, .l_whence = SEEK_SET};
	char path[HOST_PATH_MAX];
	_cleanup_close_ int fd = -1;

	if (pid)
		*pid = 0;
	if (host_pid_path(path, sizeof(path), run_dir) != 0)
		return false;
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0 || fcntl(fd, F_OFD_GETLK, &lock) != 0 || lock.l_type == F_UNLCK)
		return false;
	if (pid)
		*pid = host_pid_in(fd);
	return true;
}

int host_seal_bytes(const char *name, const void *bytes, size_t len, struct km_err *err)
{
	_cleanup_close_ int fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);

	if (fd < 0)
		return km_err_set_errno(err, EX_OSERR, "%s: memfd_create", name);
	if (fileio_write_full(fd, bytes, len) != 0)
		return km_err_set_errno(err, EX_OSERR, "%s: %zu bytes", name, len);
	if (fcntl(fd, F_ADD_SEALS, HOST_SEALS) != 0)
		return km_err_set_errno(err, EX_OSERR, "%s: seal", name);
	return km_take_fd(&fd);
}

int host_read_sealed(int fd, size_t max, char **bytes, size_t *len, struct km_err *err)
{
	int seals = fcntl(fd, F_GET_SEALS);
	struct stat st;
	ssize_t n;

	*bytes = NULL;
	if (seals < 0 || (seals & HOST_SEALS) != HOST_SEALS || fstat(fd, &st) != 0)
		return km_err_set(err, EX_SOFTWARE, "descriptor %d is no sealed memory",
				  fd);
	if (st.st_size < 0 || (uint64_t)st.st_size > max)
		return km_err_set(err, EX_SOFTWARE, "descriptor %d: %lld bytes", fd,
				  (long long)st.st_size);
	*bytes = malloc((size_t)st.st_size + 1);
	if (!*bytes)
		return km_err_set(err, EX_OSERR, "out of memory");
	n = fileio_pread_full(fd, *bytes, (size_t)st.st_size, 0);
	if (n != st.st_size) {
		free(*bytes);
		*bytes = NULL;
		return km_err_set_errno(err, EX_SOFTWARE, "descriptor %d: read", fd);
	}
	(*bytes)[n] = '\0';
	*len = (size_t)n;
	return 0;
}

const char *host_arg(int argc, char **argv, const char *word)
{
	for (int i = 0; i + 1 < argc; i++)
		if (strcmp(argv[i], word) == 0)
			return argv[i + 1];
	return NULL;
}

bool host_flag(int argc, char **argv, const char *word)
{
	for (int i = 0; i < argc; i++)
		if (strcmp(argv[i], word) == 0)
			return true;
	return false;
}
