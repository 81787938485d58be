// SPDX-License-Identifier: Apache-2.0
#ifndef GATEHOUSE_CLINUX_FILES_H
#define GATEHOUSE_CLINUX_FILES_H

// Random numbers and bytes of memory and files: what Platform's Random, SecretBytes and AtomicFile need.

// getrandom(2): Glibc's Swift module does not include this header.
#include <sys/random.h>

// explicit_bzero(3): hidden from Swift's Glibc module in some versions of the toolchain.
#include <string.h>

// renameat2(2) and sync_file_range(2) stand behind _GNU_SOURCE.
#include <fcntl.h>
#include <sys/syscall.h>
#include <unistd.h>

// Two names change places at once, so that at no moment either is missing.
static inline int clinux_exchange(const char *first, const char *second) {
    return (int)syscall(SYS_renameat2, AT_FDCWD, first, AT_FDCWD, second, 2 /* RENAME_EXCHANGE */);
}

// Has the disk begin to write what is dirty of a file. Where that cannot be, a flush will do it.
static inline void clinux_begin_flush(int file) {
    (void)syscall(SYS_sync_file_range, file, 0L, 0L, 2 /* SYNC_FILE_RANGE_WRITE */);
}

#endif
