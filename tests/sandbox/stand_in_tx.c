// SPDX-License-Identifier: ISC
#include <stdio.h>

#include "inlet_cage.h"
#include "lane.h"
#include "sender_cage.h"
#include "signer_cage.h"
#include "source_cage.h"
#include "stand_in.h"
#include "tx_state_cage.h"

static struct tx_config config;
static char neighbour[TX_PATH_LEN + 16];

/* The link socket has whatever number is free in the role. */
#define SENDER_LINK 12

static void be_source(const char *directory, struct target *target, struct cage *cage)
{
	(void)snprintf(config.state_dir, sizeof(config.state_dir), "%s/state", directory);
	(void)snprintf(config.channel[0].name, sizeof(config.channel[0].name), "files");
	(void)snprintf(config.channel[0].spool, sizeof(config.channel[0].spool), "%s/spool",
		       directory);
	config.channels = 1;
	(void)stand_in_directory(directory, "state");
	(void)stand_in_directory(config.state_dir, "requests");
	(void)stand_in_directory(config.state_dir, "files");
	(void)stand_in_directory(config.state_dir, "signer");
	(void)snprintf(neighbour, sizeof(neighbour), "%s/signer/mine", config.state_dir);
	target->neighbour = neighbour;
	target->spool_dir = stand_in_directory(directory, "spool");
	target->read_only = stand_in_memory(TX_FD_CONFIG);
	stand_in_pair(TX_FD_SIGN);
	source_cage(cage, &config);
}

static void be_signer(const char *directory, struct target *target, struct cage *cage)
{
	int epoch = stand_in_directory(directory, "signer");

	target->read_only = stand_in_memory(TX_FD_CONFIG);
	stand_in_pair(TX_FD_SIGN);
	signer_cage(cage, &config, epoch);
}

static void be_sender(const char *directory, struct target *target, struct cage *cage)
{
	(void)directory;
	target->read_only = stand_in_memory(TX_FD_LANE_SLOTS);
	target->link = stand_in_link(SENDER_LINK);
	sender_cage(cage, &config, SENDER_LINK, -1);
}

static void be_state(const char *directory, struct target *target, struct cage *cage)
{
	(void)directory;
	target->read_only = stand_in_memory(TX_FD_CONFIG);
	/* one too many, such as a mistake of the supervisor would give it */
	target->link = stand_in_link(SENDER_LINK);
	config.live[0].kind = TX_KIND_STATE;
	config.lives = 1;
	stand_in_pair(TX_FD_LISTEN);
	stand_in_pair(TX_FD_FEED);
	tx_state_cage(cage, &config);
}

static void be_stream(const char *directory, struct target *target, struct cage *cage)
{
	(void)directory;
	config.lives = 1;
	config.live[0].kind = TX_KIND_STREAM;
	target->read_only = stand_in_memory(TX_FD_CONFIG);
	/* one too many, such as a mistake of the supervisor would give it */
	target->link = stand_in_link(SENDER_LINK);
	stand_in_pair(TX_FD_FEED);
	inlet_cage(cage, &config);
}

const struct stand_in stand_ins_tx[] = {
	{"tx source", be_source, {"write_log"}},
	{"tx signer", be_signer, {"write_log"}},
	{"tx sender, load", be_sender, {"write_log", "link_sendmmsg"}},
	{"tx state", be_state, {"write_log"}},
	{"tx stream", be_stream, {"write_log"}},
};
const size_t stand_ins_tx_count = KM_COUNT(stand_ins_tx);
