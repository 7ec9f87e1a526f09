// SPDX-License-Identifier: ISC
#include "host_facts.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "km_err.h"

#define FACT_PATH_MAX 1024
#define FACT_TEXT_MAX 4096 /* a mask of processors is the longest */
#define QUEUES_MAX 1024u
#define PROCESSORS_MAX 4096u

/* One small file without its newline. False: not there, or not to be read. */
static bool fact_text(char text[FACT_TEXT_MAX], const char *root, const char *fmt, ...)
	KM_PRINTF(3, 4);
static bool fact_text(char text[FACT_TEXT_MAX], const char *root, const char *fmt, ...)
{
	char path[FACT_PATH_MAX];
	_cleanup_close_ int fd = -1;
	va_list args;
	ssize_t n;
	int used = snprintf(path, sizeof(path), "%s", root);

	va_start(args, fmt);
	used += vsnprintf(path + used, sizeof(path) - (size_t)used, fmt, args);
	va_end(args);
	if (used < 0 || (size_t)used >= sizeof(path))
		return false;
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	n = read(fd, text, FACT_TEXT_MAX - 1);
	if (n <= 0)
		return false;
	text[n] = '\0';
	text[strcspn(text, "\n")] = '\0';
	return true;
}

static bool number_of(const char *text, int base, uint64_t *value)
{
	char *end;

	/* the speed of an interface that does not know it is -1 */
	if (text[0] == '-')
		return false;
	errno = 0;
	*value = strtoull(text, &end, base);
	return errno == 0 && end != text && *end == '\0';
}

static void facts_spread(struct host_facts *facts, const char *root, const char *interface)
{
	char text[FACT_TEXT_MAX];

	for (unsigned i = 0; i < QUEUES_MAX; i++) {
		if (!fact_text(text, root, "/sys/class/net/%s/queues/rx-%u/rps_cpus",
			       interface, i))
			return;
		/* 00000000,00000003 */
		if (text[strspn(text, "0,")] == '\0')
			continue;
		facts->spread = (int)i;
		return;
	}
}

static void facts_governor(struct host_facts *facts, const char *root)
{
	char text[FACT_TEXT_MAX];

	for (unsigned i = 0; i < PROCESSORS_MAX; i++) {
		if (!fact_text(text, root,
			       "/sys/devices/system/cpu/cpu%u/cpufreq/scaling_governor", i))
			return;
		(void)snprintf(facts->governor, sizeof(facts->governor), "%.31s", text);
		if (strcmp(text, "powersave") == 0)
			return;
	}
}

void host_facts_files(struct host_facts *facts, const char *root, const char *interface)
{
	char text[FACT_TEXT_MAX];
	uint64_t value;

	/* 0x1003 */
	if (fact_text(text, root, "/sys/class/net/%s/flags", interface) &&
	    number_of(text, 16, &value)) {
		facts->flags = (uint32_t)value;
		facts->up = (value & IFF_UP) != 0;
	}
	/* EINVAL while it is down */
	if (fact_text(text, root, "/sys/class/net/%s/carrier", interface) &&
	    number_of(text, 10, &value))
		facts->carrier = value != 0;
	if (fact_text(text, root, "/sys/class/net/%s/speed", interface) &&
	    number_of(text, 10, &value) && value < UINT64_C(100000000))
		facts->speed_bps = value * 1000000;
	if (fact_text(text, root, "/sys/class/net/%s/tx_queue_len", interface) &&
	    number_of(text, 10, &value))
		facts->tx_queue_len = value;
	if (fact_text(text, root, "/proc/sys/net/core/wmem_max") &&
	    number_of(text, 10, &value))
		facts->wmem_max = value;
	facts_spread(facts, root, interface);
	facts_governor(facts, root);
}

static bool ask_driver(int fd, const char *interface, void *command)
{
	struct ifreq request = {.ifr_data = command};

	(void)snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", interface);
	return ioctl(fd, SIOCETHTOOL, &request) == 0;
}

void host_facts_nic(struct host_facts *facts, const char *interface)
{
	struct ethtool_pauseparam pause = {.cmd = ETHTOOL_GPAUSEPARAM};
	struct ethtool_ringparam ring = {.cmd = ETHTOOL_GRINGPARAM};
	_cleanup_close_ int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || strlen(interface) >= IF_NAMESIZE)
		return;
	if (ask_driver(fd, interface, &pause)) {
		facts->pause_rx = pause.rx_pause != 0;
		facts->pause_tx = pause.tx_pause != 0;
	}
	if (ask_driver(fd, interface, &ring)) {
		facts->nic_ring = ring.rx_pending;
		facts->nic_ring_max = ring.rx_max_pending;
	}
}
