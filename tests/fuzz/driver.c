// SPDX-License-Identifier: ISC
/*
 * Replays files, and all files of folders, through a fuzz target: the corpus is tested by
 * every compiler, not only where libFuzzer is. Each file comes again with one allocation
 * after another refused, where the target has any (fuzz_alloc.h). Then it changes each file a
 * little, with a seed (KM_SEED), so that an ordinary test run looks beside the corpus too;
 * KM_FUZZ_CHANGES says how often (0: the corpus alone, for its coverage), KM_FUZZ_REFUSED how
 * many allocations of a file are refused.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fuzz_alloc.h"
#include "fuzz_target.h"
#include "seeded.h"

#define INPUT_MAX (1u << 20) /* bytes; committed files are far smaller */
#define CHANGES 200u	     /* per file */
#define REFUSED_MAX 64u	     /* per file */
#define HEAP_KEPT (64 << 20) /* bytes that an input may take without new pages */

static unsigned long files, inputs, changes = CHANGES, refused = REFUSED_MAX;

/* Each input in memory of exactly its size: the sanitizer then sees one byte too many. */
static void run(const uint8_t *p, size_t len)
{
	uint8_t *exact = malloc(len ? len : 1);

	if (!exact) {
		perror("fuzz driver");
		exit(1);
	}
	memcpy(exact, p, len);
	LLVMFuzzerTestOneInput(exact, len);
	free(exact);
	inputs++;
}

/* Until the target has no allocation left to refuse. */
static void run_refused(const uint8_t *p, size_t len)
{
	for (int stay = 0; stay < 2; stay++) {
		for (unsigned nth = 1; nth <= refused; nth++) {
			fuzz_alloc_plan(nth, stay);
			run(p, len);
			if (!fuzz_alloc_reached())
				break;
		}
	}
	fuzz_alloc_plan(0, false);
}

static void run_changed(struct seeded *rng, const uint8_t *p, size_t len, uint8_t *buf)
{
	for (unsigned i = 0; i < changes && len; i++) {
		size_t n = len;

		memcpy(buf, p, len);
		for (unsigned k = 0; k <= seeded_below(rng, 3); k++)
			buf[seeded_below(rng, len)] = (uint8_t)seeded_u64(rng);
		if (seeded_below(rng, 4) == 0)
			n = seeded_below(rng, len);
		run(buf, n);
	}
}

static int replay_file(int dirfd, const char *name, struct seeded *rng)
{
	static uint8_t input[INPUT_MAX], changed[INPUT_MAX];
	int fd = openat(dirfd, name, O_RDONLY | O_CLOEXEC);
	size_t len = 0;
	ssize_t got = 1;

	while (fd >= 0 && got > 0 && len < sizeof(input)) {
		got = read(fd, input + len, sizeof(input) - len);
		len += got > 0 ? (size_t)got : 0;
	}
	if (fd < 0 || got < 0) {
		fprintf(stderr, "fuzz driver: %s: %s\n", name, strerror(errno));
		return -1;
	}
	close(fd);
	files++;
	run(input, len);
	run_refused(input, len);
	run_changed(rng, input, len, changed);
	return 0;
}

static int replay_folder(const char *path, struct seeded *rng)
{
	struct dirent **list;
	int n = scandir(path, &list, NULL, alphasort), rc = 0;
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (n < 0 || fd < 0) {
		fprintf(stderr, "fuzz driver: %s: %s\n", path, strerror(errno));
		return -1;
	}
	for (int i = 0; i < n; i++) {
		if (list[i]->d_name[0] != '.' && replay_file(fd, list[i]->d_name, rng) < 0)
			rc = -1;
		free(list[i]);
	}
	free(list);
	close(fd);
	return rc;
}

int main(int argc, char **argv)
{
	const char *often = getenv("KM_FUZZ_CHANGES"), *most = getenv("KM_FUZZ_REFUSED");
	struct seeded rng;
	int rc = 0;

	mallopt(M_MMAP_THRESHOLD, HEAP_KEPT);
	mallopt(M_TRIM_THRESHOLD, HEAP_KEPT);
	if (often)
		changes = strtoul(often, NULL, 10);
	if (most)
		refused = strtoul(most, NULL, 10);

	seeded_init(&rng, argv[0]);
	for (int i = 1; i < argc; i++) {
		struct stat st;

		if (stat(argv[i], &st) == 0 && S_ISDIR(st.st_mode))
			rc |= replay_folder(argv[i], &rng);
		else
			rc |= replay_file(AT_FDCWD, argv[i], &rng);
	}
	printf("%s: %lu files, %lu inputs\n", argv[0], files, inputs);
	/* An empty corpus would test nothing and look well. */
	return rc || files == 0 ? 1 : 0;
}
