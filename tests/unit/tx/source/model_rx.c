// SPDX-License-Identifier: ISC
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "cursor.h"
#include "digest.h"
#include "fec.h"
#include "manifest.h"
#include "minisig.h"
#include "model_rx.h"
#include "session.h"

static void attach(struct model_rx *rx, void *index, void *slots)
{
	const size_t bytes = lane_ring_bytes(&rx->plan);
	struct lane_bells *bells = lane_index_bells(index, &rx->plan);

	for (unsigned i = 0; i < lane_rings(&rx->plan); i++) {
		cr_assert_eq(ring_attach_split(&rx->ring[i], lane_index_page(index, i),
					       LANE_PAGE, (uint8_t *)slots + i * bytes,
					       bytes, rx->plan.stride, rx->plan.slots,
					       RING_CONSUMER),
			     KM_OK);
		ring_set_bells(&rx->ring[i], &bells->worker[i / LANE_COUNT].bell,
			       &bells->sender.bell);
	}
}

/* The number on the wire of the lane in ring i. */
static uint16_t wire_lane(unsigned i)
{
	return (uint16_t)(i / LANE_COUNT * WIRE_LANE_CLASSES + i % LANE_COUNT);
}

void model_open(struct model_rx *rx, const struct lane_plan *plan, void *index, void *slots,
		uint32_t ether_len, struct keys_box_secret *box,
		struct keys_sign_public *identity)
{
	memset(rx, 0, sizeof(*rx));
	rx->plan = *plan;
	rx->ether_len = ether_len;
	rx->box = box;
	rx->identity = identity;
	attach(rx, index, slots);
}

void model_reattach(struct model_rx *rx, void *index, void *slots)
{
	rx->known = false;
	attach(rx, index, slots);
}

static void window_free(struct model_window *w)
{
	for (uint32_t t = 0; t < WIRE_WINDOW_SYMBOLS_MAX; t++)
		free(w->source[t]);
	for (uint32_t r = 0; r < WIRE_DEPTH_MAX * WIRE_FEC_M_MAX; r++)
		free(w->repair[r]);
	free(w->source);
	free(w->len);
	free(w->repair);
	free(w->k);
	free(w->m);
	free(w);
}

void model_close(struct model_rx *rx)
{
	for (unsigned i = 0; i < MODEL_RINGS; i++)
		seal_free(rx->seal[i]);
	while (rx->windows) {
		struct model_window *w = rx->windows;

		rx->windows = w->next;
		window_free(w);
	}
	while (rx->objects) {
		struct model_object *o = rx->objects;

		rx->objects = o->next;
		free(o->data);
		free(o->have);
		free(o);
	}
	while (rx->manifests) {
		struct model_manifest *m = rx->manifests;

		rx->manifests = m->next;
		free(m->data);
		free(m->have);
		free(m);
	}
}

/* ---- records ----------------------------------------------------------------------------- */

struct model_object *model_number(struct model_rx *rx, uint64_t chain, uint64_t number)
{
	struct model_object *o = rx->objects;

	while (o && (o->number != number || o->chain != chain || o->channel != rx->channel))
		o = o->next;
	return o;
}

static struct model_object *object_of(struct model_rx *rx, uint64_t chain, uint64_t number)
{
	struct model_object *o = model_number(rx, chain, number);

	if (o)
		return o;
	o = calloc(1, sizeof(*o));
	cr_assert(o);
	o->channel = rx->channel;
	o->chain = chain;
	o->number = number;
	o->next = rx->objects;
	rx->objects = o;
	return o;
}

struct model_object *model_find(struct model_rx *rx, const char *path)
{
	struct model_object *best = NULL;

	for (struct model_object *o = rx->objects; o; o = o->next) {
		if (o->begun && o->channel == 1 && strcmp(o->path, path) == 0 &&
		    !o->withdrawn &&
		    (!best || o->chain > best->chain ||
		     (o->chain == best->chain && o->number > best->number)))
			best = o;
	}
	return best;
}

bool model_whole(const struct model_object *o)
{
	if (!o->begun)
		return false;
	for (uint64_t i = 0; i < o->size; i++) {
		if (!o->have[i])
			return false;
	}
	return true;
}

static void take_begin(struct model_rx *rx, const struct record_begin *b)
{
	struct model_object *o = object_of(rx, b->chain, b->number);

	cr_assert_leq(b->path_len, WIRE_PATH_MAX);
	if (o->begun) {
		/* The same number means the same object for ever. */
		cr_assert_eq(o->size, b->size);
		cr_assert_eq(o->kind, b->kind);
		cr_assert_eq(o->mtime_s, b->mtime_s);
		cr_assert_eq(strlen(o->path), b->path_len);
		cr_assert_arr_eq(o->path, b->path, b->path_len);
	}
	o->begins++;
	if (o->begun)
		return;
	o->begun = true;
	o->size = b->size;
	o->kind = b->kind;
	o->mtime_s = b->mtime_s;
	o->mtime_ns = b->mtime_ns;
	memcpy(o->path, b->path, b->path_len);
	o->data = calloc(1, b->size + 1);
	o->have = calloc(1, b->size + 1);
	cr_assert(o->data && o->have);
}

static void take_fragment(struct model_rx *rx, const struct record_fragment *f)
{
	struct model_object *o = model_number(rx, f->chain, f->number);

	/* Its begin record may have been lost; then the repair brings both. */
	if (!o || !o->begun)
		return;
	cr_assert(f->offset <= o->size && f->len <= o->size - f->offset);
	memcpy(o->data + f->offset, f->data, f->len);
	memset(o->have + f->offset, 1, f->len);
}

static void take_manifest(struct model_rx *rx, const struct record_manifest *r)
{
	struct model_manifest *m = rx->manifests;

	while (m && (m->chain != r->chain || m->number != r->number ||
		     m->channel != rx->channel))
		m = m->next;
	if (!m) {
		m = calloc(1, sizeof(*m));
		cr_assert(m);
		m->channel = rx->channel;
		m->chain = r->chain;
		m->number = r->number;
		m->total = r->total;
		m->data = calloc(1, r->total);
		m->have = calloc(1, r->total);
		cr_assert(m->data && m->have);
		m->next = rx->manifests;
		rx->manifests = m;
	}
	cr_assert_eq(m->total, r->total);
	cr_assert(r->offset <= m->total && r->len <= m->total - r->offset);
	for (size_t i = 0; i < r->len; i++)
		cr_assert(!m->have[r->offset + i] || m->data[r->offset + i] == r->data[i],
			  "manifest %lu sent again with other bytes",
			  (unsigned long)m->number);
	memcpy(m->data + r->offset, r->data, r->len);
	memset(m->have + r->offset, 1, r->len);
	if (r->offset == 0)
		m->copies++;
}

static struct model_window *window_find(struct model_rx *rx, uint32_t tag, uint16_t channel,
					uint8_t stream, uint32_t window)
{
	struct model_window *w = rx->windows;

	while (w && (w->tag != tag || w->channel != channel || w->stream != stream ||
		     w->window != window))
		w = w->next;
	return w;
}

static void take_close(struct model_rx *rx, const struct record_close *c)
{
	struct model_window *w = window_find(rx, rx->tag, c->channel, c->stream, c->window);

	if (!w) { /* every frame of it was dropped, or it overtook them */
		const unsigned at = rx->early_count++ % MODEL_EARLY;

		rx->early[at].tag = rx->tag;
		rx->early[at].close = *c;
		return;
	}
	cr_assert(w->symbols == 0 || w->symbols == c->symbols);
	cr_assert_leq(w->seen, c->symbols);
	w->symbols = c->symbols;
	w->closes++;
}

static void take_heartbeat(struct model_rx *rx, const struct record *r)
{
	struct record_heartbeat hb;

	cr_assert_eq(record_heartbeat_decode(&hb, r->body, r->body_len), KM_OK);
	cr_assert_eq(hb.lanes, lane_rings(&rx->plan));
	for (unsigned i = 0; i < hb.lanes; i++) {
		cr_assert_eq(hb.lane[i].lane, wire_lane(i));
		/* Never more than what was really released. */
		cr_assert_leq(hb.lane[i].accepted, rx->seq[i] + 1);
	}
	rx->heartbeat = hb;
	rx->heartbeats++;
	if (hb.flags & RECORD_HB_FAREWELL)
		rx->farewells++;
}

static void take_record(struct model_rx *rx, const struct record *r)
{
	switch (r->type) {
	case RECORD_BEGIN:
		take_begin(rx, &r->begin);
		break;
	case RECORD_FRAGMENT:
		take_fragment(rx, &r->fragment);
		break;
	case RECORD_WITHDRAWN:
		object_of(rx, r->withdrawn.chain, r->withdrawn.number)->withdrawn =
			r->withdrawn.reason;
		break;
	case RECORD_MANIFEST:
		take_manifest(rx, &r->manifest);
		break;
	case RECORD_CLOSE:
		take_close(rx, &r->close);
		break;
	case RECORD_HEADS:
		if (r->heads.channel < 8)
			rx->heads[r->heads.channel] = r->heads;
		break;
	case RECORD_HEARTBEAT:
		take_heartbeat(rx, r);
		break;
	default:
		cr_assert_fail("unknown record %u", r->type);
	}
}

static void take_symbol(struct model_rx *rx, const uint8_t *p, size_t len)
{
	struct record r;
	struct rd rd;
	enum km_rc rc;

	rd_init(&rd, p, len);
	while ((rc = record_next(&rd, &r)) == KM_OK)
		take_record(rx, &r);
	cr_assert_eq(rc, KM_ERR_EMPTY, "a symbol that cannot be read: %s", km_rc_name(rc));
}

/* ---- frames ------------------------------------------------------------------------------- */

static struct model_window *window_of(struct model_rx *rx, const struct frame_header *h)
{
	struct model_window *w =
		window_find(rx, h->session_tag, h->channel, h->stream, h->window);

	if (w) {
		/* Final with the first symbol; and all of it travels in one lane. */
		cr_assert_eq(w->lane, h->lane);
		cr_assert_eq(w->depth, h->depth);
		cr_assert_eq(w->M, h->M);
		cr_assert_eq(w->symbol_size, h->symbol_size);
		return w;
	}
	w = calloc(1, sizeof(*w));
	cr_assert(w);
	w->tag = h->session_tag;
	w->lane = h->lane;
	w->channel = h->channel;
	w->stream = h->stream;
	w->window = h->window;
	w->depth = h->depth;
	w->M = h->M;
	w->symbol_size = h->symbol_size;
	w->source = calloc(WIRE_WINDOW_SYMBOLS_MAX, sizeof(*w->source));
	w->len = calloc(WIRE_WINDOW_SYMBOLS_MAX, sizeof(*w->len));
	w->repair = calloc(WIRE_DEPTH_MAX * WIRE_FEC_M_MAX, sizeof(*w->repair));
	w->k = calloc(WIRE_DEPTH_MAX, 1);
	w->m = calloc(WIRE_DEPTH_MAX, 1);
	cr_assert(w->source && w->len && w->repair && w->k && w->m);
	w->next = rx->windows;
	rx->windows = w;
	for (unsigned i = 0; i < rx->early_count && i < MODEL_EARLY; i++) {
		const struct record_close *c = &rx->early[i].close;

		if (rx->early[i].tag == w->tag && c->channel == w->channel &&
		    c->stream == w->stream && c->window == w->window)
			w->symbols = c->symbols;
	}
	return w;
}

static void keep(struct model_rx *rx, const struct frame_header *h, const uint8_t *plain)
{
	struct model_window *w = window_of(rx, h);
	uint8_t *copy = calloc(1, h->symbol_size);

	cr_assert(copy);
	memcpy(copy, plain, h->length);
	if (h->type == FRAME_SOURCE) {
		cr_assert_null(w->source[h->index]);
		w->source[h->index] = copy;
		w->len[h->index] = h->length;
		if (h->index + 1u > w->seen)
			w->seen = h->index + 1u;
		take_symbol(rx, plain, h->length);
		return;
	}
	cr_assert_null(w->repair[h->index]);
	w->repair[h->index] = copy;
	w->repairs_seen++;
	w->k[h->index % w->depth] = h->k;
	w->m[h->index % w->depth] = h->m;
}

static void take_announce(struct model_rx *rx, const uint8_t *p, size_t len)
{
	uint8_t secret[SEAL_SECRET_LEN], transcript[SEAL_TRANSCRIPT_LEN], key[SEAL_KEY_LEN];
	struct announce a;

	session_transcript(transcript, p, len);
	rx->announces++;
	if (rx->known && rx->tag == session_tag(transcript))
		return;
	cr_assert_eq(session_announce_check(&a, p, len, rx->identity, 1), KM_OK);
	cr_assert_eq(session_announce_open(secret, &a, p, len, rx->box), KM_OK);
	rx->tag = session_tag(transcript);
	rx->known = true;
	rx->sessions++;
	rx->announces = 1;
	for (unsigned i = 0; i < lane_rings(&rx->plan); i++) {
		seal_free(rx->seal[i]);
		seal_lane_key(key, secret, transcript, wire_lane(i));
		rx->seal[i] = seal_new(key);
		rx->seq[i] = 0;
	}
}

static void take_frame(struct model_rx *rx, unsigned lane, const uint8_t *slot)
{
	static uint8_t plain[WIRE_SYMBOL_MAX];
	struct lane_desc desc;
	struct frame_header h;
	const uint8_t *p;

	memcpy(&desc, slot, sizeof(desc));
	p = slot + sizeof(desc) + rx->ether_len;
	rx->wire_bytes += desc.length;
	cr_assert_eq(frame_header_decode(&h, p, desc.length - rx->ether_len), KM_OK);
	cr_assert_eq(frame_bytes(&h), desc.length - rx->ether_len);
	if (h.type == FRAME_ANNOUNCE) {
		cr_assert_eq(desc.flags, LANE_ANNOUNCE);
		take_announce(rx, p + WIRE_HEADER_LEN, h.length);
		return;
	}
	cr_assert_eq(desc.flags, 0);
	cr_assert(rx->known && h.session_tag == rx->tag,
		  "lane %u seq %lu: a frame of session %08x after the announce of %08x",
		  lane, (unsigned long)h.seq, h.session_tag, rx->tag);
	cr_assert_eq(h.lane, wire_lane(lane));
	cr_assert_eq(h.seq, rx->seq[lane], "a lane never skips or repeats a sequence");
	rx->seq[lane]++;
	rx->frames++;
	if (lane != FRAME_CLASS_CONTROL) {
		cr_assert_geq(rx->announces, 10);
		rx->data_bytes += desc.length;
	}
	cr_assert_eq(
		seal_open(rx->seal[lane], p, h.seq, p + WIRE_HEADER_LEN, h.length, plain),
		KM_OK);
	if (rx->drop && rx->drop(rx->drop_ctx, &h, rx->frames - 1)) {
		rx->dropped++;
		return;
	}
	if (h.channel)
		rx->channel = h.channel;
	if (lane == FRAME_CLASS_CONTROL)
		take_symbol(rx, plain, h.length);
	else
		keep(rx, &h, plain);
}

/* All but the last frame of a slow ring. */
static void release(struct model_rx *rx, unsigned lane, uint32_t n)
{
	if (rx->slow == lane + 1) {
		n += rx->owed - 1;
		rx->owed = 1;
	}
	if (n > 0)
		cr_assert_eq(ring_release(&rx->ring[lane], n), KM_OK);
}

void model_slow(struct model_rx *rx, unsigned ring)
{
	const unsigned before = rx->slow;

	rx->slow = 0;
	if (rx->owed)
		release(rx, before - 1, rx->owed);
	rx->owed = 0;
	rx->slow = ring;
}

unsigned model_take(struct model_rx *rx, unsigned max)
{
	unsigned taken = 0;

	/* As the sender: strictly by class, all workers of it. */
	for (unsigned at = 0; at < lane_rings(&rx->plan); at++) {
		const unsigned lane =
			lane_ring(at % rx->plan.workers, at / rx->plan.workers);
		uint64_t first;
		uint32_t n;

		while (ring_peek(&rx->ring[lane], max, &first, &n) == KM_OK) {
			for (uint32_t i = 0; i < n; i++)
				take_frame(rx, lane, ring_slot(&rx->ring[lane], first + i));
			release(rx, lane, n);
			taken += n;
			if (taken >= max * rx->plan.workers)
				return taken;
			if (rx->plan.workers > 1)
				break; /* they take turns */
		}
	}
	return taken;
}

/* ---- repair --------------------------------------------------------------------------------- */

static unsigned decode_block(struct model_rx *rx, struct model_window *w, unsigned b,
			     bool *repaired)
{
	const unsigned k = (w->symbols - b + w->depth - 1) / w->depth;
	const size_t work_len = FEC_SCRATCH_MAX;
	struct fec_geometry geo = {.k = k, .m = w->m[b], .M = w->M};
	uint8_t present[FEC_BITMAP_BYTES] = {0};
	const uint8_t *repair[WIRE_FEC_M_MAX] = {0};
	uint8_t *src[WIRE_FEC_POINTS];
	unsigned missing = 0;
	void *work = malloc(work_len);
	int rc;

	cr_assert(w->k[b] == 0 || w->k[b] == k, "k of block %u: %u, not %u", b, w->k[b], k);
	for (unsigned esi = 0; esi < k; esi++) {
		uint8_t **at = &w->source[esi * w->depth + b];

		if (*at)
			present[esi / 8] |= (uint8_t)(1u << esi % 8);
		else
			missing++;
		if (!*at)
			*at = calloc(1, w->symbol_size);
		src[esi] = *at;
	}
	for (unsigned row = 0; row < geo.m; row++)
		repair[row] = w->repair[row * w->depth + b];
	rc = missing ? fec_decode(&geo, w->symbol_size, src, present, repair, work,
				  work_len)
		     : 0;
	free(work);
	for (unsigned esi = 0; esi < k; esi++) {
		if (present[esi / 8] & 1u << esi % 8)
			continue;
		if (rc != FEC_OK) {
			free(src[esi]);
			w->source[esi * w->depth + b] = NULL;
			continue;
		}
		*repaired = true;
		take_symbol(rx, src[esi], w->symbol_size);
	}
	if (rc == FEC_OK)
		w->repaired += missing;
	return rc == FEC_OK ? 0 : missing;
}

unsigned model_unclosed(const struct model_rx *rx)
{
	unsigned n = 0;

	for (const struct model_window *w = rx->windows; w; w = w->next)
		n += w->tag == rx->tag && w->symbols == 0;
	return n;
}

unsigned model_decode(struct model_rx *rx)
{
	unsigned missing = 0;

	for (struct model_window *w = rx->windows; w; w = w->next) {
		bool repaired = false;

		cr_assert_neq(w->symbols, 0, "window %u of stream %u was never closed",
			      w->window, w->stream);
		w->missing = 0;
		rx->channel = w->channel;
		for (unsigned b = 0; b < w->depth && b < w->symbols; b++)
			w->missing += decode_block(rx, w, b, &repaired);
		missing += w->missing;
		/* Fragments that came before the repaired begin record: once more. */
		for (uint32_t t = 0; repaired && t < w->symbols; t++) {
			if (w->source[t])
				take_symbol(rx, w->source[t], w->symbol_size);
		}
	}
	return missing;
}

/* ---- proof ------------------------------------------------------------------------------------ */

static void entry_verify(struct model_rx *rx, uint64_t chain,
			 const struct manifest_entry *e)
{
	struct model_object *o = model_number(rx, chain, e->number);
	struct digest_object *d;
	uint8_t digest[DIGEST_LEN];

	cr_assert(o, "object %lu is not here", (unsigned long)e->number);
	if (e->kind == MANIFEST_WITHDRAWN) {
		cr_assert_eq(o->withdrawn, e->reason);
		return;
	}
	cr_assert(model_whole(o), "object %lu has holes", (unsigned long)e->number);
	cr_assert_eq(strlen(o->path), e->path_len);
	cr_assert_arr_eq(o->path, e->path, e->path_len);
	cr_assert_eq(o->mtime_s, e->mtime_s);
	cr_assert_eq(o->mtime_ns, e->mtime_ns);
	if (e->kind == MANIFEST_DIR) {
		cr_assert_eq(o->kind, RECORD_OBJECT_DIR);
		return;
	}
	d = digest_object_new(o->size);
	digest_object_update(d, o->data, o->size);
	cr_assert_eq(digest_object_end(d, digest), KM_OK);
	digest_object_free(d);
	cr_assert_arr_eq(digest, e->digest, DIGEST_LEN);
	cr_assert_eq(e->kind, digest_is_tree(o->size) ? MANIFEST_TREE : MANIFEST_FLAT);
}

static unsigned manifest_verify(struct model_rx *rx, struct model_manifest *m,
				struct manifest_head *head)
{
	static struct manifest_entry entries[WIRE_BATCH_OBJECTS_MAX];
	uint8_t *scratch = malloc(m->total);
	char comment[MINISIG_COMMENT_MAX + 1];
	unsigned key, line = 0;
	uint32_t text_len;
	size_t count;
	struct rd rd;
	enum km_rc rc;

	rd_init(&rd, m->data, m->total);
	text_len = rd_u32(&rd);
	cr_assert_leq(text_len, rd_left(&rd));
	cr_assert_eq(minisig_verify(m->data + 4, text_len, (char *)m->data + 4 + text_len,
				    m->total - 4 - text_len, rx->identity, 1, &key,
				    comment),
		     KM_OK);
	rc = manifest_parse(head, entries, WIRE_BATCH_OBJECTS_MAX, &count, scratch,
			    m->total, (char *)m->data + 4, text_len, &line);
	cr_assert_eq(rc, KM_OK, "manifest %lu line %u: %s", (unsigned long)m->number, line,
		     km_rc_name(rc));
	cr_assert_eq(head->chain, m->chain);
	cr_assert_eq(head->number, m->number);
	for (size_t i = 0; i < count; i++)
		entry_verify(rx, m->chain, &entries[i]);
	free(scratch);
	return (unsigned)count;
}

unsigned model_verify(struct model_rx *rx, unsigned *count)
{
	uint8_t previous[DIGEST_LEN] = {0};
	uint64_t next_object = 1;
	unsigned objects = 0;

	rx->channel = 1;

	*count = 0;
	for (uint64_t number = 1;; number++) {
		struct model_manifest *m = rx->manifests;
		struct manifest_head head;
		struct rd rd;

		while (m && (m->number != number || m->channel != rx->channel))
			m = m->next;
		if (!m)
			return objects;
		for (uint64_t i = 0; i < m->total; i++)
			cr_assert(m->have[i], "manifest %lu has a hole",
				  (unsigned long)number);
		objects += manifest_verify(rx, m, &head);
		cr_assert_arr_eq(head.previous, previous, DIGEST_LEN);
		cr_assert_eq(head.first, next_object, "numbers have no gaps");
		next_object = head.last + 1;
		rd_init(&rd, m->data, m->total);
		digest_sha256(previous, m->data + 4, rd_u32(&rd));
		(*count)++;
	}
}
