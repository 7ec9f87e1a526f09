// SPDX-License-Identifier: ISC
#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tx_state_in.h"

#define B(text) (const uint8_t *)(text), sizeof(text) - 1

static struct state_message m;

static void is(const char *key, const char *value, size_t value_len)
{
	cr_assert_eq(m.key_len, strlen(key));
	cr_assert_arr_eq(m.key, key, m.key_len);
	cr_assert_eq(m.op, value ? STATE_VALUE : STATE_WITHDRAWN);
	cr_assert_eq(m.value_len, value_len);
	if (value_len > 0)
		cr_assert_arr_eq(m.value, value, value_len);
}

Test(tx_state_in, key_line_feed_value)
{
	cr_assert_eq(tx_state_in_parse(&m, B("train/1\nlate 3"), 1000), KM_OK);
	is("train/1", "late 3", 6);
	cr_assert_eq(tx_state_in_parse(&m, B("train/1"), 1000), KM_OK);
	is("train/1", NULL, 0);
	cr_assert_eq(tx_state_in_parse(&m, B("k\n"), 1000), KM_OK);
	is("k", "", 0);
	cr_assert_eq(tx_state_in_parse(&m, B("k\n\n\n"), 1000), KM_OK);
	is("k", "\n\n", 2);
	cr_assert_eq(tx_state_in_parse(&m, B("\x97\xf1\n\x0a\x00\xff\x1a"), 1000), KM_OK);
	is("\x97\xf1", "\x0a\x00\xff\x1a", 4);
}

Test(tx_state_in, what_has_no_key_is_none)
{
	uint8_t longest[300];

	memset(longest, 'k', sizeof(longest));
	longest[255] = '\n';
	cr_assert_eq(tx_state_in_parse(&m, longest, 300, 1000), KM_OK);
	cr_assert_eq(m.key_len, 255);
	longest[255] = 'k';
	longest[256] = '\n';
	cr_assert_eq(tx_state_in_parse(&m, longest, 300, 1000), KM_ERR_MALFORMED);
	cr_assert_eq(tx_state_in_parse(&m, longest, 256, 1000), KM_ERR_MALFORMED);
	cr_assert_eq(tx_state_in_parse(&m, longest, 255, 1000), KM_OK);
	cr_assert_eq(tx_state_in_parse(&m, NULL, 0, 1000), KM_ERR_MALFORMED);
	cr_assert_eq(tx_state_in_parse(&m, B("\nvalue"), 1000), KM_ERR_MALFORMED);
	cr_assert_eq(tx_state_in_parse(&m, B("a\tb\nvalue"), 1000), KM_ERR_MALFORMED);
	cr_assert_eq(tx_state_in_parse(&m, B("a\r\nvalue"), 1000), KM_ERR_MALFORMED);
}

Test(tx_state_in, a_message_is_no_longer_than_max_size)
{
	cr_assert_eq(tx_state_in_parse(&m, B("key\n0123456789"), STATE_HEAD_LEN + 13),
		     KM_OK);
	cr_assert_eq(tx_state_in_parse(&m, B("key\n0123456789"), STATE_HEAD_LEN + 12),
		     KM_ERR_LIMIT);
	cr_assert_eq(tx_state_in_parse(&m, B("key"), STATE_HEAD_LEN + 3), KM_OK);
	cr_assert_eq(tx_state_in_parse(&m, B("key"), STATE_HEAD_LEN + 2), KM_ERR_LIMIT);
}

static int udp(struct sockaddr_in *at, const char *ip)
{
	socklen_t len = sizeof(*at);
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);

	*at = (struct sockaddr_in){.sin_family = AF_INET};
	cr_assert_eq(inet_pton(AF_INET, ip, &at->sin_addr), 1);
	cr_assert_eq(bind(fd, (struct sockaddr *)at, len), 0);
	cr_assert_eq(getsockname(fd, (struct sockaddr *)at, &len), 0);
	return fd;
}

Test(tx_state_in, what_is_dropped_is_counted_by_its_reason)
{
	static struct tx_state_in in;
	static const struct tx_config_live conf = {
		.listen = {.kind = LOCAL_END_INET},
		.allow = {{127, 0, 0, 1}},
		.allowed = 1,
		.max_size = 100,
	};
	const char large[200] = "key\nvalue";
	struct sockaddr_in to, from;
	const int fd = udp(&to, "127.0.0.1"), good = udp(&from, "127.0.0.1"),
		  bad = udp(&from, "127.0.0.2");
	const int least = 1;
	unsigned taken, sent = 0;

	tx_state_in_open(&in, &conf, fd);
	cr_assert_not(tx_state_in_next(&in, &m, 10, &taken));
	cr_assert_eq(taken, 0);
	for (int i = 0; i < 2; i++) {
		(void)sendto(bad, "a\n1", 3, 0, (struct sockaddr *)&to, sizeof(to));
		(void)sendto(good, "\n1", 2, 0, (struct sockaddr *)&to, sizeof(to));
		(void)sendto(good, large, sizeof(large), 0, (struct sockaddr *)&to,
			     sizeof(to));
		(void)sendto(good, "a\n1", 3, 0, (struct sockaddr *)&to, sizeof(to));
	}
	cr_assert(tx_state_in_next(&in, &m, 10, &taken));
	cr_assert_eq(taken, 4);
	is("a", "1", 1);
	cr_assert_not(tx_state_in_next(&in, &m, 2, &taken), "two were taken and no more");
	cr_assert_eq(taken, 2);
	cr_assert(tx_state_in_next(&in, &m, 2, &taken));
	cr_assert_not(tx_state_in_next(&in, &m, 2, &taken));
	cr_assert_eq(in.drops.not_allowed, 2);
	cr_assert_eq(in.drops.malformed, 2);
	cr_assert_eq(in.drops.too_long, 2);
	cr_assert_eq(in.drops.overflow, 0);

	cr_assert_eq(setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &least, sizeof(least)), 0);
	for (int i = 0; i < 50; i++)
		sent += sendto(good, "a\n1", 3, 0, (struct sockaddr *)&to, sizeof(to)) == 3;
	tx_state_in_look(&in);
	cr_assert_gt(in.drops.overflow, 0);
	tx_state_in_look(&in);
	while (tx_state_in_next(&in, &m, 1, &taken))
		sent--;
	cr_assert_eq(in.drops.overflow, sent, "each once");
	/* the role that comes after a dead one has its counters from the page, and the socket */
	tx_state_in_open(&in, &conf, fd);
	tx_state_in_look(&in);
	cr_assert_eq(in.drops.overflow, sent);
	(void)close(fd);
	(void)close(good);
	(void)close(bad);
}
