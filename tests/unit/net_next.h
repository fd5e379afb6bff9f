/* SPDX-License-Identifier: Apache-2.0
 *
 * What a net saves, kept here, and a second net in its place.
 */
#ifndef TESTS_UNIT_NET_NEXT_H
#define TESTS_UNIT_NET_NEXT_H

#include "net_client.h"

#include "net/net_internal.h"

struct kept {
	size_t len;
	unsigned pieces, fail_at;
	uint8_t bytes[65536];
};

static inline int keep(void *ctx, struct bytes piece)
{
	struct kept *k = ctx;

	if (++k->pieces == k->fail_at)
		return ERR_FULL;
	assert_true(piece.len <= sizeof(k->bytes) - k->len);
	memcpy(k->bytes + k->len, piece.ptr, piece.len);
	k->len += piece.len;
	return 0;
}

static inline struct bytes all(const struct kept *k)
{
	return (struct bytes){k->bytes, k->len};
}

static inline struct net_saved save(struct rig *r, struct kept *k)
{
	struct net_saved saved;

	memset(k, 0, sizeof(*k));
	assert_int_equal(net_save(r->net, keep, k, &saved), 0);
	return saved;
}

/* Another net at its address; the rig is the same. */
static inline void next_net(struct rig *r, const struct net_conf *like)
{
	static struct net_callbacks callbacks;
	struct net_conf conf = *like;

	callbacks = *r->net->cb;
	rig_close(r);
	conf.callbacks = &callbacks;
	conf.ctx = r;
	r->closed = false;
	assert_int_equal(uv_loop_init(&r->loop), 0);
	assert_int_equal(net_new(&r->loop, &conf, &r->net), 0);
	assert_int_equal(net_listen(r->net, (struct sockaddr *)&r->at, true, NULL), 0);
	rig_turn(r);
}

static inline struct net_restored restore(struct rig *r, const struct kept *k)
{
	struct net_restored restored;

	assert_int_equal(net_restore(r->net, all(k), &restored), 0);
	return restored;
}

static struct kept kept;

#endif
