// SPDX-License-Identifier: ISC
/*
 * The ring of live messages as a hostile decode fills it (rx/wall/sink.h), sent on by the
 * sink. Two channels: one has a socket, whose other end must get exactly what was counted; the
 * other has none. The input is a script of small steps.
 */
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "cursor.h"
#include "fuzz_alloc.h"
#include "fuzz_target.h"
#include "sink_out.h"

#define STEPS_MAX 200u

enum step {
	STEP_HEAD,   /* u16 slot, u16 place, u32 length */
	STEP_SUBMIT, /* u16: so many slots more; 0x8000 and more: taken back */
	STEP_PAGE,   /* u8 offset, u8 xor: anywhere in the page of indices */
	STEP_RUN,
	STEP_ATTACH, /* the sink starts again */
	STEP_COUNT
};

static uint8_t *memory;
static int pair[2] = {-1, -1};

static void open_once(void)
{
	const int room = 1 << 20;

	if (memory)
		return;
	memory = aligned_alloc(4096, sink_bytes());
	FUZZ_ASSERT(memory && socketpair(AF_UNIX, SOCK_DGRAM, 0, pair) == 0);
	memset(memory, 0, sink_bytes());
	(void)setsockopt(pair[0], SOL_SOCKET, SO_SNDBUF, &room, sizeof(room));
}

/* What the consumer got: messages, and their bytes. */
static uint64_t drain(uint64_t *bytes)
{
	static uint8_t got[WIRE_MESSAGE_MAX + 1];
	uint64_t n = 0;
	ssize_t len;

	while ((len = recv(pair[1], got, sizeof(got), MSG_DONTWAIT)) >= 0) {
		FUZZ_ASSERT(len <= (ssize_t)WIRE_MESSAGE_MAX);
		*bytes += (uint64_t)len;
		n++;
	}
	return n;
}

static enum km_rc run(struct sink_out *out)
{
	const uint64_t *count = out->count[0];
	const uint64_t sent = count[SINK_SENT], bytes = count[SINK_BYTES];
	uint64_t got = 0, n;
	enum km_rc rc = sink_out_run(out);

	n = drain(&got);
	FUZZ_ASSERT(n == count[SINK_SENT] - sent && got == count[SINK_BYTES] - bytes);
	FUZZ_ASSERT(out->count[1][SINK_SENT] == 0);
	FUZZ_ASSERT(rc == KM_OK || rc == KM_ERR_EMPTY || rc == KM_ERR_STATE ||
		    rc == KM_ERR_MALFORMED);
	return rc;
}

/* False: the sink would have ended. */
static bool step(struct sink_out *out, struct rd *rd)
{
	struct ring_page *page = (struct ring_page *)memory;
	struct sink_head head = {0};
	enum km_rc rc;
	unsigned at;

	switch (rd_u8(rd) % STEP_COUNT) {
	case STEP_HEAD:
		at = rd_u16(rd) % SINK_SLOTS;
		head.place = rd_u16(rd);
		head.len = rd_u32(rd);
		memcpy(memory + RING_SLOTS_OFFSET + (size_t)at * SINK_SLOT, &head,
		       sizeof(head));
		return true;
	case STEP_SUBMIT:
		atomic_fetch_add(&page->head, (uint64_t)(int64_t)(int16_t)rd_u16(rd));
		return true;
	case STEP_PAGE:
		at = rd_u8(rd);
		memory[at] ^= rd_u8(rd);
		return true;
	case STEP_RUN:
		rc = run(out);
		return rc == KM_OK || rc == KM_ERR_EMPTY;
	default:
		return sink_out_attach(out, memory, sink_bytes()) == KM_OK;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct sink_out out;
	struct rd rd;

	open_once();
	/* heads that an input before left would be its secret */
	for (size_t i = 0; i < SINK_SLOTS; i++)
		memset(memory + RING_SLOTS_OFFSET + i * SINK_SLOT, 0,
		       sizeof(struct sink_head));
	FUZZ_ASSERT(ring_format(memory, sink_bytes(), SINK_SLOT, SINK_SLOTS) == KM_OK);
	memset(&out, 0, sizeof(out));
	out.channels = 2;
	out.fd[0] = pair[0];
	out.fd[1] = -1;
	out.headed[1] = true;
	FUZZ_ASSERT(sink_out_attach(&out, memory, sink_bytes()) == KM_OK);
	rd_init(&rd, data, size);
	fuzz_alloc_forbid();
	for (unsigned i = 0; i < STEPS_MAX && rd_left(&rd); i++)
		if (!step(&out, &rd))
			break;
	fuzz_alloc_permit();
	return 0;
}
