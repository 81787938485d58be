// SPDX-License-Identifier: Apache-2.0
//
// For tests alone, which make and check hundreds of passwords: stands between the program and libcrypto (LD_PRELOAD, ld.so(8)) and
// makes the scrypt of a password a hundred times cheaper. The program under test is the one that is shipped, and has no way to
// ask for this.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stddef.h>
#include <stdint.h>

typedef int scrypt_call(
    const char *, size_t, const unsigned char *, size_t, uint64_t, uint64_t, uint64_t, uint64_t, unsigned char *, size_t);

int EVP_PBE_scrypt(
    const char *password, size_t password_count, const unsigned char *salt, size_t salt_count, uint64_t cost, uint64_t block,
    uint64_t parallelism, uint64_t memory_max, unsigned char *key, size_t key_count) {
    scrypt_call *next = (scrypt_call *)dlsym(RTLD_NEXT, "EVP_PBE_scrypt");
    if (next == NULL) return 0;
    return next(
        password, password_count, salt, salt_count, cost > 1 << 16 ? cost >> 7 : cost, block, parallelism, memory_max, key,
        key_count);
}
