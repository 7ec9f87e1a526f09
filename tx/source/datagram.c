// SPDX-License-Identifier: ISC
#include "datagram.h"

#include <string.h>

#include "clock.h"

/* DESIGN section 8: a live block of few symbols has at least two repairs. */
#define DATAGRAM_ROWS_LEAST 2u

int datagram_open(struct datagram *d, const struct tx_config *config,
		  const struct tx_config_live *conf, int fd, struct lane_out *out,
		  struct control *control, struct counts *counts, uint64_t now_ns,
		  struct km_err *err)
{
	const struct block_geometry geo = {
		.k = conf->fec_k,
		.m = conf->fec_m,
		.depth_max = 1,
		.symbol = tx_config_symbol_size(config),
		.least = DATAGRAM_ROWS_LEAST,
	};

	memset(d, 0, sizeof(*d));
	d->conf = conf;
	d->out = out;
	d->control = control;
	d->place = control_add_live(control, conf->number);
	if (datagram_in_open(&d->in, conf, fd, &d->counts, now_ns, err) != 0)
		return -1;
	return channel_open(&d->channel, out, control, counts, &geo, conf->number,
			    FRAME_CLASS_REALTIME, FRAME_STREAM_DATA, conf->close_ns,
			    config->rate_bps, err);
}

void datagram_close(struct datagram *d)
{
	channel_close(&d->channel);
	datagram_in_close(&d->in);
}

void datagram_resume(struct datagram *d, const struct datagram_counts *counts)
{
	d->counts = *counts;
	d->in.drops = (uint32_t)counts->overflow;
}

uint64_t datagram_dropped(const struct datagram *d)
{
	const struct datagram_counts *c = &d->counts;

	return c->overflow + c->over_rate + c->too_long + c->not_allowed + c->cut_off;
}

/* Nothing in the symbol in hand: all that has a number is sealed. */
static void tell(struct datagram *d)
{
	if (d->channel.wr.used == 0 && d->offset == 0)
		d->sealed = d->number;
	control_live(d->control, d->place, d->sealed, datagram_dropped(d));
}

void datagram_session(struct datagram *d)
{
	/* a message of which pieces have left begins anew, under its new number */
	d->counts.cut_off += d->number - d->sealed;
	d->number = d->sealed = 0;
	d->offset = 0;
	channel_session(&d->channel);
	tell(d);
}

/* The message in hand into symbols, as far as there is room. KM_OK: all of it. */
static enum km_rc put(struct datagram *d, const struct datagram_message *message,
		      uint64_t now_ns)
{
	for (;;) {
		const struct record_message record = {
			.number = d->number + 1,
			.tx_time_ns = d->time_ns,
			.source = message->source,
			.source_len = message->source_len,
			.total = (uint32_t)message->len,
			.offset = d->offset,
			.len = message->len - d->offset,
		};
		uint8_t *data;
		size_t taken;
		enum km_rc rc = channel_window(&d->channel, datagram_in_waiting(&d->in),
					       DATAGRAM_FRAMES, now_ns);

		if (rc != KM_OK)
			return rc;
		if (d->channel.wr.used == 0)
			d->gather_ns = now_ns;
		rc = channel_message(&d->channel, &record, &data, &taken, now_ns);
		if (rc == KM_ERR_STATE)
			continue; /* the window ended: the next one takes it */
		if (rc != KM_OK)
			return rc;
		if (taken > 0)
			memcpy(data, message->data + d->offset, taken);
		d->offset += (uint32_t)taken;
		if (d->offset == message->len)
			return KM_OK;
	}
}

/* What waits at the socket, into symbols; not FRESH: only the batch that is in hand. */
static void take(struct datagram *d, bool fresh, uint64_t until_bytes, uint64_t now_ns)
{
	const _Atomic uint64_t *bytes = &d->out->lane[FRAME_CLASS_REALTIME].bytes;
	struct datagram_message message;
	enum km_rc rc;

	while (*bytes < until_bytes && (fresh || datagram_in_holds(&d->in)) &&
	       datagram_in_peek(&d->in, &message, now_ns)) {
		if (d->offset == 0)
			d->time_ns = clock_real_ns();
		rc = put(d, &message, now_ns);
		if (rc != KM_OK)
			return;
		d->number++;
		d->offset = 0;
		d->counts.messages++;
		d->counts.bytes += message.len;
		datagram_in_done(&d->in);
	}
}

/* Close what is due to be closed. */
static void finish(struct datagram *d, bool drain, uint64_t now_ns)
{
	struct channel *c = &d->channel;

	if (c->block.phase == BLOCK_OPEN &&
	    (drain || now_ns - c->opened_ns >= d->conf->close_ns)) {
		if (channel_end(c, now_ns) != KM_OK)
			return;
	} else if (c->wr.used > 0 && now_ns - d->gather_ns >= d->conf->gather_ns) {
		if (channel_flush(c, now_ns) != KM_OK)
			return;
	}
	(void)!channel_step(c, DATAGRAM_FRAMES);
}

uint64_t datagram_step(struct datagram *d, uint64_t budget, bool drain, uint64_t now_ns)
{
	const uint64_t before = d->out->lane[FRAME_CLASS_REALTIME].bytes;

	/* what was taken from the socket leaves, even when draining */
	take(d, !drain, before + budget, now_ns);
	finish(d, drain && !datagram_in_holds(&d->in), now_ns);
	if (now_ns - d->look_ns >= DATAGRAM_LOOK_NS) {
		d->look_ns = now_ns;
		datagram_in_look(&d->in);
	}
	tell(d);
	return d->out->lane[FRAME_CLASS_REALTIME].bytes - before;
}

uint64_t datagram_next(const struct datagram *d)
{
	const struct channel *c = &d->channel;
	uint64_t next = CLOCK_NEVER;

	if (c->block.phase == BLOCK_OPEN)
		next = c->opened_ns + d->conf->close_ns;
	if (c->wr.used > 0 && d->gather_ns + d->conf->gather_ns < next)
		next = d->gather_ns + d->conf->gather_ns;
	return next;
}

bool datagram_busy(const struct datagram *d)
{
	return channel_busy(&d->channel) || datagram_in_holds(&d->in);
}

bool datagram_stuck(const struct datagram *d, uint64_t now_ns)
{
	return d->channel.block.phase == BLOCK_REPAIR || datagram_in_holds(&d->in) ||
	       datagram_next(d) <= now_ns;
}
