// SPDX-License-Identifier: ISC
#include "keeper_talk.h"

#include <inttypes.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "ask.h"
#include "clock.h"
#include "fileio.h"
#include "log.h"
#include "session.h"

/* A signature check costs 40 us: 50 a second is 0.2 % of a core (DESIGN section 4). */
#define KEEPER_CHECKS_PER_S 50u

/* The operator's word for one epoch: file accept-<fingerprint>, a decimal number. */
static uint64_t keeper_allowed(const struct keeper_talk *k, const uint8_t identity[32])
{
	char name[16 + KEYS_FINGERPRINT_MAX] = "accept-";
	_cleanup_free_ uint8_t *text = NULL;
	struct km_err err = KM_ERR_INIT;
	size_t len;

	keys_fingerprint(name + strlen(name), identity);
	if (fileio_read_all(k->dirfd, name, 32, &text, &len, &err) < 0)
		return 0;
	return strtoull((const char *)text, NULL, 10);
}

bool keeper_talk_store(struct keeper_talk *k)
{
	struct km_err err = KM_ERR_INIT;

	if (floors_store(&k->floors, k->dirfd, &err) == 0) {
		stats_add(&k->stats, KEEPER_STORES, 1);
		k->dirty = false;
		return true;
	}
	stats_add(&k->stats, KEEPER_STORE_FAILED, 1);
	log_event_limited(EVENT_FLOORS_FAILED,
			  "%s: free the disk or mend the state directory", err.text);
	return false;
}

static bool keeper_too_many(struct keeper_talk *k)
{
	uint64_t now_ns = clock_mono_ns();

	if (now_ns - k->second_ns >= CLOCK_NS_PER_SEC) {
		k->second_ns = now_ns;
		k->checks = 0;
	}
	return ++k->checks > KEEPER_CHECKS_PER_S;
}

static enum ask_verdict keeper_verdict(enum km_rc rc)
{
	switch (rc) {
	case KM_OK:
		return ASK_ACCEPTED;
	case KM_ERR_VERSION:
		return ASK_VERSION;
	case KM_ERR_NOTFOUND:
		return ASK_UNTRUSTED;
	case KM_ERR_AUTH:
		return ASK_SIGNATURE;
	default:
		return ASK_MALFORMED;
	}
}

/* Genuine, but of the wrong time: the operator is told what it is and the way out. */
static void keeper_say_epoch(const struct keeper_talk *k, const struct announce *a,
			     enum ask_verdict verdict)
{
	char print[KEYS_FINGERPRINT_MAX];

	keys_fingerprint(print, a->identity);
	log_event_limited(
		EVENT_SESSION_REFUSED,
		"a genuine announce is refused, %s: correct the clocks; if it is the "
		"present transmitter and no recording, let it in by `katamichi-rx "
		"accept-session` with these two words tx=%s epoch=%" PRIu64
		" file=%s/accept-%s",
		verdict == ASK_OLD_EPOCH ? "its epoch is not above the stored floor"
					 : "its epoch is more than 24 h from our clock "
					   "and no floor is stored yet",
		print, a->epoch, k->dir, print);
}

/* Everything about the epoch: judged, stored, and the session's floors answered. */
static enum ask_verdict keeper_epoch(struct keeper_talk *k, const struct announce *a,
				     struct ask_answer *answer)
{
	uint64_t now_s = clock_real_ns() / CLOCK_NS_PER_SEC;
	struct floors before;
	struct floors_session *session;
	bool far = false;
	enum ask_verdict verdict;

	/* A recording is old by nature; `replay` works on a state of its own. (No session has
	 * epoch 0: there it means none.) */
	verdict = k->replay && a->epoch != 0
			  ? ASK_ACCEPTED
			  : floors_judge(&k->floors, a->identity, answer->session, a->epoch,
					 now_s, keeper_allowed(k, a->identity), &far);
	if (verdict == ASK_OLD_EPOCH || verdict == ASK_FAR_EPOCH)
		keeper_say_epoch(k, a, verdict);
	if (verdict != ASK_ACCEPTED)
		return verdict;
	before = k->floors;
	session = floors_accept(&k->floors, a->identity, answer->session, a->epoch, now_s);
	if (session == NULL || !keeper_talk_store(k)) {
		k->floors = before;
		return ASK_STORE;
	}
	answer->far = far;
	answer->floors = session->lanes;
	for (uint32_t i = 0; i < session->lanes; i++) {
		answer->floor[i].lane = session->lane[i].lane;
		answer->floor[i].seq = session->lane[i].seq;
	}
	return ASK_ACCEPTED;
}

static enum ask_verdict keeper_judge(struct keeper_talk *k, const uint8_t *bytes,
				     size_t len, struct ask_answer *answer)
{
	struct announce a;
	enum ask_verdict verdict;

	if (keeper_too_many(k)) {
		stats_add(&k->stats, KEEPER_TOO_MANY, 1);
		return ASK_TOO_MANY;
	}
	verdict = keeper_verdict(
		session_announce_check(&a, bytes, len, k->trusted, k->trusted_count));
	if (verdict != ASK_ACCEPTED)
		return verdict;
	answer->epoch = a.epoch;
	memcpy(answer->identity, a.identity, sizeof(answer->identity));
	if (a.environment != k->environment)
		return ASK_ENVIRONMENT;
	switch (session_announce_open(answer->secret, &a, bytes, len, k->secret)) {
	case KM_OK:
		break;
	case KM_ERR_NOTFOUND:
		return ASK_NOT_FOR_US;
	default:
		return ASK_MALFORMED;
	}
	return keeper_epoch(k, &a, answer);
}

static int keeper_answer_announce(struct keeper_talk *k, const struct ask *ask)
{
	struct ask_answer answer = {0};
	uint64_t first;

	session_transcript(answer.transcript, ask->announce, ask->len);
	answer.session = session_tag(answer.transcript);
	answer.verdict = keeper_judge(k, ask->announce, ask->len, &answer);
	if (answer.verdict == ASK_ACCEPTED) {
		stats_add(&k->stats, KEEPER_ACCEPTED, 1);
		stats_set(&k->stats, KEEPER_EPOCH, answer.epoch);
	} else {
		stats_add(&k->stats, KEEPER_REFUSED, 1);
		sodium_memzero(answer.secret, sizeof(answer.secret));
	}
	/* As many answers as questions fit the ring, so it is full only by a hostile decode. */
	if (ring_reserve(&k->answers, 1, &first) != KM_OK)
		return -1;
	memcpy(ring_slot(&k->answers, first), &answer, sizeof(answer));
	sodium_memzero(&answer, sizeof(answer));
	return ring_submit(&k->answers, 1) == KM_OK ? 0 : -1;
}

static int keeper_floors(struct keeper_talk *k, const struct ask *ask)
{
	if (ask->lanes > WIRE_LANES_MAX)
		return -1;
	/* Lanes that cannot be would take the room of those that are, and one past the highest
	 * number would be the lowest: both would lower a floor. */
	for (uint32_t i = 0; i < ask->lanes; i++)
		if (ask->floor[i].lane >= WIRE_LANES_MAX ||
		    ask->floor[i].seq >= WIRE_LANE_FRAMES_MAX)
			return -1;
	for (uint32_t i = 0; i < ask->lanes; i++)
		k->dirty |= floors_raise(&k->floors, ask->session, ask->floor[i].lane,
					 ask->floor[i].seq);
	return 0;
}

int keeper_talk_question(struct keeper_talk *k)
{
	struct ask ask; /* read once: decode can change the slot under our eyes */
	uint64_t first;
	uint32_t n;
	int rc;

	if (ring_peek(&k->questions, 1, &first, &n) != KM_OK || n != 1)
		return -1;
	memcpy(&ask, ring_slot(&k->questions, first), sizeof(ask));
	switch (ask.type) {
	case ASK_ANNOUNCE:
		if (ask.len > WIRE_ANNOUNCE_MAX)
			return -1;
		rc = keeper_answer_announce(k, &ask);
		break;
	case ASK_FLOORS:
		rc = keeper_floors(k, &ask);
		break;
	default:
		rc = -1;
	}
	if (ring_release(&k->questions, 1) != KM_OK)
		return -1;
	return rc;
}
