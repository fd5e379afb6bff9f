/* SPDX-License-Identifier: Apache-2.0 */
#include "net/net_cid.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "net/net_internal.h"

enum {
	BUCKETS_FIRST = 256,
	WORKER = 0,	   /* of this loop, the only one */
	AMPLIFICATION = 3, /* RFC 7252 11.3; the number is RFC 9000's */
	/* A ping with the longest connection ID of a client and all padding; as much is kept back
	 * for it. */
	PING_BYTES = NET_RECORD_HEADER + 32 + 8 + 16 + 16,
	PLAIN_PING_BYTES = 4,
	STRAYS_MAX = 16, /* on plain coap: who has guessed so often may have guessed right */
};

/* ---- the table ---- */

int net_cid_init(struct net *net)
{
	net->by_cid.buckets = calloc(BUCKETS_FIRST, sizeof(struct net_peer *));
	net->by_cid.mask = BUCKETS_FIRST - 1;
	list_init(&net->held);
	return net->by_cid.buckets ? 0 : ERR_NOMEM;
}

void net_cid_done(struct net *net)
{
	free(net->by_cid.buckets);
}

/* The random part is chosen by us, so its bits are as good as a hash of them. */
static struct net_peer **bucket_of(const struct net_table *t, const uint8_t *cid)
{
	uint64_t bits;

	memcpy(&bits, cid, sizeof(bits));
	return &t->buckets[(bits >> 8) & t->mask];
}

/* Without memory the chains just grow longer. */
static void grow(struct net_table *t)
{
	struct net_table bigger = {.mask = t->mask * 2 + 1, .count = t->count};

	bigger.buckets = calloc(bigger.mask + 1, sizeof(struct net_peer *));
	if (!bigger.buckets)
		return;
	for (size_t i = 0; i <= t->mask; i++) {
		for (struct net_peer *p = t->buckets[i], *next; p; p = next) {
			struct net_peer **b = bucket_of(&bigger, p->cid);

			next = p->cid_chain;
			p->cid_chain = *b;
			*b = p;
		}
	}
	free(t->buckets);
	*t = bigger;
}

struct net_peer *net_cid_find(const struct net *net, struct bytes cid)
{
	if (cid.len != NET_CID)
		return NULL;

	struct net_peer *p = *bucket_of(&net->by_cid, cid.ptr);

	while (p && memcmp(p->cid, cid.ptr, NET_CID) != 0)
		p = p->cid_chain;
	return p;
}

int net_cid_make(struct net *net, uint8_t dst[NET_CID])
{
	do {
		if (net_dtls_random(&net->dtls, dst, NET_CID))
			return ERR_CRYPTO;
		dst[0] = WORKER;
	} while (net_cid_find(net, (struct bytes){dst, NET_CID}));
	return 0;
}

void net_cid_add(struct net_peer *peer)
{
	struct net_table *t = &peer->net->by_cid;

	assert(!peer->has_cid);
	if (t->count > t->mask)
		grow(t);
	struct net_peer **b = bucket_of(t, peer->cid);

	peer->has_cid = true;
	peer->cid_chain = *b;
	*b = peer;
	t->count++;
}

void net_cid_remove(struct net_peer *peer)
{
	struct net_table *t = &peer->net->by_cid;
	struct net_peer **p = bucket_of(t, peer->cid);

	if (!peer->has_cid)
		return;
	while (*p != peer)
		p = &(*p)->cid_chain;
	*p = peer->cid_chain;
	peer->cid_chain = NULL;
	peer->has_cid = false;
	t->count--;
}

/* ---- the way to a peer ---- */

/* A sealed record for an address that has not answered yet. */
struct net_held {
	struct net_held *next; /* of its peer */
	struct list all;       /* net->held */
	struct net_peer *peer;
	int64_t since_ms;
	size_t len;
	uint8_t data[];
};

static struct net_held *held_take(struct net_peer *peer)
{
	struct net_held *first = peer->path.held;

	if (!first)
		return NULL;
	peer->path.held = first->next;
	peer->path.held_count--;
	peer->net->held_count--;
	list_remove(&first->all);
	return first;
}

void net_path_drop_held(struct net_peer *peer)
{
	for (struct net_held *h = held_take(peer); h; h = held_take(peer))
		free(h);
}

static void hold(struct net_peer *peer, struct bytes datagram)
{
	struct net *net = peer->net;
	struct net_held **end = &peer->path.held;
	struct net_held *h = NULL;

	if (peer->path.held_count < LIMIT_PATH_HELD && net->held_count < LIMIT_PATHS_HELD)
		h = malloc(sizeof(*h) + datagram.len);
	if (!h) {
		net->stats.dropped++;
		return;
	}
	*h = (struct net_held){.peer = peer, .since_ms = net->timers.now_ms, .len = datagram.len};
	memcpy(h->data, datagram.ptr, datagram.len);
	while (*end)
		end = &(*end)->next;
	*end = h;
	list_append(&net->held, &h->all);
	peer->path.held_count++;
	net->held_count++;
}

/* The oldest of all is the oldest of its peer. */
void net_path_sweep(struct net *net)
{
	while (!list_empty(&net->held)) {
		struct net_held *h = LIST_ENTRY(net->held.next, struct net_held, all);

		if (net->timers.now_ms - h->since_ms < NET_PATH_HOLD_MS)
			break;
		free(held_take(h->peer));
		net->stats.dropped++;
	}
}

/* Everything about the old address is over, with it what was held for it. */
static void move(struct net_peer *peer, struct net_socket *socket, const struct net_udp_in *in)
{
	char before[64], now[64];

	(void)net_peer_address(peer, before);
	net_path_drop_held(peer);
	net_peer_rehome(peer, socket, &in->from);
	peer->path = (struct net_path){.unproven = true, .guesses = peer->path.guesses};
	peer->net->stats.address_changes++;
	log_debug("net peer=%s address=changed from=%s", net_peer_address(peer, now), before);
}

void net_path_genuine(struct net_peer *peer, struct net_socket *socket, const struct net_udp_in *in,
		      const struct net_record *record)
{
	bool newer = record->number > peer->newest;
	bool here = peer->socket == socket && net_address_equal(&peer->remote, &in->from);

	if (newer)
		peer->newest = record->number;
	if (!here && newer && peer->has_cid) {
		move(peer, socket, in);
		here = true;
	}
	peer->path.here = here;
	if (!here)
		return; /* it was on its way for long: it counts, and changes nothing */
	peer->local = in->to;
	if (peer->path.unproven && peer->path.in_bytes < UINT32_MAX / (2 * AMPLIFICATION))
		peer->path.in_bytes += (uint32_t)record->len;
}

void net_path_plain(struct net_peer *peer, size_t len)
{
	peer->path.here = true;
	if (peer->path.unproven && peer->path.in_bytes < UINT32_MAX / (2 * AMPLIFICATION))
		peer->path.in_bytes += (uint32_t)len;
}

static uint32_t ping_bytes(const struct net_peer *peer)
{
	return peer->socket->secure ? PING_BYTES : PLAIN_PING_BYTES;
}

bool net_path_may_send(struct net_peer *peer, struct bytes datagram)
{
	struct net_path *p = &peer->path;
	uint32_t kept = p->asked ? 0 : ping_bytes(peer);

	if (p->out_bytes + datagram.len + kept <= (size_t)p->in_bytes * AMPLIFICATION) {
		p->out_bytes += (uint32_t)datagram.len;
		return true;
	}
	if (!p->asked || peer->net->timers.now_ms - p->asked_at_ms >= NET_PATH_ASK_MS)
		p->must_ask = true;
	hold(peer, datagram);
	return false;
}

/* The message id is out of reach of those of our own messages, and unknown to a device that does
 * not get the ping. */
void net_path_ask(struct net_peer *peer)
{
	struct net *net = peer->net;
	struct net_path *p = &peer->path;

	if (!p->must_ask || p->out_bytes + ping_bytes(peer) > AMPLIFICATION * p->in_bytes)
		return;
	p->must_ask = false;
	if (!p->asked)
		p->ping = (uint16_t)(peer->coap.next_mid + 0x4000 +
				     net_coap_random(&net->coap) % 0x8000);
	p->asked = true;
	p->asked_at_ms = net->timers.now_ms;
	net_coap_send_empty(&net->coap, &peer->coap, WIRE_CON, p->ping);
}

bool net_path_answered(struct net_peer *peer, uint16_t mid)
{
	struct net_path *p = &peer->path;

	if (!p->asked || !p->here || p->strays > STRAYS_MAX)
		return false;
	if (mid != p->ping) { /* of another message, or a guess at what it did not get */
		if (peer->socket->secure && ++p->guesses >= NET_PATH_GUESSES)
			net_peer_close(peer->net, peer);
		return false;
	}
	p->unproven = p->asked = false;
	p->guesses = 0;
	for (struct net_held *h = held_take(peer); h; h = held_take(peer)) {
		net_send(peer->socket, &peer->remote, &peer->local, h->data, h->len);
		free(h);
	}
	return true;
}
