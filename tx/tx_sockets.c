// SPDX-License-Identifier: ISC
#include "tx_sockets.h"

#include <linux/filter.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "host.h"
#include "log.h"

static int shun(int fd, unsigned diode)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (unsigned)(SKF_AD_OFF + SKF_AD_IFINDEX)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, diode, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, 0),
		BPF_STMT(BPF_RET | BPF_K, UINT32_MAX),
	};
	const struct sock_fprog program = {KM_COUNT(code), code};

	return setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof(program));
}

/* Beyond net.core.rmem_max only root may ask; what is granted is worth a line. */
static void size_queue(int fd, const struct tx_config_datagram *conf)
{
	const int want = (int)conf->receive_buffer;
	socklen_t len = sizeof(int);
	int got = 0;

	if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &want, sizeof(want)) != 0)
		(void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &want, sizeof(want));
	/* the kernel doubles what it is asked for, for its own overhead */
	if (getsockopt(fd, SOL_SOCKET, SO_RCVBUF, &got, &len) == 0 && got / 2 < want)
		log_event(EVENT_LIVE_BUFFER,
			  "the kernel gives a smaller queue than receive_buffer: raise "
			  "net.core.rmem_max channel=%s wanted=%d given=%d",
			  conf->name, want, got / 2);
}

static int open_one(int *fd, const struct tx_config_datagram *conf, unsigned diode,
		    struct km_err *err)
{
	struct sockaddr_in at = {.sin_family = AF_INET,
				 .sin_port = htons(conf->listen.port)};
	const uint8_t *ip = conf->listen.ip;

	memcpy(&at.sin_addr, ip, sizeof(at.sin_addr));
	*fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (*fd < 0)
		return km_err_set_errno(err, EX_OSERR, "channel %s: UDP socket",
					conf->name);
	size_queue(*fd, conf);
	/* before bind(): there is no moment at which the diode port is heard */
	if (shun(*fd, diode) != 0)
		return km_err_set_errno(err, EX_OSERR, "channel %s: socket filter",
					conf->name);
	if (bind(*fd, (struct sockaddr *)&at, sizeof(at)) != 0)
		return km_err_set_errno(
			err, EX_UNAVAILABLE,
			"channel %s: listen = %u.%u.%u.%u:%u cannot be had: give this host "
			"the address, or end what uses the port",
			conf->name, ip[0], ip[1], ip[2], ip[3], conf->listen.port);
	return 0;
}

int tx_sockets_open(struct tx_sockets *sockets, const struct tx_config *config,
		    unsigned diode, struct km_err *err)
{
	for (unsigned i = 0; i < config->datagrams; i++) {
		sockets->count = i + 1;
		if (open_one(&sockets->fd[i], &config->datagram[i], diode, err) != 0)
			return -1;
	}
	return 0;
}

void tx_sockets_shun(struct tx_sockets *sockets, unsigned diode)
{
	for (unsigned i = 0; i < sockets->count; i++)
		if (shun(sockets->fd[i], diode) != 0)
			log_event(
				EVENT_RETURN_SEEN,
				"a socket of a datagram channel could not be made deaf to "
				"the new diode port: restart the daemon");
}

void tx_sockets_close(struct tx_sockets *sockets)
{
	for (unsigned i = 0; i < sockets->count; i++)
		km_close(&sockets->fd[i]);
	sockets->count = 0;
}
