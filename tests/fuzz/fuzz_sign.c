// SPDX-License-Identifier: ISC
/*
 * Between tx source and tx signer (tx/wall/sign.h), both ways. To the signer: questions as they
 * come; its epochs must rise, its signatures must hold, and a refusal must carry no secret. To
 * the source: an announce that a signer could have made, in an answer that the input changes at
 * will, or bytes of any kind; what the source then believes must hang together.
 */
#include <sodium.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "announce.h"
#include "clock.h"
#include "cursor.h"
#include "fuzz_alloc.h"
#include "fuzz_dir.h"
#include "fuzz_target.h"
#include "ipc.h"
#include "session.h"
#include "signer_talk.h"
#include "tx_session.h"

#define STEPS_MAX 32u

enum step {
	STEP_ASK_SESSION,  /* u8 n, bytes of the question */
	STEP_ASK_MANIFEST, /* u32 length of the comment, u8 n, bytes of the question */
	STEP_EPOCH,	   /* u8 offset, u8 xor in the signer's file, which starts again */
	STEP_SESSION,	   /* u8 changes, then u16 offset, u8 xor each: an answer */
	STEP_MANIFEST,	   /* the same */
	STEP_BYTES, /* u32 type, u16 size, u8: 1 to a manifest: an answer of another kind */
	STEP_COUNT
};

static struct keys_sign_secret identity;
static struct keys_box_secret receiver;
static struct lanes no_lanes;
static struct sign_session honest; /* an answer as a signer gives it */
static char dir[96];

struct scene {
	struct signer_talk signer;
	struct tx_session source;
	int peer; /* of the source's socket */
	uint64_t epoch;
	uint64_t highest; /* epoch that the file has ever held */
};

static void open_once(void)
{
	static const uint8_t seed[32] = {1, 2, 3}, box[32] = {9, 8, 7};
	static const struct session_draw draw = {{1}, {2}, {3}};
	const struct session_facts facts = {.epoch = 7};
	size_t len;

	if (dir[0])
		return;
	fuzz_dir_hush();
	FUZZ_ASSERT(keys_init(NULL) == 0);
	keys_sign_from_seed(&identity, seed, seed);
	keys_box_from_secret(&receiver, box);
	(void)snprintf(dir, sizeof(dir), "%s/signer", fuzz_dir_path());
	FUZZ_ASSERT(session_announce_make_from(honest.announce, &len, &draw, &facts,
					       &identity, &receiver.pub, 1) == KM_OK);
	honest.announce_len = (uint32_t)len;
	memcpy(honest.secret, draw.secret, sizeof(honest.secret));
	honest.epoch = facts.epoch;
}

/* As many bytes as the input has left. */
static void fill(struct rd *rd, void *to, size_t size)
{
	size_t n = rd_u8(rd);

	n = n < rd_left(rd) ? n : rd_left(rd);
	rd_copy(rd, to, n < size ? n : size);
}

static void ask_session(struct scene *sc, struct rd *rd)
{
	struct sign_ask_session ask = {{0}};
	static struct sign_session answer;
	struct announce a;

	fill(rd, &ask, sizeof(ask));
	signer_talk_session(&sc->signer, &ask, &answer);
	/* stored before the announce is made, for which memory may be refused */
	if (sc->highest < sc->signer.epoch.value)
		sc->highest = sc->signer.epoch.value;
	if (answer.rc != KM_OK) {
		FUZZ_ASSERT(sodium_is_zero(answer.secret, sizeof(answer.secret)));
		return;
	}
	FUZZ_ASSERT(answer.epoch > sc->epoch);
	sc->epoch = answer.epoch;
	FUZZ_ASSERT(session_announce_check(&a, answer.announce, answer.announce_len,
					   &identity.pub, 1) == KM_OK);
	FUZZ_ASSERT(a.epoch == answer.epoch &&
		    memcmp(a.config_digest, ask.config_digest, 32) == 0);
}

static void ask_manifest(struct scene *sc, struct rd *rd)
{
	struct sign_ask_manifest ask = {.comment_len = rd_u32(rd)};
	struct sign_manifest answer;

	fill(rd, ask.hash, sizeof(ask.hash));
	signer_talk_manifest(&sc->signer, &ask, &answer);
	FUZZ_ASSERT((answer.rc == KM_OK) == (ask.comment_len <= sizeof(ask.comment)));
	if (answer.rc == KM_OK)
		FUZZ_ASSERT(crypto_sign_verify_detached(answer.sig, ask.hash,
							sizeof(ask.hash),
							identity.pub.pk) == 0);
}

/* The signer starts again on a file that something has changed: an epoch comes back only when
 * the file says so soundly. */
static void epoch(struct scene *sc, struct rd *rd)
{
	const off_t at = rd_u8(rd) % (2 * EPOCH_SLOT_LEN);
	struct km_err err = KM_ERR_INIT;
	uint8_t byte = 0;

	(void)!pread(sc->signer.epoch.fd, &byte, 1, at);
	byte ^= rd_u8(rd);
	FUZZ_ASSERT(pwrite(sc->signer.epoch.fd, &byte, 1, at) == 1);
	epoch_close(&sc->signer.epoch);
	if (epoch_open(&sc->signer.epoch, dir, &err) == 0) {
		/* what one change spoiled another may mend: then the later one counts again */
		FUZZ_ASSERT(sc->signer.epoch.value <= sc->highest);
	} else { /* damaged: an operator removes it */
		FUZZ_ASSERT(err.code == EX_DATAERR);
		fuzz_dir_empty();
		FUZZ_ASSERT(epoch_open(&sc->signer.epoch, dir, &err) == 0);
	}
	sc->epoch = sc->signer.epoch.value;
}

/* An answer lies in the socket before the question is asked. */
static void answer(struct scene *sc, uint32_t type, void *body, size_t size, struct rd *rd)
{
	unsigned n = rd ? rd_u8(rd) % 8 : 0;

	while (n--) {
		const size_t at = rd_u16(rd) % size;

		((uint8_t *)body)[at] ^= rd_u8(rd);
	}
	FUZZ_ASSERT(ipc_send(sc->peer, type, body, size, NULL, 0, 0) == KM_OK);
}

static void take_question(const struct scene *sc)
{
	uint8_t question[IPC_BODY_MAX];

	FUZZ_ASSERT(recv(sc->peer, question, sizeof(question), MSG_DONTWAIT) > 0);
}

static void take_session(struct scene *sc)
{
	struct km_err err = KM_ERR_INIT;
	struct announce a;

	if (tx_session_begin(&sc->source, &err) == 0) {
		FUZZ_ASSERT(sc->source.epoch != 0);
		FUZZ_ASSERT(announce_decode(&a, sc->source.announce,
					    sc->source.announce_len) == KM_OK);
		FUZZ_ASSERT(a.epoch == sc->source.epoch);
	} else {
		FUZZ_ASSERT(err.code != 0 && err.text[0]);
	}
	take_question(sc);
}

static void session(struct scene *sc, struct rd *rd)
{
	static struct sign_session a;

	a = honest;
	answer(sc, SIGN_SESSION, &a, sizeof(a), rd);
	take_session(sc);
}

static void take_manifest(struct scene *sc)
{
	struct km_err err = KM_ERR_INIT;
	char sig[MINISIG_FILE_MAX], comment[MINISIG_COMMENT_MAX + 100];
	size_t len = 0;

	if (tx_session_sign(&sc->source, "text", 4, "comment", sig, &len, &err) == 0)
		FUZZ_ASSERT(len > 0 && len <= sizeof(sig));
	else
		FUZZ_ASSERT(err.code && err.text[0]);
	take_question(sc);
	memset(comment, 'c', sizeof(comment) - 1);
	comment[sizeof(comment) - 1] = '\0';
	FUZZ_ASSERT(tx_session_sign(&sc->source, "text", 4, comment, sig, &len, &err) != 0);
}

static void manifest(struct scene *sc, struct rd *rd)
{
	struct sign_manifest a = {.rc = KM_OK};

	answer(sc, SIGN_MANIFEST, &a, sizeof(a), rd);
	take_manifest(sc);
}

static void bytes(struct scene *sc, struct rd *rd)
{
	static uint8_t body[IPC_BODY_MAX];
	const uint32_t type = rd_u32(rd);

	answer(sc, type, body, rd_u16(rd) % sizeof(body) + 1, NULL);
	if (rd_u8(rd) & 1)
		take_manifest(sc);
	else
		take_session(sc);
}

static void step(struct scene *sc, struct rd *rd)
{
	switch (rd_u8(rd) % STEP_COUNT) {
	case STEP_ASK_SESSION:
		ask_session(sc, rd);
		break;
	case STEP_ASK_MANIFEST:
		ask_manifest(sc, rd);
		break;
	case STEP_EPOCH:
		epoch(sc, rd);
		break;
	case STEP_SESSION:
		session(sc, rd);
		break;
	case STEP_MANIFEST:
		manifest(sc, rd);
		break;
	default:
		bytes(sc, rd);
		break;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct scene sc = {.signer = {.identity = &identity, .receiver_count = 1}};
	struct km_err err = KM_ERR_INIT;
	static const uint8_t digest[32];
	struct rd rd;
	int fds[2];

	open_once();
	sc.signer.receivers[0] = receiver.pub;
	FUZZ_ASSERT(epoch_open(&sc.signer.epoch, dir, &err) == 0);
	FUZZ_ASSERT(ipc_pair(fds, &err) == 0);
	sc.peer = fds[1];
	tx_session_init(&sc.source, fds[0], &no_lanes, digest, CLOCK_NEVER);
	rd_init(&rd, data, size);
	fuzz_alloc_begin(data, size);
	for (unsigned i = 0; i < STEPS_MAX && rd_left(&rd); i++)
		step(&sc, &rd);
	(void)fuzz_alloc_end();
	close(fds[0]);
	close(fds[1]);
	epoch_close(&sc.signer.epoch);
	fuzz_dir_empty();
	return 0;
}
