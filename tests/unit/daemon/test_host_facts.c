// SPDX-License-Identifier: ISC
/* Facts from a tree of our own in the place of /sys and /proc. */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "host_facts.h"

static char root[64];

static void make_root(void)
{
	strcpy(root, "/tmp/km-facts-XXXXXX");
	cr_assert(mkdtemp(root) != NULL);
}

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *where)
{
	(void)st;
	(void)kind;
	(void)where;
	return remove(path);
}

static void remove_root(void)
{
	cr_assert_eq(nftw(root, remove_one, 16, FTW_DEPTH | FTW_PHYS), 0);
}

TestSuite(host_facts, .init = make_root, .fini = remove_root);

/* ROOT/PATH with this text, and what is missing above it. */
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

static struct host_facts facts(void)
{
	struct host_facts f = HOST_FACTS_INIT;

	host_facts_files(&f, root, "eth7");
	return f;
}

Test(host_facts, nothing_there)
{
	struct host_facts f = facts(), unknown = HOST_FACTS_INIT;

	cr_assert_eq(memcmp(&f, &unknown, sizeof(f)), 0);
}

Test(host_facts, all_there)
{
	struct host_facts f;

	put("/sys/class/net/eth7/flags", "0x1003\n");
	put("/sys/class/net/eth7/carrier", "1\n");
	put("/sys/class/net/eth7/speed", "25000\n");
	put("/sys/class/net/eth7/tx_queue_len", "1000\n");
	put("/proc/sys/net/core/wmem_max", "212992\n");
	put("/sys/class/net/eth7/queues/rx-0/rps_cpus", "00000000,00000000\n");
	put("/sys/class/net/eth7/queues/rx-1/rps_cpus", "00000000,00000002\n");
	put("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor", "performance\n");
	put("/sys/devices/system/cpu/cpu1/cpufreq/scaling_governor", "powersave\n");
	put("/sys/devices/system/cpu/cpu2/cpufreq/scaling_governor", "schedutil\n");
	f = facts();
	cr_assert(eq(int, f.up, 1));
	cr_assert(eq(int, f.carrier, 1));
	cr_assert(eq(u64, f.speed_bps, UINT64_C(25000000000)));
	cr_assert(eq(u64, f.tx_queue_len, 1000));
	cr_assert(eq(u64, f.wmem_max, 212992));
	cr_assert(eq(int, f.spread, 1));
	cr_assert_str_eq(f.governor, "powersave");
}

Test(host_facts, down_and_without_carrier)
{
	struct host_facts f;

	put("/sys/class/net/eth7/flags", "0x1002\n");
	put("/sys/class/net/eth7/carrier", "0\n");
	put("/sys/class/net/eth7/speed", "-1\n");
	f = facts();
	cr_assert(eq(int, f.up, 0));
	cr_assert(eq(int, f.carrier, 0));
	cr_assert(eq(u64, f.speed_bps, 0));
}

Test(host_facts, nonsense_is_unknown)
{
	struct host_facts f, unknown = HOST_FACTS_INIT;

	put("/sys/class/net/eth7/flags", "up\n");
	put("/sys/class/net/eth7/carrier", "");
	put("/sys/class/net/eth7/speed", "18446744073709551615\n");
	put("/sys/class/net/eth7/tx_queue_len", "1000 frames\n");
	put("/proc/sys/net/core/wmem_max", "99999999999999999999999\n");
	f = facts();
	cr_assert_eq(memcmp(&f, &unknown, sizeof(f)), 0);
}

/* The loopback has no pause frames and no descriptors, and no interface has none either. */
Test(host_facts, a_driver_that_does_not_tell)
{
	struct host_facts f = HOST_FACTS_INIT, unknown = HOST_FACTS_INIT;

	host_facts_nic(&f, "lo");
	cr_assert_eq(memcmp(&f, &unknown, sizeof(f)), 0);
	host_facts_nic(&f, "there-is-no-such-interface");
	cr_assert_eq(memcmp(&f, &unknown, sizeof(f)), 0);
}
