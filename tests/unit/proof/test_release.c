// SPDX-License-Identifier: ISC
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "keys.h"
#include "release.h"

#define HEAD                                                                               \
	"# katamichi release manifest 1\n# version: 0.1.0\n"                               \
	"# created: 2026-11-28T00:00:00Z\n# verify: by hand\n"
/* "one\n" and "two two\n" */
#define ONE "2c8b08da5ce60398e1f19af0e5dccc744df274b826abe585eaba68c525434806"
#define TWO "89eaf5ec9a1b0935bcd304dbd8c7872c789736c7036ad40a492668ba11360bef"
#define TEXT                                                                               \
	HEAD "# directory 0755 ./ours\n# directory 0700 ./ours/in\n"                       \
	     "# file 0755 4\n" ONE "  ./bin/one\n"                                         \
	     "# file 0644 8\n" TWO "  ./ours/in/two\n"

static char place[] = "/tmp/km-release-XXXXXX";
static struct release release;
static char *said;
static size_t said_len;

static void parse(const char *text)
{
	unsigned line;

	cr_assert_eq(release_parse(&release, text, strlen(text), &line), KM_OK, "line %u",
		     line);
}

static void put(const char *path, const char *text, mode_t mode)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	cr_assert_geq(fd, 0, "%s", path);
	cr_assert_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	cr_assert_eq(fchmod(fd, mode), 0);
	close(fd);
}

static void setup(void)
{
	struct km_err err = KM_ERR_INIT;

	cr_assert_eq(keys_init(&err), 0, "%s", err.text);
	cr_assert_not_null(mkdtemp(place));
	cr_assert_eq(chdir(place), 0);
	umask(022);
	cr_assert_eq(mkdir("bin", 0755) | mkdir("ours", 0755) | mkdir("ours/in", 0700), 0);
	put("bin/one", "one\n", 0755);
	put("bin/foreign", "not ours, in a directory of all\n", 0644);
	put("ours/in/two", "two two\n", 0644);
	parse(TEXT);
}

static void teardown(void)
{
	char command[64];

	release_free(&release);
	free(said);
	(void)snprintf(command, sizeof(command), "rm -rf %s", place);
	cr_assert_eq(system(command), 0);
}

TestSuite(release, .init = setup, .fini = teardown);

static struct release_found judge_as(uint32_t owner)
{
	struct release_found found;
	int fd = open(".", O_PATH | O_DIRECTORY);
	FILE *out;

	free(said);
	out = open_memstream(&said, &said_len);
	release_judge(&found, &release, fd, "/R", owner, out);
	cr_assert_eq(fclose(out), 0);
	close(fd);
	return found;
}

/* Exactly one line, and it begins so. */
static void finds_one(const char *line)
{
	struct release_found found;

	if (geteuid() != getegid())
		cr_skip_test("user and group of this process have different numbers");
	found = judge_as(geteuid());
	cr_assert_eq(found.findings, 1u, "%u for %s: %s", found.findings, line, said);
	cr_assert_eq(strncmp(said, line, strlen(line)), 0, "got %s, want %s", said, line);
	cr_assert_eq(strchr(said, '\n'), said + said_len - 1);
}

Test(release, what_is_parsed)
{
	cr_assert_str_eq(release.version, "0.1.0");
	cr_assert_str_eq(release.created, "2026-11-28T00:00:00Z");
	cr_assert_eq(release.directories, 2u);
	cr_assert_eq(release.files, 2u);
	cr_assert_str_eq(release.entry[1].path, "ours/in");
	cr_assert_eq(release.entry[1].mode, 0700u);
	cr_assert_str_eq(release.entry[2].path, "bin/one");
	cr_assert_eq(release.entry[2].mode, 0755u);
	cr_assert_eq(release.entry[3].size, 8u);
	cr_assert_eq(release.entry[3].digest[0], 0x89u);
}

#define FILE_AT(path) "# file 0755 4\n" ONE "  ./" path "\n"

Test(release, what_is_refused)
{
	static const struct {
		const char *text;
		unsigned line;
	} bad[] = {
		{"", 1},
		{HEAD, 4},
		{"# katamichi manifest 1\n", 1},
		{HEAD "# directory 0755 ./ours\n", 5},
		{HEAD FILE_AT("b") FILE_AT("a"), 8},
		{HEAD FILE_AT("a") FILE_AT("a"), 8},
		{HEAD FILE_AT("a") "# directory 0755 ./ours\n", 7},
		{HEAD FILE_AT("a") "more", 7},
		{HEAD FILE_AT("a") "\n", 7},
		{HEAD FILE_AT("../a"), 6},
		{HEAD FILE_AT("a/../b"), 6},
		{HEAD FILE_AT("a/.."), 6},
		{HEAD FILE_AT("./a"), 6},
		{HEAD FILE_AT("/a"), 6},
		{HEAD FILE_AT("a/"), 6},
		{HEAD FILE_AT(""), 6},
		{HEAD FILE_AT("a b"), 6},
		{HEAD FILE_AT("a\\b"), 6},
		{HEAD FILE_AT("a\x1b"), 6},
		{HEAD FILE_AT("a\xc3\xa4"), 6},
		{HEAD "# file 0755 04\n" ONE "  ./a\n", 5},
		{HEAD "# file 0755 \n" ONE "  ./a\n", 5},
		{HEAD "# file 0755 9223372036854775808\n" ONE "  ./a\n", 5},
		{HEAD "# file 755 4\n" ONE "  ./a\n", 5},
		{HEAD "# file 0795 4\n" ONE "  ./a\n", 5},
		{HEAD "# file 0755 4\n" ONE " *./a\n", 6},
		{HEAD "# file 0755 4\n", 6},
	};
	struct release r;
	unsigned line;

	for (size_t i = 0; i < KM_COUNT(bad); i++) {
		cr_assert_eq(release_parse(&r, bad[i].text, strlen(bad[i].text), &line),
			     KM_ERR_MALFORMED, "case %zu", i);
		cr_assert_eq(line, bad[i].line, "case %zu: line %u", i, line);
		cr_assert_null(r.entry);
	}
}

Test(release, limits)
{
	static char text[RELEASE_BYTES_MAX + 1] = HEAD;
	size_t len = strlen(text);
	struct release r;
	unsigned line;

	for (unsigned i = 0; i < RELEASE_ENTRIES_MAX; i++)
		len += (size_t)sprintf(text + len, "# file 0755 4\n" ONE "  ./%04u\n", i);
	cr_assert_eq(release_parse(&r, text, len, &line), KM_OK);
	cr_assert_eq(r.files, RELEASE_ENTRIES_MAX);
	release_free(&r);
	len += (size_t)sprintf(text + len, FILE_AT("x"));
	cr_assert_eq(release_parse(&r, text, len, &line), KM_ERR_LIMIT);
	memset(text + len, '\n', sizeof(text) - len);
	cr_assert_eq(release_parse(&r, text, sizeof(text), &line), KM_ERR_LIMIT);
	cr_assert_eq(line, 0u);
}

Test(release, all_as_signed)
{
	if (geteuid() != getegid())
		cr_skip_test("user and group of this process have different numbers");
	cr_assert_eq(judge_as(geteuid()).findings, 0u, "%s", said);
	cr_assert_str_eq(said, "");
}

Test(release, altered)
{
	put("bin/one", "onf\n", 0755);
	finds_one("altered    /R/bin/one: 4 bytes, SHA-256 ");
	put("bin/one", "one\n\n", 0755);
	finds_one("altered    /R/bin/one: 5 bytes, SHA-256 ");
	put("bin/one", "", 0755);
	finds_one("altered    /R/bin/one: 0 bytes, SHA-256 ");
}

Test(release, missing)
{
	cr_assert_eq(unlink("bin/one"), 0);
	finds_one("missing    /R/bin/one: ");
}

Test(release, mode)
{
	cr_assert_eq(chmod("bin/one", 0750), 0);
	finds_one("mode       /R/bin/one: 0750, should be 0755\n");
	cr_assert_eq(chmod("bin/one", 04755), 0);
	finds_one("mode       /R/bin/one: 4755, should be 0755, setuid\n");
	cr_assert_eq(chmod("bin/one", 0757), 0);
	finds_one("mode       /R/bin/one: 0757, should be 0755, others may write it\n");
	cr_assert_eq(chmod("bin/one", 0755), 0);
	cr_assert_eq(chmod("ours/in", 0701), 0);
	finds_one("mode       /R/ours/in: 0701, should be 0700\n");
}

Test(release, owner)
{
	struct release_found found = judge_as(geteuid() + 1);

	/* two directories, two files, and the two that lead to them: the root and bin */
	cr_assert_eq(found.findings, 6u, "%s", said);
	cr_assert_not_null(strstr(said, "owner      /R/ours/in/two: "));
	cr_assert_not_null(strstr(said, "way        /R/bin: "));
}

Test(release, way)
{
	cr_assert_eq(chmod("bin", 0757), 0);
	finds_one("way        /R/bin: ");
	cr_assert_eq(chmod("bin", 0755), 0);
	cr_assert_eq(chmod(".", 01777), 0);
	finds_one("way        /R/: ");
}

Test(release, unlisted)
{
	put("ours/in/\x1b[2J", "", 0644);
	finds_one("unlisted   /R/ours/in: \"\\x1b[2J\" is not of the release\n");
	cr_assert_eq(unlink("ours/in/\x1b[2J"), 0);
	cr_assert_eq(mkdir("ours/more", 0755), 0);
	finds_one("unlisted   /R/ours: \"more\" is not of the release\n");
}

Test(release, replaced)
{
	cr_assert_eq(rename("bin/one", "bin/other"), 0);
	cr_assert_eq(symlink("other", "bin/one"), 0);
	finds_one("replaced   /R/bin/one: it is a symbolic link");
	cr_assert_eq(unlink("bin/one"), 0);
	cr_assert_eq(mkfifo("bin/one", 0755), 0);
	finds_one("replaced   /R/bin/one: it is not a regular file");
	cr_assert_eq(unlink("bin/one"), 0);
	cr_assert_eq(rename("bin/other", "bin/one"), 0);
	cr_assert_eq(rename("bin", "nib"), 0);
	cr_assert_eq(symlink("nib", "bin"), 0);
	finds_one("replaced   /R/bin/one: it is a symbolic link, or is reached by one\n");
}

Test(release, capability)
{
	/* version 2, cap_net_raw in permitted and effective */
	static const uint8_t raw[20] = {1, 0, 0, 2, 0, 0x20};

	if (setxattr("bin/one", "security.capability", raw, sizeof(raw), 0) != 0)
		cr_skip_test("no right to give a file capabilities: %s", strerror(errno));
	finds_one("capability /R/bin/one: ");
}
