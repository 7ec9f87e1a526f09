// SPDX-License-Identifier: ISC
/* How host and interface are set. */
#include <ifaddrs.h>
#include <inttypes.h>
#include <net/if.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "host.h"
#include "host_facts.h"
#include "oneway.h"

#define PATH_LEN 1024
#define LINE_LEN 512

static void look_at_addresses(struct oneway_report *report, const char *interface)
{
	struct ifaddrs *all;
	unsigned v4 = 0, v6 = 0;

	if (getifaddrs(&all) != 0) {
		oneway_add(report, "addresses", ONEWAY_UNKNOWN, "the kernel does not tell");
	} else {
		for (const struct ifaddrs *a = all; a; a = a->ifa_next) {
			if (!a->ifa_addr || strcmp(a->ifa_name, interface) != 0)
				continue;
			v4 += a->ifa_addr->sa_family == AF_INET;
			v6 += a->ifa_addr->sa_family == AF_INET6;
		}
		freeifaddrs(all);
		oneway_add(report, "addresses", v4 + v6 ? ONEWAY_FAIL : ONEWAY_PASS,
			   "%u IPv4 and %u IPv6 addresses on %s%s", v4, v6, interface,
			   v4 + v6 ? ": this host answers by them; take them off" : "");
	}
	oneway_by_hand(report, "ip address show dev %s", interface);
}

static void look_at_ipv6(struct oneway_report *report, const char *root,
			 const char *interface)
{
	char path[PATH_LEN];
	FILE *file;
	int on;

	(void)snprintf(path, sizeof(path), "%s/proc/sys/net/ipv6/conf/%s/disable_ipv6",
		       root, interface);
	file = fopen(path, "re");
	if (!file) {
		(void)snprintf(path, sizeof(path), "%s/proc/sys/net/core", root);
		if (access(path, X_OK) == 0)
			oneway_add(report, "ipv6", ONEWAY_PASS, "the kernel has no IPv6");
		else
			oneway_add(report, "ipv6", ONEWAY_UNKNOWN,
				   "/proc/sys is not there");
	} else {
		on = fgetc(file);
		(void)fclose(file);
		if (on == '1')
			oneway_add(report, "ipv6", ONEWAY_PASS, "disabled on %s",
				   interface);
		else
			oneway_add(
				report, "ipv6", ONEWAY_FAIL,
				"enabled on %s, which then speaks unasked; type `sysctl -w "
				"net.ipv6.conf.%s.disable_ipv6=1`",
				interface, interface);
	}
	oneway_by_hand(report, "sysctl net.ipv6.conf.%s.disable_ipv6", interface);
}

static void look_at_flags(struct oneway_report *report, uint32_t flags,
			  const char *interface, bool listening)
{
	if (flags == 0) {
		oneway_add(report, "arp", ONEWAY_UNKNOWN, "/sys does not tell the flags");
	} else if (flags & IFF_NOARP) {
		oneway_add(report, "arp", ONEWAY_PASS, "off (NOARP)");
	} else {
		oneway_add(report, "arp", ONEWAY_FAIL,
			   "on: %s answers and asks; type `ip link set dev %s arp off`",
			   interface, interface);
	}
	oneway_by_hand(report, "ip link show dev %s  (NOARP)", interface);
	if (!listening)
		return;
	if (flags == 0)
		oneway_add(report, "promiscuous", ONEWAY_UNKNOWN,
			   "/sys does not tell the flags");
	else
		oneway_add(report, "promiscuous",
			   flags & IFF_PROMISC ? ONEWAY_FAIL : ONEWAY_PASS, "%s",
			   flags & IFF_PROMISC
				   ? "on: a program on this host listens at the port"
				   : "off: nobody here wants to hear what is not ours");
	oneway_by_hand(report, "ip -d link show dev %s  (promiscuity 0)", interface);
}

/* What every interface has while it is up, and never reports: 224.0.0.1, ff02::1. */
static bool is_given(const char *address)
{
	return strcmp(address, "01005e000001") == 0 || strcmp(address, "333300000001") == 0;
}

static void look_at_multicast(struct oneway_report *report, const char *root,
			      const char *interface, uint32_t flags)
{
	char path[PATH_LEN], line[LINE_LEN], name[IF_NAMESIZE], address[65], first[65] = "";
	unsigned joined = 0;
	FILE *file;

	(void)snprintf(path, sizeof(path), "%s/proc/net/dev_mcast", root);
	file = fopen(path, "re");
	while (file && fgets(line, sizeof(line), file)) {
		/* 3    link0           1     0     01005e000001 */
		if (sscanf(line, "%*u %15s %*u %*u %64s", name, address) != 2 ||
		    strcmp(name, interface) != 0 || is_given(address))
			continue;
		if (joined++ == 0)
			(void)snprintf(first, sizeof(first), "%s", address);
	}
	if (!file || flags == 0)
		oneway_add(report, "multicast", ONEWAY_UNKNOWN,
			   "/proc or /sys does not tell");
	else if (joined)
		oneway_add(report, "multicast", ONEWAY_FAIL,
			   "%u groups joined, first %s: something here takes part", joined,
			   first);
	else if (flags & IFF_MULTICAST)
		oneway_add(report, "multicast", ONEWAY_FAIL,
			   "on, no group joined yet; type `ip link set dev %s multicast "
			   "off`",
			   interface);
	else
		oneway_add(report, "multicast", ONEWAY_PASS, "off, no group joined");
	oneway_by_hand(report, "ip maddress show dev %s; ip link show dev %s  (MULTICAST)",
		       interface, interface);
	if (file)
		(void)fclose(file);
}

void oneway_look_at_host(struct oneway_report *report, const char *root,
			 const char *interface, bool listening)
{
	struct host_facts facts = HOST_FACTS_INIT;

	host_facts_files(&facts, root, interface);
	look_at_addresses(report, interface);
	look_at_ipv6(report, root, interface);
	look_at_flags(report, facts.flags, interface, listening);
	look_at_multicast(report, root, interface, facts.flags);
}

static const char *word(int known)
{
	return known < 0 ? "unknown" : known ? "on" : "off";
}

void oneway_look_at_nic(struct oneway_report *report, const char *root,
			const char *interface)
{
	struct host_facts facts = HOST_FACTS_INIT;
	char path[PATH_LEN];
	struct stat st;

	host_facts_files(&facts, root, interface);
	host_facts_nic(&facts, interface);
	(void)snprintf(path, sizeof(path), "%s/sys/class/net/%s/device", root, interface);
	if (facts.pause_rx == 1 || facts.pause_tx == 1)
		oneway_add(
			report, "pause", ONEWAY_FAIL,
			"Ethernet flow control: receive %s, send %s: the NIC itself speaks "
			"and obeys; type `ethtool -A %s autoneg off rx off tx off`",
			word(facts.pause_rx), word(facts.pause_tx), interface);
	else if (facts.pause_rx == 0 && facts.pause_tx == 0)
		oneway_add(report, "pause", ONEWAY_PASS, "Ethernet flow control is off");
	else if (stat(path, &st) != 0)
		oneway_add(report, "pause", ONEWAY_NOTE,
			   "%s is not a NIC, it has no flow control", interface);
	else
		oneway_add(report, "pause", ONEWAY_UNKNOWN,
			   "the driver does not tell about Ethernet flow control");
	oneway_by_hand(report, "ethtool -a %s", interface);
	oneway_add(
		report, "carrier", ONEWAY_NOTE,
		"%s; a NIC that only transmits sees light only if some comes back, unless "
		"its driver was told not to wait for it",
		facts.carrier < 0 ? "unknown"
		: facts.carrier	  ? "up"
				  : "none");
	oneway_by_hand(report, "ethtool %s", interface);
}

void oneway_look_at_counter(struct oneway_report *report, const char *interface,
			    const char *counter, const char *what, uint64_t since)
{
	_cleanup_close_ int fd = host_open_counter(interface, counter);
	uint64_t ever = 0;

	if (!host_read_counter(fd, &ever))
		oneway_add(report, "counter", ONEWAY_UNKNOWN, "%s cannot be read", counter);
	else if (since == UINT64_MAX)
		oneway_add(report, "counter", ONEWAY_UNKNOWN,
			   "the daemon does not run; the interface %s %" PRIu64
			   " frames since it exists",
			   what, ever);
	else
		oneway_add(report, "counter", since ? ONEWAY_FAIL : ONEWAY_PASS,
			   "the interface %s %" PRIu64
			   " frames since the daemon started, %" PRIu64 " since it exists",
			   what, since, ever);
	oneway_by_hand(report, "cat /sys/class/net/%s/statistics/%s  (twice)", interface,
		       counter);
}
