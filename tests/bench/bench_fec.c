// SPDX-License-Identifier: ISC
/*
 * bench_fec: how fast fec/ is, beside memcpy and Debian's ISA-L, in one run on one machine.
 * A measuring instrument, not a test: it fails only when bytes come out wrong (every encode
 * is compared with scalar's rows, every decode with the sources, before its time is taken).
 *
 *   bench_fec [--quick] [--json] [--kernel NAME] [--only PREFIX]
 *
 * A table of median, minimum and maximum; with --json one object a line: name, value (median),
 * unit, min, max, n (runs), command (prints that row again). GB/s are 1e9 bytes of source
 * data, all k symbols, whatever was lost, per second of this thread's processor time: what
 * else runs on the machine costs a row its caches, not its turn. NAME is a kernel of fec.h; without it
 * all that this machine can run. PREFIX picks rows by the start of their names:
 *
 *   fec.memcpy.SIZE              64 symbols copied, again and again: bytes copied
 *   fec.memcpy_window.SIZE       the symbols of a default window copied, out of the caches
 *   fec.encode.K_M.SIZE.KERNEL   fec_encode_block() on one block again and again (hot)
 *   fec.decode.K_M.SIZE.KERNEL   fec_decode(), m sources lost, all m rows used, solve included
 *   fec.decode_lost3....         the same with 3 sources lost
 *   fec.encode_window.K_MxD....  fec_encode_block() of D blocks of a window in memory in the
 *                                order of its frames, so that symbols of a block are D apart
 *   fec.encode_feed.K_MxD....    fec_encode_add(), finish included, in the order of frames from
 *                                one small buffer, as tx feeds it: one copy is part of it
 *   fec.decode_window.K_MxD....  fec_decode() of each block of that window; D * m frames in a
 *                                row are lost
 *   isal.encode.K_M.SIZE         ec_encode_data()
 *   isal.decode.K_M.SIZE         m lost as ISA-L's own example does it: k x k inverse,
 *                                tables, ec_encode_data()
 *   isal.decode_kernel.K_M.SIZE  that ec_encode_data() alone: a decoder whose solve is free
 */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#include "fec.h"
#ifdef HAVE_ISAL
#include <isa-l/erasure_code.h>
#endif

enum {
	RUNS_MAX = 15,
	HOT_SYMBOLS = 64,
	WINDOW_K = 160,
	WINDOW_M = 16,
	WINDOW_DEPTH = 63,
	LINE = 64,
	HUGE_PAGE = 1 << 21,
};

static const struct fec_geometry shapes[] = {
	{32, 2, 2}, {64, 8, 8}, {160, 16, 16}, {200, 20, 32}, {224, 32, 32},
};
static const size_t sizes[] = {8900, 1400};
#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static struct {
	bool quick, json;
	enum fec_kernel kernel; /* AUTO: every one */
	const char *only;
} opt = {.only = ""};

/* ---- memory, time, rows ---- */

static void give_up(const char *what)
{
	fprintf(stderr, "bench_fec: %s\n", what);
	exit(1);
}

/*
 * Zeroed and touched, on huge pages where the kernel gives them: below 2 MiB aligned places
 * it gives none. Length and place of the mapping are whole huge pages, so that munmap() of
 * memory_room(n) gives all of it back but for what alignment skipped.
 */
static size_t memory_room(size_t n)
{
	return (n + HUGE_PAGE - 1) / HUGE_PAGE * HUGE_PAGE;
}

static uint8_t *memory(size_t n)
{
	uint8_t *p = mmap(NULL, memory_room(n) + HUGE_PAGE, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	uint8_t *aligned;

	if (p == MAP_FAILED)
		give_up("out of memory");
	aligned = p + (HUGE_PAGE - (uintptr_t)p % HUGE_PAGE) % HUGE_PAGE;
	(void)madvise(aligned, memory_room(n), MADV_HUGEPAGE);
	memset(aligned, 0, n);
	return aligned;
}

static void memory_free(uint8_t *p, size_t n)
{
	(void)munmap(p, memory_room(n));
}

static size_t slot_bytes(size_t size)
{
	return ((size + LINE - 1) / LINE | 1) * LINE;
}

static void fill(uint8_t *p, size_t n, uint64_t seed)
{
	for (size_t i = 0; i < n; i++) {
		seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
		p[i] = (uint8_t)(seed >> 56);
	}
}

static double now_s(void)
{
	struct timespec ts;

	if (clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts) != 0)
		give_up("no processor clock");
	return (double)ts.tv_sec + 1e-9 * (double)ts.tv_nsec;
}

static int by_value(const void *a, const void *b)
{
	const double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

/*
 * Time work(arg), which handles `bytes` of source data, and print its row. A run repeats it
 * until the clock's grain and one interrupt no longer matter.
 */
static void measure(const char *name, size_t bytes, void (*work)(void *), void *arg)
{
	const unsigned runs = opt.quick ? 5 : RUNS_MAX;
	const double least = opt.quick ? 0.004 : 0.02;
	double rate[RUNS_MAX];

	for (unsigned run = 0; run < runs; run++) {
		const double start = now_s();
		double end = start;
		unsigned times = 0;

		while (times == 0 || end - start < least) {
			work(arg);
			times++;
			end = now_s();
		}
		rate[run] = (double)bytes * times / (end - start) / 1e9;
	}
	qsort(rate, runs, sizeof(rate[0]), by_value);
	if (opt.json)
		printf("{\"name\": \"%s\", \"value\": %.3f, \"unit\": \"GB/s\", "
		       "\"min\": %.3f, \"max\": %.3f, \"n\": %u, "
		       "\"command\": \"bench_fec%s --only %s\"}\n",
		       name, rate[runs / 2], rate[0], rate[runs - 1], runs,
		       opt.quick ? " --quick" : "", name);
	else
		printf("%-42s %8.2f GB/s %8.2f .. %.2f\n", name, rate[runs / 2], rate[0],
		       rate[runs - 1]);
	fflush(stdout);
}

static bool wanted(const char *name)
{
	return strncmp(name, opt.only, strlen(opt.only)) == 0;
}

/* May a row whose name starts with `group` be wanted? Saves preparing what is not. */
static bool wanted_group(const char *group)
{
	const size_t n = strlen(group), have = strlen(opt.only);

	return strncmp(group, opt.only, n < have ? n : have) == 0;
}

static bool chosen(enum fec_kernel kernel)
{
	return opt.kernel == FEC_KERNEL_AUTO || opt.kernel == kernel;
}

/* ---- one block, hot ---- */

struct block {
	struct fec_geometry geo;
	size_t size;
	uint8_t *memory; /* k sources, 3 * m rows and restored sources, one slot each */
	size_t memory_len;
	const uint8_t *src[FEC_SOURCES_MAX];
	uint8_t *repair[FEC_ROWS_MAX];
	uint8_t *got[FEC_SOURCES_MAX]; /* src, or where a lost one is restored to */
	const uint8_t *rows[FEC_ROWS_MAX];
	uint8_t lost[FEC_ROWS_MAX]; /* ESIs */
	uint8_t present[FEC_BITMAP_BYTES];
	uint8_t *work;
};

static void block_open(struct block *b, const struct fec_geometry *geo, size_t size)
{
	const size_t slot = slot_bytes(size);
	uint8_t *at;

	*b = (struct block){.geo = *geo, .size = size};
	b->memory_len = (geo->k + 2 * geo->m) * slot + FEC_SCRATCH_MAX;
	b->memory = at = memory(b->memory_len);
	b->work = b->memory + (geo->k + 2 * geo->m) * slot;
	for (unsigned i = 0; i < geo->k; i++, at += slot) {
		fill(at, size, i + 1);
		b->src[i] = at;
	}
	for (unsigned j = 0; j < geo->m; j++, at += slot)
		b->rows[j] = b->repair[j] = at;
}

/* Lose e sources, spread over the block, into the slots behind the rows. */
static void block_lose(struct block *b, unsigned e)
{
	const size_t slot = slot_bytes(b->size);
	uint8_t *at = b->memory + (b->geo.k + b->geo.m) * slot;

	memset(b->present, 0xff, sizeof(b->present));
	memcpy(b->got, b->src, sizeof(b->got));
	for (unsigned i = 0; i < e; i++, at += slot) {
		const unsigned esi = (2 * i + 1) * b->geo.k / (2 * e);

		b->lost[i] = (uint8_t)esi;
		b->present[esi / 8] &= (uint8_t) ~(1u << esi % 8);
		b->got[esi] = memset(at, 0, slot);
	}
}

static void block_close(struct block *b)
{
	memory_free(b->memory, b->memory_len);
}

static void block_encode(void *arg)
{
	struct block *b = arg;

	if (fec_encode_block(&b->geo, b->size, b->src, b->repair, b->work,
			     FEC_SCRATCH_MAX) != FEC_OK)
		give_up("encode refused");
}

static void block_decode(void *arg)
{
	struct block *b = arg;

	if (fec_decode(&b->geo, b->size, b->got, b->present, b->rows, b->work,
		       FEC_SCRATCH_MAX) != FEC_OK)
		give_up("decode refused");
}

static void block_check_restored(const struct block *b, const char *name)
{
	for (unsigned i = 0; i < b->geo.k; i++)
		if (memcmp(b->got[i], b->src[i], b->size) != 0)
			give_up(name);
}

static void row_decode(struct block *b, const char *verb, const char *kernel, unsigned e)
{
	char name[80];

	snprintf(name, sizeof(name), "fec.%s.%u_%u.%zu.%s", verb, b->geo.k, b->geo.m,
		 b->size, kernel);
	if (!wanted(name) || e > b->geo.m)
		return;
	block_lose(b, e);
	block_decode(b);
	block_check_restored(b, name);
	measure(name, b->geo.k * b->size, block_decode, b);
}

/* Rows of this kernel, compared with scalar's, which another block keeps. */
static void row_encode(struct block *b, const uint8_t *const *truth, const char *kernel)
{
	char name[80];

	snprintf(name, sizeof(name), "fec.encode.%u_%u.%zu.%s", b->geo.k, b->geo.m, b->size,
		 kernel);
	block_encode(b);
	for (unsigned j = 0; j < b->geo.m; j++)
		if (memcmp(b->repair[j], truth[j], b->size) != 0)
			give_up(name);
	if (wanted(name))
		measure(name, b->geo.k * b->size, block_encode, b);
}

static void bench_block(const struct fec_geometry *geo, size_t size)
{
	struct block truth, b;

	if (!wanted_group("fec.encode.") && !wanted_group("fec.decode"))
		return;
	block_open(&truth, geo, size);
	if (fec_init(FEC_KERNEL_SCALAR, NULL) != FEC_OK)
		give_up("no scalar kernel");
	block_encode(&truth);
	for (int kernel = FEC_KERNEL_COUNT - 1; kernel > FEC_KERNEL_AUTO; kernel--) {
		const char *name = fec_kernel_name((enum fec_kernel)kernel);

		if (!chosen((enum fec_kernel)kernel) ||
		    fec_init((enum fec_kernel)kernel, NULL) != FEC_OK)
			continue;
		block_open(&b, geo, size);
		row_encode(&b, truth.rows, name);
		row_decode(&b, "decode", name, geo->m);
		row_decode(&b, "decode_lost3", name, 3);
		block_close(&b);
	}
	block_close(&truth);
}

/* ---- a window, out of the caches ---- */

struct window {
	size_t size, slot;
	uint8_t *memory; /* frames in order: all sources, all rows, then restored sources */
	size_t memory_len;
	uint8_t *encoders_work; /* WINDOW_DEPTH encoders */
	size_t encoder_bytes;
	struct fec_encoder encoder[WINDOW_DEPTH];
	uint8_t *work;
};

static const struct fec_geometry window_geo = {WINDOW_K, WINDOW_M, WINDOW_M};

static uint8_t *window_at(const struct window *w, unsigned place, unsigned block)
{
	return w->memory + ((size_t)place * WINDOW_DEPTH + block) * w->slot;
}

static void window_open(struct window *w, size_t size)
{
	*w = (struct window){.size = size, .slot = slot_bytes(size)};
	w->memory_len = (size_t)(WINDOW_K + 2 * WINDOW_M) * WINDOW_DEPTH * w->slot;
	w->memory = memory(w->memory_len);
	w->encoder_bytes = fec_encoder_bytes(WINDOW_M, size, FEC_FEED_SYMBOLS);
	w->encoders_work = memory(WINDOW_DEPTH * w->encoder_bytes);
	w->work = memory(FEC_SCRATCH_MAX);
	for (unsigned place = 0; place < WINDOW_K; place++)
		for (unsigned b = 0; b < WINDOW_DEPTH; b++)
			fill(window_at(w, place, b), size, place * 1000 + b);
}

static void window_close(struct window *w)
{
	memory_free(w->memory, w->memory_len);
	memory_free(w->encoders_work, WINDOW_DEPTH * w->encoder_bytes);
	memory_free(w->work, FEC_SCRATCH_MAX);
}

static void window_encode(void *arg)
{
	struct window *w = arg;
	const uint8_t *src[WINDOW_K];
	uint8_t *repair[WINDOW_M];

	for (unsigned b = 0; b < WINDOW_DEPTH; b++) {
		for (unsigned i = 0; i < WINDOW_K; i++)
			src[i] = window_at(w, i, b);
		for (unsigned j = 0; j < WINDOW_M; j++)
			repair[j] = window_at(w, WINDOW_K + j, b);
		if (fec_encode_block(&window_geo, w->size, src, repair, w->work,
				     FEC_SCRATCH_MAX) != FEC_OK)
			give_up("window encode refused");
	}
}

/* The first m places of every block are gone: D * m frames in a row. */
static void window_decode(void *arg)
{
	struct window *w = arg;
	uint8_t *src[WINDOW_K], present[FEC_BITMAP_BYTES];
	const uint8_t *rows[WINDOW_M];

	memset(present, 0xff, sizeof(present));
	memset(present, 0, WINDOW_M / 8);
	for (unsigned b = 0; b < WINDOW_DEPTH; b++) {
		for (unsigned i = 0; i < WINDOW_K; i++)
			src[i] =
				window_at(w, i < WINDOW_M ? WINDOW_K + WINDOW_M + i : i, b);
		for (unsigned j = 0; j < WINDOW_M; j++)
			rows[j] = window_at(w, WINDOW_K + j, b);
		if (fec_decode(&window_geo, w->size, src, present, rows, w->work,
			       FEC_SCRATCH_MAX) != FEC_OK)
			give_up("window decode refused");
	}
}

/* Sources come one by one out of a buffer in the nearest cache; as many bytes as a window. */
static void window_feed(void *arg)
{
	struct window *w = arg;

	for (unsigned b = 0; b < WINDOW_DEPTH; b++)
		if (fec_encode_begin(&w->encoder[b], WINDOW_M, w->size, FEC_FEED_SYMBOLS,
				     w->encoders_work + b * w->encoder_bytes,
				     w->encoder_bytes) != FEC_OK)
			give_up("begin refused");
	for (unsigned i = 0; i < WINDOW_K; i++)
		for (unsigned b = 0; b < WINDOW_DEPTH; b++)
			if (fec_encode_add(&w->encoder[b], i, window_at(w, 0, i % 2),
					   w->size) != FEC_OK)
				give_up("add refused");
	for (unsigned b = 0; b < WINDOW_DEPTH; b++)
		if (fec_encode_finish(&w->encoder[b]) != FEC_OK)
			give_up("finish refused");
}

static void window_check_restored(const struct window *w, const char *name)
{
	for (unsigned i = 0; i < WINDOW_M; i++)
		for (unsigned b = 0; b < WINDOW_DEPTH; b++)
			if (memcmp(window_at(w, i, b),
				   window_at(w, WINDOW_K + WINDOW_M + i, b), w->size) != 0)
				give_up(name);
}

static void window_copy(void *arg)
{
	struct window *w = arg;
	const size_t whole = (size_t)WINDOW_K / 2 * WINDOW_DEPTH * w->slot;

	for (size_t at = 0; at < whole; at += w->slot)
		memcpy(w->memory + whole + at, w->memory + at, w->size);
}

static void window_rows(struct window *w, const char *kernel)
{
	const size_t bytes = (size_t)WINDOW_K * WINDOW_DEPTH * w->size;
	static const struct {
		const char *verb;
		void (*work)(void *);
	} rows[] = {{"encode_window", window_encode},
		    {"decode_window", window_decode},
		    {"encode_feed", window_feed}};

	for (unsigned i = 0; i < COUNT(rows); i++) {
		char name[80];

		snprintf(name, sizeof(name), "fec.%s.%u_%ux%u.%zu.%s", rows[i].verb,
			 WINDOW_K, WINDOW_M, WINDOW_DEPTH, w->size, kernel);
		if (!wanted(name))
			continue;
		window_encode(w);
		rows[i].work(w);
		if (rows[i].work == window_decode)
			window_check_restored(w, name);
		measure(name, bytes, rows[i].work, w);
	}
}

static void bench_window(size_t size)
{
	char name[80];
	struct window w;

	if (!wanted_group("fec.encode_") && !wanted_group("fec.decode_window") &&
	    !wanted_group("fec.memcpy_window"))
		return;
	window_open(&w, size);
	for (int kernel = FEC_KERNEL_COUNT - 1; kernel > FEC_KERNEL_SCALAR; kernel--)
		if (chosen((enum fec_kernel)kernel) &&
		    fec_init((enum fec_kernel)kernel, NULL) == FEC_OK)
			window_rows(&w, fec_kernel_name((enum fec_kernel)kernel));
	snprintf(name, sizeof(name), "fec.memcpy_window.%zu", size);
	if (wanted(name))
		measure(name, (size_t)WINDOW_K / 2 * WINDOW_DEPTH * size, window_copy, &w);
	window_close(&w);
}

/* ---- the opponents ---- */

struct copy {
	uint8_t *memory;
	size_t size;
};

static void copy_symbols(void *arg)
{
	const struct copy *c = arg;
	const size_t slot = slot_bytes(c->size);
	uint8_t *to = c->memory + HOT_SYMBOLS / 2 * slot;

	for (unsigned i = 0; i < HOT_SYMBOLS / 2; i++)
		memcpy(to + i * slot, c->memory + i * slot, c->size);
}

static void bench_copy(size_t size)
{
	struct copy c = {memory(HOT_SYMBOLS * slot_bytes(size)), size};
	char name[80];

	snprintf(name, sizeof(name), "fec.memcpy.%zu", size);
	if (wanted(name))
		measure(name, HOT_SYMBOLS / 2 * size, copy_symbols, &c);
	memory_free(c.memory, HOT_SYMBOLS * slot_bytes(size));
}

#ifdef HAVE_ISAL

struct isal {
	struct block b;
	uint8_t matrix[(FEC_SOURCES_MAX + FEC_ROWS_MAX) * FEC_SOURCES_MAX];
	uint8_t square[FEC_SOURCES_MAX * FEC_SOURCES_MAX];
	uint8_t inverse[FEC_SOURCES_MAX * FEC_SOURCES_MAX];
	uint8_t wanted_rows[FEC_ROWS_MAX * FEC_SOURCES_MAX];
	uint8_t encode_tables[32 * FEC_SOURCES_MAX * FEC_ROWS_MAX];
	uint8_t decode_tables[32 * FEC_SOURCES_MAX * FEC_ROWS_MAX];
	uint8_t *have[FEC_SOURCES_MAX], *want[FEC_ROWS_MAX];
};

/* Casts: ISA-L's prototypes know no const. */
static void isal_encode(void *arg)
{
	struct isal *s = arg;

	ec_encode_data((int)s->b.size, (int)s->b.geo.k, (int)s->b.geo.m, s->encode_tables,
		       s->have, s->b.repair);
}

static void isal_decode_kernel(void *arg)
{
	struct isal *s = arg;

	ec_encode_data((int)s->b.size, (int)s->b.geo.k, (int)s->b.geo.m, s->decode_tables,
		       s->have, s->want);
}

static void isal_decode(void *arg)
{
	struct isal *s = arg;
	const unsigned k = s->b.geo.k, m = s->b.geo.m;
	unsigned used = 0;

	for (unsigned place = 0; used < k; place++)
		if (place >= k || (s->b.present[place / 8] >> place % 8 & 1))
			memcpy(s->square + k * used++, s->matrix + (size_t)k * place, k);
	if (gf_invert_matrix(s->square, s->inverse, (int)k) != 0)
		give_up("isal: singular");
	for (unsigned i = 0; i < m; i++)
		memcpy(s->wanted_rows + i * k, s->inverse + k * s->b.lost[i], k);
	ec_init_tables((int)k, (int)m, s->wanted_rows, s->decode_tables);
	isal_decode_kernel(s);
}

static void isal_row(struct isal *s, const char *verb, void (*work)(void *))
{
	char name[80];

	snprintf(name, sizeof(name), "isal.%s.%u_%u.%zu", verb, s->b.geo.k, s->b.geo.m,
		 s->b.size);
	if (wanted(name))
		measure(name, s->b.geo.k * s->b.size, work, s);
}

static void bench_isal(const struct fec_geometry *geo, size_t size)
{
	struct isal *s;
	unsigned used = 0, lost = 0;

	if (!wanted_group("isal."))
		return;
	s = (struct isal *)memory(sizeof(*s));
	block_open(&s->b, geo, size);
	gf_gen_cauchy1_matrix(s->matrix, (int)(geo->k + geo->m), (int)geo->k);
	ec_init_tables((int)geo->k, (int)geo->m, s->matrix + (size_t)geo->k * geo->k,
		       s->encode_tables);
	block_lose(&s->b, 0);
	memcpy(s->have, s->b.got, sizeof(s->have));
	isal_encode(s);
	isal_row(s, "encode", isal_encode);
	block_lose(&s->b, geo->m);
	for (unsigned i = 0; i < geo->k; i++) {
		if (s->b.present[i / 8] >> i % 8 & 1)
			s->have[used++] = s->b.got[i];
		else
			s->want[lost++] = s->b.got[i];
	}
	for (unsigned j = 0; j < geo->m; j++)
		s->have[used++] = s->b.repair[j];
	isal_decode(s);
	block_check_restored(&s->b, "isal.decode");
	isal_row(s, "decode", isal_decode);
	isal_row(s, "decode_kernel", isal_decode_kernel);
	block_close(&s->b);
	memory_free((uint8_t *)s, sizeof(*s));
}

#else

static void bench_isal(const struct fec_geometry *geo, size_t size)
{
}

#endif

static int usage(void)
{
	fprintf(stderr,
		"usage: bench_fec [--quick] [--json] [--kernel NAME] [--only PREFIX]\n");
	return 64;
}

int main(int argc, char **argv)
{
	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "--quick") == 0) {
			opt.quick = true;
		} else if (strcmp(argv[i], "--json") == 0) {
			opt.json = true;
		} else if (strcmp(argv[i], "--kernel") == 0 && i + 1 < argc) {
			const int kernel = fec_kernel_from_name(argv[++i]);

			if (kernel < 0 ||
			    fec_init((enum fec_kernel)kernel, NULL) != FEC_OK) {
				fprintf(stderr, "bench_fec: kernel %s: not here\n",
					argv[i]);
				return 64;
			}
			opt.kernel = (enum fec_kernel)kernel;
		} else if (strcmp(argv[i], "--only") == 0 && i + 1 < argc) {
			opt.only = argv[++i];
		} else {
			return usage();
		}
	}
	for (unsigned s = 0; s < COUNT(sizes); s++) {
		bench_copy(sizes[s]);
		for (unsigned g = 0; g < COUNT(shapes); g++) {
			bench_block(&shapes[g], sizes[s]);
			bench_isal(&shapes[g], sizes[s]);
		}
		bench_window(sizes[s]);
	}
	return 0;
}
