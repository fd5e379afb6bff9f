/* SPDX-License-Identifier: Apache-2.0
 *
 * What the files of the network room share: the net, its sockets, its peers. Nothing outside
 * src/net includes it.
 *
 * Files: net.c life of a net, public face · net_demux.c whose datagram is it · net_peer.c peers
 * and their tables · net_sleep.c hibernation · net_cid.c connection IDs, and the way to a peer that
 * has changed its address · net_dtls.c mbedTLS · net_hello.c records before there is state ·
 * net_certified.c who goes when CAs change · net_quota.c, net_admit.c who may make us work how much
 * · net_udp.c sockets · net_coap.h the exchange layer · net_timer.c, net_hash.c.
 */
#ifndef NET_NET_INTERNAL_H
#define NET_NET_INTERNAL_H

#include <uv.h>

#include "base/list.h"
#include "net/net.h"
#include "net/net_cid.h"
#include "net/net_coap.h"
#include "net/net_dtls.h"
#include "net/net_hash.h"
#include "net/net_quota.h"
#include "net/net_sleep.h"
#include "net/net_timer.h"
#include "net/net_udp.h"

enum {
	NET_PLAIN_PEERS = 1024,		/* addresses without DTLS; the oldest goes */
	NET_PLAIN_IDLE_MS = 247000,	/* RFC 7252 EXCHANGE_LIFETIME */
	NET_HALF_OPEN_MS = 60000,	/* a handshake takes no longer */
	NET_HALF_OPEN_STALE_MS = 4000,	/* may be given up for a newcomer when all are taken */
	NET_HALF_OPEN_BEGUN_MS = 12000, /* the same where a thread has worked for it */
	NET_ORIGINS = 1024,		/* counters of handshakes by network */
	NET_COOKIES_PER_WINDOW = 2000,	/* HelloVerifyRequests per 100 ms, at least */
	NET_WINDOW_MS = 100,
	NET_SESSION_IDLE_MS = 86400000,
	NET_HANDSHAKES_PER_S = 2000,
	NET_HANDSHAKE_US = 150,	       /* what one may take on the average; PSK takes 90 */
	NET_WINDOW_LEAST_US = 30000,   /* ... of 100 ms, for all of them */
	NET_DATAGRAMS_PER_EVENT = 256, /* then other handles of the loop get their turn */
	NET_SMALL_BATCH = 8,	       /* is answered sender by sender */
	NET_FLUSH_EVERY = 4,	       /* replies of larger ones */
	NET_SWEEP_MS = 1000,
	NET_STRANGERS_PER_S = 5000, /* messages that cost as much as so many requests */
	NET_POOL_THREADS = 2,	    /* for certificates */
	NET_CLOSED_PER_TURN = 256,  /* peers; a CA may have signed for 100,000 */
};

struct net_socket {
	struct list link;
	struct net *net;
	uv_poll_t poll;
	int fd;
	bool secure;
	struct net_udp_tx *tx;
};

/* Asleep: DTLS, established, without a context (net_sleep.h). */
enum net_peer_state { NET_PEER_FREE, NET_PEER_HALF_OPEN, NET_PEER_UP, NET_PEER_ASLEEP };

struct net_peer {
	struct net *net;
	struct net_socket *socket;
	struct net_peer *chain; /* of its hash bucket, or of the free list */
	struct net_peer *cid_chain;
	struct list age; /* in live or plain, longest silent first; in half_open, oldest first */
	struct list closing;
	struct list awake;   /* in sleep.awake, longest idle first */
	struct net_tls *tls; /* NULL: plain, or asleep */
	void *user;
	uint8_t *identity;
	int64_t since_ms, seen_ms;
	int64_t active_ms; /* when it began to be idle, as far as sleeping goes */
	uint8_t *saved;	   /* asleep: the saved context, then the packed session */
	uint64_t key_tag;  /* of the psk callback */
	uint64_t newest;   /* epoch and sequence number of the newest genuine record */
	union net_address remote;
	struct net_local local;
	struct net_path path; /* whether `remote` is proved */
	uint8_t cid[NET_CID]; /* offered, or (has_cid) what it is found by */
	uint16_t saved_len, packed_len;
	uint16_t origin;	    /* of a half-open one */
	struct net_x509_mark *mark; /* of its certificate; NULL: it has none */
	uint8_t identity_len;
	uint8_t state; /* enum net_peer_state */
	uint8_t trial; /* 1 + its place in sleep.trial, 0: none */
	bool is_closing, announced, szx_known, has_cid;
	bool unheard; /* when it was saved, a notification was not acknowledged */
	struct net_coap_session coap;
};

/* Peers by (socket, remote address) or by connection ID; chained, grows by doubling. */
struct net_table {
	struct net_peer **buckets;
	size_t mask, count;
};

struct net {
	uv_loop_t *loop;
	const struct net_callbacks *cb;
	void *ctx;
	int64_t session_idle_ms;
	unsigned max_peers, handshakes_per_window, cookies_per_window;
	struct net_stats stats;
	struct net_hash_key key;
	struct net_timers timers;
	struct net_timer sweep;
	struct net_coap coap;
	struct net_dtls dtls;
	struct net_sleep sleep;
	struct list sockets;

	struct net_table peers, half; /* established and plain; half-open */
	struct net_table by_cid;      /* the established that have one */
	bool connection_ids;	      /* are offered */
	struct list held;	      /* for all peers' unproven addresses, oldest first */
	unsigned held_count;
	struct list half_open, live, plain, closing;
	size_t half_open_count, live_count, plain_count;
	size_t mark_count;	       /* of the live ones, those with a certificate */
	uint16_t origins[NET_ORIGINS]; /* half-open peers of each */
	struct net_x509 *x509;	       /* NULL: no certificates */
	struct net_pool *pool;	       /* from the first x509 on */
	unsigned pool_queued;	       /* first steps in it */
	uint16_t pool_origins[NET_ORIGINS];

	struct net_quota devices, strangers;
	struct net_udp_rx *rx;
	bool in_batch; /* now_ms is fresh */
	/* The thread's clock at a step of a handshake of this batch, 0: none yet; what short steps
	 * took since then. */
	int64_t batch_thread_us, batch_short_us;
	int64_t window_at_ms;
	unsigned window_cookies, window_handshakes;
	uint32_t window_origins[NET_ORIGINS]; /* handshakes of each */
	unsigned window_us, us_per_window;    /* the work that handshakes were, and may be */
	uint32_t window_origin_us[NET_ORIGINS];
	uint8_t message[NET_UDP_DATAGRAM]; /* the decrypted one being handled */

	uv_prepare_t prepare;
	uv_timer_t wake;
	int64_t wake_at_ms;
	bool is_closing;
	bool saving;	  /* net_save() is at it */
	bool saved;	  /* its sessions are another process's */
	unsigned handles; /* of uv, still open */
	void (*closed)(void *ctx);
	void *closed_ctx;
};

/* ---- net.c ---- */
void net_now(struct net *net); /* reads the clock into net->timers.now_ms */
void net_send(struct net_socket *socket, const union net_address *to, const struct net_local *from,
	      const uint8_t *data, size_t len);

/* ---- net_demux.c ---- */
void net_demux(struct net_socket *socket, struct net_udp_in *in, unsigned count);
/* More of a handshake can be done: a datagram came or a timer fired. */
void net_handshake_go_on(struct net_peer *peer);
/* Logs, counts, ends it. */
void net_handshake_failed(struct net_peer *peer);
/* A datagram for a peer that is up; what of one is there already. */
void net_session_datagram(struct net_peer *peer, struct net_socket *socket,
			  const struct net_udp_in *in);
void net_session_read(struct net_peer *peer);
/* Whether a newcomer of that network may wait for the threads. */
bool net_pool_share(const struct net *net, uint16_t origin);

/* ---- net_certified.c ---- */
/* What its certificate rests on, for as long as it lives. False: no memory. */
bool net_peer_mark(struct net_peer *peer, const struct net_x509_mark *mark);
/* The same of the process before. False: no memory, or it is no longer to be believed, which is
 * logged and counted. */
bool net_peer_mark_back(struct net_peer *peer, const struct net_x509_mark *mark);

/* ---- net_admit.c ---- */
/* See net_quota_take(). What is refused is counted, and told to the owner now and then. */
enum net_admission net_admit(struct net_peer *peer, enum net_work work, unsigned *ret_wait_s);
/* Its datagrams are not worth decrypting for a moment; counts the one that asks. */
bool net_admit_is_deaf(const struct net_peer *peer);
/* A datagram from its address was not its own. */
void net_admit_forged(struct net_peer *peer);
/* Whether a peer is made for this address on plain coap. */
bool net_admit_stranger(struct net *net, const union net_address *from);

/* ---- net_peer.c ---- */
int net_peers_init(struct net *net) ERR_CHECK;
/* Ends all of them; then frees the memory. */
void net_peers_end(struct net *net);
void net_peers_done(struct net *net);
/* None that has a connection ID: without it nothing genuine comes from such a one. */
struct net_peer *net_peer_find(const struct net *net, const struct net_table *table,
			       const struct net_socket *socket, const union net_address *remote);
bool net_address_equal(const union net_address *a, const union net_address *b);
/* To another address, where others may sit, too. */
void net_peer_rehome(struct net_peer *peer, struct net_socket *socket,
		     const union net_address *remote);
/* The counter of a /32, or of a /56 of IPv6. The hash is keyed: nobody can choose whom to share
 * one with. */
uint16_t net_origin(const struct net *net, const union net_address *a);
/* The same /32 or /56, and a whole address with its port. */
uint64_t net_network_hash(const struct net *net, const union net_address *a);
uint64_t net_address_hash(const struct net *net, const struct net_socket *socket,
			  const union net_address *a);
/* Who says to be whom; see struct net_claim. */
uint64_t net_claim_print(const struct net *net, const union net_address *a, struct bytes identity);
/* Half-open or plain; NULL when there is no memory or no room. */
struct net_peer *net_peer_new_half_open(struct net_socket *socket, const struct net_udp_in *in,
					bool certified);
struct net_peer *net_peer_new_plain(struct net_socket *socket, const struct net_udp_in *in);
/* One of the process before: it has a saved state, and no identity yet. */
struct net_peer *net_peer_new_asleep(struct net_socket *socket, const struct net_udp_in *in,
				     struct bytes saved, struct bytes packed);
/* Its identity, for as long as it lives. False: no memory. */
bool net_peer_name(struct net_peer *peer, struct bytes identity);
/* The handshake is over: replaces an older peer of the same address and tells the owner. */
void net_peer_promote(struct net_peer *peer);
/* An authenticated (or plain) datagram came; not for half-open ones. */
void net_peer_seen(struct net_peer *peer);
/* Takes it out of everything, tells the owner if it knows the peer, frees it. Never from inside
 * the exchange layer. */
void net_peer_end(struct net_peer *peer, enum net_gone why, bool notify_remote);
/* Some of those that net_peer_close() was called for; the others with the next turn. */
void net_peers_close_marked(struct net *net);

#endif
