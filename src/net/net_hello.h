/* SPDX-License-Identifier: Apache-2.0
 *
 * The few bytes of DTLS 1.2 (RFC 6347) that have to be understood before there is any state:
 * record headers, whether a datagram begins with a ClientHello, its cookie, and the answer that
 * asks for one. Pure.
 */
#ifndef NET_NET_HELLO_H
#define NET_NET_HELLO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"

enum {
	NET_RECORD_HEADER = 13,
	NET_RECORD_CCS = 20,
	NET_RECORD_ALERT = 21,
	NET_RECORD_HANDSHAKE = 22,
	NET_RECORD_DATA = 23,
	NET_RECORD_CID = 25, /* RFC 9146: tls12_cid; what it is is told inside */
	NET_CID = 8,	     /* bytes of every connection ID that we give */
	NET_HELLO_RANDOM = 32,
	NET_COOKIE_MAX = 64,
	NET_VERIFY_MAX = NET_RECORD_HEADER + 12 + 3 + NET_COOKIE_MAX,
};

/* A record's header, as it came: nothing of it is proved. */
struct net_record {
	uint8_t type;
	uint16_t epoch;
	uint64_t number;  /* epoch and sequence number: of two the newer has the larger one */
	struct bytes cid; /* NET_CID bytes, or none */
	size_t len;	  /* header and body; the body may be cut */
};

/* The first record of a datagram. ERR_TRUNC or ERR_SYNTAX: no DTLS record of a version we could
 * speak. */
int net_record_first(const uint8_t *data, size_t len, struct net_record *ret) ERR_CHECK;

/* Length of the whole records at the beginning. mbedTLS 3.6 ends a session with an internal error
 * over a stump of a header behind a record it ignores, and anybody can send that: it must never
 * see one. Nor does it get a connection ID in epoch 0: plaintext has none (RFC 9146 3). */
size_t net_record_whole(const uint8_t *data, size_t len);

/* The connection ID of the first record that has one; none: empty. `len` is of whole records. */
struct bytes net_record_cid(const uint8_t *data, size_t len);

/* Some clients write record version 0xfe00 (draft DTLS) in epoch 0, which mbedTLS 3.6 refuses.
 * Nothing authenticates that field there; it becomes 0xfefd in every epoch-0 record. */
void net_record_mend_version(uint8_t *data, size_t len);

/* The longest handshake message, as its header says, of which a part is in these records, as far
 * as they are not encrypted. */
size_t net_record_message_max(const uint8_t *data, size_t len);

struct net_hello {
	struct bytes random; /* NET_HELLO_RANDOM bytes */
	struct bytes cookie;
	struct bytes suites; /* empty if they are not in this fragment */
};

/* Whether data starts with a ClientHello, or its first fragment if that holds the cookie. */
bool net_hello_parse(const uint8_t *data, size_t len, struct net_hello *ret);

/* The records that the beginning of a handshake has taken. */
struct net_hello_window {
	uint64_t first, seen; /* record number; one bit for it and each of the next 63 */
};

/* Whether a datagram begins with a handshake record in the clear that was not taken yet; it is
 * now. While mbedTLS waits for the rest of a ClientHello in fragments, any other record, and a
 * repeated one, makes it give up. */
bool net_hello_fresh(struct net_hello_window *w, const uint8_t *data, size_t len);

/* HelloVerifyRequest (RFC 6347 4.2.1) for a datagram that net_hello_parse() took; returns its
 * length. `cookie` is at most NET_COOKIE_MAX long. */
size_t net_hello_verify(const uint8_t *hello, struct bytes cookie, uint8_t dst[NET_VERIFY_MAX]);

#endif
