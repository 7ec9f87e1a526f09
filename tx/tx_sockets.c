// SPDX-License-Identifier: ISC
#include "tx_sockets.h"

#include <fcntl.h>
#include <linux/filter.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "host.h"
#include "log.h"

#define SHUN_STEPS 4u

/* Drops what comes in by the interface DIODE. */
static void shun_code(struct sock_filter code[SHUN_STEPS], unsigned diode)
{
	const struct sock_filter program[SHUN_STEPS] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (unsigned)(SKF_AD_OFF + SKF_AD_IFINDEX)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, diode, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, 0),
		BPF_STMT(BPF_RET | BPF_K, UINT32_MAX),
	};

	memcpy(code, program, sizeof(program));
}

/* Beyond net.core.*mem_max only root may ask; what is granted is worth a line. OPTION: SO_RCVBUF,
 * or SO_SNDBUF where the sender's end is charged. */
static void size_queue(int fd, const struct tx_config_live *conf, int option)
{
	const bool receive = option == SO_RCVBUF;
	const int want = (int)conf->receive_buffer;
	socklen_t len = sizeof(int);
	int got = 0;

	if (setsockopt(fd, SOL_SOCKET, receive ? SO_RCVBUFFORCE : SO_SNDBUFFORCE, &want,
		       sizeof(want)) != 0)
		(void)setsockopt(fd, SOL_SOCKET, option, &want, sizeof(want));
	/* the kernel doubles what it is asked for, for its own overhead */
	if (getsockopt(fd, SOL_SOCKET, option, &got, &len) == 0 && got / 2 < want)
		log_event(EVENT_LIVE_BUFFER,
			  "the kernel gives a smaller queue than receive_buffer: raise "
			  "net.core.%s channel=%s wanted=%d given=%d",
			  receive ? "rmem_max" : "wmem_max", conf->name, want, got / 2);
}

/* The pair between the role and the source. A stream would have to be cut again; a datagram
 * socket holds few, however small (net.unix.max_dgram_qlen). */
static int open_pair(struct tx_sockets *sockets, unsigned i,
		     const struct tx_config_live *conf, struct km_err *err)
{
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) !=
	    0)
		return km_err_set_errno(err, EX_OSERR, "socketpair");
	sockets->source[i] = pair[0];
	sockets->feed[i] = pair[1];
	size_queue(pair[1], conf, SO_SNDBUF);
	return 0;
}

/*
 * The FIFO for reading alone: so its reader sees when the last writer has gone, and a stream has
 * an end. It is open at all times all the same, here, and no writer meets a FIFO that nobody reads.
 */
static int open_fifo(const struct local_end *place, const struct local_end_terms *terms,
		     struct km_err *err)
{
	_cleanup_close_ int both = local_end_fifo(place, terms, err);
	struct stat made, opened;
	int fd;

	if (both < 0)
		return -1;
	fd = open(place->path, O_RDONLY | O_NONBLOCK | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return km_err_set_errno(err, EX_NOINPUT, "%s", place->path);
	if (fstat(both, &made) == 0 && fstat(fd, &opened) == 0 &&
	    made.st_ino == opened.st_ino && made.st_dev == opened.st_dev)
		return fd;
	(void)close(fd);
	return km_err_set(err, EX_NOINPUT,
			  "%s was exchanged while it was opened: look who may "
			  "write in its directory",
			  place->path);
}

/* A producer that vanished without a word would keep its place for ever. Connections inherit it. */
static int watch_peers(int fd, struct km_err *err)
{
	static const struct {
		int level, name, value;
	} option[] = {
		{SOL_SOCKET, SO_KEEPALIVE, 1},
		{IPPROTO_TCP, TCP_KEEPIDLE, 60},
		{IPPROTO_TCP, TCP_KEEPINTVL, 10},
		{IPPROTO_TCP, TCP_KEEPCNT, 3},
	};

	for (size_t i = 0; i < KM_COUNT(option); i++)
		if (setsockopt(fd, option[i].level, option[i].name, &option[i].value,
			       sizeof(option[i].value)) != 0)
			return km_err_set_errno(err, EX_OSERR, "keep-alive of a listener");
	return 0;
}

static int open_one(struct tx_sockets *sockets, unsigned i,
		    const struct tx_config_live *conf, unsigned diode,
		    const struct local_end_terms *common, struct km_err *err)
{
	struct local_end_terms terms = *common;
	struct sock_filter code[SHUN_STEPS];
	const struct sock_fprog program = {SHUN_STEPS, code};
	const bool own = tx_kind_has_role((enum tx_kind)conf->kind);
	int fd;

	shun_code(code, diode);
	terms.mode = conf->socket_mode;
	terms.type = conf->kind == TX_KIND_STREAM ? SOCK_STREAM : SOCK_DGRAM;
	if (conf->listen.kind == LOCAL_END_INET)
		terms.filter = &program;
	fd = conf->listen.kind == LOCAL_END_FIFO
		     ? open_fifo(&conf->listen, &terms, err)
		     : local_end_bind(&conf->listen, &terms, err);
	if (fd < 0)
		return -1;
	*(own ? &sockets->listen[i] : &sockets->source[i]) = fd;
	/* a path's is bounded in messages, by the host */
	if (terms.type == SOCK_DGRAM && conf->listen.kind == LOCAL_END_INET)
		size_queue(fd, conf, SO_RCVBUF);
	else if (terms.type == SOCK_STREAM && conf->listen.kind == LOCAL_END_INET &&
		 watch_peers(fd, err) != 0)
		return -1;
	return own ? open_pair(sockets, i, conf, err) : 0;
}

int tx_sockets_open(struct tx_sockets *sockets, const struct tx_config *config,
		    unsigned diode, uid_t uid, gid_t gid, struct km_err *err)
{
	const struct local_end_terms terms = {.uid = uid, .gid = gid};

	for (unsigned i = 0; i < config->lives; i++) {
		sockets->source[i] = sockets->feed[i] = sockets->listen[i] = -1;
		sockets->count = i + 1;
		if (open_one(sockets, i, &config->live[i], diode, &terms, err) != 0)
			return km_err_prefix(err, "channel %s", config->live[i].name);
	}
	return 0;
}

void tx_sockets_shun(struct tx_sockets *sockets, const struct tx_config *config,
		     unsigned diode)
{
	struct sock_filter code[SHUN_STEPS];
	const struct sock_fprog program = {SHUN_STEPS, code};

	shun_code(code, diode);
	for (unsigned i = 0; i < sockets->count; i++) {
		const int fd =
			sockets->listen[i] >= 0 ? sockets->listen[i] : sockets->source[i];

		if (config->live[i].listen.kind == LOCAL_END_INET &&
		    setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program,
			       sizeof(program)) != 0)
			log_event(EVENT_RETURN_SEEN,
				  "a socket could not be made deaf to the new diode port: "
				  "restart the daemon channel=%s",
				  config->live[i].name);
	}
}

void tx_sockets_close(struct tx_sockets *sockets, const struct tx_config *config)
{
	for (unsigned i = 0; i < sockets->count; i++) {
		/* one that could not be had is somebody else's */
		if (sockets->listen[i] >= 0 || sockets->source[i] >= 0)
			local_end_remove(&config->live[i].listen);
		km_close(&sockets->source[i]);
		km_close(&sockets->feed[i]);
		km_close(&sockets->listen[i]);
	}
	sockets->count = 0;
}
