// SPDX-License-Identifier: ISC
#include <criterion/criterion.h>
#include <sodium.h>
#include <string.h>

#include "session.h"

#define RECEIVERS 3u

static struct keys_sign_secret identity, stranger;
static struct keys_box_secret receiver[WIRE_ANNOUNCE_RECEIVERS_MAX];
static struct keys_box_public public[WIRE_ANNOUNCE_RECEIVERS_MAX];
static const struct session_facts facts = {.environment = 2,
					   .epoch = 1763704291,
					   .created_ns = 1763704291000000000,
					   .config_digest = {9, 8, 7}};

static void setup(void)
{
	struct km_err err = KM_ERR_INIT;

	cr_assert_eq(keys_init(&err), 0, "%s", err.text);
	keys_sign_generate(&identity);
	keys_sign_generate(&stranger);
	for (unsigned i = 0; i < WIRE_ANNOUNCE_RECEIVERS_MAX; i++) {
		keys_box_generate(&receiver[i]);
		public[i] = receiver[i].pub;
	}
}

TestSuite(session, .init = setup);

struct made {
	uint8_t p[WIRE_ANNOUNCE_MAX], secret[SEAL_SECRET_LEN];
	size_t len;
	struct announce a;
};

static void make(struct made *m, unsigned count)
{
	cr_assert_eq(session_announce_make(m->p, &m->len, m->secret, &facts, &identity,
					   public, count),
		     KM_OK);
	cr_assert_eq(m->len, announce_bytes(count));
	cr_assert_eq(session_announce_check(&m->a, m->p, m->len, &identity.pub, 1), KM_OK);
}

/* Sign whatever stands there, as a tx (or its thief) could. */
static void sign_again(struct made *m, const struct keys_sign_secret *key)
{
	static const char domain[] = "katamichi announce v1";
	uint8_t bytes[sizeof(domain) + WIRE_ANNOUNCE_MAX];

	memcpy(bytes, domain, sizeof(domain));
	memcpy(bytes + sizeof(domain), m->p, m->len - 64);
	crypto_sign_detached(m->p + m->len - 64, NULL, bytes, sizeof(domain) + m->len - 64,
			     key->sk);
}

static enum km_rc check_and_open(struct made *m, const struct keys_box_secret *who)
{
	uint8_t secret[SEAL_SECRET_LEN];
	enum km_rc rc = session_announce_check(&m->a, m->p, m->len, &identity.pub, 1);

	cr_assert_eq(rc, KM_OK);
	rc = session_announce_open(secret, &m->a, m->p, m->len, who);
	cr_assert(rc != KM_OK || memcmp(secret, m->secret, sizeof(secret)) == 0);
	return rc;
}

Test(session, every_receiver_opens_its_box)
{
	for (unsigned count = 1; count <= WIRE_ANNOUNCE_RECEIVERS_MAX; count++) {
		struct made m;

		make(&m, count);
		for (unsigned i = 0; i < WIRE_ANNOUNCE_RECEIVERS_MAX; i++)
			cr_assert_eq(check_and_open(&m, &receiver[i]),
				     i < count ? KM_OK : KM_ERR_NOTFOUND);
	}
}

Test(session, facts_are_carried_and_nothing_repeats)
{
	struct made m, n;

	make(&m, RECEIVERS);
	make(&n, RECEIVERS);
	cr_assert_eq(m.a.environment, facts.environment);
	cr_assert_eq(m.a.epoch, facts.epoch);
	cr_assert_eq(m.a.created_ns, facts.created_ns);
	cr_assert_arr_eq(m.a.config_digest, facts.config_digest, 32);
	cr_assert_arr_eq(m.a.identity, identity.pub.pk, 32);
	cr_assert_neq(memcmp(m.secret, n.secret, 32), 0);
	cr_assert_neq(memcmp(m.a.session_id, n.a.session_id, 16), 0);
	cr_assert_neq(memcmp(m.a.ephemeral, n.a.ephemeral, 32), 0);
}

Test(session, count_of_receivers)
{
	struct made m;

	cr_assert_eq(
		session_announce_make(m.p, &m.len, m.secret, &facts, &identity, public, 0),
		KM_ERR_RANGE);
	cr_assert_eq(
		session_announce_make(m.p, &m.len, m.secret, &facts, &identity, public, 17),
		KM_ERR_RANGE);
}

Test(session, trust)
{
	const struct keys_sign_public two[] = {stranger.pub, identity.pub};
	struct announce a;
	struct made m;

	make(&m, 1);
	cr_assert_eq(session_announce_check(&a, m.p, m.len, &stranger.pub, 1),
		     KM_ERR_NOTFOUND);
	cr_assert_eq(session_announce_check(&a, m.p, m.len, NULL, 0), KM_ERR_NOTFOUND);
	cr_assert_eq(session_announce_check(&a, m.p, m.len, two, 2), KM_OK);
	/* A stranger's signature under our identity, and a stranger's own announce. */
	sign_again(&m, &stranger);
	cr_assert_eq(session_announce_check(&a, m.p, m.len, &identity.pub, 1), KM_ERR_AUTH);
	memcpy(m.p + 16, stranger.pub.pk, 32);
	sign_again(&m, &stranger);
	cr_assert_eq(session_announce_check(&a, m.p, m.len, &identity.pub, 1),
		     KM_ERR_NOTFOUND);
}

Test(session, every_bit_is_signed, .timeout = 120)
{
	struct announce a;
	struct made m;

	make(&m, 2);
	for (size_t bit = 0; bit < m.len * 8; bit++) {
		enum km_rc rc;

		m.p[bit / 8] ^= (uint8_t)(1u << bit % 8);
		rc = session_announce_check(&a, m.p, m.len, &identity.pub, 1);
		cr_assert_neq(rc, KM_OK, "byte %zu", bit / 8);
		m.p[bit / 8] ^= (uint8_t)(1u << bit % 8);
	}
	for (size_t n = 0; n < m.len; n++)
		cr_assert_eq(session_announce_check(&a, m.p, n, &identity.pub, 1),
			     KM_ERR_SHORT);
	cr_assert_eq(session_announce_check(&a, m.p, m.len, &identity.pub, 1), KM_OK);
}

/* A box opens in no announce but its own, even when tx's key signed the forgery. */
Test(session, a_box_cannot_move)
{
	struct made from, to;

	make(&from, RECEIVERS);
	make(&to, RECEIVERS);
	memcpy(to.p + WIRE_ANNOUNCE_FIXED, from.p + WIRE_ANNOUNCE_FIXED, WIRE_ANNOUNCE_BOX);
	memcpy(to.p + 80, from.p + 80, 32); /* with the ephemeral key that made it */
	sign_again(&to, &identity);
	cr_assert_eq(check_and_open(&to, &receiver[0]), KM_ERR_AUTH);

	/* Nor does it open with one fixed field changed, or one more receiver beside it. */
	for (size_t at = 14; at < 144; at++) {
		make(&to, RECEIVERS);
		to.p[at] ^= 1;
		if (at >= 16 && at < 48)
			continue; /* another identity is not trusted at all */
		sign_again(&to, &identity);
		cr_assert_eq(check_and_open(&to, &receiver[1]), KM_ERR_AUTH, "byte %zu",
			     at);
	}
	make(&to, RECEIVERS);
	to.p[WIRE_ANNOUNCE_FIXED + WIRE_ANNOUNCE_BOX] ^= 1; /* receiver 1's key id */
	sign_again(&to, &identity);
	cr_assert_eq(check_and_open(&to, &receiver[0]), KM_ERR_AUTH);
	cr_assert_eq(check_and_open(&to, &receiver[1]), KM_ERR_NOTFOUND);
}

Test(session, a_damaged_box)
{
	struct made m;

	for (size_t at = 8; at < WIRE_ANNOUNCE_BOX; at++) {
		make(&m, 2);
		m.p[WIRE_ANNOUNCE_FIXED + at] ^= 0x80;
		sign_again(&m, &identity);
		cr_assert_eq(check_and_open(&m, &receiver[0]), KM_ERR_AUTH);
		cr_assert_eq(check_and_open(&m, &receiver[1]), KM_OK,
			     "the other still opens");
	}
}

/* Two receivers whose 64-bit key ids collide both open theirs. */
Test(session, colliding_key_ids)
{
	struct made m;

	memcpy(receiver[1].pub.id, receiver[0].pub.id, 8);
	public[1] = receiver[1].pub;
	make(&m, 2);
	cr_assert_eq(check_and_open(&m, &receiver[0]), KM_OK);
	cr_assert_eq(check_and_open(&m, &receiver[1]), KM_OK);
	memcpy(receiver[2].pub.id, receiver[0].pub.id, 8);
	cr_assert_eq(check_and_open(&m, &receiver[2]), KM_ERR_AUTH);
}

/* Points of small order give everyone the same shared secret: 0, 1, two of order 8, p - 1,
 * p and p + 1 (RFC 7748 section 7 asks for the check). */
static const char *const low_order[] = {
	"0000000000000000000000000000000000000000000000000000000000000000",
	"0100000000000000000000000000000000000000000000000000000000000000",
	"e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
	"5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
	"ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
	"edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
	"eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
};

Test(session, low_order_points)
{
	for (size_t i = 0; i < KM_COUNT(low_order); i++) {
		uint8_t point[32];
		struct made m;
		size_t n;

		cr_assert_eq(sodium_hex2bin(point, 32, low_order[i], 64, NULL, &n, NULL),
			     0);
		make(&m, 1);
		memcpy(m.p + 80, point, 32);
		sign_again(&m, &identity);
		cr_assert_eq(check_and_open(&m, &receiver[0]), KM_ERR_AUTH, "point %zu", i);
		memcpy(public[0].pk, point, 32);
		cr_assert_eq(session_announce_make(m.p, &m.len, m.secret, &facts, &identity,
						   public, 1),
			     KM_ERR_SYS, "point %zu", i);
		public[0] = receiver[0].pub;
	}
}

Test(session, transcript_and_tag)
{
	uint8_t t[SEAL_TRANSCRIPT_LEN], u[SEAL_TRANSCRIPT_LEN];
	struct made m;

	make(&m, 1);
	session_transcript(t, m.p, m.len);
	cr_assert_eq(session_tag(t), (uint32_t)t[0] << 24 | (uint32_t)t[1] << 16 |
					     (uint32_t)t[2] << 8 | t[3]);
	m.p[0] ^= 1;
	session_transcript(u, m.p, m.len);
	cr_assert_neq(memcmp(t, u, sizeof(t)), 0);
	cr_assert_eq(session_announce_open(u, &m.a, m.p, m.len - 1, &receiver[0]),
		     KM_ERR_MALFORMED);
}

Test(session, given_draw_gives_given_bytes)
{
	const struct session_draw draw = {
		.secret = {1}, .session_id = {2}, .ephemeral_secret = {3}};
	struct made m, n;

	cr_assert_eq(session_announce_make_from(m.p, &m.len, &draw, &facts, &identity,
						public, 2),
		     KM_OK);
	cr_assert_eq(session_announce_make_from(n.p, &n.len, &draw, &facts, &identity,
						public, 2),
		     KM_OK);
	cr_assert_eq(m.len, n.len);
	cr_assert_arr_eq(m.p, n.p, m.len);
	memcpy(m.secret, draw.secret, sizeof(m.secret));
	cr_assert_eq(check_and_open(&m, &receiver[1]), KM_OK);
}
