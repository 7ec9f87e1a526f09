// SPDX-License-Identifier: ISC
#include "emulator_out.h"

#include <errno.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define RETRY_NS 20000u		/* pause before a frame is offered again */
#define PATIENCE_NS 2000000000u /* then it is given up: nobody takes frames there */
#define SLICE_NS 1000000u	/* a paced batch is at most this much of the link */
#define PCAP_BUFFER_BYTES (1u << 20)
#define PCAP_MAGIC_NS 0xa1b23c4du /* timestamps in nanoseconds */
#define PCAP_SNAPLEN 262144u
#define PCAP_ETHERNET 1u

uint64_t emulator_out_now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static int open_pcap(struct emulator_out *o, const char *path)
{
	const uint32_t header[] = {PCAP_MAGIC_NS, 2u | 4u << 16, 0, 0,
				   PCAP_SNAPLEN,  PCAP_ETHERNET};

	o->pcap = fopen(path, "we");
	if (!o->pcap || setvbuf(o->pcap, NULL, _IOFBF, PCAP_BUFFER_BYTES) ||
	    fwrite(header, sizeof(header), 1, o->pcap) != 1) {
		fprintf(stderr, "km-linkemu: --pcap %s: %s\n", path, strerror(errno));
		return -1;
	}
	return 0;
}

int emulator_out_open(struct emulator_out *o, const char *name, uint64_t rate_bps,
		      const char *pcap_path)
{
	struct sockaddr_ll to = {.sll_family = AF_PACKET, .sll_protocol = 0};
	int saved;

	memset(o, 0, sizeof(*o));
	o->rate_bps = rate_bps;
	o->fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
	to.sll_ifindex = (int)if_nametoindex(name);
	if (o->fd < 0 || !to.sll_ifindex ||
	    bind(o->fd, (struct sockaddr *)&to, sizeof(to))) {
		saved = errno;
		fprintf(stderr, "km-linkemu: --out %s: cannot open for sending: %s\n", name,
			strerror(saved));
		emulator_out_close(o);
		errno = saved;
		return -1;
	}
	if (pcap_path && open_pcap(o, pcap_path)) {
		emulator_out_close(o);
		return -1;
	}
	for (size_t i = 0; i < EMULATOR_BATCH; i++) {
		o->messages[i].msg_hdr.msg_iov = o->frames + i;
		o->messages[i].msg_hdr.msg_iovlen = 1;
	}
	return 0;
}

void emulator_out_add(struct emulator_out *o, uint8_t *p, size_t bytes)
{
	if (o->count == EMULATOR_BATCH)
		emulator_out_flush(o);
	o->frames[o->count++] = (struct iovec){p, bytes};
	o->batch_bytes += bytes;
	if (o->rate_bps && o->batch_bytes * 8 > o->rate_bps / (1000000000u / SLICE_NS))
		emulator_out_flush(o);
}

/* Deadlines add up, so the average is met whatever the lateness of a single sleep. The
 * last bit of the batch leaves at free_ns, and not earlier. */
static void wait_for_link(struct emulator_out *o)
{
	uint64_t now = emulator_out_now_ns();
	struct timespec t;

	if (o->free_ns < now)
		o->free_ns = now;
	o->free_ns += (uint64_t)((double)o->batch_bytes * 8e9 / (double)o->rate_bps);
	t.tv_sec = (time_t)(o->free_ns / 1000000000u);
	t.tv_nsec = (long)(o->free_ns % 1000000000u);
	while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL) == EINTR)
		;
}

static void record(struct emulator_out *o, const struct iovec *frames, unsigned count)
{
	struct timespec t;

	if (!o->pcap)
		return;
	clock_gettime(CLOCK_REALTIME, &t);
	for (unsigned i = 0; i < count; i++) {
		const uint32_t header[] = {(uint32_t)t.tv_sec, (uint32_t)t.tv_nsec,
					   (uint32_t)frames[i].iov_len,
					   (uint32_t)frames[i].iov_len};

		/* a failed write stays in ferror() and is told at close */
		fwrite(header, sizeof(header), 1, o->pcap);
		fwrite(frames[i].iov_base, frames[i].iov_len, 1, o->pcap);
	}
}

static void count_sent(struct emulator_out *o, unsigned from, unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		o->sent_bytes += o->frames[from + i].iov_len;
	o->sent += count;
	o->stuck = false;
	record(o, o->frames + from, count);
}

static void refuse(struct emulator_out *o)
{
	if (!o->failed++)
		o->first_errno = errno;
}

void emulator_out_flush(struct emulator_out *o)
{
	static const struct timespec pause = {.tv_nsec = RETRY_NS};
	unsigned done = 0;
	uint64_t waiting_since = 0;

	if (o->count && o->rate_bps)
		wait_for_link(o);
	while (done < o->count) {
		int n = sendmmsg(o->fd, o->messages + done, o->count - done, 0);

		if (n > 0) {
			count_sent(o, done, (unsigned)n);
			done += (unsigned)n;
			waiting_since = 0;
			continue;
		}
		if (errno == EINTR)
			continue;
		if (!waiting_since)
			waiting_since = emulator_out_now_ns();
		if ((errno == ENOBUFS || errno == EAGAIN) && !o->stuck) {
			o->retries++;
			if (emulator_out_now_ns() - waiting_since < PATIENCE_NS) {
				nanosleep(&pause, NULL);
				continue;
			}
			errno = ENOBUFS;
			o->stuck = true;
		}
		refuse(o);
		waiting_since = 0;
		done++;
	}
	o->count = 0;
	o->batch_bytes = 0;
}

int emulator_out_close(struct emulator_out *o)
{
	int rc = 0;

	if (o->pcap) {
		rc = fflush(o->pcap) || ferror(o->pcap) ? -1 : 0;
		if (fclose(o->pcap))
			rc = -1;
	}
	if (o->fd >= 0)
		close(o->fd);
	o->pcap = NULL;
	o->fd = -1;
	return rc;
}
