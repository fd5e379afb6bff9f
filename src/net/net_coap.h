/* SPDX-License-Identifier: Apache-2.0
 *
 * The exchange layer (RFC 7252 section 4 and 5, RFC 7641, RFC 7959): datagrams in, datagrams
 * out, requests up, replies down. It has no sockets and no DTLS; time comes from the timers it
 * is given, so a test drives it with numbers.
 *
 * One `struct net_coap` per net, one `struct net_coap_session` inside every peer. A session must
 * stay in memory until the call that is running in this layer returns, so its owner frees it
 * later (net_peer_close() only marks).
 *
 * Files: net_coap.c what comes in · net_exchange.c unanswered requests, duplicates, replies ·
 * net_past.c requests that may come again · net_out.c our own confirmable messages · net_observe.c
 * observations · net_kept.c answers to POST in several blocks · net_ask.c requests of ours ·
 * net_watch.c observations of ours · net_body.c
 * bodies in several blocks.
 */
#ifndef NET_NET_COAP_H
#define NET_NET_COAP_H

#include "base/list.h"
#include "net/net.h"
#include "net/net_hash.h"
#include "net/net_quota.h"
#include "net/net_reply.h"
#include "net/net_timer.h"
#include "wire/coap.h"

enum {
	NET_PENDING_PER_SESSION = 16,	   /* unanswered requests; then 5.03 */
	NET_PENDING_MAX = 65536,	   /* of all sessions */
	NET_OUT_PER_SESSION = 16,	   /* messages to be acknowledged; then NON */
	NET_RECENT_GETS = 16,		   /* message ids kept to know a repeated GET */
	NET_EXCHANGE_LIFETIME_MS = 247000, /* RFC 7252 4.8.2 */
	NET_ACK_DELAY_MS = 1000,	   /* then an unanswered CON gets an empty ACK */
	NET_ACK_TIMEOUT_MS = 2000,	   /* RFC 7252 4.8 */
	NET_MAX_RETRANSMIT = 4,
	NET_ASK_WAIT_MS = 247000,  /* for the answer, after an empty ACK */
	NET_ASK_BUSY_MS = 100,	   /* until ask_body is called again that had no bytes */
	NET_BODY_MS = 600000,	   /* for all blocks of a body */
	NET_BODY_BLOCK_MS = 93000, /* for the next one: RFC 7252 MAX_TRANSMIT_WAIT */
	NET_BODY_STUCK_MS = 10000, /* without one: it may be given up for another body */
	NET_RECENT_ANSWERS = 8,	   /* message ids of answers that were acknowledged */
};

/* A remembered POST, PUT, DELETE or PATCH: 16 bytes (ARCHITECTURE 2). */
struct net_dedupe {
	int64_t at_ms;
	uint32_t token_print;
	uint16_t mid;
	uint8_t code; /* of the answer; 0: not answered yet */
	bool used;
};

struct net_coap_session {
	struct list pending;	   /* struct net_pending */
	struct list out;	   /* struct net_out; the head is in flight (NSTART 1) */
	struct list observations;  /* struct net_observation */
	struct net_kept *kept;	   /* NULL: none */
	struct net_past *past;	   /* requests it had; NULL: none, or it is packed */
	struct net_asking *asking; /* NULL: none */
	struct net_watch *watches; /* chained */
	uint16_t next_mid;
	uint8_t pending_count, observe_count;
	uint8_t max_szx; /* largest block the record limit leaves, 0..6 */
	bool plain;	 /* no DTLS: the address may be forged */
	uint32_t messages, repeats;
	uint16_t rtt_ms; /* smoothed, 0: none was measured */
};

struct net_coap_ops {
	void (*send)(void *ctx, struct net_coap_session *s, struct bytes datagram);
	void (*request)(void *ctx, struct net_coap_session *s, const struct net_request *request,
			struct net_exchange exchange);
	void (*observe_end)(void *ctx, struct net_coap_session *s, uint32_t tag);
	/* A RST or an empty ACK came; true if it answers a ping of the owner's
	 * (net_coap_send_empty() of a CON). NULL: it sends none. */
	bool (*pong)(void *ctx, struct net_coap_session *s, uint16_t mid);
	/* The quotas; NULL: there are none. */
	enum net_admission (*admit)(void *ctx, struct net_coap_session *s, enum net_work work,
				    unsigned *ret_wait_s);
	/* See struct net_callbacks. */
	enum net_work (*weigh)(void *ctx, struct net_coap_session *s, uint8_t method,
			       const struct bytes *path, unsigned path_count);
	/* See struct net_callbacks. */
	bool (*long_body)(void *ctx, struct net_coap_session *s, uint8_t method,
			  const struct bytes *path, unsigned path_count);
	/* NULL: net_coap_ask() is never called. */
	void (*answered)(void *ctx, struct net_coap_session *s, const struct net_answer *answer);
	int (*ask_body)(void *ctx, struct net_coap_session *s, uint32_t tag, int64_t offset,
			uint8_t *dst, size_t len);
	void (*ask_sent)(void *ctx, struct net_coap_session *s, uint32_t tag, int64_t offset,
			 size_t len);
};

struct net_pending;
struct net_kept;
struct net_past;

struct net_coap {
	const struct net_coap_ops *ops;
	void *ctx;
	struct net_timers *timers;
	struct net_stats *stats;
	const char *well_known;
	bool plain_devices;
	struct net_hash_key key;
	uint64_t random_count;
	struct list bodies; /* struct net_body, of all sessions */
	size_t body_bytes;
	struct list free_pending;
	struct net_pending **pending; /* by slot */
	uint32_t pending_len, pending_cap;
	uint8_t scratch[LIMIT_COAP_MESSAGE];
};

void net_coap_init(struct net_coap *c, const struct net_coap_ops *ops, void *ctx,
		   struct net_timers *timers, struct net_stats *stats, struct net_hash_key key);
void net_coap_done(struct net_coap *c); /* after every session's done */

void net_coap_session_init(struct net_coap *c, struct net_coap_session *s, bool plain,
			   unsigned max_szx);
/* Something is under way: a request without its answer, a message without its acknowledgement. */
bool net_coap_session_busy(const struct net_coap_session *s);
/* Forgets its requests, messages and observations without telling anybody. */
void net_coap_session_done(struct net_coap *c, struct net_coap_session *s);

/* ---- of a peer that sleeps ---- */

enum {
	NET_PAST_PACKED = 3 + LIMIT_COAP_DEDUPE * 15 + NET_RECENT_GETS * 2 + NET_RECENT_ANSWERS * 2,
	NET_OBSERVE_PACKED = LIMIT_COAP_OBSERVE * 32,
	NET_WATCH_PACKED = LIMIT_COAP_WATCH * 34,
	NET_SESSION_PACKED = 1 + NET_PAST_PACKED + NET_OBSERVE_PACKED + NET_WATCH_PACKED,
};
/* What a session that is not busy knows of its requests and observations, in a few bytes that
 * net_coap_session_unpack() takes. All is where it was. */
void net_coap_session_pack(const struct net_coap *c, const struct net_coap_session *s,
			   struct buf *out);
/* Forgets what was packed, and the rest of a long answer. */
void net_coap_session_rest(struct net_coap *c, struct net_coap_session *s);
/* Without memory, or from bytes that are not whole, some is lost. */
void net_coap_session_unpack(struct net_coap_session *s, struct bytes packed);
/* Whether there are observations in it. */
bool net_coap_packed_observes(struct bytes packed);

/* One CoAP message of this peer. */
void net_coap_receive(struct net_coap *c, struct net_coap_session *s, const uint8_t *data,
		      size_t len);
/* See net_reply() and net_notify(). */
void net_coap_reply(struct net_coap *c, struct net_exchange exchange,
		    const struct net_reply *reply);
unsigned net_coap_notify(struct net_coap *c, struct net_coap_session *s, uint32_t tag,
			 const struct net_reply *reply);
/* See net_ask(), net_ask_cancel(), net_observe_forget(). */
int net_coap_ask(struct net_coap *c, struct net_coap_session *s,
		 const struct net_ask *ask) ERR_CHECK;
void net_coap_ask_cancel(struct net_coap *c, struct net_coap_session *s);
void net_coap_observe_forget(struct net_coap_session *s, uint32_t tag);

/* ---- between the files of this layer ---- */

/* A request waiting for its answer. */
struct net_pending {
	struct list link; /* in its session, or in free_pending */
	struct net_timer ack_timer;
	struct net_coap_session *session; /* NULL: free */
	uint32_t slot, generation;
	bool acked;
	uint64_t print; /* net_kept_print(); 0 for a GET */
	struct net_question question;
};

/* A confirmable message of ours (RFC 7252 4.2). */
struct net_out {
	struct list link;
	struct net_timer timer;
	struct net_coap_session *session;
	struct net_observation *observation; /* NULL: a separate response, or ... */
	struct net_asking *asking;	     /* ... a request of ours */
	int64_t timeout_ms;
	uint16_t mid;
	uint8_t tries;
	bool in_flight;
	size_t len;
	uint8_t data[];
};

struct net_observation {
	struct list link;
	uint32_t tag;
	int64_t sequence; /* its low 24 bits go on the wire */
	struct net_question question;
	int32_t first_mid;	 /* of a NON response that registered it; -1: none */
	struct net_out *current; /* queued or in flight */
	struct net_out *newer;	 /* waits until `current` is acknowledged or times out */
};

struct net_coap *net_coap_of_timer(void *timers_ctx);
uint32_t net_coap_random(struct net_coap *c);
uint16_t net_coap_next_mid(struct net_coap_session *s);
void net_coap_send(struct net_coap *c, struct net_coap_session *s, struct bytes datagram);
void net_coap_send_empty(struct net_coap *c, struct net_coap_session *s, enum wire_coap_type type,
			 uint16_t mid);
/* Largest response to a request of `len` bytes: strangers get no amplification. */
size_t net_coap_cap(const struct net_coap *c, const struct net_coap_session *s, size_t len);
/* Answers at once, without an exchange: errors and what net serves itself. */
void net_coap_answer(struct net_coap *c, struct net_coap_session *s, const struct net_question *q,
		     const struct net_reply *reply);

/* Has this request come before? Changes nothing. */
bool net_exchange_is_repeat(const struct net_coap *c, struct net_coap_session *s,
			    const struct wire_coap *m);
/* Answers `code` with a Max-Age of `wait_s` and some jitter, without doing anything else. */
void net_exchange_refuse(struct net_coap *c, struct net_coap_session *s, const struct wire_coap *m,
			 size_t len, uint8_t code, unsigned wait_s);
/* A valid request: duplicates, then the handler. */
void net_exchange_request(struct net_coap *c, struct net_coap_session *s, const struct wire_coap *m,
			  size_t len);
void net_exchange_session_done(struct net_coap *c, struct net_coap_session *s);

/* Keeps the answer to a POST of which one block was sent, in the place of an older one: the client
 * gets the rest with requests that carry no body any more (RFC 7959 2.7, 3.3). */
void net_kept_take(struct net_coap *c, struct net_coap_session *s, uint64_t print,
		   const struct net_reply *reply);
/* Such a request: a further block, or 4.08. */
void net_kept_answer(struct net_coap *c, struct net_coap_session *s, const struct wire_coap *m,
		     size_t len);
void net_kept_drop(struct net_coap *c, struct net_coap_session *s);
uint64_t net_kept_print(const struct net_coap *c, const struct wire_coap *m);

/* Whether the owner takes a body in several blocks there. */
bool net_body_allowed(struct net_coap *c, struct net_coap_session *s, const struct wire_coap *m);
/* One of several blocks. True: it was the last one, and this is the whole body, which stays until
 * the request is handed up; else it was answered. */
bool net_body_take(struct net_coap *c, struct net_coap_session *s, const struct wire_coap *m,
		   size_t len, struct bytes *ret_whole);
void net_body_drop(struct net_coap *c, struct net_coap_session *s);

/* Queues data as CON; NULL if there is no memory. */
struct net_out *net_out_new(struct net_coap_session *s, struct net_observation *o,
			    const uint8_t *data, size_t len, uint16_t mid);
/* A message of ours was answered after so long, and was sent once only: of one that was sent again
 * nobody knows which was answered (RFC 6298 3). */
void net_coap_round_trip(struct net_coap_session *s, int64_t took_ms);
/* Fewer than NET_OUT_PER_SESSION wait: one more separate response may. */
bool net_out_room(const struct net_coap_session *s);
void net_out_enqueue(struct net_coap *c, struct net_out *out);
/* Takes it out of the queue and frees it; the next one is sent. NULL is fine. */
void net_out_drop(struct net_coap *c, struct net_out *out);
/* An ACK or RST of the peer; false if it belongs to nothing. */
bool net_out_acknowledged(struct net_coap *c, struct net_coap_session *s, uint16_t mid, bool reset);
void net_out_session_done(struct net_coap *c, struct net_coap_session *s);

/* Registers (replacing the same token or the same tag); the Observe number, -1 if refused. */
int64_t net_observe_add(struct net_coap *c, struct net_coap_session *s,
			const struct net_question *q, uint32_t tag);
/* The response that tells of the registration is a notification, too (RFC 7641 3.2): rejecting
 * it ends the observation. `out`: its CON, not queued yet; NULL: it was a NON with this mid. */
void net_observe_first(struct net_coap_session *s, struct bytes token, struct net_out *out,
		       uint16_t mid);
/* A RST for that NON. */
void net_observe_rejected(struct net_coap *c, struct net_coap_session *s, uint16_t mid);
/* Ends the observation of this token, if there is one, and tells the owner. */
void net_observe_remove(struct net_coap *c, struct net_coap_session *s, struct bytes token);
/* Ends it; the owner is told if `tell`. */
void net_observe_end(struct net_coap *c, struct net_coap_session *s, struct net_observation *o,
		     bool tell);
void net_observe_session_done(struct net_coap_session *s);
void net_observe_pack(const struct net_coap_session *s, struct buf *out);
void net_observe_unpack(struct net_coap_session *s, struct buf *in);

/* A request that changes something and came within EXCHANGE_LIFETIME; NULL: none. */
struct net_dedupe *net_past_find(const struct net_coap_session *s, uint16_t mid,
				 uint32_t token_print, int64_t now_ms);
/* In the place of the oldest; NULL: no memory. */
struct net_dedupe *net_past_add(struct net_coap_session *s, uint16_t mid, uint32_t token_print,
				int64_t now_ms);
/* One that changes nothing, by its message id. */
bool net_past_get_known(const struct net_coap_session *s, uint16_t mid);
void net_past_get_add(struct net_coap_session *s, uint16_t mid);
/* A confirmable answer to a request of ours, which was acknowledged. */
bool net_past_answer_known(const struct net_coap_session *s, uint16_t mid);
void net_past_answer_add(struct net_coap_session *s, uint16_t mid);
void net_past_drop(struct net_coap_session *s);
void net_past_pack(const struct net_coap_session *s, int64_t now_ms, struct buf *out);
bool net_past_unpack(struct net_coap_session *s, struct buf *in); /* false: it is not whole */

/* An ACK that is no empty one; true if it belongs to a request of ours. */
bool net_ask_piggybacked(struct net_coap *c, struct net_coap_session *s, const struct wire_coap *m);
/* A response as a message of its own, CON or NON; false if nobody waits for it. */
bool net_ask_separate(struct net_coap *c, struct net_coap_session *s, const struct wire_coap *m);
/* Its message was acknowledged: the answer will be one of its own (RFC 7252 5.2.2). */
void net_ask_acknowledged(struct net_coap *c, struct net_asking *a);
/* Ends it: the owner is told. */
void net_ask_failed(struct net_coap *c, struct net_coap_session *s, int err);

#endif
