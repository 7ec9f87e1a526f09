// SPDX-License-Identifier: ISC
/* cage_kernel.h: one question to the kernel, for both halves of the cage. Private to this folder. */
#ifndef CAGE_KERNEL_H
#define CAGE_KERNEL_H

#include <stdbool.h>

/* It has filters that kill a process. A role in its cage may still ask this, and no more. */
bool cage_kernel_filters(void);

#endif
