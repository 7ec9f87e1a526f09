// SPDX-License-Identifier: ISC
#include "rx_advise.h"

#include <inttypes.h>

#define MIB (UINT64_C(1) << 20)

static void advise_ring(struct advice_list *list, const struct rx_config *config,
			const struct host_facts *facts)
{
	/* in us, so that 400 Gbit/s fit */
	uint64_t bytes_per_s = facts->speed_bps / 8;
	uint64_t least = bytes_per_s / 1000000 * (RX_ADVISE_RING_LEAST_NS / 1000);
	uint64_t enough = bytes_per_s / 1000000 * (RX_ADVISE_RING_NS / 1000);

	if (config->ring_bytes >= least)
		return;
	advice_add(list, EVENT_TUNING_RING,
		   "the receive ring holds %" PRIu64
		   " ms of interface %s's speed: a delay of the scheduler overruns it; set "
		   "`ring = %" PRIu64 " MiB`",
		   config->ring_bytes / (bytes_per_s / 1000), config->interface,
		   (enough + MIB - 1) / MIB);
}

static void advise_nic_ring(struct advice_list *list, const struct rx_config *config,
			    const struct host_facts *facts)
{
	uint64_t frames = advice_frames_per_s(facts->speed_bps, config->mtu,
					      rx_config_link_header_len(config)) *
			  (RX_ADVISE_NIC_NS / 1000) / 1000000;
	uint32_t want = facts->nic_ring_max;

	if (facts->nic_ring == 0 || facts->nic_ring >= facts->nic_ring_max)
		return;
	if (facts->speed_bps != 0) {
		if (facts->nic_ring >= frames)
			return;
		/* more than needed only costs cache */
		while (want / 2 >= frames && want / 2 > facts->nic_ring)
			want /= 2;
	}
	advice_add(
		list, EVENT_TUNING_NIC_RING,
		"interface %s has %" PRIu32 " receive descriptors of %" PRIu32
		": it drops frames when its interrupt has to wait; type `ethtool -G %s rx "
		"%" PRIu32 "`",
		config->interface, facts->nic_ring, facts->nic_ring_max, config->interface,
		want);
}

static void advise_spread(struct advice_list *list, const struct rx_config *config,
			  const struct host_facts *facts)
{
	if (facts->spread < 0)
		return;
	advice_add(
		list, EVENT_TUNING_SPREAD,
		"interface %s passes frames to other cores (RPS), by queues that overflow: "
		"one link gains nothing by it; type `echo 0 > "
		"/sys/class/net/%s/queues/rx-%d/rps_cpus`",
		config->interface, config->interface, facts->spread);
}

static void advise_pause(struct advice_list *list, const struct rx_config *config,
			 const struct host_facts *facts)
{
	if (facts->pause_tx != 1)
		return;
	advice_add(list, EVENT_TUNING_PAUSE,
		   "interface %s sends pause frames when it is full, into the diode; type "
		   "`ethtool -A %s autoneg off rx off tx off`",
		   config->interface, config->interface);
}

void rx_advise(struct advice_list *list, const struct rx_config *config,
	       const struct host_facts *facts)
{
	advice_common(list, facts, config->interface);
	advise_ring(list, config, facts);
	advise_nic_ring(list, config, facts);
	advise_spread(list, config, facts);
	advise_pause(list, config, facts);
}

void rx_advise_host(struct advice_list *list, const struct rx_config *config)
{
	struct host_facts facts = HOST_FACTS_INIT;

	host_facts_files(&facts, "", config->interface);
	host_facts_nic(&facts, config->interface);
	rx_advise(list, config, &facts);
}
