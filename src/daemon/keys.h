/* SPDX-License-Identifier: Apache-2.0
 *
 * Keys of devices on their way between memory and the database: wrapped with the key of the
 * service, or left in clear where there is none (struct keys NULL). Loop's thread only.
 */
#ifndef DAEMON_KEYS_H
#define DAEMON_KEYS_H

#include <stdbool.h>

#include "base/buf.h"
#include "net/net_seal.h"
#include "store/key.h"

struct keys;

/* Key bytes outside the database; the owner wipes it. */
struct psk {
	size_t len;
	uint8_t bytes[LIMIT_PSK];
};

int keys_new(const uint8_t service_key[NET_SEAL_KEY], struct keys **ret_keys) ERR_CHECK;
void keys_free(struct keys *k); /* wipes; NULL is fine */

/* Fills form, value and mac of `row`, which names device and slot. ERR_LIMIT: not LIMIT_PSK_MIN
 * to LIMIT_PSK bytes. */
int keys_wrap(const struct keys *k, const struct psk *psk, struct store_key *row) ERR_CHECK;
/* ERR_CRYPTO: not wrapped with this key, or for another row; ERR_DENIED: wrapped, and we have no
 * key. */
int keys_unwrap(const struct keys *k, const struct store_key *row, struct psk *ret) ERR_CHECK;
/* The mac that a row with this key has. */
int keys_mac(const struct keys *k, const struct psk *psk, struct store_key *row) ERR_CHECK;

/* The text that tells the key of the service; opening it: ERR_CRYPTO if it was another key. */
int keys_seal(const struct keys *k, struct store_seal *ret) ERR_CHECK;
int keys_seal_check(const struct keys *k, const struct store_seal *seal) ERR_CHECK;

#endif
