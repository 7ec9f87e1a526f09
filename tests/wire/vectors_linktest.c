// SPDX-License-Identifier: ISC
/* The schedule of a link test, and frames of it. */
#include <string.h>

#include "linktest.h"
#include "vectors.h"

#define LENGTH 216u /* a frame of 256 bytes */

static const struct linktest_plan plan = {
	.sizes = 2,
	.rates = 3,
	.bursts = 2,
	.step_ms = 1000,
	.pause_ms = 200,
	.burst_first = 64,
	.size = {256, 1500},
	.rate_kbps = {64, 100000, 1000000},
};

static void write_steps(const struct vectors *v)
{
	struct linktest_step s[LINKTEST_STEPS_MAX];
	unsigned n = linktest_steps(&plan, s);

	fprintf(v->out, "    \"steps\": [\n");
	for (unsigned i = 0; i < n; i++)
		fprintf(v->out,
			"      {\"burst\": %s, \"size\": %u, \"rate_kbps\": %u, \"first\": "
			"%llu, \"frames\": %u, \"away_ms\": %u}%s\n",
			s[i].burst ? "true" : "false", s[i].size, s[i].rate_kbps,
			(unsigned long long)s[i].first, s[i].frames, s[i].away_ms,
			i + 1 < n ? "," : "");
	fprintf(v->out, "    ],\n");
}

static void write_frame(const struct vectors *v, const struct linktest_frame *f,
			const uint8_t *bytes, const char *end)
{
	uint8_t frame[WIRE_HEADER_LEN + LENGTH] = {0};

	linktest_encode(frame, f, bytes, LENGTH);
	fprintf(v->out,
		"      {\n        \"run\": %u, \"seq\": %llu, \"step\": %u, \"kind\": %u, "
		"\"flags\": %u, \"sent\": %llu, \"elapsed_ns\": %llu,\n",
		f->run, (unsigned long long)f->seq, f->step, f->kind, f->flags,
		(unsigned long long)f->sent, (unsigned long long)f->elapsed_ns);
	vectors_hex(v, "        ", "frame", frame, sizeof(frame), "");
	fprintf(v->out, "      }%s\n", end);
}

void vectors_write_linktest(const struct vectors *v)
{
	static const struct linktest_frame frames[] = {
		{.run = 0xa1b2c3d4, .seq = 700000, .kind = LINKTEST_HELLO},
		{.run = 0xa1b2c3d4, .seq = 30, .step = 1, .kind = LINKTEST_LOAD},
		{.run = 0xa1b2c3d4,
		 .seq = 700001,
		 .step = 4,
		 .kind = LINKTEST_END,
		 .flags = LINKTEST_SLOWER | LINKTEST_CUT | LINKTEST_LAST,
		 .sent = 1000,
		 .elapsed_ns = UINT64_C(2000000000)},
		{.run = 0xa1b2c3d4, .seq = 700002, .step = 8, .kind = LINKTEST_OVER},
	};
	uint8_t bytes[LINKTEST_PLAN_LEN];

	vectors_need(linktest_plan_check(&plan) == KM_OK, "plan");
	linktest_plan_encode(bytes, &plan);
	fprintf(v->out, "  \"linktest\": {\n");
	vectors_hex(v, "    ", "plan", bytes, sizeof(bytes), ",");
	write_steps(v);
	fprintf(v->out, "    \"frames\": [\n");
	for (size_t i = 0; i < KM_COUNT(frames); i++)
		write_frame(v, &frames[i], bytes, i + 1 < KM_COUNT(frames) ? "," : "");
	fprintf(v->out, "    ]\n  },\n");
}
