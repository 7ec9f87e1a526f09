// SPDX-License-Identifier: ISC
/* What the configuration says of channels of kind state. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "rx_probe.h"
#include "rx_table.h"

#define HEAD "[receiver]\ninterface = lo\ntrust = /t.pub\n"
#define STATE(name, number, more)                                                          \
	"[channel " name "]\nnumber = " number "\nkind = state\nowner = o\n"               \
	"purpose = p\nclassification = c\n" more "\n"

static struct rx_config c;

/* What is said against it; "": nothing. */
static const char *refusal(const char *text)
{
	static char lines[8192];
	FILE *out = fmemopen(lines, sizeof(lines), "w");
	int rc;

	lines[0] = '\0';
	rc = rx_config_load(&c, text, strlen(text), "r.conf", out);

	(void)fclose(out);
	cr_assert_eq(rc == 0, lines[0] == '\0');
	return lines;
}

Test(rx_state_conf, defaults_are_those_of_the_design)
{
	cr_assert_str_eq(refusal(HEAD STATE("s", "9", "deliver = /run/s")), "");
	cr_assert_eq(c.live[0].kind, RX_KIND_STATE);
	cr_assert_eq(c.live[0].socket_mode, 0660);
	cr_assert_eq(c.live[0].stale_ns, UINT64_C(30000000000));
	cr_assert_eq(c.live[0].max_keys, 10000);
	cr_assert_eq(c.live[0].max_table, 64u << 20);
	cr_assert_eq(c.live[0].file_every_ns, 1000000000);
	cr_assert_str_eq(c.live[0].file, "");
	cr_assert_str_eq(refusal(HEAD STATE("s", "9", "file = /run/board/s")), "");
	cr_assert_eq(c.live[0].deliver.kind, LOCAL_END_NONE);
	cr_assert_eq(c.live[0].file_mode, 0644);
}

static void refused(const char *text, const char *why)
{
	const char *lines = refusal(text);

	cr_assert(strstr(lines, why), "%s", lines);
}

Test(rx_state_conf, what_cannot_be_is_refused)
{
	refused(HEAD STATE("s", "9", ""), "needs the key deliver, file, or both");
	refused(HEAD STATE("s", "9", "deliver = 0.0.0.0:5000"), "neither an IPv4 address");
	refused(HEAD STATE("s", "9", "deliver = fifo:/run/s"), "no use for a FIFO");
	refused(HEAD STATE("s", "9", "deliver = /run/s\nsocket_mode = 7777"), "is no mode");
	refused(HEAD STATE("s", "8", "deliver = /run/s")
			STATE("t", "9", "deliver = /run/s"),
		"channel s has it already");
	refused(HEAD STATE("s", "8", "file = /run/s") STATE("t", "9", "file = /run/s"),
		"channel s has it already");
	refused(HEAD STATE("a", "1", "file = /a") STATE("b", "2", "file = /b")
			STATE("c", "3", "file = /c") STATE("d", "4", "file = /d")
				STATE("e", "5", "file = /e") STATE("f", "6", "file = /f")
					STATE("g", "7", "file = /g"),
		"at most 6 channels of kind state");
}

/* An address of ours: what counts is the interface that has it. */
Test(rx_state_conf, nobody_is_served_at_the_diode_port)
{
	char interface[16];

	cr_assert_str_eq(refusal(HEAD STATE("s", "9", "deliver = 127.0.0.9:5000")), "");
	cr_assert_eq(rx_probe_deliver(&c.live[0], "lo", interface), RX_DELIVER_DIODE);
	cr_assert_str_eq(interface, "lo");
	cr_assert_eq(rx_probe_deliver(&c.live[0], "enp1s0", interface), RX_DELIVER_OK);
}

Test(rx_state_conf, its_memory_is_in_the_sum)
{
	struct rx_memory small, large;

	cr_assert_str_eq(refusal(HEAD "mtu = 9000\n" STATE("s", "9",
							   "file = /a\nmax_table = 1 MiB")),
			 "");
	rx_probe_memory(&c, &small);
	cr_assert_str_eq(refusal(HEAD "mtu = 9000\n" STATE("s", "9",
							   "file = /a\nmax_table = 9 MiB")),
			 "");
	rx_probe_memory(&c, &large);
	cr_assert_eq(large.total - small.total, 8u << 20);
}
