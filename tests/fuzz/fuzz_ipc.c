// SPDX-License-Identifier: ISC
/* Judgement of a message of another role: type, size and number of descriptors. */
#include <string.h>

#include "cursor.h"
#include "fuzz_target.h"
#include "ipc.h"

static const struct ipc_type rows[] = {
	{.type = 64, .size = 0, .n_fds = 0, .name = "hello"},
	{.type = 65, .size = 1160, .n_fds = 0, .name = "announce"},
	{.type = 66, .size = 8, .n_fds = 2, .name = "rings"},
	{.type = 0x80000001u,
	 .size = IPC_BODY_MAX,
	 .n_fds = IPC_FDS_MAX,
	 .name = "largest"},
};

static const struct ipc_table table = {rows, KM_COUNT(rows)};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct ipc_type *found;
	const char *reason = NULL;
	uint64_t body, fds;
	uint32_t type;
	struct rd rd;

	rd_init(&rd, data, size);
	type = rd_u32(&rd);
	body = rd_u32(&rd);
	fds = rd_u32(&rd);
	if (rd_left(&rd)) /* else the sizes are the largest there are */
		body = (body << 32) | rd_u32(&rd);
	found = ipc_check(&table, type, (size_t)body, (size_t)fds, &reason);
	FUZZ_ASSERT(ipc_check(&table, type, (size_t)body, (size_t)fds, NULL) == found);
	FUZZ_ASSERT(found || reason);
	for (size_t i = 0; i < KM_COUNT(rows); i++) {
		int fits = rows[i].type == type && rows[i].size == body &&
			   rows[i].n_fds == fds;

		FUZZ_ASSERT(fits == (found == &rows[i]));
	}
	return 0;
}
