// SPDX-License-Identifier: ISC
/*
 * The sending side of the emulator: batches of frames by sendmmsg on a packet socket that
 * was opened and bound with protocol 0 and so never receives anything, optionally paced
 * to a link rate and recorded to a pcap file.
 *
 * The send buffer keeps its default size on purpose: it is what makes the kernel block us
 * instead of dropping a frame. One thread.
 */
#ifndef EMULATOR_OUT_H
#define EMULATOR_OUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/socket.h>

#define EMULATOR_BATCH 64u /* frames per system call; more gains nothing (measured) */
#define EMULATOR_RATE_BPS_MIN 100000u

struct emulator_out {
	int fd;
	uint64_t rate_bps; /* 0 = as fast as the link takes it */
	uint64_t free_ns;  /* when the emulated link has sent all it was given */
	FILE *pcap;	   /* or NULL */
	bool stuck;	   /* the last frame was given up: do not wait again for the next */
	int first_errno;   /* of the first frame refused for good */
	uint64_t sent, sent_bytes, failed, retries;
	unsigned count;
	size_t batch_bytes;
	struct mmsghdr messages[EMULATOR_BATCH];
	struct iovec frames[EMULATOR_BATCH];
};

/* Open on interface @name. @pcap_path may be NULL. 0, or -1 with one line on stderr. */
int emulator_out_open(struct emulator_out *o, const char *name, uint64_t rate_bps,
		      const char *pcap_path);

/* Add a frame; @p is borrowed until the next emulator_out_flush(). May flush by itself.
 * */
void emulator_out_add(struct emulator_out *o, uint8_t *p, size_t bytes);

/* Send all that was added; blocks until the kernel has taken it. A frame refused with
 * ENOBUFS is offered again for up to 2 s; one refused otherwise is counted in failed. */
void emulator_out_flush(struct emulator_out *o);

/* Close; 0, or -1 when the pcap file could not be written whole. */
int emulator_out_close(struct emulator_out *o);

/* CLOCK_MONOTONIC in nanoseconds. */
uint64_t emulator_out_now_ns(void);

#endif
