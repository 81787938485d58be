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
