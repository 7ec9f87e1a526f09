// SPDX-License-Identifier: ISC
#include "tx_advise.h"

#include <inttypes.h>

/* Of what the sender asks for, what the kernel gives. */
static uint64_t buffer_given(const struct tx_config *config, const struct host_facts *facts)
{
	uint64_t wanted = tx_config_send_buffer(config);

	return facts->wmem_max != 0 && facts->wmem_max < wanted ? facts->wmem_max : wanted;
}

static void advise_rate(struct advice_list *list, const struct tx_config *config,
			const struct host_facts *facts)
{
	uint32_t header = tx_config_link_header_len(config);
	uint64_t most_bps = advice_frames_per_s(facts->speed_bps, config->mtu, header) *
			    (config->mtu + header) * 8;

	if (facts->speed_bps == 0 || config->rate_bps <= most_bps)
		return;
	/* by the eighth at which the sender makes good what it missed */
	advice_add(
		list, EVENT_TUNING_RATE,
		"rate is %" PRIu64 " Mbit/s and interface %s carries %" PRIu64
		" at this MTU: nothing is paced, and what is missed cannot be made good; "
		"set `rate = %" PRIu64 " Mbit/s`",
		config->rate_bps / 1000000, config->interface, most_bps / 1000000,
		most_bps / 9 * 8 / 1000000);
}

static void advise_buffer(struct advice_list *list, const struct tx_config *config,
			  const struct host_facts *facts)
{
	uint64_t wanted = tx_config_send_buffer(config),
		 given = buffer_given(config, facts);
	uint64_t needed = config->rate_bps / 8 * TX_ADVISE_BUFFER_NS / 1000000000;

	if (given >= wanted || given >= needed)
		return;
	advice_add(
		list, EVENT_TUNING_BUFFER,
		"the send buffer gets %" PRIu64 " of %" PRIu64
		" bytes, less than 0.2 ms of the rate: the link idles whenever the device "
		"is slow to answer; type `sysctl -w net.core.wmem_max=%" PRIu64 "`",
		given, wanted, wanted);
}

static void advise_queue(struct advice_list *list, const struct tx_config *config,
			 const struct host_facts *facts)
{
	uint64_t frame = config->mtu + tx_config_link_header_len(config);
	uint64_t out = buffer_given(config, facts) / (frame + TX_ADVISE_OVERHEAD);
	uint64_t length = 1000;

	if (facts->tx_queue_len == 0 || out <= facts->tx_queue_len)
		return;
	while (length < out)
		length += 1000;
	advice_add(list, EVENT_TUNING_QUEUE,
		   "the send buffer lets out %" PRIu64
		   " frames and the queue of interface %s has room for %" PRIu64
		   ": the rest is refused or lost; type `ip link set dev %s txqueuelen "
		   "%" PRIu64 "`",
		   out, config->interface, facts->tx_queue_len, config->interface, length);
}

static void advise_pause(struct advice_list *list, const struct tx_config *config,
			 const struct host_facts *facts)
{
	if (facts->pause_rx != 1)
		return;
	advice_add(
		list, EVENT_TUNING_PAUSE,
		"interface %s obeys pause frames: a device in between could stop tx, and "
		"that is a way back; type `ethtool -A %s autoneg off rx off tx off`",
		config->interface, config->interface);
}

void tx_advise(struct advice_list *list, const struct tx_config *config,
	       const struct host_facts *facts)
{
	advice_common(list, facts, config->interface);
	advise_rate(list, config, facts);
	advise_buffer(list, config, facts);
	advise_queue(list, config, facts);
	advise_pause(list, config, facts);
}

void tx_advise_host(struct advice_list *list, const struct tx_config *config)
{
	struct host_facts facts = HOST_FACTS_INIT;

	host_facts_files(&facts, "", config->interface);
	host_facts_nic(&facts, config->interface);
	tx_advise(list, config, &facts);
}
