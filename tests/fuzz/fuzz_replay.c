// SPDX-License-Identifier: ISC
/*
 * A recorded file as `katamichi-rx replay` takes it: libpcap in capture, the pump ring, decode's
 * side of that ring. The first byte says how often what capture wrote into the ring is changed
 * before decode reads it (u16 offset, u8 xor each, behind it), for capture may be hostile to
 * decode; the rest is the file.
 */
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "cursor.h"
#include "feed.h"
#include "fuzz_alloc.h"
#include "fuzz_target.h"
#include "link_pcap.h"

#define FRAME_MAX 1600u
#define CHANGES_MAX 16u
#define ROUNDS_CHANGED 4u /* decode is not believed any more, but capture goes on */

static const struct intake_plan plan = {.form = INTAKE_PUMP, .frame_max = FRAME_MAX};
static uint8_t *memory;

static int file_of(const uint8_t *p, size_t n)
{
	int fd = memfd_create("recorded", MFD_CLOEXEC);

	FUZZ_ASSERT(fd >= 0 && write(fd, p, n) == (ssize_t)n &&
		    lseek(fd, 0, SEEK_SET) == 0);
	return fd;
}

/* Everything decode can see now. */
static unsigned take(struct feed *feed)
{
	static volatile uint8_t seen;
	struct feed_frame frame;
	unsigned n = 0;

	while (feed_pump_peek(feed, &frame) == 1) {
		FUZZ_ASSERT(frame.len <= FRAME_MAX && frame.vlan == -1);
		for (size_t i = 0; i < frame.len; i++)
			seen ^= frame.p[i];
		feed_pump_release(feed);
		n++;
	}
	return n;
}

static void change(struct rd *rd, unsigned changes)
{
	/* the page of indices, and the first slots */
	while (changes--) {
		const size_t at = rd_u16(rd) % 16384u;

		memory[at] ^= rd_u8(rd);
	}
}

static void pump(struct link_pcap *link, struct feed *feed, struct rd *rd, unsigned changes)
{
	struct km_err err = KM_ERR_INIT;
	enum link_pcap_result result;
	uint64_t before = 0;
	struct ring ring;
	unsigned round = 0;

	FUZZ_ASSERT(ring_attach(&ring, memory, intake_pump_bytes(&plan),
				intake_pump_slot(&plan), intake_pump_slots(&plan),
				RING_PRODUCER) == KM_OK);
	do {
		unsigned n;

		result = link_pcap_pump(link, &ring, &err);
		if (changes && round == 0)
			change(rd, changes);
		n = take(feed);
		FUZZ_ASSERT(changes || n == link_pcap_frames(link) - before);
		before = link_pcap_frames(link);
		round++;
	} while (result == LINK_PCAP_MORE && (!changes || round < ROUNDS_CHANGED));
	FUZZ_ASSERT(changes || feed->ended == (result == LINK_PCAP_END));
	FUZZ_ASSERT(result != LINK_PCAP_ERROR || err.text[0]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const size_t len = intake_pump_bytes(&plan);
	static uint8_t *bounce;
	struct km_err err = KM_ERR_INIT;
	struct link_pcap *link;
	struct feed feed;
	struct rd rd, changed;
	unsigned changes;

	if (!memory) {
		memory = aligned_alloc(4096, (len + 4095) & ~(size_t)4095);
		bounce = malloc(FRAME_MAX);
		FUZZ_ASSERT(memory && bounce);
		memset(memory, 0, len);
	}
	memset(memory, 0, 16384);
	FUZZ_ASSERT(ring_format(memory, len, intake_pump_slot(&plan),
				intake_pump_slots(&plan)) == KM_OK);
	FUZZ_ASSERT(feed_pump_open(&feed, memory, len, &plan, bounce) == KM_OK);
	rd_init(&rd, data, size);
	changes = rd_u8(&rd) % CHANGES_MAX;
	changed = rd;
	rd_skip(&rd, 3u * changes);
	if (rd.bad)
		return 0;
	fuzz_alloc_begin(data, size);
	link = link_pcap_open_file(file_of(data + size - rd_left(&rd), rd_left(&rd)), &plan,
				   &err);
	if (link)
		pump(link, &feed, &changed, changes);
	else
		FUZZ_ASSERT(err.code && err.text[0]);
	link_pcap_close(link);
	(void)fuzz_alloc_end();
	return 0;
}
