// SPDX-License-Identifier: ISC
#include "shm.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/* Linux 6.3; older kernels answer EINVAL and we go on without. */
#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 0x0008U
#endif

#define SHM_SEALS (F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL)

int shm_create(const char *name, size_t len, struct km_err *err)
{
	_cleanup_close_ int fd = -1;

	if (len == 0 || len > (size_t)INT64_MAX)
		return km_err_set(err, EX_SOFTWARE, "shared memory %s: size %zu", name,
				  len);
	fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_NOEXEC_SEAL);
	if (fd < 0 && errno == EINVAL)
		fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (fd < 0)
		return km_err_set_errno(err, EX_OSERR, "shared memory %s: memfd_create",
					name);
	if (fchmod(fd, 0600) != 0)
		return km_err_set_errno(err, EX_OSERR, "shared memory %s: mode", name);
	if (ftruncate(fd, (off_t)len) != 0)
		return km_err_set_errno(err, EX_OSERR, "shared memory %s: %zu bytes", name,
					len);
	if (fcntl(fd, F_ADD_SEALS, SHM_SEALS) != 0)
		return km_err_set_errno(err, EX_OSERR, "shared memory %s: seal", name);
	return km_take_fd(&fd);
}

int shm_reopen_ro(int fd, struct km_err *err)
{
	char path[40];
	int ro;

	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	ro = open(path, O_RDONLY | O_CLOEXEC);
	if (ro < 0)
		return km_err_set_errno(err, EX_OSERR, "shared memory: reopen %s read-only",
					path);
	/* In a user namespace that does not know the number it stays ours, mode 0600. */
	if (geteuid() == 0)
		(void)!fchown(fd, SHM_NOBODY, SHM_NOBODY);
	return ro;
}

int shm_map(struct shm_map *map, int fd, size_t len, unsigned int flags, struct km_err *err)
{
	int prot = PROT_READ | (flags & SHM_MAP_WRITE ? PROT_WRITE : 0);
	int how = MAP_SHARED | (flags & SHM_MAP_POPULATE ? MAP_POPULATE : 0);
	struct stat st;
	int seals;
	void *p;

	map->p = NULL;
	map->len = 0;
	seals = fcntl(fd, F_GET_SEALS);
	if (seals < 0)
		return km_err_set_errno(err, EX_OSERR, "shared memory: descriptor %d", fd);
	if ((seals & SHM_SEALS) != SHM_SEALS)
		return km_err_set(err, EX_SOFTWARE,
				  "shared memory: descriptor %d is not sealed (seals 0x%x)",
				  fd, (unsigned int)seals);
	if (fstat(fd, &st) != 0)
		return km_err_set_errno(err, EX_OSERR, "shared memory: descriptor %d", fd);
	if (len == 0 || (uint64_t)st.st_size != len)
		return km_err_set(err, EX_SOFTWARE,
				  "shared memory: descriptor %d has %lld bytes, not %zu",
				  fd, (long long)st.st_size, len);
	p = mmap(NULL, len, prot, how, fd, 0);
	if (p == MAP_FAILED)
		return km_err_set_errno(err, EX_OSERR,
					"shared memory: mapping of %zu bytes", len);
	/* both are hints: a kernel without them loses speed or privacy of dumps, no more */
	if (flags & SHM_MAP_HUGE_HINT)
		(void)madvise(p, len, MADV_HUGEPAGE);
	if (flags & SHM_MAP_NO_DUMP)
		(void)madvise(p, len, MADV_DONTDUMP);
	map->p = p;
	map->len = len;
	return 0;
}

void shm_unmap(struct shm_map *map)
{
	if (map->p)
		(void)munmap(map->p, map->len);
	map->p = NULL;
	map->len = 0;
}
