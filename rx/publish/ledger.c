// SPDX-License-Identifier: ISC
#include "ledger.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cursor.h"
#include "fileio.h"
#include "wire_limits.h"

#define LEDGER_OBJECTS "objects"
#define LEDGER_OBJECTS_MAGIC "katamichi rx objects 1"
#define LEDGER_MANIFESTS "manifests"
#define LEDGER_MANIFESTS_MAGIC "katamichi rx manifests 1"
#define LEDGER_HEADS_MAX (LEDGER_CHAINS_MAX * 160u)

/* Numbers end here so that "one past" always exists. */
#define LEDGER_NUMBER_MAX (UINT64_MAX - 1)

static void ledger_chain_free(struct ledger_chain *c)
{
	extents_free(&c->settled);
	extents_free(&c->released);
	extents_free(&c->stored);
	extents_free(&c->told);
	free(c->manifest);
	free(c);
}

/* Makes room by forgetting a chain that nothing signed has ever named. */
static bool ledger_make_room(struct ledger *ledger)
{
	if (ledger->chains < LEDGER_CHAINS_MAX)
		return true;
	for (unsigned i = 0; i < ledger->chains; i++) {
		if (ledger->chain[i]->n > 0 || ledger->chain[i]->settled.n > 0)
			continue;
		ledger_chain_free(ledger->chain[i]);
		ledger->chains--;
		memmove(&ledger->chain[i], &ledger->chain[i + 1],
			(ledger->chains - i) * sizeof(ledger->chain[0]));
		return true;
	}
	return false;
}

struct ledger_chain *ledger_chain(struct ledger *ledger, uint64_t id, bool make)
{
	struct ledger_chain *c;
	unsigned at = 0;

	while (at < ledger->chains && ledger->chain[at]->id < id)
		at++;
	if (at < ledger->chains && ledger->chain[at]->id == id)
		return ledger->chain[at];
	if (!make || id == 0 || !ledger_make_room(ledger))
		return NULL;
	c = calloc(1, sizeof(*c));
	if (!c)
		return NULL;
	c->id = id;
	/* Room may have been made below `at`. */
	at = 0;
	while (at < ledger->chains && ledger->chain[at]->id < id)
		at++;
	memmove(&ledger->chain[at + 1], &ledger->chain[at],
		(ledger->chains - at) * sizeof(ledger->chain[0]));
	ledger->chain[at] = c;
	ledger->chains++;
	return c;
}

static const struct ledger_chain *ledger_get(const struct ledger *ledger, uint64_t id)
{
	for (unsigned i = 0; i < ledger->chains; i++)
		if (ledger->chain[i]->id == id)
			return ledger->chain[i];
	return NULL;
}

void ledger_note(struct ledger *ledger, uint64_t chain, uint64_t number)
{
	struct ledger_chain *c = ledger_chain(ledger, chain, true);

	if (c && number <= LEDGER_NUMBER_MAX && number > c->objects)
		c->objects = number;
}

void ledger_heads(struct ledger *ledger, uint64_t chain, uint64_t objects,
		  uint64_t manifests, const uint8_t head[DIGEST_LEN])
{
	struct ledger_chain *c = ledger_chain(ledger, chain, true);

	if (!c || objects > LEDGER_NUMBER_MAX || manifests > LEDGER_NUMBER_MAX)
		return;
	if (objects > c->objects) {
		c->objects = objects;
		ledger->heads_changed = true;
	}
	if (manifests > c->manifests) {
		c->manifests = manifests;
		memcpy(c->head, head, DIGEST_LEN);
		ledger->heads_changed = true;
	}
}

char *ledger_take_heads(struct ledger *ledger, size_t *len)
{
	char *text = ledger->heads_changed ? malloc(LEDGER_HEADS_MAX) : NULL;
	size_t used = 0;

	if (!text)
		return NULL;
	for (unsigned i = 0; i < ledger->chains; i++) {
		const struct ledger_chain *c = ledger->chain[i];
		char hex[DIGEST_HEX_LEN + 1];

		digest_hex(hex, c->head);
		used += (size_t)snprintf(text + used, LEDGER_HEADS_MAX - used,
					 "%" PRIu64 " %" PRIu64 " %" PRIu64 " %s\n", c->id,
					 c->objects, c->manifests, hex);
	}
	ledger->heads_changed = false;
	*len = used;
	return text;
}

int ledger_save_heads(struct ledger *ledger, struct km_err *err)
{
	_cleanup_free_ char *text = NULL;
	size_t len;

	if (!ledger->heads_changed)
		return 0;
	text = ledger_take_heads(ledger, &len);
	if (!text)
		return km_err_set(err, EX_OSERR, "heads: out of memory");
	if (fileio_write_atomic(ledger->dir, LEDGER_HEADS, text, len, 0640, err) == 0)
		return 0;
	ledger->heads_changed = true;
	return -1;
}

/* The file is ours and was replaced atomically: what does not parse is skipped. */
static int ledger_load_heads(struct ledger *ledger, struct km_err *err)
{
	_cleanup_free_ uint8_t *data = NULL;
	struct km_err why = KM_ERR_INIT;
	size_t len;
	char *line, *save = NULL;

	if (fileio_read_all(ledger->dir, LEDGER_HEADS, LEDGER_HEADS_MAX, &data, &len,
			    &why) != 0) {
		if (why.saved_errno == ENOENT)
			return 0;
		*err = why;
		return -1;
	}
	for (line = strtok_r((char *)data, "\n", &save); line;
	     line = strtok_r(NULL, "\n", &save)) {
		uint64_t id, objects, manifests;
		uint8_t head[DIGEST_LEN];
		char hex[DIGEST_HEX_LEN + 1];

		if (sscanf(line, "%" SCNu64 " %" SCNu64 " %" SCNu64 " %64s", &id, &objects,
			   &manifests, hex) != 4 ||
		    digest_from_hex(head, hex, strlen(hex)) != KM_OK)
			continue;
		ledger_heads(ledger, id, objects, manifests, head);
	}
	ledger->heads_changed = false;
	return 0;
}

bool ledger_settled(const struct ledger *ledger, uint64_t chain, uint64_t number)
{
	const struct ledger_chain *c = ledger_get(ledger, chain);

	return c && number <= LEDGER_NUMBER_MAX &&
	       extents_covers(&c->settled, number, number + 1);
}

/* From one account into the other, once. */
static bool ledger_count_release(struct ledger *ledger, struct ledger_chain *c,
				 uint64_t number)
{
	if (!extents_covers(&c->settled, number, number + 1) || c->quarantined == 0 ||
	    extents_covers(&c->released, number, number + 1))
		return false;
	if (extents_add(&c->released, number, number + 1) != KM_OK) {
		ledger->bad = true;
		return false;
	}
	c->quarantined--;
	c->published++;
	return true;
}

/* Into memory: true when it is new. */
static bool ledger_count(struct ledger *ledger, const struct ledger_receipt *r)
{
	struct ledger_chain *c = ledger_chain(ledger, r->chain, true);

	if (!c || r->number == 0 || r->number > LEDGER_NUMBER_MAX) {
		ledger->bad |= !c;
		return false;
	}
	if (r->state == LEDGER_RELEASED)
		return ledger_count_release(ledger, c, r->number);
	if (extents_covers(&c->settled, r->number, r->number + 1))
		return false;
	if (extents_add(&c->settled, r->number, r->number + 1) != KM_OK) {
		ledger->bad = true;
		return false;
	}
	if (r->number > c->objects)
		c->objects = r->number;
	c->published += r->state == LEDGER_PUBLISHED;
	c->quarantined += r->state == LEDGER_QUARANTINED;
	c->withdrawn += r->state == LEDGER_WITHDRAWN;
	return true;
}

int ledger_receipt(struct ledger *ledger, const struct ledger_receipt *r)
{
	uint8_t row[APPEND_ROW_MAX];
	struct wr wr;

	ledger->bad = false;
	if (!ledger_count(ledger, r))
		return ledger->bad ? -1 : 0;
	wr_init(&wr, row, sizeof(row));
	wr_u8(&wr, (uint8_t)r->state);
	wr_varint(&wr, r->chain);
	wr_varint(&wr, r->number);
	wr_u8(&wr, r->reason);
	wr_bytes(&wr, r->digest, DIGEST_LEN);
	wr_bytes(&wr, r->path, r->path_len);
	return wr_ok(&wr) ? append_row(&ledger->objects, row, wr.used, NULL) : -1;
}

bool ledger_decode_receipt(struct ledger_receipt *r, const uint8_t *row, size_t len)
{
	struct rd rd;

	rd_init(&rd, row, len);
	r->state = rd_u8(&rd);
	r->chain = rd_varint(&rd);
	r->number = rd_varint(&rd);
	r->reason = rd_u8(&rd);
	rd_copy(&rd, r->digest, DIGEST_LEN);
	r->path_len = rd_left(&rd);
	r->path = rd_bytes(&rd, r->path_len);
	return !rd.bad && r->state >= LEDGER_PUBLISHED && r->state <= LEDGER_RELEASED;
}

int ledger_read_receipts(int dir, append_row_fn *fn, void *ctx, struct km_err *err)
{
	return append_read(dir, LEDGER_OBJECTS, LEDGER_OBJECTS_MAGIC, fn, ctx, err);
}

static int ledger_load_receipt(void *ctx, uint64_t at, const uint8_t *row, size_t len)
{
	struct ledger_receipt receipt;

	(void)at;
	if (!ledger_decode_receipt(&receipt, row, len))
		return 1;
	(void)ledger_count(ctx, &receipt);
	return 0;
}

/* Where manifest `number` is or would be. */
static size_t ledger_position(const struct ledger_chain *c, uint64_t number)
{
	size_t low = 0, high = c->n;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (c->manifest[mid].number < number)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

enum km_rc ledger_judge(const struct ledger *ledger, uint64_t chain,
			const struct ledger_manifest *m)
{
	const struct ledger_chain *c = ledger_get(ledger, chain);
	size_t at;

	if (m->number == 0 || m->number > LEDGER_NUMBER_MAX || m->first == 0 ||
	    m->first > m->last || m->last > LEDGER_NUMBER_MAX ||
	    m->last - m->first >= WIRE_BATCH_OBJECTS_MAX)
		return KM_ERR_RANGE; /* a row that says more would be walked through */
	if (!c)
		return KM_OK;
	at = ledger_position(c, m->number);
	if (at < c->n && c->manifest[at].number == m->number)
		return KM_ERR_EXISTS;
	if (at > 0 && c->manifest[at - 1].last >= m->first)
		return KM_ERR_RANGE;
	if (at < c->n && c->manifest[at].first <= m->last)
		return KM_ERR_RANGE;
	return KM_OK;
}

static enum km_rc ledger_insert(struct ledger *ledger, uint64_t chain,
				const struct ledger_manifest *m)
{
	enum km_rc rc = ledger_judge(ledger, chain, m);
	struct ledger_chain *c;
	size_t at;

	if (rc != KM_OK)
		return rc;
	c = ledger_chain(ledger, chain, true);
	if (!c)
		return KM_ERR_LIMIT;
	if (c->n == c->cap) {
		size_t cap = c->cap ? c->cap * 2 : 16;
		struct ledger_manifest *v = realloc(c->manifest, cap * sizeof(*v));

		if (!v)
			return KM_ERR_NOMEM;
		c->manifest = v;
		c->cap = cap;
	}
	rc = extents_add(&c->stored, m->number, m->number + 1);
	if (rc != KM_OK)
		return rc;
	at = ledger_position(c, m->number);
	memmove(&c->manifest[at + 1], &c->manifest[at], (c->n - at) * sizeof(*m));
	c->manifest[at] = *m;
	c->n++;
	if (m->last > c->objects)
		c->objects = m->last;
	if (m->number > c->manifests)
		c->manifests = m->number;
	return KM_OK;
}

enum km_rc ledger_store(struct ledger *ledger, uint64_t chain,
			const struct ledger_manifest *m)
{
	uint8_t row[APPEND_ROW_MAX];
	enum km_rc rc = ledger_insert(ledger, chain, m);
	struct wr wr;

	if (rc != KM_OK)
		return rc;
	wr_init(&wr, row, sizeof(row));
	wr_varint(&wr, chain);
	wr_varint(&wr, m->number);
	wr_varint(&wr, m->first);
	wr_varint(&wr, m->last);
	wr_bytes(&wr, m->hash, DIGEST_LEN);
	wr_bytes(&wr, m->previous, DIGEST_LEN);
	return append_row(&ledger->manifests, row, wr.used, NULL) == 0 ? KM_OK
								       : KM_ERR_NOMEM;
}

static int ledger_load_manifest(void *ctx, uint64_t at, const uint8_t *row, size_t len)
{
	struct ledger *ledger = ctx;
	struct ledger_manifest m;
	uint64_t chain;
	struct rd rd;

	(void)at;
	rd_init(&rd, row, len);
	chain = rd_varint(&rd);
	m.number = rd_varint(&rd);
	m.first = rd_varint(&rd);
	m.last = rd_varint(&rd);
	rd_copy(&rd, m.hash, DIGEST_LEN);
	rd_copy(&rd, m.previous, DIGEST_LEN);
	if (!rd_done(&rd))
		return 1;
	ledger->bad |= ledger_insert(ledger, chain, &m) == KM_ERR_NOMEM;
	return 0;
}

int ledger_open(struct ledger *ledger, int dir, struct km_err *err)
{
	*ledger =
		(struct ledger){.objects = {.fd = -1}, .manifests = {.fd = -1}, .dir = dir};
	if (append_open(&ledger->objects, dir, LEDGER_OBJECTS, LEDGER_OBJECTS_MAGIC,
			ledger_load_receipt, ledger, err) == 0 &&
	    append_open(&ledger->manifests, dir, LEDGER_MANIFESTS, LEDGER_MANIFESTS_MAGIC,
			ledger_load_manifest, ledger, err) == 0 &&
	    ledger_load_heads(ledger, err) == 0 && !ledger->bad)
		return 0;
	if (ledger->bad)
		km_err_set(err, EX_OSERR, "ledger: out of memory");
	ledger_close(ledger);
	return -1;
}

int ledger_open_existing(struct ledger *ledger, int dir, struct km_err *err)
{
	*ledger =
		(struct ledger){.objects = {.fd = -1}, .manifests = {.fd = -1}, .dir = dir};
	if (ledger_read_receipts(dir, ledger_load_receipt, ledger, err) == 0 &&
	    append_read(dir, LEDGER_MANIFESTS, LEDGER_MANIFESTS_MAGIC, ledger_load_manifest,
			ledger, err) == 0 &&
	    ledger_load_heads(ledger, err) == 0 && !ledger->bad)
		return 0;
	if (ledger->bad)
		km_err_set(err, EX_OSERR, "ledger: out of memory");
	ledger_close(ledger);
	return -1;
}

void ledger_close(struct ledger *ledger)
{
	append_close(&ledger->objects);
	append_close(&ledger->manifests);
	for (unsigned i = 0; i < ledger->chains; i++)
		ledger_chain_free(ledger->chain[i]);
	ledger->chains = 0;
}

int ledger_sync(struct ledger *ledger, struct km_err *err)
{
	if (append_sync(&ledger->objects, err) != 0)
		return -1;
	return append_sync(&ledger->manifests, err);
}

const struct ledger_manifest *ledger_manifest(const struct ledger *ledger, uint64_t chain,
					      uint64_t number)
{
	const struct ledger_chain *c = ledger_get(ledger, chain);
	size_t at;

	if (!c)
		return NULL;
	at = ledger_position(c, number);
	return at < c->n && c->manifest[at].number == number ? &c->manifest[at] : NULL;
}

const struct ledger_manifest *ledger_covering(const struct ledger *ledger, uint64_t chain,
					      uint64_t number)
{
	const struct ledger_chain *c = ledger_get(ledger, chain);
	size_t low = 0, high = c ? c->n : 0;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (c->manifest[mid].last < number)
			low = mid + 1;
		else
			high = mid;
	}
	if (!c || low == c->n || c->manifest[low].first > number)
		return NULL;
	return &c->manifest[low];
}

void ledger_add_up(const struct ledger *ledger, struct ledger_sum *sum)
{
	*sum = (struct ledger_sum){0};
	for (unsigned i = 0; i < ledger->chains; i++) {
		const struct ledger_chain *c = ledger->chain[i];
		uint64_t settled = c->published + c->quarantined + c->withdrawn;

		sum->announced += c->objects;
		sum->published += c->published;
		sum->quarantined += c->quarantined;
		sum->withdrawn += c->withdrawn;
		sum->missing += c->objects - settled; /* every receipt raised `objects` */
		sum->manifests_stored += c->n;
		sum->manifests_missing += c->manifests - c->n;
	}
}
