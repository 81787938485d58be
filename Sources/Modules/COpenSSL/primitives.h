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

// The same: the digest's name is a parameter. Keys the context; later calls of EVP_MAC_init without a key keep it. EVP_MAC-HMAC(7).
static inline int copenssl_hmac_sha256_init(EVP_MAC_CTX *context, const unsigned char *key, size_t keyCount) {
    OSSL_PARAM parameters[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, (char *)"SHA256", 0),
        OSSL_PARAM_construct_end(),
    };
    return EVP_MAC_init(context, key, keyCount, parameters);
}

// EVP_PKEY_Q_keygen is variadic. EVP_PKEY_Q_keygen(3).
static inline EVP_PKEY *copenssl_p256_generate(void) { return EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-256"); }

// X509V3_set_ctx_nodb is a macro that assigns a field.
static inline void copenssl_x509v3_context(X509V3_CTX *context, X509 *issuer, X509 *subject) {
    X509V3_set_ctx(context, issuer, subject, NULL, NULL, 0);
    X509V3_set_ctx_nodb(context);
}

#endif
