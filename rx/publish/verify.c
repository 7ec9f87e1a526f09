// SPDX-License-Identifier: ISC
#include "verify.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "digest_file.h"
#include "fileio.h"
#include "flow.h"
#include "log.h"
#include "manifests.h"
#include "minisig.h"
#include "place_item.h"

struct verify_name {
	uint64_t chain, number;
};

struct verify {
	FILE *out;
	struct flow flow; /* only what reading needs */
	struct flow_shared shared;
	struct extents published[LEDGER_CHAINS_MAX]; /* as ledger.chain[] */
	struct verify_name *name; /* manifests in the directory, sorted */
	size_t names, names_cap;
	struct flow_manifest manifest; /* the one being looked at */
	uint64_t findings;
	uint64_t good, kept, expired, manifests;
	bool bad; /* out of memory */
};

/* One finding: "channel: what". */
static void verify_find(struct verify *v, const char *fmt, ...) KM_PRINTF(2, 3);
static void verify_find(struct verify *v, const char *fmt, ...)
{
	va_list args;

	v->findings++;
	fprintf(v->out, "%s: ", v->flow.conf->name);
	va_start(args, fmt);
	vfprintf(v->out, fmt, args);
	va_end(args);
	fputc('\n', v->out);
}

/* ---- what there is ---- */

static int verify_note_receipt(void *ctx, uint64_t at, const uint8_t *row, size_t len)
{
	struct verify *v = ctx;
	struct ledger_receipt r;

	(void)at;
	if (!ledger_decode_receipt(&r, row, len))
		return 1;
	if ((r.state != LEDGER_PUBLISHED && r.state != LEDGER_RELEASED) ||
	    r.number == UINT64_MAX)
		return 0;
	for (unsigned i = 0; i < v->flow.ledger.chains; i++)
		if (v->flow.ledger.chain[i]->id == r.chain)
			v->bad |= extents_add(&v->published[i], r.number, r.number + 1) ==
				  KM_ERR_NOMEM;
	return 0;
}

static bool verify_is_published(const struct verify *v, uint64_t chain, uint64_t number)
{
	for (unsigned i = 0; i < v->flow.ledger.chains; i++)
		if (v->flow.ledger.chain[i]->id == chain)
			return extents_covers(&v->published[i], number, number + 1);
	return false;
}

static int verify_sort(const void *a, const void *b)
{
	const struct verify_name *x = a, *y = b;

	if (x->chain != y->chain)
		return x->chain < y->chain ? -1 : 1;
	return x->number < y->number ? -1 : x->number > y->number;
}

/* Names in manifests/ that we would have written. */
static int verify_list(struct verify *v, struct km_err *err)
{
	int fd =
		fileio_open_beneath(v->flow.root.manifests, ".", O_RDONLY | O_DIRECTORY, 0);
	DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
	const struct dirent *entry;

	if (!dir) {
		km_close(&fd);
		return km_err_set_errno(err, EX_IOERR, "manifests/: cannot read");
	}
	while ((entry = readdir(dir))) {
		struct verify_name name;
		char again[64];

		if (sscanf(entry->d_name, "%" SCNu64 "-%" SCNu64, &name.chain,
			   &name.number) != 2)
			continue;
		manifest_file_name(again, name.chain, name.number);
		if (strcmp(again, entry->d_name) != 0)
			continue;
		if (v->names == v->names_cap) {
			size_t cap = v->names_cap ? v->names_cap * 2 : 64;
			struct verify_name *more = realloc(v->name, cap * sizeof(*more));

			if (!more) {
				closedir(dir);
				return km_err_set(err, EX_OSERR, "out of memory");
			}
			v->name = more;
			v->names_cap = cap;
		}
		v->name[v->names++] = name;
	}
	closedir(dir);
	if (v->names > 1)
		qsort(v->name, v->names, sizeof(*v->name), verify_sort);
	return 0;
}

/* ---- objects ---- */

enum verify_content { VERIFY_GONE, VERIFY_DIFFERS, VERIFY_SAME };

static enum verify_content verify_file(int top, const char *name,
				       const struct manifest_entry *entry)
{
	_cleanup_close_ int fd = fileio_open_beneath(top, name, O_RDONLY | O_NONBLOCK, 0);
	uint8_t digest[DIGEST_LEN];
	struct km_err err = KM_ERR_INIT;
	struct stat st;

	if (fd < 0)
		return VERIFY_GONE;
	if (fstat(fd, &st) != 0)
		return VERIFY_GONE;
	if (entry->kind == MANIFEST_DIR)
		return S_ISDIR(st.st_mode) ? VERIFY_SAME : VERIFY_DIFFERS;
	if (!S_ISREG(st.st_mode) ||
	    digest_is_tree((uint64_t)st.st_size) != (entry->kind == MANIFEST_TREE) ||
	    digest_file(digest, fd, (uint64_t)st.st_size, &err) != 0 ||
	    memcmp(digest, entry->digest, DIGEST_LEN) != 0)
		return VERIFY_DIFFERS;
	return VERIFY_SAME;
}

static void verify_object(struct verify *v, uint64_t chain,
			  const struct manifest_entry *entry)
{
	char name[PLACE_GENERATION_MAX + WIRE_PATH_MAX + 2],
		quoted[LOG_QUOTE_MAX(WIRE_PATH_MAX)];
	enum verify_content content;
	struct names_row row;
	bool named, visible;
	size_t n;

	if (entry->kind == MANIFEST_WITHDRAWN ||
	    !verify_is_published(v, chain, entry->number))
		return;
	named = names_find(&v->flow.names, entry->path, entry->path_len, &row);
	visible = !named ||
		  (row.visible.chain == chain && row.visible.number == entry->number);
	place_generation_name(name, chain, entry->number);
	n = strlen(name);
	snprintf(name + n, sizeof(name) - n, "/%.*s", (int)entry->path_len,
		 (const char *)entry->path);
	log_quote(quoted, sizeof(quoted), entry->path, entry->path_len);
	content = visible ? verify_file(v->flow.root.tree, name + n + 1, entry)
			  : verify_file(v->flow.root.generations, name, entry);
	if (content == VERIFY_SAME && visible)
		v->good++;
	else if (content == VERIFY_SAME)
		v->kept++;
	else if (content == VERIFY_GONE && !visible)
		v->expired++; /* a later one stands there; this one is past its retention */
	else
		verify_find(v, "chain %" PRIu64 " object %" PRIu64 " %s %s in %s", chain,
			    entry->number, quoted,
			    content == VERIFY_GONE ? "is no longer"
						   : "differs from its digest",
			    visible ? "tree/" : "generations/");
}

/* ---- manifests ---- */

static bool verify_manifest(struct verify *v, const struct verify_name *name)
{
	_cleanup_free_ uint8_t *text = NULL, *sig = NULL;
	struct km_err err = KM_ERR_INIT;
	char file[64], sig_file[80];
	size_t text_len, sig_len;
	enum km_rc rc;

	manifest_file_name(file, name->chain, name->number);
	snprintf(sig_file, sizeof(sig_file), "%s.minisig", file);
	if (fileio_read_all(v->flow.root.manifests, file, WIRE_MANIFEST_MAX, &text,
			    &text_len, &err) != 0 ||
	    fileio_read_all(v->flow.root.manifests, sig_file, MINISIG_FILE_MAX, &sig,
			    &sig_len, &err) != 0) {
		verify_find(v, "%s", err.text);
		return false;
	}
	rc = manifests_check(&v->manifest, &v->shared, v->flow.conf->number, name->chain,
			     name->number, (const char *)text, text_len, (const char *)sig,
			     sig_len);
	if (rc == KM_OK)
		return true;
	verify_find(v, "%s: %s", file,
		    rc == KM_ERR_NOTFOUND ? "signed by a key that is not trusted here"
		    : rc == KM_ERR_AUTH	  ? "the signature is wrong"
					  : "breaks its own format or names another");
	return false;
}

/* The chain: numbers without gaps, each naming the one before. */
static void verify_chain(struct verify *v, const struct verify_name *name, bool have_last,
			 const struct verify_name *last,
			 const uint8_t last_hash[DIGEST_LEN])
{
	static const uint8_t none[DIGEST_LEN];
	bool same_chain = last && last->chain == name->chain;
	uint64_t next = same_chain ? last->number + 1 : 1;

	if (name->number > next)
		verify_find(v,
			    "chain %" PRIu64 " manifests %" PRIu64 " to %" PRIu64
			    " are missing",
			    name->chain, next, name->number - 1);
	if (name->number == 1 && memcmp(v->manifest.head.previous, none, DIGEST_LEN) != 0)
		verify_find(v, "chain %" PRIu64 " manifest 1 names a predecessor",
			    name->chain);
	if (same_chain && have_last && name->number == next &&
	    memcmp(v->manifest.head.previous, last_hash, DIGEST_LEN) != 0)
		verify_find(v,
			    "chain %" PRIu64 " manifest %" PRIu64
			    " does not name the one before it",
			    name->chain, name->number);
}

/* Announced beyond the last one that is here. */
static void verify_tail(struct verify *v)
{
	for (unsigned i = 0; i < v->flow.ledger.chains; i++) {
		const struct ledger_chain *c = v->flow.ledger.chain[i];
		uint64_t highest = 0;

		for (size_t j = 0; j < v->names; j++)
			if (v->name[j].chain == c->id && v->name[j].number > highest)
				highest = v->name[j].number;
		if (c->manifests > highest)
			verify_find(v,
				    "chain %" PRIu64 " manifests %" PRIu64 " to %" PRIu64
				    " are missing",
				    c->id, highest + 1, c->manifests);
	}
}

static void verify_walk(struct verify *v)
{
	const struct verify_name *last = NULL;
	uint8_t last_hash[DIGEST_LEN] = {0};
	bool have_last = false;

	for (size_t i = 0; i < v->names; i++) {
		const struct verify_name *name = &v->name[i];

		if (!verify_manifest(v, name)) {
			have_last = false;
			last = name;
			continue;
		}
		v->manifests++;
		verify_chain(v, name, have_last, last, last_hash);
		for (size_t j = 0; j < v->manifest.count; j++)
			verify_object(v, name->chain, &v->manifest.entry[j]);
		memcpy(last_hash, v->manifest.hash, DIGEST_LEN);
		have_last = true;
		last = name;
	}
	verify_tail(v);
	fprintf(v->out,
		"%s: %" PRIu64 " manifests, %" PRIu64 " objects in tree/, %" PRIu64
		" in generations/, %" PRIu64 " past retention\n",
		v->flow.conf->name, v->manifests, v->good, v->kept, v->expired);
}

static int verify_channel(struct verify *v, const struct rx_config_channel *conf,
			  int state_dir, struct km_err *err)
{
	struct flow *flow = &v->flow;
	int rc = -1;

	*flow = (struct flow){.conf = conf,
			      .shared = &v->shared,
			      .root = ROOT_INIT,
			      .names = {.log = {.fd = -1}},
			      .progress = {.log = {.fd = -1}},
			      .ledger = {.objects = {.fd = -1}, .manifests = {.fd = -1}}};
	v->names = 0;
	v->good = v->kept = v->expired = v->manifests = 0;
	flow->dir = fileio_open_beneath(state_dir, conf->name, O_RDONLY | O_DIRECTORY, 0);
	if (flow->dir < 0 && errno == ENOENT) {
		fprintf(v->out, "%s: nothing received yet\n", conf->name);
		return 0;
	}
	if (flow->dir < 0)
		km_err_set_errno(err, EX_NOINPUT, "state of channel %s", conf->name);
	else if (root_open_existing(&flow->root, conf, err) == 0 &&
		 ledger_open_existing(&flow->ledger, flow->dir, err) == 0 &&
		 names_open_existing(&flow->names, flow->dir, err) == 0 &&
		 ledger_read_receipts(flow->dir, verify_note_receipt, v, err) == 0 &&
		 verify_list(v, err) == 0)
		rc = v->bad ? km_err_set(err, EX_OSERR, "out of memory") : 0;
	if (rc == 0)
		verify_walk(v);
	for (unsigned i = 0; i < LEDGER_CHAINS_MAX; i++)
		extents_free(&v->published[i]);
	flow_close(flow);
	return rc;
}

int verify_print(const struct rx_config *config, const char *channel, FILE *out,
		 uint64_t *findings, struct km_err *err)
{
	struct verify *v = calloc(1, sizeof(*v));
	_cleanup_close_ int state_dir =
		open(config->state_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int rc = 0;

	*findings = 0;
	if (!v)
		return km_err_set(err, EX_OSERR, "out of memory");
	v->out = out;
	if (state_dir < 0)
		rc = km_err_set_errno(err, EX_NOINPUT, "state_dir %s", config->state_dir);
	if (rc == 0)
		rc = manifests_load_keys(&v->shared, config, err);
	for (unsigned i = 0; rc == 0 && i < config->channels; i++)
		if (!channel || strcmp(channel, config->channel[i].name) == 0)
			rc = verify_channel(v, &config->channel[i], state_dir, err);
	*findings = v->findings;
	manifests_free_one(&v->manifest);
	free(v->name);
	free(v);
	return rc;
}

int verify_run(const struct rx_config *config, const char *channel, FILE *out)
{
	struct km_err err = KM_ERR_INIT;
	uint64_t findings = 0;
	unsigned i = 0;

	while (channel && i < config->channels &&
	       strcmp(channel, config->channel[i].name) != 0)
		i++;
	if (channel && i == config->channels) {
		fprintf(stderr, "verify: there is no channel %s in the configuration\n",
			channel);
		return EX_USAGE;
	}
	if (verify_print(config, channel, out, &findings, &err) != 0) {
		fprintf(stderr, "verify: %s\n", err.text);
		return err.code ? err.code : EX_SOFTWARE;
	}
	return findings > 0 ? EX_DATAERR : EX_OK;
}
