// SPDX-License-Identifier: ISC
#include "rx_shared.h"

#include <fcntl.h>
#include <inttypes.h>
#include <string.h>

#include "ask.h"
#include "deliver.h"
#include "host.h"
#include "sink.h"

static int make_segment(struct rx_shared *shared, const struct rx_config *config,
			struct km_err *err)
{
	struct segment_plan plan;

	rx_config_segment_plan(config, &plan);
	/* asking the kernel for more than there is would not fail: it would kill somebody */
	if (segment_bytes(&plan) > host_memory("MemAvailable"))
		return km_err_set(err, EX_OSERR,
				  "window pool of %" PRIu64 " MiB: only %" PRIu64
				  " MiB of memory are free; lower pool",
				  segment_bytes(&plan) >> 20,
				  host_memory("MemAvailable") >> 20);
	shared->fd_segment = shm_create("rx-segment", segment_bytes(&plan), err);
	if (shared->fd_segment < 0)
		return -1;
	if (fallocate(shared->fd_segment, 0, 0, (off_t)segment_bytes(&plan)) != 0)
		return km_err_set_errno(err, EX_OSERR,
					"window pool of %" PRIu64
					" MiB: lower pool, or give the "
					"daemon more memory",
					segment_bytes(&plan) >> 20);
	shared->fd_segment_ro = shm_reopen_ro(shared->fd_segment, err);
	return shared->fd_segment_ro < 0 ? -1 : 0;
}

int rx_shared_make(struct rx_shared *shared, const struct rx_config *config,
		   struct km_err *err)
{
	shared->fd_ask = shm_create("rx-ask", ask_bytes(), err);
	if (shared->fd_ask < 0 ||
	    shm_map(&shared->ask, shared->fd_ask, ask_bytes(), SHM_MAP_WRITE, err) != 0)
		return -1;
	shared->fd_deliver = shm_create("rx-deliver", deliver_bytes(), err);
	if (shared->fd_deliver < 0 || shm_map(&shared->deliver, shared->fd_deliver,
					      deliver_bytes(), SHM_MAP_WRITE, err) != 0)
		return -1;
	if (config->lives > 0) {
		shared->fd_sink = shm_create("rx-sink", sink_bytes(), err);
		if (shared->fd_sink < 0 || shm_map(&shared->sink, shared->fd_sink,
						   sink_bytes(), SHM_MAP_WRITE, err) != 0)
			return -1;
	}
	return make_segment(shared, config, err);
}

int rx_shared_format(struct rx_shared *shared, struct km_err *err)
{
	memset(shared->ask.p, 0, shared->ask.len);
	memset(shared->deliver.p, 0, shared->deliver.len);
	if (ring_format(ask_questions(shared->ask.p), ask_questions_bytes(),
			sizeof(struct ask), ASK_SLOTS) != KM_OK ||
	    ring_format(ask_answers(shared->ask.p), ask_answers_bytes(),
			sizeof(struct ask_answer), ASK_SLOTS) != KM_OK ||
	    ring_format(shared->deliver.p, deliver_ring_bytes(), DELIVER_MSG_LEN,
			DELIVER_RING_SLOTS) != KM_OK)
		return km_err_set(err, EX_SOFTWARE, "shared rings: geometry");
	if (!shared->sink.p)
		return 0;
	memset(shared->sink.p, 0, RING_SLOTS_OFFSET);
	if (ring_format(shared->sink.p, sink_bytes(), SINK_SLOT, SINK_SLOTS) != KM_OK)
		return km_err_set(err, EX_SOFTWARE, "ring of the sink: geometry");
	return 0;
}

bool rx_shared_delivered(const struct rx_shared *shared)
{
	struct ring ring;

	/* a fresh look each time: an attached handle would go by its own index */
	return ring_attach(&ring, shared->deliver.p, deliver_ring_bytes(), DELIVER_MSG_LEN,
			   DELIVER_RING_SLOTS, RING_CONSUMER) != KM_OK ||
	       ring_ready(&ring) <= 0;
}

void rx_shared_free(struct rx_shared *shared)
{
	shm_unmap(&shared->ask);
	shm_unmap(&shared->deliver);
	shm_unmap(&shared->sink);
	km_close(&shared->fd_sink);
	km_close(&shared->fd_ask);
	km_close(&shared->fd_deliver);
	km_close(&shared->fd_segment);
	km_close(&shared->fd_segment_ro);
}
