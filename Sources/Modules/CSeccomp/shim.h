// SPDX-License-Identifier: Apache-2.0
#ifndef GATEHOUSE_CSECCOMP_SHIM_H
#define GATEHOUSE_CSECCOMP_SHIM_H

// libseccomp, and the calls around a box that Glibc's Swift module hides behind _GNU_SOURCE or that libc does not wrap.
// Each function says why it exists. All answer -1 and set errno where they fail.

#include <errno.h>
#include <seccomp.h>
#include <stdint.h>

#include "box.h"
#include "descriptors.h"
#include "spawn.h"

// SCMP_ACT_ERRNO is a macro with an argument.
static inline uint32_t cseccomp_errno_action(uint16_t number) { return SCMP_ACT_ERRNO(number); }

// struct scmp_arg_cmp is made by macros; the comparison is always of the low 32 bits under a mask, since the kernel looks at
// no more of an int, and a filter that compares 64 is passed by garbage in the upper half.
static inline struct scmp_arg_cmp cseccomp_equals(unsigned int argument, uint32_t mask, uint32_t value) {
    struct scmp_arg_cmp comparison = {.arg = argument, .op = SCMP_CMP_MASKED_EQ, .datum_a = mask, .datum_b = value};
    return comparison;
}

#endif
