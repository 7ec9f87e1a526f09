// SPDX-License-Identifier: ISC
#include <criterion/criterion.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "host.h"

static char dir[] = "/tmp/km-host-XXXXXX";

static void set_up(void)
{
	memcpy(dir + strlen(dir) - 6, "XXXXXX", 6);
	cr_assert_not_null(mkdtemp(dir));
}

static void tear_down(void)
{
	char command[128];

	(void)snprintf(command, sizeof(command), "rm -rf '%s'", dir);
	cr_assert_eq(system(command), 0);
}

static char *below(const char *name)
{
	static char path[256];

	(void)snprintf(path, sizeof(path), "%s/%s", dir, name);
	return path;
}

Test(host, names_that_are_safe_in_a_path)
{
	cr_assert(host_name_is_plain("eth0.100"));
	cr_assert(host_name_is_plain("a-b_C9"));
	cr_assert_not(host_name_is_plain(""));
	cr_assert_not(host_name_is_plain("."));
	cr_assert_not(host_name_is_plain("..") || host_name_is_plain("../x"));
	cr_assert_not(host_name_is_plain("a/b") || host_name_is_plain("a b"));
	cr_assert_not(host_name_is_plain("a\"b") || host_name_is_plain("a\nb"));
}

Test(host, interface_is_there_or_said_not_to_be)
{
	struct km_err err = KM_ERR_INIT;
	struct host_interface port;

	cr_assert_eq(host_find_interface("lo", &port, &err), 0);
	cr_assert(port.index > 0 && port.mtu >= 1280);
	cr_assert_eq(host_find_interface("km-none0", &port, &err), -1);
	cr_assert_eq(err.code, EX_UNAVAILABLE);
	cr_assert_eq(port.index, 0);
	cr_assert_not_null(strstr(err.text, "km-none0"));
	cr_assert_eq(host_find_interface("a-name-that-is-much-too-long", &port, &err), -1);
}

Test(host, memory_of_this_machine)
{
	uint64_t total = host_memory("MemTotal");

	cr_assert_gt(total, UINT64_C(1) << 24);
	cr_assert_leq(host_memory("MemAvailable"), total);
	cr_assert_eq(host_memory("Mem"), UINT64_MAX, "the whole name or nothing");
}

Test(host, counters_of_a_port)
{
	uint64_t value;
	int fd = host_open_counter("lo", "rx_packets");

	cr_assert_eq(host_open_counter("../../../etc", "passwd"), -1);
	cr_assert_not(host_read_counter(-1, &value));
	if (fd < 0)
		cr_skip_test("no /sys/class/net here");
	cr_assert(host_read_counter(fd, &value));
	cr_assert(host_read_counter(fd, &value), "again, from its start");
	(void)close(fd);
}

Test(host, directories_are_made_once, .init = set_up, .fini = tear_down)
{
	struct km_err err = KM_ERR_INIT;
	struct stat st;

	cr_assert_eq(host_make_dir(below("a/b/c"), 0700, 0, 0, &err), 0, "%s", err.text);
	cr_assert_eq(stat(below("a/b/c"), &st), 0);
	cr_assert_eq(st.st_mode & 07777, 0700);
	cr_assert_eq(host_make_dir(below("a/b/c"), 0755, 0, 0, &err), 0);
	cr_assert_eq(stat(below("a/b/c"), &st), 0);
	cr_assert_eq(st.st_mode & 07777, 0700, "one that is there keeps its mode");
	(void)close(creat(below("file"), 0600));
	cr_assert_eq(host_make_dir(below("file"), 0700, 0, 0, &err), -1);
	cr_assert_eq(host_make_dir(below("file/x"), 0700, 0, 0, &err), -1);
	cr_assert_eq(err.code, EX_CANTCREAT);
	cr_assert_eq(host_make_dir("relative", 0700, 0, 0, &err), -1);
}

Test(host, usable_directories, .init = set_up, .fini = tear_down)
{
	const char *why;
	size_t at;

	cr_assert(host_dir_usable(dir, &why, &at));
	cr_assert(host_dir_usable(below("x/y/z"), &why, &at),
		  "what is missing can be made");
	(void)close(creat(below("file"), 0600));
	cr_assert_not(host_dir_usable(below("file"), &why, &at));
	cr_assert_not(host_dir_usable(below("file/x"), &why, &at));
	cr_assert_not(host_dir_usable("/proc/km-none/x", &why, &at) &&
		      access("/proc", W_OK) != 0);
	cr_assert_not(host_dir_usable("", &why, &at));
}

/* The question must not take the lock, and the lock must die with its process. */
Test(host, one_daemon_per_directory, .init = set_up, .fini = tear_down)
{
	struct km_err err = KM_ERR_INIT;
	int ready[2], go[2], status;
	char byte = 0;
	pid_t child, pid;

	cr_assert_eq(pipe(ready), 0);
	cr_assert_eq(pipe(go), 0);
	cr_assert_not(host_is_running(dir, &pid));
	child = fork();
	if (child == 0) {
		int fd = host_lock_pid(dir, &err);

		if (fd < 0 || write(ready[1], &byte, 1) != 1 || read(go[0], &byte, 1) != 1)
			_exit(1);
		_exit(0);
	}
	cr_assert_eq(read(ready[0], &byte, 1), 1);
	cr_assert(host_is_running(dir, &pid));
	cr_assert(host_is_running(dir, &pid), "asking changes nothing");
	cr_assert_eq(pid, child);
	cr_assert_eq(host_lock_pid(dir, &err), -1);
	cr_assert_eq(err.code, EX_UNAVAILABLE);
	cr_assert_eq(write(go[1], &byte, 1), 1);
	cr_assert_eq(waitpid(child, &status, 0), child);
	cr_assert_eq(status, 0);
	cr_assert_not(host_is_running(dir, &pid));
	status = host_lock_pid(dir, &err);
	cr_assert_geq(status, 0, "%s", err.text);
	(void)close(status);
}

Test(host, sealed_bytes_stay_as_they_are)
{
	struct km_err err = KM_ERR_INIT;
	char *bytes;
	size_t len;
	int fd = host_seal_bytes("test", "hello", 5, &err);

	cr_assert_geq(fd, 0);
	cr_assert_eq(pwrite(fd, "j", 1, 0), -1);
	cr_assert_eq(ftruncate(fd, 1), -1);
	cr_assert_eq(host_read_sealed(fd, 4, &bytes, &len, &err), -1,
		     "larger than allowed");
	cr_assert_eq(host_read_sealed(fd, 5, &bytes, &len, &err), 0);
	cr_assert_eq(len, 5);
	cr_assert_str_eq(bytes, "hello");
	free(bytes);
	(void)close(fd);
	fd = open("/dev/null", O_RDONLY);
	cr_assert_eq(host_read_sealed(fd, 5, &bytes, &len, &err), -1, "not sealed memory");
	(void)close(fd);
}

Test(host, arguments)
{
	static char replay[] = "--replay", mtu[] = "--mtu", value[] = "9000",
		    last[] = "--intake";
	char *argv[] = {replay, mtu, value, last};

	cr_assert_str_eq(host_arg(4, argv, "--mtu"), "9000");
	cr_assert_null(host_arg(4, argv, "--intake"), "nothing behind it");
	cr_assert_null(host_arg(0, NULL, "--mtu"));
}
