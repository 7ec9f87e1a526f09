// SPDX-License-Identifier: ISC
/* oneway_judge.h: what oneway.h says of sockets and roles (oneway_sockets.h), on both sides. */
#ifndef ONEWAY_JUDGE_H
#define ONEWAY_JUDGE_H

#include "oneway.h"
#include "oneway_sockets.h"

/* What one look at a host found, to be judged line by line. */
struct oneway_scene {
	const char *interface;
	uint32_t index; /* of the interface */
	bool told;	/* sockets holds what the kernel says */
	bool running;	/* daemon is there */
	bool xdp;	/* it says that it uses AF_XDP */
	struct oneway_sockets sockets;
	struct oneway_daemon daemon;
};

/* PID: of the daemon, where RUNNING. -1: it runs in another network namespace. */
KM_MUST_CHECK int oneway_scene_look(struct oneway_scene *scene, const char *interface,
				    uint32_t index, bool running, pid_t pid,
				    struct km_err *err);

/*
 * Lines "link-socket" and "link-filter" of a socket that is to hear nothing: protocol 0, and a
 * locked filter that drops everything; or, LISTENS, of sockets that only receive: no ring for
 * sending, and a locked filter. ROLE holds them. With AF_XDP also "af-xdp".
 */
void oneway_judge_link(struct oneway_report *report, const struct oneway_scene *scene,
		       const char *role, bool listens);

/* Line "others": packet sockets at the port, or at every interface, of anybody else; where
 * LISTENERS only count (tx), those with a protocol. */
void oneway_judge_others(struct oneway_report *report, const struct oneway_scene *scene,
			 bool listeners);

/* Line "system-calls": whether ROLE stands behind a filter of system calls. CALLS: those that
 * are not linked into its code, by the build's own test. */
void oneway_judge_calls(struct oneway_report *report, const struct oneway_scene *scene,
			const char *role, const char *calls);

#endif
