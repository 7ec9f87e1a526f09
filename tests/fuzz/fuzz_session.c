// SPDX-License-Identifier: ISC
/*
 * A stream of frames into the receiver's session machine: port, hold buffer, announces,
 * accounts, windows, repair, delivery. The input is a script of small steps over a few
 * good frames, which it may send in any order, break, cut, or have sealed anew with other
 * headers and payloads, so that what lies behind the authentication is reached too. The
 * rig checks every conserved sum after each step and aborts when one does not hold.
 */
#include <string.h>

#include "cursor.h"
#include "fuzz_target.h"
#include "rig.h"

#define POOL_SLOTS 24u
#define HOLD_BYTES 8192u
#define STEPS_MAX 400u

enum step {
	STEP_SEND,   /* u8 frame */
	STEP_BREAK,  /* u8 frame, u16 offset, u8 xor */
	STEP_CUT,    /* u8 frame, u16 length */
	STEP_SEAL,   /* header fields, u8 length, payload: authentic, maybe nonsense */
	STEP_RAW,    /* u8 length, bytes */
	STEP_TIME,   /* u8 x 20 ms */
	STEP_KEEPER, /* u8 verdict, 0 = honest; bit 7: deaf */
	STEP_ASLEEP, /* u8: publish does nothing for a while */
	STEP_RANGE,  /* u8 first, u8 count */
	STEP_FLOORS, /* u8 lane, u8 number, u8 far: what the keeper adds to its answers */
	STEP_SINK, /* u8 offset, u8 xor: in the page of the sink's ring; 0 xor: it reads all */
	STEP_KEYS, /* u8 n: of the next keys of lanes the nth is refused */
	STEP_ANSWER, /* u8 verdict, u8 sender, u16 floors, u8 identity: one nobody asked for */
	STEP_FLOOD, /* u8 symbols, u16 number: so many symbols of 16 live messages from it on */
	STEP_LINK, /* u8: 1 frames are expected in UDP, 2 with a tag */
	STEP_TRAIN, /* u8 frame, u8 count, u8 offset, u8 xor: in one datagram, whose head is changed */
	STEP_COUNT
};

#define SENDERS 3u

struct scene {
	struct rig *rig;
	struct rig_tx *tx[SENDERS];
	struct rig_frames good;
};

/* What does not depend on the input, made once: three senders and their good frames. */
static struct {
	struct rig_tx *tx[SENDERS];
	uint64_t seq[SENDERS][WIRE_LANES_MAX];
	uint32_t control_window[SENDERS];
	struct rig_frames good;
} made;

static void add_good(struct scene *sc)
{
	struct rig_window w = {
		.channel = RIG_CHANNEL,
		.depth = 2,
		.M = 4,
		.m = 3,
		.symbols = 7,
		.last_len = 90,
	};

	for (unsigned i = 0; i < SENDERS; i++)
		rig_tx_announce(sc->tx[i], &sc->good);
	rig_tx_window(sc->tx[0], &sc->good, &w);
	rig_tx_close(sc->tx[0], &sc->good, RIG_CHANNEL, 0, 0, 7, 6);
	w.number = 1;
	rig_tx_window(sc->tx[0], &sc->good, &w);
	w.stream = FRAME_STREAM_LEDGER;
	w.depth = 1;
	rig_tx_window(sc->tx[0], &sc->good, &w);
	rig_tx_heartbeat(sc->tx[0], &sc->good, 0);
	w = (struct rig_window){.channel = RIG_CHANNEL + 1, .depth = 1, .symbols = 3};
	rig_tx_window(sc->tx[1], &sc->good, &w);
	rig_tx_heartbeat(sc->tx[1], &sc->good, RECORD_HB_FAREWELL);
	rig_tx_heartbeat(sc->tx[2], &sc->good, 0);
}

/* Keys that decode asks for (linker option --wrap): at 1 the next one is refused. */
static unsigned keys_left;
static bool in_decode;
struct seal *__real_seal_new(const uint8_t key[SEAL_KEY_LEN]);
struct seal *__wrap_seal_new(const uint8_t key[SEAL_KEY_LEN]);

struct seal *__wrap_seal_new(const uint8_t key[SEAL_KEY_LEN])
{
	if (in_decode && keys_left > 0 && --keys_left == 0)
		return NULL;
	return __real_seal_new(key);
}

static void push(struct scene *sc, const uint8_t *p, size_t len)
{
	in_decode = true;
	rig_push(sc->rig, p, len);
	rig_turn(sc->rig, RIG_MS);
	in_decode = false;
}

/* What a hostile sink does to the ring; or an honest one that has caught up. */
static void sink(struct scene *sc, struct rd *rd)
{
	const uint8_t at = rd_u8(rd), xor = rd_u8(rd);
	uint64_t first;
	uint32_t n;

	if (xor)
		((uint8_t *)sc->rig->maps.sink)[at] ^= xor;
	else
		while (ring_peek(&sc->rig->sink, SINK_SLOTS, &first, &n) == KM_OK &&
		       ring_release(&sc->rig->sink, n) == KM_OK)
			;
}

static const struct rig_frame *pick(struct scene *sc, struct rd *rd)
{
	return &sc->good.v[rd_u8(rd) % sc->good.n];
}

static void broken(struct scene *sc, struct rd *rd)
{
	const struct rig_frame *f = pick(sc, rd);
	size_t at = rd_u16(rd) % f->len;
	uint8_t buf[2048];

	memcpy(buf, f->p, f->len);
	buf[at] ^= rd_u8(rd);
	push(sc, buf, f->len);
}

static void sealed(struct scene *sc, struct rd *rd)
{
	struct rig_tx *tx = sc->tx[rd_u8(rd) % SENDERS];
	struct rig_frames out = {0};
	struct frame_header h = {.version = WIRE_VERSION};
	uint8_t payload[256] = {0};
	size_t len;

	h.type = rd_u8(rd) % 2 ? FRAME_REPAIR : FRAME_SOURCE;
	h.lane = rd_u8(rd) % 64;
	h.channel = rd_u8(rd) % 16;
	h.stream = rd_u8(rd) % FRAME_STREAM_COUNT;
	h.window = rd_u8(rd);
	h.index = rd_u16(rd);
	h.depth = rd_u8(rd);
	h.M = (uint8_t)(rd_u8(rd) % 8);
	h.M = h.M ? (uint8_t)(1u << (h.M - 1)) : 0;
	h.k = rd_u8(rd);
	h.m = rd_u8(rd);
	h.symbol_size = (uint16_t)(256 + rd_u8(rd));
	tx->seq[h.lane] += rd_u16(rd); /* gaps, up to the window and beyond */
	len = rd_u8(rd);
	rd_copy(rd, payload, len);
	h.class = h.lane % WIRE_LANE_CLASSES;
	h.code = h.M ? FRAME_CODE_RS_LCH8 : FRAME_CODE_NONE;
	h.length = (uint16_t)(h.type == FRAME_REPAIR ? 256 : len);
	if (h.type == FRAME_REPAIR)
		h.symbol_size = 256;
	/* tx never sends what this refuses; broken headers are STEP_BREAK's */
	if (frame_header_check(&h) != KM_OK)
		return;
	rig_tx_frame(tx, &out, h, payload, h.length);
	push(sc, out.v[0].p, out.v[0].len);
	rig_frames_free(&out);
}

/* More than a sink that stands still has room for. */
static void flood(struct scene *sc, struct rd *rd)
{
	struct frame_header h = {.type = FRAME_SOURCE,
				 .lane = RIG_LANE_LIVE,
				 .channel = RIG_LIVE,
				 .depth = 1};
	const unsigned symbols = rd_u8(rd);
	uint64_t number = rd_u16(rd);

	for (unsigned i = 0; i < symbols; i++) {
		struct rig_frames out = {0};
		uint8_t payload[RIG_SYMBOL], *data;
		struct wr wr;
		size_t taken;

		wr_init(&wr, payload, sizeof(payload));
		for (unsigned k = 0; k < 16; k++) {
			const struct record_message m = {.number = ++number};

			FUZZ_ASSERT(record_put_message(&wr, &m, &data, &taken) == KM_OK);
		}
		h.window = i;
		rig_tx_frame(sc->tx[0], &out, h, payload, wr.used);
		push(sc, out.v[0].p, out.v[0].len);
		rig_frames_free(&out);
	}
}

static const struct carrier_udp path = {{{192, 0, 2, 1}, 4001}, {{198, 51, 100, 7}, 4002}};

/* What the configuration may ask for; it counts for what comes. */
static void expect(struct scene *sc, uint8_t how)
{
	struct rx_engine_plan *plan = &sc->rig->e.plan;

	plan->udp = how & 1;
	plan->path = path;
	plan->ethertype = how & 1 ? 0x0800 : WIRE_ETHERTYPE;
	plan->vlan = how & 2 ? 5 : 0;
}

static void train(struct scene *sc, struct rd *rd)
{
	uint8_t buf[2048] = {[12] = 0x08};
	const size_t first = rd_u8(rd);
	size_t count = rd_u8(rd), used = WIRE_ETHER_LEN + WIRE_CARRIER_UDP, at;

	for (; count > 0; count--) {
		const struct rig_frame *f = &sc->good.v[(first + count) % sc->good.n];
		const size_t len = frame_bytes(&f->h);

		if (sizeof(buf) - used < len)
			break;
		memcpy(buf + used, f->p + WIRE_ETHER_LEN, len);
		used += len;
	}
	carrier_udp_write(buf + WIRE_ETHER_LEN, &path,
			  used - WIRE_ETHER_LEN - WIRE_CARRIER_UDP, 1);
	at = rd_u8(rd) % used;
	buf[at] ^= rd_u8(rd);
	push(sc, buf, used < 60 ? 60 : used);
}

static void answer(struct scene *sc, struct rd *rd)
{
	struct ask_answer a = {.verdict = rd_u8(rd) % (ASK_TRUSTS + 2u)};
	const struct rig_tx *tx = sc->tx[rd_u8(rd) % SENDERS];
	uint64_t slot;

	a.session = tx->tag;
	a.floors = rd_u16(rd);
	if (rd_u8(rd) & 1) {
		memcpy(a.trusted[0], sc->rig->identity.pub.pk, 32);
		memcpy(a.identity, sc->rig->identity.pub.pk, 32);
		memcpy(a.transcript, tx->transcript, 32);
	}
	if (ring_reserve(&sc->rig->answers, 1, &slot) != KM_OK)
		return;
	memcpy(ring_slot(&sc->rig->answers, slot), &a, sizeof(a));
	FUZZ_ASSERT(ring_submit(&sc->rig->answers, 1) == KM_OK);
}

/* What the other roles and the configuration do. */
static void other_step(struct scene *sc, enum step what, struct rd *rd)
{
	size_t n;

	switch (what) {
	case STEP_KEEPER:
		n = rd_u8(rd);
		sc->rig->keeper_dead = (n & 0x80) != 0;
		sc->rig->verdict = (uint32_t)(n & 0x7f) % (ASK_STORE + 2u);
		break;
	case STEP_ASLEEP:
		sc->rig->publish_asleep = rd_u8(rd) & 1;
		break;
	case STEP_FLOORS:
		sc->rig->extra.floors = 1;
		sc->rig->extra.floor[0].lane = rd_u8(rd);
		sc->rig->extra.floor[0].seq = rd_u8(rd);
		sc->rig->extra.far = rd_u8(rd) & 1;
		break;
	case STEP_SINK:
		sink(sc, rd);
		break;
	case STEP_KEYS:
		keys_left = rd_u8(rd);
		break;
	case STEP_ANSWER:
		answer(sc, rd);
		break;
	default:
		expect(sc, rd_u8(rd));
		break;
	}
}

static void step(struct scene *sc, struct rd *rd)
{
	const enum step what = rd_u8(rd) % STEP_COUNT;
	const struct rig_frame *f;
	const uint8_t *p;
	size_t n;

	switch (what) {
	case STEP_SEND:
		f = pick(sc, rd);
		push(sc, f->p, f->len);
		break;
	case STEP_BREAK:
		broken(sc, rd);
		break;
	case STEP_CUT:
		f = pick(sc, rd);
		push(sc, f->p, rd_u16(rd) % f->len);
		break;
	case STEP_SEAL:
		sealed(sc, rd);
		break;
	case STEP_RAW:
		n = rd_u8(rd);
		p = rd_bytes(rd, n);
		if (p)
			push(sc, p, n);
		break;
	case STEP_TIME:
		rig_wait(sc->rig, rd_u8(rd) * 20 * RIG_MS);
		break;
	case STEP_RANGE:
		n = rd_u8(rd);
		for (size_t count = rd_u8(rd); count > 0; count--, n++)
			push(sc, sc->good.v[n % sc->good.n].p,
			     sc->good.v[n % sc->good.n].len);
		break;
	case STEP_FLOOD:
		flood(sc, rd);
		break;
	case STEP_TRAIN:
		train(sc, rd);
		break;
	default:
		other_step(sc, what, rd);
		break;
	}
}

/* The senders as they were when their good frames had been made. */
static void take_senders(struct scene *sc)
{
	if (!made.good.n) {
		for (unsigned i = 0; i < SENDERS; i++)
			sc->tx[i] = made.tx[i] = rig_tx_new(sc->rig, 100 + i);
		add_good(sc);
		made.good = sc->good;
		for (unsigned i = 0; i < SENDERS; i++) {
			memcpy(made.seq[i], sc->tx[i]->seq, sizeof(made.seq[i]));
			made.control_window[i] = sc->tx[i]->control_window;
		}
	}
	sc->good = made.good;
	for (unsigned i = 0; i < SENDERS; i++) {
		sc->tx[i] = made.tx[i];
		sc->tx[i]->rig = sc->rig;
		memcpy(sc->tx[i]->seq, made.seq[i], sizeof(made.seq[i]));
		sc->tx[i]->control_window = made.control_window[i];
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct scene sc = {.rig = rig_new(POOL_SLOTS, HOLD_BYTES)};
	struct rd rd;

	take_senders(&sc);
	keys_left = 0;
	rd_init(&rd, data, size);
	for (unsigned i = 0; i < STEPS_MAX && rd_left(&rd); i++) {
		step(&sc, &rd);
		rig_run(sc.rig, 0);
	}
	rx_sessions_gauges(&sc.rig->e.sessions);
	(void)live_next(&sc.rig->e.live);
	/* no question stays open: a session begun after the stop would not be stopped */
	sc.rig->keeper_dead = false;
	sc.rig->publish_asleep = false;
	while (asker_waiting(&sc.rig->e.asker))
		rig_wait(sc.rig, ASKER_AGAIN_NS);
	rx_engine_stop(&sc.rig->e, true);
	rig_run(sc.rig, 30 * RIG_MS);
	rig_run(sc.rig, 30 * RIG_MS);
	FUZZ_ASSERT(sc.rig->e.windows.pool.used == 1);
	rig_free(sc.rig);
	return 0;
}
