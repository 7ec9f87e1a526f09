// SPDX-License-Identifier: ISC
/*
 * What can be done with the AF_XDP sockets of the two ports by somebody who has them: opened
 * as sender and capture open them, then everything is tried that would make the one receive and
 * the other send.
 *
 *	km-port-xdp tx|rx INTERFACE FRAME_MAX
 *
 * Prints `open`, waits for a line on standard input (the test sends frames meanwhile), then one
 * line `ATTEMPT RESULT` for each: the name of the error, or `done N`.
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "link_xdp.h"
#include "link_xdp_port.h"
#include "wire_limits.h"

static void say(const char *what, long n)
{
	if (n < 0)
		printf("%s %s\n", what, strerrorname_np(errno));
	else
		printf("%s done %ld\n", what, n);
}

static long map_ring(int fd, off_t offset)
{
	void *p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, offset);

	return p == MAP_FAILED ? -1 : 0;
}

static long add_ring(int fd, int option)
{
	const int entries = 64;

	return setsockopt(fd, SOL_XDP, option, &entries, sizeof(entries));
}

/* The sender's socket: nothing comes out of it, and no ring can be added. */
static void try_to_receive(int fd)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};
	struct xdp_statistics seen = {0};
	socklen_t len = sizeof(seen);
	char bytes[64];

	say("map-rx-ring", map_ring(fd, XDP_PGOFF_RX_RING));
	say("add-rx-ring", add_ring(fd, XDP_RX_RING));
	say("recv", recv(fd, bytes, sizeof(bytes), MSG_DONTWAIT));
	say("read", read(fd, bytes, sizeof(bytes)));
	say("poll", poll(&p, 1, 0) > 0 ? p.revents & POLLIN : 0);
	(void)getsockopt(fd, SOL_XDP, XDP_STATISTICS, &seen, &len);
	say("seen", (long)(seen.rx_dropped + seen.rx_ring_full));
}

static void try_to_send(int fd)
{
	char bytes[64] = {0};

	say("map-tx-ring", map_ring(fd, (off_t)XDP_PGOFF_TX_RING));
	say("add-tx-ring", add_ring(fd, XDP_TX_RING));
	say("sendto", sendto(fd, NULL, 0, MSG_DONTWAIT, NULL, 0));
	say("send", send(fd, bytes, sizeof(bytes), MSG_DONTWAIT));
	say("write", write(fd, bytes, sizeof(bytes)));
}

static int fail(const struct km_err *err)
{
	fprintf(stderr, "%s\n", err->text);
	return 1;
}

int main(int argc, char **argv)
{
	struct intake_plan plan = {.chunk_bytes = 4096, .chunks = 256};
	const struct link_match match = {.ethertype = WIRE_ETHERTYPE};
	struct km_err err = KM_ERR_INIT;
	struct link_packet link;
	struct link_xdp_port port;
	struct link_xdp xdp;
	char line[16];
	bool is_tx;

	if (argc != 4)
		return 2;
	is_tx = strcmp(argv[1], "tx") == 0;
	plan.frame_xdp = (uint32_t)strtoul(argv[3], NULL, 10);
	plan.frame_max = plan.frame_xdp;
	if (is_tx ? link_packet_open(&link, argv[2], 212992, &err) != 0 ||
			    link_xdp_open(&xdp, &link, argv[2], plan.frame_xdp, true,
					  &err) != 0
		  : link_xdp_port_open(&port, argv[2], &match, &plan, false, true, &err) !=
			    0)
		return fail(&err);
	printf("open\n");
	fflush(stdout);
	if (!fgets(line, sizeof(line), stdin))
		return 0;
	if (is_tx)
		try_to_receive(xdp.fd);
	else
		try_to_send(port.socket);
	return 0;
}
