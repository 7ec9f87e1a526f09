// SPDX-License-Identifier: ISC
#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#include "lane_out.h"
#include "session.h"

/* The owner alone writes: no need to lock. */
static void add(_Atomic uint64_t *to, uint64_t n)
{
	atomic_store_explicit(to, atomic_load_explicit(to, memory_order_relaxed) + n,
			      memory_order_relaxed);
}

static int open_lane(struct lane_out *out, const struct lane_out_memory *memory,
		     unsigned class, struct km_err *err)
{
	const unsigned place = lane_ring(out->worker, class);
	const size_t bytes = lane_ring_bytes(&out->plan);
	struct lane_bells *bells = lane_index_bells(memory->index, &out->plan);
	struct lane_out_lane *lane = &out->lane[class];
	enum km_rc rc;
	int64_t room;

	rc = ring_attach_split(&lane->ring, lane_index_page(memory->index, place),
			       LANE_PAGE, (uint8_t *)memory->slots + place * bytes, bytes,
			       out->plan.stride, out->plan.slots, RING_PRODUCER);
	if (rc != KM_OK)
		return km_err_set(err, EX_SOFTWARE, "lane ring %u refused: %s", place,
				  km_rc_name(rc));
	ring_set_bells(&lane->ring, &bells->sender.bell, out->bell);
	lane->counted = calloc(out->plan.slots, 1);
	if (!lane->counted)
		return km_err_set(err, EX_OSERR, "lane ring %u: out of memory", place);
	/* Frames of a source before us may still be leaving: never counted. */
	room = ring_ready(&lane->ring);
	if (room < 0)
		return km_err_set(err, EX_SOFTWARE, "lane ring %u: impossible indices",
				  place);
	lane->submitted = out->plan.slots - (uint64_t)room;
	return 0;
}

int lane_out_open(struct lane_out *out, const struct lane_plan *plan, unsigned worker,
		  const struct lane_out_memory *memory, const uint8_t *ether,
		  uint32_t ether_len, struct km_err *err)
{
	memset(out, 0, sizeof(*out));
	if (plan->workers < 1 || plan->workers > LANE_WORKERS_MAX ||
	    worker >= plan->workers || memory->index_len < lane_index_bytes(plan) ||
	    memory->slots_len < lane_slots_bytes(plan) || ether_len > sizeof(out->ether))
		return km_err_set(
			err, EX_SOFTWARE,
			"lane rings: mapping smaller than the plan of %u workers, %u slots "
			"of %u bytes",
			plan->workers, plan->slots, plan->stride);
	out->plan = *plan;
	out->worker = worker;
	out->ether_len = ether_len;
	memcpy(out->ether, ether, ether_len);
	out->bell = &lane_index_bells(memory->index, plan)->worker[worker].bell;
	for (unsigned i = 0; i < LANE_COUNT; i++)
		if (open_lane(out, memory, i, err) != 0)
			return -1;
	return 0;
}

/* The number of a lane on the wire. */
static uint16_t number_of(const struct lane_out *out, unsigned class)
{
	return (uint16_t)(out->worker * WIRE_LANE_CLASSES + class);
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

		seal_lane_key(key, secret, transcript, number_of(out, i));
		seal_free(lane->seal);
		lane->seal = seal_new(key);
		sodium_memzero(key, sizeof(key));
		if (!lane->seal)
			return km_err_set(err, EX_OSERR, "lane %u: libcrypto refuses a key",
					  number_of(out, i));
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
	for (; lane->released < released; add(&lane->released, 1))
		add(&lane->accepted, lane->counted[lane->released & (out->plan.slots - 1)]);
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
	add(&l->submitted, 1);
	l->pending++;
	add(&l->bytes, out->ether_len + frame_len);
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
	header->lane = number_of(out, lane);
	header->seq = l->seq;
	header->length = (uint16_t)len;
	header->link_id = 0;
	frame_header_encode(frame, header);
	rc = seal_frame(l->seal, frame, l->seq, plain, len, frame + WIRE_HEADER_LEN);
	/* Used or not, this sequence never comes again. */
	add(&l->seq, 1);
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
