// SPDX-License-Identifier: Apache-2.0
#ifndef GATEHOUSE_COPENSSL_PRIMITIVES_H
#define GATEHOUSE_COPENSSL_PRIMITIVES_H

// What the target Crypto needs of OpenSSL 3 and Swift cannot say.

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/ec.h>
#include <openssl/kdf.h>
#include <openssl/params.h>
#include <openssl/pem.h>
#include <openssl/sha.h>
#include <string.h>

// OSSL_PARAM arrays hold pointers to locals; in Swift each of them would be a nested closure. EVP_KDF-HKDF(7).
static inline int copenssl_hkdf_sha256(
    EVP_KDF_CTX *context, const unsigned char *key, size_t keyCount, const unsigned char *salt, size_t saltCount,
    const unsigned char *info, size_t infoCount, unsigned char *output, size_t outputCount) {
    OSSL_PARAM parameters[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, (char *)"SHA256", 0),
        OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_KEY, (void *)key, keyCount),
        OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_SALT, (void *)salt, saltCount),
        OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_INFO, (void *)info, infoCount),
        OSSL_PARAM_construct_end(),
    };
    return EVP_KDF_derive(context, output, outputCount, parameters);
}

// HMAC-SHA256 with its key worked in: the states behind the two padded keys (RFC 2104 §4). A code is then two short
// hashes on copies of them, on any thread. EVP_MAC would find, allocate and lock its way to the same. The functions are
// deprecated in favour of EVP and part of every OpenSSL 3. SHA256_Init(3).
typedef struct {
    SHA256_CTX inner, outer;
} copenssl_hmac_sha256;

#pragma clang diagnostic push
#pragma clang diagnostic ignored "-Wdeprecated-declarations"

// SHA-256 on a state that lies where its owner is: EVP_MD_CTX would allocate one for each digest, and the tree over the
// audit log's records takes three of them for a record. Deprecated in favour of EVP and part of every OpenSSL 3, as above.
static inline void copenssl_sha256_start(SHA256_CTX *context) { SHA256_Init(context); }

static inline void copenssl_sha256_update(SHA256_CTX *context, const void *bytes, size_t count) {
    SHA256_Update(context, bytes, count);
}

// Writes 32 bytes to digest.
static inline void copenssl_sha256_finish(SHA256_CTX *context, unsigned char *digest) { SHA256_Final(digest, context); }

// What was hashed so far, of which nothing is left over: big endian, 32 bytes.
static inline void copenssl_sha256_words(const SHA256_CTX *context, unsigned char *digest) {
    for (int index = 0; index < 8; index++) {
        unsigned int word = context->h[index];
        digest[4 * index] = (unsigned char)(word >> 24);
        digest[4 * index + 1] = (unsigned char)(word >> 16);
        digest[4 * index + 2] = (unsigned char)(word >> 8);
        digest[4 * index + 3] = (unsigned char)word;
    }
}

// Closes a message (FIPS 180-4 §5.1.1) whose last bytes, fewer than 64, stand in a buffer of 128.
static inline void copenssl_sha256_close(
    SHA256_CTX *context, unsigned char *last, size_t lastCount, size_t count, unsigned char *digest) {
    size_t end = lastCount < 56 ? 64 : 128;
    last[lastCount] = 0x80;
    memset(last + lastCount + 1, 0, end - lastCount - 1);
    for (int index = 0; index < 8; index++) {
        last[end - 1 - index] = (unsigned char)((unsigned long long)count << 3 >> 8 * index);
    }
    SHA256_Update(context, last, end);
    copenssl_sha256_words(context, digest);
}

// The digest of one byte and the bytes behind it. They go to the hash in whole blocks, padding and all, so that nothing is
// collected by it, copied and wiped again: of the records of an audit log nothing is secret, since they are sealed.
static inline void copenssl_sha256_behind(
    unsigned char first, const unsigned char *bytes, size_t count, unsigned char *digest) {
    SHA256_CTX context;
    unsigned char block[128];
    size_t head = count < 63 ? count : 63, last = 1 + head;
    SHA256_Init(&context);
    block[0] = first;
    if (head > 0) memcpy(block + 1, bytes, head);
    if (last == 64) {
        size_t whole = (count - head) / 64 * 64;
        SHA256_Update(&context, block, 64);
        if (whole > 0) SHA256_Update(&context, bytes + head, whole);
        last = count - head - whole;
        if (last > 0) memcpy(block, bytes + head + whole, last);
    }
    copenssl_sha256_close(&context, block, last, count + 1, digest);
}

// The digest of one byte and two digests behind it.
static inline void copenssl_sha256_pair(
    unsigned char first, const void *left, const void *right, unsigned char *digest) {
    unsigned char both[64];
    memcpy(both, left, 32);
    memcpy(both + 32, right, 32);
    copenssl_sha256_behind(first, both, sizeof both, digest);
}

static inline void copenssl_hmac_sha256_key(copenssl_hmac_sha256 *state, const unsigned char *key, size_t keyCount) {
    unsigned char inner[64] = {0}, outer[64];
    if (keyCount > sizeof inner) {
        SHA256(key, keyCount, inner);
    } else {
        for (size_t index = 0; index < keyCount; index++) inner[index] = key[index];
    }
    for (size_t index = 0; index < sizeof inner; index++) {
        outer[index] = inner[index] ^ 0x5c;
        inner[index] ^= 0x36;
    }
    SHA256_Init(&state->inner);
    SHA256_Update(&state->inner, inner, sizeof inner);
    SHA256_Init(&state->outer);
    SHA256_Update(&state->outer, outer, sizeof outer);
    OPENSSL_cleanse(inner, sizeof inner);
    OPENSSL_cleanse(outer, sizeof outer);
}

// Writes 32 bytes to code.
static inline void copenssl_hmac_sha256_code(
    const copenssl_hmac_sha256 *state, const unsigned char *message, size_t messageCount, unsigned char *code) {
    SHA256_CTX context = state->inner;
    unsigned char digest[32];
    SHA256_Update(&context, message, messageCount);
    SHA256_Final(digest, &context);
    context = state->outer;
    SHA256_Update(&context, digest, sizeof digest);
    SHA256_Final(code, &context);
    OPENSSL_cleanse(&context, sizeof context);
    OPENSSL_cleanse(digest, sizeof digest);
}

#pragma clang diagnostic pop

// EVP_PKEY_Q_keygen is variadic. EVP_PKEY_Q_keygen(3).
static inline EVP_PKEY *copenssl_p256_generate(void) { return EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-256"); }

// X509V3_set_ctx_nodb is a macro that assigns a field.
static inline void copenssl_x509v3_context(X509V3_CTX *context, X509 *issuer, X509 *subject) {
    X509V3_set_ctx(context, issuer, subject, NULL, NULL, 0);
    X509V3_set_ctx_nodb(context);
}

#endif
