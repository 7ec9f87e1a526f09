// SPDX-License-Identifier: ISC
#include "oneway_judge.h"

#include <string.h>

#define SECCOMP_FILTER 2

int oneway_scene_look(struct oneway_scene *scene, const char *interface, uint32_t index,
		      bool running, pid_t pid, struct km_err *err)
{
	memset(scene, 0, sizeof(*scene));
	scene->interface = interface;
	scene->index = index;
	scene->running = running;
	if (running)
		oneway_daemon_find(&scene->daemon, pid);
	if (scene->daemon.elsewhere)
		return km_err_set(err, EX_UNAVAILABLE,
				  "the daemon (pid %d) runs in another network namespace: "
				  "run this there, by `nsenter -n -t %d`",
				  (int)pid, (int)pid);
	scene->told = oneway_sockets_list(&scene->sockets) == 0 && !scene->sockets.more;
	return 0;
}

/* The next packet socket of ROLE at the port, from *at on; NULL: no more. */
static const struct oneway_socket *next_of(const struct oneway_scene *scene,
					   const struct oneway_role *role, unsigned *at)
{
	while (*at < scene->sockets.n) {
		const struct oneway_socket *s = &scene->sockets.socket[(*at)++];

		if (s->index == scene->index && s->pid == role->pid)
			return s;
	}
	return NULL;
}

static bool drops_all(const struct oneway_socket *s)
{
	return s->instructions == 1 && s->filter[0].code == (BPF_RET | BPF_K) &&
	       s->filter[0].k == 0;
}

static void judge_filter(struct oneway_report *report, const struct oneway_socket *s,
			 bool listens)
{
	const int locked = oneway_socket_locked(s);
	enum oneway_verdict verdict;

	if (!s->has_filter || (!listens && !drops_all(s)) || locked == 0)
		verdict = ONEWAY_FAIL;
	else
		verdict = locked < 0 ? ONEWAY_UNKNOWN : ONEWAY_PASS;
	oneway_add(report, "link-filter", verdict, "socket %u: %u instructions%s, %s",
		   s->inode, s->instructions,
		   drops_all(s) ? ", drop everything"
		   : listens	? ", choose frames"
				: ", DO NOT DROP EVERYTHING",
		   locked < 0 ? "cannot be asked whether locked"
		   : locked   ? "locked"
			      : "NOT LOCKED");
	oneway_by_hand(report, "ss -0 -e -b -p  (bpf filter of ino:%u)", s->inode);
}

void oneway_judge_link(struct oneway_report *report, const struct oneway_scene *scene,
		       const char *name, bool listens)
{
	const struct oneway_role *role = oneway_daemon_role(&scene->daemon, name);
	const struct oneway_socket *s;
	unsigned at = 0, found = 0;

	if (!scene->running || !scene->told || scene->sockets.hidden) {
		oneway_add(report, "link-socket", ONEWAY_UNKNOWN, "%s",
			   !scene->running ? "the daemon does not run"
			   : !scene->told  ? "the kernel does not list packet sockets"
					   : "only root sees who holds a socket");
		oneway_by_hand(report, "ss -0 -e -b -p; cat /proc/net/packet");
		return;
	}
	while (role && (s = next_of(scene, role, &at)) != NULL) {
		const bool good = listens ? !s->sends_by_ring : s->protocol == 0;

		found++;
		oneway_add(
			report, "link-socket", good ? ONEWAY_PASS : ONEWAY_FAIL,
			"%s, pid %d, descriptor %d, socket %u: protocol 0x%04x%s", name,
			(int)role->pid, s->fd, s->inode, s->protocol,
			listens ? (good ? ", no ring for sending" : ", A RING FOR SENDING")
			: s->protocol == 0 ? ", the kernel gives it nothing"
					   : ": IT HEARS");
		oneway_by_hand(
			report,
			"ls -l /proc/%d/fd/%d; cat /proc/net/packet  (Proto of Inode %u)",
			(int)role->pid, s->fd, s->inode);
		judge_filter(report, s, listens);
	}
	if (scene->xdp) {
		oneway_add(
			report, "af-xdp", ONEWAY_UNKNOWN,
			"%s carries frames by an AF_XDP socket, opened without a ring for "
			"%s; only a kernel with CONFIG_XDP_SOCKETS_DIAG shows its rings",
			name, listens ? "sending" : "receiving");
		oneway_by_hand(report, "ss --xdp -e -p");
	}
	if (found || (scene->xdp && listens))
		return;
	oneway_add(report, "link-socket", ONEWAY_FAIL, "%s holds no packet socket at %s",
		   name, scene->interface);
	oneway_by_hand(report, "ss -0 -e -b -p; cat /proc/net/packet");
}

void oneway_judge_others(struct oneway_report *report, const struct oneway_scene *scene,
			 bool listeners)
{
	const struct oneway_socket *first = NULL;
	unsigned n = 0;

	for (unsigned i = 0; i < scene->sockets.n; i++) {
		const struct oneway_socket *s = &scene->sockets.socket[i];

		if ((s->index != scene->index && s->index != 0) ||
		    oneway_daemon_has(&scene->daemon, s->pid) ||
		    (listeners && s->protocol == 0))
			continue;
		if (n++ == 0)
			first = s;
	}
	if (!scene->told || (scene->sockets.hidden && n > 0))
		oneway_add(report, "others", ONEWAY_UNKNOWN, "%s",
			   scene->told ? "only root sees who holds a socket"
				       : "the kernel does not list packet sockets");
	else if (n == 0)
		oneway_add(report, "others", ONEWAY_PASS,
			   "no other program has a packet socket at %s", scene->interface);
	else
		oneway_add(report, "others", ONEWAY_FAIL,
			   "%u packet sockets of others at %s, first of %s, pid %d: %s", n,
			   scene->interface, first->pid ? first->name : "?",
			   (int)first->pid, listeners ? "it listens" : "it could send");
	oneway_by_hand(report, "ss -0 -e -p");
}

void oneway_judge_calls(struct oneway_report *report, const struct oneway_scene *scene,
			const char *name, const char *calls)
{
	const struct oneway_role *role = oneway_daemon_role(&scene->daemon, name);

	if (!role || role->seccomp < 0)
		oneway_add(report, "system-calls", ONEWAY_UNKNOWN,
			   "%s: no such role now, or /proc does not tell", name);
	else
		oneway_add(report, "system-calls",
			   role->seccomp == SECCOMP_FILTER ? ONEWAY_PASS : ONEWAY_FAIL,
			   "%s, pid %d: %s", name, (int)role->pid,
			   role->seccomp == SECCOMP_FILTER
				   ? "behind a filter of system calls"
				   : "no filter of system calls");
	oneway_by_hand(report, "grep Seccomp: /proc/%d/status  (2)",
		       role ? (int)role->pid : 0);
	oneway_add(
		report, "code", ONEWAY_NOTE,
		"the code of %s links no %s, as the lint of the build looks; the program "
		"as a whole does, for its other roles",
		name, calls);
	oneway_by_hand(report, "scripts/test, or `nm -u` of that library in a build");
}
