// SPDX-License-Identifier: ISC
/*
 * A ticket worked off: what tx reads back from its outbox and from sent/, and puts on the lanes
 * again. The input is a script that changes the manifests and the files kept, adds others, gives
 * names of any kind to the outbox, and hands in tickets. Whatever was read: the work ends, the
 * answer is printable text, and a file that is not what was signed does not leave.
 */
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "clock.h"
#include "cursor.h"
#include "digest_many.h"
#include "fuzz_alloc.h"
#include "fuzz_dir.h"
#include "fuzz_signed.h"
#include "fuzz_target.h"
#include "outbox.h"
#include "resend.h"
#include "retain.h"
#include "tickets.h"

#define SLOTS 64u
#define STRIDE 1600u
#define SYMBOL 1400u
#define FRAMES 64u
#define STEPS_MAX 32u
#define TURNS_MAX 20000u
#define CONTENT 100000u /* more than the lane has room for */
#define OTHER_MAX 4096u
#define OBJECTS 5u
#define KEPT 3u /* of them: files in sent/ */

enum step {
	STEP_XOR,  /* u8 file, u16 offset, u8 */
	STEP_CUT,  /* u8 file, u16 length */
	STEP_GONE, /* u8 file */
	STEP_PUT,  /* u8 kind, varint chain, varint number, u16 length, bytes: one more */
	STEP_NAME, /* u8 length, name in the outbox */
	STEP_TICKET, /* u8 kind, varint chain - 1000, varint object, u8 items, { varint gap, more } */
	STEP_TICK,    /* u8 x 100 ms: repeats */
	STEP_PRUNE,   /* u8 days */
	STEP_FILE,    /* u8 how, u8 length, bytes: of a ticket file */
	STEP_SESSION, /* a new session, in the middle of a manifest */
	STEP_COUNT
};

enum file { MANIFEST, MINISIG, FIRST_KEPT, FILES = FIRST_KEPT + KEPT };

static const char *const place[FILES] = {"outbox/1000-00000001.manifest",
					 "outbox/1000-00000001.manifest.minisig",
					 "sent/1000-1", "sent/1000-2", "sent/1000-5"};

struct content {
	uint8_t p[CONTENT];
	size_t len;
};

static struct content sound[FILES], now[FILES];
static struct lane_plan plan = {.slots = SLOTS, .stride = STRIDE, .workers = 1};
static struct lane_out_memory memory;

struct scene {
	struct lanes lanes;
	struct control control;
	struct counts counts;
	struct channel data;
	struct ledger_out ledger;
	struct readahead readahead;
	struct resend resend;
	struct tickets tickets;
	struct ring ring[LANE_COUNT]; /* the sender's side */
	int outbox, sent;
	uint64_t now_ns;
};

/* ---- the sound state ------------------------------------------------------------------ */

static void open_once(void)
{
	static struct fuzz_signed manifest;
	const struct fuzz_signed_object object[OBJECTS] = {
		{MANIFEST_FLAT, "a", sound[FIRST_KEPT].p, 300},
		{MANIFEST_FLAT, "b/c", sound[FIRST_KEPT + 1].p, CONTENT},
		{MANIFEST_WITHDRAWN, "d", sound[0].p, 0},
		{MANIFEST_DIR, "e", sound[0].p, 0},
		{MANIFEST_TREE, "f", sound[FIRST_KEPT + 2].p, 5}};

	if (memory.index)
		return;
	fuzz_dir_hush();
	FUZZ_ASSERT(digest_init(DIGEST_KERNEL_AUTO, NULL) == KM_OK);
	for (unsigned i = FIRST_KEPT; i < FILES; i++)
		for (size_t at = 0; at < CONTENT; at++)
			sound[i].p[at] = (uint8_t)(at * (i + 3) + (at >> 7));
	sound[FIRST_KEPT].len = object[0].size;
	sound[FIRST_KEPT + 1].len = object[1].size;
	sound[FIRST_KEPT + 2].len = object[4].size;
	fuzz_signed_make(&manifest, object, OBJECTS);
	memcpy(sound[MANIFEST].p, manifest.text, sound[MANIFEST].len = manifest.len);
	memcpy(sound[MINISIG].p, manifest.sig, sound[MINISIG].len = manifest.sig_len);
	memory.index_len = lane_index_bytes(&plan);
	memory.slots_len = lane_slots_bytes(&plan);
	memory.index = aligned_alloc(4096, memory.index_len);
	memory.slots = aligned_alloc(4096, (memory.slots_len + 4095) / 4096 * 4096);
	FUZZ_ASSERT(memory.index && memory.slots);
}

static void write_sound(struct scene *sc)
{
	FUZZ_ASSERT(mkdirat(fuzz_dir(), "outbox", 0700) == 0 &&
		    mkdirat(fuzz_dir(), "sent", 0700) == 0);
	memcpy(now, sound, sizeof(now));
	for (unsigned i = 0; i < FILES; i++)
		fuzz_dir_put(place[i], now[i].p, now[i].len);
	sc->outbox = openat(fuzz_dir(), "outbox", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	sc->sent = openat(fuzz_dir(), "sent", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	FUZZ_ASSERT(sc->outbox >= 0 && sc->sent >= 0);
	FUZZ_ASSERT(tickets_open(&sc->tickets, fuzz_dir(), NULL) == 0);
}

static void attach(struct scene *sc)
{
	memset(memory.index, 0, memory.index_len);
	for (unsigned i = 0; i < LANE_COUNT; i++) {
		void *page = lane_index_page(memory.index, i);
		uint8_t *slots = (uint8_t *)memory.slots + i * lane_ring_bytes(&plan);

		FUZZ_ASSERT(ring_format(page, LANE_PAGE, STRIDE, SLOTS) == KM_OK);
		FUZZ_ASSERT(ring_attach_split(&sc->ring[i], page, LANE_PAGE, slots,
					      lane_ring_bytes(&plan), STRIDE, SLOTS,
					      RING_CONSUMER) == KM_OK);
	}
}

/* False: no memory. */
static bool open_source(struct scene *sc)
{
	static const uint8_t ether[WIRE_ETHER_LEN] = {2}, key[32] = {3}, digest[32];
	const struct block_geometry geo = {
		.k = 16, .m = 2, .depth_max = 2, .symbol = SYMBOL};
	struct km_err err = KM_ERR_INIT;

	attach(sc);
	return lanes_open(&sc->lanes, &plan, &memory, ether, sizeof(ether), &err) == 0 &&
	       lanes_key(&sc->lanes, key, key, &err) == 0 &&
	       control_open(&sc->control, &sc->lanes, &sc->counts, SYMBOL, digest, 0, -1,
			    &err) == 0 &&
	       channel_open(&sc->data, &sc->lanes.out[0], &sc->control, &sc->counts, &geo,
			    FUZZ_SIGNED_CHANNEL, FRAME_CLASS_NORMAL, FRAME_STREAM_DATA,
			    20 * CLOCK_NS_PER_MS, UINT64_C(1000000000), &err) == 0 &&
	       ledger_open(&sc->ledger, &sc->lanes.out[0], &sc->control, &sc->counts, true,
			   SYMBOL, FUZZ_SIGNED_CHANNEL, FRAME_CLASS_NORMAL, sc->outbox,
			   UINT64_C(1000000000), &err) == 0 &&
	       resend_open(&sc->resend, &sc->data, &sc->ledger, &sc->counts, sc->sent,
			   sc->outbox, &sc->readahead, &err) == 0;
}

static void close_source(struct scene *sc)
{
	if (sc->resend.channel)
		resend_close(&sc->resend);
	if (sc->ledger.counts)
		ledger_close(&sc->ledger);
	channel_close(&sc->data);
	control_close(&sc->control);
	lanes_close(&sc->lanes);
}

/* ---- the way out ------------------------------------------------------------------------ */

static void take_frames(struct scene *sc)
{
	uint64_t first;
	uint32_t n;

	lane_out_flush(&sc->lanes.out[0]);
	for (unsigned i = 0; i < LANE_COUNT; i++)
		while (ring_peek(&sc->ring[i], SLOTS, &first, &n) == KM_OK)
			FUZZ_ASSERT(ring_release(&sc->ring[i], n) == KM_OK);
	lane_out_refresh(&sc->lanes.out[0]);
	FUZZ_ASSERT(!sc->lanes.out[0].dead);
	sc->now_ns += CLOCK_NS_PER_MS;
}

/* A step for the data windows, as files.c makes it. */
static void feed(struct scene *sc)
{
	enum km_rc rc;

	if (sc->data.block.phase == BLOCK_REPAIR) {
		rc = channel_step(&sc->data, FRAMES);
	} else if (!resend_feeding(&sc->resend)) {
		rc = sc->data.block.phase == BLOCK_OPEN ? channel_end(&sc->data, sc->now_ns)
							: KM_OK;
	} else {
		rc = channel_window(&sc->data, feed_left(&sc->resend.feed) + 96, FRAMES,
				    sc->now_ns);
		if (rc == KM_OK && sc->data.block.phase == BLOCK_OPEN)
			rc = resend_step(&sc->resend, 65536, sc->now_ns);
	}
	FUZZ_ASSERT(rc == KM_OK || rc == KM_ERR_FULL || rc == KM_ERR_EMPTY);
}

static bool ledger_idle(struct scene *sc)
{
	const enum km_rc rc = ledger_step(&sc->ledger, FRAMES, sc->now_ns);

	FUZZ_ASSERT(rc == KM_OK || rc == KM_ERR_FULL);
	return rc == KM_OK && !ledger_busy(&sc->ledger);
}

/* The file was changed, and what was signed was not: it must not leave. */
static bool must_stay(unsigned file)
{
	const struct content *m = &now[MANIFEST];

	return m->len == sound[MANIFEST].len &&
	       memcmp(m->p, sound[MANIFEST].p, m->len) == 0 &&
	       (now[file].len != sound[file].len ||
		memcmp(now[file].p, sound[file].p, sound[file].len) != 0);
}

static void check_answer(const struct resend *r, uint64_t chain)
{
	static const char *const sent[KEPT] = {"\nsent object 1 ", "\nsent object 2 ",
					       "\nsent object 5 "};
	static char text[RESEND_TEXT_MAX + 2];

	FUZZ_ASSERT(r->text_len <= RESEND_TEXT_MAX);
	text[0] = '\n';
	memcpy(text + 1, r->text, r->text_len);
	text[1 + r->text_len] = '\0';
	for (size_t i = 1; i <= r->text_len; i++)
		FUZZ_ASSERT(text[i] == '\n' ||
			    ((uint8_t)text[i] >= 0x20 && text[i] != 0x7f));
	FUZZ_ASSERT(text[r->text_len] == '\n');
	for (unsigned i = 0; chain == FUZZ_SIGNED_CHAIN && i < KEPT; i++)
		FUZZ_ASSERT(!must_stay(FIRST_KEPT + i) || !strstr(text, sent[i]));
}

static void work_off(struct scene *sc, const struct ticket *ticket)
{
	struct resend *r = &sc->resend;
	unsigned turns = 0;

	resend_begin(r, ticket, FUZZ_SIGNED_CHAIN, 1, OBJECTS);
	while (resend_busy(r) || channel_busy(&sc->data) || ledger_busy(&sc->ledger)) {
		FUZZ_ASSERT(turns++ < TURNS_MAX);
		take_frames(sc);
		if (!ledger_idle(sc))
			continue;
		if (resend_busy(r) && !resend_feeding(r)) {
			const enum km_rc rc = resend_step(r, 65536, sc->now_ns);

			FUZZ_ASSERT(rc == KM_OK || rc == KM_ERR_FULL);
		}
		feed(sc);
	}
	FUZZ_ASSERT(r->fd < 0); /* none stays open */
	FUZZ_ASSERT(resend_step(r, 65536, sc->now_ns) == KM_OK && !resend_busy(r));
	check_answer(r, ticket->chain);
}

/* ---- the script ---------------------------------------------------------------------------- */

static void ticket(struct scene *sc, struct rd *rd)
{
	struct ticket t = {.kind = rd_u8(rd), .channel = FUZZ_SIGNED_CHANNEL}, again;
	char text[TICKET_TEXT_MAX];
	uint64_t next = 0;
	unsigned n;

	t.chain = FUZZ_SIGNED_CHAIN + rd_varint(rd);
	t.object = rd_varint(rd);
	n = rd_u8(rd) % (TICKET_ITEMS_MAX + 1);
	for (t.items = 0; t.items < n; t.items++) {
		t.item[t.items].first = next + rd_varint(rd);
		t.item[t.items].last = t.item[t.items].first + rd_varint(rd);
		next = t.item[t.items].last + 1;
	}
	/* no other ticket can come: tickets_next() decodes each */
	if (ticket_encode(text, &t) == KM_OK &&
	    ticket_decode(&again, text, strlen(text)) == KM_OK)
		work_off(sc, &again);
}

enum file_how {
	HOW_SOON = 1,	/* no minute after the one before */
	HOW_UNTOLD = 2, /* the answer finds a folder in its place */
	HOW_FOLDER = 4, /* a folder of such a name */
	HOW_LOST = 8	/* the folder of requests cannot be read */
};

/* The same from a file, as an operator's command writes it; it is answered in any case. */
static void ticket_file(struct scene *sc, struct rd *rd)
{
	static const char place_of[] = "requests/a.ticket", answer[] = "requests/a.result";
	const uint8_t how = rd_u8(rd);
	size_t n = rd_u8(rd);
	const uint8_t *p;
	struct ticket t;
	unsigned taken;

	n = n < rd_left(rd) ? n : rd_left(rd);
	p = rd_bytes(rd, n);
	if (how & HOW_FOLDER)
		(void)mkdirat(fuzz_dir(), "requests/0.ticket", 0700);
	if (how & HOW_UNTOLD) {
		(void)unlinkat(fuzz_dir(), answer, 0);
		(void)mkdirat(fuzz_dir(), answer, 0700);
	}
	fuzz_dir_put(place_of, p, n);
	sc->now_ns += how & HOW_SOON ? TICKETS_LOOK_NS : 60 * CLOCK_NS_PER_SEC;
	taken = sc->tickets.in_minute;
	if (how & HOW_LOST) {
		const int dir = sc->tickets.dir;

		sc->tickets.dir = -1;
		FUZZ_ASSERT(!tickets_next(&sc->tickets, &t, sc->now_ns));
		sc->tickets.dir = dir;
		FUZZ_ASSERT(!tickets_next(&sc->tickets, &t, sc->now_ns)); /* too soon */
		return;
	}
	if (tickets_next(&sc->tickets, &t, sc->now_ns)) {
		work_off(sc, &t);
		tickets_answer(&sc->tickets, sc->resend.text, sc->resend.text_len);
	}
	if ((how & (HOW_FOLDER | HOW_UNTOLD)) || taken == TICKETS_PER_MINUTE ||
	    faccessat(fuzz_dir(), "requests/0.ticket", F_OK, 0) == 0)
		return;
	FUZZ_ASSERT(faccessat(fuzz_dir(), place_of, F_OK, 0) != 0);
	FUZZ_ASSERT(faccessat(fuzz_dir(), answer, F_OK, 0) == 0);
}

/* A manifest on its way begins again in a new session. */
static void session(struct scene *sc)
{
	struct km_err err = KM_ERR_INIT;

	if (ledger_send(&sc->ledger, FUZZ_SIGNED_CHAIN, 1, &err) == 0)
		FUZZ_ASSERT(ledger_send(&sc->ledger, FUZZ_SIGNED_CHAIN, 1, &err) != 0);
	(void)!ledger_step(&sc->ledger, 1, sc->now_ns);
	ledger_session(&sc->ledger);
	channel_session(&sc->data);
	for (unsigned turns = 0; !ledger_idle(sc); turns++) {
		FUZZ_ASSERT(turns < TURNS_MAX);
		take_frames(sc);
	}
}

static void put(struct rd *rd)
{
	const uint8_t kind = rd_u8(rd) % 3;
	const uint64_t chain = rd_varint(rd), number = rd_varint(rd);
	size_t n = rd_u16(rd);
	char name[RETAIN_NAME_MAX], path[128];
	const uint8_t *p;

	n = n < rd_left(rd) ? n : rd_left(rd);
	p = rd_bytes(rd, n < OTHER_MAX ? n : OTHER_MAX);
	if (!p)
		return;
	if (kind == 2) {
		retain_name(name, chain, number);
		(void)snprintf(path, sizeof(path), "sent/%s", name);
	} else {
		(void)snprintf(path, sizeof(path), "outbox/");
		manifest_file_name(path + strlen(path), chain, number);
		if (kind)
			(void)snprintf(path + strlen(path), sizeof(path) - strlen(path),
				       ".minisig");
	}
	for (unsigned i = 0; i < FILES; i++) {
		if (strcmp(path, place[i]) != 0)
			continue;
		now[i].len = n < OTHER_MAX ? n : OTHER_MAX;
		memcpy(now[i].p, p, now[i].len);
	}
	fuzz_dir_put(path, p, n < OTHER_MAX ? n : OTHER_MAX);
}

static void name(struct rd *rd)
{
	char path[300] = "outbox/";
	const size_t head = strlen(path);
	size_t n = rd_u8(rd);

	n = n < rd_left(rd) ? n : rd_left(rd);
	rd_copy(rd, (uint8_t *)path + head, n);
	for (size_t i = 0; i < n; i++)
		if (path[head + i] == '/')
			path[head + i] = '_';
	if (n == 0 || path[head] == '.' || path[head] == '\0' || access(path, F_OK) == 0)
		return;
	for (unsigned i = 0; i < FILES; i++)
		if (strcmp(path, place[i]) == 0)
			return;
	fuzz_dir_put(path, "", 0);
}

static void tick(struct scene *sc, struct rd *rd)
{
	for (unsigned i = rd_u8(rd); i > 0; i--) {
		sc->now_ns += 100 * CLOCK_NS_PER_MS;
		(void)ledger_tick(&sc->ledger, FUZZ_SIGNED_CHAIN, 3, i % 16 == 0,
				  sc->now_ns);
		for (unsigned turns = 0; !ledger_idle(sc); turns++) {
			FUZZ_ASSERT(turns < TURNS_MAX);
			take_frames(sc);
		}
	}
}

static void step(struct scene *sc, struct rd *rd)
{
	const enum step what = rd_u8(rd) % STEP_COUNT;
	struct content *c;
	unsigned file, at;

	switch (what) {
	case STEP_XOR:
	case STEP_CUT:
	case STEP_GONE:
		file = rd_u8(rd) % FILES;
		c = &now[file];
		at = what == STEP_GONE ? 0 : rd_u16(rd);
		if (what == STEP_XOR && c->len)
			c->p[at % c->len] ^= rd_u8(rd);
		else if (what != STEP_XOR)
			c->len = at < c->len ? at : c->len;
		if (what == STEP_GONE)
			(void)unlinkat(fuzz_dir(), place[file], 0);
		else
			fuzz_dir_put(place[file], c->p, c->len);
		break;
	case STEP_PUT:
		put(rd);
		break;
	case STEP_NAME:
		name(rd);
		break;
	case STEP_TICKET:
		ticket(sc, rd);
		break;
	case STEP_TICK:
		ledger_sent(&sc->ledger, 1, sc->now_ns);
		tick(sc, rd);
		break;
	case STEP_FILE:
		ticket_file(sc, rd);
		break;
	case STEP_SESSION:
		session(sc);
		break;
	default:
		(void)outbox_prune(sc->outbox, FUZZ_SIGNED_CHAIN, 1,
				   rd_u8(rd) * 86400 * CLOCK_NS_PER_SEC, clock_real_ns());
		break;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct scene sc;
	struct rd rd;

	open_once();
	memset(&sc, 0, sizeof(sc));
	sc.now_ns = CLOCK_NS_PER_SEC;
	sc.resend.fd = -1;
	write_sound(&sc);
	fuzz_alloc_begin(data, size);
	rd_init(&rd, data, size);
	if (open_source(&sc))
		for (unsigned i = 0; i < STEPS_MAX && rd_left(&rd); i++)
			step(&sc, &rd);
	close_source(&sc);
	(void)fuzz_alloc_end();
	tickets_close(&sc.tickets);
	close(sc.outbox);
	close(sc.sent);
	fuzz_dir_empty();
	return 0;
}
