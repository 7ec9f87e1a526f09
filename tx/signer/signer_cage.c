// SPDX-License-Identifier: ISC
#include "signer_cage.h"

#include "lane.h"

/* Answers the source. Opens nothing. */
static const struct cage_call signer_calls[] = {
	CAGE_FD(sendmsg, TX_FD_SIGN),
	CAGE_FD(recvmsg, TX_FD_SIGN),
};

void signer_cage(struct cage *cage, const struct tx_config *config, int epoch_fd)
{
	*cage = (struct cage){
		.calls = signer_calls,
		.n_calls = KM_COUNT(signer_calls),
		.permissive = config->permissive,
	};
	cage_add_fd(cage, SCMP_SYS(pread64), epoch_fd);
	cage_add_fd(cage, SCMP_SYS(pwrite64), epoch_fd);
	cage_add_fd(cage, SCMP_SYS(fdatasync), epoch_fd);
}
