// SPDX-License-Identifier: ISC
/*
 * CRC-32 of IEEE 802.3 (reflected 0xEDB88320, initial value and final XOR all ones), for
 * bytes that chance may damage. No protection against anybody. Pure; any thread.
 */
#ifndef CRC32_H
#define CRC32_H

#include <stddef.h>
#include <stdint.h>

/* CRC of what CRC stands for (0: nothing) and then LEN bytes at P. */
uint32_t crc32_add(uint32_t crc, const void *p, size_t len);

#endif
