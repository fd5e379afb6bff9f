/* SPDX-License-Identifier: Apache-2.0
 *
 * Requests of ours, inside the exchange layer: the one that is outstanding, and the observations
 * that such requests began. A CON of ours has its own place in net_out.c's queue (NSTART 1 with
 * notifications and separate responses); a token is that of all blocks of one transfer.
 */
#ifndef NET_NET_ASK_H
#define NET_NET_ASK_H

#include "net/net_coap.h"

enum { NET_ASK_TOKEN = 8 };

/* An answer in several blocks, as far as it has come. */
struct net_fetch {
	uint8_t *data; /* NULL: nothing was begun */
	size_t len;
	unsigned szx;
	uint8_t code;
	int content_format;
	int64_t size2, since_ms;
	struct net_tag etag;
};

struct net_asking {
	struct net_timer
		timer; /* for the answer, once the message is acknowledged; while it waits */
	struct net_coap_session *session;
	struct net_out *out; /* queued or in flight; NULL: acknowledged */
	uint32_t tag;
	uint8_t method;
	int content_format, accept, observe;
	uint8_t token[NET_ASK_TOKEN]; /* of all its blocks */
	bool observed;
	bool waits; /* for bytes of its body, nothing of which is out */
	unsigned szx, again;
	int64_t body_size, body_at; /* 0: none; what is acknowledged */
	size_t body_len;	    /* of the block under way */
	bool body_called;	    /* it comes from the owner */
	struct net_fetch fetch;
	size_t path_len, query_len;
	uint8_t data[]; /* path, query, payload */
};

/* An observation of ours (RFC 7641, the client's side). */
struct net_watch {
	struct net_watch *next;
	uint32_t tag;
	uint32_t number; /* of the newest notification */
	int64_t heard_ms;
	uint64_t print; /* of path and query: a token is used again for the same only */
	uint8_t token[NET_ASK_TOKEN];
};

/* NULL: none. */
struct net_watch *net_watch_find(struct net_coap_session *s, uint32_t tag);
bool net_watch_room(const struct net_coap_session *s);
/* In the place of one with the same tag; without memory there is none. The number of its first
 * notification, the answer. */
bool net_watch_add(struct net_coap *c, struct net_coap_session *s, uint32_t tag, uint64_t print,
		   const uint8_t token[NET_ASK_TOKEN], uint32_t number);
void net_watch_drop(struct net_coap_session *s, uint32_t tag);
/* A response that may be a notification; false: it is not. */
bool net_watch_notified(struct net_coap *c, struct net_coap_session *s, const struct wire_coap *m);
void net_watch_session_done(struct net_coap_session *s);

/* See net_observe_pack(). */
void net_watch_pack(const struct net_coap_session *s, struct buf *out);
bool net_watch_is_packed(const struct buf *in);
void net_watch_unpack(struct net_coap_session *s, struct buf *in);

#endif
