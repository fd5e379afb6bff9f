/* SPDX-License-Identifier: Apache-2.0
 *
 * Whose account a peer's messages go to, and who is told of a refusal. A device has one for all
 * its sessions; on plain coap, where anybody can write any sender, it is that of an address.
 */
#include "base/log.h"
#include "net/net_internal.h"

enum { TAG_NETWORK = 1, TAG_ADDRESS = 2 };

/* Has proved who it is, or (on plain coap) was known to the owner by its name. */
static bool is_known(const struct net_peer *peer)
{
	return peer->socket->secure || peer->user;
}

static uint64_t key_of(const struct net_peer *peer)
{
	const struct net *net = peer->net;

	if (peer->socket->secure)
		return net_hash(&net->key, peer->identity, peer->identity_len);
	return peer->user ? net_address_hash(net, peer->socket, &peer->remote)
			  : net_network_hash(net, &peer->remote);
}

static struct net_quota *quota_of(const struct net_peer *peer)
{
	return is_known(peer) ? &peer->net->devices : &peer->net->strangers;
}

static enum net_shed reason(const struct net_peer *peer, enum net_admission why)
{
	if (why == NET_ADMIT_SILENT)
		return NET_SHED_SILENT;
	if (why == NET_ADMIT_BUSY)
		return NET_SHED_ALL;
	return is_known(peer) ? NET_SHED_DEVICE : NET_SHED_ADDRESS;
}

enum net_admission net_admit(struct net_peer *peer, enum net_work work, unsigned *ret_wait_s)
{
	struct net *net = peer->net;
	struct net_quota *q = quota_of(peer);
	uint64_t key = key_of(peer);
	int64_t now_ms = net->timers.now_ms;
	unsigned refused;

	if (work == NET_WORK_MESSAGE && peer->path.asked && !peer->socket->secure &&
	    peer->path.strays < UINT8_MAX)
		peer->path.strays++;

	enum net_admission result = net_quota_take(q, key, work, now_ms, ret_wait_s);

	if (result == NET_ADMIT)
		return result;
	/* A flood of strangers gets no echo. */
	if (result == NET_ADMIT_BUSY && !is_known(peer))
		result = NET_ADMIT_SILENT;
	net->stats.shed[reason(peer, result)]++;
	if (net_quota_tell(q, key, now_ms, &refused) && net->cb->limited)
		net->cb->limited(net->ctx, peer, refused);
	return result;
}

bool net_admit_is_deaf(const struct net_peer *peer)
{
	const struct net_quota *q = quota_of(peer);
	int64_t now_ms = peer->net->timers.now_ms;

	if (!net_quota_any_deaf(q, now_ms) || !net_quota_is_deaf(q, key_of(peer), now_ms))
		return false;
	peer->net->stats.dropped++;
	peer->net->stats.shed[NET_SHED_UNREAD]++;
	return true;
}

void net_admit_forged(struct net_peer *peer)
{
	net_quota_forged(quota_of(peer), key_of(peer), peer->net->timers.now_ms);
}

bool net_admit_stranger(struct net *net, const union net_address *from)
{
	int64_t now_ms = net->timers.now_ms;

	if (net_quota_has_room(&net->strangers, now_ms) &&
	    !net_quota_is_deaf(&net->strangers, net_network_hash(net, from), now_ms))
		return true;
	net->stats.dropped++;
	net->stats.shed[NET_SHED_UNREAD]++;
	return false;
}
