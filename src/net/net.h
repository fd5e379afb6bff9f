/* SPDX-License-Identifier: Apache-2.0
 *
 * The network: CoAP (RFC 7252) over DTLS 1.2 (RFC 6347) or, where configured, plain UDP.
 * The only user of sockets and mbedTLS. It knows peers, requests, replies and
 * observations; it does not know devices, attempts or images.
 *
 * Order of calls: net_new, net_listen (once per address), uv_run; callbacks arrive on the
 * loop's thread; net_close, uv_run until the closed callback, net_free.
 *
 * A request is answered by net_reply, inside the callback (piggybacked) or later (a
 * separate response, RFC 7252 5.2.2: net sends the empty ACK itself after 1 s for a CON).
 * Duplicates (RFC 7252 4.5): while a request is unanswered net keeps silent or repeats the
 * ACK; afterwards a GET and a POST that succeeded are handed up again with `duplicate` set
 * (handlers are idempotent and answer from state), a POST that failed gets its code again.
 */
#ifndef NET_NET_H
#define NET_NET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <uv.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/limits.h"
#include "net/net_quota.h"

struct net;
struct net_peer; /* valid until the peer_gone callback returns */

/* Handle of an unanswered request; survives its peer (a reply then goes nowhere). */
struct net_exchange {
	uint32_t slot;
	uint32_t generation; /* 0: no exchange */
};

/* A request that passed RFC 7252's rules: known critical options only, method known. Memory is
 * borrowed until the callback returns. */
struct net_request {
	uint8_t method; /* 1 GET, 2 POST, 3 PUT, 4 DELETE, 5 FETCH, 6 PATCH, 7 iPATCH */
	bool confirmable;
	bool duplicate;
	struct bytes path[LIMIT_COAP_PATH]; /* Uri-Path segments */
	unsigned path_count;
	struct bytes query[8]; /* Uri-Query options; further ones are ignored */
	unsigned query_count;
	int content_format; /* -1: none */
	int accept;	    /* -1: none */
	int observe;	    /* -1: none, 0 register, 1 deregister (RFC 7641) */
	bool has_block2;
	uint32_t block2_num;
	unsigned block2_szx; /* as asked, 0..6; 7 was answered 4.00 by net */
	bool wants_size2;
	unsigned etag_count; /* RFC 7252 5.10.6.2 */
	struct bytes etag[4];
	struct bytes payload;
};

/* An answer. A payload longer than the negotiated block is cut by net (RFC 7959) unless
 * `is_block`: then payload is one block the handler has cut itself, see net_block_szx(). */
struct net_reply {
	uint8_t code;	    /* 0xCDD as on the wire: 69 is 2.05 */
	int content_format; /* -1: none */
	int64_t max_age_s;  /* -1: none; of 4.29 and 5.03 net makes up to twice as much */
	bool observe;	    /* registers the request as the one observation of `observe_tag` of
			     * this peer, if it asked for that and the code is 2.xx */
	uint32_t observe_tag;
	bool is_block;
	uint32_t block2_num;
	unsigned block2_szx;
	bool block2_more;
	int64_t size2;		 /* -1: none */
	int64_t size1;		 /* -1: none; of a 4.13: the largest body there may be */
	struct bytes etag;	 /* empty: none, else 1..8 bytes */
	const char *location[2]; /* Location-Path segments; NULL: none */
	struct bytes payload;
};
#define NET_REPLY(code_)                                                                           \
	((struct net_reply){                                                                       \
		.code = (code_), .content_format = -1, .max_age_s = -1, .size2 = -1, .size1 = -1})

/* CoAP codes as bytes on the wire: NET_CODE(4, 4) is 4.04. */
#define NET_CODE(class_, detail_) ((uint8_t)((class_) << 5 | (detail_)))

/* A request of ours, to a device that serves (CoAP is symmetric). */
struct net_ask {
	uint8_t method;	    /* as in struct net_request */
	const char *path;   /* "5/0/1", "": the root */
	const char *query;  /* "pmin=0&pmax=300"; NULL: none */
	int content_format; /* -1: none */
	int accept;	    /* -1: none */
	int observe;	    /* -1: none, 0: begin to observe, 1: end that */
	uint32_t tag;	    /* the caller's: of the answers, and of an observation */
	unsigned block_szx; /* of a body or an answer in several blocks: at most that; 6: 1024 */
	struct bytes payload;
	int64_t body_size; /* > 0: in place of the payload; its bytes come from ask_body */
};
#define NET_ASK(method_, path_)                                                                    \
	((struct net_ask){.method = (method_),                                                     \
			  .path = (path_),                                                         \
			  .content_format = -1,                                                    \
			  .accept = -1,                                                            \
			  .observe = -1,                                                           \
			  .block_szx = 6})

/* What came of it: an answer with any code, or why there is none. Memory is borrowed until the
 * callback returns. */
struct net_answer {
	/* 0; ERR_TIMEOUT: no answer came; ERR_CLOSED: the peer has rejected it (RST); ERR_LIMIT:
	 * the answer is longer than LIMIT_ASK_ANSWER; ERR_CONFLICT: it changed twice while it was
	 * fetched; ERR_CRITICAL: an option of it is not understood; ERR_SYNTAX: its blocks do not
	 * fit together; ERR_IO: of ask_body; ERR_NOMEM. Of a notification: 0, or ERR_LIMIT if it is
	 * longer than one message. */
	int err;
	uint32_t tag;
	uint8_t code;
	int content_format; /* -1: none */
	bool notified;	    /* by an observation of that tag */
	bool observed;	    /* and more will come */
	struct bytes payload;
};

#define NET_PSK_LATER SIZE_MAX

enum { NET_NOTE = 64 /* bytes of the owner's that go with a saved peer */ };

enum net_gone {
	NET_GONE_CLOSED,   /* close_notify or fatal alert of the peer */
	NET_GONE_IDLE,	   /* session-idle time-out */
	NET_GONE_REPLACED, /* a new handshake from the same address finished */
	NET_GONE_EVICTED,  /* the longest silent one, when max_peers is reached */
	NET_GONE_LOCAL,	   /* net_peer_close() or net_close() */
	NET_GONE_COUNT
};

/* Somebody says who he is, and is asked to prove it. */
struct net_claim {
	struct bytes identity; /* borrowed until the callback returns */
	uint64_t print;	       /* tells apart from where; the port does not count. 0 is never one */
	uint64_t tag;	       /* the callback's own: which of the identity's keys it gave */
};

/* Why a handshake with a certificate, or the session after it, was refused: words of the log and
 * of /metrics. X(name, word, what it means) */
#define NET_REFUSED_LIST(X)                                                                        \
	X(NET_REFUSED_NONE, "none", "it was not")                                                  \
	X(NET_REFUSED_MISSING, "no-certificate", "the device has sent none")                       \
	X(NET_REFUSED_UNSUPPORTED, "unsupported", "not ECDSA on P-256, or not made for clients")   \
	X(NET_REFUSED_UNKNOWN_CA, "unknown-ca", "no product's CA has signed it")                   \
	X(NET_REFUSED_EXPIRED, "expired", "it has ended")                                          \
	X(NET_REFUSED_NOT_YET_VALID, "not-yet-valid", "it has not begun")                          \
	X(NET_REFUSED_SERVER_CLOCK, "server-clock", "by our clock not even our own has begun")     \
	X(NET_REFUSED_REVOKED, "revoked", "the CA's list of revoked ones has it")                  \
	X(NET_REFUSED_IDENTITY, "no-identity", "it names no device, or several")                   \
	X(NET_REFUSED_MALFORMED, "malformed", "it cannot be read, or the handshake is broken")     \
	X(NET_REFUSED_BY_DEVICE, "alert", "the device gave up: it may not accept ours")            \
	X(NET_REFUSED_UNKNOWN_DEVICE, "unknown-device", "no such device was added")                \
	X(NET_REFUSED_OTHER_PRODUCT, "other-product", "signed by a CA of another product")         \
	X(NET_REFUSED_KEY_DEVICE, "key-device", "the device has a key, or none")                   \
	X(NET_REFUSED_DISABLED, "disabled", "an operator has disabled the device")

enum net_refused {
#define NET_REFUSED_ENUM(name, word, help) name,
	NET_REFUSED_LIST(NET_REFUSED_ENUM) NET_REFUSED_COUNT
#undef NET_REFUSED_ENUM
};
const char *net_refused_name(enum net_refused why);

struct net_callbacks {
	/* The PSK of an identity: copies at most `cap` bytes, returns the length, 0 if unknown
	 * (net then goes on with a pseudo-random key and fails at Finished like a wrong key), or
	 * NET_PSK_LATER if nobody can tell at present: the handshake then ends without a word, as
	 * if its messages were lost, and the device tries again. */
	size_t (*psk)(void *ctx, struct net_claim *claim, uint8_t *key, size_t cap);
	/* The handshake failed after it was given that key. NULL: nobody wants to know. */
	void (*psk_failed)(void *ctx, const struct net_claim *claim);
	/* Handshake finished; identity is borrowed. Returns false to refuse the session. */
	bool (*peer_up)(void *ctx, struct net_peer *peer, struct bytes identity);
	/* The peer's memory goes after this returns. Called once per peer_up that returned true,
	 * and for plain peers whose user pointer was set. */
	void (*peer_gone)(void *ctx, struct net_peer *peer, enum net_gone why);
	/* A request. The handler owes exactly one net_reply(exchange) sooner or later. */
	void (*request)(void *ctx, struct net_peer *peer, const struct net_request *request,
			struct net_exchange exchange);
	/* An observation of `tag` ended: RST, de-registration, time-out of a CON notification. */
	void (*observe_end)(void *ctx, struct net_peer *peer, uint32_t tag);
	/* What a request will be for its quota: NET_WORK_BLOCK of the image that the peer is to
	 * fetch, NET_WORK_NOTHING or NET_WORK_REQUEST. NULL: always that. */
	enum net_work (*weigh)(void *ctx, struct net_peer *peer, uint8_t method,
			       const struct bytes *path, unsigned path_count);
	/* It sends too much: so many of its messages were refused since the last time. Told once a
	 * minute at most. NULL: nobody wants to know. */
	void (*limited)(void *ctx, struct net_peer *peer, unsigned refused);
	/* It is idle and gave up its memory; it wakes with its next request. A peer for which
	 * peer_up returned true; may be called again and again. NULL: nobody wants to know. */
	void (*peer_sleeps)(void *ctx, struct net_peer *peer);
	/* net_save(): what the owner wants to have back with the peer; the length. */
	size_t (*peer_note)(void *ctx, struct net_peer *peer, uint8_t note[NET_NOTE]);
	/* net_restore(): the peer is back and sleeps; it had been up before. `unheard`: it has not
	 * acknowledged the last notification. Returns false to refuse it. */
	bool (*peer_back)(void *ctx, struct net_peer *peer, struct bytes note, bool unheard);
	/* Whether a request there may have a body in several blocks (RFC 7959), which `request`
	 * gets as one. NULL: none may. */
	bool (*long_body)(void *ctx, struct net_peer *peer, uint8_t method,
			  const struct bytes *path, unsigned path_count);
	/* The end of a net_ask(), or a notification; may ask again. NULL: nobody asks. */
	void (*answered)(void *ctx, struct net_peer *peer, const struct net_answer *answer);
	/* The bytes of its body from `offset`; 0, or what the answer's err becomes; ERR_BUSY: none
	 * now, it is called again a tenth of a second later. Neither this nor ask_sent may ask or
	 * cancel. */
	int (*ask_body)(void *ctx, struct net_peer *peer, uint32_t tag, int64_t offset,
			uint8_t *dst, size_t len);
	/* So much of a body has arrived; from 0 again if the peer wants it anew. May be NULL. */
	void (*ask_sent)(void *ctx, struct net_peer *peer, uint32_t tag, int64_t offset,
			 size_t len);
};

struct net_conf {
	const struct net_callbacks *callbacks;
	void *ctx;
	int64_t hibernate_after_ms; /* an idle session gives up its memory; 0: 10 s */
	int64_t session_idle_ms;    /* a silent session is closed after it; 0: one day */
	unsigned max_peers;	    /* 0: LIMIT_PEERS */
	unsigned handshakes_per_s;  /* cookie-verified ClientHellos, all addresses; 0: 2000 */
	/* requests, blocks of images not counted; 0: any number */
	unsigned requests_per_s;	 /* of all devices */
	unsigned device_requests_per_s;	 /* of one device, on all its sessions */
	unsigned address_requests_per_s; /* of one address (or IPv6 /56) on plain coap */
	const char *well_known;		 /* body of /.well-known/core (RFC 6690), static */
	bool plain_devices;  /* plain peers may use more than .well-known/core and ping */
	bool connection_ids; /* for clients that can have one (RFC 9146) */
};

/* Why a message was refused. */
enum net_shed {
	NET_SHED_DEVICE,  /* 4.29: too many of this device */
	NET_SHED_ADDRESS, /* 4.29: too many of this address on plain coap */
	NET_SHED_ALL,	  /* 5.03: too many of all together */
	NET_SHED_SILENT,  /* without a word: it was told often enough, or is anybody */
	NET_SHED_UNREAD,  /* not even decrypted */
	NET_SHED_COUNT
};

struct net_stats {
	uint64_t datagrams_in, datagrams_out, dropped;
	uint64_t handshakes_ok, handshakes_failed, cookies_sent;
	uint64_t requests, duplicates, retransmissions, notifications;
	uint64_t peers, half_open, asleep; /* peers: those asleep, too */
	/* sessions that woke for a datagram; contexts loaded to send for one who sleeps on; loaded
	 * for a datagram that was not genuine; not loaded, as too many were for nothing */
	uint64_t wakes, wakes_to_send, wakes_failed, wakes_shed;
	uint64_t cid_peers;	  /* of the peers, those with a connection ID */
	uint64_t address_changes; /* of them */
	/* records with a connection ID: of no session; of one, but from another address than its
	 * own, and forged, replayed or damaged */
	uint64_t cid_unknown, cid_refused;
	uint64_t restored;			  /* sessions of the process before */
	uint64_t handshakes_gone[NET_GONE_COUNT]; /* those that failed, by why they ended */
	/* handshakes that were not begun or not gone on with: too many a moment, or no room */
	uint64_t hellos_shed, handshakes_shed, half_open_shed;
	uint64_t handshakes_resumed; /* of those ok: with a certificate's ticket */
	uint64_t certificates_refused[NET_REFUSED_COUNT];
	uint64_t disabled_refused; /* NET_REFUSED_DISABLED, of sessions with keys, too */
	uint64_t responses[256];   /* by code, as on the wire */
	uint64_t shed[NET_SHED_COUNT];
	uint64_t limited; /* devices and addresses that were refused something just now */
	/* the smallest of all sockets, in the kernel's count, and what was asked; 0: no socket */
	uint64_t receive_buffer_bytes, receive_buffer_wanted;
};

/* The loop is borrowed and must outlive the net. */
int net_new(uv_loop_t *loop, const struct net_conf *conf, struct net **ret_net) ERR_CHECK;

/* Takes hibernate_after_ms, session_idle_ms, max_peers, what is per second and connection_ids (for
 * new sessions), and nothing else. For each new session beyond a smaller max_peers two old ones
 * end. */
void net_limits_set(struct net *net, const struct net_conf *conf);

/* ---- certificates (X.509): the daemon reads files, net understands them ---- */

struct net_x509;

/* Certificates that sign those of a product's devices, in PEM. */
struct net_trust {
	int64_t product;
	struct bytes bundle;
};

struct net_x509_conf {
	struct bytes certificate; /* the server's own, and what it was signed with; PEM or DER */
	struct bytes key;	  /* its private key */
	struct bytes crl;	  /* lists of revoked certificates; empty: none */
	const struct net_trust *trusts;
	unsigned trust_count;
};

enum net_x509_part { NET_X509_CERTIFICATE, NET_X509_KEY, NET_X509_CRL, NET_X509_BUNDLE };

struct net_x509_fault {
	enum net_x509_part part;
	int64_t product; /* of a bundle */
	char what[160];
};

/* Copies all it needs. ERR_SYNTAX or ERR_NOMEM, and the fault. */
int net_x509_new(const struct net_x509_conf *in, struct net_x509 **ret_x,
		 struct net_x509_fault *ret_fault) ERR_CHECK;
void net_x509_free(struct net_x509 *x); /* one that no net took; NULL is fine */
/* Whether it could be a product's. */
int net_x509_check_bundle(struct bytes bundle, unsigned *ret_count,
			  struct net_x509_fault *ret_fault) ERR_CHECK;
/* Wall times of the server's own certificate, and of the list of revoked ones that ends first
 * (after which it still counts). */
struct net_x509_info {
	int64_t not_before_ms, not_after_ms;
	int64_t crl_until_ms;  /* 0: none has an end */
	unsigned crls;	       /* lists that count */
	unsigned crls_unknown; /* that no CA of a product has signed: they do not count */
	unsigned revoked;      /* certificates in those that count */
};
void net_x509_info(const struct net_x509 *x, struct net_x509_info *ret);

/* From the next handshake on; NULL: none with certificates. Sessions that it no longer believes
 * end, those that sleep, too; each has a line in the log. Takes the reference of net_x509_new(),
 * always. ERR_NOMEM: the one before stays. */
int net_x509_set_take(struct net *net, struct net_x509 *x) ERR_CHECK;
/* Now and then: the same for certificates that have ended meanwhile. */
void net_certificates_look(struct net *net);

/* Binds one UDP socket with 4 MiB buffers (told in the log when the kernel gives less). Port 0
 * takes a free one; ret_bound tells which. v6 sockets are v6-only. */
int net_listen(struct net *net, const struct sockaddr *addr, bool secure,
	       struct sockaddr_storage *ret_bound) ERR_CHECK;
/* The same on a socket that somebody bound before (socket activation), whose buffers are only
 * made larger; takes the fd on success. ERR_UNSUPPORTED: no bound UDP socket. */
int net_listen_fd_take(struct net *net, int fd, bool secure) ERR_CHECK;

/* Answers an exchange; does nothing if its peer is gone or it was answered already.
 * Copies everything. */
void net_reply(struct net *net, struct net_exchange exchange, const struct net_reply *reply);

/* Sends a CON notification (RFC 7641 4.5) to every observation of `tag` on this peer; one that
 * is still unacknowledged is superseded by the newest. Returns the number of observations. */
unsigned net_notify(struct net *net, struct net_peer *peer, uint32_t tag,
		    const struct net_reply *reply);

/* Sends a request: confirmable, repeated, its body and its answer in blocks where they are long.
 * One is outstanding for each peer; a new one takes the place of the old, of which nothing is told
 * any more. Copies all but the body. If it returns 0, `answered` follows unless the peer ends
 * first; never before it returns. A sleeping peer wakes with its answer. A restart of the process
 * ends it in silence, but observations go on. ERR_INVAL, ERR_LIMIT (path, query or payload too
 * long; LIMIT_COAP_WATCH observations), ERR_CLOSED, ERR_NOMEM; of ask_body. */
int net_ask(struct net *net, struct net_peer *peer, const struct net_ask *ask) ERR_CHECK;
/* The outstanding one; nothing is told. */
void net_ask_cancel(struct net *net, struct net_peer *peer);
/* Ends an observation of ours without a word; the peer learns of it by RST at its next
 * notification (RFC 7641 3.6). One that is to end at once: net_ask with observe = 1. */
void net_observe_forget(struct net *net, struct net_peer *peer, uint32_t tag);

/* The largest SZX for a block to this peer: min(asked, 6, what the record limit leaves);
 * 6 (1024 bytes) when none is asked. */
unsigned net_block_szx(const struct net_peer *peer, const struct net_request *request);

/* Sends close_notify and forgets the peer after the present callback; peer_gone follows. */
void net_peer_close(struct net *net, struct net_peer *peer);

/* What the caller keeps with a peer; NULL at first. */
void net_peer_set_user(struct net_peer *peer, void *user);
void *net_peer_user(const struct net_peer *peer);
bool net_peer_secure(const struct net_peer *peer);
/* Identity of the handshake; empty for plain peers. Borrowed for the peer's life. */
struct bytes net_peer_identity(const struct net_peer *peer);
/* What it claimed and has proved. */
void net_peer_claim(const struct net_peer *peer, struct net_claim *ret);
/* Whether it proved its identity with a certificate; and what the set in force says of that for a
 * device of this product: NET_REFUSED_NONE, or why it may not go on. From then on the session ends
 * as soon as the set says something else. */
bool net_peer_certified(const struct net_peer *peer);
enum net_refused net_peer_judge(struct net_peer *peer, int64_t product);
/* Within peer_up, before it returns false: the device is told by an alert, it is logged and
 * counted. */
void net_peer_refuse(struct net_peer *peer, enum net_refused why);
/* Monotonic ms at which the handshake finished (first datagram for plain peers). */
int64_t net_peer_since_ms(const struct net_peer *peer);
/* "192.0.2.1:5684" or "[2001:db8::1]:5684". Returns dst. */
char *net_peer_address(const struct net_peer *peer, char dst[64]);
/* The same of ours, as the peer sees it unless there is a NAT before us. */
char *net_peer_local(const struct net_peer *peer, char dst[64]);
/* What is seen of the way to this peer, for the weak-link diagnosis and the window. */
struct net_link {
	uint32_t messages, repeats; /* requests of the peer and CONs of ours; those sent again */
	uint32_t rtt_ms;	    /* a round trip, smoothed (RFC 6298); 0: none was measured */
};
void net_peer_link(const struct net_peer *peer, struct net_link *ret_link);

void net_stats_read(const struct net *net, struct net_stats *ret_stats);

/* ---- over a restart of the process (net_save.h) ---- */

struct net_saved {
	unsigned sessions;
	unsigned closed; /* could not be saved: were told so */
};

struct net_restored {
	unsigned sessions, refused;
	const char *why; /* nothing was restored: words for people */
};

typedef int net_save_put(void *ctx, struct bytes piece);

/* Hands all sessions to `put`, piece by piece. They are used up then: only net_close() may follow,
 * which ends them here and tells nobody. From its beginning on net_ask() is refused (ERR_CLOSED)
 * and net_notify() reaches nobody. On failure of `put` they are still ours, and what it got
 * is to be destroyed. */
int net_save(struct net *net, net_save_put *put, void *ctx, struct net_saved *ret) ERR_CHECK;

/* All that net_save() gave away, of which there is no other copy any more; before the first
 * datagram is read. Peers come back through peer_back. ERR_CORRUPT, ERR_VERSION; ERR_STALE: they
 * can no longer be used. */
int net_restore(struct net *net, struct bytes saved, struct net_restored *ret) ERR_CHECK;

/* close_notify to every peer, then `closed` once all uv handles are closed. */
void net_close(struct net *net, void (*closed)(void *ctx), void *ctx);
void net_free(struct net *net); /* after `closed`; NULL is fine */

#endif
