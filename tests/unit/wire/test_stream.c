// SPDX-License-Identifier: ISC
/* stream.c: what one side writes the other reads, and nothing else is read. */
#include <criterion/criterion.h>
#include <string.h>

#include "stream.h"

static uint8_t bytes[STREAM_DATA_HEAD + 5 + STREAM_MARKS_MAX];
static size_t len;

static struct stream_msg written(struct stream_msg m)
{
	struct stream_msg out;

	m.run = 0x01020304;
	cr_assert_eq(stream_write(&m, bytes, sizeof(bytes), &len), KM_OK);
	cr_assert_eq(stream_read(&out, bytes, len), KM_OK);
	cr_assert_eq(out.op, m.op);
	cr_assert_eq(out.run, m.run);
	cr_assert_eq(out.newest, m.newest);
	cr_assert_eq(out.connection, m.connection);
	/* nothing shorter is a message, but data that ends earlier */
	for (size_t cut = 0; cut < len; cut++)
		if (m.op != STREAM_DATA || cut <= STREAM_DATA_HEAD)
			cr_assert_eq(stream_read(&out, bytes, cut), KM_ERR_MALFORMED);
	cr_assert_eq(stream_read(&out, bytes, len + 1) == KM_OK, m.op == STREAM_DATA);
	cr_assert_eq(stream_read(&out, bytes, len), KM_OK);
	return out;
}

Test(stream, what_is_written_is_read)
{
	struct stream_msg m = {.op = STREAM_OPEN, .newest = 9, .connection = 9}, out;

	m.source_len = STREAM_SOURCE;
	memcpy(m.source, "\xc0\x00\x02\x01\x10\x00", STREAM_SOURCE);
	out = written(m);
	cr_assert_arr_eq(out.source, m.source, STREAM_SOURCE);
	m.source_len = 0;
	cr_assert_eq(written(m).source_len, 0);

	m = (struct stream_msg){.op = STREAM_DATA,
				.newest = UINT64_MAX,
				.connection = UINT64_MAX,
				.offset = STREAM_OFFSET_MAX - 6,
				.data = (const uint8_t *)"bytes",
				.len = 5};
	out = written(m);
	cr_assert_eq(out.offset, m.offset);
	cr_assert_eq(out.len, 5);
	cr_assert_arr_eq(out.data, m.data, 5);

	m = (struct stream_msg){
		.op = STREAM_CLOSE, .newest = 2, .connection = 1, .offset = 7};
	for (m.end = 0; m.end < STREAM_ENDS; m.end++)
		cr_assert_eq(written(m).end, m.end);

	m = (struct stream_msg){.op = STREAM_ALIVE, .newest = STREAM_OPEN_MAX};
	cr_assert_eq(written(m).marks, 0);
	for (; m.marks < STREAM_OPEN_MAX; m.marks++)
		m.mark[m.marks] = (struct stream_mark){m.marks + 1, m.marks * 3};
	out = written(m);
	cr_assert_eq(len, STREAM_MARKS_MAX);
	cr_assert_eq(out.marks, STREAM_OPEN_MAX);
	cr_assert_arr_eq(out.mark, m.mark, sizeof(m.mark));
}

Test(stream, the_head_of_data_is_that_of_the_whole_message)
{
	const struct stream_msg m = {.op = STREAM_DATA,
				     .run = 5,
				     .newest = 3,
				     .connection = 2,
				     .offset = 1000,
				     .data = (const uint8_t *)"x",
				     .len = 1};
	uint8_t head[STREAM_DATA_HEAD];

	stream_write_data_head(&m, head);
	cr_assert_eq(stream_write(&m, bytes, sizeof(bytes), &len), KM_OK);
	cr_assert_arr_eq(bytes, head, STREAM_DATA_HEAD);
	cr_assert_eq(stream_write(&m, bytes, STREAM_DATA_HEAD, &len), KM_ERR_FULL);
}

static bool refused(struct stream_msg m)
{
	return stream_write(&m, bytes, sizeof(bytes), &len) == KM_ERR_RANGE;
}

Test(stream, what_nobody_says_is_refused)
{
	const struct stream_msg data = {.op = STREAM_DATA,
					.newest = 1,
					.connection = 1,
					.data = (const uint8_t *)"x",
					.len = 1};
	struct stream_msg m, out;

	cr_assert_not(refused(data));
	m = data, m.connection = 0;
	cr_assert(refused(m), "no connection 0");
	m = data, m.connection = 2;
	cr_assert(refused(m), "newer than the newest");
	m = data, m.len = 0;
	cr_assert(refused(m), "no bytes");
	m = data, m.offset = STREAM_OFFSET_MAX;
	cr_assert(refused(m), "past the last offset");
	m = data, m.op = 0;
	cr_assert(refused(m));
	m = data, m.op = STREAM_ALIVE + 1;
	cr_assert(refused(m));
	m = data, m.op = STREAM_CLOSE, m.end = STREAM_ENDS;
	cr_assert(refused(m), "no such end");
	m = data, m.op = STREAM_OPEN, m.source_len = 5;
	cr_assert(refused(m), "no such address");
	m = (struct stream_msg){.op = STREAM_ALIVE, .newest = 5, .marks = 2};
	m.mark[0].connection = m.mark[1].connection = 3;
	cr_assert(refused(m), "twice");
	m.mark[1].connection = 6;
	cr_assert(refused(m), "newer than the newest");
	m.mark[1].connection = 4, m.mark[1].offset = STREAM_OFFSET_MAX + 1;
	cr_assert(refused(m), "past the last offset");

	cr_assert_eq(stream_write(&data, bytes, sizeof(bytes), &len), KM_OK);
	bytes[0] = STREAM_VERSION + 1;
	cr_assert_eq(stream_read(&out, bytes, len), KM_ERR_VERSION);
	bytes[0] = STREAM_VERSION;
	bytes[1] = 99;
	cr_assert_eq(stream_read(&out, bytes, len), KM_ERR_MALFORMED);
	m = (struct stream_msg){.op = STREAM_ALIVE};
	cr_assert_eq(stream_write(&m, bytes, sizeof(bytes), &len), KM_OK);
	bytes[STREAM_HEAD] = STREAM_OPEN_MAX + 1; /* marks */
	cr_assert_eq(stream_read(&out, bytes, sizeof(bytes)), KM_ERR_MALFORMED);
}
