// SPDX-License-Identifier: ISC
/*
 * publish_rig.h: a scripted decode and a real publish in one process: keys, a temporary
 * state directory and root, the deliver ring and a segment, and objects whose content is
 * a function of their number and generation, so that whatever becomes visible can be
 * judged. Tests only.
 */
#ifndef PUBLISH_RIG_H
#define PUBLISH_RIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "deliver.h"
#include "digest.h"
#include "keys.h"
#include "manifest.h"
#include "publish.h"
#include "record.h"
#include "ring.h"
#include "rx_config.h"

#define RIG_CHANNEL 7u
#define RIG_CHAIN UINT64_C(1000)
#define RIG_SEGMENT (32u << 20)
#define RIG_PIECE 8000u /* bytes of a fragment */

struct rig_object {
	uint64_t chain, number;
	uint8_t kind; /* enum manifest_kind */
	char path[WIRE_PATH_MAX + 1];
	uint64_t size;
	uint64_t seed; /* content: rig_content(seed) */
	uint8_t reason;
};

struct rig {
	char dir[64]; /* everything below */
	struct rx_config config;
	struct keys_sign_secret key;
	void *deliver;
	uint8_t *segment;
	uint64_t segment_at; /* bump allocator, round and round */
	struct ring ring;    /* producer */
	struct publish *publish;
	bool shared; /* memory is MAP_SHARED for a forked publish */
	int scan;    /* publish's end of scan.h, where the channel scans */
};

/* Everything but publish itself. `dir` NULL: a fresh one under /tmp. */
void rig_init(struct rig *rig, const char *dir);
void rig_start(struct rig *rig); /* opens publish in this process */
void rig_stop(struct rig *rig);	 /* closes it in order */
void rig_kill(struct rig *rig);	 /* abandons it */
void rig_free(struct rig *rig);	 /* removes the directory */

/* Steps publish until it is idle (jobs and messages done). */
void rig_settle(struct rig *rig);

/* Seed from KM_SEED or the clock, printed. */
uint64_t rig_seed(void);
uint64_t rig_random(uint64_t *state);

/* Bytes [offset, offset + len) of the content of `seed`. */
void rig_content(uint64_t seed, uint64_t offset, uint8_t *out, size_t len);
void rig_digest(const struct rig_object *o, uint8_t digest[DIGEST_LEN]);

/*
 * One message with data (copied into the segment). Steps publish when the ring is full
 * and publish is in this process, else waits for it.
 */
void rig_send(struct rig *rig, struct deliver_msg *m, const void *data, size_t len);

void rig_begin(struct rig *rig, const struct rig_object *o);
void rig_fragment(struct rig *rig, const struct rig_object *o, uint64_t offset, size_t len);
void rig_data(struct rig *rig, const struct rig_object *o); /* begin and all fragments */
void rig_heads(struct rig *rig, uint64_t chain, uint64_t objects, uint64_t manifests);

/* A signed manifest of objects[0..n), numbers ascending. `previous` NULL = none
 * (number 1), or one that does not exist. `hash` (may
 * be NULL) gets the text's SHA-256. Returns transfer bytes (free) and their length. */
uint8_t *rig_manifest_bytes(struct rig *rig, const struct rig_object *objects, size_t n,
			    uint64_t number, const uint8_t *previous, uint8_t *hash,
			    size_t *len);
void rig_send_manifest(struct rig *rig, uint64_t chain, uint64_t number,
		       const uint8_t *bytes, size_t len);
void rig_manifest(struct rig *rig, const struct rig_object *objects, size_t n,
		  uint64_t number, const uint8_t *previous, uint8_t *hash);

/* "DIR/root/tree/PATH" etc. into a static buffer. */
const char *rig_path(const struct rig *rig, const char *below, const char *path);

/* True when DIR/root/<below>/<path> is a file with exactly the content of the seed. */
bool rig_has(const struct rig *rig, const char *below, const char *path, uint64_t seed,
	     uint64_t size);
bool rig_exists(const struct rig *rig, const char *below, const char *path);

/* Files (not directories) under DIR/root/<below>. */
unsigned rig_count_files(const struct rig *rig, const char *below);

/* announced = published + quarantined + withdrawn + missing, after rig_settle(). */
void rig_check_sum(struct rig *rig);

#endif
