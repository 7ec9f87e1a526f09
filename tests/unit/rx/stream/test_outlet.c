// SPDX-License-Identifier: ISC
/* outlet.c: a ring of bytes that grows as far as it may. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "outlet.h"

#define LIMIT 100000u

static struct outlet o;
static uint64_t in, out;

static uint8_t byte_of(uint64_t at)
{
	return (uint8_t)(at * 7 + (at >> 8));
}

static enum km_rc put(size_t n)
{
	static uint8_t bytes[LIMIT + 1];
	enum km_rc rc;

	for (size_t i = 0; i < n; i++)
		bytes[i] = byte_of(in + i);
	rc = outlet_put(&o, bytes, n, LIMIT);
	in += rc == KM_OK ? n : 0;
	return rc;
}

static void take(size_t most)
{
	size_t n;
	const uint8_t *bytes = outlet_first(&o, &n);

	if (!bytes)
		return;
	n = n < most ? n : most;
	for (size_t i = 0; i < n; i++)
		cr_assert_eq(bytes[i], byte_of(out + i), "byte %zu of %zu", i, n);
	outlet_took(&o, n);
	out += n;
}

Test(outlet, bytes_keep_their_order_and_their_bound)
{
	const char *text = getenv("KM_SEED");
	const unsigned seed =
		text ? (unsigned)strtoul(text, NULL, 10) : (unsigned)time(NULL);

	(void)fprintf(stderr, "KM_SEED=%u\n", seed);
	srandom(seed);
	outlet_clear(&o);
	for (unsigned i = 0; i < 20000; i++) {
		const size_t n = (size_t)random() % (i % 50 ? 3000 : LIMIT);
		const bool fits = n <= LIMIT - o.held;

		cr_assert_eq(put(n), fits ? KM_OK : KM_ERR_FULL);
		cr_assert_leq(o.room, LIMIT);
		take((size_t)random() % 6000);
		cr_assert_eq(o.held, in - out);
	}
	while (o.held > 0)
		take(LIMIT);
	cr_assert_eq(in, out);
}

Test(outlet, exactly_as_much_as_it_may_hold)
{
	outlet_clear(&o);
	cr_assert_eq(put(LIMIT), KM_OK);
	cr_assert_eq(put(1), KM_ERR_FULL);
	take(1);
	cr_assert_eq(put(1), KM_OK);
	while (o.held > 0)
		take(LIMIT);
	cr_assert_eq(out, LIMIT + 1);
}

Test(outlet, a_dropped_one_knows_where_its_consumer_was)
{
	int fd[2];

	outlet_clear(&o);
	cr_assert_eq(pipe(fd), 0);
	o.fd = fd[1];
	o.state = OUTLET_LIVE;
	o.number = 4;
	cr_assert_eq(put(5000), KM_OK);
	o.next = 9000;
	take(2000);
	outlet_drop(&o);
	cr_assert_eq(o.state, OUTLET_DEAD);
	cr_assert_eq(o.sent, 6000);
	cr_assert_eq(close(fd[1]), -1, "it was closed");
	cr_assert_null(o.ring);
	o.over = true;
	outlet_drop(&o);
	cr_assert_eq(o.state, OUTLET_FREE);
	cr_assert_eq(o.fd, -1);
}
