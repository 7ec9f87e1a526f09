// SPDX-License-Identifier: ISC
#include "linktest.h"

#include <string.h>

#include "crc32.h"
#include "cursor.h"

#define FORMAT 1u
#define CRC_LEN 4u
#define REPORT_AT (LINKTEST_PLAN_AT + LINKTEST_PLAN_LEN)
#define REPORT_LEN (WIRE_LINKTEST_BODY - REPORT_AT)
#define SEQ_AT 12u /* of the lane sequence in the clear header */

/* A burst takes this many times its time at the highest rate, at most: tx may be slower. */
#define BURST_SLOWER 3u

static bool ascends(const struct linktest_plan *p)
{
	for (unsigned i = 1; i < p->sizes; i++)
		if (p->size[i] <= p->size[i - 1])
			return false;
	for (unsigned i = 1; i < p->rates; i++)
		if (p->rate_kbps[i] <= p->rate_kbps[i - 1])
			return false;
	return true;
}

static bool bursts_fit(const struct linktest_plan *p)
{
	if (p->bursts == 0 || p->burst_first == 0)
		return p->bursts == p->burst_first;
	return p->bursts <= LINKTEST_BURSTS_MAX &&
	       p->burst_first <= LINKTEST_STEP_FRAMES_MAX >> (p->bursts - 1);
}

/* Slots that are not in use are zero: one plan has one form. */
static bool rest_is_zero(const struct linktest_plan *p)
{
	for (unsigned i = p->sizes; i < LINKTEST_SIZES_MAX; i++)
		if (p->size[i])
			return false;
	for (unsigned i = p->rates; i < LINKTEST_RATES_MAX; i++)
		if (p->rate_kbps[i])
			return false;
	return true;
}

enum km_rc linktest_plan_check(const struct linktest_plan *p)
{
	if (p->sizes < 1 || p->sizes > LINKTEST_SIZES_MAX || p->rates < 1 ||
	    p->rates > LINKTEST_RATES_MAX || !bursts_fit(p))
		return KM_ERR_RANGE;
	if (p->step_ms < LINKTEST_STEP_MS_MIN || p->step_ms > LINKTEST_STEP_MS_MAX ||
	    p->pause_ms < LINKTEST_PAUSE_MS_MIN || p->pause_ms > LINKTEST_PAUSE_MS_MAX)
		return KM_ERR_RANGE;
	if (p->size[0] < LINKTEST_SIZE_MIN || p->rate_kbps[0] < LINKTEST_RATE_KBPS_MIN)
		return KM_ERR_RANGE;
	return ascends(p) && rest_is_zero(p) ? KM_OK : KM_ERR_RANGE;
}

static uint32_t clamp(uint64_t value, uint32_t low, uint32_t high)
{
	return value < low ? low : value > high ? high : (uint32_t)value;
}

static void add_rates(const struct linktest_plan *p, struct linktest_step *steps,
		      unsigned *n)
{
	for (unsigned rate = 0; rate < p->rates; rate++)
		for (unsigned size = 0; size < p->sizes; size++) {
			/* kbit/s times ms are bits; 2^32 x 60,000 fits easily */
			uint64_t bits = (uint64_t)p->rate_kbps[rate] * p->step_ms;

			steps[(*n)++] = (struct linktest_step){
				.rate = (uint8_t)rate,
				.size_at = (uint8_t)size,
				.size = p->size[size],
				.rate_kbps = p->rate_kbps[rate],
				.frames = clamp(bits / linktest_frame_bits(p->size[size]),
						1, LINKTEST_STEP_FRAMES_MAX),
			};
		}
}

static void add_bursts(const struct linktest_plan *p, struct linktest_step *steps,
		       unsigned *n)
{
	const unsigned size = p->sizes - 1u, rate = p->rates - 1u;

	for (unsigned i = 0; i < p->bursts; i++) {
		uint32_t frames = p->burst_first << i;
		uint64_t ms =
			frames * linktest_frame_bits(p->size[size]) / p->rate_kbps[rate];

		steps[(*n)++] = (struct linktest_step){
			.burst = true,
			.rate = (uint8_t)rate,
			.size_at = (uint8_t)size,
			.size = p->size[size],
			.rate_kbps = p->rate_kbps[rate],
			.frames = frames,
			.away_ms = clamp(ms * BURST_SLOWER + p->pause_ms, 0,
					 LINKTEST_AWAY_MS_MAX),
		};
	}
}

unsigned linktest_steps(const struct linktest_plan *p, struct linktest_step *steps)
{
	uint64_t first = 0;
	unsigned n = 0;

	add_rates(p, steps, &n);
	add_bursts(p, steps, &n);
	for (unsigned i = 0; i < n; i++) {
		steps[i].first = first;
		first += steps[i].frames;
	}
	return n;
}

uint64_t linktest_frames(const struct linktest_step *steps, unsigned n)
{
	return n ? steps[n - 1].first + steps[n - 1].frames : 0;
}

void linktest_plan_encode(uint8_t *out, const struct linktest_plan *p)
{
	struct wr wr;

	wr_init(&wr, out, LINKTEST_PLAN_LEN);
	wr_u8(&wr, FORMAT);
	wr_u8(&wr, p->sizes);
	wr_u8(&wr, p->rates);
	wr_u8(&wr, p->bursts);
	wr_u32(&wr, p->step_ms);
	wr_u32(&wr, p->pause_ms);
	wr_u32(&wr, p->burst_first);
	for (unsigned i = 0; i < LINKTEST_SIZES_MAX; i++)
		wr_u16(&wr, p->size[i]);
	for (unsigned i = 0; i < LINKTEST_RATES_MAX; i++)
		wr_u32(&wr, p->rate_kbps[i]);
}

enum km_rc linktest_plan_decode(struct linktest_plan *p, const uint8_t *bytes)
{
	struct rd rd;
	uint8_t format;

	rd_init(&rd, bytes, LINKTEST_PLAN_LEN);
	format = rd_u8(&rd);
	p->sizes = rd_u8(&rd);
	p->rates = rd_u8(&rd);
	p->bursts = rd_u8(&rd);
	p->step_ms = rd_u32(&rd);
	p->pause_ms = rd_u32(&rd);
	p->burst_first = rd_u32(&rd);
	for (unsigned i = 0; i < LINKTEST_SIZES_MAX; i++)
		p->size[i] = rd_u16(&rd);
	for (unsigned i = 0; i < LINKTEST_RATES_MAX; i++)
		p->rate_kbps[i] = rd_u32(&rd);
	if (!rd_done(&rd) || format != FORMAT)
		return KM_ERR_MALFORMED;
	return linktest_plan_check(p);
}

/* Over the plan, which is the same in every frame, then what is not. FRAME: from the clear
 * header on; the link id is left out, as redundant links carry the same frames. */
static uint32_t checksum(const uint8_t *frame, uint32_t plan_crc)
{
	uint32_t crc = crc32_add(plan_crc, frame, WIRE_AAD_LEN);

	return crc32_add(crc, frame + WIRE_HEADER_LEN + REPORT_AT, REPORT_LEN);
}

static void write_checksum(uint8_t *frame, uint32_t plan_crc)
{
	struct wr wr;

	wr_init(&wr, frame + WIRE_HEADER_LEN, CRC_LEN);
	wr_u32(&wr, checksum(frame, plan_crc));
}

void linktest_encode(uint8_t *out, const struct linktest_frame *f, const uint8_t *plan,
		     uint16_t length)
{
	const struct frame_header h = {.version = WIRE_VERSION,
				       .type = FRAME_TEST,
				       .class = FRAME_CLASS_NORMAL,
				       .session_tag = f->run,
				       .lane = LINKTEST_LANE,
				       .seq = f->seq,
				       .window = f->step,
				       .length = length};
	struct wr wr;

	frame_header_encode(out, &h);
	wr_init(&wr, out + WIRE_HEADER_LEN, WIRE_LINKTEST_BODY);
	wr_zero(&wr, CRC_LEN);
	wr_bytes(&wr, plan, LINKTEST_PLAN_LEN);
	wr_u8(&wr, f->kind);
	wr_u8(&wr, f->flags);
	wr_zero(&wr, 2);
	wr_u64(&wr, f->sent);
	wr_u64(&wr, f->elapsed_ns);
	write_checksum(out, crc32_add(0, plan, LINKTEST_PLAN_LEN));
}

void linktest_renumber(uint8_t *out, uint64_t seq, uint32_t plan_crc)
{
	struct wr wr;

	wr_init(&wr, out + SEQ_AT, sizeof(seq));
	wr_u64(&wr, seq);
	write_checksum(out, plan_crc);
}

/* What only an END has; a HELLO has no step. */
static bool fields_fit(const struct linktest_frame *f)
{
	const unsigned flags = LINKTEST_SLOWER | LINKTEST_CUT | LINKTEST_LAST;

	if (f->kind == LINKTEST_END)
		return (f->flags & ~flags) == 0;
	if (f->kind == LINKTEST_HELLO && f->step != 0)
		return false;
	return f->flags == 0 && f->sent == 0 && f->elapsed_ns == 0;
}

enum km_rc linktest_decode(struct linktest_frame *f, const struct frame_header *h,
			   const uint8_t *bytes, const struct linktest_known *known,
			   const uint8_t **plan)
{
	uint32_t crc, want;
	uint16_t reserved;
	struct rd rd;

	if (h->type != FRAME_TEST)
		return KM_ERR_MALFORMED;
	rd_init(&rd, bytes + WIRE_HEADER_LEN, h->length);
	want = rd_u32(&rd);
	*plan = rd_bytes(&rd, LINKTEST_PLAN_LEN);
	f->run = h->session_tag;
	f->seq = h->seq;
	f->step = h->window;
	f->kind = rd_u8(&rd);
	f->flags = rd_u8(&rd);
	reserved = rd_u16(&rd);
	f->sent = rd_u64(&rd);
	f->elapsed_ns = rd_u64(&rd);
	if (rd.bad)
		return KM_ERR_SHORT;
	if (known && known->any && memcmp(known->plan, *plan, LINKTEST_PLAN_LEN) == 0)
		crc = known->crc;
	else
		crc = crc32_add(0, *plan, LINKTEST_PLAN_LEN);
	if (checksum(bytes, crc) != want || reserved != 0 || f->kind < LINKTEST_HELLO ||
	    f->kind > LINKTEST_OVER || !fields_fit(f))
		return KM_ERR_MALFORMED;
	return KM_OK;
}
