// SPDX-License-Identifier: ISC
/* katamichi-tx: options -> subcommand; or, started again by the supervisor, one role. */
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <sodium.h>

#include "digest_many.h"
#include "fec.h"
#include "linktest.h"
#include "load.h"
#include "log.h"
#include "release.h"
#include "role.h"
#include "sender.h"
#include "signer.h"
#include "source.h"
#include "stream_role.h"
#include "tx_commands.h"
#include "tx_state_role.h"

#define OPTION(field_, name_, kind_, ...)                                                  \
	{                                                                                  \
		.name = (name_), .type = (kind_),                                          \
		.offset = offsetof(struct tx_options, field_), __VA_ARGS__                 \
	}

#define OPTION_CONFIG                                                                      \
	OPTION(config, "config", OPT_STRING, .short_name = 'c', .metavar = "FILE",         \
	       .help = "Configuration file (default " TX_CONFIG_PATH ").")

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

static const struct opt_row resend_rows[] = {
	OPTION_CONFIG,
	OPTION(wait_s, "wait", OPT_U64, .metavar = "SECONDS", .max = 86400,
	       .help = "How long to wait for the daemon's answer (default 60; 0: do not "
		       "wait)."),
	OPTION(tickets, "ticket", OPT_REST, .metavar = "TICKET", .positional = true,
	       .required = true, .help = "What katamichi-rx missing printed."),
};

static const struct opt_row oneway_rows[] = {
	OPTION_CONFIG,
	OPTION(json, "json", OPT_FLAG, .help = "One JSON object instead of text."),
};

static const struct opt_row linktest_rows[] = {
	OPTION_CONFIG,
	OPTION(quick, "quick", OPT_FLAG,
	       .help = "Few rates, short steps: some seconds instead of a minute."),
	OPTION(seconds, "seconds", OPT_U64, .metavar = "N", .min = 1, .max = 60,
	       .help = "Length of each step at a rate (default 1; with --quick 0.25)."),
	OPTION(sizes, "sizes", OPT_STRING, .metavar = "LIST",
	       .help = "Frame sizes, bytes after the Ethernet header, separated by commas; "
		       "from 256 to the MTU, at most 8 (default 512, 1500 and the MTU)."),
	OPTION(rates, "rates", OPT_STRING, .metavar = "LIST",
	       .help = "Rates in Mbit/s, separated by commas, at most 16 (default: parts "
		       "of "
		       "--max-rate)."),
	OPTION(max_rate, "max-rate", OPT_U64, .metavar = "MBITS", .min = 1, .max = 4000000,
	       .help = "Highest rate in Mbit/s (default: the speed of the link, where it "
		       "is "
		       "not known the configured rate)."),
	OPTION(burst, "burst", OPT_U64, .metavar = "FRAMES",
	       .max = LINKTEST_STEP_FRAMES_MAX,
	       .help = "Longest burst in frames of the largest size (default 65536; 0: "
		       "none)."),
	OPTION(json_file, "json", OPT_STRING, .metavar = "FILE",
	       .help = "Write what was sent as JSON too."),
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
	CMD_RESEND,
	CMD_LINKTEST,
	CMD_ONEWAY,
	CMD_INSTALL
};

static const struct opt_cmd commands[] = {
	{"run", "Run the transmitter in the foreground.", run_rows, KM_COUNT(run_rows),
	 CMD_RUN},
	{"check", "Judge a configuration, line by line.", check_rows, KM_COUNT(check_rows),
	 CMD_CHECK},
	{"keygen", "Make the signing key of this transmitter.", keygen_rows,
	 KM_COUNT(keygen_rows), CMD_KEYGEN},
	{"keys", "List the keys in use; change the passphrase of one.", keys_rows,
	 KM_COUNT(keys_rows), CMD_KEYS},
	{"status", "Show what was sent, kept and refused.", status_rows,
	 KM_COUNT(status_rows), CMD_STATUS},
	{"resend", "Send again what a ticket names.", resend_rows, KM_COUNT(resend_rows),
	 CMD_RESEND},
	{"linktest", "Send the schedule of a link test.", linktest_rows,
	 KM_COUNT(linktest_rows), CMD_LINKTEST},
	{"oneway-check", "Show the evidence that nothing comes in by the port.",
	 oneway_rows, KM_COUNT(oneway_rows), CMD_ONEWAY},
	{"verify-install",
	 "Compare what is installed with the signed manifest of the release.", install_rows,
	 KM_COUNT(install_rows), CMD_INSTALL},
};

static int (*const functions[])(const struct tx_options *) = {
	[CMD_RUN] = cmd_run,
	[CMD_CHECK] = cmd_check,
	[CMD_KEYGEN] = cmd_keygen,
	[CMD_KEYS] = cmd_keys,
	[CMD_STATUS] = cmd_status,
	[CMD_RESEND] = cmd_resend,
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

	(void)fprintf(out, "katamichi-tx %s\n", KATAMICHI_VERSION);
	(void)fprintf(out, "build: %s, gcc-compatible %s, wire version %u\n",
		      KATAMICHI_BUILDTYPE, __VERSION__, WIRE_VERSION);
	if (fec_init(FEC_KERNEL_AUTO, &choice) == FEC_OK)
		(void)fprintf(out, "fec kernel: %s\n", choice.why);
	if (digest_init(DIGEST_KERNEL_AUTO, &digest) == KM_OK)
		(void)fprintf(out, "digest kernels: %s\n", digest.why);
	(void)fprintf(out, "libsodium: %s\n", sodium_version_string());
	(void)fprintf(out, "sandbox: %s\n", cage_describe_kernel(cage, sizeof(cage)));
	if (uname(&host) == 0)
		(void)fprintf(out, "host: %s %s %s\n", host.sysname, host.release,
			      host.machine);
}

static const struct opt_prog program = {
	.name = "katamichi-tx",
	.summary =
		"The transmitter of a data diode: takes files from spool directories and "
		"sends them over a link that carries nothing back.",
	.cmds = commands,
	.n_cmds = KM_COUNT(commands),
	.version = print_version,
	.footer = "Manual: katamichi-tx(8), katamichi.conf(5).",
};

static int run_role(int argc, char **argv)
{
	struct km_err err = KM_ERR_INIT;
	struct role_ctx ctx;

	if (role_enter(argc, argv, &ctx, &err) != 0) {
		(void)fprintf(stderr, "katamichi-tx: %s\n", err.text);
		return err.code ? err.code : EX_SOFTWARE;
	}
	if (strcmp(ctx.name, "source") == 0)
		return source_main(&ctx);
	if (strcmp(ctx.name, "signer") == 0)
		return signer_main(&ctx);
	if (strcmp(ctx.name, "sender") == 0)
		return sender_main(&ctx);
	if (strcmp(ctx.name, "state") == 0)
		return tx_state_main(&ctx);
	if (strcmp(ctx.name, "load") == 0)
		return load_main(&ctx);
	if (strcmp(ctx.name, "stream") == 0)
		return stream_main(&ctx);
	(void)fprintf(stderr, "katamichi-tx: no role %s\n", ctx.name);
	return EX_USAGE;
}

int main(int argc, char **argv)
{
	struct tx_options options = {
		.config = TX_CONFIG_PATH, .wait_s = 60, .burst = 65536};
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
		perror("katamichi-tx: output");
		return EX_IOERR;
	}
	return code;
}
