// SPDX-License-Identifier: ISC
#include "inlet_cage.h"

#include "lane.h"

/* Takes connections and reads from them. Its only words go into the pairs with the source, so
 * nothing can go to a producer. */
static const struct cage_call stream_calls[] = {
	CAGE_LATE(read),
};

void inlet_cage(struct cage *cage, const struct tx_config *config)
{
	*cage = (struct cage){
		.calls = stream_calls,
		.n_calls = KM_COUNT(stream_calls),
		.opens = true,
		.permissive = config->permissive,
	};
	for (unsigned i = 0; i < config->lives; i++) {
		if (config->live[i].kind != TX_KIND_STREAM)
			continue;
		cage_add_fd(cage, SCMP_SYS(sendto), TX_FD_FEED + (int)i);
		cage_add_fd(cage,
			    config->live[i].listen.kind == LOCAL_END_FIFO
				    ? SCMP_SYS(read)
				    : SCMP_SYS(accept4),
			    TX_FD_LISTEN + (int)i);
	}
}
