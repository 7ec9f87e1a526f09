// SPDX-License-Identifier: ISC
/* What the configuration says of channels of kind state. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "tx_config.h"

#define HEAD "[transmitter]\nreceivers = /r.pub\ninterface = lo\n"
#define STATE(name, number, more)                                                          \
	"[channel " name "]\nnumber = " number "\nkind = state\nowner = o\n"               \
	"purpose = p\nclassification = c\nlisten = /run/" name "\n" more "\n"

static struct tx_config c;

/* What is said against it; "": nothing. */
static const char *refusal(const char *text)
{
	static char lines[8192];
	FILE *out = fmemopen(lines, sizeof(lines), "w");
	int rc;

	lines[0] = '\0';
	rc = tx_config_load(&c, text, strlen(text), "t.conf", out);

	(void)fclose(out);
	cr_assert_eq(rc == 0, lines[0] == '\0');
	return lines;
}

Test(tx_state_conf, defaults_are_those_of_the_design)
{
	cr_assert_str_eq(refusal(HEAD STATE("s", "9", "")), "");
	cr_assert_eq(c.live[0].kind, TX_KIND_STATE);
	cr_assert(tx_kind_has_role(TX_KIND_STATE));
	cr_assert_eq(c.live[0].refresh_ns, UINT64_C(10000000000));
	cr_assert_eq(c.live[0].max_keys, 10000);
	cr_assert_eq(c.live[0].max_table, 64u << 20);
}

Test(tx_state_conf, what_cannot_be_is_refused)
{
	const char *lines = refusal(HEAD STATE("s", "9", "max_size = 13"));

	cr_assert(strstr(lines, "no key fits"), "%s", lines);
	lines = refusal(HEAD STATE("a", "1", "") STATE("b", "2", "") STATE("c", "3", "")
				STATE("d", "4", "") STATE("e", "5", "") STATE("f", "6", "")
					STATE("g", "7", ""));
	cr_assert(strstr(lines, "at most 6 channels of kind state"), "%s", lines);
}
