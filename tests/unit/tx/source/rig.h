// SPDX-License-Identifier: ISC
/*
 * A whole source in one test process: directories on disk, rings in memory, a signer thread
 * on a socket pair with real keys, and the model receiver at the other end. What is on disk
 * outlives rig_crash(), as it does a kill -9.
 */
#ifndef RIG_H
#define RIG_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "model_rx.h"
#include "source.h"

struct rig {
	char dir[64]; /* temporary directory: state/, spool<i>/ */
	struct tx_config config;
	struct lane_plan plan;
	void *index, *slots;
	size_t index_len, slots_len;
	int sock[2];
	pthread_t signer;
	struct keys_sign_secret identity;
	struct keys_box_secret box;
	uint64_t epoch;
	bool signer_refuses; /* manifests, while set */
	struct source *source;
	struct model_rx rx;
	uint64_t seed;
};

/* Directories, keys, one channel "docs" of class normal with short times. mtu 0: 9,000. */
void rig_open(struct rig *rig, uint32_t mtu);
/* One more channel like the first; returns its index. */
unsigned rig_channel(struct rig *rig, const char *name, unsigned class);
/* So many workers, in place of one: before rig_start(). */
void rig_workers(struct rig *rig, unsigned workers);
/* Start a source on what is on disk, on fresh rings. */
void rig_start(struct rig *rig);
/* End it without a word. */
void rig_crash(struct rig *rig);
void rig_close(struct rig *rig);

/* Turn the loop until nothing has moved for `quiet_ms` or `frames` further frames were taken
 * (0: no limit). The spool is settled and all batches have left when it returns for quiet. */
void rig_run(struct rig *rig, unsigned quiet_ms, uint64_t frames);
/* The same until every claimed object has left and nothing waits; fails after 60 s. */
void rig_run_idle(struct rig *rig);

/* Path below the rig's directory; static buffers, four deep. */
const char *rig_path(const struct rig *rig, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
/* Write a file of `size` pseudo-random bytes under spool0/in (directories are made). */
void rig_put(struct rig *rig, const char *name, uint64_t size);
/* The bytes rig_put() wrote for (name, size) are those of the object. */
void rig_same(const struct rig *rig, const struct model_object *o, const char *name);
/* Count of entries in a directory below the rig's. */
unsigned rig_count(const struct rig *rig, const char *dir);
uint64_t rig_random(struct rig *rig);

#endif
