// SPDX-License-Identifier: ISC
#include "lanes.h"

#include <string.h>

int lanes_open(struct lanes *lanes, const struct lane_plan *plan,
	       const struct lane_out_memory *memory, const uint8_t *ether,
	       uint32_t ether_len, struct km_err *err)
{
	memset(lanes, 0, sizeof(*lanes));
	lanes->count = plan->workers;
	for (unsigned i = 0; i < lanes->count; i++)
		if (lane_out_open(&lanes->out[i], plan, i, memory, ether, ether_len, err) !=
		    0)
			return -1;
	return 0;
}

void lanes_close(struct lanes *lanes)
{
	for (unsigned i = 0; i < LANE_WORKERS_MAX; i++)
		lane_out_close(&lanes->out[i]);
}

int lanes_key(struct lanes *lanes, const uint8_t secret[SEAL_SECRET_LEN],
	      const uint8_t transcript[SEAL_TRANSCRIPT_LEN], struct km_err *err)
{
	for (unsigned i = 0; i < lanes->count; i++)
		if (lane_out_key(&lanes->out[i], secret, transcript, err) != 0)
			return -1;
	return 0;
}

void lanes_refresh(struct lanes *lanes)
{
	for (unsigned i = 0; i < lanes->count; i++)
		if (!lanes->lent[i])
			lane_out_refresh(&lanes->out[i]);
}

bool lanes_drained(const struct lanes *lanes)
{
	for (unsigned i = 0; i < lanes->count; i++)
		if (lanes->lent[i] || !lane_out_drained(&lanes->out[i]))
			return false;
	return true;
}

bool lanes_dead(const struct lanes *lanes)
{
	for (unsigned i = 0; i < lanes->count; i++)
		if (lanes->out[i].dead)
			return true;
	return false;
}

uint64_t lanes_sealed(const struct lanes *lanes)
{
	uint64_t sum = 0;

	for (unsigned i = 0; i < lanes->count; i++)
		for (unsigned j = 0; j < LANE_COUNT; j++)
			sum += lanes->out[i].lane[j].seq;
	return sum;
}

uint64_t lanes_accepted(const struct lanes *lanes)
{
	uint64_t sum = 0;

	for (unsigned i = 0; i < lanes->count; i++)
		for (unsigned j = 0; j < LANE_COUNT; j++)
			sum += lanes->out[i].lane[j].accepted;
	return sum;
}

uint64_t lanes_data(const struct lanes *lanes)
{
	uint64_t sum = 0;

	for (unsigned i = 0; i < lanes->count; i++)
		for (unsigned j = FRAME_CLASS_CONTROL + 1; j < LANE_COUNT; j++)
			sum += lanes->out[i].lane[j].submitted;
	return sum;
}

uint64_t lanes_highest(const struct lanes *lanes)
{
	uint64_t most = 0;

	for (unsigned i = 0; i < lanes->count; i++)
		for (unsigned j = 0; j < LANE_COUNT; j++)
			if (lanes->out[i].lane[j].seq > most)
				most = lanes->out[i].lane[j].seq;
	return most;
}
