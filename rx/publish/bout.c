// SPDX-License-Identifier: ISC
#include "bout.h"

bool bout_note(struct bout *bout, uint64_t n, uint64_t now_ns, uint64_t *count)
{
	bout->held += n;
	if (bout->held == 0 || (bout->said && now_ns - bout->said_ns < BOUT_NS))
		return false;
	*count = bout->held;
	*bout = (struct bout){.said = true, .said_ns = now_ns};
	return true;
}
