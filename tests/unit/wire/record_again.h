// SPDX-License-Identifier: ISC
/*
 * Writes a decoded record again: the proof that the decoder accepts only what the encoder
 * writes. For tests and fuzz targets.
 */
#ifndef RECORD_AGAIN_H
#define RECORD_AGAIN_H

#include "record.h"

/* Append R, known or unknown, to WR. KM_ERR_MALFORMED: a heartbeat that does not decode. */
KM_MUST_CHECK enum km_rc record_again(struct wr *wr, const struct record *r);

#endif
