// SPDX-License-Identifier: Apache-2.0
#ifndef GATEHOUSE_CLINUX_FILES_H
#define GATEHOUSE_CLINUX_FILES_H

// Random numbers and bytes of memory and files: what Platform's Random, SecretBytes and AtomicFile need.

// getrandom(2): Glibc's Swift module does not include this header.
#include <sys/random.h>

// explicit_bzero(3): hidden from Swift's Glibc module in some versions of the toolchain.
#include <string.h>

// renameat2(2) stands behind _GNU_SOURCE.
#include <fcntl.h>
#include <sys/syscall.h>
#include <unistd.h>

// Two names change places at once, so that at no moment either is missing.
static inline int clinux_exchange(const char *first, const char *second) {
    return (int)syscall(SYS_renameat2, AT_FDCWD, first, AT_FDCWD, second, 2 /* RENAME_EXCHANGE */);
}

#endif
