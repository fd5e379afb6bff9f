/* SPDX-License-Identifier: Apache-2.0
 *
 * A few threads for work that would hold the loop too long: asymmetric cryptography. A piece of
 * work belongs to its thread from the submit until its `done`, which runs on the loop's thread.
 * The threads are nice: where processors are short, sessions that are up come first.
 *
 * Order of calls: net_pool_new, net_pool_submit, net_pool_stop, the loop until `closed`,
 * net_pool_free.
 */
#ifndef NET_NET_POOL_H
#define NET_NET_POOL_H

#include <stdbool.h>
#include <uv.h>

#include "base/err.h"
#include "base/list.h"

struct net_pool;

struct net_task {
	struct list link;
	void (*run)(struct net_task *work);  /* on a thread */
	void (*done)(struct net_task *work); /* on the loop's */
};

int net_pool_new(uv_loop_t *loop, unsigned threads, struct net_pool **ret_pool) ERR_CHECK;
/* `urgent` work is taken before all other; each kind in its order. */
void net_pool_submit(struct net_pool *pool, struct net_task *work, bool urgent);
unsigned net_pool_waiting(struct net_pool *pool); /* not yet taken by a thread */
/* What runs ends, what waits does not begin; `done` is called for all of it before this returns. */
void net_pool_stop(struct net_pool *pool, uv_close_cb closed, void *data);
void net_pool_free(struct net_pool *pool); /* after `closed`; NULL is fine */

#endif
