// SPDX-License-Identifier: ISC
/* Sessions, announces, the hold buffer, floors, replays, forgeries, ends and silence. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "rig.h"

static void send_range(struct rig *rig, const struct rig_frames *f, size_t from, size_t to)
{
	for (size_t i = from; i < to; i++)
		rig_push(rig, f->v[i].p, f->v[i].len);
	rig_run(rig, RIG_MS);
}

static void announce(struct rig *rig, struct rig_tx *tx)
{
	struct rig_frames f = {0};

	rig_tx_announce(tx, &f);
	send_range(rig, &f, 0, 1);
	rig_frames_free(&f);
}

static const struct rig_window eight = {
	.channel = RIG_CHANNEL,
	.depth = 1,
	.M = 2,
	.m = 2,
	.symbols = 8,
};

static bool have[WIRE_WINDOW_SYMBOLS_MAX];

Test(session, frames_before_the_announce_are_held)
{
	struct rig *rig = rig_new(128, 1 << 20);
	struct rig_tx *tx = rig_tx_new(rig, 5);
	struct rig_frames f = {0};

	rig_tx_window(tx, &f, &eight);
	send_range(rig, &f, 0, f.n);
	rx_engine_gauges(&rig->e);
	cr_assert_eq(rig_count(rig, COUNT_HELD), 10);
	cr_assert_eq(rig_count(rig, COUNT_OPENED), 0);
	announce(rig, tx);
	cr_assert_eq(rig_arrived(rig, &eight, have), 8);
	rx_engine_gauges(&rig->e);
	cr_assert_eq(rig_count(rig, COUNT_HELD), 0);
	cr_assert_eq(rig_count(rig, COUNT_OPENED), 11);
	cr_assert_eq(rig_count(rig, COUNT_ANNOUNCES), 1);
	/* in order of arrival: nothing was pending in between */
	cr_assert_eq(rig->e.sessions.current->lane[3].account.taken, 10);
	rig_frames_free(&f);
	rig_tx_free(tx);
	rig_free(rig);
}

Test(session, a_full_hold_buffer_keeps_the_newest)
{
	struct rig *rig = rig_new(128, 4096);
	struct rig_tx *tx = rig_tx_new(rig, 5);
	struct rig_frames f = {0};
	uint32_t n;

	for (unsigned i = 0; i < 5; i++) {
		struct rig_window w = eight;

		w.number = i;
		rig_tx_window(tx, &f, &w);
	}
	send_range(rig, &f, 0, f.n);
	rx_engine_gauges(&rig->e);
	n = (uint32_t)rig_count(rig, COUNT_HELD);
	cr_assert(n >= 5 && n <= 7);
	cr_assert_eq(rig_count(rig, COUNT_HOLD_DROPPED), 50 - n);
	cr_assert_eq(rig_count(rig, COUNT_REFUSED_UNKNOWN), 50 - n);
	announce(rig, tx);
	cr_assert_eq(rig->e.sessions.current->lane[3].account.next, 50);
	cr_assert_eq(rig->e.sessions.current->lane[3].account.taken, n);
	rig_frames_free(&f);
	rig_tx_free(tx);
	rig_free(rig);
}

Test(session, held_frames_of_nobody_expire)
{
	struct rig *rig = rig_new(128, 1 << 20);
	struct rig_tx *tx = rig_tx_new(rig, 5);
	struct rig_frames f = {0};

	rig_tx_window(tx, &f, &eight);
	send_range(rig, &f, 0, f.n);
	rig_wait(rig, HOLD_AGE_NS + 100 * RIG_MS);
	rx_engine_gauges(&rig->e);
	cr_assert_eq(rig_count(rig, COUNT_HELD), 0);
	cr_assert_eq(rig_count(rig, COUNT_REFUSED_UNKNOWN), 10);
	rig_frames_free(&f);
	rig_tx_free(tx);
	rig_free(rig);
}

Test(session, random_holds_conserve, .timeout = 60)
{
	uint64_t state = rig_seed();
	struct rig *rig = rig_new(64, 20000);
	struct rig_tx *tx[3];
	struct rig_frames f[3] = {{0}};
	size_t at[3] = {0};

	for (unsigned i = 0; i < 3; i++) {
		struct rig_window w = eight;

		tx[i] = rig_tx_new(rig, 10 + i);
		for (w.number = 0; w.number < 40; w.number++) {
			w.last_len = 30 + (unsigned)(rig_random(&state) % 400);
			rig_tx_window(tx[i], &f[i], &w);
		}
	}
	/* the rig checks every sum after each run */
	for (unsigned n = 0; n < 1000; n++) {
		unsigned i = (unsigned)(rig_random(&state) % 3);

		if (at[i] < f[i].n)
			rig_push(rig, f[i].v[at[i]].p, f[i].v[at[i]].len);
		at[i]++;
		rig_run(rig, RIG_MS * (rig_random(&state) % 40));
		if (n == 500)
			announce(rig, tx[1]);
	}
	cr_assert_eq(rig_count(rig, COUNT_SESSIONS), 1);
	cr_assert_gt(rig_count(rig, COUNT_HOLD_DROPPED), 0);
	for (unsigned i = 0; i < 3; i++) {
		rig_frames_free(&f[i]);
		rig_tx_free(tx[i]);
	}
	rig_free(rig);
}

Test(session, announces_are_asked_once)
{
	struct rig *rig = rig_new(64, 4096);
	struct rig_tx *tx = rig_tx_new(rig, 5);

	for (unsigned i = 0; i < 20; i++)
		announce(rig, tx);
	cr_assert_eq(rig->asked, 1);
	cr_assert_eq(rig_count(rig, COUNT_ANNOUNCES), 20);
	cr_assert_eq(rig_messages(rig, DELIVER_SESSION), 1);
	cr_assert_eq(rig_find(rig, DELIVER_SESSION, 0)->msg.a, 5);
	cr_assert_arr_eq(rig_find(rig, DELIVER_SESSION, 0)->msg.head, rig->identity.pub.pk,
			 32);
	rig_tx_free(tx);
	rig_free(rig);
}

Test(session, flood_of_forged_announces)
{
	struct rig *rig = rig_new(64, 4096);
	struct rig_tx *tx = rig_tx_new(rig, 5);
	uint64_t state = rig_seed();

	for (unsigned i = 0; i < 2000; i++) {
		struct rig_frames f = {0};

		rig_tx_announce(tx, &f);
		/* anywhere in keys, boxes or signature: form stays right */
		f.v[0].p[WIRE_ETHER_LEN + WIRE_HEADER_LEN + 16 + rig_random(&state) % 16] ^=
			1;
		f.v[0].p[WIRE_ETHER_LEN + WIRE_HEADER_LEN + 160 +
			 rig_random(&state) % 120] +=
			(uint8_t)(1 + rig_random(&state) % 255);
		rig_push(rig, f.v[0].p, f.v[0].len);
		rig_run(rig, RIG_MS / 10);
		rig_frames_free(&f);
	}
	cr_assert_leq(rig->asked, ASKER_PER_SECOND, "in 0.2 s");
	cr_assert_eq(rig_count(rig, COUNT_REFUSED_ANNOUNCE), 2000);
	cr_assert_eq(rig_count(rig, COUNT_SESSIONS), 0);
	cr_assert_leq(rig_messages(rig, DELIVER_ALARM), 4);
	rig_wait(rig, 1000 * RIG_MS);
	announce(rig, tx);
	cr_assert_eq(rig_count(rig, COUNT_SESSIONS), 1);
	rig_tx_free(tx);
	rig_free(rig);
}

Test(session, every_change_of_an_announce_is_refused, .timeout = 60)
{
	struct rig *rig = rig_new(64, 4096);
	struct rig_tx *tx = rig_tx_new(rig, 5);
	size_t bytes = WIRE_HEADER_LEN + tx->announce_len;

	for (size_t i = 0; i < bytes; i++) {
		struct rig_frames f = {0};

		rig_tx_announce(tx, &f);
		f.v[0].p[WIRE_ETHER_LEN + i] ^= (uint8_t)(1u << (i % 8));
		if (i != WIRE_HEADER_LEN - 1) /* the link id is nobody's */
			rig_push(rig, f.v[0].p, f.v[0].len);
		rig_run(rig, 30 * RIG_MS);
		rig_frames_free(&f);
	}
	cr_assert_eq(rig_count(rig, COUNT_SESSIONS), 0);
	cr_assert_eq(rig_count(rig, COUNT_OPENED), 0);
	rig_tx_free(tx);
	rig_free(rig);
}

Test(session, refused_announce_is_not_asked_again_soon_and_its_frames_not_held)
{
	struct rig *rig = rig_new(64, 1 << 20);
	struct rig_tx *tx = rig_tx_new(rig, 5);
	struct rig_frames f = {0};

	rig->verdict = ASK_OLD_EPOCH;
	rig_tx_window(tx, &f, &eight);
	send_range(rig, &f, 0, 4);
	for (unsigned i = 0; i < 10; i++)
		announce(rig, tx);
	cr_assert_eq(rig->asked, 1);
	cr_assert_eq(rig_count(rig, COUNT_REFUSED_ANNOUNCE), 10);
	cr_assert_eq(rig_find(rig, DELIVER_ALARM, 0)->msg.a, DELIVER_ALARM_ANNOUNCE);
	cr_assert_eq(rig_find(rig, DELIVER_ALARM, 0)->msg.b, ASK_OLD_EPOCH);
	send_range(rig, &f, 4, 10);
	rig_run(rig, 30 * RIG_MS);
	rx_engine_gauges(&rig->e);
	cr_assert_eq(rig_count(rig, COUNT_HELD), 0);
	cr_assert_eq(rig_count(rig, COUNT_REFUSED_UNKNOWN), 10);
	rig->verdict = 0;
	rig_wait(rig, ASKER_REFUSED_NS);
	announce(rig, tx);
	cr_assert_eq(rig_count(rig, COUNT_SESSIONS), 1);
	rig_frames_free(&f);
	rig_tx_free(tx);
	rig_free(rig);
}

Test(session, keeper_restart_is_asked_again)
{
	struct rig *rig = rig_new(64, 4096);
	struct rig_tx *tx = rig_tx_new(rig, 5);
	uint64_t at;
	uint32_t n;

	rig->keeper_dead = true;
	announce(rig, tx);
	announce(rig, tx);
	/* the keeper took the question and died */
	cr_assert_eq(ring_peek(&rig->questions, 1, &at, &n), KM_OK);
	cr_assert_eq(ring_release(&rig->questions, 1), KM_OK);
	rig->keeper_dead = false;
	rig_wait(rig, 900 * RIG_MS);
	cr_assert_eq(rig_count(rig, COUNT_SESSIONS), 0);
	rig_wait(rig, 200 * RIG_MS);
	cr_assert_eq(rig_count(rig, COUNT_SESSIONS), 1);
	cr_assert_eq(rig_count(rig, COUNT_ANNOUNCES), 2);
	rig_tx_free(tx);
	rig_free(rig);
}

Test(session, keeper_that_never_answers)
{
	struct rig *rig = rig_new(64, 4096);
	struct rig_tx *tx = rig_tx_new(rig, 5);

	rig->keeper_dead = true;
	announce(rig, tx);
	rig_wait(rig, 5000 * RIG_MS);
	cr_assert_eq(rig_count(rig, COUNT_REFUSED_ANNOUNCE), 1);
	rig->keeper_dead = false;
	rig_run(rig, RIG_MS); /* answers to what was given up change nothing */
	cr_assert_eq(rig_count(rig, COUNT_SESSIONS), 0);
	announce(rig, tx);
	cr_assert_eq(rig_count(rig, COUNT_SESSIONS), 1);
	rig_tx_free(tx);
	rig_free(rig);
}

Test(session, replay_and_duplicates)
{
	struct rig *rig = rig_new(128, 4096);
	struct rig_tx *tx = rig_tx_new(rig, 5);
	struct rig_frames f = {0};

	announce(rig, tx);
	rig_tx_window(tx, &f, &eight);
	send_range(rig, &f, 0, f.n);
	send_range(rig, &f, 0, f.n);
	cr_assert_eq(rig_count(rig, COUNT_REFUSED_DUPLICATE), 10);
	cr_assert_eq(rig_arrived(rig, &eight, have), 8);
	cr_assert_eq(rig->e.sessions.current->lane[3].account.duplicate, 10);
	rig_frames_free(&f);
	rig_tx_free(tx);
	rig_free(rig);
}

Test(session, floors_after_a_restart)
{
	struct rig *rig = rig_new(128, 4096);
	struct rig_tx *tx = rig_tx_new(rig, 5);
	struct rig_frames f = {0};

	rig->extra.floors = 1;
	rig->extra.floor[0].lane = RIG_LANE_DATA;
	rig->extra.floor[0].seq = 3;
	announce(rig, tx);
	rig_tx_window(tx, &f, &eight);
	send_range(rig, &f, 0, f.n);
	cr_assert_eq(rig_count(rig, COUNT_REFUSED_REPLAY), 4);
	cr_assert_eq(rig->e.sessions.current->lane[3].account.base, 4);
	cr_assert_eq(rig->e.sessions.current->lane[3].account.taken, 6);
	rig_wait(rig, 1100 * RIG_MS);
	cr_assert_eq(rig->floors.lanes, 1);
	cr_assert_eq(rig->floors.session, tx->tag);
	cr_assert_eq(rig->floors.floor[0].lane, RIG_LANE_DATA);
	cr_assert_eq(rig->floors.floor[0].seq, 9);
	rig_frames_free(&f);
	rig_tx_free(tx);
	rig_free(rig);
}

/* Every byte of a frame changed: refused with a reason, and not one slot or number
 * moves. */
Test(session, forgeries_change_nothing, .timeout = 60)
{
	struct rig *rig = rig_new(128, 64);
	struct rig_tx *tx = rig_tx_new(rig, 5);
	struct rig_frames f = {0};
	uint64_t opened;

	announce(rig, tx);
	rig_tx_window(tx, &f, &eight);
	send_range(rig, &f, 0, 1);
	opened = rig_count(rig, COUNT_OPENED);
	rig_forget(rig);
	for (size_t i = 0; i < f.v[1].len - WIRE_ETHER_LEN; i++) {
		if (i == WIRE_HEADER_LEN - 1)
			continue; /* link id */
		f.v[1].p[WIRE_ETHER_LEN + i] ^= (uint8_t)(1u << (i % 8));
		send_range(rig, &f, 1, 2);
		f.v[1].p[WIRE_ETHER_LEN + i] ^= (uint8_t)(1u << (i % 8));
		cr_assert_eq(rig->e.windows.pool.used, 2, "landing and the one symbol");
		cr_assert_eq(rig->e.sessions.current->lane[3].account.next, 1);
	}
	cr_assert_eq(rig_count(rig, COUNT_OPENED), opened);
	cr_assert_gt(rig_count(rig, COUNT_REFUSED_AUTH), 500);
	cr_assert_eq(rig_messages(rig, DELIVER_FRAGMENT), 0);
	for (size_t len = 0; len < f.v[1].len; len++) {
		rig_push(rig, f.v[1].p, len);
		rig_run(rig, 0);
	}
	cr_assert_eq(rig_count(rig, COUNT_OPENED), opened);
	cr_assert_gt(rig_count(rig, COUNT_REFUSED_SHORT), 400);
	send_range(rig, &f, 1, f.n);
	cr_assert_eq(rig_count(rig, COUNT_OPENED), opened + 9);
	rig_frames_free(&f);
	rig_tx_free(tx);
	rig_free(rig);
}

Test(session, reasons_at_the_port)
{
	struct rig *rig = rig_new(64, 4096);
	struct rig_tx *tx = rig_tx_new(rig, 5);
	struct rig_frames f = {0};
	uint8_t tagged[512];

	announce(rig, tx);
	rig_tx_heartbeat(tx, &f, 0);
	f.v[0].p[12] = 8; /* IPv4 */
	f.v[0].p[13] = 0;
	send_range(rig, &f, 0, 1);
	cr_assert_eq(rig_count(rig, COUNT_FOREIGN), 1);
	f.v[0].p[12] = 0x88;
	f.v[0].p[13] = 0xb5;
	f.v[0].p[14] = 2;
	send_range(rig, &f, 0, 1);
	cr_assert_eq(rig_count(rig, COUNT_REFUSED_VERSION), 1);
	f.v[0].p[14] = 1;
	f.v[0].p[14 + 37] = 1;
	send_range(rig, &f, 0, 1);
	cr_assert_eq(rig_count(rig, COUNT_REFUSED_MALFORMED), 1);
	f.v[0].p[14 + 37] = 0;
	/* a VLAN that is not ours, then one that is */
	memcpy(tagged, f.v[0].p, 12);
	memcpy(tagged + 12, "\x81\x00\x60\x05", 4);
	memcpy(tagged + 16, f.v[0].p + 12, f.v[0].len - 12);
	rig_push(rig, tagged, f.v[0].len + 4);
	rig_run(rig, RIG_MS);
	cr_assert_eq(rig_count(rig, COUNT_FOREIGN), 2);
	rig->e.plan.vlan = 5;
	send_range(rig, &f, 0, 1);
	cr_assert_eq(rig_count(rig, COUNT_FOREIGN), 3);
	rig_push(rig, tagged, f.v[0].len + 4);
	rig_run(rig, RIG_MS);
	cr_assert_eq(rig_count(rig, COUNT_HEARTBEATS), 1);
	rig_frames_free(&f);
	rig_tx_free(tx);
	rig_free(rig);
}

Test(session, farewell_ends_it_and_names_the_tail)
{
	struct rig *rig = rig_new(128, 4096);
	struct rig_tx *tx = rig_tx_new(rig, 5);
	struct rig_frames f = {0};

	announce(rig, tx);
	rig_tx_window(tx, &f, &eight);
	send_range(rig, &f, 0, 6); /* 6..9 are lost */
	rig_frames_free(&f);
	rig_tx_heartbeat(tx, &f, RECORD_HB_FAREWELL);
	send_range(rig, &f, 0, 1);
	rig_wait(rig, RX_SESSION_FAREWELL_NS + 40 * RIG_MS);
	cr_assert_eq(rig_messages(rig, DELIVER_SESSION_END), 1);
	cr_assert_eq(rig_find(rig, DELIVER_SESSION_END, 0)->msg.a, RX_SESSION_FAREWELL);
	cr_assert_eq(rig_messages(rig, DELIVER_LOST), 1);
	cr_assert_eq(rig_find(rig, DELIVER_LOST, 0)->msg.a, 6);
	cr_assert_eq(rig_find(rig, DELIVER_LOST, 0)->msg.b, 9);
	cr_assert_eq(rig_find(rig, DELIVER_LOST, 0)->msg.lane, RIG_LANE_DATA);
	cr_assert_eq(rig_messages(rig, DELIVER_WINDOW), 1);
	rig_wait(rig, 20 * rig->plan.silent_ns);
	for (size_t i = 0; i < rig->msgs_n; i++)
		cr_assert(rig->msgs[i].msg.type != DELIVER_ALARM,
			  "a farewell is no silence");
	/* the recording of it, played again */
	announce(rig, tx);
	send_range(rig, &f, 0, 1);
	cr_assert_eq(rig_count(rig, COUNT_REFUSED_REPLAY), 1);
	cr_assert_eq(rig->asked, 1);
	rig_frames_free(&f);
	rig_tx_free(tx);
	rig_free(rig);
}

/* The keeper's list, of N keys; the first is KEY. */
static void trust(struct rig *rig, const uint8_t key[32], uint32_t n)
{
	struct ask_answer list = {.verdict = ASK_TRUSTS, .floors = n};
	uint64_t to;

	memcpy(list.trusted[0], key, 32);
	cr_assert_eq(ring_reserve(&rig->answers, 1, &to), KM_OK);
	memcpy(ring_slot(&rig->answers, to), &list, sizeof(list));
	cr_assert_eq(ring_submit(&rig->answers, 1), KM_OK);
	rig_wait(rig, 40 * RIG_MS);
}

Test(session, a_key_that_is_trusted_no_more_ends_it)
{
	static const uint8_t other[32] = {1};
	struct rig *rig = rig_new(128, 4096);
	struct rig_tx *tx = rig_tx_new(rig, 5);
	struct rig_frames f = {0};

	announce(rig, tx);
	rig_tx_window(tx, &f, &eight);
	send_range(rig, &f, 0, 2);
	trust(rig, rig->identity.pub.pk, 1);
	trust(rig, other, ASK_TRUSTED_MAX + 1); /* no list at all */
	cr_assert_eq(rig_messages(rig, DELIVER_SESSION_END), 0);
	send_range(rig, &f, 2, 4);
	cr_assert_eq(rig_arrived(rig, &eight, have), 4);
	trust(rig, other, 1);
	cr_assert_eq(rig_messages(rig, DELIVER_SESSION_END), 1);
	cr_assert_eq(rig_find(rig, DELIVER_SESSION_END, 0)->msg.a, RX_SESSION_REVOKED);
	send_range(rig, &f, 4, 6);
	cr_assert_eq(rig_count(rig, COUNT_REFUSED_REPLAY), 2);
	cr_assert_eq(rig_arrived(rig, &eight, have), 4);
	/* its announce is asked about again; trusted again, it goes on */
	rig->verdict = ASK_UNTRUSTED;
	announce(rig, tx);
	cr_assert_eq(rig->asked, 2);
	rig->verdict = ASK_ACCEPTED;
	rig_wait(rig, ASKER_REFUSED_NS + RIG_MS);
	announce(rig, tx);
	cr_assert_eq(rig->asked, 3);
	rx_engine_gauges(&rig->e);
	cr_assert_eq(rig_count(rig, COUNT_SESSIONS_LIVE), 1);
	rig_frames_free(&f);
	rig_tx_free(tx);
	rig_free(rig);
}

Test(session, replaced_by_a_newer_one)
{
	struct rig *rig = rig_new(128, 4096);
	struct rig_tx *a = rig_tx_new(rig, 5), *b = rig_tx_new(rig, 6),
		      *c = rig_tx_new(rig, 7);
	struct rig_frames f = {0};

	announce(rig, a);
	rig_tx_window(a, &f, &eight);
	send_range(rig, &f, 0, 4);
	announce(rig, b);
	rig_wait(rig, 1000 * RIG_MS);
	send_range(rig, &f, 4, 8); /* the older one still counts for 10 s */
	cr_assert_eq(rig_arrived(rig, &eight, have), 8);
	cr_assert_eq(rig_messages(rig, DELIVER_SESSION_END), 0);
	announce(rig, c); /* a third at once ends the oldest */
	cr_assert_eq(rig_messages(rig, DELIVER_SESSION_END), 1);
	cr_assert_eq(rig_find(rig, DELIVER_SESSION_END, 0)->msg.session, a->tag);
	cr_assert_eq(rig_find(rig, DELIVER_SESSION_END, 0)->msg.a, RX_SESSION_REPLACED);
	send_range(rig, &f, 8, 10);
	cr_assert_eq(rig_count(rig, COUNT_REFUSED_REPLAY), 2);
	rig_wait(rig, RX_SESSION_REPLACED_NS);
	cr_assert_eq(rig_messages(rig, DELIVER_SESSION_END), 2);
	rx_engine_gauges(&rig->e);
	cr_assert_eq(rig_count(rig, COUNT_SESSIONS_LIVE), 1);
	cr_assert_eq(rig_count(rig, COUNT_SESSION_EPOCH), 7);
	rig_frames_free(&f);
	rig_tx_free(a);
	rig_tx_free(b);
	rig_tx_free(c);
	rig_free(rig);
}

/* After a restart of ours the keeper still knows the session before: whoever replays its
 * announce behind the present one's gains a session of nothing, and ends nothing. */
Test(session, older_one_replayed_does_not_end_the_present)
{
	struct rig *rig = rig_new(128, 4096);
	struct rig_tx *old = rig_tx_new(rig, 5), *present = rig_tx_new(rig, 6);
	struct rig_frames f = {0};

	announce(rig, present);
	announce(rig, old);
	rig_wait(rig, 2 * RX_SESSION_REPLACED_NS);
	cr_assert_eq(rig_messages(rig, DELIVER_SESSION_END), 1);
	cr_assert_eq(rig_find(rig, DELIVER_SESSION_END, 0)->msg.session, old->tag);
	rig_tx_window(present, &f, &eight);
	send_range(rig, &f, 0, f.n);
	cr_assert_eq(rig_arrived(rig, &eight, have), 8);
	rx_engine_gauges(&rig->e);
	cr_assert_eq(rig_count(rig, COUNT_SESSIONS_LIVE), 1);
	cr_assert_eq(rig_count(rig, COUNT_SESSION_EPOCH), 6);
	rig_frames_free(&f);
	rig_tx_free(old);
	rig_tx_free(present);
	rig_free(rig);
}

Test(session, forty_in_a_row_reuse_the_table, .timeout = 60)
{
	struct rig *rig = rig_new(128, 4096);

	for (uint64_t epoch = 1; epoch <= 40; epoch++) {
		struct rig_tx *tx = rig_tx_new(rig, epoch);
		struct rig_frames f = {0};
		struct rig_window w = eight;

		w.number = (uint32_t)epoch;
		announce(rig, tx);
		rig_tx_window(tx, &f, &w);
		send_range(rig, &f, 2, f.n);
		cr_assert_eq(rig_arrived(rig, &w, have), 8);
		rig_frames_free(&f);
		rig_tx_free(tx);
	}
	cr_assert_eq(rig_count(rig, COUNT_SESSIONS), 40);
	cr_assert_eq(rig_messages(rig, DELIVER_SESSION_END), 38);
	rig_free(rig);
}

Test(session, silence_and_its_end)
{
	struct rig *rig = rig_new(128, 4096);
	struct rig_tx *tx = rig_tx_new(rig, 5), *next = rig_tx_new(rig, 6);
	struct rig_frames f = {0};
	const struct rig_msg *m;

	announce(rig, tx);
	rig_tx_heartbeat(tx, &f, 0);
	rig_tx_heartbeat(tx, &f, 0);
	send_range(rig, &f, 0, 1);
	rig_wait(rig, rig->plan.silent_ns + 40 * RIG_MS);
	m = rig_find(rig, DELIVER_ALARM, 0);
	cr_assert(m);
	cr_assert_eq(m->msg.a, DELIVER_ALARM_SILENT);
	cr_assert_eq(m->msg.session, tx->tag);
	cr_assert_gt(m->msg.b, UINT64_C(1500000000) * 1000000000, "wall clock");
	rig_wait(rig, 1000 * RIG_MS);
	cr_assert_eq(rig_messages(rig, DELIVER_ALARM), 1, "said once");
	send_range(rig, &f, 1, 2);
	m = rig_find(rig, DELIVER_ALARM, 1);
	cr_assert_eq(m->msg.a, DELIVER_ALARM_HEARD);
	cr_assert_geq(m->msg.b, rig->plan.silent_ns);
	rig_wait(rig, rig->plan.silent_ns + 40 * RIG_MS);
	announce(rig, next);
	rig_wait(rig, RX_SESSION_REPLACED_NS + 40 * RIG_MS);
	cr_assert_eq(rig_find(rig, DELIVER_SESSION_END, 0)->msg.a, RX_SESSION_VANISHED);
	rig_frames_free(&f);
	rig_tx_free(tx);
	rig_tx_free(next);
	rig_free(rig);
}

Test(session, never_heard_is_silent_too)
{
	struct rig *rig = rig_new(64, 4096);

	rig_wait(rig, rig->plan.silent_ns + 40 * RIG_MS);
	cr_assert_eq(rig_find(rig, DELIVER_ALARM, 0)->msg.a, DELIVER_ALARM_SILENT);
	cr_assert_eq(rig_find(rig, DELIVER_ALARM, 0)->msg.session, 0);
	rig_free(rig);
}

Test(session, heartbeat_is_told_and_alarms_once)
{
	struct rig *rig = rig_new(64, 4096);
	struct rig_tx *tx = rig_tx_new(rig, 5);
	struct rig_frames f = {0};

	announce(rig, tx);
	for (unsigned i = 0; i < 3; i++)
		rig_tx_heartbeat(tx, &f, RECORD_HB_PERMISSIVE);
	send_range(rig, &f, 0, 3);
	cr_assert_eq(rig_messages(rig, DELIVER_HEARTBEAT), 3);
	cr_assert_eq(rig_find(rig, DELIVER_HEARTBEAT, 0)->msg.b, RECORD_HB_PERMISSIVE);
	cr_assert_eq(rig_messages(rig, DELIVER_ALARM), 1);
	cr_assert_eq(rig_find(rig, DELIVER_ALARM, 0)->msg.a, DELIVER_ALARM_TX_PERMISSIVE);
	rig_frames_free(&f);
	rig_tx_free(tx);
	rig_free(rig);
}

Test(session, stop_names_what_is_open)
{
	struct rig *rig = rig_new(128, 4096);
	struct rig_tx *tx = rig_tx_new(rig, 5);
	struct rig_frames f = {0};

	announce(rig, tx);
	rig_tx_window(tx, &f, &eight);
	rig_push(rig, f.v[0].p, f.v[0].len);
	send_range(rig, &f, 2, 6);
	rx_engine_stop(&rig->e, false);
	rig_run(rig, 0);
	cr_assert_eq(rig_messages(rig, DELIVER_WINDOW), 1);
	cr_assert_eq(rig_messages(rig, DELIVER_LOST), 1);
	cr_assert_eq(rig_find(rig, DELIVER_LOST, 0)->msg.a, 1);
	cr_assert_eq(rig_messages(rig, DELIVER_SESSION_END), 0);
	cr_assert_eq(rig->floors.floor[0].seq, 5);
	rig_frames_free(&f);
	rig_tx_free(tx);
	rig_free(rig);
}
