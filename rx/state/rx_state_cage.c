// SPDX-License-Identifier: ISC
#include "rx_state_cage.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "deliver.h"
#include "rx_state_file.h"

/* Only to consumers, and without naming a peer. It makes no connection. */
static const struct cage_call state_calls[] = {
	/* and to what it opened itself, in the directories of its files */
	CAGE_IF(write, 0, CAGE_INT & ~(uint64_t)(RX_STATE_FD_FIRST - 1), RX_STATE_FD_FIRST),
	CAGE_ANY(openat),
	CAGE_ANY(fchmod),
	CAGE_ANY(fsync),
	CAGE_ANY(renameat),
	CAGE_ANY(renameat2),
	CAGE_ANY(unlinkat),
	CAGE_IF2(sendto, 0, CAGE_INT & ~(uint64_t)(RX_STATE_FD_FIRST - 1),
		 RX_STATE_FD_FIRST, 4, UINT64_MAX, 0),
};

int rx_state_cage_take_numbers(struct km_err *err)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) == 0 &&
	    limit.rlim_cur < 2 * RX_STATE_FD_FIRST) {
		limit.rlim_cur = 2 * RX_STATE_FD_FIRST;
		if (limit.rlim_max < limit.rlim_cur ||
		    setrlimit(RLIMIT_NOFILE, &limit) != 0)
			return km_err_set(err, EX_OSERR,
					  "the limit of open files is below %d: raise "
					  "LimitNOFILE=",
					  2 * RX_STATE_FD_FIRST);
	}
	for (int fd = STDERR_FILENO + 1; fd < RX_STATE_FD_FIRST; fd++)
		if (fcntl(fd, F_GETFD) < 0 && dup3(STDIN_FILENO, fd, O_CLOEXEC) < 0)
			return km_err_set_errno(err, EX_OSERR, "descriptor %d", fd);
	return 0;
}

void rx_state_cage(struct cage *cage, const struct rx_config *config)
{
	char dir[RX_PATH_LEN];

	*cage = (struct cage){
		.calls = state_calls,
		.n_calls = KM_COUNT(state_calls),
		.opens = true,
		.permissive = config->permissive,
	};
	for (unsigned i = 0; i < config->lives; i++) {
		if (config->live[i].kind != RX_KIND_STATE)
			continue;
		cage_add_fd(cage, SCMP_SYS(recvfrom), RX_FD_FEED + (int)i);
		cage_add_fd(cage, SCMP_SYS(accept4), RX_FD_LISTEN + (int)i);
		if (config->live[i].file[0] == '\0')
			continue;
		rx_state_file_dir(config->live[i].file, dir);
		cage_add_path(cage, CAGE_TREE, "%s", dir);
	}
}
