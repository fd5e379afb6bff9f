/* SPDX-License-Identifier: Apache-2.0
 *
 * Sessions with certificates: which set is in force, and who has to go when it changes. Sessions
 * that sleep are judged like those that do not.
 */
#include "base/clock.h"
#include "base/log.h"
#include "net/net_internal.h"
#include "net/net_pool.h"
#include "net/net_x509.h"

bool net_peer_mark(struct net_peer *peer, const struct net_x509_mark *mark)
{
	peer->mark = slab_take(&peer->net->sleep.slab, sizeof(*peer->mark));
	if (!peer->mark)
		return false;
	*peer->mark = *mark;
	peer->net->mark_count++;
	return true;
}

bool net_peer_certified(const struct net_peer *peer)
{
	return peer->mark != NULL;
}

enum net_refused net_peer_judge(struct net_peer *peer, int64_t product)
{
	peer->mark->product = product;
	return net_x509_judge(peer->net->x509, peer->mark, clock_read().wall_ms);
}

static void tell(const struct net_peer *peer, const char *what, enum net_refused why)
{
	char address[64], identity[LIMIT_PSK_IDENTITY + 1];

	log_peer(peer->net->timers.now_ms, "net peer=%s session=%s reason=%s identity=\"%s\"",
		 net_peer_address(peer, address), what, net_refused_name(why),
		 log_quoted(identity, sizeof(identity), peer->identity, peer->identity_len));
}

/* In the log, and counted. */
static void told(const struct net_peer *peer, const char *what, enum net_refused why)
{
	tell(peer, what, why);
	peer->net->stats.certificates_refused[why]++;
}

bool net_peer_mark_back(struct net_peer *peer, const struct net_x509_mark *mark)
{
	if (!net_peer_mark(peer, mark))
		return false;
	enum net_refused why = net_x509_judge(peer->net->x509, mark, clock_read().wall_ms);
	if (why != NET_REFUSED_NONE)
		told(peer, "refused", why);
	return why == NET_REFUSED_NONE;
}

void net_peer_refuse(struct net_peer *peer, enum net_refused why)
{
	tell(peer, "refused", why);
	peer->net->stats.disabled_refused += why == NET_REFUSED_DISABLED;
	if (peer->mark)
		peer->net->stats.certificates_refused[why]++;
	net_tls_refuse(peer->tls, MBEDTLS_SSL_ALERT_MSG_ACCESS_DENIED);
}

void net_certificates_look(struct net *net)
{
	int64_t wall_ms = clock_read().wall_ms;

	if (net->mark_count == 0)
		return;
	net_now(net);
	LIST_EACH(it, next, &net->live)
	{
		struct net_peer *peer = LIST_ENTRY(it, struct net_peer, age);

		if (!peer->mark || peer->is_closing)
			continue;
		enum net_refused why = net_x509_judge(net->x509, peer->mark, wall_ms);
		if (why == NET_REFUSED_NONE)
			continue;
		told(peer, "ended", why);
		net_peer_close(net, peer);
	}
}

int net_x509_set_take(struct net *net, struct net_x509 *x)
{
	if (x && !net->pool) {
		int err = net_pool_new(net->loop, NET_POOL_THREADS, &net->pool);

		if (err) {
			net_x509_unref(x);
			return err;
		}
		net->handles++;
	}
	net_x509_unref(net->x509);
	net->x509 = x;
	net_certificates_look(net);
	return 0;
}
