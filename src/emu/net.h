/* SPDX-License-Identifier: Apache-2.0
 *
 * The device's network side: libcoap's own engine with OpenSSL DTLS, and nothing of src/net.
 * This pair hides libcoap from the rest of the emulator, with its differences between 4.3.1
 * and 4.3.5.
 *
 * One emu_ctx holds up to EMU_CTX_SESSIONS sessions (libcoap walks all of them on a turn).
 * Order: emu_ctx_new, emu_session_open, requests once ops->up was called, emu_session_close.
 * A peer may ask, too (LwM2M): ops->request answers within the call; blocks are the owner's.
 * Closing inside a callback is allowed: the libcoap session is released at the end of the
 * next emu_ctx_process(). After a close no callback of that session comes any more.
 */
#ifndef EMU_NET_H
#define EMU_NET_H

#include "base/buf.h"
#include "base/err.h"
#include "base/limits.h"
#include "emu/payload.h"

#include <netinet/in.h>
#include <sys/socket.h>

enum { EMU_CTX_SESSIONS = 50, EMU_LOCATION = 64, EMU_QUERY = 128, EMU_REPLY = 1024 };

struct emu_ctx;

struct emu_addr {
	union {
		struct sockaddr sa;
		struct sockaddr_in in;
		struct sockaddr_in6 in6;
	} u;
	socklen_t len;
};

struct emu_answer {
	uint32_t token;
	unsigned code; /* 204, 409, 503: class * 100 + detail */
	struct bytes payload;
	int content_format; /* -1: none */
	bool observe;
	bool has_block;
	uint32_t block_num;
	unsigned block_szx;
	bool block_more;
	uint32_t size2; /* 0: not told */
	bool has_max_age;
	uint32_t max_age_s;
	uint8_t etag[8];
	size_t etag_len;
	char location[EMU_LOCATION]; /* "/rd/5", "": none */
};

struct emu_block {
	bool have;
	uint32_t num;
	bool more;
	unsigned szx;
};

/* What a peer asks. Memory is borrowed for the call. */
struct emu_request {
	unsigned method; /* 1 GET, 2 POST, 3 PUT, 4 DELETE */
	uint16_t mid;
	uint8_t token[8];
	size_t token_len;
	char path[EMU_LOCATION]; /* "/3/0/3"; cut where it is longer */
	char query[EMU_QUERY];	 /* "pmin=1&pmax=5" */
	int content_format;	 /* -1: none; as accept, observe */
	int accept;
	int observe;
	struct emu_block block1, block2;
	uint32_t size1; /* 0: not told */
	struct bytes payload;
};

struct emu_reply {
	unsigned code;	    /* 204; 0: an empty acknowledgement, nothing more */
	int content_format; /* -1: none */
	int64_t observe;    /* -1: none */
	struct emu_block block1, block2;
	size_t len;
	uint8_t payload[EMU_REPLY];
};

struct emu_session_ops {
	void (*up)(void *arg);
	void (*down)(void *arg, const char *why); /* failed or closed by the peer */
	void (*answer)(void *arg, const struct emu_answer *answer);
	/* NULL: 4.04 to everything. `reply` is 4.04 and empty before. */
	void (*request)(void *arg, const struct emu_request *request, struct emu_reply *reply);
	/* A notification of ours is not wanted (RST); may be NULL. */
	void (*unwanted)(void *arg, uint16_t mid);
};

struct emu_session_conf {
	struct emu_addr server;
	uint16_t local_port; /* 0: any */
	bool dtls;
	const char *identity;
	const uint8_t *psk;
	size_t psk_len;
	const char *cert, *cert_key, *ca; /* PEM files, in the place of the key; NULL: none */
	uint32_t ack_timeout_ms;
	uint16_t max_retransmit;
	uint16_t nstart; /* exchanges in flight */
};

struct emu_session {
	void *coap; /* coap_session_t, NULL when closed */
	struct emu_ctx *ctx;
	const struct emu_session_ops *ops;
	void *arg;
	bool up;
};

struct emu_get {
	const char *path;  /* "/a/b" */
	const char *query; /* "k=v" or NULL */
	uint32_t token;
	bool observe;
	int block_szx; /* -1: no Block2 option */
	uint32_t block_num;
	enum emu_format accept;
};

/* A request of any kind. */
struct emu_send {
	unsigned method;   /* as struct emu_request */
	const char *path;  /* "/a/b" */
	const char *query; /* "a=b&c", NULL: none */
	uint32_t token;
	int content_format; /* -1: none; as block_szx, the SZX of a Block2 option */
	int accept;
	int block_szx;
	uint32_t block_num;
	bool size2; /* asks how large it is */
	struct bytes payload;
};

/* A notification (RFC 7641) by which the owner keeps the observation. */
struct emu_notice {
	const uint8_t *token;
	size_t token_len;
	uint32_t observe; /* 24 bits */
	bool confirmable;
	int content_format;
	struct bytes payload;
};

/* ERR_NOMEM, ERR_UNSUPPORTED (a libcoap without DTLS). */
int emu_ctx_new(struct emu_ctx **ret_ctx) ERR_CHECK;
void emu_ctx_free(struct emu_ctx *ctx);
int emu_ctx_fd(const struct emu_ctx *ctx);
/* Milliseconds until libcoap has work of its own; UINT32_MAX: none. */
uint32_t emu_ctx_next_ms(struct emu_ctx *ctx);
void emu_ctx_process(struct emu_ctx *ctx);

/* "coaps://HOST[:PORT]" up to the path, which *ret_rest then is (""). ERR_INVAL, ERR_NOENT. */
int emu_uri_parse(const char *uri, bool *ret_dtls, struct emu_addr *ret_addr,
		  const char **ret_rest) ERR_CHECK;
/* Host name or address (IPv6 without brackets). */
int emu_addr_resolve(const char *host, uint16_t port, struct emu_addr *ret_addr) ERR_CHECK;

int emu_session_open(struct emu_session *session, struct emu_ctx *ctx,
		     const struct emu_session_conf *conf, const struct emu_session_ops *ops,
		     void *arg) ERR_CHECK;
/* graceful: with close_notify; else as a device that lost its power: the peer hears nothing. */
void emu_session_close(struct emu_session *session, bool graceful);

int emu_session_post(struct emu_session *session, const char *path, const char *query,
		     uint32_t token, enum emu_format format, struct bytes payload) ERR_CHECK;
int emu_session_get(struct emu_session *session, const struct emu_get *get) ERR_CHECK;
int emu_session_send(struct emu_session *session, const struct emu_send *send) ERR_CHECK;
int emu_session_notify(struct emu_session *session, const struct emu_notice *notice,
		       uint16_t *ret_mid) ERR_CHECK;

#endif
