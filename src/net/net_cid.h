/* SPDX-License-Identifier: Apache-2.0
 *
 * Connection IDs (RFC 9146): a session is found by what its records carry, wherever they come
 * from; and the rules by which it then follows its device to another address.
 *
 * Each half-open peer is given one (peer->cid): byte 0 is the number of the worker whose session
 * it is, the rest random. A client that wants none goes on as ever, found by its address; one that
 * took it is found by it alone (peer->has_cid), so a session that sits at the same address, with
 * or without a connection ID of its own, is not in its way.
 *
 * RFC 9146 6: the address changes when a record from elsewhere is genuine and newer than every
 * genuine one before (peer->newest); until then nothing is sent there. That the new address
 * receives what we send is a further question, as whoever sees a device's datagrams can be quicker
 * and send them on under the address of a victim. So after a change no more than three times what
 * came from there is sent, until a CoAP ping was answered from there (RFC 7252 4.3: with a RST of
 * the same message id). Datagrams beyond that are held for the answer, a few of them, and the
 * first one sets off the ping; who gets along without is not asked. A device that lies about its
 * address cannot try all message ids.
 *
 * What a sleeping session must keep: net_peer's cid, has_cid, newest and path (without `held`:
 * net_path_drop_held()). What came while it slept is judged when it is awake.
 */
#ifndef NET_NET_CID_H
#define NET_NET_CID_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "net/net_hello.h"

struct net;
struct net_peer;
struct net_socket;
struct net_udp_in;

enum {
	NET_PATH_ASK_MS = 1000,	  /* between two pings */
	NET_PATH_HOLD_MS = 30000, /* for the answer */
	NET_PATH_GUESSES = 16, /* wrong answers, of 32768 that there are; then the session ends */
};

struct net_held;

/* What is known of the address that a peer has changed to; all zero: it needs no proof. */
struct net_path {
	struct net_held *held; /* oldest first */
	int64_t asked_at_ms;   /* when the ping was sent */
	uint32_t in_bytes, out_bytes;
	uint16_t ping;	    /* its message id */
	uint8_t held_count; /* at most LIMIT_PATH_HELD */
	uint8_t guesses;    /* since an address was proved, under keys */
	uint8_t strays;	    /* messages that belong to nothing, since the ping, on plain coap */
	bool unproven;
	bool asked;    /* the ping is out */
	bool must_ask; /* ... or has to be, as soon as nothing else is being sent */
	bool here;     /* the record that is being handled came from the present address */
};

/* ---- the table ---- */

int net_cid_init(struct net *net) ERR_CHECK;
void net_cid_done(struct net *net);
/* One that no session has. */
int net_cid_make(struct net *net, uint8_t dst[NET_CID]) ERR_CHECK;
/* The peer is found by peer->cid from now on; it must not be half-open. */
void net_cid_add(struct net_peer *peer);
void net_cid_remove(struct net_peer *peer); /* does nothing if it has none */
/* An established peer, or NULL. */
struct net_peer *net_cid_find(const struct net *net, struct bytes cid);

/* ---- the way to a peer ---- */

/* A record that came in this datagram has proved genuine. Called before it is answered. */
void net_path_genuine(struct net_peer *peer, struct net_socket *socket, const struct net_udp_in *in,
		      const struct net_record *record);
/* A datagram of a peer on plain coap, whose address is proved in the same way: it can be anybody's
 * who writes that sender, so every one counts. */
void net_path_plain(struct net_peer *peer, size_t len);
/* A RST with this message id, genuine. True if it is the answer to our ping. */
bool net_path_answered(struct net_peer *peer, uint16_t mid);
/* Whether this may go to an unproven address now; else it is held or lost. */
bool net_path_may_send(struct net_peer *peer, struct bytes datagram);
/* Not from inside mbedTLS: sends the ping that net_path_may_send() asked for. */
void net_path_ask(struct net_peer *peer);
void net_path_drop_held(struct net_peer *peer);
/* Now and then: drops what was held too long. */
void net_path_sweep(struct net *net);

#endif
