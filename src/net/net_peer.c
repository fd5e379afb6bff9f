/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "net/net_step.h"

enum { BUCKETS_FIRST = 256 };

/* ---- tables ---- */

uint64_t net_address_hash(const struct net *net, const struct net_socket *socket,
			  const union net_address *a)
{
	struct {
		uint64_t socket;
		uint8_t address[16];
		uint32_t scope;
		uint16_t port, family;
	} key = {.socket = (uint64_t)(uintptr_t)socket, .family = a->any.sa_family};

	if (a->any.sa_family == AF_INET6) {
		memcpy(key.address, &a->v6.sin6_addr, sizeof(key.address));
		key.scope = a->v6.sin6_scope_id;
		key.port = a->v6.sin6_port;
	} else {
		memcpy(key.address, &a->v4.sin_addr, sizeof(a->v4.sin_addr));
		key.port = a->v4.sin_port;
	}
	return net_hash(&net->key, &key, sizeof(key));
}

bool net_address_equal(const union net_address *a, const union net_address *b)
{
	if (a->any.sa_family != b->any.sa_family)
		return false;
	if (a->any.sa_family == AF_INET6)
		return a->v6.sin6_port == b->v6.sin6_port &&
		       a->v6.sin6_scope_id == b->v6.sin6_scope_id &&
		       memcmp(&a->v6.sin6_addr, &b->v6.sin6_addr, sizeof(a->v6.sin6_addr)) == 0;
	return a->v4.sin_port == b->v4.sin_port && a->v4.sin_addr.s_addr == b->v4.sin_addr.s_addr;
}

static int table_init(struct net_table *t)
{
	t->buckets = calloc(BUCKETS_FIRST, sizeof(struct net_peer *));
	t->mask = BUCKETS_FIRST - 1;
	t->count = 0;
	return t->buckets ? 0 : ERR_NOMEM;
}

static struct net_peer **bucket_of(const struct net *net, const struct net_table *t,
				   const struct net_socket *socket, const union net_address *a)
{
	return &t->buckets[net_address_hash(net, socket, a) & t->mask];
}

/* Without memory the chains just grow longer. */
static void table_grow(const struct net *net, struct net_table *t)
{
	struct net_table bigger = {.mask = t->mask * 2 + 1, .count = t->count};

	bigger.buckets = calloc(bigger.mask + 1, sizeof(struct net_peer *));
	if (!bigger.buckets)
		return;
	for (size_t i = 0; i <= t->mask; i++) {
		for (struct net_peer *p = t->buckets[i], *next; p; p = next) {
			struct net_peer **b = bucket_of(net, &bigger, p->socket, &p->remote);

			next = p->chain;
			p->chain = *b;
			*b = p;
		}
	}
	free(t->buckets);
	*t = bigger;
}

static void table_add(const struct net *net, struct net_table *t, struct net_peer *p)
{
	if (t->count > t->mask)
		table_grow(net, t);
	struct net_peer **b = bucket_of(net, t, p->socket, &p->remote);

	p->chain = *b;
	*b = p;
	t->count++;
}

static void table_remove(const struct net *net, struct net_table *t, struct net_peer *peer)
{
	struct net_peer **p = bucket_of(net, t, peer->socket, &peer->remote);

	while (*p && *p != peer)
		p = &(*p)->chain;
	if (!*p)
		return;
	*p = peer->chain;
	peer->chain = NULL;
	t->count--;
}

static bool is_at(const struct net_peer *p, const struct net_socket *socket,
		  const union net_address *remote)
{
	return p->socket == socket && net_address_equal(&p->remote, remote);
}

struct net_peer *net_peer_find(const struct net *net, const struct net_table *table,
			       const struct net_socket *socket, const union net_address *remote)
{
	struct net_peer *p = *bucket_of(net, table, socket, remote);

	while (p && (p->has_cid || !is_at(p, socket, remote)))
		p = p->chain;
	return p;
}

/* RFC 6347 4.2.8: what a new session takes the place of. One with a connection ID may just have
 * had this address before (a NAT gave it to another device): it ends only if it is the same
 * device's. */
static struct net_peer *replaced_by(const struct net_peer *peer)
{
	const struct net_tls *tls = peer->tls;
	struct net_peer *p = *bucket_of(peer->net, &peer->net->peers, peer->socket, &peer->remote);

	for (; p; p = p->chain) {
		if (!is_at(p, peer->socket, &peer->remote))
			continue;
		if (!p->has_cid || bytes_equal(net_peer_identity(p),
					       (struct bytes){tls->identity, tls->identity_len}))
			return p;
	}
	return NULL;
}

void net_peer_rehome(struct net_peer *peer, struct net_socket *socket,
		     const union net_address *remote)
{
	struct net *net = peer->net;

	table_remove(net, &net->peers, peer);
	peer->socket = socket;
	peer->remote = *remote;
	table_add(net, &net->peers, peer);
}

/* ---- memory ---- */

static struct net_peer *peer_alloc(struct net_socket *socket, const struct net_udp_in *in)
{
	struct net *net = socket->net;

	struct net_peer *peer = slab_take(&net->sleep.slab, sizeof(*peer));

	if (!peer)
		return NULL;
	peer->net = net;
	peer->socket = socket;
	peer->remote = in->from;
	peer->local = in->to;
	peer->since_ms = peer->seen_ms = net->timers.now_ms;
	list_init(&peer->age);
	list_init(&peer->closing);
	list_init(&peer->awake);
	return peer;
}

static void peer_release(struct net_peer *peer)
{
	struct net *net = peer->net;

	net_tls_free(peer->tls);
	slab_give(&net->sleep.slab, peer->identity, peer->identity_len);
	net->mark_count -= peer->mark != NULL;
	slab_give(&net->sleep.slab, peer->mark, sizeof(*peer->mark));
	slab_give(&net->sleep.slab, peer, sizeof(*peer));
}

/* ---- sweeping: time-outs need only the heads of the age lists ---- */

static struct net_peer *oldest(const struct list *ages)
{
	return list_empty(ages) ? NULL : LIST_ENTRY(ages->next, struct net_peer, age);
}

static void sweep_list(struct net *net, struct list *ages, int64_t idle_ms)
{
	for (struct net_peer *p = oldest(ages); p && net->timers.now_ms - p->seen_ms >= idle_ms;
	     p = oldest(ages))
		net_peer_end(p, NET_GONE_IDLE, p->state != NET_PEER_HALF_OPEN);
}

static void sweep(struct net_timer *timer, void *ctx);

static void sweep_arm(struct net *net)
{
	if (!net->sweep.armed && net->half_open_count + net->live_count + net->plain_count > 0)
		net_timer_arm(&net->timers, &net->sweep, net->timers.now_ms + NET_SWEEP_MS, sweep);
}

static void sweep(struct net_timer *timer, void *ctx)
{
	struct net *net = LIST_ENTRY(timer, struct net, sweep);

	(void)ctx;
	sweep_list(net, &net->half_open, NET_HALF_OPEN_MS);
	sweep_list(net, &net->live, net->session_idle_ms);
	sweep_list(net, &net->plain, NET_PLAIN_IDLE_MS);
	net_path_sweep(net);
	sweep_arm(net);
}

/* ---- half-open peers: few, and shared out among networks ---- */

uint64_t net_network_hash(const struct net *net, const union net_address *a)
{
	return a->any.sa_family == AF_INET6 ? net_hash(&net->key, &a->v6.sin6_addr, 7)
					    : net_hash(&net->key, &a->v4.sin_addr, 4);
}

uint16_t net_origin(const struct net *net, const union net_address *a)
{
	return (uint16_t)(net_network_hash(net, a) % NET_ORIGINS);
}

uint64_t net_claim_print(const struct net *net, const union net_address *a, struct bytes identity)
{
	uint8_t data[16 + LIMIT_PSK_IDENTITY];
	struct buf w = buf_writer(data, sizeof(data));

	if (a->any.sa_family == AF_INET6)
		buf_put_bytes(&w, &a->v6.sin6_addr, 16);
	else
		buf_put_bytes(&w, &a->v4.sin_addr, 4);
	buf_put_bytes(&w, identity.ptr, identity.len);
	uint64_t print = net_hash(&net->key, data, buf_bytes(&w).len);
	return print ? print : 1;
}

static void half_open_leave(struct net_peer *peer)
{
	struct net *net = peer->net;

	table_remove(net, &net->half, peer);
	net->half_open_count--;
	net->origins[peer->origin]--;
}

/* Who has a certificate has cost us most of his handshake once our flight is out, and his client
 * goes on repeating an answer that nobody knows any more: he has longer. */
static int64_t stale_at(const struct net_peer *peer)
{
	const struct net_step *step = peer->tls->step;

	return peer->since_ms +
	       (step && step->begun ? NET_HALF_OPEN_BEGUN_MS : NET_HALF_OPEN_STALE_MS);
}

/* The oldest one of the network that holds the most. */
static struct net_peer *half_open_oldest(const struct net *net)
{
	struct net_peer *found = NULL;

	LIST_EACH(it, next, &net->half_open)
	{
		struct net_peer *p = LIST_ENTRY(it, struct net_peer, age);

		if (!found || net->origins[p->origin] > net->origins[found->origin])
			found = p;
	}
	return found;
}

static struct net_peer *half_open_stale(const struct net *net, unsigned held)
{
	LIST_EACH(it, next, &net->half_open)
	{
		struct net_peer *p = LIST_ENTRY(it, struct net_peer, age);

		if (net->origins[p->origin] == held && net->timers.now_ms >= stale_at(p))
			return p;
	}
	return NULL;
}

/* A full table takes a newcomer in the place of one of the network that holds the most: at once,
 * and the oldest, if that is more than the newcomer's would hold, else one that has had its time.
 * So who holds many places keeps out nobody but itself. */
static bool half_open_room(struct net *net, uint16_t origin)
{
	struct net_peer *victim;

	if (net->half_open_count < LIMIT_HALF_OPEN)
		return true;
	victim = half_open_oldest(net);
	if (victim && net->origins[victim->origin] <= net->origins[origin] + 1)
		victim = half_open_stale(net, net->origins[victim->origin]);
	if (!victim)
		return false;
	net_peer_end(victim, NET_GONE_EVICTED, false);
	return true;
}

/* ---- life ---- */

struct net_peer *net_peer_new_half_open(struct net_socket *socket, const struct net_udp_in *in,
					bool certified)
{
	struct net *net = socket->net;
	uint16_t origin = net_origin(net, &in->from);
	struct net_peer *peer = half_open_room(net, origin) ? peer_alloc(socket, in) : NULL;

	if (!peer)
		return NULL;
	peer->tls = net_tls_new(&net->dtls, peer, certified);
	if (!peer->tls ||
	    (net->connection_ids &&
	     (net_cid_make(net, peer->cid) || net_tls_offer_cid(peer->tls, peer->cid))) ||
	    (certified && net_step_new(peer->tls, net->x509, origin))) {
		peer_release(peer);
		return NULL;
	}
	peer->state = NET_PEER_HALF_OPEN;
	peer->origin = origin;
	net->origins[origin]++;
	table_add(net, &net->half, peer);
	list_append(&net->half_open, &peer->age);
	net->half_open_count++;
	sweep_arm(net);
	return peer;
}

/* The longest silent one that named no device: a crowd of strangers pushes out only strangers. */
static struct net_peer *plain_victim(const struct net *net)
{
	LIST_EACH(it, next, &net->plain)
	{
		struct net_peer *p = LIST_ENTRY(it, struct net_peer, age);

		if (!p->user)
			return p;
	}
	return oldest(&net->plain);
}

struct net_peer *net_peer_new_plain(struct net_socket *socket, const struct net_udp_in *in)
{
	struct net *net = socket->net;

	if (net->plain_count == NET_PLAIN_PEERS)
		net_peer_end(plain_victim(net), NET_GONE_EVICTED, false);
	struct net_peer *peer = peer_alloc(socket, in);

	if (!peer)
		return NULL;
	peer->state = NET_PEER_UP;
	/* Without devices there are only answers of up to three times their request. */
	peer->path.unproven = net->coap.plain_devices;
	net_coap_session_init(&net->coap, &peer->coap, true, 6);
	table_add(net, &net->peers, peer);
	list_append(&net->plain, &peer->age);
	net->plain_count++;
	sweep_arm(net);
	return peer;
}

struct net_peer *net_peer_new_asleep(struct net_socket *socket, const struct net_udp_in *in,
				     struct bytes saved, struct bytes packed)
{
	struct net *net = socket->net;
	struct net_peer *peer = peer_alloc(socket, in);

	if (!peer)
		return NULL;
	if (!net_sleep_put(peer, saved, packed)) {
		peer_release(peer);
		return NULL;
	}
	net_coap_session_init(&net->coap, &peer->coap, false, 6);
	table_add(net, &net->peers, peer);
	list_append(&net->live, &peer->age);
	net->live_count++;
	sweep_arm(net);
	return peer;
}

bool net_peer_name(struct net_peer *peer, struct bytes identity)
{
	peer->identity = slab_take(&peer->net->sleep.slab, identity.len);
	if (!peer->identity)
		return false;
	if (identity.len)
		memcpy(peer->identity, identity.ptr, identity.len);
	peer->identity_len = (uint8_t)identity.len;
	return true;
}

/* Who it is and what that rests on stays while contexts come and go. False: no memory. */
static bool identity_keep(struct net_peer *peer)
{
	struct net_tls *tls = peer->tls;
	bool kept = net_peer_name(peer, (struct bytes){tls->identity, tls->identity_len}) &&
		    (!tls->step || net_peer_mark(peer, &tls->step->proof.mark));

	free(tls->identity);
	tls->identity = NULL;
	tls->identity_len = 0;
	return kept;
}

void net_peer_promote(struct net_peer *peer)
{
	struct net *net = peer->net;

	/* Only now. The old keys are gone at the other end, so nothing is sent. */
	for (struct net_peer *p = replaced_by(peer); p; p = replaced_by(peer))
		net_peer_end(p, NET_GONE_REPLACED, false);
	/* Two for one brings the number down after max_peers was made smaller. */
	for (int i = 0; i < 2 && net->live_count >= net->max_peers; i++)
		net_peer_end(oldest(&net->live), NET_GONE_EVICTED, true);
	half_open_leave(peer);
	list_remove(&peer->age);
	peer->state = NET_PEER_UP;
	peer->since_ms = peer->seen_ms = net->timers.now_ms;
	bool kept = identity_keep(peer);
	peer->key_tag = peer->tls->key_tag;
	if (net_tls_has_cid(peer->tls))
		net_cid_add(peer);
	net_coap_session_init(&net->coap, &peer->coap, false, 6);
	if (peer->tls->rtt_ms)
		net_coap_round_trip(&peer->coap, peer->tls->rtt_ms);
	table_add(net, &net->peers, peer);
	list_append(&net->live, &peer->age);
	net->live_count++;
	net_sleep_later(peer);
	net->stats.handshakes_ok++;
	peer->announced = kept && net->cb->peer_up(net->ctx, peer, net_peer_identity(peer));
	if (!peer->announced)
		net_peer_close(net, peer);
}

void net_peer_seen(struct net_peer *peer)
{
	struct net *net = peer->net;

	peer->seen_ms = net->timers.now_ms;
	list_remove(&peer->age);
	if (peer->tls) {
		list_append(&net->live, &peer->age);
		net_sleep_later(peer);
	} else {
		list_append(&net->plain, &peer->age);
	}
}

void net_peer_end(struct net_peer *peer, enum net_gone why, bool notify_remote)
{
	struct net *net = peer->net;

	if (peer->tls && notify_remote)
		net_tls_close_notify(peer->tls);
	else if (peer->state == NET_PEER_ASLEEP && notify_remote)
		net_sleep_farewell(peer);
	list_remove(&peer->age);
	list_remove(&peer->closing);
	if (peer->state == NET_PEER_HALF_OPEN) {
		half_open_leave(peer);
		net->stats.handshakes_failed++;
		net->stats.handshakes_gone[why]++;
	} else {
		table_remove(net, &net->peers, peer);
		net_cid_remove(peer);
		if (peer->socket->secure)
			net->live_count--;
		else
			net->plain_count--;
		net_coap_session_done(&net->coap, &peer->coap);
		if (peer->announced || (!peer->socket->secure && peer->user))
			net->cb->peer_gone(net->ctx, peer, why);
	}
	net_sleep_leave(peer);
	net_path_drop_held(peer);
	peer_release(peer);
}

void net_peers_close_marked(struct net *net)
{
	unsigned count = 0;

	LIST_EACH(it, next, &net->closing)
	{
		if (count++ == NET_CLOSED_PER_TURN)
			return;
		net_peer_end(LIST_ENTRY(it, struct net_peer, closing), NET_GONE_LOCAL, true);
	}
}

int net_peers_init(struct net *net)
{
	list_init(&net->half_open);
	list_init(&net->live);
	list_init(&net->plain);
	list_init(&net->closing);
	net_sleep_init(net);
	if (table_init(&net->peers) || table_init(&net->half) || net_cid_init(net))
		return ERR_NOMEM;
	return 0;
}

void net_peers_end(struct net *net)
{
	struct list *const ages[] = {&net->half_open, &net->live, &net->plain};

	for (size_t i = 0; i < 3; i++)
		for (struct net_peer *p = oldest(ages[i]); p; p = oldest(ages[i]))
			net_peer_end(p, NET_GONE_LOCAL,
				     p->state != NET_PEER_HALF_OPEN && !net->saved);
}

void net_peers_done(struct net *net)
{
	net_sleep_done(net);
	free(net->peers.buckets);
	free(net->half.buckets);
	net_cid_done(net);
}
