// SPDX-License-Identifier: ISC
#include "stream_table.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* The text of a mark: gap_text, a number, ends of lines. */
#define MARK_MAX (RX_GAP_TEXT_MAX + 24u)

void stream_table_open(struct stream_table *t, const struct rx_config_live *conf,
		       stream_note_fn *note, void *ctx)
{
	memset(t, 0, sizeof(*t));
	t->conf = conf;
	t->note = note;
	t->ctx = ctx;
	for (unsigned i = 0; i < STREAM_TABLE; i++)
		outlet_clear(&t->outlet[i]);
}

static void say(struct stream_table *t, enum stream_what what, uint64_t connection,
		uint64_t from, uint64_t to, int error)
{
	const struct stream_note note = {
		.what = what,
		.connection = connection,
		.from = from,
		.to = to,
		.error = error,
	};

	t->note(t->ctx, &note);
}

static bool goes_on(const struct outlet *o)
{
	return o->state != OUTLET_FREE && o->state != OUTLET_DEAD;
}

static void recount(struct stream_table *t)
{
	uint64_t open = 0;

	for (unsigned i = 0; i < STREAM_TABLE; i++)
		open += goes_on(&t->outlet[i]);
	t->count[STREAM_COUNT_OPEN] = open;
}

void stream_table_done(struct stream_table *t, struct outlet *o)
{
	outlet_drop(o);
	recount(t);
}

void stream_table_lose(struct stream_table *t, struct outlet *o, enum stream_what what,
		       int error, uint64_t now_ns)
{
	const uint64_t from = o->held < o->next ? o->next - o->held : 0;

	t->count[what == STREAM_NOTE_SLOW ? STREAM_COUNT_SLOW : STREAM_COUNT_BROKEN]++;
	say(t, what, o->number, from, o->next, error);
	stream_table_done(t, o);
	o->due_ns = now_ns + STREAM_WAIT_MOST_NS;
}

static void malformed(struct stream_table *t)
{
	t->count[STREAM_COUNT_MALFORMED]++;
	say(t, STREAM_NOTE_MALFORMED, t->msg.connection, 0, 0, 0);
}

static struct outlet *find(struct stream_table *t, uint64_t number)
{
	for (unsigned i = 0; i < STREAM_TABLE; i++)
		if (t->outlet[i].state != OUTLET_FREE && !t->outlet[i].old &&
		    t->outlet[i].number == number)
			return &t->outlet[i];
	return NULL;
}

static bool is_dead(const struct outlet *o)
{
	return o->state == OUTLET_DEAD;
}

static bool has_ended(const struct outlet *o)
{
	return goes_on(o) && o->ended;
}

static bool is_served(const struct outlet *o)
{
	return o->state == OUTLET_LINGER && o->left == 0;
}

/* The oldest of those that are as IS says. */
static struct outlet *oldest(struct stream_table *t, bool (*is)(const struct outlet *o))
{
	struct outlet *found = NULL;

	for (unsigned i = 0; i < STREAM_TABLE; i++) {
		struct outlet *o = &t->outlet[i];

		if (is(o) && (!found || o->old > found->old ||
			      (o->old == found->old && o->number < found->number)))
			found = o;
	}
	return found;
}

/*
 * True: one more may go on. Streams that have ended on tx do not count, because a consumer may be a
 * while behind; when there are as many of them again, the oldest gives way, one first that has all.
 */
static bool make_room(struct stream_table *t, uint64_t now_ns)
{
	unsigned ended = 0;
	struct outlet *o;

	for (unsigned i = 0; i < STREAM_TABLE; i++)
		ended += has_ended(&t->outlet[i]);
	if (t->count[STREAM_COUNT_OPEN] - ended >= t->conf->connections)
		return false;
	if (t->count[STREAM_COUNT_OPEN] < stream_table_most(t))
		return true;
	o = oldest(t, is_served);
	if (o) {
		stream_table_done(t, o);
		return true;
	}
	o = oldest(t, has_ended);
	if (o)
		stream_table_lose(t, o, STREAM_NOTE_SLOW, 0, now_ns);
	return o;
}

/* A place for NUMBER, in state DEAD. */
static struct outlet *place_for(struct stream_table *t, uint64_t number)
{
	struct outlet *o = NULL;

	for (unsigned i = 0; i < STREAM_TABLE && !o; i++)
		if (t->outlet[i].state == OUTLET_FREE)
			o = &t->outlet[i];
	if (!o)
		o = oldest(t, is_dead); /* at most half of the table goes on */
	if (!o) {			/* never; but no message may write past the table */
		o = &t->outlet[0];
		outlet_drop(o);
	}
	outlet_clear(o);
	o->number = number;
	o->state = OUTLET_DEAD;
	return o;
}

static void wake(struct stream_table *t, struct outlet *o, uint64_t now_ns)
{
	o->state = OUTLET_WANT;
	o->ended = o->line = false;
	o->due_ns = now_ns;
	o->wait_ns = STREAM_WAIT_LEAST_NS;
	t->count[STREAM_COUNT_OPENED]++;
	recount(t);
}

static struct outlet *begin(struct stream_table *t, uint64_t number, uint64_t now_ns)
{
	const bool room = make_room(t, now_ns);
	struct outlet *o = place_for(t, number);

	if (room) {
		wake(t, o, now_ns);
	} else {
		t->count[STREAM_COUNT_CROWDED]++;
		say(t, STREAM_NOTE_CROWDED, number, 0, 0, 0);
		o->due_ns = now_ns + STREAM_WAIT_MOST_NS;
	}
	return o;
}

static bool marks(const struct stream_table *t)
{
	return t->conf->gap == RX_GAP_MARK;
}

static void append(struct stream_table *t, struct outlet *o, const void *bytes, size_t len,
		   uint64_t now_ns)
{
	if (goes_on(o) && outlet_put(o, bytes, len, t->conf->consumer_buffer) != KM_OK)
		stream_table_lose(t, o, STREAM_NOTE_SLOW, 0, now_ns);
}

/* A line of its own that says how many bytes are not there. */
static void append_mark(struct stream_table *t, struct outlet *o, uint64_t lost,
			uint64_t now_ns)
{
	const char *text = t->conf->gap_text, *at = strstr(text, "%u");
	const int before = at ? (int)(at - text) : (int)strlen(text);
	char mark[MARK_MAX];
	int n;

	n = snprintf(mark, sizeof(mark), "%s%.*s%" PRIu64 "%s\n", o->line ? "\n" : "",
		     before, text, lost, at ? at + 2 : "");
	append(t, o, mark, (size_t)n, now_ns);
}

/* The bytes of O up to OFFSET will not come. */
static void gap(struct stream_table *t, struct outlet *o, uint64_t offset, uint64_t now_ns)
{
	t->count[STREAM_COUNT_GAPS]++;
	say(t, STREAM_NOTE_GAP, o->number, o->next, offset, 0);
	if (marks(t)) {
		append_mark(t, o, offset - o->next, now_ns);
		o->next = offset;
	} else {
		o->ended = true;
		o->end = STREAM_END_BROKEN;
	}
}

/* A stream that is not in the table and has come as far as OFFSET. NULL: it is left alone. */
static struct outlet *meet(struct stream_table *t, uint64_t number, uint64_t offset,
			   uint64_t now_ns)
{
	struct outlet *o;

	if (offset == 0)
		return begin(t, number, now_ns);
	t->count[STREAM_COUNT_GAPS]++;
	say(t, number <= t->joined ? STREAM_NOTE_JOINED : STREAM_NOTE_GAP, number, 0,
	    offset, 0);
	if (!marks(t)) {
		o = place_for(t, number);
		o->next = offset;
		return o;
	}
	o = begin(t, number, now_ns);
	append_mark(t, o, offset, now_ns);
	o->next = offset;
	return o;
}

/* tx has nothing more of O. */
static void conclude(struct stream_table *t, struct outlet *o, enum stream_end how)
{
	o->over = true;
	if (!goes_on(o)) {
		stream_table_done(t, o);
	} else if (!o->ended) {
		o->ended = true;
		o->end = (uint8_t)how;
	}
}

/* What became of O's last bytes is not known, and never will be. */
static void lose_end(struct stream_table *t, struct outlet *o)
{
	if (goes_on(o) && !o->ended) {
		t->count[STREAM_COUNT_GAPS]++;
		say(t, STREAM_NOTE_LOST, o->number, o->next, o->next, 0);
	}
	conclude(t, o, STREAM_END_BROKEN);
}

static void take_open(struct stream_table *t, uint64_t now_ns)
{
	if (find(t, t->msg.connection))
		malformed(t);
	else
		(void)begin(t, t->msg.connection, now_ns);
}

/* A consumer was lost in the middle, and the channel marks what it did not get. */
static void try_again(struct stream_table *t, struct outlet *o, uint64_t offset,
		      uint64_t now_ns)
{
	if (!marks(t) || o->state != OUTLET_DEAD || now_ns < o->due_ns ||
	    !make_room(t, now_ns))
		return;
	wake(t, o, now_ns);
	append_mark(t, o, offset - o->sent, now_ns);
	o->next = offset;
}

static void take_data(struct stream_table *t, uint64_t now_ns)
{
	const struct stream_msg *m = &t->msg;
	struct outlet *o = find(t, m->connection);

	if (!o)
		o = meet(t, m->connection, m->offset, now_ns);
	if (m->offset < o->next) {
		malformed(t);
		return;
	}
	try_again(t, o, m->offset, now_ns);
	if (!goes_on(o) || o->ended)
		return;
	if (m->offset > o->next)
		gap(t, o, m->offset, now_ns);
	if (!goes_on(o) || o->ended)
		return;
	if (outlet_put(o, m->data, m->len, t->conf->consumer_buffer) == KM_OK) {
		o->next += m->len;
		return;
	}
	/* the bytes in hand are lost too, and named with those that wait */
	o->next += m->len;
	o->held += m->len;
	stream_table_lose(t, o, STREAM_NOTE_SLOW, 0, now_ns);
}

static void take_close(struct stream_table *t, uint64_t now_ns)
{
	const struct stream_msg *m = &t->msg;
	struct outlet *o = find(t, m->connection);

	if (!o)
		o = meet(t, m->connection, m->offset, now_ns);
	if (goes_on(o) && !o->ended && m->offset > o->next)
		gap(t, o, m->offset, now_ns);
	conclude(t, o, (enum stream_end)m->end);
}

static void take_alive(struct stream_table *t, uint64_t now_ns)
{
	const struct stream_msg *m = &t->msg;

	for (unsigned i = 0; i < STREAM_TABLE; i++)
		t->outlet[i].heard = t->outlet[i].number > m->newest;
	for (unsigned i = 0; i < m->marks; i++) {
		struct outlet *o = find(t, m->mark[i].connection);

		if (!o)
			o = meet(t, m->mark[i].connection, m->mark[i].offset, now_ns);
		else if (goes_on(o) && !o->ended && m->mark[i].offset > o->next)
			gap(t, o, m->mark[i].offset, now_ns);
		o->heard = true;
	}
	for (unsigned i = 0; i < STREAM_TABLE; i++)
		if (t->outlet[i].state != OUTLET_FREE && !t->outlet[i].heard &&
		    !t->outlet[i].over)
			lose_end(t, &t->outlet[i]);
}

/* Another process of tx: its streams are others, and those of before are over. */
static void take_run(struct stream_table *t)
{
	const struct stream_msg *m = &t->msg;

	for (unsigned i = 0; t->known && i < STREAM_TABLE; i++) {
		if (t->outlet[i].state == OUTLET_FREE || t->outlet[i].old)
			continue;
		t->outlet[i].old = true;
		if (!t->outlet[i].over)
			lose_end(t, &t->outlet[i]);
	}
	t->joined = t->known ? 0 : m->newest - (m->op == STREAM_OPEN);
	t->known = true;
	t->run = m->run;
}

/* True: it has been here. */
static bool again(struct stream_table *t, uint32_t session, uint64_t number)
{
	if (t->met && session != t->session) {
		if (t->followed && session == t->before)
			return true;
		t->before = t->session;
		t->followed = true;
		t->number = 0;
	}
	t->met = true;
	t->session = session;
	if (number <= t->number)
		return true;
	t->number = number;
	return false;
}

void stream_table_take(struct stream_table *t, uint32_t session, uint64_t number,
		       const void *bytes, size_t len, uint64_t now_ns)
{
	if (again(t, session, number))
		return;
	if (stream_read(&t->msg, bytes, len) != KM_OK) {
		malformed(t);
		return;
	}
	if (!t->known || t->msg.run != t->run)
		take_run(t);
	switch (t->msg.op) {
	case STREAM_OPEN:
		take_open(t, now_ns);
		break;
	case STREAM_DATA:
		take_data(t, now_ns);
		break;
	case STREAM_CLOSE:
		take_close(t, now_ns);
		break;
	default:
		take_alive(t, now_ns);
	}
}
