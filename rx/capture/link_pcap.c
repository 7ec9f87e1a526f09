// SPDX-License-Identifier: ISC
#include "link_pcap.h"

#include <pcap/pcap.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "clock.h"

#define LINK_PCAP_WAIT_NS (50 * CLOCK_NS_PER_MS)
#define LINK_PCAP_BATCH 64

struct link_pcap {
	pcap_t *handle;
	bool live;
	uint32_t frame_max;
	uint64_t frames, drops;
};

static struct link_pcap *link_pcap_fail(struct link_pcap *link, struct km_err *err,
					int code, const char *what, const char *why)
{
	(void)km_err_set(err, code, "libpcap: %s: %s", what, why);
	link_pcap_close(link);
	return NULL;
}

static int link_pcap_filter(struct link_pcap *link, const struct link_match *match)
{
	struct bpf_program program;
	char text[LINK_MATCH_TEXT_MAX];
	int rc;

	link_match_text(match, text);
	if (pcap_compile(link->handle, &program, text, 1, PCAP_NETMASK_UNKNOWN) < 0)
		return -1;
	rc = pcap_setfilter(link->handle, &program);
	pcap_freecode(&program);
	return rc;
}

struct link_pcap *link_pcap_open(const char *interface, const struct link_match *match,
				 const struct intake_plan *plan, uint64_t buffer_bytes,
				 struct km_err *err)
{
	char text[PCAP_ERRBUF_SIZE] = "";
	struct link_pcap *link = calloc(1, sizeof(*link));
	int rc;

	if (link == NULL)
		return link_pcap_fail(NULL, err, EX_OSERR, interface, "out of memory");
	link->live = true;
	link->frame_max = plan->frame_max;
	link->handle = pcap_create(interface, text);
	if (link->handle == NULL)
		return link_pcap_fail(link, err, EX_UNAVAILABLE, interface, text);
	/* Immediate mode would wake us once per frame and halve the rate. */
	pcap_set_snaplen(link->handle, (int)plan->frame_max);
	pcap_set_promisc(link->handle, 1);
	pcap_set_timeout(link->handle, (int)plan->retire_ms);
	pcap_set_buffer_size(link->handle,
			     (int)(buffer_bytes > INT32_MAX ? INT32_MAX : buffer_bytes));
	rc = pcap_activate(link->handle);
	if (rc < 0)
		return link_pcap_fail(link, err,
				      rc == PCAP_ERROR_PERM_DENIED ? EX_NOPERM
								   : EX_UNAVAILABLE,
				      interface,
				      *pcap_geterr(link->handle) ? pcap_geterr(link->handle)
								 : pcap_statustostr(rc));
	if (pcap_datalink(link->handle) != DLT_EN10MB)
		return link_pcap_fail(link, err, EX_UNAVAILABLE, interface,
				      "is not Ethernet");
	if (link_pcap_filter(link, match) < 0 ||
	    pcap_setdirection(link->handle, PCAP_D_IN) < 0 ||
	    pcap_setnonblock(link->handle, 1, text) < 0)
		return link_pcap_fail(link, err, EX_OSERR, interface,
				      pcap_geterr(link->handle));
	return link;
}

struct link_pcap *link_pcap_open_file(int fd, const struct intake_plan *plan,
				      struct km_err *err)
{
	char text[PCAP_ERRBUF_SIZE] = "";
	struct link_pcap *link = calloc(1, sizeof(*link));
	FILE *file = fdopen(fd, "r");

	if (link == NULL || file == NULL) {
		if (file != NULL)
			fclose(file);
		return link_pcap_fail(link, err, EX_OSERR, "recorded file",
				      "out of memory");
	}
	link->frame_max = plan->frame_max;
	link->handle = pcap_fopen_offline(file, text);
	if (link->handle == NULL) {
		fclose(file);
		return link_pcap_fail(link, err, EX_DATAERR, "recorded file", text);
	}
	if (pcap_datalink(link->handle) != DLT_EN10MB)
		return link_pcap_fail(link, err, EX_DATAERR, "recorded file",
				      "is not Ethernet");
	return link;
}

void link_pcap_close(struct link_pcap *link)
{
	if (link == NULL)
		return;
	if (link->handle != NULL)
		pcap_close(link->handle);
	free(link);
}

/* A slot of the ring, waiting at most LINK_PCAP_WAIT_NS for one. */
static struct intake_frame *link_pcap_reserve(struct ring *ring)
{
	uint64_t first;

	if (ring_ready(ring) == 0 && ring_wait(ring, LINK_PCAP_WAIT_NS) != KM_OK)
		return NULL;
	if (ring_reserve(ring, 1, &first) != KM_OK)
		return NULL;
	return ring_slot(ring, first);
}

static enum km_rc link_pcap_copy(struct link_pcap *link, struct ring *ring,
				 struct intake_frame *slot,
				 const struct pcap_pkthdr *header, const uint8_t *bytes)
{
	/* pcap counts microseconds, or nanoseconds in files that say so; a stamp is all we need. */
	slot->time_ns = (uint64_t)header->ts.tv_sec * CLOCK_NS_PER_SEC +
			(uint64_t)header->ts.tv_usec * CLOCK_NS_PER_US;
	slot->wire_len = header->len;
	slot->len = header->caplen < link->frame_max ? header->caplen : link->frame_max;
	slot->drops = (uint32_t)link->drops;
	slot->end = 0;
	memcpy(slot->bytes, bytes, slot->len);
	link->frames++;
	return ring_submit(ring, 1);
}

static void link_pcap_count_drops(struct link_pcap *link)
{
	struct pcap_stat stats;

	if (link->live && pcap_stats(link->handle, &stats) == 0)
		link->drops = stats.ps_drop;
}

static enum link_pcap_result link_pcap_end(struct ring *ring)
{
	struct intake_frame *slot = link_pcap_reserve(ring);

	if (slot == NULL)
		return LINK_PCAP_MORE; /* asked again */
	memset(slot, 0, sizeof(*slot));
	slot->end = 1;
	return ring_submit(ring, 1) == KM_OK ? LINK_PCAP_END : LINK_PCAP_ERROR;
}

static void link_pcap_wait(struct link_pcap *link)
{
	struct pollfd pfd = {.fd = pcap_get_selectable_fd(link->handle), .events = POLLIN};

	(void)poll(&pfd, 1, (int)(LINK_PCAP_WAIT_NS / CLOCK_NS_PER_MS));
}

enum link_pcap_result link_pcap_pump(struct link_pcap *link, struct ring *ring,
				     struct km_err *err)
{
	for (unsigned i = 0; i < LINK_PCAP_BATCH; i++) {
		struct intake_frame *slot = link_pcap_reserve(ring);
		struct pcap_pkthdr *header;
		const uint8_t *bytes;
		int rc;

		if (slot == NULL)
			return LINK_PCAP_MORE; /* decode is behind: the kernel's buffer holds */
		rc = pcap_next_ex(link->handle, &header, &bytes);
		if (rc == 1) {
			if (link_pcap_copy(link, ring, slot, header, bytes) != KM_OK)
				goto dead;
			continue;
		}
		if (ring_cancel(ring, 1) != KM_OK)
			goto dead;
		if (rc == PCAP_ERROR_BREAK)
			return link_pcap_end(ring);
		if (rc < 0) {
			(void)km_err_set(err, EX_IOERR, "libpcap: %s",
					 pcap_geterr(link->handle));
			return LINK_PCAP_ERROR;
		}
		link_pcap_wait(link);
		break;
	}
	link_pcap_count_drops(link);
	return LINK_PCAP_MORE;
dead:
	(void)km_err_set(err, EX_SOFTWARE, "pump ring: impossible indices from decode");
	return LINK_PCAP_ERROR;
}

uint64_t link_pcap_frames(const struct link_pcap *link)
{
	return link->frames;
}

uint64_t link_pcap_drops(const struct link_pcap *link)
{
	return link->drops;
}
