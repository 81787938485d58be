// SPDX-License-Identifier: Apache-2.0
#ifndef GATEHOUSE_CLINUX_HOST_H
#define GATEHOUSE_CLINUX_HOST_H

#include <malloc.h>
#include <string.h>
#include <sys/timex.h>

// The names of adjtimex(2) stand behind feature macros. With no mode set it changes nothing. 1 where somebody keeps the
// clock right, 0 where nobody does, -1 where the kernel does not say.
static inline int clinux_clock_is_synchronized(void) {
    struct timex clock;
    memset(&clock, 0, sizeof clock);
    int state = adjtimex(&clock);
    if (state < 0) return -1;
    return state != TIME_ERROR && !(clock.status & STA_UNSYNC);
}

// Swift's module of the C library leaves out <malloc.h>.
static inline void clinux_trim_heap(void) { malloc_trim(0); }

#endif
