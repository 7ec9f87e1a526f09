// SPDX-License-Identifier: ISC
/*
 * bench_prim: what the stages of the pipeline are made of, each measured alone on one core:
 * copying, digests, seals, files, the erasure code. Ours beside the library of the
 * distribution, because the speed of light counts the faster of the two.
 */
#ifndef BENCH_PRIM_H
#define BENCH_PRIM_H

#include <stddef.h>

#include "bench_rows.h"

/* Payload of a frame at MTU 1500 and 9000, rounded: the sizes all figures are given at. */
#define BENCH_PRIM_FRAME_SMALL 1400u
#define BENCH_PRIM_FRAME_LARGE 8900u

void *bench_prim_memory(size_t bytes); /* page-aligned, touched; exits when there is none */

void bench_prim_digest(const struct bench_rows *rows);
void bench_prim_seal(const struct bench_rows *rows);
void bench_prim_fec(const struct bench_rows *rows);
/* Files below the directory `dir`, which are removed again. */
void bench_prim_file(const struct bench_rows *rows, const char *dir);

#endif
