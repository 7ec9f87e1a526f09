// SPDX-License-Identifier: ISC
#include "keeper_cage.h"

/* Its own directory: floors replaced atomically, the operator's accept files read. */
static const struct cage_call keeper_calls[] = {
	CAGE_ANY(openat),   CAGE_ANY(fstat),	CAGE_ANY(newfstatat), CAGE_ANY(statx),
	CAGE_ANY(pread64),  CAGE_ANY(write),	CAGE_ANY(fchmod),     CAGE_ANY(fsync),
	CAGE_ANY(renameat), CAGE_ANY(unlinkat),
};

void keeper_cage(struct cage *cage, const struct rx_config *config)
{
	*cage = (struct cage){
		.calls = keeper_calls,
		.n_calls = KM_COUNT(keeper_calls),
		.opens = true,
		.permissive = config->permissive,
	};
	cage_add_path(cage, CAGE_TREE, "%s/keeper", config->state_dir);
}
