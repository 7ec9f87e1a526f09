// SPDX-License-Identifier: ISC
#include "voice.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "clock.h"
#include "fileio.h"
#include "keys.h"
#include "log.h"

#define VOICE_LOSSES "losses"
#define VOICE_LOSSES_OLD "losses.1"
#define VOICE_LOSSES_MAX (UINT64_C(16) << 20) /* then it becomes losses.1 */
#define VOICE_LOST_BUF (256u * 1024u)
#define VOICE_LOST_LINE 160u
#define VOICE_LINK "link"

static const char *const voice_names[] = {VOICE_STATS(STATS_NAME_ROW)};

static int voice_open_losses(struct voice *v, struct km_err *err)
{
	struct stat st;

	v->losses = fileio_open_beneath(v->dir, VOICE_LOSSES, O_WRONLY | O_CREAT | O_APPEND,
					0640);
	if (v->losses < 0 || fstat(v->losses, &st) != 0)
		return km_err_set_errno(err, EX_CANTCREAT, "losses: cannot open");
	v->losses_len = (uint64_t)st.st_size;
	return 0;
}

int voice_init(struct voice *v, struct stats_map *map, int state_dir, uint64_t summary_ns,
	       struct km_err *err)
{
	*v = (struct voice){.map = map, .dir = -1, .losses = -1, .summary_ns = summary_ns};
	v->last_summary_ns = clock_mono_ns();
	v->next_summary_ns =
		summary_ns ? clock_add(v->last_summary_ns, summary_ns) : CLOCK_NEVER;
	v->lost = malloc(VOICE_LOST_BUF);
	if (!v->lost)
		return km_err_set(err, EX_OSERR, "out of memory");
	if (map && stats_claim(map, &v->writer, RX_STATS_PUBLISH, "publish", voice_names,
			       VOICE_COUNT, err) != 0)
		return -1;
	/* A restarted publish goes on counting where the last one was. */
	for (unsigned i = 0; i < VOICE_COUNT; i++)
		v->count[i] = stats_get(&v->writer, i);
	v->last_bytes = v->count[VOICE_BYTES_PUBLISHED];
	v->dir = fileio_mkdir_beneath(state_dir, VOICE_DIR, 0750, err);
	return v->dir < 0 ? -1 : voice_open_losses(v, err);
}

void voice_free(struct voice *v)
{
	km_close(&v->losses);
	km_close(&v->dir);
	free(v->lost);
	v->lost = NULL;
}

void voice_set(struct voice *v, enum voice_stat id, uint64_t value)
{
	v->count[id] = value;
	stats_set(&v->writer, id, value);
}

void voice_add(struct voice *v, enum voice_stat id, uint64_t delta)
{
	voice_set(v, id, v->count[id] + delta);
}

static void voice_link(struct voice *v, enum voice_link state, uint64_t since_ns)
{
	if (v->count[VOICE_LINK_STATE] == state &&
	    v->count[VOICE_UNKNOWN_SINCE] == since_ns)
		return;
	voice_set(v, VOICE_LINK_STATE, state);
	voice_set(v, VOICE_UNKNOWN_SINCE, since_ns);
	v->link_changed = true;
}

/*
 * What decode says line by line, each with a name of its own: far above what an honest one has
 * to say, and a log that is not filled by one that was broken into.
 */
#define VOICE_LINES 1000u
#define VOICE_SESSION_LINES 100u
#define VOICE_LINES_NS UINT64_C(100000000000)
static const struct log_rate voice_named = {VOICE_LINES, VOICE_LINES_NS};
static const struct log_rate voice_sessions = {VOICE_SESSION_LINES, VOICE_LINES_NS};

/* A line of such a kind, which `limit_` stands for. */
#define VOICE_LOG(limit_, rate_, event_, ...)                                              \
	log_write_rated((limit_), (rate_), event_level(event_), (event_), __VA_ARGS__)

/* Every range into the file; the log gets them at its own rate. */
static void voice_lost(struct voice *v, const struct deliver_msg *m)
{
	char time[CLOCK_TEXT_MAX];
	int n;

	voice_add(v, VOICE_LOST_RANGES, 1);
	log_event_limited(EVENT_FRAMES_LOST,
			  "frames lost on the link session=%08" PRIx32
			  " lane=%u first=%" PRIu64 " last=%" PRIu64 " count=%" PRIu64,
			  m->session, m->lane, m->a, m->b, m->b - m->a + 1);
	if (VOICE_LOST_BUF - v->lost_len < VOICE_LOST_LINE)
		voice_flush(v);
	if (VOICE_LOST_BUF - v->lost_len < VOICE_LOST_LINE)
		return; /* the file cannot be written: the log and the counters have it */
	n = snprintf(v->lost + v->lost_len, VOICE_LOST_LINE,
		     "%s session=%08" PRIx32 " lane=%u first=%" PRIu64 " last=%" PRIu64
		     "\n",
		     clock_format(clock_real_ns(), time), m->session, m->lane, m->a, m->b);
	v->lost_len += (size_t)n;
}

static void voice_session(struct voice *v, const struct deliver_msg *m)
{
	static struct log_limit limit;
	char finger[KEYS_FINGERPRINT_MAX];

	keys_fingerprint(finger, m->head);
	/* An older one can come later: replayed, or after a restart of ours. */
	if (m->a >= v->epoch) {
		v->session = m->session;
		v->epoch = m->a;
	}
	v->link_changed = true;
	voice_link(v, VOICE_LINK_ALIVE, 0);
	VOICE_LOG(&limit, &voice_sessions, EVENT_SESSION_ACCEPTED,
		  "a new session of the sender is accepted session=%08" PRIx32
		  " epoch=%" PRIu64 " tx=%s",
		  m->session, m->a, finger);
}

static bool voice_session_end(struct voice *v, const struct deliver_msg *m)
{
	static const char *const why[] = {
		"", "the sender said farewell", "a newer session has taken its place",
		"the sender vanished without farewell", "its key is trusted no more"};
	static struct log_limit limit;
	char time[CLOCK_TEXT_MAX];

	/* How a session ends that a newer one has followed says nothing about the sender. */
	bool current = v->session == 0 || v->session == m->session;

	if (m->a < 1 || m->a >= KM_COUNT(why))
		return false;
	if (m->a == 1 && current)
		voice_link(v, VOICE_LINK_FAREWELL, 0);
	else if (m->a >= 3 && current && v->count[VOICE_LINK_STATE] != VOICE_LINK_UNKNOWN)
		voice_link(v, VOICE_LINK_UNKNOWN, clock_real_ns());
	if (m->a >= 3 && current)
		log_write_rated(&limit, &voice_sessions, LOG_WARNING, EVENT_SESSION_ENDED,
				"%s session=%08" PRIx32 " unknown_since=%s", why[m->a],
				m->session,
				clock_format(v->count[VOICE_UNKNOWN_SINCE], time));
	else
		VOICE_LOG(&limit, &voice_sessions, EVENT_SESSION_ENDED,
			  "%s session=%08" PRIx32, why[m->a], m->session);
	return true;
}

static void voice_announce(struct voice *v, uint64_t verdict, uint64_t n)
{
	static const char *const why[] = {
		"accepted",
		"it is malformed",
		"another wire version",
		"it is signed by a key that is not trusted here",
		"its signature is wrong",
		"it belongs to another environment",
		"it has no box for our key",
		"its epoch is old: a replay",
		"its epoch is far from our clock",
		"too many new announces",
		"its epoch could not be stored",
	};
	_Static_assert(KM_COUNT(why) < VOICE_ALARMS, "a bout for every verdict");
	const size_t row = verdict < KM_COUNT(why) ? (size_t)verdict : KM_COUNT(why);
	uint64_t count;

	/* A flood of one kind must not hide the others. */
	if (bout_note(&v->announce[row], n, clock_mono_ns(), &count))
		log_event(
			EVENT_SESSION_REFUSED,
			"an announce is refused: %s verdict=%" PRIu64 " announces=%" PRIu64,
			row < KM_COUNT(why) ? why[row] : "unknown reason", verdict, count);
}

static void voice_silent(struct voice *v, const struct deliver_msg *m)
{
	static struct log_limit limit;
	char time[CLOCK_TEXT_MAX];

	voice_link(v, VOICE_LINK_UNKNOWN, m->b);
	VOICE_LOG(&limit, &voice_sessions, EVENT_LINK_SILENT,
		  "nothing comes from the sender: its state is unknown since %s",
		  clock_format(m->b, time));
}

/* Alarms that are only said. */
static const struct voice_said {
	enum event event;
	const char *text;
	const char *unit; /* NULL: the number means nothing */
} voice_said[] = {
	[DELIVER_ALARM_AUTH] = {EVENT_FRAMES_REFUSED, "frames failed authentication",
				"frames"},
	[DELIVER_ALARM_DUPLICATE] = {EVENT_FRAMES_DUPLICATE,
				     "frames came twice on one link", "frames"},
	[DELIVER_ALARM_KERNEL_DROP] = {EVENT_KERNEL_DROP,
				       "our receive ring overflowed: enlarge ring_bytes",
				       "frames"},
	[DELIVER_ALARM_POOL] =
		{EVENT_POOL_EVICTED,
		 "the window pool is full and a window was given up: enlarge "
		 "pool_bytes",
		 "window"},
	[DELIVER_ALARM_UNKNOWN] = {EVENT_SESSION_UNKNOWN,
				   "frames of a session without announce", "frames"},
	[DELIVER_ALARM_MALFORMED] = {EVENT_RECORDS_MALFORMED,
				     "authenticated symbols do not parse", "symbols"},
	[DELIVER_ALARM_SEEN_SENDING] =
		{EVENT_RETURN_PATH,
		 "our receiving port has sent frames: something else on this host uses it; "
		 "see `katamichi-rx oneway-check`",
		 "frames"},
	[DELIVER_ALARM_TX_RETURN] =
		{EVENT_RETURN_PATH,
		 "the sender's diode port has received frames: the link is not one-way; "
		 "take the way back out of the cabling",
		 "frames"},
	[DELIVER_ALARM_TX_PERMISSIVE] = {EVENT_TX_PERMISSIVE,
					 "the sender runs without its full sandbox", NULL},
	[DELIVER_ALARM_VERSION] = {EVENT_WIRE_VERSION, "frames of another wire version",
				   "frames"},
	[DELIVER_ALARM_FAR] =
		{EVENT_SESSION_FAR,
		 "a session is accepted above the stored floor, but is far from our "
		 "clock: correct the clocks",
		 "epoch"},
	[DELIVER_ALARM_CLOCK] =
		{EVENT_CLOCK_STEP,
		 "the clock of the transmitter or of this host has stepped: ages and "
		 "delays of live channels are told by the new difference",
		 "step_ms"},
};

/* Once when frames begin to go the wrong way, not once for every one. */
static bool voice_is_news(struct voice *v, const struct deliver_msg *m)
{
	const bool of_tx = m->a == DELIVER_ALARM_TX_RETURN;
	struct return_watch *watch = of_tx ? &v->tx_received : &v->rx_sent;
	const uint64_t now_ns = clock_mono_ns();

	if (m->a != DELIVER_ALARM_TX_RETURN && m->a != DELIVER_ALARM_SEEN_SENDING)
		return true;
	(void)return_watch_note(watch, watch->last, now_ns);
	/* a sender that was booted again counts from 0 */
	if (of_tx && m->b < watch->last)
		watch->last = 0;
	return return_watch_note(watch, of_tx ? m->b : watch->last + m->b, now_ns) ==
	       RETURN_BEGINS;
}

_Static_assert(KM_COUNT(voice_said) <= VOICE_ALARMS, "a bout for every kind of alarm");

static void voice_say(uint64_t alarm, uint64_t n)
{
	static struct log_limit limit[KM_COUNT(voice_said)];
	const struct voice_said *said = &voice_said[alarm];

	if (event_level(said->event) > log_get_level())
		return;
	if (said->unit)
		log_write_limited(&limit[alarm], event_level(said->event), said->event,
				  "%s %s=%" PRIu64, said->text, said->unit, n);
	else
		log_write_limited(&limit[alarm], event_level(said->event), said->event,
				  "%s", said->text);
}

/* Counts of what somebody could send without end. */
static bool voice_is_flood(uint64_t alarm)
{
	switch (alarm) {
	case DELIVER_ALARM_AUTH:
	case DELIVER_ALARM_DUPLICATE:
	case DELIVER_ALARM_KERNEL_DROP:
	case DELIVER_ALARM_UNKNOWN:
	case DELIVER_ALARM_MALFORMED:
	case DELIVER_ALARM_VERSION:
		return true;
	default:
		return false;
	}
}

static void voice_count(struct voice *v, uint64_t alarm, uint64_t n)
{
	uint64_t count;

	if (bout_note(&v->bout[alarm], n, clock_mono_ns(), &count))
		voice_say(alarm, count);
}

static bool voice_alarm(struct voice *v, const struct deliver_msg *m)
{
	static struct log_limit limit;

	switch (m->a) {
	case DELIVER_ALARM_SILENT:
		voice_silent(v, m);
		return true;
	case DELIVER_ALARM_HEARD:
		voice_link(v, VOICE_LINK_ALIVE, 0);
		VOICE_LOG(&limit, &voice_sessions, EVENT_LINK_HEARD,
			  "the sender is heard again silent_ms=%" PRIu64,
			  m->b / CLOCK_NS_PER_MS);
		return true;
	case DELIVER_ALARM_ANNOUNCE:
		voice_announce(v, m->b, 1);
		return true;
	default:
		break;
	}
	if (m->a >= KM_COUNT(voice_said) || !voice_said[m->a].text)
		return false;
	if (voice_is_flood(m->a))
		voice_count(v, m->a, m->b);
	else if (voice_is_news(v, m))
		voice_say(m->a, m->b);
	return true;
}

/* What became of messages of a live channel. */
static bool voice_live(const struct deliver_msg *m, const char *name)
{
	static struct log_limit lost, joined, closed;

	if (m->a == 0 || m->a > m->b)
		return false;
	switch (m->chain) {
	case DELIVER_LIVE_LOST:
	case DELIVER_LIVE_SINK:
		VOICE_LOG(&lost, &voice_named, EVENT_LIVE_LOST,
			  "messages were %s channel=%s session=%08" PRIx32 " first=%" PRIu64
			  " last=%" PRIu64,
			  m->chain == DELIVER_LIVE_LOST ? "lost on the link"
							: "dropped, the sink is behind",
			  name, m->session, m->a, m->b);
		return true;
	case DELIVER_LIVE_JOINED:
		VOICE_LOG(
			&joined, &voice_sessions, EVENT_LIVE_JOINED,
			"taken up in the middle; of the messages before, what an earlier "
			"process of this receiver has not accounted for is lost channel=%s "
			"session=%08" PRIx32 " first=%" PRIu64,
			name, m->session, m->b + 1);
		return true;
	case DELIVER_LIVE_CLOSED:
		VOICE_LOG(&closed, &voice_sessions, EVENT_LIVE_CLOSED,
			  "every message up to here is delivered or named channel=%s "
			  "session=%08" PRIx32 " last=%" PRIu64,
			  name, m->session, m->b);
		return true;
	default:
		return false;
	}
}

bool voice_tell(struct voice *v, const struct deliver_msg *m, const char *channel)
{
	static struct log_limit windows;
	const char *name = channel ? channel : "?";

	switch ((enum deliver_type)m->type) {
	case DELIVER_SESSION:
		voice_session(v, m);
		return true;
	case DELIVER_HEARTBEAT:
		voice_set(v, VOICE_TX_RECEIVED, m->b >> 8);
		if (v->count[VOICE_LINK_STATE] != VOICE_LINK_FAREWELL || !(m->b & 1))
			voice_link(v, m->b & 1 ? VOICE_LINK_FAREWELL : VOICE_LINK_ALIVE, 0);
		return true;
	case DELIVER_LOST:
		if (m->a > m->b)
			return false;
		voice_lost(v, m);
		return true;
	case DELIVER_WINDOW:
		voice_add(v, VOICE_WINDOWS_INCOMPLETE, 1);
		VOICE_LOG(&windows, &voice_named, EVENT_WINDOW_INCOMPLETE,
			  "more was lost than can be repaired channel=%s stream=%u "
			  "window=%" PRIu64 " missing_symbols=%" PRIu64 " blocks=%" PRIu64,
			  name, m->stream, m->number, m->a, m->b);
		return true;
	case DELIVER_MARGIN:
		if (m->b == 0)
			log_event_limited(
				EVENT_MARGIN_THIN,
				"a window was repaired with its last repair symbol "
				"channel=%s window=%" PRIu64 " repaired=%" PRIu64,
				name, m->number, m->a);
		return true;
	case DELIVER_SESSION_END:
		return voice_session_end(v, m);
	case DELIVER_ALARM:
		return voice_alarm(v, m);
	case DELIVER_LIVE:
		return voice_live(m, name);
	default:
		return false;
	}
}

static void voice_write_losses(struct voice *v)
{
	if (v->losses < 0 || fileio_write_full(v->losses, v->lost, v->lost_len) != 0)
		return;
	v->losses_len += v->lost_len;
	v->lost_len = 0;
	if (v->losses_len < VOICE_LOSSES_MAX)
		return;
	if (renameat(v->dir, VOICE_LOSSES, v->dir, VOICE_LOSSES_OLD) == 0) {
		struct km_err ignored = KM_ERR_INIT;

		km_close(&v->losses);
		(void)!voice_open_losses(v, &ignored);
	}
}

static void voice_write_link(struct voice *v)
{
	static const char *const state[] = {"never", "alive", "farewell", "unknown"};
	struct km_err ignored = KM_ERR_INIT;
	char text[256];
	int n = snprintf(text, sizeof(text),
			 "state=%s unknown_since_ns=%" PRIu64 " session=%08" PRIx64
			 " epoch=%" PRIu64 "\n",
			 state[v->count[VOICE_LINK_STATE] & 3],
			 v->count[VOICE_UNKNOWN_SINCE], v->session, v->epoch);

	if (fileio_write_atomic(v->dir, VOICE_LINK, text, (size_t)n, 0640, &ignored) == 0)
		v->link_changed = false;
}

void voice_flush(struct voice *v)
{
	for (unsigned i = 0; i < KM_COUNT(voice_said); i++)
		voice_count(v, i, 0);
	for (unsigned i = 0; i < VOICE_ALARMS; i++)
		voice_announce(v, i, 0);
	if (v->lost_len > 0)
		voice_write_losses(v);
	if (v->link_changed && v->dir >= 0)
		voice_write_link(v);
}

bool voice_summary_due(const struct voice *v, uint64_t now_ns)
{
	return now_ns >= v->next_summary_ns;
}

static uint64_t voice_other(const struct voice *v, const char *role, const char *name)
{
	uint64_t value = 0;

	if (v->map)
		(void)stats_find(v->map, role, name, &value);
	return value;
}

/* " refused_auth=3 ..." of what is not zero. */
static void voice_drops(const struct voice *v, char *buf, size_t len)
{
	static const char *const names[] = {
		"refused_short",     "refused_carrier", "refused_version",
		"refused_malformed", "refused_range",	"refused_unknown_session",
		"refused_auth",	     "refused_replay",	"refused_duplicate",
		"refused_announce",  "hold_dropped",	"kernel_drops",
	};
	size_t used = 0;

	buf[0] = 0;
	for (size_t i = 0; i < KM_COUNT(names) && used < len; i++) {
		uint64_t value = voice_other(v, "decode", names[i]);

		if (value > 0)
			used += (size_t)snprintf(buf + used, len - used, " %s=%" PRIu64,
						 names[i], value);
	}
}

void voice_summary(struct voice *v, uint64_t now_ns, const char *ages)
{
	uint64_t frames = voice_other(v, "decode", "opened");
	uint64_t lost = voice_other(v, "decode", "lost_total");
	uint64_t repaired = voice_other(v, "decode", "symbols_repaired");
	uint64_t margin = UINT64_MAX, bytes = v->count[VOICE_BYTES_PUBLISHED];
	uint64_t ns = now_ns - v->last_summary_ns;
	char drops[512], worst[24] = "none";

	if (v->map && stats_find(v->map, "decode", "margin_worst", &margin) &&
	    margin != UINT64_MAX)
		snprintf(worst, sizeof(worst), "%" PRIu64, margin);
	voice_drops(v, drops, sizeof(drops));
	log_event(EVENT_SUMMARY,
		  "frames=%" PRIu64 " lost=%" PRIu64 " repaired=%" PRIu64
		  " margin_worst=%s mb_s=%.1f published=%" PRIu64 " missing=%" PRIu64
		  " quarantined=%" PRIu64 " partial=%" PRIu64 "%s%s",
		  frames - v->last_frames, lost - v->last_lost, repaired - v->last_repaired,
		  worst, ns ? (double)(bytes - v->last_bytes) * 1e3 / (double)ns : 0.0,
		  v->count[VOICE_OBJECTS_PUBLISHED], v->count[VOICE_OBJECTS_MISSING],
		  v->count[VOICE_OBJECTS_QUARANTINED], v->count[VOICE_OBJECTS_PARTIAL],
		  drops, ages);
	v->last_frames = frames;
	v->last_lost = lost;
	v->last_repaired = repaired;
	v->last_bytes = bytes;
	v->last_summary_ns = now_ns;
	v->next_summary_ns = clock_add(now_ns, v->summary_ns);
}
