/* SPDX-License-Identifier: Apache-2.0
 *
 * Hibernation: a DTLS peer that has been idle for a while gives up its mbedTLS context of some
 * 40 KiB and keeps what mbedtls_ssl_context_save() made of it, some 220 bytes, in a slab, and
 * behind it its observations and remembered messages. It is the same peer in the same tables.
 *
 * A saved state may be used once: two contexts of the same state would use a nonce twice. So
 * - a context that was loaded to see whether a datagram is genuine sends nothing; it goes without
 *   a trace if the datagram is not, and the saved state stays what it was, replay window and all;
 * - before anything is sent with a loaded context, the saved state is wiped;
 * - what is sent by us alone (a notification, close_notify) is sent by a context that is saved
 *   again at once: a million notifications need one context, not a million.
 */
#ifndef NET_NET_SLEEP_H
#define NET_NET_SLEEP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/list.h"
#include "base/slab.h"
#include "net/net_timer.h"
#include "net/net_udp.h"

struct net;
struct net_peer;
struct net_tls;

enum {
	NET_SLEEP_AFTER_MS = 10000,
	NET_SLEEP_TURN_MS = 100, /* between two turns of putting peers to sleep */
	NET_SLEEP_NEXT_MS = 20,	 /* ... if there were more than one turn takes, some 2 ms */
	NET_SLEEP_PER_TURN = 256,
	NET_SILENT_MS = 60000,	/* who has said nothing since its Finished cannot be saved */
	NET_SAVED_MAX = 8192,	/* bytes of one saved state; a certificate is in it */
	NET_TRIALS = 32,	/* contexts that wait for a genuine datagram */
	NET_SPARES = 32,	/* contexts kept for the next one who wakes */
	NET_WAKES_FAILED = 200, /* in 100 ms; of the last quarter each network has its share */
	NET_SLEEP_ORIGINS = 1024,
	NET_TRIM_FEW = 16,	 /* so many freed contexts are worth a look at the heap */
	NET_TRIM_CONTEXTS = 256, /* ... at once, if nobody is awake */
	NET_TRIM_MS = 10000,	 /* between two */
	NET_FAREWELLS = 10000,	 /* sleeping peers that are told when the net closes */
};

struct net_sleep {
	struct slab slab; /* peers, saved states, identities */
	int64_t after_ms;
	struct net_timer turn;
	bool many;	   /* the last turn left some */
	struct list awake; /* peers with a context, or with an unpacked session; by active_ms */
	size_t asleep_count;
	struct net_tls *spare[NET_SPARES];
	unsigned spare_count;
	struct net_trial {
		struct net_tls *tls;   /* loaded, and never used to send */
		struct net_peer *peer; /* NULL: free */
	} trial[NET_TRIALS];
	unsigned trial_next; /* the oldest */
	int64_t window_at_ms;
	unsigned window_failed;
	uint16_t window_origin_failed[NET_SLEEP_ORIGINS];
	unsigned farewells;
	unsigned freed; /* contexts, since the heap was trimmed */
	int64_t trimmed_at_ms;
};

void net_sleep_init(struct net *net);
void net_sleep_done(struct net *net); /* after the last peer */

/* How long a peer is idle before it sleeps. */
void net_sleep_after_set(struct net *net, int64_t after_ms);
/* It is up, or has shown that it is: it stays awake for a while from now on. */
void net_sleep_later(struct net_peer *peer);
/* Frees what a peer that ends has here. */
void net_sleep_leave(struct net_peer *peer);

/* A record under keys came for a sleeping peer, at the beginning of `datagram`. True: it is
 * genuine, the peer is up, and the datagram is still to be read. */
bool net_sleep_wake(struct net_peer *peer, const union net_address *from, struct bytes datagram);

/* Sends for a sleeping peer, which sleeps on. */
int net_sleep_send(struct net_peer *peer, struct bytes message) ERR_CHECK;
/* The same with close_notify; its saved state is gone afterwards. */
void net_sleep_farewell(struct net_peer *peer);
/* The exchange layer is to use its observations. False: it has none, or there is no memory. */
bool net_sleep_unpack(struct net_peer *peer);
/* The exchange layer is to use all of its session. False: no memory. */
bool net_sleep_loosen(struct net_peer *peer);

/* Packs the session of a sleeping peer again, if it is not. False: not now. */
bool net_sleep_pack(struct net_peer *peer);
/* A new peer that sleeps, of a state that somebody else saved. False: no memory. */
bool net_sleep_put(struct net_peer *peer, struct bytes saved, struct bytes packed);
/* Puts it to sleep now, if it is idle and mbedTLS can save it. */
bool net_sleep_now(struct net_peer *peer);

#endif
