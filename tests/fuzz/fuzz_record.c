// SPDX-License-Identifier: ISC
/* An opened symbol: every record that is read must be what the encoder writes. */
#include <string.h>

#include "fuzz_target.h"
#include "record_again.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static uint8_t again[1u << 17];
	struct record r;
	struct rd rd;
	struct wr wr;

	if (size > WIRE_SYMBOL_MAX)
		return 0;
	rd_init(&rd, data, size);
	for (;;) {
		size_t start = rd.used;
		enum km_rc rc = record_next(&rd, &r);

		if (rc == KM_ERR_EMPTY || rc == KM_ERR_MALFORMED)
			return 0;
		FUZZ_ASSERT(rc == KM_OK || rc == KM_ERR_NOTFOUND);
		wr_init(&wr, again, sizeof(again));
		rc = record_again(&wr, &r);
		if (r.type == RECORD_HEARTBEAT && rc == KM_ERR_MALFORMED)
			continue;
		FUZZ_ASSERT(rc == KM_OK);
		FUZZ_ASSERT(wr.used == rd.used - start);
		FUZZ_ASSERT(memcmp(again, data + start, wr.used) == 0);
	}
}
