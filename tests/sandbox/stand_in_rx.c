// SPDX-License-Identifier: ISC
#include <stdio.h>

#include "capture_cage.h"
#include "decode_cage.h"
#include "deliver.h"
#include "intake.h"
#include "keeper_cage.h"
#include "outlet_cage.h"
#include "publish_cage.h"
#include "rx_state_cage.h"
#include "scan_cage.h"
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
	(void)snprintf(config.channel[0].name, sizeof(config.channel[0].name), "files");
	config.channels = config.trusted = 1;
	(void)stand_in_directory(directory, "state");
	(void)stand_in_directory(config.state_dir, "publish");
	(void)stand_in_directory(config.state_dir, "files");
	(void)stand_in_directory(config.state_dir, "keeper");
	(void)snprintf(neighbour, sizeof(neighbour), "%s/keeper/mine", config.state_dir);
	target->neighbour = neighbour;
	target->spool_dir = stand_in_directory(directory, "root");
	target->read_only = stand_in_memory(RX_FD_SEGMENT);
	stand_in_pair(RX_FD_SCAN);
	publish_cage(cage, &config);
}

static void be_scan(const char *directory, struct target *target, struct cage *cage)
{
	(void)directory;
	target->read_only = stand_in_memory(RX_FD_CONFIG);
	stand_in_pair(RX_FD_SCAN);
	(void)snprintf(config.channel[0].scan, sizeof(config.channel[0].scan), "/bin/cat");
	config.channels = 1;
	scan_cage(cage, &config);
}

/* What it runs, in the last cage that is closed around it; it has no descriptor of the role's. */
static void be_scanner(const char *directory, struct target *target, struct cage *cage)
{
	be_scan(directory, target, cage);
	cage->calls = cage->program;
	cage->n_calls = cage->n_program;
	cage->program = NULL;
	cage->n_program = 0;
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

static void be_state(const char *directory, struct target *target, struct cage *cage)
{
	(void)snprintf(config.live[0].file, sizeof(config.live[0].file),
		       "%s/board/state.json", directory);
	target->spool_dir = stand_in_directory(directory, "board");
	target->read_only = stand_in_memory(RX_FD_CONFIG);
	/* one too many, such as a mistake of the supervisor would give it */
	target->link = stand_in_link(RX_FD_INTAKE);
	config.live[0].kind = RX_KIND_STATE;
	config.lives = 1;
	stand_in_pair(RX_FD_LISTEN);
	stand_in_pair(RX_FD_FEED);
	rx_state_cage(cage, &config);
}

static void be_stream(const char *directory, struct target *target, struct cage *cage)
{
	(void)directory;
	config.lives = 1;
	config.live[0].kind = RX_KIND_STREAM;
	target->read_only = stand_in_memory(RX_FD_CONFIG);
	/* one too many, such as a mistake of the supervisor would give it */
	target->link = stand_in_link(RX_FD_INTAKE);
	stand_in_pair(RX_FD_DIAL);
	stand_in_pair(RX_FD_FEED);
	outlet_cage(cage, &config);
}

const struct stand_in stand_ins_rx[] = {
	/* its last word carries the sockets to the supervisor */
	{"rx capture", be_capture, {"write_log", "speak", "filter"}},
	{"rx capture with libpcap", be_pump, {"write_log", "link_read", "link_recvfrom"}},
	{"rx keeper", be_keeper, {"write_log"}},
	{"rx decode, listen", be_decode, {NULL}},
	{"rx publish", be_publish, {"write_log"}},
	/* its filter holds for its programs too, so it has what they need; another program than the
	 * channel's is refused (run_other) */
	{"rx scan", be_scan, {"write_log",
			      "execve",
			      "clone3",
			      "map_program",
			      "map_memory",
			      "protect",
			      "socket_unix",
			      "connect",
			      "shutdown",
			      "speak",
			      "speak_to",
			      "pipe",
			      "event_poll",
			      "chdir",
			      "process_descriptor",
			      "signal_descriptor",
			      "limit_other",
			      "limit_self",
			      "outlive",
			      "filter",
			      "kill_thread"}},
	{"rx scan's program",
	 be_scanner,
	 {"write_log", "execve", "clone3", "map_program", "map_memory", "protect",
	  "socket_unix", "connect", "shutdown", "speak", "speak_to", "pipe", "event_poll",
	  "chdir"}},
	{"rx sink", be_sink, {"write_log"}},
	{"rx state", be_state, {"write_log"}},
	{"rx stream", be_stream, {"write_log"}},
};
const size_t stand_ins_rx_count = KM_COUNT(stand_ins_rx);
