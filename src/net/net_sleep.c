/* SPDX-License-Identifier: Apache-2.0 */
#include "net/net_sleep.h"

#include <malloc.h>
#include <string.h>

#include "base/log.h"
#include "net/net_internal.h"

/* ---- contexts ---- */

static struct net_tls *context_take(struct net *net, struct net_peer *peer)
{
	struct net_sleep *z = &net->sleep;

	if (z->spare_count == 0)
		return net_tls_new(&net->dtls, peer, false);
	struct net_tls *tls = z->spare[--z->spare_count];

	tls->peer = peer;
	return tls;
}

/* One that is reset, or was never used. */
static void context_give(struct net *net, struct net_tls *tls)
{
	struct net_sleep *z = &net->sleep;

	tls->peer = NULL;
	if (z->spare_count < NET_SPARES) {
		z->spare[z->spare_count++] = tls;
	} else {
		net_tls_free(tls);
		z->freed++;
	}
}

/* Many are worth it at once when nobody is awake any more. */
static int64_t trim_at_ms(const struct net_sleep *z)
{
	bool now = z->freed >= NET_TRIM_CONTEXTS && list_empty(&z->awake);

	return now ? 0 : z->trimmed_at_ms + NET_TRIM_MS;
}

/* What lies between longer-lived pieces of the heap is not given back otherwise. */
static void heap_trim(struct net *net)
{
	struct net_sleep *z = &net->sleep;

	if (z->freed < NET_TRIM_FEW || net->timers.now_ms < trim_at_ms(z))
		return;
	z->freed = 0;
	z->trimmed_at_ms = net->timers.now_ms;
	(void)malloc_trim(0);
}

/* Forgets the keys in it. */
static void context_drop(struct net *net, struct net_tls *tls)
{
	if (net_tls_reset(tls))
		net_tls_free(tls);
	else
		context_give(net, tls);
}

/* ---- trials: a loaded context that has to see a genuine datagram first ---- */

static void trial_end(struct net_peer *peer)
{
	struct net *net = peer->net;

	if (!peer->trial)
		return;
	struct net_trial *t = &net->sleep.trial[peer->trial - 1];

	context_drop(net, t->tls);
	*t = (struct net_trial){NULL, NULL};
	peer->trial = 0;
}

static struct net_tls *trial_take(struct net_peer *peer)
{
	struct net_trial *t = &peer->net->sleep.trial[peer->trial - 1];
	struct net_tls *tls = t->tls;

	*t = (struct net_trial){NULL, NULL};
	peer->trial = 0;
	return tls;
}

/* Further datagrams for this peer, forged or not, will cost no more than those of one awake. */
static void trial_keep(struct net_peer *peer, struct net_tls *tls)
{
	struct net_sleep *z = &peer->net->sleep;
	unsigned at = z->trial_next;

	z->trial_next = (at + 1) % NET_TRIALS;
	if (z->trial[at].peer)
		trial_end(z->trial[at].peer);
	z->trial[at] = (struct net_trial){tls, peer};
	peer->trial = (uint8_t)(at + 1);
}

/* ---- how many may be loaded for nothing ---- */

static uint16_t *origin_failed(struct net *net, const union net_address *from)
{
	return &net->sleep.window_origin_failed[net_origin(net, from) % NET_SLEEP_ORIGINS];
}

static bool budget_left(struct net *net, const union net_address *from)
{
	struct net_sleep *z = &net->sleep;

	if (net->timers.now_ms - z->window_at_ms >= NET_WINDOW_MS) {
		z->window_at_ms = net->timers.now_ms;
		z->window_failed = 0;
		memset(z->window_origin_failed, 0, sizeof(z->window_origin_failed));
	}
	unsigned left =
		z->window_failed < NET_WAKES_FAILED ? NET_WAKES_FAILED - z->window_failed : 0;

	return left > NET_WAKES_FAILED / 4 || *origin_failed(net, from) < left;
}

static void budget_pay(struct net *net, const union net_address *from)
{
	net->sleep.window_failed++;
	(*origin_failed(net, from))++;
}

/* ---- the saved state ---- */

/* Of peer->saved: the context, then what the exchange layer knows. */
static struct bytes saved_context(const struct net_peer *peer)
{
	return (struct bytes){peer->saved, peer->saved_len};
}

static struct bytes saved_session(const struct net_peer *peer)
{
	return (struct bytes){peer->saved + peer->saved_len, peer->packed_len};
}

static void saved_free(struct net_peer *peer)
{
	slab_give(&peer->net->sleep.slab, peer->saved, (size_t)peer->saved_len + peer->packed_len);
	peer->saved = NULL;
	peer->saved_len = peer->packed_len = 0;
}

/* The state is no longer to be used, its place is still there. */
static void saved_wipe(struct net_peer *peer)
{
	explicit_bzero(peer->saved, peer->saved_len);
}

static void unpack(struct net_peer *peer)
{
	if (peer->packed_len)
		net_coap_session_unpack(&peer->coap, saved_session(peer));
}

/* It has to be packed again, some time. */
static void stay_loose(struct net_peer *peer)
{
	net_sleep_later(peer);
}

/* `peer` has a context again. */
static void rise(struct net_peer *peer, struct net_tls *tls)
{
	unpack(peer);
	saved_free(peer);
	peer->tls = tls;
	peer->state = NET_PEER_UP;
	peer->net->sleep.asleep_count--;
	net_sleep_later(peer);
}

/* A new place for saved state and session; the session is in it then. */
static uint8_t *place_new(struct net_peer *peer, size_t saved_len, size_t *ret_packed)
{
	uint8_t packed[NET_SESSION_PACKED];
	struct buf w = buf_writer(packed, sizeof(packed));

	net_coap_session_pack(&peer->net->coap, &peer->coap, &w);
	uint8_t *place = buf_ok(&w) ? slab_take(&peer->net->sleep.slab, saved_len + w.pos) : NULL;

	if (place)
		memcpy(place + saved_len, packed, w.pos);
	*ret_packed = w.pos;
	return place;
}

bool net_sleep_now(struct net_peer *peer)
{
	struct net *net = peer->net;
	struct net_tls *tls = peer->tls;
	size_t saved_len = 0, packed_len = 0;

	if (peer->state != NET_PEER_UP || !tls || peer->is_closing ||
	    net_coap_session_busy(&peer->coap) || net_tls_saved_len(tls, &saved_len) ||
	    saved_len > NET_SAVED_MAX)
		return false;
	uint8_t *place = place_new(peer, saved_len, &packed_len);

	if (!place)
		return false;
	bool usable = true;
	int err = net_tls_save(tls, place, saved_len, &usable);

	if (err) {
		slab_give(&net->sleep.slab, place, saved_len + packed_len);
		return false;
	}
	net_coap_session_rest(&net->coap, &peer->coap);
	net_path_drop_held(peer);
	peer->saved = place;
	peer->saved_len = (uint16_t)saved_len;
	peer->packed_len = (uint16_t)packed_len;
	peer->tls = NULL;
	peer->state = NET_PEER_ASLEEP;
	net->sleep.asleep_count++;
	list_remove(&peer->awake);
	if (usable)
		context_give(net, tls);
	else
		net_tls_free(tls);
	if (peer->announced && net->cb->peer_sleeps)
		net->cb->peer_sleeps(net->ctx, peer);
	return true;
}

/* ---- waking ---- */

static struct net_tls *load(struct net_peer *peer)
{
	struct net *net = peer->net;
	struct net_tls *tls = context_take(net, peer);

	if (!tls)
		return NULL;
	int err = net_tls_load(tls, saved_context(peer));

	if (err) {
		char address[64];

		net_tls_free(tls); /* mbedTLS has emptied it */
		log_peer(net->timers.now_ms, "net peer=%s session=unreadable error=%s",
			 net_peer_address(peer, address), err_word(err));
		return NULL;
	}
	return tls;
}

bool net_sleep_wake(struct net_peer *peer, const union net_address *from, struct bytes datagram)
{
	struct net *net = peer->net;

	if (!peer->trial && !budget_left(net, from)) {
		net->stats.wakes_shed++;
		return false;
	}
	bool loaded = !peer->trial;
	struct net_tls *tls = loaded ? load(peer) : trial_take(peer);

	if (!tls)
		return false;
	if (!net_tls_genuine(tls, datagram, net->message, sizeof(net->message))) {
		net->stats.wakes_failed++;
		if (loaded)
			budget_pay(net, from);
		trial_keep(peer, tls);
		return false;
	}
	rise(peer, tls);
	net->stats.wakes++;
	return true;
}

/* ---- sending for one who sleeps ---- */

/* A context that may send: nothing else can become one of the same state. */
static struct net_tls *load_to_send(struct net_peer *peer)
{
	trial_end(peer);
	struct net_tls *tls = load(peer);

	if (tls)
		saved_wipe(peer);
	return tls;
}

int net_sleep_send(struct net_peer *peer, struct bytes message)
{
	struct net *net = peer->net;
	struct net_tls *tls = load_to_send(peer);
	size_t len = 0;
	bool usable = true;

	if (!tls)
		return ERR_NOMEM;
	int err = net_tls_write(tls, message);

	net->stats.wakes_to_send++;
	if (net_tls_saved_len(tls, &len) || len != peer->saved_len ||
	    net_tls_save(tls, peer->saved, len, &usable)) {
		rise(peer, tls); /* it has not lost anything */
		return err;
	}
	if (usable)
		context_give(net, tls);
	else
		net_tls_free(tls);
	return err;
}

void net_sleep_farewell(struct net_peer *peer)
{
	struct net *net = peer->net;

	if (net->is_closing && net->sleep.farewells++ >= NET_FAREWELLS)
		return;
	struct net_tls *tls = load_to_send(peer);

	if (!tls)
		return;
	net_tls_close_notify(tls);
	context_drop(net, tls);
}

bool net_sleep_loosen(struct net_peer *peer)
{
	size_t packed = peer->packed_len;

	if (packed) {
		uint8_t *place = slab_take(&peer->net->sleep.slab, peer->saved_len);

		if (!place)
			return false;
		unpack(peer);
		memcpy(place, peer->saved, peer->saved_len);
		slab_give(&peer->net->sleep.slab, peer->saved, peer->saved_len + packed);
		peer->saved = place;
		peer->packed_len = 0;
		stay_loose(peer);
	}
	return true;
}

bool net_sleep_unpack(struct net_peer *peer)
{
	if (peer->packed_len &&
	    (!net_coap_packed_observes(saved_session(peer)) || !net_sleep_loosen(peer)))
		return false;
	return peer->coap.observe_count > 0;
}

bool net_sleep_put(struct net_peer *peer, struct bytes saved, struct bytes packed)
{
	uint8_t *place = slab_take(&peer->net->sleep.slab, saved.len + packed.len);

	if (!place)
		return false;
	memcpy(place, saved.ptr, saved.len);
	memcpy(place + saved.len, packed.ptr, packed.len);
	peer->saved = place;
	peer->saved_len = (uint16_t)saved.len;
	peer->packed_len = (uint16_t)packed.len;
	peer->state = NET_PEER_ASLEEP;
	peer->net->sleep.asleep_count++;
	return true;
}

bool net_sleep_pack(struct net_peer *peer)
{
	struct net *net = peer->net;
	size_t packed_len = 0;

	if (peer->packed_len)
		return true;
	if (net_coap_session_busy(&peer->coap))
		return false;
	uint8_t *place = place_new(peer, peer->saved_len, &packed_len);

	if (!place)
		return false;
	memcpy(place, peer->saved, peer->saved_len);
	net_coap_session_rest(&net->coap, &peer->coap);
	slab_give(&net->sleep.slab, peer->saved, peer->saved_len);
	peer->saved = place;
	peer->packed_len = (uint16_t)packed_len;
	list_remove(&peer->awake);
	if (peer->announced && net->cb->peer_sleeps) /* who was told of it may have used it */
		net->cb->peer_sleeps(net->ctx, peer);
	return true;
}

/* ---- who is idle ---- */

static void turn(struct net_timer *timer, void *ctx);

static void turn_arm(struct net *net)
{
	struct net_sleep *z = &net->sleep;
	int64_t soonest_ms = net->timers.now_ms + (z->many ? NET_SLEEP_NEXT_MS : NET_SLEEP_TURN_MS);
	int64_t at_ms = trim_at_ms(z);

	if (!list_empty(&z->awake))
		at_ms = LIST_ENTRY(z->awake.next, struct net_peer, awake)->active_ms + z->after_ms;
	else if (z->freed < NET_TRIM_FEW)
		return;
	if (at_ms < soonest_ms)
		at_ms = soonest_ms;
	if (!z->turn.armed || z->turn.at_ms > at_ms)
		net_timer_arm(&net->timers, &z->turn, at_ms, turn);
}

static void turn(struct net_timer *timer, void *ctx)
{
	struct net *net = LIST_ENTRY(timer, struct net, sleep.turn);
	struct net_sleep *z = &net->sleep;

	unsigned i = 0;

	(void)ctx;
	for (; i < NET_SLEEP_PER_TURN && !list_empty(&z->awake); i++) {
		struct net_peer *p = LIST_ENTRY(z->awake.next, struct net_peer, awake);

		if (net->timers.now_ms - p->active_ms < z->after_ms)
			break;
		if (p->state == NET_PEER_ASLEEP ? net_sleep_pack(p) : net_sleep_now(p))
			continue;
		if (!p->szx_known && net->timers.now_ms - p->since_ms >= NET_SILENT_MS)
			net_peer_end(p, NET_GONE_IDLE, true);
		else
			net_sleep_later(p);
	}
	heap_trim(net);
	z->many = i == NET_SLEEP_PER_TURN;
	turn_arm(net);
}

void net_sleep_after_set(struct net *net, int64_t after_ms)
{
	net->sleep.after_ms = after_ms;
	if (!net->sleep.turn.armed)
		return;
	net_timer_disarm(&net->timers, &net->sleep.turn);
	turn_arm(net);
}

void net_sleep_later(struct net_peer *peer)
{
	struct net *net = peer->net;

	peer->active_ms = net->timers.now_ms;
	list_remove(&peer->awake);
	list_append(&net->sleep.awake, &peer->awake);
	turn_arm(net);
}

/* ---- life ---- */

void net_sleep_leave(struct net_peer *peer)
{
	list_remove(&peer->awake);
	trial_end(peer);
	if (peer->state == NET_PEER_ASLEEP)
		peer->net->sleep.asleep_count--;
	saved_free(peer);
}

void net_sleep_init(struct net *net)
{
	slab_init(&net->sleep.slab);
	list_init(&net->sleep.awake);
}

void net_sleep_done(struct net *net)
{
	struct net_sleep *z = &net->sleep;

	while (z->spare_count > 0)
		net_tls_free(z->spare[--z->spare_count]);
	slab_done(&z->slab);
}
