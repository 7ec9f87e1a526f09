// SPDX-License-Identifier: ISC
/*
 * A sender and a signer that were broken into, against the real source. The sender may keep frames
 * back or drop them, for it holds the link: it costs the source no file, no memory, and no more
 * than its time. The signer may refuse; what it says wrongly is not taken.
 */
#include <criterion/criterion.h>
#include <malloc.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "attack_rig.h"
#include "clock.h"
#include "ipc.h"
#include "lanes.h"
#include "rig.h"
#include "session.h"
#include "sign.h"
#include "tx_session.h"

TestSuite(attack_source, .timeout = 120);

static struct rig rig;

static struct ring_page *page(unsigned class)
{
	return lane_index_page(rig.index, lane_ring(0, class));
}

/* Turns of the loop until one fails, or `turns` of them. */
static int run(unsigned turns, struct km_err *err)
{
	int rc = 0;

	while (turns-- > 0 && rc == 0)
		rc = source_run(rig.source, CLOCK_NS_PER_MS, err);
	return rc;
}

/* Indices that no honest sender writes end the source; its files stay, and leave later. */
Test(attack_source, wild_indices_of_the_sender)
{
	static const uint64_t tails[] = {UINT64_MAX, UINT64_C(1) << 40, 1};

	rig_open(&rig, 0);
	for (unsigned i = 0; i < KM_COUNT(tails); i++) {
		struct km_err err = KM_ERR_INIT;
		_Atomic uint64_t *tail;

		rig_start(&rig);
		if (i == 0)
			rig_put(&rig, "a", 3000000);
		cr_assert_eq(run(100, &err), 0, "%s", err.text);
		tail = &page(FRAME_CLASS_NORMAL)->tail;
		if (tails[i] == 1) { /* backwards */
			atomic_store(tail, 5);
			cr_assert_eq(run(20, &err), 0, "%s", err.text);
		}
		atomic_store(tail, tails[i]);
		cr_expect_eq(run(2000, &err), -1);
		cr_expect_neq(err.text[0], '\0');
		cr_expect_eq(rig_count(&rig, "spool0/.katamichi/sent"), 0);
		rig_crash(&rig);
	}
	rig_start(&rig);
	model_reattach(&rig.rx, rig.index, rig.slots);
	rig_run_idle(&rig);
	cr_expect_eq(rig_count(&rig, "spool0/.katamichi/sent"), 1);
	rig_close(&rig);
}

/* A sender that takes nothing: the source waits, in bounded memory, and all leaves afterwards. */
Test(attack_source, stalled_sender)
{
	struct km_err err = KM_ERR_INIT;
	struct mallinfo2 before, after;

	rig_open(&rig, 0);
	rig_start(&rig);
	for (unsigned i = 0; i < 20; i++) {
		char name[16];

		(void)snprintf(name, sizeof(name), "f%u", i);
		rig_put(&rig, name, 2000000);
	}
	cr_assert_eq(run(300, &err), 0, "%s", err.text);
	before = mallinfo2();
	cr_assert_eq(run(1000, &err), 0, "%s", err.text);
	after = mallinfo2();
	cr_expect_leq(after.uordblks + after.hblkhd,
		      before.uordblks + before.hblkhd + 65536);
	cr_expect_eq(rig_count(&rig, "spool0/.katamichi/sent"), 0);
	rig_run_idle(&rig);
	cr_expect_eq(rig_count(&rig, "spool0/.katamichi/sent"), 20);
	rig_close(&rig);
}

/*
 * A sender that says of every frame that it left, and sends none: that cannot be seen on tx. But
 * the files are kept as sent ones are, and rx, which hears nothing, says so.
 */
Test(attack_source, lying_sender_loses_no_file)
{
	struct km_err err = KM_ERR_INIT;
	unsigned turns = 0;

	rig_open(&rig, 0);
	rig_start(&rig);
	rig_put(&rig, "a", 3000000);
	while (rig_count(&rig, "spool0/.katamichi/sent") == 0 && turns++ < 60000) {
		cr_assert_eq(run(1, &err), 0, "%s", err.text);
		for (unsigned class = 0; class < LANE_COUNT; class ++)
			atomic_store(&page(class)->tail, atomic_load(&page(class)->head));
		bell_ring(&lane_index_bells(rig.index, &rig.plan)->worker[0].bell);
	}
	cr_expect_eq(rig_count(&rig, "spool0/.katamichi/sent"), 1);
	cr_expect_eq(rig_count(&rig, "spool0/.katamichi/work"), 0);
	rig_close(&rig);
}

/* ---- the signer ---- */

static struct lanes lanes;
static struct lane_plan plan = {.slots = 64, .stride = 64 * 25, .workers = 1};
static struct tx_session session;
static int sock[2];

static void open_session(void)
{
	static const uint8_t digest[32], ether[WIRE_ETHER_LEN];
	struct lane_out_memory memory = {.index_len = lane_index_bytes(&plan),
					 .slots_len = lane_slots_bytes(&plan)};
	struct km_err err = KM_ERR_INIT;

	cr_assert_eq(keys_init(&err), 0);
	memory.index = mmap(NULL, memory.index_len, PROT_READ | PROT_WRITE,
			    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	memory.slots = mmap(NULL, memory.slots_len, PROT_READ | PROT_WRITE,
			    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	for (unsigned i = 0; i < lane_rings(&plan); i++)
		cr_assert_eq(ring_format(lane_index_page(memory.index, i), LANE_PAGE,
					 plan.stride, plan.slots),
			     KM_OK);
	cr_assert_eq(lanes_open(&lanes, &plan, &memory, ether, sizeof(ether), &err), 0,
		     "%s", err.text);
	cr_assert_eq(ipc_pair(sock, &err), 0);
	tx_session_init(&session, sock[0], &lanes, digest, 3600 * CLOCK_NS_PER_SEC);
}

/* Why an answer is no session. */
#define MALFORMED "not well formed"
#define REFUSED "refuses a session"
#define NO_ANSWER "does not answer"
#define ANOTHER "gave message"

/* The answer waits before the question is asked: a signer has no order to keep. */
static void refuses(const char *what, const char *why, uint32_t type, const void *body,
		    size_t size)
{
	struct km_err err = KM_ERR_INIT;

	cr_assert_eq(ipc_send(sock[1], type, body, size, NULL, 0, 0), KM_OK);
	cr_expect_eq(tx_session_begin(&session, &err), -1, "%s", what);
	cr_expect(strstr(err.text, why), "%s: %s", what, err.text);
	cr_expect_eq(session.announce_len, 0, "%s", what);
	cr_expect_not(lanes.out[0].keyed, "%s", what);
}

Test(attack_source, wild_answers_of_the_signer)
{
	static struct sign_session good, bad;
	static const struct sign_manifest manifest;
	struct keys_sign_secret identity;
	struct keys_box_secret box;
	const struct session_facts facts = {.epoch = 1700000000};
	struct km_err err = KM_ERR_INIT;
	uint64_t seed = attack_seed();
	size_t len = 0;

	open_session();
	keys_sign_generate(&identity);
	keys_box_generate(&box);
	cr_assert_eq(session_announce_make(good.announce, &len, good.secret, &facts,
					   &identity, &box.pub, 1),
		     KM_OK);
	good.announce_len = (uint32_t)len;
	good.epoch = facts.epoch;
	bad = good, bad.announce_len = UINT32_MAX;
	refuses("length", MALFORMED, SIGN_SESSION, &bad, sizeof(bad));
	bad = good, bad.announce_len = sizeof(bad.announce) + 1;
	refuses("one byte too many", MALFORMED, SIGN_SESSION, &bad, sizeof(bad));
	bad = good, bad.announce_len--;
	refuses("one byte less", MALFORMED, SIGN_SESSION, &bad, sizeof(bad));
	bad = good, bad.epoch = 0;
	refuses("no epoch", MALFORMED, SIGN_SESSION, &bad, sizeof(bad));
	bad = good, bad.epoch++;
	refuses("another epoch", MALFORMED, SIGN_SESSION, &bad, sizeof(bad));
	bad = good, bad.rc = KM_ERR_SYS;
	refuses("refusal", REFUSED, SIGN_SESSION, &bad, sizeof(bad));
	bad = good, bad.rc = INT32_MIN;
	refuses("result of no meaning", REFUSED, SIGN_SESSION, &bad, sizeof(bad));
	refuses("answer to another question", ANOTHER, SIGN_MANIFEST, &manifest,
		sizeof(manifest));
	refuses("size", NO_ANSWER, SIGN_SESSION, &good, sizeof(good) - 1);
	refuses("type", NO_ANSWER, SIGN_ASK_SESSION, &good,
		sizeof(struct sign_ask_session));
	for (unsigned i = 0; i < 50; i++) {
		memset(&bad, 0, sizeof(bad));
		bad.announce_len = (uint32_t)(attack_random(&seed) % sizeof(bad.announce));
		bad.epoch = attack_random(&seed);
		for (size_t j = 0; j < sizeof(bad.announce); j++)
			bad.announce[j] = (uint8_t)attack_random(&seed);
		refuses("noise", MALFORMED, SIGN_SESSION, &bad, sizeof(bad));
	}
	cr_assert_eq(ipc_send(sock[1], SIGN_SESSION, &good, sizeof(good), NULL, 0, 0),
		     KM_OK);
	cr_expect_eq(tx_session_begin(&session, &err), 0, "%s", err.text);
	cr_expect(lanes.out[0].keyed);
	lanes_close(&lanes);
}

/* It is gone: said at once, not waited for. */
Test(attack_source, signer_is_gone)
{
	const uint64_t begun = clock_mono_ns();
	struct km_err err = KM_ERR_INIT;

	open_session();
	(void)close(sock[1]);
	cr_expect_eq(tx_session_begin(&session, &err), -1);
	cr_expect_lt(clock_mono_ns() - begun, TX_SESSION_WAIT_NS);
	lanes_close(&lanes);
}

/* It answers questions about manifests with noise: nothing breaks, the lengths hold. */
Test(attack_source, noise_for_a_signature)
{
	uint64_t seed = attack_seed();

	open_session();
	for (unsigned i = 0; i < 200; i++) {
		struct sign_manifest answer;
		struct km_err err = KM_ERR_INIT;
		char sig[MINISIG_FILE_MAX + 64];
		size_t len = 0;

		memset(sig, 0x5a, sizeof(sig));
		for (size_t j = 0; j < sizeof(answer); j++)
			((uint8_t *)&answer)[j] = (uint8_t)attack_random(&seed);
		answer.rc = KM_OK;
		cr_assert_eq(ipc_send(sock[1], SIGN_MANIFEST, &answer, sizeof(answer), NULL,
				      0, 0),
			     KM_OK);
		cr_assert_eq(
			tx_session_sign(&session, "text", 4, "comment", sig, &len, &err), 0,
			"%s", err.text);
		cr_expect_leq(len, MINISIG_FILE_MAX);
		(void)!recv(sock[1], &answer, sizeof(answer),
			    MSG_DONTWAIT); /* the question */
		for (size_t j = MINISIG_FILE_MAX; j < sizeof(sig); j++)
			cr_expect_eq(sig[j], 0x5a);
	}
	lanes_close(&lanes);
}
