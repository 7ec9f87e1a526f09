// SPDX-License-Identifier: ISC
#include "live.h"

#include <stdlib.h>
#include <string.h>

#include "clock.h"

/* A channel's share per turn, bytes of frames. */
#define LIVE_QUANTUM (UINT64_C(64) << 10)

int live_open(struct live *live, const struct tx_config *config, const int *fds,
	      struct lane_out *out, struct control *control, struct counts *counts,
	      struct km_err *err)
{
	memset(live, 0, sizeof(*live));
	live->out = out;
	for (unsigned i = 0; i < config->lives; i++) {
		struct datagram *d = calloc(1, sizeof(*d));

		if (!d)
			return km_err_set(err, EX_OSERR, "live channels: out of memory");
		live->channel[live->count++] = d;
		if (datagram_open(d, config, &config->live[i], fds[i], out, control, counts,
				  clock_mono_ns(), err) != 0)
			return -1;
	}
	return 0;
}

void live_close(struct live *live)
{
	for (unsigned i = 0; i < live->count; i++) {
		datagram_close(live->channel[i]);
		free(live->channel[i]);
	}
	live->count = 0;
}

void live_session(struct live *live)
{
	for (unsigned i = 0; i < live->count; i++)
		datagram_session(live->channel[i]);
}

uint64_t live_step(struct live *live, bool drain, uint64_t now_ns)
{
	uint64_t put = 0;

	for (unsigned i = 0; i < live->count; i++)
		put += datagram_step(live->channel[(live->turn + i) % live->count],
				     LIVE_QUANTUM, drain, now_ns);
	live->turn++;
	return put;
}

uint64_t live_next(const struct live *live)
{
	uint64_t next = CLOCK_NEVER;

	for (unsigned i = 0; i < live->count; i++) {
		const uint64_t at = datagram_next(live->channel[i]);

		next = at < next ? at : next;
	}
	return next;
}

bool live_busy(const struct live *live)
{
	for (unsigned i = 0; i < live->count; i++)
		if (datagram_busy(live->channel[i]))
			return true;
	return false;
}

bool live_stuck(const struct live *live, uint64_t now_ns)
{
	if (lane_out_room(live->out, FRAME_CLASS_REALTIME) > 0)
		return false;
	for (unsigned i = 0; i < live->count; i++)
		if (datagram_stuck(live->channel[i], now_ns))
			return true;
	return false;
}

unsigned live_poll(const struct live *live, struct pollfd *fds)
{
	for (unsigned i = 0; i < live->count; i++)
		fds[i] = (struct pollfd){.fd = live->channel[i]->in.fd, .events = POLLIN};
	return live->count;
}

size_t live_pool_bytes(const struct live *live)
{
	size_t bytes = 0;

	for (unsigned i = 0; i < live->count; i++)
		bytes += block_pool_bytes(&live->channel[i]->channel.block.geo);
	return bytes;
}
