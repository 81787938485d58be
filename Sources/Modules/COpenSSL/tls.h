// SPDX-License-Identifier: Apache-2.0
#ifndef GATEHOUSE_COPENSSL_TLS_H
#define GATEHOUSE_COPENSSL_TLS_H

#include <malloc.h>
#include <openssl/bio.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

// These are macros over SSL_CTX_ctrl and SSL_ctrl, which Swift does not see.
static inline int copenssl_ctx_set_minimum(SSL_CTX *ctx, int version) {
    return (int)SSL_CTX_set_min_proto_version(ctx, version);
}
static inline int copenssl_ctx_set_groups(SSL_CTX *ctx, const char *list) {
    return (int)SSL_CTX_set1_groups_list(ctx, list);
}
static inline int copenssl_ctx_add_chain(SSL_CTX *ctx, X509 *certificate) {
    return (int)SSL_CTX_add1_chain_cert(ctx, certificate);
}
static inline int copenssl_set_host_name(SSL *ssl, const char *name) { return (int)SSL_set_tlsext_host_name(ssl, name); }

// Modes that suit a non-blocking connection: part of a buffer may be taken, the rest may come from another address, a
// connection without bytes on their way holds no buffers, and one read(2) takes all that is there.
static inline void copenssl_ctx_set_modes(SSL_CTX *ctx) {
    SSL_CTX_set_mode(ctx, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_read_ahead(ctx, 1);
}

// A connection without bytes on their way holds no buffers, so two of a record and some are taken and given back with each
// request. They are too large for malloc's short cuts: each return merges free memory, each taking splits it. A thread
// keeps a few for whoever comes next, who finds them in the cache. What stands in them is as dead, and as little wiped, as
// in memory that was given back to malloc; OpenSSL wipes keys before it frees them.
enum {
    copenssl_buffer_min = 16 << 10,
    copenssl_buffer_bytes = 18 << 10,
    copenssl_buffers_kept = 32,
};
struct copenssl_buffers {
    void *first;
    int count;
};
// Of this thread. Swift emits a variable only within the function that it stands in.
static inline struct copenssl_buffers *copenssl_buffers(void) {
    static __thread struct copenssl_buffers kept;
    return &kept;
}

static inline void *copenssl_allocate(size_t count, const char *file, int line) {
    (void)file, (void)line;
    if (count < copenssl_buffer_min || count > copenssl_buffer_bytes) return count > 0 ? malloc(count) : NULL;
    struct copenssl_buffers *kept = copenssl_buffers();
    void *buffer = kept->first;
    if (buffer == NULL) return malloc(copenssl_buffer_bytes);
    kept->first = *(void **)buffer;
    kept->count -= 1;
    return buffer;
}
static inline void copenssl_release(void *memory, const char *file, int line) {
    (void)file, (void)line;
    struct copenssl_buffers *kept = copenssl_buffers();
    size_t room = memory != NULL && kept->count < copenssl_buffers_kept ? malloc_usable_size(memory) : 0;
    if (room < copenssl_buffer_bytes || room >= copenssl_buffer_bytes + 64) return free(memory);
    *(void **)memory = kept->first;
    kept->first = memory;
    kept->count += 1;
}
static inline void *copenssl_reallocate(void *memory, size_t count, const char *file, int line) {
    if (memory == NULL) return copenssl_allocate(count, file, line);
    if (count > 0) return realloc(memory, count);
    copenssl_release(memory, file, line);
    return NULL;
}
static inline int copenssl_kept_buffers(void) { return copenssl_buffers()->count; }
// Before anything else is asked of OpenSSL. Returns 0 when it is too late.
static inline int copenssl_keep_buffers(void) {
    return CRYPTO_set_mem_functions(copenssl_allocate, copenssl_reallocate, copenssl_release);
}

// Options are macros of a type that Swift does not fold.
static inline void copenssl_ctx_set_options(SSL_CTX *ctx) {
    SSL_CTX_set_options(ctx, SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION | SSL_OP_CIPHER_SERVER_PREFERENCE |
                                 SSL_OP_PRIORITIZE_CHACHA);
}
static inline void copenssl_ctx_set_session_cache(SSL_CTX *ctx, int client) {
    SSL_CTX_set_session_cache_mode(ctx, client ? SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL : SSL_SESS_CACHE_OFF);
}

// Flags of a BIO are set by macros.
static inline void copenssl_bio_will_retry(BIO *bio, int reading) {
    if (reading) BIO_set_retry_read(bio);
    else BIO_set_retry_write(bio);
}
static inline void copenssl_bio_will_not_retry(BIO *bio) { BIO_clear_retry_flags(bio); }

// The parameters of EVP_MAC are an array of structures that point to C strings, built by value.
// The keys are 32 bytes each, the vector 16. Returns 1 for success.
static inline int copenssl_begin_ticket(EVP_CIPHER_CTX *cipher, EVP_MAC_CTX *mac, const unsigned char *cipher_key,
                                        const unsigned char *mac_key, const unsigned char *vector, int sealing) {
    OSSL_PARAM params[3] = {
        OSSL_PARAM_construct_octet_string(OSSL_MAC_PARAM_KEY, (void *)mac_key, 32),
        OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, (char *)"SHA256", 0),
        OSSL_PARAM_construct_end(),
    };
    return EVP_CipherInit_ex(cipher, EVP_aes_256_cbc(), NULL, cipher_key, vector, sealing) == 1 &&
           EVP_MAC_CTX_set_params(mac, params) == 1;
}

// A key file that asks for a passphrase must fail, not read from a terminal: the callback's type is awkward in Swift.
static inline int copenssl_no_passphrase(char *buffer, int size, int writing, void *data) {
    (void)buffer, (void)size, (void)writing, (void)data;
    return -1;
}
static inline EVP_PKEY *copenssl_read_key(BIO *bio) {
    return PEM_read_bio_PrivateKey(bio, NULL, copenssl_no_passphrase, NULL);
}
static inline X509 *copenssl_read_certificate(BIO *bio) {
    return PEM_read_bio_X509(bio, NULL, copenssl_no_passphrase, NULL);
}

// ERR_GET_REASON and ERR_GET_LIB are inline functions over macros; Swift only asks whether this is the end of a PEM.
static inline int copenssl_is_end_of_pem(unsigned long error) {
    return ERR_GET_LIB(error) == ERR_LIB_PEM && ERR_GET_REASON(error) == PEM_R_NO_START_LINE;
}

// Partial wildcards (`a*.example`) and the common name are no names of a server.
static inline void copenssl_strict_names(X509_VERIFY_PARAM *param) {
    X509_VERIFY_PARAM_set_hostflags(param, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS | X509_CHECK_FLAG_NEVER_CHECK_SUBJECT);
}
static inline int copenssl_trust_partial_chains(SSL_CTX *ctx) {
    return X509_VERIFY_PARAM_set_flags(SSL_CTX_get0_param(ctx), X509_V_FLAG_PARTIAL_CHAIN);
}

#endif
