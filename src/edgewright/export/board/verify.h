#ifndef @@_VERIFY_H
#define @@_VERIFY_H

#include <stdint.h>

/*
 * SHA-512 (FIPS 180-4) and the verification of Ed25519 signatures (RFC 8032). Portable C99: no heap, no recursion, no
 * library. What is verified is public, so times may depend on it: it is nothing to sign with.
 */
typedef struct {
    uint64_t state[8];
    uint64_t length;
    uint8_t block[128];
} @_sha512;

void @_sha512_begin(@_sha512 *hash);
void @_sha512_add(@_sha512 *hash, const uint8_t *bytes, uint32_t count);
void @_sha512_end(@_sha512 *hash, uint8_t digest[64]);

/*
 * Whether a signature of 64 bytes is right: `hash` is the SHA-512 of its first 32 bytes, the key, and the message.
 * Keys and numbers that are not written in the one canonical way, and keys of small order, are wrong.
 */
int @_ed25519_right(const uint8_t signature[64], const uint8_t key[32], const uint8_t hash[64]);

#endif
