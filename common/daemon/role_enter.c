// SPDX-License-Identifier: ISC
/* The role's side: prove who started us, give up rights, handshake. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "clock.h"
#include "log.h"
#include "role.h"
#include "role_msg.h"

/* The hello is in the socket before the role exists; more than this is a bug. */
#define ROLE_HELLO_NS (10 * CLOCK_NS_PER_SEC)

bool role_wanted(int argc, char **argv)
{
	return argc >= 2 && strcmp(argv[1], ROLE_OPTION) == 0;
}

static int role_socket_option(int option)
{
	socklen_t len = sizeof(int);
	int value = -1;

	if (getsockopt(ROLE_CONTROL_FD, SOL_SOCKET, option, &value, &len) != 0)
		return -1;
	return value;
}

/* True when descriptor 3 is a message socket whose other end our parent made. */
static bool role_has_supervisor(void)
{
	struct ucred peer = {0};
	socklen_t len = sizeof(peer);

	if (role_socket_option(SO_DOMAIN) != AF_UNIX ||
	    role_socket_option(SO_TYPE) != SOCK_SEQPACKET)
		return false;
	if (getsockopt(ROLE_CONTROL_FD, SOL_SOCKET, SO_PEERCRED, &peer, &len) != 0)
		return false;
	return peer.pid == getppid();
}

static int role_take_hello(const char *name, struct role_hello *hello, struct km_err *err)
{
	static const struct ipc_type rows[] = {
		{.type = ROLE_MSG_HELLO,
		 .size = sizeof(struct role_hello),
		 .name = "hello"},
	};
	static const struct ipc_table table = {rows, KM_COUNT(rows)};
	struct ipc_msg msg;
	enum km_rc rc;

	rc = ipc_recv(ROLE_CONTROL_FD, &table, &msg, clock_mono_ns() + ROLE_HELLO_NS);
	if (rc != KM_OK)
		return km_err_set(err, EX_SOFTWARE, "role %s: no hello: %s", name,
				  km_rc_name(rc));
	memcpy(hello, msg.body, sizeof(*hello));
	hello->name[sizeof(hello->name) - 1] = '\0';
	if (strcmp(hello->name, name) != 0)
		return km_err_set(err, EX_SOFTWARE, "role %s: hello is for another", name);
	return 0;
}

int role_enter(int argc, char **argv, struct role_ctx *ctx, struct km_err *err)
{
	struct sandbox_plan plan;
	struct role_hello hello = {0};
	const char *name;

	memset(ctx, 0, sizeof(*ctx));
	ctx->control = -1;
	if (argc < 3 || !role_wanted(argc, argv) || strlen(argv[2]) >= ROLE_NAME_MAX)
		return km_err_set(err, EX_USAGE, "%s is for the daemon itself",
				  ROLE_OPTION);
	name = argv[2];
	if (!role_has_supervisor())
		return km_err_set(err, EX_USAGE,
				  "role %s: not started by the daemon; use the run command",
				  name);
	if (role_take_hello(name, &hello, err) != 0)
		return -1;
	(void)snprintf(ctx->name, sizeof(ctx->name), "%s", name);
	ctx->control = ROLE_CONTROL_FD;
	ctx->argc = argc - 3;
	ctx->argv = argv + 3;
	log_init(name);
	log_set_level(hello.log_level);
	log_set_prefix(hello.log_prefix);
	(void)prctl(PR_SET_NAME, name, 0, 0, 0);
	if (fcntl(ROLE_CONTROL_FD, F_SETFD, FD_CLOEXEC) != 0)
		return km_err_set_errno(err, EX_OSERR, "role %s: control socket", name);
	plan = (struct sandbox_plan){.uid = hello.uid,
				     .gid = hello.gid,
				     .keep_caps = hello.keep_caps,
				     .death_signal = hello.death_signal};
	if (sandbox_apply(&plan, &ctx->sandbox, err) != 0)
		return km_err_prefix(err, "role %s: giving up rights", name);
	/* a change of uid clears the death signal for a moment: look once more */
	if (!role_has_supervisor())
		return km_err_set(err, EX_TEMPFAIL, "role %s: the supervisor has gone",
				  name);
	return 0;
}

int role_cage(struct role_ctx *ctx, const struct cage *cage, struct km_err *err)
{
	char stamp[CLOCK_TEXT_MAX];

	/* the first use reads the time zone's file */
	(void)clock_format(clock_real_ns(), stamp);
	ctx->cage = cage;
	if (cage_close_files(cage, &ctx->sandbox.cage, err) != 0)
		return km_err_prefix(err, "role %s", ctx->name);
	return 0;
}

int role_ready(struct role_ctx *ctx, const char *extra, struct km_err *err)
{
	static const struct ipc_type rows[] = {
		{.type = ROLE_MSG_GO, .size = 0, .name = "go"},
		ROLE_IPC_STOP_ROW,
	};
	static const struct ipc_table table = {rows, KM_COUNT(rows)};
	struct role_ready_msg ready;
	struct ipc_msg msg;
	size_t used;
	enum km_rc rc;

	if (!ctx->cage)
		return km_err_set(err, EX_SOFTWARE, "role %s: has no cage", ctx->name);
	memset(&ready, 0, sizeof(ready));
	/* the set-up may have dropped more since role_enter() */
	sandbox_observe(&ctx->sandbox);
	if (cage_close_calls(ctx->cage, &ctx->sandbox.cage, err) != 0)
		return km_err_prefix(err, "role %s", ctx->name);
	(void)sandbox_describe(&ctx->sandbox, ready.text, sizeof(ready.text));
	used = strlen(ready.text);
	if (extra)
		(void)snprintf(ready.text + used, sizeof(ready.text) - used, "; %s", extra);
	if (!sandbox_complete(&ctx->sandbox))
		log_event(EVENT_SANDBOX_DEGRADED, "not all walls stand: %s", ready.text);
	rc = ipc_send(ctx->control, ROLE_MSG_READY, &ready, sizeof(ready), NULL, 0,
		      clock_mono_ns() + ROLE_HELLO_NS);
	if (rc == KM_OK)
		rc = ipc_recv(ctx->control, &table, &msg, CLOCK_NEVER);
	if (rc != KM_OK)
		return km_err_set(err, rc == KM_ERR_CLOSED ? 0 : EX_SOFTWARE,
				  "role %s: no go: %s", ctx->name, km_rc_name(rc));
	if (role_note_control(&msg))
		return km_err_set(err, 0, "role %s: stopped before work", ctx->name);
	return cage_close_voice(ctx->cage, &ctx->sandbox.cage, err);
}

bool role_note_control(const struct ipc_msg *msg)
{
	return msg->type == ROLE_MSG_STOP;
}

void role_beat_in(struct role_ctx *ctx, _Atomic uint64_t *cell)
{
	ctx->beat = cell;
}

static void role_beat(struct role_ctx *ctx)
{
	/* a thread of its own has it: nobody else counts there */
	if (ctx->beat)
		atomic_store_explicit(
			ctx->beat,
			atomic_load_explicit(ctx->beat, memory_order_relaxed) + 1,
			memory_order_relaxed);
}

bool role_stop_requested(struct role_ctx *ctx)
{
	static const struct ipc_type rows[] = {ROLE_IPC_STOP_ROW};
	static const struct ipc_table table = {rows, KM_COUNT(rows)};
	struct ipc_msg msg;

	role_beat(ctx);
	/* stop, supervisor gone, or nonsense from it: in each case there is no more work */
	return ipc_recv(ctx->control, &table, &msg, 0) != KM_ERR_EMPTY;
}

enum role_word role_listen(struct role_ctx *ctx)
{
	static const struct ipc_type rows[] = {
		ROLE_IPC_STOP_ROW,
		{.type = ROLE_MSG_RENEW, .size = 0, .name = "renew"},
	};
	static const struct ipc_table table = {rows, KM_COUNT(rows)};
	struct ipc_msg msg;

	role_beat(ctx);
	switch (ipc_recv(ctx->control, &table, &msg, 0)) {
	case KM_ERR_EMPTY:
		return ROLE_WORD_NONE;
	case KM_OK:
		return role_note_control(&msg) ? ROLE_WORD_STOP : ROLE_WORD_RENEW;
	default:
		return ROLE_WORD_STOP;
	}
}
