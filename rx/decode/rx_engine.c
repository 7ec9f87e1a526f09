// SPDX-License-Identifier: ISC
#include "rx_engine.h"

#include <assert.h>
#include <string.h>

#include "clock.h"
#include "port.h"

/* An open question: look for its answer soon. */
#define IDLE_ASKED_MS 1
/* Nothing else depends on more than timers. */
#define IDLE_MS 10

static void lay(struct rx_engine *e, uint8_t *segment)
{
	const struct rx_engine_plan *p = &e->plan;

	e->bounce = rx_arena_take(&e->arena, p->intake.frame_max);
	asker_lay(&e->asker, &e->arena);
	hold_lay(&e->hold, p->hold_bytes, &e->arena);
	windows_lay(&e->windows, RX_SESSIONS_MAX, p->channels, &p->segment, segment,
		    &e->arena);
	rx_sessions_lay(&e->sessions, &e->arena);
	live_lay(&e->live, p->channels - p->live, p->channel + p->channels - p->live,
		 p->live_hold_ns, p->live, &e->arena);
}

static void link_parts(struct rx_engine *e, uint64_t now_ns)
{
	struct rx_sessions *ss = &e->sessions;

	windows_link(&e->windows, &e->delivery, &e->live, &e->counts);
	for (unsigned i = 0; i < 65536; i++)
		ss->channel_index[i] = RX_CHANNEL_NONE;
	for (unsigned i = 0; i < e->plan.channels; i++)
		ss->channel_index[e->plan.channel[i]] = (uint16_t)i;
	ss->channel_numbers = e->plan.channel;
	ss->windows = &e->windows;
	ss->live = &e->live;
	ss->asker = &e->asker;
	ss->delivery = &e->delivery;
	ss->counts = &e->counts;
	ss->stride = e->plan.segment.stride;
	ss->silent_ns = e->plan.silent_ns;
	ss->heard_ns = now_ns;
	e->now_ns = now_ns;
}

static int attach(struct rx_engine *e, const struct rx_engine_maps *maps,
		  delivery_wait_fn *wait_fn, void *wait_ctx, struct km_err *err)
{
	struct deliver_bells *bells = deliver_bells(maps->deliver);
	enum km_rc rc;

	rc = delivery_attach(&e->delivery, maps->deliver, deliver_ring_bytes(), &e->counts,
			     wait_fn, wait_ctx);
	if (rc != KM_OK)
		return km_err_set(err, EX_SOFTWARE, "ring to publish: %s", km_rc_name(rc));
	ring_set_bells(&e->delivery.ring, &bells->publish, &bells->decode);
	rc = live_attach(&e->live, maps->sink, sink_bytes(), &e->delivery);
	if (rc != KM_OK)
		return km_err_set(err, EX_SOFTWARE, "ring to the sink: %s", km_rc_name(rc));
	rc = asker_attach(&e->asker, maps->ask, &e->counts, &e->delivery);
	if (rc != KM_OK)
		return km_err_set(err, EX_SOFTWARE, "rings to the keeper: %s",
				  km_rc_name(rc));
	if (!maps->pump)
		return 0;
	rc = feed_pump_open(&e->feed, maps->pump, intake_pump_bytes(&e->plan.intake),
			    &e->plan.intake, e->bounce);
	if (rc != KM_OK)
		return km_err_set(err, EX_SOFTWARE, "ring from capture: %s",
				  km_rc_name(rc));
	return 0;
}

static unsigned run_of(const struct rx_engine_plan *plan)
{
	unsigned run = RX_ENGINE_RUN_BYTES / (plan->intake.frame_max + 1);

	if (run > RX_ENGINE_RUN)
		return RX_ENGINE_RUN;
	return run > 1 ? run : 1;
}

int rx_engine_init(struct rx_engine *e, const struct rx_engine_plan *plan,
		   const struct rx_engine_maps *maps, delivery_wait_fn *wait_fn,
		   void *wait_ctx, uint64_t now_ns, struct km_err *err)
{
	memset(e, 0, sizeof(*e));
	e->plan = *plan;
	e->run = run_of(plan);
	if (plan->segment.slots < 2 || plan->segment.stride == 0)
		return km_err_set(err, EX_CONFIG,
				  "pool_bytes leaves no room for two symbols; raise it");
	lay(e, NULL);
	if (rx_arena_map(&e->arena, err) != 0)
		return -1;
	lay(e, maps->segment);
	if (e->arena.used > e->arena.len)
		return km_err_set(err, EX_SOFTWARE, "memory of decode laid out unequally");
	link_parts(e, now_ns);
	if (seal_prepare() != KM_OK)
		return km_err_set(
			err, EX_UNAVAILABLE,
			"libcrypto offers no AES-256-GCM; check its configuration");
	e->rss_plan = e->arena.len + segment_bytes(&plan->segment) + deliver_bytes() +
		      ask_bytes() + (maps->pump ? intake_pump_bytes(&plan->intake) : 0);
	e->counts.v[COUNT_MARGIN_WORST] = UINT64_MAX;
	return attach(e, maps, wait_fn, wait_ctx, err);
}

void rx_engine_begin(struct rx_engine *e)
{
	e->sessions.landing = windows_slot(&e->windows);
}

/* asker_trust_fn */
static void trusts(void *ctx, const struct ask_answer *list, uint64_t now_ns)
{
	struct rx_engine *e = ctx;

	(void)now_ns;
	rx_sessions_trust(&e->sessions, list);
}

/* asker_accept_fn */
static bool accepted(void *ctx, const struct asker_entry *entry,
		     const struct ask_answer *answer, uint64_t now_ns)
{
	struct rx_engine *e = ctx;

	if (!rx_sessions_accept(&e->sessions, entry, answer, now_ns))
		return false;
	port_take_held(e, entry->tag);
	return true;
}

/* seen = foreign + ours; ours = opened + refused + held. */
static bool port_sums_hold(const struct rx_engine *e)
{
	struct decode_counts c = e->counts;

	c.v[COUNT_HELD] = e->hold.frames + asker_waiting(&e->asker);
	return decode_counts_check(&c);
}

static void count_xdp(struct rx_engine *e)
{
	uint64_t *v = e->counts.v;

	v[COUNT_XDP_FOREIGN] += feed_xdp_foreign(&e->feed);
	v[COUNT_XDP_STARVED] += e->feed.xdp.starved;
	v[COUNT_INTAKE_BAD] += e->feed.xdp.invalid;
	e->feed.xdp.starved = e->feed.xdp.invalid = 0;
}

static void tick(struct rx_engine *e)
{
	assert(port_sums_hold(e));
	rx_sessions_tick(&e->sessions, e->now_ns);
	windows_tick(&e->windows, e->sessions.tags, e->plan.channel, e->now_ns);
	port_expire_held(e);
	delivery_tick(&e->delivery, e->now_ns);
	if (e->now_ns - e->second_ns >= CLOCK_NS_PER_SEC) {
		uint64_t realtime = feed_drops(&e->realtime);
		uint64_t drops = feed_drops(&e->feed) + realtime;

		e->second_ns = e->now_ns;
		assert(rx_sessions_check(&e->sessions));
		e->counts.v[COUNT_KERNEL_DROPS] += drops;
		e->counts.v[COUNT_REALTIME_DROPS] += realtime;
		if (e->feed.form == INTAKE_XDP)
			count_xdp(e);
		delivery_note(&e->delivery, DELIVER_ALARM_KERNEL_DROP, drops);
	}
}

/* Up to MAX <= RX_ENGINE_BATCH frames of F. */
static unsigned take_frames(struct rx_engine *e, struct feed *f, unsigned max)
{
	struct feed_frame frames[RX_ENGINE_BATCH];
	unsigned done = 0, n;

	while (done < max) {
		/* a recording can wait for the keeper; a link cannot */
		if (e->plan.replay && asker_waiting(&e->asker))
			break;
		n = feed_peek(f, frames, max - done);
		for (unsigned i = 0; i < n; i++)
			port_take(e, &frames[i]);
		if (n == 0)
			break;
		feed_release(f);
		done += n;
	}
	return done;
}

/* What is realtime does not wait until the other frames of the batch are done with. */
static unsigned take_realtime(struct rx_engine *e)
{
	unsigned done;

	if (e->realtime.form == 0)
		return 0;
	done = take_frames(e, &e->realtime, RX_ENGINE_BATCH);
	if (done == 0)
		return 0;
	e->counts.v[COUNT_REALTIME_SEEN] += done;
	delivery_flush(&e->delivery);
	return done;
}

unsigned rx_engine_step(struct rx_engine *e, uint64_t now_ns)
{
	const unsigned run = e->realtime.form ? e->run : RX_ENGINE_BATCH;
	unsigned done, others;

	e->now_ns = now_ns;
	e->live.now_ns = now_ns;
	done = take_realtime(e);
	others = take_frames(e, &e->feed, run);
	/* nothing is given up while what would fill the gap may be waiting in a ring */
	live_tick(&e->live, done < RX_ENGINE_BATCH && others < run);
	done += others;
	asker_poll(&e->asker, accepted, trusts, e, now_ns);
	if (now_ns - e->tick_ns >= RX_ENGINE_TICK_NS) {
		e->tick_ns = now_ns;
		tick(e);
	}
	delivery_flush(&e->delivery);
	return done;
}

int rx_engine_idle_ms(const struct rx_engine *e)
{
	const uint64_t next = live_next(&e->live);

	/* a gap of a live channel is given up to the millisecond */
	if (next < e->now_ns + IDLE_MS * CLOCK_NS_PER_MS)
		return next <= e->now_ns ? 1
					 : (int)((next - e->now_ns) / CLOCK_NS_PER_MS) + 1;
	return asker_waiting(&e->asker) ? IDLE_ASKED_MS : IDLE_MS;
}

void rx_engine_stop(struct rx_engine *e, bool forever)
{
	rx_sessions_stop(&e->sessions, forever);
	delivery_tick(&e->delivery, e->now_ns + DELIVERY_ALARM_NS);
	delivery_flush(&e->delivery);
}

void rx_engine_gauges(struct rx_engine *e)
{
	uint64_t *v = e->counts.v;

	v[COUNT_HELD] = e->hold.frames + asker_waiting(&e->asker);
	v[COUNT_INTAKE_BAD] += e->feed.bad + e->realtime.bad;
	e->feed.bad = 0;
	e->realtime.bad = 0;
	v[COUNT_RSS_PLAN] = e->rss_plan;
	v[COUNT_POOL_USED] = e->windows.pool.used;
	v[COUNT_POOL_SLOTS] = e->windows.pool.slots;
	rx_sessions_gauges(&e->sessions);
}

bool rx_engine_check(const struct rx_engine *e)
{
	for (unsigned i = 0; i < e->live.channels; i++)
		if (e->live.channel[i].bound && !order_check(&e->live.channel[i].order))
			return false;
	return port_sums_hold(e) && rx_sessions_check(&e->sessions) &&
	       windows_check(&e->windows);
}

void rx_engine_free(struct rx_engine *e)
{
	for (unsigned i = 0; i < RX_SESSIONS_MAX; i++) {
		struct rx_session *s = &e->sessions.session[i];

		for (unsigned j = 0; s->lane && j < RX_SESSION_LANES; j++) {
			seal_free(s->lane[j].seal);
			s->lane[j].seal = NULL;
		}
	}
	rx_arena_unmap(&e->arena);
}
