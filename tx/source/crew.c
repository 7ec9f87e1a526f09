// SPDX-License-Identifier: ISC
#include "crew.h"

#include <errno.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

static void room_of(const struct tx_config *config, struct worker_room *room)
{
	memset(room, 0, sizeof(*room));
	room->symbol = tx_config_symbol_size(config);
	room->read_ahead = config->read_ahead;
	for (unsigned i = 0; i < config->channels; i++) {
		struct block_geometry geo = channel_geometry(config, &config->channel[i]);

		geo.depth_max = tx_config_worker_depth(config, &config->channel[i]);
		if (block_pool_bytes(&geo) > room->pool)
			room->pool = block_pool_bytes(&geo);
		if (geo.depth_max > room->depth)
			room->depth = geo.depth_max;
	}
}

int crew_open(struct crew *crew, const struct tx_config *config, struct lanes *lanes,
	      struct control *control, struct counts *counts, struct km_err *err)
{
	struct worker_room room;
	struct cores cores;

	memset(crew, 0, sizeof(*crew));
	crew->event = -1;
	crew->lanes = lanes;
	crew->control = control;
	crew->counts = counts;
	if (lanes->count < 2 || config->channels == 0)
		return 0;
	crew->event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (crew->event < 0)
		return km_err_set_errno(err, EX_OSERR, "workers: eventfd");
	room_of(config, &room);
	tx_config_cores(config, &cores);
	for (unsigned i = 1; i < lanes->count; i++) {
		/* counted first: what is half open is closed with the rest */
		crew->count++;
		room.core = cores_of(&cores, TX_SLOT_WORKER + i);
		if (worker_open(&crew->worker[i - 1], &lanes->out[i], lanes->out[0].bell,
				crew->event, &room, err) != 0)
			return -1;
	}
	return 0;
}

void crew_close(struct crew *crew)
{
	for (unsigned i = 0; i < crew->count; i++)
		worker_close(&crew->worker[i]);
	if (crew->count > 0)
		(void)close(crew->event);
	crew->count = 0;
}

/* What a worker has counted since the last time. */
static void take_counts(struct crew *crew, struct worker *w)
{
#define COUNTS_ADD(field, meaning) crew->counts->field += w->counts.field;
	COUNTS(COUNTS_ADD)
#undef COUNTS_ADD
	memset(&w->counts, 0, sizeof(w->counts));
}

static void take_closes(struct crew *crew, struct worker *w, uint64_t now_ns)
{
	struct record_close record;

	while (worker_closed(w, &record))
		control_closed(crew->control, &record, now_ns);
}

/* Whose the lanes are, from the state. */
static void look(struct crew *crew)
{
	for (unsigned i = 0; i < crew->count; i++) {
		struct worker *w = &crew->worker[i];
		const bool busy = worker_state(w) == WORKER_BUSY;

		crew->lanes->lent[w->out->worker] = busy;
		if (!busy)
			take_counts(crew, w);
	}
}

void crew_tick(struct crew *crew, bool open, uint64_t now_ns)
{
	uint64_t rung;

	if (crew->count == 0)
		return;
	crew->open = open;
	while (read(crew->event, &rung, sizeof(rung)) < 0 && errno == EINTR)
		;
	look(crew);
	for (unsigned i = 0; i < crew->count; i++) {
		struct worker *w = &crew->worker[i];

		take_closes(crew, w, now_ns);
		if (!open) {
			worker_pause(w, WORKER_DRAIN);
		} else if (worker_state(w) == WORKER_PAUSED && !w->out->dead) {
			crew->lanes->lent[w->out->worker] = true;
			worker_resume(w);
		}
	}
}

bool crew_busy(const struct crew *crew)
{
	for (unsigned i = 0; i < crew->count; i++)
		if (worker_state(&crew->worker[i]) == WORKER_BUSY)
			return true;
	return false;
}

struct worker *crew_idle(struct crew *crew)
{
	for (unsigned i = 0; crew->open && i < crew->count; i++)
		if (worker_state(&crew->worker[i]) == WORKER_IDLE)
			return &crew->worker[i];
	return NULL;
}

enum km_rc crew_give(struct crew *crew, struct worker *w, const struct worker_job *job)
{
	enum km_rc rc;

	crew->lanes->lent[w->out->worker] = true;
	rc = worker_give(w, job);
	if (rc != KM_OK)
		crew->lanes->lent[w->out->worker] = false;
	return rc;
}

void crew_halt(struct crew *crew, bool rewind)
{
	for (unsigned i = 0; i < crew->count; i++)
		worker_pause(&crew->worker[i], WORKER_HALT);
	for (unsigned i = 0; i < crew->count; i++) {
		worker_halt(&crew->worker[i]);
		if (rewind)
			worker_drop(&crew->worker[i]);
	}
	look(crew);
}

void crew_session(struct crew *crew)
{
	for (unsigned i = 0; i < crew->count; i++)
		worker_session(&crew->worker[i]);
}

size_t crew_bytes(const struct crew *crew)
{
	size_t bytes = 0;

	for (unsigned i = 0; i < crew->count; i++)
		bytes +=
			crew->worker[i].channel.block.pool + crew->worker[i].readahead.size;
	return bytes;
}
