// SPDX-License-Identifier: ISC
#include <stdio.h>

#include "capture_cage.h"
#include "decode_cage.h"
#include "deliver.h"
#include "intake.h"
#include "keeper_cage.h"
#include "publish_cage.h"
#include "sink_cage.h"
#include "stand_in.h"

static struct rx_config config;
static char neighbour[RX_PATH_LEN + 16];

/* What capture opens has whatever number is free. */
#define CAPTURE_LINK 12

static void be_capture(const char *directory, struct target *target, struct cage *cage)
{
	(void)directory;
	target->read_only = stand_in_memory(RX_FD_CONFIG);
	target->link = stand_in_link(CAPTURE_LINK);
	capture_cage(cage, &config, false);
}

static void be_pump(const char *directory, struct target *target, struct cage *cage)
{
	(void)directory;
	target->read_only = stand_in_memory(RX_FD_CONFIG);
	target->link = stand_in_link(CAPTURE_LINK);
	capture_cage(cage, &config, true);
}

static void be_keeper(const char *directory, struct target *target, struct cage *cage)
{
	(void)snprintf(config.state_dir, sizeof(config.state_dir), "%s/state", directory);
	(void)stand_in_directory(directory, "state");
	(void)snprintf(neighbour, sizeof(neighbour), "%s/mine", config.state_dir);
	target->neighbour = neighbour;
	target->spool_dir = stand_in_directory(config.state_dir, "keeper");
	target->read_only = stand_in_memory(RX_FD_CONFIG);
	keeper_cage(cage, &config);
}

static void be_decode(const char *directory, struct target *target, struct cage *cage)
{
	(void)directory;
	target->read_only = stand_in_memory(RX_FD_CONFIG);
	target->link = stand_in_link(RX_FD_INTAKE);
	(void)stand_in_link(INTAKE_FD_REALTIME);
	decode_cage(cage, &config);
}

static void be_publish(const char *directory, struct target *target, struct cage *cage)
{
	(void)snprintf(config.state_dir, sizeof(config.state_dir), "%s/state", directory);
	(void)snprintf(config.channel[0].root, sizeof(config.channel[0].root), "%s/root",
		       directory);
	(void)snprintf(config.trust[0], sizeof(config.trust[0]), "%s/root/mine", directory);
	config.channels = config.trusted = 1;
	(void)stand_in_directory(directory, "state");
	target->spool_dir = stand_in_directory(directory, "root");
	target->read_only = stand_in_memory(RX_FD_SEGMENT);
	publish_cage(cage, &config);
}

static void be_sink(const char *directory, struct target *target, struct cage *cage)
{
	const int sockets[] = {RX_FD_SINK_SOCKET, -1};

	(void)directory;
	target->read_only = stand_in_memory(RX_FD_CONFIG);
	/* one too many, such as a mistake of the supervisor would give it */
	target->link = stand_in_link(RX_FD_INTAKE);
	stand_in_pair(RX_FD_SINK_SOCKET);
	sink_cage(cage, &config, sockets, KM_COUNT(sockets));
}

const struct stand_in stand_ins_rx[] = {
	/* its last word carries the sockets to the supervisor */
	{"rx capture", be_capture, {"write_log", "speak", "filter"}},
	{"rx capture with libpcap", be_pump, {"write_log", "link_read", "link_recvfrom"}},
	{"rx keeper", be_keeper, {"write_log"}},
	{"rx decode, listen", be_decode, {NULL}},
	{"rx publish", be_publish, {"write_log"}},
	{"rx sink", be_sink, {"write_log"}},
};
const size_t stand_ins_rx_count = KM_COUNT(stand_ins_rx);
