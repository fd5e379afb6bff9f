/* SPDX-License-Identifier: Apache-2.0
 *
 * The device's network side: libcoap's own engine with OpenSSL DTLS, and nothing of src/net.
 * This pair hides libcoap from the rest of the emulator, with its differences between 4.3.1
 * and 4.3.5.
 *
 * One emu_ctx holds up to EMU_CTX_SESSIONS sessions (libcoap walks all of them on a turn).
 * Order: emu_ctx_new, emu_session_open, requests once ops->up was called, emu_session_close.
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

enum { EMU_CTX_SESSIONS = 50 };

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
	bool has_max_age;
	uint32_t max_age_s;
	uint8_t etag[8];
	size_t etag_len;
};

struct emu_session_ops {
	void (*up)(void *arg);
	void (*down)(void *arg, const char *why); /* failed or closed by the peer */
	void (*answer)(void *arg, const struct emu_answer *answer);
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

/* ERR_NOMEM, ERR_UNSUPPORTED (a libcoap without DTLS). */
int emu_ctx_new(struct emu_ctx **ret_ctx) ERR_CHECK;
void emu_ctx_free(struct emu_ctx *ctx);
int emu_ctx_fd(const struct emu_ctx *ctx);
/* Milliseconds until libcoap has work of its own; UINT32_MAX: none. */
uint32_t emu_ctx_next_ms(struct emu_ctx *ctx);
void emu_ctx_process(struct emu_ctx *ctx);

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

#endif
