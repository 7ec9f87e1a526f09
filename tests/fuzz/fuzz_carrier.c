// SPDX-License-Identifier: ISC
/* What stands behind an IPv4 EtherType: headers of the path, and the walk over a train. */
#include <string.h>

#include "carrier.h"
#include "fuzz_target.h"

/* Every step stays in the payload, goes on, and costs at most one piece. */
static void walk(const uint8_t *p, size_t len, bool many)
{
	struct carrier_walk walk = {.p = p, .left = len, .many = many};
	struct frame_header h;
	size_t left, n, piece = 0;
	const uint8_t *frame;
	enum km_rc rc;

	do {
		left = walk.left;
		rc = carrier_next(&walk, &h, &frame, &n);
		FUZZ_ASSERT(walk.left < left || left == 0);
		FUZZ_ASSERT(walk.left == 0 || (many && walk.p == p + len - walk.left));
		if (rc == KM_OK) {
			FUZZ_ASSERT(frame == p + len - left && n == frame_bytes(&h));
			FUZZ_ASSERT(n <= left && (piece == 0 || n <= piece));
		}
		if (piece == 0)
			piece = rc == KM_OK ? n : left;
		FUZZ_ASSERT(walk.left == 0 || left - walk.left == piece);
	} while (walk.left > 0);
}

/* What tx writes around the same bytes is read back. */
static void around(const struct carrier_udp *path, const uint8_t *data, size_t size)
{
	static uint8_t out[4096];
	const uint8_t *payload;
	size_t len;

	if (WIRE_CARRIER_UDP + size > sizeof(out))
		return;
	carrier_udp_write(out, path, size, carrier_udp_checksum(path, data, size));
	memcpy(out + WIRE_CARRIER_UDP, data, size);
	FUZZ_ASSERT(carrier_udp_read(path, out, WIRE_CARRIER_UDP + size, &payload, &len) ==
		    CARRIER_OURS);
	FUZZ_ASSERT(payload == out + WIRE_CARRIER_UDP && len == size);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct carrier_udp paths[] = {
		{{{192, 0, 2, 1}, 4001}, {{198, 51, 100, 7}, 4002}},
		{{{0, 0, 0, 0}, 0}, {{198, 51, 100, 7}, 4002}},
	};
	const uint8_t *payload;
	size_t len;

	for (size_t i = 0; i < KM_COUNT(paths); i++) {
		if (carrier_udp_read(&paths[i], data, size, &payload, &len) != CARRIER_OURS)
			continue;
		FUZZ_ASSERT(payload == data + WIRE_CARRIER_UDP && len <= size &&
			    WIRE_CARRIER_UDP + len <= size);
		walk(payload, len, true);
	}
	around(&paths[0], data, size);
	walk(data, size, true);
	walk(data, size, false);
	return 0;
}
