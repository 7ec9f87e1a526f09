// SPDX-License-Identifier: ISC
/* katamichi-rx: options -> subcommand; or, started again by the supervisor, one role. */
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <pcap/pcap.h>
#include <sodium.h>

#include "capture.h"
#include "decode.h"
#include "digest_many.h"
#include "fec.h"
#include "keeper.h"
#include "listen.h"
#include "log.h"
#include "publish.h"
#include "release.h"
#include "role.h"
#include "rx_commands.h"
#include "rx_state_role.h"
#include "scan_role.h"
#include "sink_role.h"
#include "stream_role.h"

#define OPTION(field_, name_, kind_, ...)                                                  \
	{                                                                                  \
		.name = (name_), .type = (kind_),                                          \
		.offset = offsetof(struct rx_options, field_), __VA_ARGS__                 \
	}

#define OPTION_CONFIG                                                                      \
	OPTION(config, "config", OPT_STRING, .short_name = 'c', .metavar = "FILE",         \
	       .help = "Configuration file (default " RX_CONFIG_PATH ").")

#define OPTION_CHANNEL                                                                     \
	OPTION(channel, "channel", OPT_STRING, .metavar = "NAME",                          \
	       .help = "Only this channel (default: every one).")

static const struct opt_row run_rows[] = {OPTION_CONFIG};

static const struct opt_row check_rows[] = {
	OPTION_CONFIG,
	OPTION(offline, "offline", OPT_FLAG,
	       .help = "Judge the file alone, not this machine's interface, directories "
		       "and "
		       "keys."),
	OPTION(dump, "dump", OPT_FLAG,
	       .help = "Print the effective value of every key and where it comes from."),
	OPTION(list_keys, "list-keys", OPT_FLAG,
	       .help = "Print every key with type, default and what is allowed; reads no "
		       "file."),
};

static const struct opt_row keygen_rows[] = {
	OPTION(key, "key", OPT_STRING, .metavar = "FILE", .required = true,
	       .help = "Where the new secret key goes, mode 0600; never over an existing "
		       "file."),
	OPTION(public_key, "public", OPT_STRING, .metavar = "FILE",
	       .help = "Where the public key goes (default: the same name ending in "
		       ".pub)."),
	OPTION(passphrase, "passphrase", OPT_FLAG,
	       .help = "Put the secret key under a passphrase, asked for at the terminal."),
	OPTION(passphrase_file, "passphrase-file", OPT_STRING, .metavar = "FILE",
	       .help = "The same with the first line of FILE as the passphrase."),
	OPTION(expires, "expires", OPT_STRING, .metavar = "DAY",
	       .help = "Last day of the key, as 2028-11-28 or as a number of days: "
		       "warnings "
		       "come before, and nothing stops at it."),
	OPTION(environment, "environment", OPT_U64, .metavar = "N", .min = 1, .max = 65535,
	       .help = "The key serves in environment N only (default: in any)."),
	OPTION(owner, "owner", OPT_STRING, .metavar = "USER",
	       .help = "Whose the files are: the user of the configuration (default: who "
		       "calls)."),
};

static const struct opt_row keys_rows[] = {
	OPTION_CONFIG,
	OPTION(action, "action", OPT_STRING, .metavar = "list|passphrase",
	       .positional = true, .required = true,
	       .help = "list: every key of the configuration. passphrase: put a secret key "
		       "under another passphrase, or a first one; the key stays the same."),
	OPTION(key, "key", OPT_STRING, .metavar = "FILE",
	       .help = "passphrase: the secret key (default: that of the configuration)."),
	OPTION(old_passphrase_file, "old-passphrase-file", OPT_STRING, .metavar = "FILE",
	       .help = "passphrase: the first line of FILE is the present one (default: it "
		       "is "
		       "asked for at the terminal)."),
	OPTION(passphrase_file, "passphrase-file", OPT_STRING, .metavar = "FILE",
	       .help = "passphrase: the first line of FILE is the new one (default: it is "
		       "asked for, twice)."),
	OPTION(remove, "remove", OPT_FLAG,
	       .help = "passphrase: take it off; the secret key is then readable as it "
		       "stands."),
};

static const struct opt_row status_rows[] = {
	OPTION_CONFIG,
	OPTION(json, "json", OPT_FLAG, .help = "One JSON object instead of text."),
	OPTION(all, "all", OPT_FLAG, .help = "Print every counter of every role as well."),
};

static const struct opt_row verify_rows[] = {OPTION_CONFIG, OPTION_CHANNEL};
static const struct opt_row missing_rows[] = {OPTION_CONFIG, OPTION_CHANNEL};

static const struct opt_row replay_rows[] = {
	OPTION_CONFIG,
	OPTION(into, "into", OPT_STRING, .metavar = "DIR", .required = true,
	       .help = "Empty or new directory for what is found: state and one tree per "
		       "channel. The live state is neither read nor written."),
	OPTION(mtu, "mtu", OPT_U64, .metavar = "BYTES", .min = WIRE_MTU_MIN,
	       .max = WIRE_MTU_MAX,
	       .help = "Largest frame in the file, after its Ethernet header (default: mtu "
		       "of "
		       "the configuration, else the interface's, else 9000)."),
	OPTION(capture, "capture", OPT_STRING, .metavar = "CAPTURE", .positional = true,
	       .required = true,
	       .help = "File in pcap or pcapng format, as tcpdump writes it."),
};

static const struct opt_row accept_rows[] = {
	OPTION_CONFIG,
	OPTION(fingerprint, "fingerprint", OPT_STRING, .metavar = "FINGERPRINT",
	       .positional = true, .required = true,
	       .help = "Of the transmitter's key, as session.refused names it."),
	OPTION(epoch, "epoch", OPT_U64, .metavar = "EPOCH", .positional = true,
	       .required = true, .min = 1, .max = UINT64_MAX,
	       .help = "Of the session to let in, from the same line."),
};

static const struct opt_row quarantine_rows[] = {
	OPTION_CONFIG,
	OPTION(action, "action", OPT_STRING, .metavar = "list|release", .positional = true,
	       .required = true,
	       .help = "list: what was refused, with the reason. release: publish OBJECT "
		       "after all, once its digest is found right again."),
	OPTION(channel, "channel", OPT_STRING, .metavar = "CHANNEL", .positional = true,
	       .help = "A files channel (list: default every one)."),
	OPTION(object, "object", OPT_STRING, .metavar = "OBJECT", .positional = true,
	       .help = "CHAIN-NUMBER, as list prints it."),
	OPTION(reason, "reason", OPT_STRING, .metavar = "TEXT",
	       .help = "Why it is released, for the log; release needs it."),
	OPTION(wait_s, "wait", OPT_U64, .metavar = "SECONDS", .max = 86400,
	       .help = "How long release waits for the answer (default 30)."),
};

static const struct opt_row oneway_rows[] = {
	OPTION_CONFIG,
	OPTION(json, "json", OPT_FLAG, .help = "One JSON object instead of text."),
};

static const struct opt_row linktest_rows[] = {
	OPTION_CONFIG,
	OPTION(wait_s, "wait", OPT_U64, .metavar = "SECONDS", .max = 86400,
	       .help = "Give up when no test frame has come for so long (default: wait "
		       "until interrupted)."),
	OPTION(json_file, "json", OPT_STRING, .metavar = "FILE",
	       .help = "Write steps, lost ranges and the proposal as JSON too."),
	OPTION(svg_file, "svg", OPT_STRING, .metavar = "FILE",
	       .help = "Write the plot as an SVG picture too."),
};

static const struct opt_row install_rows[] = {
	OPTION(manifest, "manifest", OPT_STRING, .metavar = "FILE",
	       .help = "Manifest of the release, its signature beside it in FILE.minisig "
		       "(default " RELEASE_MANIFEST_PATH " below the root)."),
	OPTION(release_key, "key", OPT_STRING, .metavar = "KEY",
	       .help = "Public key of the releases: a file, or its base64 line "
		       "(default " RELEASE_KEY_PATH ")."),
	OPTION(root, "root", OPT_STRING, .metavar = "DIR",
	       .help = "Look at the tree below DIR (default: /)."),
};

enum {
	CMD_RUN,
	CMD_CHECK,
	CMD_KEYGEN,
	CMD_KEYS,
	CMD_STATUS,
	CMD_VERIFY,
	CMD_MISSING,
	CMD_REPLAY,
	CMD_ACCEPT,
	CMD_QUARANTINE,
	CMD_LINKTEST,
	CMD_ONEWAY,
	CMD_INSTALL
};

#define COMMAND(name_, help_, rows_, id_)                                                  \
	{                                                                                  \
		name_, help_, rows_, KM_COUNT(rows_), id_                                  \
	}
static const struct opt_cmd commands[] = {
	COMMAND("run", "Run the receiver in the foreground.", run_rows, CMD_RUN),
	COMMAND("check", "Judge a configuration, line by line.", check_rows, CMD_CHECK),
	COMMAND("keygen", "Make the key of this receiver.", keygen_rows, CMD_KEYGEN),
	COMMAND("keys", "List the keys in use; change the passphrase of one.", keys_rows,
		CMD_KEYS),
	COMMAND("status", "Show what came, what was lost and repaired.", status_rows,
		CMD_STATUS),
	COMMAND("verify", "Walk signatures, chain and published files.", verify_rows,
		CMD_VERIFY),
	COMMAND("missing", "Name what is missing and print tickets.", missing_rows,
		CMD_MISSING),
	COMMAND("replay", "Decode a recorded link into a directory.", replay_rows,
		CMD_REPLAY),
	COMMAND("accept-session", "Let in a session whose epoch is far from our clock.",
		accept_rows, CMD_ACCEPT),
	COMMAND("quarantine", "Show what was refused, release an object of it.",
		quarantine_rows, CMD_QUARANTINE),
	COMMAND("linktest", "Hear a link test, print losses and propose settings.",
		linktest_rows, CMD_LINKTEST),
	COMMAND("oneway-check", "Show the evidence that nothing leaves by the port.",
		oneway_rows, CMD_ONEWAY),
	COMMAND("verify-install",
		"Compare what is installed with the signed manifest of the release.",
		install_rows, CMD_INSTALL),
};

static int (*const functions[])(const struct rx_options *) = {
	[CMD_RUN] = cmd_run,
	[CMD_CHECK] = cmd_check,
	[CMD_KEYGEN] = cmd_keygen,
	[CMD_KEYS] = cmd_keys,
	[CMD_STATUS] = cmd_status,
	[CMD_VERIFY] = cmd_verify,
	[CMD_MISSING] = cmd_missing,
	[CMD_REPLAY] = cmd_replay,
	[CMD_ACCEPT] = cmd_accept,
	[CMD_QUARANTINE] = cmd_quarantine,
	[CMD_LINKTEST] = cmd_linktest,
	[CMD_ONEWAY] = cmd_oneway,
	[CMD_INSTALL] = cmd_verify_install,
};

static void print_version(FILE *out)
{
	struct fec_choice choice = {.kernel = FEC_KERNEL_AUTO};
	struct digest_choice digest;
	struct utsname host;
	char cage[96];

	(void)fprintf(out, "katamichi-rx %s\n", KATAMICHI_VERSION);
	(void)fprintf(out, "build: %s, gcc-compatible %s, wire version %u\n",
		      KATAMICHI_BUILDTYPE, __VERSION__, WIRE_VERSION);
	if (fec_init(FEC_KERNEL_AUTO, &choice) == FEC_OK)
		(void)fprintf(out, "fec kernel: %s\n", choice.why);
	if (digest_init(DIGEST_KERNEL_AUTO, &digest) == KM_OK)
		(void)fprintf(out, "digest kernels: %s\n", digest.why);
	(void)fprintf(out, "libsodium: %s, %s\n", sodium_version_string(),
		      pcap_lib_version());
	(void)fprintf(out, "sandbox: %s\n", cage_describe_kernel(cage, sizeof(cage)));
	if (uname(&host) == 0)
		(void)fprintf(out, "host: %s %s %s\n", host.sysname, host.release,
			      host.machine);
}

static const struct opt_prog program = {
	.name = "katamichi-rx",
	.summary =
		"The receiver of a data diode: opens, repairs, verifies and publishes what "
		"comes over a link that carries nothing back.",
	.cmds = commands,
	.n_cmds = KM_COUNT(commands),
	.version = print_version,
	.footer = "Manual: katamichi-rx(8), katamichi.conf(5).",
};

static int run_role(int argc, char **argv)
{
	struct km_err err = KM_ERR_INIT;
	struct role_ctx ctx;

	if (role_enter(argc, argv, &ctx, &err) != 0) {
		(void)fprintf(stderr, "katamichi-rx: %s\n", err.text);
		return err.code ? err.code : EX_SOFTWARE;
	}
	if (strcmp(ctx.name, "capture") == 0)
		return capture_main(&ctx);
	if (strcmp(ctx.name, "keeper") == 0)
		return keeper_main(&ctx);
	if (strcmp(ctx.name, "decode") == 0)
		return decode_main(&ctx);
	if (strcmp(ctx.name, "listen") == 0)
		return listen_main(&ctx);
	if (strcmp(ctx.name, "publish") == 0)
		return publish_main(&ctx);
	if (strcmp(ctx.name, "scan") == 0)
		return scan_main(&ctx);
	if (strcmp(ctx.name, "sink") == 0)
		return sink_main(&ctx);
	if (strcmp(ctx.name, "state") == 0)
		return rx_state_main(&ctx);
	if (strcmp(ctx.name, "stream") == 0)
		return stream_main(&ctx);
	(void)fprintf(stderr, "katamichi-rx: no role %s\n", ctx.name);
	return EX_USAGE;
}

int main(int argc, char **argv)
{
	struct rx_options options = {.config = RX_CONFIG_PATH};
	const struct opt_cmd *cmd;
	int code;

	if (role_wanted(argc, argv))
		return run_role(argc, argv);
	log_init("supervisor");
	if (opt_parse(&program, argc, argv, &options, &cmd, &code, stdout, stderr) ==
	    OPT_EXIT)
		return code;
	code = functions[cmd->id](&options);
	if (fflush(stdout) != 0 && code == 0) {
		perror("katamichi-rx: output");
		return EX_IOERR;
	}
	return code;
}
