/* SPDX-License-Identifier: Apache-2.0
 *
 * Keys of devices at rest: sealed with the key of the service, so that a copy of the database
 * alone is worth nothing. AES-256-GCM under a random nonce, bound to a text that says what was
 * sealed (a sealed key moved to another row does not open); and a keyed hash that is the same for
 * the same key. Both have keys of their own, made from the service's by HKDF (RFC 5869).
 *
 * It belongs to one thread, the loop's. A sealed text is nonce, cipher text, tag.
 */
#ifndef NET_NET_SEAL_H
#define NET_NET_SEAL_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"

enum {
	NET_SEAL_KEY = 32, /* bytes of the key of the service */
	NET_SEAL_NONCE = 12,
	NET_SEAL_TAG = 16,
	NET_SEAL_MORE = NET_SEAL_NONCE + NET_SEAL_TAG, /* than the clear text */
	NET_SEAL_MAC = 32,
};

struct net_seal;

/* `key` may be wiped when it returns. ERR_NOMEM, ERR_CRYPTO. */
int net_seal_new(const uint8_t key[NET_SEAL_KEY], struct net_seal **ret_seal) ERR_CHECK;
void net_seal_free(struct net_seal *s); /* wipes; NULL is fine */

/* `about` is needed again to open. ERR_LIMIT if dst is too small. */
int net_seal_close(struct net_seal *s, struct bytes about, struct bytes clear, uint8_t *dst,
		   size_t cap, size_t *ret_len) ERR_CHECK;
/* ERR_CRYPTO: sealed with another key or about something else, or changed. dst is untouched then.
 */
int net_seal_open(struct net_seal *s, struct bytes about, struct bytes sealed, uint8_t *dst,
		  size_t cap, size_t *ret_len) ERR_CHECK;
int net_seal_mac(struct net_seal *s, struct bytes clear, uint8_t dst[NET_SEAL_MAC]) ERR_CHECK;

#endif
