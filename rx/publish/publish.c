// SPDX-License-Identifier: ISC
#include "publish.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "clock.h"
#include "deliver.h"
#include "door.h"
#include "durable.h"
#include "fileio.h"
#include "flow.h"
#include "log.h"
#include "manifests.h"
#include "messages.h"
#include "place.h"
#include "retain.h"
#include "syncer.h"
#include "waiver_take.h"

/* Messages of one round: what is gathered of them is written before they are released. */
#define PUBLISH_BATCH 512u

/*
 * So long a smaller number waits for more of them, or for ever small writes the disk would
 * be asked once per frame: publish is faster than the link. Decode needs the memory back
 * much later than that.
 */
#define PUBLISH_LINGER_NS UINT64_C(1000000)

/*
 * Taking goes before placing, which waits for the disk: up to a whole ring is taken
 * before the next group is placed, or decode would have to wait and the receive ring
 * overflow.
 */
#define PUBLISH_ROUNDS (DELIVER_RING_SLOTS / PUBLISH_BATCH)

#define PUBLISH_TICK_NS UINT64_C(1000000000)
#define PUBLISH_SYNC_NS UINT64_C(5000000000)
#define PUBLISH_RETAIN_NS UINT64_C(3600000000000)

/* A stop waits so long for what is on its way to the disk; a kill needs none of it. */
#define PUBLISH_CLOSE_NS UINT64_C(5000000000)

/* Objects that found the queue of syncs full are looked for when it is down to this. */
#define PUBLISH_REFILL ((SYNCER_JOBS - SYNCER_RESERVE) / 4)

/* State cannot be written: messages wait so long before the next try. */
#define PUBLISH_STALL_NS UINT64_C(100000000)

struct publish {
	const struct rx_config *config;
	int state_dir;
	struct flow_shared shared;
	struct flow *flow;
	unsigned flows;
	struct messages messages;
	struct ring ring;
	uint32_t taken;	    /* messages handled and not yet released */
	uint64_t settle_ns; /* these are to be written and released then */
	bool violated;
	uint64_t stall_ns; /* not before this: state could not be written */
	uint64_t tick_ns, sync_ns, retain_ns;
	unsigned turn; /* the flow whose group is next */
};

static int publish_load_keys(struct publish *p, struct km_err *err)
{
	return manifests_load_keys(&p->shared, p->config, err);
}

static int publish_open_state(struct publish *p, struct stats_map *stats,
			      struct km_err *err)
{
	p->state_dir = open(p->config->state_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (p->state_dir < 0)
		return km_err_set_errno(err, EX_CANTCREAT,
					"state_dir %s: make it and give it to "
					"our user",
					p->config->state_dir);
	if (voice_init(&p->shared.voice, stats, p->state_dir, p->config->summary_ns, err) !=
	    0)
		return -1;
	p->shared.voice.config = p->config;
	return 0;
}

static int publish_open_flows(struct publish *p, struct km_err *err)
{
	p->flow = calloc(p->config->channels ? p->config->channels : 1, sizeof(*p->flow));
	p->shared.place = place_new();
	if (!p->flow || !p->shared.place)
		return km_err_set(err, EX_OSERR, "out of memory");
	p->shared.fds.max = SHELF_FDS_MAX;
	for (unsigned i = 0; i < p->config->channels; i++) {
		if (flow_open(&p->flow[i], &p->config->channel[i], &p->shared, p->state_dir,
			      err) != 0)
			return -1;
		p->flows = i + 1;
		retain_age(&p->flow[i], clock_real_ns());
	}
	return 0;
}

static int publish_open_ring(struct publish *p, const struct publish_setup *setup,
			     struct km_err *err)
{
	struct deliver_bells *bells;
	enum km_rc rc;

	if (setup->deliver_len != deliver_bytes())
		return km_err_set(err, EX_SOFTWARE, "deliver ring has an unexpected size");
	rc = ring_attach(&p->ring, setup->deliver, deliver_ring_bytes(), DELIVER_MSG_LEN,
			 DELIVER_RING_SLOTS, RING_CONSUMER);
	if (rc != KM_OK)
		return km_err_set(err, EX_SOFTWARE, "deliver ring: %s", km_rc_name(rc));
	bells = deliver_bells(setup->deliver);
	ring_set_bells(&p->ring, &bells->decode, &bells->publish);
	p->shared.syncer = syncer_new(&bells->publish, err);
	return p->shared.syncer ? 0 : -1;
}

static void publish_sum(struct publish *p)
{
	struct voice *v = &p->shared.voice;
	struct ledger_sum all = {0};
	uint64_t partial = 0;

	for (unsigned i = 0; i < p->flows; i++) {
		struct ledger_sum sum;

		ledger_add_up(&p->flow[i].ledger, &sum);
		all.announced += sum.announced;
		all.published += sum.published;
		all.quarantined += sum.quarantined;
		all.withdrawn += sum.withdrawn;
		all.missing += sum.missing;
		all.manifests_stored += sum.manifests_stored;
		all.manifests_missing += sum.manifests_missing;
		partial += p->flow[i].shelf.count;
	}
	voice_set(v, VOICE_OBJECTS_ANNOUNCED, all.announced);
	voice_set(v, VOICE_OBJECTS_PUBLISHED, all.published);
	voice_set(v, VOICE_OBJECTS_QUARANTINED, all.quarantined);
	voice_set(v, VOICE_OBJECTS_WITHDRAWN, all.withdrawn);
	voice_set(v, VOICE_OBJECTS_MISSING, all.missing);
	voice_set(v, VOICE_OBJECTS_PARTIAL, partial);
	voice_set(v, VOICE_MANIFESTS_STORED, all.manifests_stored);
	voice_set(v, VOICE_MANIFESTS_MISSING, all.manifests_missing);
}

static void publish_free(struct publish *p)
{
	syncer_free(p->shared.syncer); /* its threads use descriptors of the flows */
	messages_free(&p->messages);
	for (unsigned i = 0; i < p->flows; i++)
		flow_close(&p->flow[i]);
	manifests_free(&p->shared);
	place_free(p->shared.place);
	voice_free(&p->shared.voice);
	km_close(&p->state_dir);
	free(p->flow);
	free(p);
}

struct publish *publish_open(const struct publish_setup *setup, struct km_err *err)
{
	struct publish *p = calloc(1, sizeof(*p));

	if (!p) {
		km_err_set(err, EX_OSERR, "out of memory");
		return NULL;
	}
	p->config = setup->config;
	p->state_dir = -1;
	p->shared.voice.dir = p->shared.voice.losses = -1;
	if (publish_load_keys(p, err) != 0 ||
	    publish_open_state(p, setup->stats, err) != 0 || object_stage_make(err) != 0 ||
	    publish_open_flows(p, err) != 0 || publish_open_ring(p, setup, err) != 0 ||
	    door_init(&p->shared, p->config, setup->scan, err) != 0 ||
	    messages_init(&p->messages, p->flow, p->flows, &p->shared.voice, setup->segment,
			  setup->segment_len, err) != 0) {
		publish_free(p);
		return NULL;
	}
	p->sync_ns = clock_add(clock_mono_ns(), PUBLISH_SYNC_NS);
	p->retain_ns = clock_add(clock_mono_ns(), PUBLISH_RETAIN_NS);
	publish_sum(p);
	return p;
}

/* Handled messages are released once everything about them is written. */
static bool publish_release(struct publish *p, uint64_t now)
{
	if (p->taken == 0)
		return true;
	if (now < p->stall_ns)
		return false;
	if (messages_settle(&p->messages, now) != KM_OK) {
		p->stall_ns = clock_add(now, PUBLISH_STALL_NS);
		return false;
	}
	p->stall_ns = 0;
	if (ring_release(&p->ring, p->taken) != KM_OK)
		p->violated = true;
	p->taken = 0;
	return true;
}

static void publish_violation(struct publish *p, const char *what)
{
	p->violated = true;
	log_event(EVENT_PUBLISH_VIOLATION,
		  "decode broke the protocol and is no longer believed: %s", what);
}

/* Messages as far as a batch goes; how many there were. *more: a whole batch was there. */
static uint32_t publish_intake(struct publish *p, uint64_t now, bool *more)
{
	uint64_t first;
	uint32_t n = 0;
	enum km_rc rc;

	*more = false;
	if ((p->stall_ns || p->taken == PUBLISH_BATCH) && !publish_release(p, now))
		return 0; /* nothing more before that is written */
	rc = ring_peek(&p->ring, PUBLISH_BATCH - p->taken, &first, &n);
	if (rc == KM_ERR_EMPTY) {
		if (now >= p->settle_ns)
			(void)publish_release(p, now);
		return 0;
	}
	if (rc != KM_OK) {
		voice_add(&p->shared.voice, VOICE_VIOLATIONS, 1);
		publish_violation(p, "impossible ring indices");
		return 0;
	}
	if (p->taken == 0)
		p->settle_ns = clock_add(now, PUBLISH_LINGER_NS);
	for (uint32_t i = 0; i < n && !p->violated; i++) {
		p->taken++;
		if (i + 1 < n)
			messages_expect(&p->messages, ring_slot(&p->ring, first + i + 1));
		rc = messages_take(&p->messages, ring_slot(&p->ring, first + i), now);
		if (rc !=
		    KM_OK) /* released with the others, or it would be met again for ever */
			publish_violation(p, p->messages.violation);
	}
	*more = p->taken == PUBLISH_BATCH;
	if (*more || p->violated || now >= p->settle_ns)
		(void)publish_release(p, now);
	return n;
}

/* " ages: channel=12s ..." since anything was published, or heard. */
static void publish_ages(const struct publish *p, char *buf, size_t len)
{
	uint64_t now = clock_real_ns();
	size_t used = 0;

	buf[0] = 0;
	for (unsigned i = 0; i < p->flows && used < len; i++) {
		const struct flow *flow = &p->flow[i];

		if (flow->heard_ns == 0)
			used += (size_t)snprintf(buf + used, len - used, " age_%s=never",
						 flow->conf->name);
		else
			used += (size_t)snprintf(buf + used, len - used,
						 " age_%s=%" PRIu64 "s", flow->conf->name,
						 now > flow->heard_ns
							 ? (now - flow->heard_ns) /
								   CLOCK_NS_PER_SEC
							 : 0);
	}
}

static void publish_timers(struct publish *p, uint64_t now)
{
	char ages[1024];

	if (now >= p->tick_ns) {
		p->tick_ns = clock_add(now, PUBLISH_TICK_NS);
		for (unsigned i = 0; i < p->flows; i++) {
			flow_tick(&p->flow[i], now);
			waiver_take(&p->flow[i]);
		}
		publish_sum(p);
		voice_flush(&p->shared.voice);
	}
	if (now >= p->sync_ns) {
		p->sync_ns = clock_add(now, PUBLISH_SYNC_NS);
		for (unsigned i = 0; i < p->flows; i++)
			durable_start_round(&p->flow[i]);
	}
	if (now >= p->retain_ns) {
		p->retain_ns = clock_add(now, PUBLISH_RETAIN_NS);
		for (unsigned i = 0; i < p->flows; i++)
			retain_age(&p->flow[i], clock_real_ns());
	}
	if (voice_summary_due(&p->shared.voice, now)) {
		publish_ages(p, ages, sizeof(ages));
		voice_summary(&p->shared.voice, now, ages);
	}
}

/* What came back from the disk. */
static bool publish_collect(struct publish *p)
{
	struct syncer_done done;
	bool any = false;

	while (syncer_collect(p->shared.syncer, &done)) {
		if (done.tag.kind == DURABLE_PLACE)
			place_take(done.tag.owner, &done);
		else
			durable_take(&done);
		any = true;
	}
	return any;
}

/* One group is under way at a time; the flows take turns. */
static bool publish_place(struct publish *p, uint64_t now)
{
	struct place *place = p->shared.place;
	bool busy = false;

	for (unsigned i = 0; i < p->flows && !place_busy(place); i++) {
		struct flow *flow = &p->flow[(p->turn + i) % p->flows];

		if (!flow_has_jobs(flow) || now < flow->retry_ns)
			continue;
		place_begin(flow, now);
		busy = true;
		if (place_busy(place))
			p->turn = (p->turn + i + 1) % p->flows;
	}
	return place_go_on(place, now) || busy;
}

/* Hashing, syncing, placing: a slice per channel. True when something was done. */
static bool publish_work(struct publish *p, uint64_t now)
{
	bool busy = false;

	for (unsigned i = 0; i < p->flows; i++) {
		struct flow *flow = &p->flow[i];

		if (flow->crowded && syncer_pending(p->shared.syncer) < PUBLISH_REFILL) {
			flow->crowded = false;
			flow->behind = true;
		}
		if (flow->behind) {
			flow->behind = false;
			flow->behind |= flow_scan(flow, now);
			busy |= flow->behind;
		}
		busy |= durable_round(flow);
	}
	return publish_place(p, now) || busy;
}

int publish_step(struct publish *p)
{
	uint64_t now = clock_mono_ns();
	uint32_t n = 0;
	bool busy, more = true;

	for (unsigned i = 0; i < PUBLISH_ROUNDS && more && !p->violated; i++)
		n += publish_intake(p, now, &more);
	if (p->violated)
		return -1;
	busy = publish_collect(p);
	busy |= door_step(p->flow, p->flows, &p->shared);
	busy |= publish_work(p, now);
	if (busy)
		publish_sum(p);
	publish_timers(p, now);
	return n > 0 || busy;
}

static bool publish_pending_disk(const struct publish *p)
{
	return syncer_pending(p->shared.syncer) > 0 || place_busy(p->shared.place);
}

void publish_wait(struct publish *p, uint64_t limit_ns)
{
	uint64_t now = clock_mono_ns();
	uint64_t until = p->tick_ns > now ? p->tick_ns - now : 0;
	uint32_t ticket;
	int64_t ready;

	if (limit_ns < until)
		until = limit_ns;
	/* an answer comes by a socket, which rings no bell */
	if (door_is_busy(&p->shared) && until > DOOR_LOOK_NS)
		until = DOOR_LOOK_NS;
	if (now < p->stall_ns) { /* messages are there, and cannot be taken */
		clock_sleep_until(p->stall_ns);
		return;
	}
	if (until == 0 || (p->taken > 0 && now >= p->settle_ns))
		return;
	if (p->taken > 0) {
		/* More comes surely, and is better taken together: no bell for each. What comes
		 * back from the disk waits as long. */
		(void)syncer_ready(p->shared.syncer); /* begins what waits there */
		clock_sleep_until(p->settle_ns);
		return;
	}
	ticket = bell_arm(p->ring.sleep); /* rung by decode and by the syncer */
	ready = ring_ready(&p->ring);
	if (ready == 0 && !syncer_ready(p->shared.syncer)) {
		(void)bell_sleep(p->ring.sleep, ticket, until);
		return;
	}
	bell_disarm(p->ring.sleep);
	if (ready < 0) /* the next step says so */
		clock_sleep_until(clock_add(now, CLOCK_NS_PER_MS));
}

bool publish_pending(const struct publish *p)
{
	return p->taken > 0 || publish_pending_disk(p);
}

struct syncer *publish_syncer(struct publish *p)
{
	return p->shared.syncer;
}

/* What is on its way to the disk, within a limit of time; then the threads end. */
static void publish_drain(struct publish *p)
{
	uint64_t until = clock_add(clock_mono_ns(), PUBLISH_CLOSE_NS), now;

	while (publish_pending_disk(p) && (now = clock_mono_ns()) < until) {
		if (publish_collect(p) || place_go_on(p->shared.place, now))
			continue;
		clock_sleep_until(clock_add(now, CLOCK_NS_PER_MS));
	}
	syncer_free(p->shared.syncer);
	p->shared.syncer = NULL;
}

void publish_close(struct publish *p)
{
	uint64_t now = clock_mono_ns();

	(void)publish_release(p, now);
	publish_drain(p);
	for (unsigned i = 0; i < p->flows; i++) {
		struct flow *flow = &p->flow[i];
		struct km_err err = KM_ERR_INIT;

		if (progress_sync(&flow->progress, &flow->shelf, &err) != 0 ||
		    ledger_save_heads(&flow->ledger, &err) != 0 ||
		    ledger_sync(&flow->ledger, &err) != 0)
			log_event(EVENT_STATE_UNWRITABLE, "%s channel=%s", err.text,
				  flow->conf->name);
	}
	publish_sum(p);
	voice_flush(&p->shared.voice);
	publish_free(p);
}

void publish_abandon(struct publish *p)
{
	publish_free(p);
}

uint64_t publish_count(const struct publish *p, const char *name)
{
	static const char *const names[] = {VOICE_STATS(STATS_NAME_ROW)};

	for (unsigned i = 0; i < VOICE_COUNT; i++)
		if (strcmp(names[i], name) == 0)
			return p->shared.voice.count[i];
	return UINT64_MAX;
}
