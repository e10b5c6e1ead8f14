/*
 * simaccel/keys.h: private and public keys of simaccel for C.
 *
 * A key is a session of an engine (<simaccel/engine.h>, whose rules on memory, handles and forks hold here, too): the
 * device signs, verifies, decrypts, encrypts, derives, encapsulates and decapsulates with it. There are two ways to
 * call an operation.
 *
 *   simaccel_key_sign and the like      pause a job while the device works (in a job with a wait context), or block
 *   simaccel_start_sign and the like    submit, and return at once; a callback says when to look
 *
 *     start --> simaccel_operation -- take --> SIMACCEL_ERR_PENDING ... ready(arg) ... take --> the result
 *                                  -- cancel, free: at any time; nothing of it happens afterwards
 *
 * The second is for programs with a loop of their own, and for the callbacks of other TLS libraries: see
 * simaccel_keys(3), which has BoringSSL's and Mbed TLS's beside it, and examples/private_key_method.c.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0
 */
#ifndef SIMACCEL_KEYS_H
#define SIMACCEL_KEYS_H

#include <simaccel/engine.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- Keys ---- */

typedef struct simaccel_key simaccel_key;

/*
 * Imports a key in one of these forms; it is private if the form holds a private key.
 *   "pem"    the first of the labels PRIVATE KEY, RSA PRIVATE KEY, EC PRIVATE KEY and PUBLIC KEY
 *   "pkcs8"  PrivateKeyInfo in DER          "pkcs1"  RSAPrivateKey in DER
 *   "sec1"   ECPrivateKey in DER            "spki"   SubjectPublicKeyInfo in DER
 * A key that is wrong in itself, encrypted, or of an algorithm that is not in simaccel_keys(3), is SIMACCEL_ERR_SESSION
 * with the reason. The input is wiped here after use, not in the caller's memory.
 */
simaccel_result simaccel_key_import(simaccel_engine *engine, const char *form, const void *data, size_t len,
                                    simaccel_key **key);

/*
 * A key of bare bytes. algorithm: one of the names in simaccel_keys(3), but RSA.
 * private: a scalar in big-endian order, as long as the order or shorter (p-256, p-384, p-521), 32 bytes (x25519,
 * ed25519), a seed or the expanded key (ml-kem-768, ml-dsa-44, ml-dsa-65), ML-KEM's and then X25519's (x25519mlkem768).
 * public: a point of SEC 1, compressed or not (p-256, p-384, p-521), or the bytes that the standard gives.
 */
simaccel_result simaccel_key_from_private(simaccel_engine *engine, const char *algorithm, const void *data, size_t len,
                                          simaccel_key **key);
simaccel_result simaccel_key_from_public(simaccel_engine *engine, const char *algorithm, const void *data, size_t len,
                                         simaccel_key **key);

/* A number in big-endian order; len 0: not there. */
typedef struct simaccel_number {
    const void *data;
    size_t len;
} simaccel_number;

/*
 * The numbers of an RSA key. Without d it is a public key. p, q, dp, dq and qi may be missing; what is there has to
 * fit. size is sizeof(simaccel_rsa_numbers): later versions may have more members.
 */
typedef struct simaccel_rsa_numbers {
    size_t size;
    simaccel_number n, e, d, p, q, dp, dq, qi;
} simaccel_rsa_numbers;

simaccel_result simaccel_key_from_rsa(simaccel_engine *engine, const simaccel_rsa_numbers *numbers, simaccel_key **key);

/*
 * Has the device generate a key: an operation like those below, which pauses or blocks. bits is for RSA alone, and 0
 * where the name has it ("rsa-2048") and for the others. The randomness is drawn from the system before.
 */
simaccel_result simaccel_key_generate(simaccel_engine *engine, const char *algorithm, size_t bits, simaccel_key **key);

/* The public key of a private one (or of itself), as a key of its own. */
simaccel_result simaccel_key_public(simaccel_key *key, simaccel_key **public_key);

/* An operation that uses the key keeps it until it has ended. Private numbers are wiped with the last of them. */
void simaccel_key_free(simaccel_key *key);

/* The algorithm's name, static: "rsa-2048", "p-256". NULL for NULL. */
const char *simaccel_key_algorithm(simaccel_key *key);
/* What a key's strength is told by: bits of the modulus of RSA, of the field of curves; NULL: 0. */
size_t simaccel_key_bits(simaccel_key *key);
/* 1 or 0. */
int simaccel_key_is_private(simaccel_key *key);
/* 1 if the public keys are the same, else 0; a private key is compared by its public one. */
int simaccel_key_equal(simaccel_key *key, simaccel_key *other);

/*
 * Writes the key in a form: "spki" (DER) and "public" (as simaccel_key_from_public takes it), and of a private key
 * "pkcs8" (DER) and "private". Too little room is SIMACCEL_ERR_OUTPUT_TOO_SMALL, with enough in *out_len.
 */
simaccel_result simaccel_key_export(simaccel_key *key, const char *form, void *out, size_t out_size, size_t *out_len);

/* ---- Operations ---- */

typedef enum simaccel_key_operation {
    SIMACCEL_KEY_SIGN = 1,
    SIMACCEL_KEY_VERIFY = 2,
    SIMACCEL_KEY_ENCRYPT = 3,
    SIMACCEL_KEY_DECRYPT = 4,
    SIMACCEL_KEY_DERIVE = 5,
    SIMACCEL_KEY_ENCAPSULATE = 6,
    SIMACCEL_KEY_DECAPSULATE = 7,
    SIMACCEL_KEY_GENERATE = 8
} simaccel_key_operation;

/*
 * scheme: how to sign or encrypt, written as a configuration is; NULL or "" for none.
 *   RSA, sign and verify      padding=pkcs1[;hash=H]                  in is a digest of H; without H any DigestInfo
 *                             padding=pss;hash=H[;mgf_hash=H][;salt_len=BYTES]      (salt_len: that of a digest of H)
 *                             padding=none                            in is as long as the modulus
 *   RSA, encrypt and decrypt  padding=pkcs1[;implicit_rejection=off]  on: a wrong padding gives another text, no error
 *                             padding=oaep;hash=H[;mgf_hash=H][;label=HEX]
 *                             padding=none
 *                             padding=tls;client_version=NUMBER[;alt_version=NUMBER]
 *                                                                     decrypt: 48 bytes, random ones for a wrong padding
 *                                                                     or version
 *   ECDSA                     [nonce=deterministic;hash=H][;form=raw] in is a digest; random nonce, DER by default
 *   Ed25519                   none; in is the message
 *   ML-DSA                    [context=HEX][;hedged=off]              in is the message
 * H: sha1, sha224, sha256, sha384, sha512, sha512-224, sha512-256, sha3-224, sha3-256, sha3-384, sha3-512.
 * A scheme that does not fit the key is SIMACCEL_ERR_ARGUMENT.
 */

/*
 * *size gets the most bytes that an operation writes to out, and is never asked of the device. An operation needs that
 * room, and writes as much or less: it refuses less with SIMACCEL_ERR_OUTPUT_TOO_SMALL and the size in *out_len before
 * it begins. SIMACCEL_KEY_ENCAPSULATE: the ciphertext's size; SIMACCEL_KEY_DECAPSULATE: the secret's.
 */
simaccel_result simaccel_key_output_size(simaccel_key *key, simaccel_key_operation operation, const char *scheme,
                                         size_t *size);

simaccel_result simaccel_key_sign(simaccel_key *key, const char *scheme, const void *in, size_t in_len, void *out,
                                  size_t out_size, size_t *out_len);
/* A signature that is not right is SIMACCEL_ERR_AUTH_FAILED, whatever is wrong with it. */
simaccel_result simaccel_key_verify(simaccel_key *key, const char *scheme, const void *in, size_t in_len,
                                    const void *signature, size_t signature_len);
simaccel_result simaccel_key_encrypt(simaccel_key *key, const char *scheme, const void *in, size_t in_len, void *out,
                                     size_t out_size, size_t *out_len);
simaccel_result simaccel_key_decrypt(simaccel_key *key, const char *scheme, const void *in, size_t in_len, void *out,
                                     size_t out_size, size_t *out_len);
/* peer: the other side's public value, as simaccel_key_from_public takes it. */
simaccel_result simaccel_key_derive(simaccel_key *key, const void *peer, size_t peer_len, void *out, size_t out_size,
                                    size_t *out_len);
/* Both outputs are written, or none. */
simaccel_result simaccel_key_encapsulate(simaccel_key *key, void *out, size_t out_size, size_t *out_len, void *secret,
                                         size_t secret_size, size_t *secret_len);
simaccel_result simaccel_key_decapsulate(simaccel_key *key, const void *in, size_t in_len, void *out, size_t out_size,
                                         size_t *out_len);

/* ---- Start now, take later ---- */

typedef struct simaccel_operation simaccel_operation;

/*
 * Says that it is time to look.
 *
 * - When, and where. It comes at least once after an operation was started, and at least once after every
 *   SIMACCEL_ERR_PENDING of take (which comes again where the request is submitted again, see max_retries): on a thread
 *   of the device; on a stepped device in the call that steps it; and in the start itself, if the operation is over at
 *   once. It may come without need. *started is written before.
 * - What it may do. It must be short and must not throw: the thread serves other requests. Most programs write an
 *   eventfd, or append to a list. It may call every function of this section, for its own operation and others, and so
 *   take the result, start the next operation, cancel and free; a computation in software (fallback=on) then takes
 *   place in it. It must not block: no operation of the section above, and none of <simaccel/engine.h> but
 *   simaccel_stats_json.
 * - Until when. When take has returned anything but SIMACCEL_ERR_PENDING, SIMACCEL_ERR_BUSY and
 *   SIMACCEL_ERR_OUTPUT_TOO_SMALL, and when cancel or free has returned, no call begins any more, and those in other
 *   threads have returned: what arg points to may be freed. Inside a callback, of whatever operation, take, cancel and
 *   free do not wait for calls that run elsewhere. So a lock that the callback takes is not to be held around them, nor
 *   around a start.
 * - It may be NULL: then take is called from time to time.
 */
typedef void (*simaccel_ready_fn)(void *arg);

/*
 * Starts an operation, without waiting, in a job or not; delivery=poll makes no difference. The input is copied. A
 * wrong scheme, and an operation that the key does not have, are reported here, with *started NULL. An input that the
 * key refuses, and failures of the device, come with the result.
 *
 * in is what the function of that name takes: the peer's value to derive, the ciphertext to decapsulate, nothing to
 * encapsulate. For SIMACCEL_KEY_VERIFY and SIMACCEL_KEY_GENERATE there are functions of their own.
 */
simaccel_result simaccel_key_start(simaccel_key *key, simaccel_key_operation operation, const char *scheme, const void *in,
                                   size_t in_len, simaccel_ready_fn ready, void *arg, simaccel_operation **started);
simaccel_result simaccel_key_start_verify(simaccel_key *key, const char *scheme, const void *in, size_t in_len,
                                          const void *signature, size_t signature_len, simaccel_ready_fn ready, void *arg,
                                          simaccel_operation **started);
simaccel_result simaccel_key_start_generate(simaccel_engine *engine, const char *algorithm, size_t bits,
                                            simaccel_ready_fn ready, void *arg, simaccel_operation **started);

/*
 * Looks: SIMACCEL_ERR_PENDING while it is not over, else how it has ended, with the output. The output is handed out
 * once; after that, after an error, and after cancel the result is SIMACCEL_ERR_TAKEN. Too little room is
 * SIMACCEL_ERR_OUTPUT_TOO_SMALL, and the output stays for another take. Any thread may look, one at a time:
 * SIMACCEL_ERR_BUSY says that another one does, and that it sees what there is to see. SIMACCEL_KEY_VERIFY has no
 * output: NULL, 0, NULL.
 */
simaccel_result simaccel_operation_take(simaccel_operation *operation, void *out, size_t out_size, size_t *out_len);
/* The same for SIMACCEL_KEY_ENCAPSULATE: both outputs, or none. */
simaccel_result simaccel_operation_take_encapsulated(simaccel_operation *operation, void *out, size_t out_size,
                                                     size_t *out_len, void *secret, size_t secret_size,
                                                     size_t *secret_len);
/* The same for SIMACCEL_KEY_GENERATE. */
simaccel_result simaccel_operation_take_key(simaccel_operation *operation, simaccel_key **key);

/*
 * Gives an operation up, at any time, in any thread, also while another thread looks, which then ends it. Waits at most
 * for the computation that the device is at. The device may compute it all the same, and its result is wiped unseen.
 */
simaccel_result simaccel_operation_cancel(simaccel_operation *operation);

/* Cancels an operation that is not over, and frees it. No other thread uses it, and no call begins to. */
void simaccel_operation_free(simaccel_operation *operation);

#ifdef __cplusplus
}
#endif

#endif
