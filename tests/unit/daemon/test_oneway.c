// SPDX-License-Identifier: ISC
/* The report, and what the files of a host say, from a tree of our own. */
#include <criterion/criterion.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "oneway.h"
#include "oneway_netlink.h"

static struct oneway_report report;
static char root[64];

static void begin(void)
{
	strcpy(root, "/tmp/km-oneway-XXXXXX");
	cr_assert(mkdtemp(root) != NULL);
	memset(&report, 0, sizeof(report));
}

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *where)
{
	(void)st;
	(void)kind;
	(void)where;
	return remove(path);
}

static void end(void)
{
	cr_assert_eq(nftw(root, remove_one, 16, FTW_DEPTH | FTW_PHYS), 0);
}

TestSuite(oneway, .init = begin, .fini = end);

static void put(const char *path, const char *text)
{
	char full[512];
	FILE *f;

	snprintf(full, sizeof(full), "%s%s", root, path);
	for (char *at = strchr(full + strlen(root) + 1, '/'); at;
	     at = strchr(at + 1, '/')) {
		*at = '\0';
		(void)mkdir(full, 0755);
		*at = '/';
	}
	f = fopen(full, "w");
	cr_assert(f != NULL, "%s", full);
	cr_assert(fputs(text, f) >= 0);
	cr_assert_eq(fclose(f), 0);
}

static void expect(const char *id, enum oneway_verdict verdict)
{
	report.n = 0;
	oneway_look_at_host(&report, root, "eth7", true);
	for (unsigned i = 0; i < report.n; i++) {
		if (strcmp(report.line[i].id, id) != 0)
			continue;
		cr_assert_eq(report.line[i].verdict, verdict, "%s: %s", id,
			     report.line[i].found);
		return;
	}
	cr_assert(false, "no line %s", id);
}

Test(oneway, what_cannot_be_read_is_unknown)
{
	expect("ipv6", ONEWAY_UNKNOWN);
	expect("arp", ONEWAY_UNKNOWN);
	expect("promiscuous", ONEWAY_UNKNOWN);
	expect("multicast", ONEWAY_UNKNOWN);
	cr_assert_eq(oneway_exit_code(&report), EX_UNAVAILABLE);
}

Test(oneway, ipv6)
{
	put("/proc/sys/net/core/x", "");
	expect("ipv6", ONEWAY_PASS);
	put("/proc/sys/net/ipv6/conf/eth7/disable_ipv6", "0\n");
	expect("ipv6", ONEWAY_FAIL);
	put("/proc/sys/net/ipv6/conf/eth7/disable_ipv6", "1\n");
	expect("ipv6", ONEWAY_PASS);
}

Test(oneway, flags)
{
	put("/sys/class/net/eth7/flags", "0x1003\n");
	put("/proc/net/dev_mcast", "");
	expect("arp", ONEWAY_FAIL);
	expect("multicast", ONEWAY_FAIL);
	expect("promiscuous", ONEWAY_PASS);
	put("/sys/class/net/eth7/flags", "0x183\n");
	expect("arp", ONEWAY_PASS);
	expect("multicast", ONEWAY_PASS);
	expect("promiscuous", ONEWAY_FAIL);
}

Test(oneway, groups)
{
	put("/sys/class/net/eth7/flags", "0x83\n");
	put("/proc/net/dev_mcast", "3    eth7            1     0     333300000001\n"
				   "3    eth7            1     0     01005e000001\n"
				   "4    eth70           1     0     0180c200000e\n");
	expect("multicast", ONEWAY_PASS);
	put("/proc/net/dev_mcast", "3    eth7            1     0     01005e000001\n"
				   "3    eth7            1     0     01005e0000fb\n");
	expect("multicast", ONEWAY_FAIL);
}

Test(oneway, the_worst_line_decides)
{
	cr_assert_eq(oneway_exit_code(&report), EX_OK);
	oneway_add(&report, "a", ONEWAY_PASS, "x");
	oneway_add(&report, "b", ONEWAY_NOTE, "x");
	cr_assert_eq(oneway_exit_code(&report), EX_OK);
	oneway_add(&report, "c", ONEWAY_UNKNOWN, "x");
	cr_assert_eq(oneway_exit_code(&report), EX_UNAVAILABLE);
	oneway_add(&report, "d", ONEWAY_FAIL, "x");
	oneway_add(&report, "e", ONEWAY_UNKNOWN, "x");
	cr_assert_eq(oneway_exit_code(&report), EX_DATAERR);
	for (unsigned i = 0; i < 2 * ONEWAY_MAX; i++)
		oneway_add(&report, "f", ONEWAY_PASS, "x");
	cr_assert_eq(report.n, ONEWAY_MAX);
}

/* Every cut of a list, and lengths that lie, end the list; nothing beyond it is read. */
Test(oneway, attributes_are_checked)
{
	const struct nlattr one = {.nla_len = 8, .nla_type = 1},
			    two = {.nla_len = 6, .nla_type = 2};
	const uint8_t value[4] = {1, 2, 3, 4};
	uint8_t whole[16] = {0};
	size_t got;

	memcpy(whole, &one, 4);
	memcpy(whole + 4, value, 4);
	memcpy(whole + 8, &two, 4);
	memcpy(whole + 12, value, 2);
	for (size_t n = 0; n <= sizeof(whole); n++) {
		uint8_t *cut = malloc(n ? n : 1);

		memcpy(cut, whole, n);
		cr_assert_eq(oneway_netlink_find(cut, n, 1, 4, &got) != NULL, n >= 8);
		cr_assert_eq(oneway_netlink_find(cut, n, 2, 2, &got) != NULL, n >= 14);
		cr_assert_null(oneway_netlink_find(cut, n, 2, 3, &got));
		cr_assert_null(oneway_netlink_find(cut, n, 3, 1, &got));
		free(cut);
	}
	whole[0] = 3; /* shorter than itself */
	cr_assert_null(oneway_netlink_find(whole, sizeof(whole), 2, 1, &got));
	whole[0] = 255;
	cr_assert_null(oneway_netlink_find(whole, sizeof(whole), 1, 1, &got));
}
