// SPDX-License-Identifier: ISC
#include "bench_prim.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

/* Beyond every cache; written into fresh pages each time, as a receiver does. */
#define PRIM_FILE_BYTES (UINT64_C(512) << 20)

struct files {
	const char *dir;
	int fd;
	uint8_t *buffer;
	size_t piece;
	uint64_t at;
};

static void prim_file_die(const char *what)
{
	fprintf(stderr, "bench_prim: %s: %s\n", what, strerror(errno));
	exit(EX_IOERR);
}

static int prim_file_open(const char *dir)
{
	int fd = open(dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);

	if (fd < 0)
		prim_file_die(dir);
	return fd;
}

static size_t prim_file_read(void *ctx)
{
	struct files *f = ctx;

	if (pread(f->fd, f->buffer, f->piece, (off_t)f->at) != (ssize_t)f->piece)
		prim_file_die("read");
	f->at = (f->at + f->piece) % PRIM_FILE_BYTES;
	return f->piece;
}

static size_t prim_file_write(void *ctx)
{
	struct files *f = ctx;

	if (pwrite(f->fd, f->buffer, f->piece, (off_t)f->at) != (ssize_t)f->piece)
		prim_file_die("write");
	f->at += f->piece;
	return f->piece;
}

/* Writing into fresh pages: a file is dropped, untimed, before each sample. */
static void prim_file_writes(const struct bench_rows *rows, struct files *f,
			     const char *name)
{
	double samples[BENCH_ROWS_SAMPLES_MAX];

	if (!bench_rows_wanted(rows, name))
		return;
	for (unsigned i = 0; i < rows->samples; i++) {
		uint64_t begin, bytes = 0;

		f->fd = prim_file_open(f->dir);
		f->at = 0;
		begin = bench_rows_now_ns();
		while (bytes < PRIM_FILE_BYTES)
			bytes += prim_file_write(f);
		samples[i] = (double)bytes / (double)(bench_rows_now_ns() - begin);
		close(f->fd);
	}
	bench_rows_print(name, "GB/s", samples, rows->samples);
}

static void prim_file_reads(const struct bench_rows *rows, struct files *f,
			    const char *name)
{
	if (!bench_rows_wanted(rows, name))
		return;
	f->fd = prim_file_open(f->dir);
	f->at = 0;
	while (f->at < PRIM_FILE_BYTES)
		prim_file_write(f);
	f->at = 0;
	bench_rows_throughput(rows, name, prim_file_read, f);
	close(f->fd);
}

void bench_prim_file(const struct bench_rows *rows, const char *dir)
{
	static const size_t pieces[] = {64u << 10, 256u << 10, 1u << 20};
	struct files f = {.dir = dir, .buffer = bench_prim_memory(1u << 20)};

	for (unsigned i = 0; i < 3; i++) {
		char name[64];

		f.piece = pieces[i];
		snprintf(name, sizeof(name), "prim.file.read.%zuKiB", f.piece >> 10);
		prim_file_reads(rows, &f, name);
		snprintf(name, sizeof(name), "prim.file.write.%zuKiB", f.piece >> 10);
		prim_file_writes(rows, &f, name);
	}
	free(f.buffer);
}
