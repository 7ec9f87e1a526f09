// SPDX-License-Identifier: ISC
/*
 * The auditor's path: Debian's minisign and coreutils judge what we write, and we judge what
 * they write. Needs no katamichi program.
 */
#include <criterion/criterion.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "digest_file.h"
#include "fileio.h"
#include "manifest_sample.h"
#include "minisig.h"

#define SAVE(secret_, public_)                                                             \
	(&(const struct keys_save){.secret = (secret_), .public = (public_)})

#define TREE_BYTES ((UINT64_C(64) << 20) + 12345)

static char dir[64];
static struct keys_sign_secret signer;
static struct km_err err;

static void setup(void)
{
	strcpy(dir, "/tmp/km-tools-XXXXXX");
	cr_assert_not_null(mkdtemp(dir));
	cr_assert_eq(chdir(dir), 0);
	memset(&err, 0, sizeof(err));
	cr_assert_eq(keys_init(&err), 0, "%s", err.text);
}

static int shell(const char *command)
{
	int status = system(command);

	cr_assert(WIFEXITED(status), "%s", command);
	return WEXITSTATUS(status);
}

static void teardown(void)
{
	char command[128];

	cr_assert_eq(chdir("/"), 0);
	snprintf(command, sizeof(command), "rm -rf %s", dir);
	cr_assert_eq(shell(command), 0);
}

TestSuite(stock_tools, .init = setup, .fini = teardown, .timeout = 120);

static void need(const char *tool)
{
	char command[128];

	snprintf(command, sizeof(command), "command -v %s >/dev/null 2>&1", tool);
	if (shell(command) != 0)
		cr_skip("%s is not installed: not compared with it", tool);
}

static void spit(const char *path, const void *p, size_t len)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL, 0644);

	cr_assert_geq(fd, 0, "%s", path);
	cr_assert_eq(fileio_write_full(fd, p, len), 0);
	close(fd);
}

static char *slurp(const char *path, size_t *len)
{
	uint8_t *data;

	cr_assert_eq(fileio_read_all(AT_FDCWD, path, 65536, &data, len, &err), 0, "%s",
		     err.text);
	return (char *)data;
}

/* ---- minisign ----------------------------------------------------------------------------- */

Test(stock_tools, minisign_accepts_ours)
{
	char comment[MINISIG_COMMENT_MAX + 1], sigfile[MINISIG_FILE_MAX];
	uint8_t text_hash[DIGEST_LEN], hash[MINISIG_HASH_LEN], sig[64], global[64];
	static const char text[] = "# katamichi manifest 1\nnot much of one\n";
	struct keys_sign_secret k;
	size_t len;

	need("minisign");
	keys_sign_generate(&k);
	cr_assert_eq(keys_sign_save(&k, SAVE("tx.key", "tx.pub"), &err), 0, "%s", err.text);
	digest_sha256(text_hash, text, strlen(text));
	manifest_comment(comment, 17, 3, text_hash);
	minisig_hash(hash, text, strlen(text));
	minisig_sign(sig, global, hash, comment, strlen(comment), &k);
	len = minisig_compose(sigfile, k.pub.key_number, sig, global, comment,
			      strlen(comment));
	spit("f", text, strlen(text));
	spit("f.minisig", sigfile, len);
	cr_assert_eq(shell("minisign -Vm f -p tx.pub >out 2>&1"), 0);
	cr_assert_eq(shell("grep -q '17-00000003.manifest [0-9a-f]\\{64\\}$' out"), 0);
	cr_assert_eq(shell("minisign -Vm f -H -p tx.pub >/dev/null 2>&1"), 0);
	cr_assert_eq(shell("minisign -Vm f -P $(tail -n 1 tx.pub) >/dev/null 2>&1"), 0);
	cr_assert_eq(shell("sed -i 's/17-0/18-0/' f.minisig; minisign -Vm f -p tx.pub "
			   "2>/dev/null"),
		     1, "the comment is signed too");
	cr_assert_eq(shell("echo more >>f; minisign -Vm f -p tx.pub >/dev/null 2>&1"), 1);
}

Test(stock_tools, we_accept_minisigns)
{
	char comment[MINISIG_COMMENT_MAX + 1], *text, *sig;
	struct keys_sign_public k;
	size_t text_len, sig_len;
	unsigned index;

	need("minisign");
	cr_assert_eq(shell("minisign -G -W -p stock.pub -s stock.key >/dev/null 2>&1"), 0);
	cr_assert_eq(shell("seq 1000 >f"), 0);
	cr_assert_eq(keys_sign_public_load(&k, NULL, "stock.pub", &err), 0, "%s", err.text);
	text = slurp("f", &text_len);

	/* Their own default comment has tabs. */
	cr_assert_eq(shell("minisign -Sm f -s stock.key >/dev/null 2>&1"), 0);
	sig = slurp("f.minisig", &sig_len);
	cr_assert_eq(minisig_verify(text, text_len, sig, sig_len, &k, 1, &index, comment),
		     KM_OK);
	cr_assert_not_null(strstr(comment, "file:f"));
	text[0] ^= 1;
	cr_assert_eq(minisig_verify(text, text_len, sig, sig_len, &k, 1, &index, comment),
		     KM_ERR_AUTH);
	text[0] ^= 1;
	free(sig);

	cr_assert_eq(shell("minisign -Sm f -s stock.key -c 'seen' -t 'a comment' "
			   ">/dev/null 2>&1"),
		     0);
	sig = slurp("f.minisig", &sig_len);
	cr_assert_eq(minisig_verify(text, text_len, sig, sig_len, &k, 1, &index, comment),
		     KM_OK);
	cr_assert_str_eq(comment, "a comment");
	free(sig);
	free(text);
}

/* ---- coreutils ---------------------------------------------------------------------------- */

/* Files with the names of the sample; the tree's is large when wanted. */
static void make_files(struct manifest_entry *e, unsigned count, bool with_tree)
{
	for (unsigned i = 0; i < count; i++) {
		char path[64], content[64];

		snprintf(path, sizeof(path), "%.*s", (int)e[i].path_len,
			 (const char *)e[i].path);
		snprintf(content, sizeof(content), "content of %u\n", i);
		if (e[i].kind == MANIFEST_FLAT) {
			digest_sha256(e[i].digest, content, strlen(content));
			spit(path, content, strlen(content));
		} else if (e[i].kind == MANIFEST_TREE && with_tree) {
			char command[128];
			int fd;

			snprintf(command, sizeof(command),
				 "seq 1 20000000 | head -c %llu >'%s'",
				 (unsigned long long)TREE_BYTES, path);
			cr_assert_eq(shell(command), 0);
			fd = open(path, O_RDONLY);
			cr_assert_eq(digest_file(e[i].digest, fd, TREE_BYTES, &err), 0,
				     "%s", err.text);
			close(fd);
		}
	}
}

static void write_manifest(const char *name, const struct manifest_head *h,
			   const struct manifest_entry *e, unsigned count)
{
	static char text[SAMPLE_ROOM];
	size_t n;

	cr_assert_eq(manifest_write(text, sizeof(text), &n, h, e, count), KM_OK);
	spit(name, text, n);
}

/* Odd names: a leading hyphen, a space, backslashes, Shift_JIS. */
Test(stock_tools, sha256sum_checks_flat_lines)
{
	struct manifest_entry e[SAMPLE_ENTRIES];
	struct manifest_head h;

	need("sha256sum");
	manifest_sample(&h, e);
	e[5].kind = MANIFEST_DIR; /* no tree line in this one */
	make_files(e, SAMPLE_ENTRIES, false);
	write_manifest("m", &h, e, SAMPLE_ENTRIES);
	cr_assert_eq(shell("sha256sum --strict -c m >out"), 0);
	cr_assert_eq(shell("test $(grep -ac ': OK$' out) -eq 4"), 0);
	/* The same lines as sha256sum's own. */
	cr_assert_eq(shell("sha256sum ./-rf './a b' './e\\f' ./\x83\\\\\x94\\\\ >theirs && "
			   "grep -av '^#' m | cmp - theirs"),
		     0);
	cr_assert_eq(shell("echo x >>./-rf; sha256sum --strict -c m >/dev/null 2>&1"), 1);
}

Test(stock_tools, sha256sum_refuses_a_tree_line)
{
	struct manifest_entry e[SAMPLE_ENTRIES];
	struct manifest_head h;

	need("sha256sum");
	manifest_sample(&h, e);
	make_files(e, SAMPLE_ENTRIES, false);
	write_manifest("m", &h, e, SAMPLE_ENTRIES);
	cr_assert_eq(shell("sha256sum --strict -c m >out 2>&1"), 1);
	cr_assert_eq(shell("grep -q 'improperly formatted' out"), 0);
}

/* The documented script over manifest NAME, signed here and now, in this folder. */
static int run_script(const char *name)
{
	const char *script = getenv("KM_VERIFY_SCRIPT");
	uint8_t hash[MINISIG_HASH_LEN], sig[64], global[64];
	char command[512], path[64], *text, sigfile[MINISIG_FILE_MAX];
	size_t len;

	cr_assert_not_null(script,
			   "KM_VERIFY_SCRIPT says where scripts/verify-manifest is");
	text = slurp(name, &len);
	minisig_hash(hash, text, len);
	minisig_sign(sig, global, hash, "c", 1, &signer);
	free(text);
	len = minisig_compose(sigfile, signer.pub.key_number, sig, global, "c", 1);
	snprintf(path, sizeof(path), "%s.minisig", name);
	unlink(path);
	spit(path, sigfile, len);
	snprintf(command, sizeof(command), "/bin/sh '%s' %s tx.pub . >out 2>&1", script,
		 name);
	return shell(command);
}

Test(stock_tools, two_line_script_checks_both_kinds)
{
	struct manifest_entry e[SAMPLE_ENTRIES], tree;
	struct manifest_head h;

	need("split");
	need("minisign");
	keys_sign_generate(&signer);
	cr_assert_eq(keys_sign_save(&signer, SAVE("tx.key", "tx.pub"), &err), 0, "%s",
		     err.text);
	manifest_sample(&h, e);
	make_files(e, SAMPLE_ENTRIES, true);
	write_manifest("m", &h, e, SAMPLE_ENTRIES);
	cr_assert_eq(run_script("m"), 0);
	tree = e[5];
	tree.number = h.last = h.first;
	write_manifest("only-tree", &h, &tree, 1);
	cr_assert_eq(run_script("only-tree"), 0);

	cr_assert_eq(shell("printf x | dd of='large\\' bs=1 seek=40000000 conv=notrunc "
			   "2>/dev/null"),
		     0);
	cr_assert_neq(run_script("m"), 0);
	cr_assert_eq(shell("grep -aq 'large.*FAILED' out"), 0);
	cr_assert_neq(run_script("only-tree"), 0);
	cr_assert_eq(shell("rm 'large\\'"), 0);
	cr_assert_neq(run_script("only-tree"), 0);
	write_manifest("flat", &h, e, 1);
	cr_assert_eq(run_script("flat"), 0);
	cr_assert_eq(shell("rm ./-rf"), 0);
	cr_assert_neq(run_script("flat"), 0);
}
