// SPDX-License-Identifier: ISC
#include "link_packet.h"

#include <errno.h>
#include <linux/filter.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "clock.h"

/* After ENOBUFS the device queue is full: give it the time of a few frames. */
#define LINK_PACKET_RETRY_NS (20 * CLOCK_NS_PER_US)

static int link_packet_lock(int fd, struct km_err *err)
{
	/* tcpdump -ddd 'less 0': return 0, for every frame */
	struct sock_filter drop_all[] = {BPF_STMT(BPF_RET | BPF_K, 0)};
	struct sock_fprog program = {.len = 1, .filter = drop_all};
	int on = 1;

	if (setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof(program)) < 0)
		return km_err_set_errno(err, EX_OSERR,
					"link socket: drop-all filter refused");
	if (setsockopt(fd, SOL_SOCKET, SO_LOCK_FILTER, &on, sizeof(on)) < 0)
		return km_err_set_errno(err, EX_OSERR,
					"link socket: filter could not be locked");
	return 0;
}

static int link_packet_buffer(struct link_packet *link, uint32_t want, struct km_err *err)
{
	int value = (int)want, granted = 0;
	socklen_t len = sizeof(granted);

	if (setsockopt(link->fd, SOL_SOCKET, SO_SNDBUF, &value, sizeof(value)) < 0 ||
	    getsockopt(link->fd, SOL_SOCKET, SO_SNDBUF, &granted, &len) < 0)
		return km_err_set_errno(err, EX_OSERR,
					"link socket: send buffer of %u bytes refused",
					want);
	link->sndbuf = (uint32_t)granted / 2; /* the kernel reports twice the limit */
	return 0;
}

static int link_packet_bind(struct link_packet *link, const char *interface,
			    struct km_err *err)
{
	struct sockaddr_ll address = {.sll_family = AF_PACKET, .sll_protocol = 0};
	struct ifreq request = {0};

	strncpy(request.ifr_name, interface, sizeof(request.ifr_name) - 1);
	if (ioctl(link->fd, SIOCGIFINDEX, &request) < 0)
		return km_err_set_errno(
			err, EX_UNAVAILABLE,
			"interface %s: not found: set `interface` to the diode port",
			interface);
	link->ifindex = request.ifr_ifindex;
	address.sll_ifindex = request.ifr_ifindex;
	if (ioctl(link->fd, SIOCGIFMTU, &request) < 0)
		return km_err_set_errno(err, EX_OSERR, "interface %s: MTU unknown",
					interface);
	link->mtu = (uint32_t)request.ifr_mtu;
	/* Protocol 0 here too: bound for sending, deaf for ever. */
	if (bind(link->fd, (struct sockaddr *)&address, sizeof(address)) < 0)
		return km_err_set_errno(err, EX_UNAVAILABLE,
					"interface %s: cannot be bound", interface);
	return 0;
}

int link_packet_open(struct link_packet *link, const char *interface, uint32_t sndbuf,
		     struct km_err *err)
{
	*link = (struct link_packet){.fd = -1};
	link->fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
	if (link->fd < 0)
		return km_err_set_errno(
			err, errno == EPERM ? EX_NOPERM : EX_OSERR,
			"link socket: not allowed: start as root or with CAP_NET_RAW");
	if (link_packet_lock(link->fd, err) < 0 ||
	    link_packet_buffer(link, sndbuf, err) < 0 ||
	    link_packet_bind(link, interface, err) < 0) {
		link_packet_close(link);
		return -1;
	}
	return 0;
}

void link_packet_close(struct link_packet *link)
{
	km_close(&link->fd);
}

enum km_rc link_packet_judge(struct link_packet *link)
{
	switch (errno) {
	case EINTR:
		return KM_OK;
	case ENOBUFS:
		link->enobufs++;
		clock_sleep_until(clock_mono_ns() + LINK_PACKET_RETRY_NS);
		return KM_OK;
	case ENETDOWN:
		return KM_ERR_TIMEOUT;
	case ENXIO:
	case ENODEV:
		return KM_ERR_CLOSED;
	case EMSGSIZE:
		return KM_ERR_LIMIT;
	default:
		return KM_ERR_SYS;
	}
}

enum km_rc link_packet_send(struct link_packet *link, const struct iovec *frames,
			    unsigned n, unsigned *done)
{
	struct mmsghdr messages[LINK_PACKET_BATCH];
	struct iovec pieces[LINK_PACKET_BATCH][2];
	enum km_rc rc;

	memset(messages, 0, sizeof(messages[0]) * n);
	for (unsigned i = 0; i < n; i++) {
		struct iovec *piece = pieces[i];

		if (link->head_len > 0)
			*piece++ = (struct iovec){link->head, link->head_len};
		piece->iov_base = (uint8_t *)frames[i].iov_base + link->head_len;
		piece->iov_len = frames[i].iov_len - link->head_len;
		messages[i].msg_hdr.msg_iov = pieces[i];
		messages[i].msg_hdr.msg_iovlen = (size_t)(piece - pieces[i]) + 1;
	}
	*done = 0;
	while (*done < n) {
		int sent = sendmmsg(link->fd, messages + *done, n - *done, 0);

		if (sent > 0) {
			*done += (unsigned)sent;
			continue;
		}
		rc = link_packet_judge(link);
		if (rc != KM_OK)
			return rc;
	}
	return KM_OK;
}

void link_packet_check_deaf(struct link_packet *link)
{
	struct tpacket_stats stats = {0};
	socklen_t len = sizeof(stats);

	/* Reading resets the kernel's counters, so they are added up here. */
	if (getsockopt(link->fd, SOL_PACKET, PACKET_STATISTICS, &stats, &len) == 0)
		link->heard += stats.tp_packets;
}
