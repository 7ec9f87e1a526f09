// SPDX-License-Identifier: ISC
#include "return_watch.h"

enum return_news return_watch_note(struct return_watch *watch, uint64_t count,
				   uint64_t now_ns)
{
	const bool moved = count > watch->last;

	watch->last = count;
	if (moved) {
		const bool began = !watch->on;

		watch->moved_ns = now_ns;
		watch->on = true;
		return began ? RETURN_BEGINS : RETURN_SAME;
	}
	if (!watch->on || now_ns - watch->moved_ns < RETURN_WATCH_QUIET_NS)
		return RETURN_SAME;
	watch->on = false;
	return RETURN_ENDS;
}
