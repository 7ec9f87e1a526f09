// SPDX-License-Identifier: ISC
/* What is said of which host: each warning at its border, on either side of it, and the line it
 * gives, typed, silences it. */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdlib.h>
#include <string.h>

#include "tx_advise.h"

static struct tx_config config(void)
{
	return (struct tx_config){
		.interface = "eth7", .mtu = 1500, .rate_bps = UINT64_C(1000000000)};
}

/* A host with nothing to complain of. */
static struct host_facts good(void)
{
	return (struct host_facts){.up = 1,
				   .carrier = 1,
				   .speed_bps = UINT64_C(10000000000),
				   .tx_queue_len = 1000,
				   .wmem_max = 4 << 20,
				   .spread = -1,
				   .governor = "performance",
				   .pause_rx = 0,
				   .pause_tx = 0};
}

static struct advice_list said(const struct tx_config *c, const struct host_facts *f)
{
	struct advice_list list = {.n = 0};

	tx_advise(&list, c, f);
	return list;
}

/* Exactly one warning, of this id and with this in it. */
static void one(const struct tx_config *c, const struct host_facts *f, enum event event,
		const char *text)
{
	struct advice_list list = said(c, f);

	cr_assert(eq(uint, list.n, 1), "%s", text);
	cr_assert(list.item[0].event == event, "%s: %s", text, list.item[0].text);
	cr_assert(strstr(list.item[0].text, text) != NULL, "%s not in: %s", text,
		  list.item[0].text);
	cr_assert(strchr(list.item[0].text, '`') != NULL);
}

static void none(const struct tx_config *c, const struct host_facts *f)
{
	struct advice_list list = said(c, f);

	cr_assert(eq(uint, list.n, 0), "%s", list.item[0].text);
}

Test(tx_advise, nothing_of_a_good_host_or_an_unknown_one)
{
	struct tx_config c = config();
	struct host_facts f = good(), unknown = HOST_FACTS_INIT;

	none(&c, &f);
	none(&c, &unknown);
	c.mtu = 9000;
	c.rate_bps = UINT64_C(400000000000);
	none(&c, &unknown);
}

Test(tx_advise, carrier)
{
	struct tx_config c = config();
	struct host_facts f = good();

	f.carrier = 0;
	one(&c, &f, EVENT_TUNING_CARRIER, "`ethtool -s eth7 autoneg off`");
	f.carrier = -1;
	f.up = 0;
	one(&c, &f, EVENT_TUNING_CARRIER, "`ip link set dev eth7 up`");
}

Test(tx_advise, governor)
{
	struct tx_config c = config();
	struct host_facts f = good();

	strcpy(f.governor, "powersave");
	one(&c, &f, EVENT_TUNING_GOVERNOR, "`cpupower frequency-set -g performance`");
	strcpy(f.governor, "schedutil");
	none(&c, &f);
}

Test(tx_advise, pause_that_could_stop_tx)
{
	struct tx_config c = config();
	struct host_facts f = good();

	f.pause_tx = 1; /* rx's affair */
	none(&c, &f);
	f.pause_rx = 1;
	one(&c, &f, EVENT_TUNING_PAUSE, "`ethtool -A eth7 autoneg off rx off tx off`");
}

/* 1,514 of the 1,538 bytes that a frame takes on the wire count. */
Test(tx_advise, rate_above_the_interface)
{
	struct tx_config c = config();
	struct host_facts f = good();

	f.speed_bps = UINT64_C(1000000000);
	c.rate_bps = 984000000;
	none(&c, &f);
	c.rate_bps = 985000000;
	one(&c, &f, EVENT_TUNING_RATE, "`rate = 875 Mbit/s`");
	c.rate_bps = 875000000;
	none(&c, &f);
	cr_assert(c.rate_bps + c.rate_bps / 8 <= 984395318);
}

Test(tx_advise, buffer_below_what_the_rate_needs)
{
	struct tx_config c = config();
	struct host_facts f = good();

	c.mtu = 9000;
	c.rate_bps = UINT64_C(8000000000); /* 200,000 bytes in 0.2 ms */
	f.wmem_max = 200000;
	none(&c, &f);
	f.wmem_max = 199999;
	one(&c, &f, EVENT_TUNING_BUFFER, "`sysctl -w net.core.wmem_max=1000000`");
	f.wmem_max = 1000000;
	none(&c, &f);
	c.send_buffer = 150000; /* wanted so */
	none(&c, &f);
}

Test(tx_advise, queue_shorter_than_the_buffer)
{
	struct tx_config c = config();
	struct host_facts f = good();

	f.tx_queue_len = 93; /* frames of 1,514 + 768 bytes in 212,992 */
	none(&c, &f);
	f.tx_queue_len = 92;
	one(&c, &f, EVENT_TUNING_QUEUE, "`ip link set dev eth7 txqueuelen 1000`");
	f.tx_queue_len = 1000;
	f.wmem_max = UINT64_C(1) << 30;
	c.send_buffer = 64 << 20;
	one(&c, &f, EVENT_TUNING_QUEUE, "`ip link set dev eth7 txqueuelen 30000`");
	f.tx_queue_len = 30000;
	none(&c, &f);
	f.tx_queue_len = 1000;
	f.wmem_max = 2 << 20; /* the kernel gives no more */
	none(&c, &f);
}

Test(tx_advise, all_at_once)
{
	struct tx_config c = config();
	struct host_facts f = good();
	struct advice_list list;

	c.mtu = 9000;
	c.rate_bps = UINT64_C(20000000000);
	f.carrier = 0;
	strcpy(f.governor, "powersave");
	f.pause_rx = 1;
	f.wmem_max = 212992;
	f.tx_queue_len = 3;
	list = said(&c, &f);
	cr_assert(eq(uint, list.n, 6));
	for (unsigned i = 0; i < 2 * ADVICE_MAX; i++)
		advice_add(&list, EVENT_DEBUG, "full");
	cr_assert(eq(uint, list.n, ADVICE_MAX));
}

/* As `check` prints it. */
Test(tx_advise, printed)
{
	struct tx_config c = config();
	struct host_facts f = good();
	struct advice_list list;
	char *text = NULL;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	f.up = 0;
	list = said(&c, &f);
	advice_print(&list, out);
	cr_assert_eq(fclose(out), 0);
	cr_assert_str_eq(text, "warning: tuning.carrier: interface eth7 is down: nothing "
			       "passes; type `ip link set dev eth7 up`\n");
	free(text);
}
