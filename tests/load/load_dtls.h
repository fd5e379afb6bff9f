/* SPDX-License-Identifier: Apache-2.0
 *
 * As much of a DTLS 1.2 client (RFC 6347) as a load client needs to be cheaper than any server it
 * measures: PSK with AES-128-CCM-8, -CCM or -GCM on OpenSSL's libcrypto, extended master secret,
 * HelloVerifyRequest. It does not put fragments together, knows no resumption and no connection
 * IDs, and reads what is repeated as if it were new: loopback only.
 */
#ifndef TESTS_LOAD_LOAD_DTLS_H
#define TESTS_LOAD_LOAD_DTLS_H

#include "base/buf.h"

struct dtls;

enum dtls_suite { DTLS_CCM8, DTLS_CCM, DTLS_GCM };
enum dtls_result { DTLS_MORE, DTLS_UP, DTLS_FAILED };

/* A datagram for the server; the bytes are borrowed. */
typedef void dtls_send(void *ctx, const uint8_t *data, size_t len);

struct dtls *dtls_new(const char *identity, struct bytes key, enum dtls_suite suite,
		      dtls_send *send, void *ctx);
void dtls_free(struct dtls *d);

/* A handshake from the beginning, whatever was. */
void dtls_start(struct dtls *d);
/* A datagram while it shakes hands. */
enum dtls_result dtls_shake(struct dtls *d, struct bytes datagram);
/* Nothing came: the last flight once more. */
void dtls_again(struct dtls *d);

void dtls_write(struct dtls *d, const uint8_t *data, size_t len);
/* The next message in the datagram, which becomes shorter. 0: there is none; -1: it is over. */
int dtls_read(struct dtls *d, struct bytes *datagram, uint8_t *dst, size_t cap);
/* close_notify */
void dtls_close(struct dtls *d);

#endif
