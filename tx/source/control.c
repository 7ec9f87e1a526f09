// SPDX-License-Identifier: ISC
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "clock.h"
#include "control.h"

int control_open(struct control *control, struct lanes *lanes, struct counts *counts,
		 uint32_t symbol_size, const uint8_t config_digest[32], uint8_t flags,
		 int port_fd, struct km_err *err)
{
	memset(control, 0, sizeof(*control));
	control->lanes = lanes;
	control->out = &lanes->out[0];
	control->counts = counts;
	control->symbol_size = symbol_size;
	control->flags = flags;
	control->port_fd = port_fd;
	memcpy(control->config_digest, config_digest, sizeof(control->config_digest));
	control->announce_due_ns = CLOCK_NEVER;
	control->heartbeat_due_ns = CLOCK_NEVER;
	control->symbol = malloc(symbol_size);
	if (!control->symbol)
		return km_err_set(err, EX_OSERR, "control channel: out of memory");
	return 0;
}

void control_close(struct control *control)
{
	free(control->symbol);
	control->symbol = NULL;
}

void control_session(struct control *control, const uint8_t *announce, size_t len,
		     uint64_t now_ns)
{
	memcpy(control->announce, announce, len);
	control->announce_len = len;
	control->announced = 0;
	control->announce_due_ns = now_ns;
	control->first_window = true;
	control->window = 0;
	control->heartbeat_due_ns = now_ns + CONTROL_HEARTBEAT_NS;
	control->told_accepted = 0;
	control->told_frames = 0;
	/* Windows of the former session have no meaning in this one. */
	control->again_count = 0;
	control->owed_count = 0;
}

bool control_ready(const struct control *control)
{
	return control->announced >= CONTROL_FIRST_ANNOUNCES;
}

unsigned control_add_channel(struct control *control, uint16_t channel)
{
	const unsigned place = control->heads_count;

	if (place < WIRE_CHANNELS_MAX) {
		control->heads[place].channel = channel;
		control->heads_count++;
	}
	return place;
}

void control_heads(struct control *control, unsigned place,
		   const struct record_heads *heads)
{
	if (place < control->heads_count)
		control->heads[place] = *heads;
}

unsigned control_add_live(struct control *control, uint16_t channel)
{
	const unsigned place = control->live_count;

	if (place < WIRE_CHANNELS_MAX) {
		control->live[place].channel = channel;
		control->live_count++;
	}
	return place;
}

void control_live(struct control *control, unsigned place, uint64_t messages,
		  uint64_t dropped)
{
	if (place < control->live_count) {
		control->live[place].messages = messages;
		control->live[place].dropped = dropped;
	}
}

/* Seal the symbol in wr as a window of its own. */
static enum km_rc symbol_send(struct control *control, const struct wr *wr)
{
	struct frame_header header = {
		.type = FRAME_SOURCE,
		.code = FRAME_CODE_NONE,
		.channel = WIRE_CHANNEL_CONTROL,
		.window = control->window,
		.depth = 1,
		.stream = FRAME_STREAM_DATA,
		.symbol_size = (uint16_t)control->symbol_size,
	};
	const enum km_rc rc =
		lane_out_seal(control->out, FRAME_CLASS_CONTROL, &header, wr->p, wr->used);

	if (rc == KM_OK)
		control->window++;
	return rc;
}

static uint64_t port_received(const struct control *control)
{
	char text[32];
	ssize_t n;

	if (control->port_fd < 0)
		return 0;
	n = pread(control->port_fd, text, sizeof(text) - 1, 0);
	if (n <= 0)
		return 0;
	text[n] = '\0';
	return strtoull(text, NULL, 10);
}

/* True when there are sealed frames which no heartbeat has told yet, its own not counted. */
static bool news(const struct control *control)
{
	return lanes_sealed(control->lanes) > control->told_accepted + control->told_frames;
}

static void heartbeat_fill(struct control *control, struct record_heartbeat *hb,
			   uint8_t flags)
{
	*hb = (struct record_heartbeat){
		.tx_time_ns = clock_real_ns(),
		.port_received = port_received(control),
		.flags = control->flags | flags,
		.lanes = control->lanes->count * LANE_COUNT,
	};
	control->counts->port_received = hb->port_received;
	if (hb->port_received > 0)
		hb->flags |= RECORD_HB_RETURN_SEEN;
	memcpy(hb->config_digest, control->config_digest, sizeof(hb->config_digest));
	for (unsigned i = 0; i < hb->lanes; i++) {
		const unsigned worker = i / LANE_COUNT, class = i % LANE_COUNT;

		hb->lane[i].lane = (uint16_t)(worker * WIRE_LANE_CLASSES + class);
		hb->lane[i].accepted = control->lanes->out[worker].lane[class].accepted;
	}
}

/* Heads and live records stand in one row of places: heads first. */
static enum km_rc place_put(const struct control *control, struct wr *wr, unsigned place)
{
	if (place < control->heads_count)
		return record_put_heads(wr, &control->heads[place]);
	return record_put_live(wr, &control->live[place - control->heads_count]);
}

enum km_rc control_heartbeat(struct control *control, uint8_t flags, uint64_t now_ns)
{
	const uint64_t before = control->out->lane[FRAME_CLASS_CONTROL].seq;
	struct record_heartbeat hb;
	unsigned place = 0;
	uint64_t accepted;
	struct wr wr;
	enum km_rc rc;

	/* All symbols of one heartbeat or none: a receiver sees heads and counts together. */
	if (lane_out_room(control->out, FRAME_CLASS_CONTROL) <
	    2 + (control->heads_count + control->live_count) * 64u / control->symbol_size)
		return control->out->dead ? KM_ERR_STATE : KM_ERR_FULL;
	lanes_refresh(control->lanes);
	accepted = lanes_accepted(control->lanes);
	heartbeat_fill(control, &hb, flags);
	wr_init(&wr, control->symbol, control->symbol_size);
	rc = record_put_heartbeat(&wr, &hb);
	while (rc == KM_OK && place < control->heads_count + control->live_count) {
		rc = place_put(control, &wr, place);
		if (rc == KM_OK) {
			place++;
		} else if (rc == KM_ERR_FULL) {
			rc = symbol_send(control, &wr);
			wr_init(&wr, control->symbol, control->symbol_size);
		}
	}
	if (rc == KM_OK)
		rc = symbol_send(control, &wr);
	if (rc != KM_OK)
		return rc;
	control->told_accepted = accepted;
	control->told_frames = control->out->lane[FRAME_CLASS_CONTROL].seq - before;
	control->heartbeat_due_ns = now_ns + CONTROL_HEARTBEAT_NS;
	control->counts->heartbeats++;
	return KM_OK;
}

static enum km_rc close_send(struct control *control, const struct record_close *record)
{
	struct wr wr;
	enum km_rc rc;

	wr_init(&wr, control->symbol, control->symbol_size);
	rc = record_put_close(&wr, record);
	return rc == KM_OK ? symbol_send(control, &wr) : rc;
}

static void again_push(struct control *control, const struct record_close *record,
		       uint64_t due_ns)
{
	unsigned at;

	if (control->again_count == CONTROL_CLOSES) {
		/* Far more windows in 100 ms than meant: this copy goes at once, or not at
		 * all when there is no room; the first copy and every repair frame also say
		 * what it says. */
		(void)!close_send(control, record);
		return;
	}
	at = (control->again_first + control->again_count++) % CONTROL_CLOSES;
	control->again[at] = (struct control_close){.record = *record, .due_ns = due_ns};
}

void control_closed(struct control *control, const struct record_close *record,
		    uint64_t now_ns)
{
	if (record->stream == FRAME_STREAM_DATA)
		control->first_window = false;
	if (control->owed_count > 0 || close_send(control, record) != KM_OK) {
		/* The block layer closes a window only after the former one's repairs left,
		 * so this cannot outgrow the number of channels and streams. */
		if (control->owed_count < CONTROL_CLOSES)
			control->owed[control->owed_count++] = *record;
	}
	again_push(control, record, now_ns + CONTROL_CLOSE_AGAIN_NS);
}

static bool full(enum km_rc rc)
{
	return rc == KM_ERR_FULL;
}

static enum km_rc owed_tick(struct control *control)
{
	enum km_rc rc = KM_OK;
	unsigned done = 0;

	while (done < control->owed_count && rc == KM_OK) {
		rc = close_send(control, &control->owed[done]);
		if (rc == KM_OK)
			done++;
	}
	control->owed_count -= done;
	memmove(control->owed, control->owed + done,
		control->owed_count * sizeof(control->owed[0]));
	return full(rc) ? KM_OK : rc;
}

/* Second copies that are due, as many as fit into one symbol. */
static enum km_rc again_tick(struct control *control, uint64_t now_ns)
{
	unsigned taken = 0;
	struct wr wr;
	enum km_rc rc;

	wr_init(&wr, control->symbol, control->symbol_size);
	while (taken < control->again_count) {
		const struct control_close *c =
			&control->again[(control->again_first + taken) % CONTROL_CLOSES];

		if (c->due_ns > now_ns || record_put_close(&wr, &c->record) != KM_OK)
			break;
		taken++;
	}
	if (taken == 0)
		return KM_OK;
	rc = symbol_send(control, &wr);
	if (rc == KM_OK) {
		control->again_first = (control->again_first + taken) % CONTROL_CLOSES;
		control->again_count -= taken;
	}
	return full(rc) ? KM_OK : rc;
}

bool control_flush(struct control *control, uint64_t now_ns)
{
	(void)now_ns;
	if (owed_tick(control) != KM_OK || again_tick(control, CLOCK_NEVER) != KM_OK)
		return true; /* a dead ring: control_tick() will say so */
	return control->owed_count == 0 && control->again_count == 0;
}

static bool announce_due(const struct control *control, uint64_t now_ns)
{
	if (now_ns >= control->announce_due_ns)
		return true;
	return control->first_window && control_ready(control) &&
	       lanes_data(control->lanes) - control->frames_then >= CONTROL_ANNOUNCE_FRAMES;
}

static enum km_rc announce_tick(struct control *control, uint64_t now_ns)
{
	enum km_rc rc;

	if (!announce_due(control, now_ns))
		return KM_OK;
	rc = lane_out_announce(control->out, control->announce, control->announce_len);
	if (rc != KM_OK)
		return full(rc) ? KM_OK : rc;
	control->counts->announces++;
	control->frames_then = lanes_data(control->lanes);
	if (control->announced < CONTROL_FIRST_ANNOUNCES)
		control->announced++;
	control->announce_due_ns = now_ns + (control_ready(control) ? CONTROL_ANNOUNCE_NS
								    : CONTROL_FIRST_GAP_NS);
	return KM_OK;
}

static enum km_rc heartbeat_tick(struct control *control, uint64_t now_ns)
{
	enum km_rc rc;

	if (!control_ready(control))
		return KM_OK;
	lanes_refresh(control->lanes);
	if (!lanes_drained(control->lanes))
		control->active_ns = now_ns;
	/* Due by time, or activity has ended and its last frames were not told yet. */
	if (now_ns < control->heartbeat_due_ns &&
	    !(news(control) && now_ns - control->active_ns >= CONTROL_QUIET_NS))
		return KM_OK;
	rc = control_heartbeat(control, 0, now_ns);
	return full(rc) ? KM_OK : rc;
}

enum km_rc control_tick(struct control *control, uint64_t now_ns)
{
	enum km_rc rc;

	if (control->announce_len == 0)
		return KM_OK;
	rc = owed_tick(control);
	if (rc == KM_OK)
		rc = announce_tick(control, now_ns);
	if (rc == KM_OK)
		rc = again_tick(control, now_ns);
	if (rc == KM_OK)
		rc = heartbeat_tick(control, now_ns);
	return lanes_dead(control->lanes) ? KM_ERR_STATE : rc;
}

uint64_t control_next(const struct control *control)
{
	uint64_t next = control->announce_due_ns;

	if (control->heartbeat_due_ns < next)
		next = control->heartbeat_due_ns;
	if (control->again_count > 0 && control->again[control->again_first].due_ns < next)
		next = control->again[control->again_first].due_ns;
	if (news(control) && control->active_ns + CONTROL_QUIET_NS < next)
		next = control->active_ns + CONTROL_QUIET_NS;
	return next;
}
