// SPDX-License-Identifier: ISC
#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#include "lane_out.h"
#include "session.h"

int lane_out_open(struct lane_out *out, const struct lane_plan *plan, void *index,
		  size_t index_len, void *slots, size_t slots_len, const uint8_t *ether,
		  uint32_t ether_len, struct km_err *err)
{
	const size_t lane_bytes = (size_t)plan->slots * plan->stride;
	struct lane_out_bells *bells;

	memset(out, 0, sizeof(*out));
	if (index_len < LANE_OUT_INDEX_BYTES || slots_len / LANE_COUNT < lane_bytes ||
	    ether_len > sizeof(out->ether))
		return km_err_set(
			err, EX_SOFTWARE,
			"lane rings: mapping smaller than the plan of %u slots of %u "
			"bytes",
			plan->slots, plan->stride);
	out->plan = *plan;
	out->ether_len = ether_len;
	memcpy(out->ether, ether, ether_len);
	bells = (struct lane_out_bells *)((uint8_t *)index +
					  LANE_COUNT * RING_SLOTS_OFFSET);
	out->bell = &bells->source;
	for (unsigned i = 0; i < LANE_COUNT; i++) {
		struct lane_out_lane *lane = &out->lane[i];
		enum km_rc rc;
		int64_t room;

		rc = ring_attach_split(
			&lane->ring, (uint8_t *)index + i * RING_SLOTS_OFFSET,
			RING_SLOTS_OFFSET, (uint8_t *)slots + i * lane_bytes, lane_bytes,
			plan->stride, plan->slots, RING_PRODUCER);
		if (rc != KM_OK)
			return km_err_set(err, EX_SOFTWARE, "lane %u: ring refused: %s", i,
					  km_rc_name(rc));
		ring_set_bells(&lane->ring, &bells->sender, &bells->source);
		lane->counted = calloc(plan->slots, 1);
		if (!lane->counted)
			return km_err_set(err, EX_OSERR, "lane %u: out of memory", i);
		/* Frames of a source before us may still be leaving: never counted. */
		room = ring_ready(&lane->ring);
		if (room < 0)
			return km_err_set(err, EX_SOFTWARE, "lane %u: impossible indices",
					  i);
		lane->submitted = plan->slots - (uint64_t)room;
	}
	return 0;
}

void lane_out_close(struct lane_out *out)
{
	for (unsigned i = 0; i < LANE_COUNT; i++) {
		seal_free(out->lane[i].seal);
		out->lane[i].seal = NULL;
		free(out->lane[i].counted);
		out->lane[i].counted = NULL;
	}
	out->keyed = false;
}

int lane_out_key(struct lane_out *out, const uint8_t secret[SEAL_SECRET_LEN],
		 const uint8_t transcript[SEAL_TRANSCRIPT_LEN], struct km_err *err)
{
	out->keyed = false;
	lane_out_refresh(out);
	for (unsigned i = 0; i < LANE_COUNT; i++) {
		struct lane_out_lane *lane = &out->lane[i];
		uint8_t key[SEAL_KEY_LEN];

		seal_lane_key(key, secret, transcript, (uint16_t)i);
		seal_free(lane->seal);
		lane->seal = seal_new(key);
		sodium_memzero(key, sizeof(key));
		if (!lane->seal)
			return km_err_set(err, EX_OSERR, "lane %u: libcrypto refuses a key",
					  i);
		lane->seq = 0;
		lane->accepted = 0;
		memset(lane->counted, 0, out->plan.slots);
	}
	out->tag = session_tag(transcript);
	out->keyed = true;
	return 0;
}

static void lane_refresh(struct lane_out *out, struct lane_out_lane *lane)
{
	const int64_t room = ring_ready(&lane->ring);
	uint64_t released;

	if (room < 0) {
		out->dead = true;
		return;
	}
	released = lane->submitted - (out->plan.slots - (uint64_t)room);
	for (; lane->released < released; lane->released++)
		lane->accepted += lane->counted[lane->released & (out->plan.slots - 1)];
}

static void lane_flush(struct lane_out *out, struct lane_out_lane *lane)
{
	if (lane->pending == 0)
		return;
	if (ring_submit(&lane->ring, lane->pending) != KM_OK)
		out->dead = true;
	lane->pending = 0;
}

void lane_out_flush(struct lane_out *out)
{
	for (unsigned i = 0; i < LANE_COUNT; i++)
		lane_flush(out, &out->lane[i]);
}

void lane_out_refresh(struct lane_out *out)
{
	lane_out_flush(out);
	for (unsigned i = 0; i < LANE_COUNT; i++)
		lane_refresh(out, &out->lane[i]);
}

uint32_t lane_out_room(struct lane_out *out, unsigned lane)
{
	const struct lane_out_lane *l = &out->lane[lane];
	const uint64_t held = l->submitted - l->released;

	/* Only look at the shared index when what we know is used up. */
	if (held >= out->plan.slots) {
		lane_flush(out, &out->lane[lane]);
		lane_refresh(out, &out->lane[lane]);
	}
	return (uint32_t)(out->plan.slots - (l->submitted - l->released));
}

/* The next free slot of a lane as frame bytes, the Ethernet header written. */
static enum km_rc slot_take(struct lane_out *out, unsigned lane, size_t frame_len,
			    uint32_t flags, uint8_t **frame)
{
	struct lane_out_lane *l = &out->lane[lane];
	struct lane_desc desc = {.length = (uint32_t)(out->ether_len + frame_len),
				 .flags = flags};
	uint64_t index;
	enum km_rc rc;
	uint8_t *slot;

	if (out->ether_len + frame_len > out->plan.stride - sizeof(desc))
		return KM_ERR_RANGE;
	/* Keeps `counted` in step: a slot is reused only after its release was seen. */
	if (lane_out_room(out, lane) == 0)
		return out->dead ? KM_ERR_STATE : KM_ERR_FULL;
	rc = ring_reserve(&l->ring, 1, &index);
	if (rc != KM_OK) {
		if (rc == KM_ERR_STATE)
			out->dead = true;
		return rc;
	}
	slot = ring_slot(&l->ring, index);
	memcpy(slot, &desc, sizeof(desc));
	memcpy(slot + sizeof(desc), out->ether, out->ether_len);
	*frame = slot + sizeof(desc) + out->ether_len;
	return KM_OK;
}

static enum km_rc slot_give(struct lane_out *out, unsigned lane, size_t frame_len,
			    bool counted)
{
	struct lane_out_lane *l = &out->lane[lane];

	l->counted[l->submitted & (out->plan.slots - 1)] = counted;
	l->submitted++;
	l->pending++;
	l->bytes += out->ether_len + frame_len;
	if (lane <= FRAME_CLASS_REALTIME || l->pending >= LANE_OUT_GROUP)
		lane_flush(out, l);
	return out->dead ? KM_ERR_STATE : KM_OK;
}

enum km_rc lane_out_seal(struct lane_out *out, unsigned lane, struct frame_header *header,
			 const uint8_t *plain, size_t len)
{
	struct lane_out_lane *l = &out->lane[lane];
	uint8_t *frame;
	enum km_rc rc;

	if (!out->keyed)
		return KM_ERR_STATE;
	if (l->seq >= WIRE_LANE_FRAMES_MAX)
		return KM_ERR_LIMIT;
	rc = slot_take(out, lane, WIRE_OVERHEAD + len, 0, &frame);
	if (rc != KM_OK)
		return rc;
	header->version = WIRE_VERSION;
	header->class = (uint8_t)lane;
	header->session_tag = out->tag;
	header->lane = (uint16_t)lane;
	header->seq = l->seq;
	header->length = (uint16_t)len;
	header->link_id = 0;
	frame_header_encode(frame, header);
	rc = seal_frame(l->seal, frame, l->seq, plain, len, frame + WIRE_HEADER_LEN);
	/* Used or not, this sequence never comes again. */
	l->seq++;
	if (rc != KM_OK) {
		if (ring_cancel(&l->ring, 1) != KM_OK)
			out->dead = true;
		return KM_ERR_SYS;
	}
	return slot_give(out, lane, WIRE_OVERHEAD + len, true);
}

enum km_rc lane_out_announce(struct lane_out *out, const uint8_t *bytes, size_t len)
{
	const struct frame_header header = {
		.version = WIRE_VERSION,
		.type = FRAME_ANNOUNCE,
		.class = FRAME_CLASS_CONTROL,
		.length = (uint16_t)len,
	};
	uint8_t *frame;
	enum km_rc rc;

	rc = slot_take(out, FRAME_CLASS_CONTROL, WIRE_HEADER_LEN + len, LANE_ANNOUNCE,
		       &frame);
	if (rc != KM_OK)
		return rc;
	frame_header_encode(frame, &header);
	memcpy(frame + WIRE_HEADER_LEN, bytes, len);
	return slot_give(out, FRAME_CLASS_CONTROL, WIRE_HEADER_LEN + len, false);
}

bool lane_out_drained(const struct lane_out *out)
{
	for (unsigned i = 0; i < LANE_COUNT; i++) {
		if (out->lane[i].released != out->lane[i].submitted)
			return false;
	}
	return true;
}

void lane_out_sleep(struct lane_out *out, uint64_t timeout_ns)
{
	const uint32_t ticket = bell_arm(out->bell);

	lane_out_flush(out);
	for (unsigned i = 0; i < LANE_COUNT; i++) {
		const uint64_t before = out->lane[i].released;

		lane_refresh(out, &out->lane[i]);
		if (out->lane[i].released != before || out->dead) {
			bell_disarm(out->bell);
			return;
		}
	}
	(void)bell_sleep(out->bell, ticket, timeout_ns);
}
