/* SPDX-License-Identifier: Apache-2.0
 *
 * SipHash-2-4 (Aumasson, Bernstein 2012): a keyed hash for tables whose keys a stranger
 * chooses, and for ETags and token prints. Pure.
 */
#ifndef NET_NET_HASH_H
#define NET_NET_HASH_H

#include <stddef.h>
#include <stdint.h>

struct net_hash_key {
	uint64_t k0, k1;
};

uint64_t net_hash(const struct net_hash_key *key, const void *data, size_t len);

#endif
