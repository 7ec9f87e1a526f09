// SPDX-License-Identifier: ISC
/*
 * Questions of a hostile decode to the keeper (rx/wall/ask.h). Announces are made for the
 * keeper's key, signed by a key that it trusts, by one that it does not, or for somebody else,
 * with the epoch and environment that the input asks for, and then broken if it says so; so
 * what lies behind the signature is reached. Whatever is answered, no secret leaves with a
 * refusal, and an epoch that was accepted is accepted again only as the same session.
 */
#include <sodium.h>
#include <string.h>

#include "ask.h"
#include "clock.h"
#include "cursor.h"
#include "fuzz_alloc.h"
#include "fuzz_dir.h"
#include "fuzz_target.h"
#include "keeper_talk.h"
#include "session.h"

#define STEPS_MAX 64u
#define ENVIRONMENT 3u

enum step {
	STEP_ANNOUNCE, /* u8 how, u8 epoch, u16 offset, u8 xor, u8 length */
	STEP_FLOORS,   /* u8 session, u8 lanes, then u16 lane, u64 number each */
	STEP_RAW,      /* u32 type, u32 length, u32 session, u32 lanes, u8 n, bytes */
	STEP_PAGE,     /* u8 offset, u8 xor: the page of indices of the questions */
	STEP_STORE,    /* floors go to disk, and come back */
	STEP_ALLOW,    /* u8 n, text: the operator's file */
	STEP_COUNT
};

enum how {
	HOW_UNTRUSTED = 1,
	HOW_OTHER_RECEIVER = 2,
	HOW_ENVIRONMENT = 4,
	HOW_FAR = 8,	/* the epoch is in another year */
	HOW_BROKEN = 16 /* offset and xor, length */
};

static struct keys_sign_secret trusted, stranger;
static struct keys_box_secret receiver, other;
static uint8_t *memory;

struct scene {
	struct keeper_talk k;
	struct ring questions, answers;
	uint32_t session[4];
	unsigned sessions;
};

static void open_once(void)
{
	static const uint8_t seed[32] = {1, 2, 3}, seed2[32] = {4, 5, 6};
	static const uint8_t box[32] = {9, 8, 7}, box2[32] = {7, 8, 9};

	if (memory)
		return;
	fuzz_dir_hush();
	FUZZ_ASSERT(keys_init(NULL) == 0);
	keys_sign_from_seed(&trusted, seed, seed);
	keys_sign_from_seed(&stranger, seed2, seed2);
	keys_box_from_secret(&receiver, box);
	keys_box_from_secret(&other, box2);
	memory = aligned_alloc(4096, ask_bytes());
	FUZZ_ASSERT(memory);
}

static void attach(struct scene *sc)
{
	FUZZ_ASSERT(ring_attach(&sc->questions, ask_questions(memory),
				ask_questions_bytes(), sizeof(struct ask), ASK_SLOTS,
				RING_PRODUCER) == KM_OK);
	FUZZ_ASSERT(ring_attach(&sc->k.questions, ask_questions(memory),
				ask_questions_bytes(), sizeof(struct ask), ASK_SLOTS,
				RING_CONSUMER) == KM_OK);
	FUZZ_ASSERT(ring_attach(&sc->answers, ask_answers(memory), ask_answers_bytes(),
				sizeof(struct ask_answer), ASK_SLOTS,
				RING_CONSUMER) == KM_OK);
	FUZZ_ASSERT(ring_attach(&sc->k.answers, ask_answers(memory), ask_answers_bytes(),
				sizeof(struct ask_answer), ASK_SLOTS,
				RING_PRODUCER) == KM_OK);
}

static void check_answer(struct scene *sc)
{
	static const uint8_t zero[32];
	struct ask_answer answer;
	uint64_t first;
	uint32_t n;

	if (ring_peek(&sc->answers, 1, &first, &n) != KM_OK)
		return;
	memcpy(&answer, ring_slot(&sc->answers, first), sizeof(answer));
	FUZZ_ASSERT(ring_release(&sc->answers, 1) == KM_OK);
	FUZZ_ASSERT(answer.verdict <= ASK_STORE);
	FUZZ_ASSERT(answer.floors <= WIRE_LANES_MAX);
	if (answer.verdict != ASK_ACCEPTED) {
		FUZZ_ASSERT(memcmp(answer.secret, zero, sizeof(zero)) == 0);
		return;
	}
	FUZZ_ASSERT(memcmp(answer.identity, trusted.pub.pk, 32) == 0);
	FUZZ_ASSERT(answer.epoch != 0);
	sc->session[sc->sessions++ % 4] = answer.session;
}

/* False: decode would be ended. */
static bool ask(struct scene *sc, const struct ask *question)
{
	uint64_t slot;
	int rc;

	if (ring_reserve(&sc->questions, 1, &slot) != KM_OK)
		return false;
	memcpy(ring_slot(&sc->questions, slot), question, sizeof(*question));
	FUZZ_ASSERT(ring_submit(&sc->questions, 1) == KM_OK);
	rc = keeper_talk_question(&sc->k);
	check_answer(sc);
	return rc == 0;
}

static bool announce(struct scene *sc, struct rd *rd)
{
	const uint8_t how = rd_u8(rd), number = rd_u8(rd);
	const size_t at = rd_u16(rd);
	const uint8_t xor = rd_u8(rd), cut = rd_u8(rd);
	const struct session_draw draw = {{number}, {number, how}, {5, number}};
	const struct session_facts facts = {
		.environment = how & HOW_ENVIRONMENT ? ENVIRONMENT + 1 : ENVIRONMENT,
		.epoch = how & HOW_FAR ? number
				       : clock_real_ns() / CLOCK_NS_PER_SEC + number - 128,
	};
	struct ask q = {.type = ASK_ANNOUNCE};
	enum km_rc rc;
	size_t len;

	rc = session_announce_make_from(
		q.announce, &len, &draw, &facts, how & HOW_UNTRUSTED ? &stranger : &trusted,
		how & HOW_OTHER_RECEIVER ? &other.pub : &receiver.pub, 1);
	FUZZ_ASSERT(rc == KM_OK || rc == KM_ERR_NOMEM);
	if (rc != KM_OK)
		return true;
	q.len = (uint32_t)len;
	if (how & HOW_BROKEN) {
		q.announce[at % len] ^= xor;
		q.len -= cut % 4;
	}
	return ask(sc, &q);
}

static bool floors(struct scene *sc, struct rd *rd)
{
	struct ask q = {.type = ASK_FLOORS, .session = sc->session[rd_u8(rd) % 4]};

	q.lanes = rd_u8(rd);
	for (uint32_t i = 0; i < q.lanes && i < WIRE_LANES_MAX; i++) {
		q.floor[i].lane = rd_u16(rd);
		q.floor[i].seq = rd_u64(rd);
	}
	return ask(sc, &q);
}

static bool raw(struct scene *sc, struct rd *rd)
{
	struct ask q = {.type = rd_u32(rd)};
	size_t n;

	q.len = rd_u32(rd);
	q.session = rd_u32(rd);
	q.lanes = rd_u32(rd);
	n = rd_u8(rd);
	rd_copy(rd, q.announce, n < rd_left(rd) ? n : rd_left(rd));
	return ask(sc, &q);
}

static void store(struct scene *sc)
{
	struct km_err err = KM_ERR_INIT;
	struct floors again;

	if (!keeper_talk_store(&sc->k))
		return;
	if (floors_load(&again, sc->k.dirfd, &err) == 0)
		FUZZ_ASSERT(memcmp(&again, &sc->k.floors, sizeof(again)) == 0);
}

static void allow(struct rd *rd)
{
	char name[16 + KEYS_FINGERPRINT_MAX] = "accept-";
	size_t n = rd_u8(rd);

	n = n < rd_left(rd) ? n : rd_left(rd);
	keys_fingerprint(name + strlen(name), trusted.pub.pk);
	fuzz_dir_put(name, rd_bytes(rd, n), n);
}

static bool step(struct scene *sc, struct rd *rd)
{
	uint8_t at;

	switch (rd_u8(rd) % STEP_COUNT) {
	case STEP_ANNOUNCE:
		return announce(sc, rd);
	case STEP_FLOORS:
		return floors(sc, rd);
	case STEP_RAW:
		return raw(sc, rd);
	case STEP_PAGE:
		at = rd_u8(rd);
		((uint8_t *)ask_questions(memory))[at] ^= rd_u8(rd);
		return ring_ready(&sc->k.questions) >= 0 &&
		       (ring_ready(&sc->k.questions) == 0 ||
			keeper_talk_question(&sc->k) == 0);
	case STEP_STORE:
		store(sc);
		return true;
	default:
		allow(rd);
		return true;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct scene sc = {.k = {.secret = &receiver,
				 .trusted = {trusted.pub},
				 .trusted_count = 1,
				 .environment = ENVIRONMENT,
				 .dir = "keeper"}};
	struct rd rd;

	open_once();
	sc.k.trusted[0] = trusted.pub;
	sc.k.dirfd = fuzz_dir();
	memset(memory, 0, ask_bytes());
	FUZZ_ASSERT(ring_format(ask_questions(memory), ask_questions_bytes(),
				sizeof(struct ask), ASK_SLOTS) == KM_OK);
	FUZZ_ASSERT(ring_format(ask_answers(memory), ask_answers_bytes(),
				sizeof(struct ask_answer), ASK_SLOTS) == KM_OK);
	attach(&sc);
	rd_init(&rd, data, size);
	sc.k.replay = rd_u8(&rd) & 1;
	fuzz_alloc_begin(data, size);
	for (unsigned i = 0; i < STEPS_MAX && rd_left(&rd); i++)
		if (!step(&sc, &rd))
			break;
	(void)fuzz_alloc_end();
	fuzz_dir_empty();
	return 0;
}
