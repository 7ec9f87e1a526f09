// SPDX-License-Identifier: ISC
#include "missing.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fileio.h"
#include "flow.h"
#include "log.h"
#include "manifests.h"
#include "ticket.h"
#include "voice.h"

/* Holes of one object printed one by one; its tickets list all of them. */
#define MISSING_HOLES_SHOWN 20u

/*
 * tx works off ten tickets a minute, and extents need a ticket for each object. So a damaged
 * object is named whole, by its number among others, where that costs the wire little: up to
 * this size, or when so little of it is here.
 */
#define MISSING_WHOLE_BYTES (32u * 1024u)
#define MISSING_WHOLE_HERE(size) ((size) / 4)

struct missing {
	FILE *out;
	struct flow flow; /* only what reading needs */
	struct flow_shared shared;
	struct object **object; /* the chain's objects in progress, by number */
	size_t objects;
	struct ticket ticket; /* being filled */
	uint64_t count;
};

/* ---- tickets ---- */

static void missing_ticket_end(struct missing *m)
{
	char text[TICKET_TEXT_MAX];

	if (m->ticket.items > 0 && ticket_encode(text, &m->ticket) == KM_OK)
		fprintf(m->out, "  ticket %s\n", text);
	m->ticket.items = 0;
}

static void missing_ticket_begin(struct missing *m, uint8_t kind, uint64_t chain,
				 uint64_t object)
{
	missing_ticket_end(m);
	m->ticket = (struct ticket){.kind = kind,
				    .channel = m->flow.conf->number,
				    .chain = chain,
				    .object = object};
}

/* One more range; when the ticket is full it is printed and the next one begun. */
static void missing_ticket_add(struct missing *m, uint64_t first, uint64_t last)
{
	struct ticket *t = &m->ticket;
	char text[TICKET_TEXT_MAX];

	if (t->items > 0 && first <= t->item[t->items - 1].last + 1) {
		if (last > t->item[t->items - 1].last)
			t->item[t->items - 1].last = last;
		return;
	}
	if (t->items < TICKET_ITEMS_MAX) {
		t->item[t->items].first = first;
		t->item[t->items].last = last;
		t->items++;
		if (ticket_encode(text, t) != KM_ERR_FULL)
			return;
		t->items--;
	}
	missing_ticket_end(m);
	t->item[0].first = first;
	t->item[0].last = last;
	t->items = 1;
}

/* ---- objects ---- */

/* Path from the begin record or a stored manifest, quoted; "?" when nothing told it. */
static const char *missing_path(struct missing *m, uint64_t chain, uint64_t number,
				const struct object *o, char *buf, size_t len)
{
	const struct manifest_entry *entry;

	if (o && o->path_len > 0)
		return log_quote(buf, len, o->path, o->path_len);
	entry = manifests_entry(&m->flow, chain, number);
	return entry ? log_quote(buf, len, entry->path, entry->path_len) : "?";
}

/* Numbers [from, to) of which not one byte is here: by name where a manifest has it. */
static void missing_whole(struct missing *m, uint64_t chain, uint64_t from, uint64_t to)
{
	char path[LOG_QUOTE_MAX(WIRE_PATH_MAX)];
	uint64_t n = from;

	if (from >= to)
		return;
	m->count += to - from;
	missing_ticket_add(m, from, to - 1);
	while (n < to) {
		const struct ledger_manifest *known =
			ledger_covering(&m->flow.ledger, chain, n);
		uint64_t run = to;

		if (known) {
			fprintf(m->out, "  object %" PRIu64 " %s nothing here\n", n,
				missing_path(m, chain, n, NULL, path, sizeof(path)));
			n++;
			continue;
		}
		/* Up to the next stored manifest in one line. */
		for (unsigned i = 0; i < m->flow.ledger.chains; i++) {
			const struct ledger_chain *c = m->flow.ledger.chain[i];

			for (size_t j = 0; c->id == chain && j < c->n; j++)
				if (c->manifest[j].first > n && c->manifest[j].first < run)
					run = c->manifest[j].first;
		}
		fprintf(m->out, "  objects %" PRIu64 " to %" PRIu64 " nothing here\n", n,
			run - 1);
		n = run;
	}
}

static void missing_holes(struct missing *m, const struct object *o)
{
	uint64_t at = 0, a, b;
	unsigned shown = 0;

	fprintf(m->out, "    holes");
	while (extents_hole(&o->have, at, o->size, &a, &b)) {
		if (shown++ < MISSING_HOLES_SHOWN)
			fprintf(m->out, " %" PRIu64 "-%" PRIu64, a, b - 1);
		at = b;
	}
	if (shown > MISSING_HOLES_SHOWN)
		fprintf(m->out, " and %u more", shown - MISSING_HOLES_SHOWN);
	fputc('\n', m->out);
}

/* An object of which something is here. */
static void missing_partial(struct missing *m, const struct object *o)
{
	char path[LOG_QUOTE_MAX(WIRE_PATH_MAX)];
	const char *name = missing_path(m, o->chain, o->number, o, path, sizeof(path));

	m->count++;
	if (!o->begun) {
		fprintf(m->out, "  object %" PRIu64 " %s size unknown, have %" PRIu64 "\n",
			o->number, name, extents_total(&o->have));
	} else if (object_complete(o)) {
		fprintf(m->out,
			"  object %" PRIu64 " %s size %" PRIu64 " complete, waits for %s\n",
			o->number, name, o->size,
			ledger_covering(&m->flow.ledger, o->chain, o->number)
				? "publication"
				: "its manifest");
	} else {
		fprintf(m->out,
			"  object %" PRIu64 " %s size %" PRIu64 ", have %" PRIu64 "\n",
			o->number, name, o->size, extents_total(&o->have));
		missing_holes(m, o);
	}
}

/* Wanted by its number, not by its extents. */
static bool missing_is_whole(const struct object *o)
{
	if (!o->begun)
		return true;
	if (object_complete(o))
		return false;
	return o->size <= MISSING_WHOLE_BYTES ||
	       extents_total(&o->have) <= MISSING_WHOLE_HERE(o->size);
}

static void missing_extent_ticket(struct missing *m, const struct object *o)
{
	uint64_t at = 0, a, b;

	if (missing_is_whole(o) || object_complete(o))
		return;
	missing_ticket_begin(m, TICKET_EXTENTS, o->chain, o->number);
	while (extents_hole(&o->have, at, o->size, &a, &b)) {
		missing_ticket_add(m, a / TICKET_EXTENT_UNIT, (b - 1) / TICKET_EXTENT_UNIT);
		at = b;
	}
	missing_ticket_end(m);
}

static int missing_by_number(const void *a, const void *b)
{
	const struct object *x = *(struct object *const *)a,
			    *y = *(struct object *const *)b;

	return x->number < y->number ? -1 : x->number > y->number;
}

/* The chain's unsettled data objects of the shelf, sorted. */
static int missing_collect(struct missing *m, uint64_t chain, struct km_err *err)
{
	struct object *o, *next = NULL;
	size_t cursor = 0;

	free(m->object);
	m->objects = 0;
	m->object = calloc(m->flow.shelf.count + 1, sizeof(*m->object));
	if (!m->object)
		return km_err_set(err, EX_OSERR, "out of memory");
	while ((o = shelf_each(&m->flow.shelf, &cursor, &next)))
		if (o->what == OBJECT_DATA && o->chain == chain &&
		    !ledger_settled(&m->flow.ledger, chain, o->number))
			m->object[m->objects++] = o;
	qsort(m->object, m->objects, sizeof(*m->object), missing_by_number);
	return 0;
}

static void missing_objects(struct missing *m, const struct ledger_chain *c)
{
	uint64_t at = 1, a, b, end = c->objects + 1;
	size_t i = 0;

	if (m->objects > 0 && m->object[m->objects - 1]->number >= end)
		end = m->object[m->objects - 1]->number + 1;
	missing_ticket_begin(m, TICKET_OBJECTS, c->id, 0);
	while (extents_hole(&c->settled, at, end, &a, &b)) {
		for (; i < m->objects && m->object[i]->number < b; i++) {
			const struct object *o = m->object[i];

			missing_whole(m, c->id, a, o->number);
			missing_partial(m, o);
			if (missing_is_whole(o))
				missing_ticket_add(m, o->number, o->number);
			a = o->number + 1;
		}
		missing_whole(m, c->id, a, b);
		at = b;
	}
	missing_ticket_end(m);
	for (i = 0; i < m->objects; i++)
		missing_extent_ticket(m, m->object[i]);
}

/* ---- manifests ---- */

/* Object numbers that missing manifests [a, b) must cover: what the neighbours leave. */
static void missing_manifest_range(const struct ledger_chain *c, uint64_t a, uint64_t b,
				   uint64_t *first, uint64_t *last)
{
	*first = 1;
	*last = c->objects;
	for (size_t j = 0; j < c->n; j++) {
		if (c->manifest[j].number < a)
			*first = c->manifest[j].last + 1;
		if (c->manifest[j].number >= b) {
			*last = c->manifest[j].first - 1;
			break;
		}
	}
}

static void missing_manifests(struct missing *m, const struct ledger_chain *c)
{
	uint64_t at = 1, a, b, first, last;

	missing_ticket_begin(m, TICKET_MANIFESTS, c->id, 0);
	while (extents_hole(&c->stored, at, c->manifests + 1, &a, &b)) {
		missing_manifest_range(c, a, b, &first, &last);
		if (b - a == 1)
			fprintf(m->out, "  manifest %" PRIu64, a);
		else
			fprintf(m->out, "  manifests %" PRIu64 " to %" PRIu64, a, b - 1);
		if (first <= last)
			fprintf(m->out, ", objects %" PRIu64 " to %" PRIu64 "\n", first,
				last);
		else
			fprintf(m->out, ", objects not yet told\n");
		missing_ticket_add(m, a, b - 1);
		m->count += b - a;
		at = b;
	}
	missing_ticket_end(m);
}

/* ---- channels ---- */

static int missing_chains(struct missing *m, struct km_err *err)
{
	for (unsigned i = 0; i < m->flow.ledger.chains; i++) {
		const struct ledger_chain *c = m->flow.ledger.chain[i];
		uint64_t settled = c->published + c->quarantined + c->withdrawn;

		fprintf(m->out,
			"channel %s chain %" PRIu64 ": announced %" PRIu64
			", published %" PRIu64 ", quarantined %" PRIu64
			", withdrawn %" PRIu64 ", missing %" PRIu64
			"; manifests announced %" PRIu64 ", stored %zu\n",
			m->flow.conf->name, c->id, c->objects, c->published, c->quarantined,
			c->withdrawn, c->objects - settled, c->manifests, c->n);
		if (missing_collect(m, c->id, err) != 0)
			return -1;
		missing_manifests(m, c);
		missing_objects(m, c);
	}
	if (m->flow.ledger.chains == 0)
		fprintf(m->out, "channel %s: nothing announced\n", m->flow.conf->name);
	return 0;
}

static int missing_channel(struct missing *m, const struct rx_config_channel *conf,
			   int state_dir, struct km_err *err)
{
	struct flow *flow = &m->flow;
	int rc = -1;

	*flow = (struct flow){.conf = conf,
			      .shared = &m->shared,
			      .root = ROOT_INIT,
			      .names = {.log = {.fd = -1}},
			      .progress = {.log = {.fd = -1}},
			      .ledger = {.objects = {.fd = -1}, .manifests = {.fd = -1}}};
	flow->dir = fileio_open_beneath(state_dir, conf->name, O_RDONLY | O_DIRECTORY, 0);
	if (flow->dir < 0 && errno == ENOENT) {
		fprintf(m->out, "channel %s: nothing announced\n", conf->name);
		return 0;
	}
	if (flow->dir < 0)
		km_err_set_errno(err, EX_NOINPUT, "state of channel %s", conf->name);
	else if (root_open_existing(&flow->root, conf, err) == 0 &&
		 shelf_init(&flow->shelf, flow->root.incoming, &m->shared.fds, SHELF_MAX,
			    err) == 0 &&
		 ledger_open_existing(&flow->ledger, flow->dir, err) == 0 &&
		 progress_read(flow->dir, &flow->shelf, err) == 0)
		rc = missing_chains(m, err);
	free(m->object);
	m->object = NULL;
	manifests_free(&m->shared);
	flow_close(flow);
	return rc;
}

/* "link state=unknown unknown_since_ns=..." as voice wrote it: one line for a terminal. */
static void missing_link(struct missing *m, int state_dir)
{
	_cleanup_free_ uint8_t *text = NULL;
	struct km_err ignored = KM_ERR_INIT;
	size_t len;

	if (fileio_read_all(state_dir, VOICE_DIR "/link", 4096, &text, &len, &ignored) != 0)
		return;
	for (size_t i = 0; i < len && text[i] != '\n'; i++)
		if (text[i] < 0x20 || text[i] >= 0x7f)
			text[i] = '?';
	fprintf(m->out, "link %.*s\n", (int)strcspn((const char *)text, "\n"),
		(const char *)text);
}

int missing_print(const struct rx_config *config, const char *channel, FILE *out,
		  uint64_t *missing, struct km_err *err)
{
	struct missing *m = calloc(1, sizeof(*m));
	_cleanup_close_ int state_dir =
		open(config->state_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int rc = 0;

	*missing = 0;
	if (!m)
		return km_err_set(err, EX_OSERR, "out of memory");
	if (state_dir < 0)
		rc = km_err_set_errno(err, EX_NOINPUT, "state_dir %s", config->state_dir);
	m->out = out;
	m->shared.fds.max = SHELF_FDS_MAX;
	if (rc == 0)
		rc = manifests_load_keys(&m->shared, config, err);
	if (rc == 0)
		missing_link(m, state_dir);
	for (unsigned i = 0; rc == 0 && i < config->channels; i++)
		if (!channel || strcmp(channel, config->channel[i].name) == 0)
			rc = missing_channel(m, &config->channel[i], state_dir, err);
	*missing = m->count;
	free(m);
	return rc;
}

int missing_run(const struct rx_config *config, const char *channel, FILE *out)
{
	struct km_err err = KM_ERR_INIT;
	uint64_t missing = 0;
	unsigned i = 0;

	while (channel && i < config->channels &&
	       strcmp(channel, config->channel[i].name) != 0)
		i++;
	if (channel && i == config->channels) {
		fprintf(stderr, "missing: there is no channel %s in the configuration\n",
			channel);
		return EX_USAGE;
	}
	if (missing_print(config, channel, out, &missing, &err) != 0) {
		fprintf(stderr, "missing: %s\n", err.text);
		return err.code ? err.code : EX_SOFTWARE;
	}
	return EX_OK;
}
