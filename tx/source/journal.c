// SPDX-License-Identifier: ISC
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "crc32.h"
#include "fileio.h"
#include "journal.h"

#define MAGIC "katamichi journal 1\n"
#define MAGIC_LEN (sizeof(MAGIC) - 1)
/* "T ", up to 20 digits, space, 8 digits, LF. */
#define ENTRY_HEAD_MAX 48u
/* A state line: three words, five numbers, two hashes. */
#define STATE_MAX 320u
/* Numbers end here so that "one past" always exists. */
#define NUMBER_MAX (UINT64_MAX - 1)

/* ---- reading --------------------------------------------------------------------------- */

/* The entry at p: its payload, or false when there is none that is whole and sound. */
static bool entry_at(const char *p, size_t n, const char **payload, size_t *len)
{
	const char *eol = memchr(p, '\n', n < ENTRY_HEAD_MAX ? n : ENTRY_HEAD_MAX);
	char head[ENTRY_HEAD_MAX + 1], again[ENTRY_HEAD_MAX + 1];
	unsigned long long bytes;
	unsigned int crc;
	size_t head_len;

	if (!eol)
		return false;
	head_len = (size_t)(eol - p);
	memcpy(head, p, head_len);
	head[head_len] = '\0';
	if (sscanf(head, "T %20llu %8x", &bytes, &crc) != 2)
		return false;
	/* Only the one spelling that we write. */
	(void)snprintf(again, sizeof(again), "T %llu %08x", bytes, crc);
	if (strcmp(head, again) != 0 || bytes == 0 || n - head_len - 1 < bytes)
		return false;
	*payload = eol + 1;
	*len = (size_t)bytes;
	return crc32_add(0, *payload, *len) == crc && (*payload)[*len - 1] == '\n';
}

/* Whether any sound entry begins behind p: then what is at p was not torn, but damaged. */
static bool entry_behind(const char *p, size_t n)
{
	const char *payload;
	size_t len;

	for (size_t i = 1; i < n; i++) {
		if (p[i] == 'T' && p[i - 1] == '\n' &&
		    entry_at(p + i, n - i, &payload, &len))
			return true;
	}
	return false;
}

static bool hash_read(uint8_t hash[DIGEST_LEN], const char *text)
{
	if (strcmp(text, "-") == 0) {
		memset(hash, 0, DIGEST_LEN);
		return true;
	}
	return digest_from_hex(hash, text, strlen(text)) == KM_OK;
}

static struct journal_live *live_of(struct journal *j, uint64_t manifest)
{
	for (unsigned i = 0; i < j->live_count; i++) {
		if (j->live[i].manifest == manifest)
			return &j->live[i];
	}
	return NULL;
}

static void live_drop_first(struct journal *j)
{
	j->live_count--;
	memmove(&j->live[0], &j->live[1], j->live_count * sizeof(j->live[0]));
}

static bool apply_state(struct journal *j, const char *line)
{
	uint64_t chain, objects, manifests, left, left_objects;
	char head[DIGEST_HEX_LEN + 1], left_hash[DIGEST_HEX_LEN + 1];

	if (sscanf(line,
		   "C %" SCNu64 " %" SCNu64 " %" SCNu64 " %64s %" SCNu64 " %64s %" SCNu64,
		   &chain, &objects, &manifests, head, &left, left_hash,
		   &left_objects) != 7 ||
	    chain == 0 || objects > NUMBER_MAX || manifests > NUMBER_MAX ||
	    !hash_read(j->head, head) || !hash_read(j->left_hash, left_hash))
		return false;
	j->chain = chain;
	j->objects = objects;
	j->manifests = manifests;
	j->left = left;
	j->left_objects = left_objects;
	j->live_count = 0;
	return true;
}

static bool apply_claim(struct journal *j, const char *line, off_t at, size_t len)
{
	struct journal_live *live = &j->live[j->live_count];
	uint64_t manifest, first, last;

	if (j->live_count == JOURNAL_LIVE_MAX ||
	    sscanf(line, "B %" SCNu64 " %" SCNu64 " %" SCNu64, &manifest, &first, &last) !=
		    3 ||
	    first == 0 || last < first || last - first >= WIRE_BATCH_OBJECTS_MAX ||
	    last > NUMBER_MAX || manifest > NUMBER_MAX)
		return false;
	memset(live, 0, sizeof(*live));
	live->manifest = manifest;
	live->first = first;
	live->last = last;
	live->at = at;
	live->len = len;
	j->live_count++;
	if (last > j->objects)
		j->objects = last;
	return true;
}

static bool apply_withdrawn(struct journal *j, uint64_t number, unsigned reason)
{
	for (unsigned i = 0; i < j->live_count; i++) {
		struct journal_live *live = &j->live[i];

		if (number >= live->first && number <= live->last) {
			live->reason[number - live->first] = (uint8_t)reason;
			return true;
		}
	}
	return false;
}

static bool apply_made(struct journal *j, uint64_t manifest, const char *hash)
{
	struct journal_live *live = live_of(j, manifest);

	if (!live || !hash_read(live->hash, hash))
		return false;
	live->made = true;
	if (manifest > j->manifests) {
		j->manifests = manifest;
		memcpy(j->head, live->hash, DIGEST_LEN);
	}
	return true;
}

static bool apply_left(struct journal *j, uint64_t manifest)
{
	if (j->live_count == 0 || j->live[0].manifest != manifest || !j->live[0].made)
		return false;
	j->left = manifest;
	j->left_objects = j->live[0].last;
	memcpy(j->left_hash, j->live[0].hash, DIGEST_LEN);
	live_drop_first(j);
	return true;
}

/* One sound entry: change the state accordingly. False: it makes no sense. */
static bool apply(struct journal *j, const char *payload, size_t len, off_t at)
{
	char line[STATE_MAX + 1], hash[DIGEST_HEX_LEN + 1];
	const char *eol = memchr(payload, '\n', len);
	size_t n = eol ? (size_t)(eol - payload) : 0;
	unsigned reason;
	uint64_t number;

	if (n == 0 || n > STATE_MAX)
		return false;
	memcpy(line, payload, n);
	line[n] = '\0';
	switch (line[0]) {
	case 'C':
		return apply_state(j, line);
	case 'B':
		return apply_claim(j, line, at, len);
	case 'W':
		return sscanf(line, "W %" SCNu64 " %u", &number, &reason) == 2 &&
		       reason >= 1 && reason <= UINT8_MAX &&
		       apply_withdrawn(j, number, reason);
	case 'M':
		return sscanf(line, "M %" SCNu64 " %64s", &number, hash) == 2 &&
		       apply_made(j, number, hash);
	case 'L':
		return sscanf(line, "L %" SCNu64, &number) == 1 && apply_left(j, number);
	default:
		return false;
	}
}

/* All entries of the file's bytes; *good is where the sound ones end. */
static enum journal_found replay(struct journal *j, const char *text, size_t size,
				 size_t *good)
{
	size_t at = MAGIC_LEN, len;
	const char *payload;

	if (size < MAGIC_LEN || memcmp(text, MAGIC, MAGIC_LEN) != 0)
		return JOURNAL_DAMAGED;
	while (at < size && entry_at(text + at, size - at, &payload, &len)) {
		if (!apply(j, payload, len, payload - text))
			return JOURNAL_DAMAGED;
		at = (size_t)(payload - text) + len;
	}
	*good = at;
	if (j->chain == 0)
		return JOURNAL_DAMAGED;
	if (at == size)
		return JOURNAL_SOUND;
	return entry_behind(text + at, size - at) ? JOURNAL_DAMAGED : JOURNAL_TORN;
}

static void forget(struct journal *j)
{
	const int dir = j->dir;

	memset(j, 0, sizeof(*j));
	j->dir = dir;
	j->fd = -1;
}

/* Open for appending and cut the torn tail off. */
static int open_at(struct journal *j, size_t good, struct km_err *err)
{
	j->fd = openat(j->dir, JOURNAL_NAME, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
	if (j->fd < 0)
		return km_err_set_errno(err, EX_IOERR,
					"journal: cannot be opened for writing");
	if (ftruncate(j->fd, (off_t)good) != 0 || fdatasync(j->fd) != 0)
		return km_err_set_errno(err, EX_IOERR,
					"journal: torn end cannot be cut off");
	j->size = (off_t)good;
	return 0;
}

int journal_open(struct journal *j, int dir, enum journal_found *found, struct km_err *err)
{
	_cleanup_free_ uint8_t *data = NULL;
	struct stat st;
	size_t len, good = 0;

	j->dir = dir;
	forget(j);
	*found = JOURNAL_NONE;
	if (fstatat(dir, JOURNAL_NAME, &st, AT_SYMLINK_NOFOLLOW) != 0) {
		if (errno == ENOENT)
			return 0;
		return km_err_set_errno(err, EX_IOERR, "journal: cannot be looked at");
	}
	if (fileio_read_all(dir, JOURNAL_NAME, JOURNAL_FILE_MAX, &data, &len, err) != 0)
		return -1;
	*found = replay(j, (const char *)data, len, &good);
	if (*found != JOURNAL_DAMAGED)
		return open_at(j, good, err);
	forget(j);
	if (renameat(dir, JOURNAL_NAME, dir, JOURNAL_NAME ".damaged") != 0)
		return km_err_set_errno(err, EX_IOERR,
					"journal: a damaged one cannot be set aside");
	return 0;
}

void journal_close(struct journal *j)
{
	km_close(&j->fd);
}

/* ---- writing --------------------------------------------------------------------------- */

static size_t state_line(const struct journal *j, char *out)
{
	char head[DIGEST_HEX_LEN + 1] = "-", left[DIGEST_HEX_LEN + 1] = "-";

	if (j->manifests > 0)
		digest_hex(head, j->head);
	if (j->left > 0)
		digest_hex(left, j->left_hash);
	return (size_t)snprintf(
		out, STATE_MAX,
		"C %" PRIu64 " %" PRIu64 " %" PRIu64 " %s %" PRIu64 " %s %" PRIu64 "\n",
		j->chain, j->objects, j->manifests, head, j->left, left, j->left_objects);
}

static size_t entry_head(char *out, const char *payload, size_t len)
{
	return (size_t)snprintf(out, ENTRY_HEAD_MAX, "T %zu %08" PRIx32 "\n", len,
				crc32_add(0, payload, len));
}

/*
 * One entry, safe on disk when this returns 0. *at is where its payload stands. The write is
 * positioned behind the last sound entry, so that the rest of a failed one is overwritten.
 */
static int entry_append(struct journal *j, const char *payload, size_t len, off_t *at,
			struct km_err *err)
{
	char head[ENTRY_HEAD_MAX];
	const size_t head_len = entry_head(head, payload, len);

	if (j->fd < 0 && journal_compact(j, true, err) != 0)
		return -1;
	if (fileio_pwrite_full(j->fd, head, head_len, j->size) != 0 ||
	    fileio_pwrite_full(j->fd, payload, len, j->size + (off_t)head_len) != 0 ||
	    fdatasync(j->fd) != 0) {
		km_err_set_errno(
			err, EX_IOERR,
			"journal: entry cannot be stored: free some space or mend the "
			"disk of state_dir");
		/* After a failed sync the page cache may lie: only a fresh file is trusted. */
		(void)!ftruncate(j->fd, j->size);
		km_close(&j->fd);
		return -1;
	}
	if (at)
		*at = j->size + (off_t)head_len;
	j->size += (off_t)(head_len + len);
	return 0;
}

int journal_start(struct journal *j, uint64_t chain, struct km_err *err)
{
	km_close(&j->fd);
	forget(j);
	j->chain = chain;
	if (journal_compact(j, true, err) != 0) {
		j->chain = 0;
		return -1;
	}
	return 0;
}

int journal_claim(struct journal *j, struct batch *batch, char *text, struct km_err *err)
{
	struct journal_live *live;
	uint64_t manifest;
	size_t len;
	off_t at;

	if (j->live_count == JOURNAL_LIVE_MAX)
		return km_err_set(err, EX_SOFTWARE,
				  "journal: too many batches are under way");
	/* Room for one entry more may have been lost by an error before: batches number on. */
	manifest = j->live_count ? j->live[j->live_count - 1].manifest : j->manifests;
	batch->chain = j->chain;
	batch->manifest = manifest + 1;
	batch->first = j->objects + 1;
	len = batch_write(text, batch);
	if (entry_append(j, text, len, &at, err) != 0)
		return -1;
	live = &j->live[j->live_count++];
	memset(live, 0, sizeof(*live));
	live->manifest = batch->manifest;
	live->first = batch->first;
	live->last = batch->first + batch->count - 1;
	live->at = at;
	live->len = len;
	j->objects = live->last;
	return 0;
}

int journal_withdraw(struct journal *j, uint64_t number, uint8_t reason, struct km_err *err)
{
	char line[64];
	const int len = snprintf(line, sizeof(line), "W %" PRIu64 " %u\n", number, reason);

	if (entry_append(j, line, (size_t)len, NULL, err) != 0)
		return -1;
	return apply_withdrawn(j, number, reason)
		       ? 0
		       : km_err_set(err, EX_SOFTWARE,
				    "journal: object %" PRIu64 " is not live", number);
}

int journal_made(struct journal *j, uint64_t manifest, const uint8_t hash[DIGEST_LEN],
		 struct km_err *err)
{
	char line[STATE_MAX], hex[DIGEST_HEX_LEN + 1];
	int len;

	digest_hex(hex, hash);
	len = snprintf(line, sizeof(line), "M %" PRIu64 " %s\n", manifest, hex);
	if (entry_append(j, line, (size_t)len, NULL, err) != 0)
		return -1;
	return apply_made(j, manifest, hex)
		       ? 0
		       : km_err_set(err, EX_SOFTWARE,
				    "journal: manifest %" PRIu64 " is not live", manifest);
}

int journal_left(struct journal *j, uint64_t manifest, struct km_err *err)
{
	char line[64];
	const int len = snprintf(line, sizeof(line), "L %" PRIu64 "\n", manifest);

	if (j->live_count == 0 || j->live[0].manifest != manifest || !j->live[0].made)
		return km_err_set(err, EX_SOFTWARE,
				  "journal: manifest %" PRIu64 " cannot leave now",
				  manifest);
	if (entry_append(j, line, (size_t)len, NULL, err) != 0)
		return -1;
	(void)apply_left(j, manifest);
	return 0;
}

int journal_load(struct journal *j, unsigned i, struct batch *batch, char *text,
		 struct km_err *err)
{
	const struct journal_live *live = &j->live[i];
	ssize_t n = -1;

	if (j->fd < 0 && journal_compact(j, true, err) != 0)
		return -1;
	if (live->len <= BATCH_TEXT_MAX)
		n = fileio_pread_full(j->fd, text, live->len, live->at);
	if (n < 0 || (size_t)n != live->len || batch_read(batch, text, live->len) != KM_OK)
		return km_err_set(err, EX_IOERR,
				  "journal: claim of manifest %" PRIu64
				  " cannot be read back",
				  live->manifest);
	batch->chain = j->chain;
	for (unsigned o = 0; o < batch->count; o++)
		batch->object[o].reason = live->reason[o];
	return 0;
}

/* ---- compaction ------------------------------------------------------------------------ */

struct rewrite {
	char *text;
	size_t used, room;
};

static void rewrite_entry(struct rewrite *w, const char *payload, size_t len)
{
	w->used += entry_head(w->text + w->used, payload, len);
	memcpy(w->text + w->used, payload, len);
	w->used += len;
}

/* The entries of one live batch; *at becomes the place of its claim in the new file. */
static int rewrite_live(struct rewrite *w, struct journal_live *live, int from, off_t *at,
			struct km_err *err)
{
	char line[STATE_MAX], hex[DIGEST_HEX_LEN + 1], head[ENTRY_HEAD_MAX];
	char *claim = w->text + w->room - live->len; /* read it where nothing stands yet */
	const ssize_t n = fileio_pread_full(from, claim, live->len, live->at);

	if (n < 0 || (size_t)n != live->len)
		return km_err_set(err, EX_IOERR,
				  "journal: claim of manifest %" PRIu64
				  " cannot be read back",
				  live->manifest);
	*at = (off_t)(w->used + entry_head(head, claim, live->len));
	rewrite_entry(w, claim, live->len);
	for (uint64_t number = live->first; number <= live->last; number++) {
		const unsigned reason = live->reason[number - live->first];

		if (reason)
			rewrite_entry(w, line,
				      (size_t)snprintf(line, sizeof(line),
						       "W %" PRIu64 " %u\n", number,
						       reason));
	}
	if (live->made) {
		digest_hex(hex, live->hash);
		rewrite_entry(w, line,
			      (size_t)snprintf(line, sizeof(line), "M %" PRIu64 " %s\n",
					       live->manifest, hex));
	}
	return 0;
}

/* Bytes that a rewritten file may need, with room to read the largest claim aside. */
static size_t rewrite_room(const struct journal *j)
{
	size_t room = MAGIC_LEN + ENTRY_HEAD_MAX + STATE_MAX;

	for (unsigned i = 0; i < j->live_count; i++)
		room += 2 * (j->live[i].len + ENTRY_HEAD_MAX) + STATE_MAX +
			WIRE_BATCH_OBJECTS_MAX * (size_t)(ENTRY_HEAD_MAX + 32);
	return room;
}

static int rewrite_all(struct journal *j, struct rewrite *w, int from, off_t *at,
		       struct km_err *err)
{
	struct journal state = {
		.chain = j->chain,
		.objects = j->objects,
		.manifests = j->manifests,
		.left = j->left,
		.left_objects = j->left_objects,
	};
	char line[STATE_MAX];

	memcpy(state.head, j->head, DIGEST_LEN);
	memcpy(state.left_hash, j->left_hash, DIGEST_LEN);
	memcpy(w->text, MAGIC, MAGIC_LEN);
	w->used = MAGIC_LEN;
	rewrite_entry(w, line, state_line(&state, line));
	for (unsigned i = 0; i < j->live_count; i++) {
		if (rewrite_live(w, &j->live[i], from, &at[i], err) != 0)
			return -1;
	}
	return 0;
}

int journal_compact(struct journal *j, bool force, struct km_err *err)
{
	_cleanup_free_ char *text = NULL;
	_cleanup_close_ int from = -1;
	struct rewrite w = {0};
	off_t at[JOURNAL_LIVE_MAX] = {0};
	size_t live = 0;

	for (unsigned i = 0; i < j->live_count; i++)
		live += j->live[i].len;
	if (!force &&
	    (j->size < (off_t)JOURNAL_COMPACT_BYTES || (size_t)j->size < 4 * live))
		return 0;
	w.room = rewrite_room(j);
	w.text = text = malloc(w.room);
	if (!text)
		return km_err_set(err, EX_OSERR, "journal: out of memory");
	if (j->live_count > 0) {
		from = openat(j->dir, JOURNAL_NAME, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
		if (from < 0)
			return km_err_set_errno(err, EX_IOERR, "journal: cannot be read");
	}
	if (rewrite_all(j, &w, from, at, err) != 0 ||
	    fileio_write_atomic(j->dir, JOURNAL_NAME, text, w.used, 0600, err) != 0)
		return km_err_prefix(err, "journal");
	km_close(&j->fd);
	for (unsigned i = 0; i < j->live_count; i++)
		j->live[i].at = at[i];
	j->size = (off_t)w.used;
	j->fd = openat(j->dir, JOURNAL_NAME, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
	if (j->fd < 0)
		return km_err_set_errno(err, EX_IOERR, "journal: cannot be opened again");
	return 0;
}
