// SPDX-License-Identifier: ISC
/* What is said of which host: each warning at its border, on either side of it. */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <string.h>

#include "rx_advise.h"

static struct rx_config config(void)
{
	return (struct rx_config){
		.interface = "eth7", .mtu = 1500, .ring_bytes = UINT64_C(64) << 20};
}

static struct host_facts good(void)
{
	return (struct host_facts){.up = 1,
				   .carrier = 1,
				   .speed_bps = UINT64_C(10000000000),
				   .spread = -1,
				   .governor = "performance",
				   .nic_ring = 4096,
				   .nic_ring_max = 8192};
}

static void one(const struct rx_config *c, const struct host_facts *f, enum event event,
		const char *text)
{
	struct advice_list list = {.n = 0};

	rx_advise(&list, c, f);
	cr_assert(eq(uint, list.n, 1), "%s", text);
	cr_assert(list.item[0].event == event, "%s: %s", text, list.item[0].text);
	cr_assert(strstr(list.item[0].text, text) != NULL, "%s not in: %s", text,
		  list.item[0].text);
}

static void none(const struct rx_config *c, const struct host_facts *f)
{
	struct advice_list list = {.n = 0};

	rx_advise(&list, c, f);
	cr_assert(eq(uint, list.n, 0), "%s", list.item[0].text);
}

Test(rx_advise, nothing_of_a_good_host_or_an_unknown_one)
{
	struct rx_config c = config();
	struct host_facts f = good(), unknown = HOST_FACTS_INIT;

	none(&c, &f);
	none(&c, &unknown);
	c.ring_bytes = 1 << 20;
	none(&c, &unknown);
}

Test(rx_advise, carrier_and_governor)
{
	struct rx_config c = config();
	struct host_facts f = good();

	f.carrier = 0;
	one(&c, &f, EVENT_TUNING_CARRIER, "no carrier");
	f.carrier = 1;
	strcpy(f.governor, "powersave");
	one(&c, &f, EVENT_TUNING_GOVERNOR, "`cpupower frequency-set -g performance`");
}

/* 20 ms of 10 Gbit/s are 25,000,000 bytes; 50 ms are 59.6 MiB. */
Test(rx_advise, a_short_ring)
{
	struct rx_config c = config();
	struct host_facts f = good();

	c.ring_bytes = 25000000;
	none(&c, &f);
	c.ring_bytes = 24999999;
	one(&c, &f, EVENT_TUNING_RING, "`ring = 60 MiB`");
	c.ring_bytes = UINT64_C(60) << 20;
	none(&c, &f);
	f.nic_ring_max = 0; /* that of 400 Gbit/s is another matter */
	f.nic_ring = 0;
	f.speed_bps = UINT64_C(400000000000);
	one(&c, &f, EVENT_TUNING_RING, "`ring = 2385 MiB`");
}

/* 2 ms of 10 Gbit/s at MTU 1,500 are 1,625 frames. */
Test(rx_advise, few_descriptors)
{
	struct rx_config c = config();
	struct host_facts f = good();

	f.nic_ring = 1625;
	none(&c, &f);
	f.nic_ring = 512;
	one(&c, &f, EVENT_TUNING_NIC_RING, "`ethtool -G eth7 rx 2048`");
	f.nic_ring_max = 1024;
	one(&c, &f, EVENT_TUNING_NIC_RING, "`ethtool -G eth7 rx 1024`");
	f.nic_ring = 1024; /* it has no more */
	none(&c, &f);
	f.nic_ring = 512;
	c.mtu = 9000; /* 276 frames */
	none(&c, &f);
	f.speed_bps = 0;
	one(&c, &f, EVENT_TUNING_NIC_RING, "`ethtool -G eth7 rx 1024`");
}

Test(rx_advise, frames_spread_over_cores)
{
	struct rx_config c = config();
	struct host_facts f = good();

	f.spread = 0;
	one(&c, &f, EVENT_TUNING_SPREAD,
	    "`echo 0 > /sys/class/net/eth7/queues/rx-0/rps_cpus`");
	f.spread = 3;
	one(&c, &f, EVENT_TUNING_SPREAD, "queues/rx-3/rps_cpus`");
}

Test(rx_advise, pause_into_the_diode)
{
	struct rx_config c = config();
	struct host_facts f = good();

	f.pause_rx = 1; /* tx's affair */
	none(&c, &f);
	f.pause_tx = 1;
	one(&c, &f, EVENT_TUNING_PAUSE, "`ethtool -A eth7 autoneg off rx off tx off`");
}
