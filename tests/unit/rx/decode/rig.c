// SPDX-License-Identifier: ISC
#include "rig.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "cursor.h"
#include "fec.h"
#include "rig_memory.h"
#include "session.h"

#define MUST(cond)                                                                         \
	do {                                                                               \
		if (!(cond)) {                                                             \
			fprintf(stderr, "rig: %s:%d: %s\n", __FILE__, __LINE__, #cond);    \
			abort();                                                           \
		}                                                                          \
	} while (0)

/* ---- keeper and publish ------------------------------------------------------------ */

static void keep(struct rig *rig)
{
	uint64_t at, to;
	uint32_t n;

	while (!rig->keeper_dead && ring_peek(&rig->questions, 1, &at, &n) == KM_OK) {
		const struct ask *q = ring_slot(&rig->questions, at);
		struct ask_answer answer = rig->extra;
		struct announce a;

		if (q->type == ASK_FLOORS) {
			rig->floors = *q;
			MUST(ring_release(&rig->questions, 1) == KM_OK);
			continue;
		}
		rig->asked++;
		answer.session = q->session;
		answer.verdict = rig->verdict;
		if (!rig->verdict) {
			enum km_rc rc = session_announce_check(&a, q->announce, q->len,
							       &rig->identity.pub, 1);

			if (rc == KM_OK)
				rc = session_announce_open(answer.secret, &a, q->announce,
							   q->len, &rig->receiver);
			answer.verdict = rc == KM_OK ? ASK_ACCEPTED : ASK_SIGNATURE;
			answer.epoch = a.epoch;
			memcpy(answer.identity, a.identity, 32);
			session_transcript(answer.transcript, q->announce, q->len);
		}
		MUST(ring_release(&rig->questions, 1) == KM_OK);
		MUST(ring_reserve(&rig->answers, 1, &to) == KM_OK);
		memcpy(ring_slot(&rig->answers, to), &answer, sizeof(answer));
		MUST(ring_submit(&rig->answers, 1) == KM_OK);
	}
}

static bool drain(void *ctx)
{
	struct rig *rig = ctx;
	uint64_t at;
	uint32_t n;

	while (ring_peek(&rig->publish, 1, &at, &n) == KM_OK) {
		struct rig_msg *m;

		if (rig->msgs_n == rig->msgs_cap) {
			rig->msgs_cap = rig->msgs_cap ? rig->msgs_cap * 2 : 1024;
			rig->msgs = realloc(rig->msgs, rig->msgs_cap * sizeof(*rig->msgs));
			MUST(rig->msgs);
		}
		m = &rig->msgs[rig->msgs_n++];
		memcpy(&m->msg, ring_slot(&rig->publish, at), sizeof(m->msg));
		m->bytes = NULL;
		if (m->msg.len) {
			MUST(m->msg.pos + m->msg.len <= segment_bytes(&rig->plan.segment));
			m->bytes = malloc(m->msg.len);
			MUST(m->bytes);
			memcpy(m->bytes, rig->maps.segment + m->msg.pos, m->msg.len);
		}
		MUST(ring_release(&rig->publish, 1) == KM_OK);
	}
	return true;
}

void rig_forget(struct rig *rig)
{
	for (size_t i = 0; i < rig->msgs_n; i++)
		free(rig->msgs[i].bytes);
	rig->msgs_n = 0;
}

/* ---- life -------------------------------------------------------------------------- */

static void rig_rings(struct rig *rig)
{
	size_t pump = intake_pump_bytes(&rig->plan.intake);

	rig->maps.segment = rig_memory_take(segment_bytes(&rig->plan.segment));
	rig->maps.deliver = rig_memory_take(deliver_bytes());
	rig->maps.ask = rig_memory_take(ask_bytes());
	rig->maps.pump = rig_memory_take(pump);
	MUST(ring_format(rig->maps.pump, pump, intake_pump_slot(&rig->plan.intake),
			 INTAKE_PUMP_SLOTS) == KM_OK);
	MUST(ring_format(rig->maps.deliver, deliver_ring_bytes(), DELIVER_MSG_LEN,
			 DELIVER_RING_SLOTS) == KM_OK);
	MUST(ring_format(ask_questions(rig->maps.ask), ask_questions_bytes(),
			 sizeof(struct ask), ASK_SLOTS) == KM_OK);
	MUST(ring_format(ask_answers(rig->maps.ask), ask_answers_bytes(),
			 sizeof(struct ask_answer), ASK_SLOTS) == KM_OK);
	MUST(ring_attach(&rig->pump, rig->maps.pump, pump,
			 intake_pump_slot(&rig->plan.intake), INTAKE_PUMP_SLOTS,
			 RING_PRODUCER) == KM_OK);
	MUST(ring_attach(&rig->publish, rig->maps.deliver, deliver_ring_bytes(),
			 DELIVER_MSG_LEN, DELIVER_RING_SLOTS, RING_CONSUMER) == KM_OK);
	MUST(ring_attach(&rig->questions, ask_questions(rig->maps.ask),
			 ask_questions_bytes(), sizeof(struct ask), ASK_SLOTS,
			 RING_CONSUMER) == KM_OK);
	MUST(ring_attach(&rig->answers, ask_answers(rig->maps.ask), ask_answers_bytes(),
			 sizeof(struct ask_answer), ASK_SLOTS, RING_PRODUCER) == KM_OK);
	rig->maps.sink = rig_memory_take(sink_bytes());
	MUST(ring_format(rig->maps.sink, sink_bytes(), SINK_SLOT, SINK_SLOTS) == KM_OK);
	MUST(ring_attach(&rig->sink, rig->maps.sink, sink_bytes(), SINK_SLOT, SINK_SLOTS,
			 RING_CONSUMER) == KM_OK);
}

struct rig *rig_new(unsigned slots, uint64_t hold_bytes)
{
	static const uint8_t seed[32] = {1, 2, 3};
	static const uint8_t box[32] = {9, 8, 7};
	struct rig *rig = calloc(1, sizeof(*rig));
	struct km_err err = KM_ERR_INIT;

	MUST(rig);
	MUST(keys_init(&err) == 0);
	keys_sign_from_seed(&rig->identity, seed, seed);
	keys_box_from_secret(&rig->receiver, box);
	rig->now_ns = UINT64_C(1000000000);
	rig->plan = (struct rx_engine_plan){
		.ethertype = WIRE_ETHERTYPE,
		.channels = 3,
		.channel = {RIG_CHANNEL, RIG_CHANNEL + 1, RIG_LIVE},
		.live = 1,
		.live_hold_ns = {RIG_LIVE_HOLD_NS},
		.hold_bytes = hold_bytes,
		.silent_ns = UINT64_C(5000000000),
		.segment = {.slots = slots, .stride = RIG_SYMBOL + 64},
		.intake = {.form = INTAKE_PUMP, .frame_max = 2048},
	};
	rig_rings(rig);
	if (rx_engine_init(&rig->e, &rig->plan, &rig->maps, drain, rig, rig->now_ns,
			   &err)) {
		fprintf(stderr, "rig: %s\n", err.text);
		abort();
	}
	rx_engine_begin(&rig->e);
	return rig;
}

/* Bytes of a ring that its producer, whose index is his own, may have written. */
static size_t written(const struct ring *producer)
{
	const uint64_t n =
		producer->ahead < producer->count ? producer->ahead : producer->count;

	return RING_SLOTS_OFFSET + (size_t)n * producer->slot_size;
}

void rig_free(struct rig *rig)
{
	const size_t deliver = written(&rig->e.delivery.ring);
	const size_t sink = written(&rig->e.live.sink), pump = written(&rig->pump);
	const size_t segment = segment_bytes(&rig->plan.segment);

	rig_forget(rig);
	free(rig->msgs);
	rx_engine_free(&rig->e);
	rig_memory_give_used(rig->maps.segment, segment, segment);
	rig_memory_give_used(rig->maps.deliver, deliver_bytes(), deliver);
	rig_memory_give(rig->maps.ask, ask_bytes());
	rig_memory_give_used(rig->maps.sink, sink_bytes(), sink);
	rig_memory_give_used(rig->maps.pump, intake_pump_bytes(&rig->plan.intake), pump);
	free(rig);
}

void rig_turn(struct rig *rig, uint64_t ns)
{
	unsigned asked;

	rig->now_ns += ns;
	do {
		asked = rig->asked;
		while (rx_engine_step(&rig->e, rig->now_ns))
			;
		keep(rig);
		if (!rig->publish_asleep)
			drain(rig);
	} while (rig->asked != asked);
}

void rig_run(struct rig *rig, uint64_t ns)
{
	rig_turn(rig, ns);
	MUST(rx_engine_check(&rig->e));
}

void rig_wait(struct rig *rig, uint64_t ns)
{
	for (uint64_t t = 0; t < ns; t += 20 * RIG_MS)
		rig_turn(rig, 20 * RIG_MS);
	MUST(rx_engine_check(&rig->e));
}

void rig_push(struct rig *rig, const uint8_t *frame, size_t len)
{
	struct intake_frame *slot;
	uint64_t at;

	while (ring_reserve(&rig->pump, 1, &at) != KM_OK)
		rig_run(rig, 0);
	MUST(len <= rig->plan.intake.frame_max);
	slot = ring_slot(&rig->pump, at);
	memset(slot, 0, sizeof(*slot));
	slot->len = (uint32_t)len;
	slot->wire_len = (uint32_t)len;
	memcpy(slot->bytes, frame, len);
	MUST(ring_submit(&rig->pump, 1) == KM_OK);
}

uint64_t rig_count(const struct rig *rig, enum decode_count row)
{
	return rig->e.counts.v[row];
}

size_t rig_messages(const struct rig *rig, enum deliver_type type)
{
	size_t n = 0;

	for (size_t i = 0; i < rig->msgs_n; i++)
		n += rig->msgs[i].msg.type == type;
	return n;
}

const struct rig_msg *rig_find(const struct rig *rig, enum deliver_type type, size_t nth)
{
	for (size_t i = 0; i < rig->msgs_n; i++)
		if (rig->msgs[i].msg.type == type && nth-- == 0)
			return &rig->msgs[i];
	return NULL;
}

/* ---- the sending side -------------------------------------------------------------- */

static struct rig_frame *frame_add(struct rig_frames *f, size_t len)
{
	struct rig_frame *at;

	if (f->n == f->cap) {
		f->cap = f->cap ? f->cap * 2 : 64;
		f->v = realloc(f->v, f->cap * sizeof(*f->v));
		MUST(f->v);
	}
	at = &f->v[f->n++];
	memset(at, 0, sizeof(*at));
	at->p = calloc(1, len);
	MUST(at->p);
	at->len = len;
	at->p[0] = 3; /* group address */
	at->p[12] = WIRE_ETHERTYPE >> 8;
	at->p[13] = WIRE_ETHERTYPE & 0xff;
	return at;
}

void rig_frames_free(struct rig_frames *f)
{
	for (size_t i = 0; i < f->n; i++)
		free(f->v[i].p);
	free(f->v);
	memset(f, 0, sizeof(*f));
}

struct rig_tx *rig_tx_new(struct rig *rig, uint64_t epoch)
{
	struct session_facts facts = {
		.environment = 1, .epoch = epoch, .created_ns = epoch};
	struct session_draw draw = {{0}, {0}, {0}};
	struct rig_tx *tx = calloc(1, sizeof(*tx));

	MUST(tx);
	tx->rig = rig;
	for (unsigned i = 0; i < 32; i++) {
		draw.secret[i] = (uint8_t)(i * 3 + epoch);
		draw.ephemeral_secret[i] = (uint8_t)(i * 5 + epoch + 1);
		draw.session_id[i % 16] = (uint8_t)(i + epoch);
	}
	MUST(session_announce_make_from(tx->announce, &tx->announce_len, &draw, &facts,
					&rig->identity, &rig->receiver.pub, 1) == KM_OK);
	memcpy(tx->secret, draw.secret, 32);
	session_transcript(tx->transcript, tx->announce, tx->announce_len);
	tx->tag = session_tag(tx->transcript);
	return tx;
}

void rig_tx_free(struct rig_tx *tx)
{
	for (unsigned i = 0; i < WIRE_LANES_MAX; i++)
		seal_free(tx->lane[i]);
	free(tx);
}

void rig_tx_announce(struct rig_tx *tx, struct rig_frames *out)
{
	struct rig_frame *f =
		frame_add(out, WIRE_ETHER_LEN + WIRE_HEADER_LEN + tx->announce_len);

	f->h.version = WIRE_VERSION;
	f->h.type = FRAME_ANNOUNCE;
	f->h.length = (uint16_t)tx->announce_len;
	frame_header_encode(f->p + WIRE_ETHER_LEN, &f->h);
	memcpy(f->p + WIRE_ETHER_LEN + WIRE_HEADER_LEN, tx->announce, tx->announce_len);
}

void rig_tx_frame(struct rig_tx *tx, struct rig_frames *out, struct frame_header h,
		  const uint8_t *payload, size_t len)
{
	size_t bytes = WIRE_ETHER_LEN + WIRE_HEADER_LEN + len + WIRE_TAG_LEN;
	struct rig_frame *f = frame_add(out, bytes < 60 ? 60 : bytes);
	uint8_t *p = f->p + WIRE_ETHER_LEN;
	uint8_t key[SEAL_KEY_LEN];

	if (!tx->lane[h.lane]) {
		seal_lane_key(key, tx->secret, tx->transcript, h.lane);
		tx->lane[h.lane] = seal_new(key);
		MUST(tx->lane[h.lane]);
	}
	h.version = WIRE_VERSION;
	h.class = h.lane % WIRE_LANE_CLASSES;
	h.code = h.M ? FRAME_CODE_RS_LCH8 : FRAME_CODE_NONE;
	h.session_tag = tx->tag;
	h.seq = tx->seq[h.lane]++;
	h.length = (uint16_t)len;
	if (h.symbol_size == 0)
		h.symbol_size = RIG_SYMBOL;
	f->h = h;
	frame_header_encode(p, &h);
	MUST(seal_frame(tx->lane[h.lane], p, h.seq, payload, len, p + WIRE_HEADER_LEN) ==
	     KM_OK);
}

void rig_tx_control(struct rig_tx *tx, struct rig_frames *out, const uint8_t *payload,
		    size_t len)
{
	struct frame_header h = {
		.type = FRAME_SOURCE,
		.lane = RIG_LANE_CONTROL,
		.window = tx->control_window++,
		.depth = 1,
	};

	rig_tx_frame(tx, out, h, payload, len);
}

void rig_tx_heartbeat(struct rig_tx *tx, struct rig_frames *out, uint8_t flags)
{
	struct record_heartbeat hb = {.tx_time_ns = tx->rig->now_ns, .flags = flags};
	uint8_t buf[RIG_SYMBOL];
	struct wr wr;

	for (unsigned i = 0; i < WIRE_LANES_MAX; i++) {
		if (tx->seq[i] == 0)
			continue;
		hb.lane[hb.lanes].lane = (uint16_t)i;
		hb.lane[hb.lanes++].accepted = tx->seq[i];
	}
	wr_init(&wr, buf, sizeof(buf));
	MUST(record_put_heartbeat(&wr, &hb) == KM_OK);
	rig_tx_control(tx, out, buf, wr.used);
}

void rig_tx_close(struct rig_tx *tx, struct rig_frames *out, uint16_t channel,
		  uint8_t stream, uint32_t window, uint32_t symbols, uint16_t repairs)
{
	struct record_close c = {
		.channel = channel,
		.stream = stream,
		.window = window,
		.symbols = symbols,
		.repairs = repairs,
	};
	uint8_t buf[64];
	struct wr wr;

	wr_init(&wr, buf, sizeof(buf));
	MUST(record_put_close(&wr, &c) == KM_OK);
	rig_tx_control(tx, out, buf, wr.used);
}

size_t rig_fragment(uint8_t *out, uint32_t number, uint32_t t, size_t symbol_len)
{
	size_t len = symbol_len - 24; /* room for any record head */
	uint64_t state = ((uint64_t)number << 32 | t) + 1;

	for (size_t i = 0; i < len; i++)
		out[i] = (uint8_t)rig_random(&state);
	return len;
}

/* One record in OUT of RIG_SYMBOL bytes (zero behind it); returns the bytes used. */
static size_t make_symbol(uint8_t *out, const struct rig_window *w, uint32_t t, size_t len)
{
	uint8_t data[RIG_SYMBOL], *to;
	size_t n = rig_fragment(data, w->number, t, len), taken;
	uint64_t offset = (uint64_t)t * 65536;
	struct wr wr;

	memset(out, 0, RIG_SYMBOL);
	wr_init(&wr, out, len);
	if (w->stream == FRAME_STREAM_LEDGER)
		MUST(record_put_manifest(&wr, 1, w->number + 1, WIRE_MANIFEST_MAX,
					 (uint64_t)t * 600, n, &to, &taken) == KM_OK);
	else
		MUST(record_put_fragment(&wr, 1, w->number + 1, offset, n, &to, &taken) ==
		     KM_OK);
	MUST(taken == n);
	memcpy(to, data, n);
	return wr.used;
}

static void window_repairs(struct rig_tx *tx, struct rig_frames *out,
			   const struct rig_window *w, struct frame_header h,
			   const uint8_t *symbols)
{
	uint8_t *rows = malloc((size_t)FEC_ROWS_MAX * RIG_SYMBOL);
	uint8_t *scratch = malloc(FEC_SCRATCH_MAX);
	uint8_t *all = malloc((size_t)w->depth * w->m * RIG_SYMBOL);

	MUST(rows && scratch && all);
	for (unsigned b = 0; b < w->depth && b < w->symbols; b++) {
		unsigned k = (w->symbols - b + w->depth - 1) / w->depth;
		struct fec_geometry geo = {.k = k, .m = w->m, .M = w->M};
		const uint8_t *src[FEC_POSITIONS];
		uint8_t *rep[FEC_ROWS_MAX];

		for (unsigned i = 0; i < k; i++)
			src[i] = symbols + ((size_t)i * w->depth + b) * RIG_SYMBOL;
		for (unsigned i = 0; i < w->m; i++)
			rep[i] = all + ((size_t)i * w->depth + b) * RIG_SYMBOL;
		MUST(fec_encode_block(&geo, RIG_SYMBOL, src, rep, scratch,
				      FEC_SCRATCH_MAX) == FEC_OK);
	}
	h.type = FRAME_REPAIR;
	h.m = (uint8_t)w->m;
	for (unsigned r = 0; r < w->m * w->depth; r++) {
		unsigned b = r % w->depth;

		if (b >= w->symbols)
			continue;
		h.index = (uint16_t)r;
		h.k = (uint8_t)((w->symbols - b + w->depth - 1) / w->depth);
		rig_tx_frame(tx, out, h, all + (size_t)r * RIG_SYMBOL, RIG_SYMBOL);
	}
	free(rows);
	free(scratch);
	free(all);
}

void rig_tx_window(struct rig_tx *tx, struct rig_frames *out, const struct rig_window *w)
{
	uint8_t *symbols = malloc((size_t)w->symbols * RIG_SYMBOL);
	struct frame_header h = {
		.type = FRAME_SOURCE,
		.lane = w->lane ? w->lane : RIG_LANE_DATA,
		.channel = w->channel,
		.window = w->number,
		.depth = (uint16_t)w->depth,
		.M = (uint8_t)w->M,
		.stream = w->stream,
	};

	MUST(symbols);
	for (uint32_t t = 0; t < w->symbols; t++) {
		uint8_t *p = symbols + (size_t)t * RIG_SYMBOL;
		bool last = t + 1 == w->symbols && w->last_len;
		size_t used = make_symbol(p, w, t, last ? w->last_len : RIG_SYMBOL);

		h.index = (uint16_t)t;
		rig_tx_frame(tx, out, h, p, last ? used : RIG_SYMBOL);
	}
	if (w->M && w->m)
		window_repairs(tx, out, w, h, symbols);
	free(symbols);
}

uint32_t rig_arrived(const struct rig *rig, const struct rig_window *w, bool *have)
{
	enum deliver_type type =
		w->stream == FRAME_STREAM_LEDGER ? DELIVER_MANIFEST : DELIVER_FRAGMENT;
	uint64_t step = w->stream == FRAME_STREAM_LEDGER ? 600 : 65536;
	uint32_t n = 0;

	memset(have, 0, w->symbols * sizeof(*have));
	for (size_t i = 0; i < rig->msgs_n; i++) {
		const struct deliver_msg *m = &rig->msgs[i].msg;
		uint8_t want[RIG_SYMBOL];
		uint32_t t = (uint32_t)(m->offset / step);
		bool last = t + 1 == w->symbols && w->last_len;
		size_t len;

		if (m->type != type || m->number != w->number + 1 ||
		    m->channel != w->channel || m->stream != w->stream)
			continue;
		MUST(t < w->symbols && m->offset % step == 0 && m->chain == 1);
		len = rig_fragment(want, w->number, t, last ? w->last_len : RIG_SYMBOL);
		MUST(m->len == len && memcmp(rig->msgs[i].bytes, want, len) == 0);
		MUST(!have[t]);
		have[t] = true;
		n++;
	}
	return n;
}

uint64_t rig_seed(void)
{
	const char *given = getenv("KM_SEED");
	uint64_t seed = given ? strtoull(given, NULL, 0) : clock_real_ns();

	fprintf(stderr, "KM_SEED=%llu\n", (unsigned long long)seed);
	return seed;
}

/* splitmix64 */
uint64_t rig_random(uint64_t *state)
{
	uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
	return z ^ z >> 31;
}
