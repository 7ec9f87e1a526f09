// SPDX-License-Identifier: ISC
#include "door.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "clock.h"
#include "fileio.h"
#include "log.h"

/* An object that cannot be opened now (descriptors) is tried again so much later. */
#define DOOR_RETRY_NS UINT64_C(1000000000)

/* Answers taken before other work has its turn. */
#define DOOR_ANSWERS 256u

int door_init(struct flow_shared *shared, const struct rx_config *config, int sock,
	      struct km_err *err)
{
	shared->door = (struct door){.sock = -1};
	if (!rx_config_scans(config))
		return 0;
	shared->door.sock = sock;
	/* no publish before this one has begun so late: its tickets are all below */
	shared->door.ticket = clock_mono_ns();
	if (ipc_send(sock, SCAN_BEGIN, NULL, 0, NULL, 0,
		     clock_add(clock_mono_ns(), CLOCK_NS_PER_SEC)) != KM_OK)
		return km_err_set_errno(err, EX_TEMPFAIL, "role scan cannot be asked");
	return 0;
}

uint8_t door_judge(struct flow *flow, struct object *o)
{
	if (flow->conf->scan[0] == '\0')
		return SCAN_PASS;
	if (o->verdict == SCAN_NONE && !o->at_door)
		o->at_door = jobs_add(&flow->scans, o->chain, o->number) == 0;
	return o->verdict;
}

uint64_t door_count(const struct flow *flow)
{
	return jobs_count(&flow->scans) + flow->asked;
}

bool door_is_busy(const struct flow_shared *shared)
{
	return shared->door.busy;
}

/* ---- asking ---- */

/* KM_OK: it is asked, or is not there any more. Else not now. */
static enum km_rc door_ask(struct flow *flow, const struct job *job)
{
	struct object *o = shelf_find(&flow->shelf, OBJECT_DATA, job->chain, job->number);
	struct door *door = &flow->shared->door;
	struct scan_ask ask = {.ticket = door->ticket + 1, .channel = flow->conf->number};
	char part[OBJECT_PART_NAME_MAX];
	_cleanup_close_ int fd = -1;
	enum km_rc rc;

	if (!o || !o->at_door || o->verdict != SCAN_NONE)
		return KM_OK;
	object_part_name(part, OBJECT_DATA, o->chain, o->number);
	fd = fileio_open_beneath(flow->root.incoming, part, O_RDONLY, 0);
	if (fd < 0) {
		log_event_limited(EVENT_OBJECT_HELD,
				  "cannot be scanned yet: %s; it is tried again channel=%s "
				  "chain=%" PRIu64 " object=%" PRIu64,
				  strerror(errno), flow->conf->name, o->chain, o->number);
		return KM_ERR_SYS;
	}
	rc = ipc_send(door->sock, SCAN_ASK, &ask, sizeof(ask), &fd, 1, 0);
	if (rc != KM_OK)
		return rc;
	door->ticket++;
	flow->ask[flow->asked++] = (struct door_ask){
		.chain = o->chain, .number = o->number, .ticket = ask.ticket};
	return KM_OK;
}

static bool door_ask_more(struct flow *flow, uint64_t now_ns)
{
	bool did = false;

	while (flow->asked < flow->conf->scan_jobs && jobs_any(&flow->scans) &&
	       now_ns >= flow->scan_retry_ns) {
		enum km_rc rc = door_ask(flow, jobs_first(&flow->scans));

		if (rc != KM_OK) {
			/* the socket is full: role scan is away, and comes again */
			flow->scan_retry_ns = clock_add(
				now_ns, rc == KM_ERR_FULL ? DOOR_LOOK_NS : DOOR_RETRY_NS);
			break;
		}
		jobs_next(&flow->scans);
		did = true;
	}
	return did;
}

/* ---- answers ---- */

static void door_say(const struct flow *flow, const struct object *o,
		     const struct scan_answer *answer)
{
	static const enum event events[] = {[SCAN_REJECT] = EVENT_SCAN_REJECTED,
					    [SCAN_ERROR] = EVENT_SCAN_ERROR,
					    [SCAN_TIMEOUT] = EVENT_SCAN_TIMEOUT};
	static const char *const what[] = {
		[SCAN_REJECT] = "the scanner rejects it",
		[SCAN_ERROR] = "the scanner failed, so it is not let through",
		[SCAN_TIMEOUT] = "not let through: the scanner did not end in time"};
	char path[LOG_QUOTE_MAX(WIRE_PATH_MAX)], text[LOG_QUOTE_MAX(SCAN_TEXT_MAX)];

	if (answer->verdict == SCAN_PASS)
		return;
	log_event(events[answer->verdict],
		  "%s channel=%s chain=%" PRIu64 " object=%" PRIu64
		  " path=%s says=%s ms=%" PRIu32,
		  what[answer->verdict], flow->conf->name, o->chain, o->number,
		  log_quote(path, sizeof(path), o->path ? o->path : (const uint8_t *)"",
			    o->path ? o->path_len : 0),
		  log_quote(text, sizeof(text), answer->text,
			    strnlen(answer->text, sizeof(answer->text))),
		  answer->ms);
}

static void door_note(struct flow *flow, const struct door_ask *ask,
		      const struct scan_answer *answer)
{
	static const enum voice_stat stats[] = {[SCAN_PASS] = VOICE_SCAN_PASSED,
						[SCAN_REJECT] = VOICE_SCAN_REJECTED,
						[SCAN_ERROR] = VOICE_SCAN_ERRORS,
						[SCAN_TIMEOUT] = VOICE_SCAN_TIMEOUTS};
	struct object *o = shelf_find(&flow->shelf, OBJECT_DATA, ask->chain, ask->number);

	if (!o || !o->at_door)
		return; /* forgotten meanwhile; what comes again under its number is another */
	o->at_door = false;
	o->verdict = (uint8_t)answer->verdict;
	if (answer->verdict != SCAN_PASS)
		o->scan_says = strndup(answer->text, sizeof(answer->text));
	voice_add(&flow->shared->voice, stats[answer->verdict], 1);
	door_say(flow, o, answer);
	o->queued = flow_enqueue(flow, o->chain, o->number) == 0;
}

/* The one that was asked by that ticket; NULL: an earlier publish, or nobody. */
static struct flow *door_find(struct flow *flow, unsigned flows, uint64_t ticket,
			      unsigned *at)
{
	for (unsigned i = 0; i < flows; i++)
		for (*at = 0; *at < flow[i].asked; (*at)++)
			if (flow[i].ask[*at].ticket == ticket)
				return &flow[i];
	return NULL;
}

static void door_answer(struct flow *flow, unsigned flows, const struct scan_answer *raw)
{
	struct scan_answer answer = *raw;
	struct door_ask ask;
	unsigned at;

	flow = door_find(flow, flows, answer.ticket, &at);
	if (!flow)
		return;
	/* whatever it means, it does not mean pass */
	if (answer.verdict < SCAN_PASS || answer.verdict > SCAN_TIMEOUT)
		answer.verdict = SCAN_ERROR;
	ask = flow->ask[at];
	flow->ask[at] = flow->ask[--flow->asked];
	door_note(flow, &ask, &answer);
}

/* Role scan is a new one: what it does not know is asked again. */
static void door_again(struct flow *flow, unsigned flows)
{
	for (unsigned i = 0; i < flows; i++) {
		unsigned kept = 0;

		for (unsigned j = 0; j < flow[i].asked; j++) {
			const struct door_ask *ask = &flow[i].ask[j];

			/* no memory: it stays asked, and the next one is told again */
			if (jobs_add(&flow[i].scans, ask->chain, ask->number) != 0)
				flow[i].ask[kept++] = *ask;
		}
		flow[i].asked = kept;
		flow[i].scan_retry_ns = 0;
	}
}

bool door_step(struct flow *flow, unsigned flows, struct flow_shared *shared)
{
	static const struct ipc_type rows[] = {SCAN_TO_PUBLISH_ROWS};
	static const struct ipc_table table = {rows, KM_COUNT(rows)};
	static struct ipc_msg msg;
	const uint64_t now_ns = clock_mono_ns();
	struct scan_answer answer;
	uint64_t waiting = 0;
	bool did = false;

	if (shared->door.sock < 0)
		return false;
	for (unsigned i = 0; i < DOOR_ANSWERS; i++) {
		enum km_rc rc = ipc_recv(shared->door.sock, &table, &msg, 0);

		if (rc == KM_ERR_MALFORMED)
			continue; /* said; nothing passes by it */
		if (rc != KM_OK)
			break;
		did = true;
		if (msg.type == SCAN_HELLO) {
			door_again(flow, flows);
			continue;
		}
		memcpy(&answer, msg.body, sizeof(answer));
		door_answer(flow, flows, &answer);
	}
	for (unsigned i = 0; i < flows; i++) {
		did |= door_ask_more(&flow[i], now_ns);
		waiting += door_count(&flow[i]);
	}
	shared->door.busy = waiting > 0;
	voice_set(&shared->voice, VOICE_SCAN_WAITING, waiting);
	return did;
}
