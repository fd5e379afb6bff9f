/* SPDX-License-Identifier: Apache-2.0
 *
 * Peers that sleep, and what they keep.
 */
#ifndef TESTS_UNIT_NET_ASLEEP_H
#define TESTS_UNIT_NET_ASLEEP_H

#include "net_client.h"

#include "net/net_internal.h"

static inline bool until_asleep(struct rig *r, uint64_t count)
{
	int64_t end = now_ms() + 20000;

	while (rig_stats(r).asleep != count && now_ms() < end)
		turn_for(r, 10);
	return rig_stats(r).asleep == count;
}

/* What a sleeper keeps, to compare. */
struct kept {
	size_t len;
	uint8_t bytes[1024];
};

static inline struct kept kept_of(const struct net_peer *peer)
{
	struct kept k = {.len = (size_t)peer->saved_len + peer->packed_len};

	assert_int_equal(peer->state, NET_PEER_ASLEEP);
	assert_in_range(k.len, 1, sizeof(k.bytes));
	memcpy(k.bytes, peer->saved, k.len);
	return k;
}

static inline void assert_kept(const struct net_peer *peer, const struct kept *k)
{
	struct kept now = kept_of(peer);

	assert_int_equal(now.len, k->len);
	assert_memory_equal(now.bytes, k->bytes, k->len);
}

#endif
