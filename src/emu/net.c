/* SPDX-License-Identifier: Apache-2.0 */
#include "emu/net_coap.h"

#include <openssl/ssl.h>
#include <stdlib.h>
#include <string.h>

enum { NET_GRAVES = 2 * EMU_CTX_SESSIONS };

struct emu_ctx {
	coap_context_t *coap;
	coap_session_t *graves[NET_GRAVES];
	size_t graves_len;
};

/* The one place that knows both spellings of libcoap's log levels (4.3.1 and 4.3.2 on). */
static void net_quiet(void)
{
#if LIBCOAP_VERSION >= 4003002U
	coap_set_log_level(getenv("POSTBOOT_DEVICE_COAP_LOG") ? COAP_LOG_DEBUG : COAP_LOG_EMERG);
	coap_dtls_set_log_level(COAP_LOG_EMERG);
#else
	coap_set_log_level(getenv("POSTBOOT_DEVICE_COAP_LOG") ? LOG_DEBUG : LOG_EMERG);
	coap_dtls_set_log_level(LOG_EMERG);
#endif
}

struct emu_session *emu_net_session(const coap_session_t *coap)
{
	return coap_session_get_app_data(coap);
}

static void net_down(coap_session_t *coap, const char *why)
{
	struct emu_session *session = emu_net_session(coap);

	if (!session)
		return;
	emu_session_close(session, false);
	session->ops->down(session->arg, why);
}

static int net_on_event(coap_session_t *coap, const coap_event_t event)
{
	struct emu_session *session = emu_net_session(coap);

	if (!session)
		return 0;
	if (event == COAP_EVENT_DTLS_CONNECTED) {
		session->up = true;
		session->ops->up(session->arg);
	} else if (event == COAP_EVENT_DTLS_CLOSED) {
		net_down(coap, session->up ? "closed by the server" : "handshake refused");
	} else if (event == COAP_EVENT_DTLS_ERROR) {
		net_down(coap, session->up ? "DTLS error" : "handshake failed");
	}
	return 0;
}

/* A notification was refused: that is the end of an observation, not of the session. */
static bool net_unwanted(coap_session_t *coap, const coap_pdu_t *sent, coap_nack_reason_t reason,
			 coap_mid_t mid)
{
	struct emu_session *session = emu_net_session(coap);

	if (!session || !session->ops->unwanted || reason != COAP_NACK_RST ||
	    (sent && coap_pdu_get_code(sent) < COAP_RESPONSE_CODE(200)))
		return false;
	session->ops->unwanted(session->arg, (uint16_t)mid);
	return true;
}

static void net_on_nack(coap_session_t *coap, const coap_pdu_t *sent,
			const coap_nack_reason_t reason, const coap_mid_t mid)
{
	if (net_unwanted(coap, sent, reason, mid))
		return;
	switch ((int)reason) {
	case COAP_NACK_TOO_MANY_RETRIES:
		net_down(coap, "no answer");
		break;
	case COAP_NACK_RST:
		net_down(coap, "reset by the server");
		break;
	case COAP_NACK_TLS_FAILED:
		net_down(coap, "handshake failed");
		break;
	case COAP_NACK_ICMP_ISSUE:
		net_down(coap, "server unreachable");
		break;
	default:
		net_down(coap, "not delivered");
		break;
	}
}

static void answer_options(const coap_pdu_t *pdu, struct emu_answer *answer)
{
	coap_opt_iterator_t it;
	const coap_opt_t *opt;
	coap_block_t block;
	struct buf out = buf_writer(answer->location, sizeof(answer->location) - 1);

	answer->content_format = -1;
	opt = coap_check_option(pdu, COAP_OPTION_CONTENT_FORMAT, &it);
	if (opt)
		answer->content_format = (int)emu_opt_uint(opt);
	answer->observe = coap_check_option(pdu, COAP_OPTION_OBSERVE, &it) != NULL;
	opt = coap_check_option(pdu, COAP_OPTION_MAXAGE, &it);
	if (opt) {
		answer->has_max_age = true;
		answer->max_age_s = emu_opt_uint(opt);
	}
	opt = coap_check_option(pdu, COAP_OPTION_ETAG, &it);
	if (opt && coap_opt_length(opt) <= sizeof(answer->etag)) {
		answer->etag_len = coap_opt_length(opt);
		memcpy(answer->etag, coap_opt_value(opt), answer->etag_len);
	}
	if (coap_get_block(pdu, COAP_OPTION_BLOCK2, &block)) {
		answer->has_block = true;
		answer->block_num = block.num;
		answer->block_szx = block.szx;
		answer->block_more = block.m;
	}
	opt = coap_check_option(pdu, COAP_OPTION_SIZE2, &it);
	if (opt)
		answer->size2 = emu_opt_uint(opt);
	emu_pdu_segments(pdu, COAP_OPTION_LOCATION_PATH, &out);
}

static bool net_token(const coap_pdu_t *pdu, uint32_t *ret_token)
{
	coap_bin_const_t token = coap_pdu_get_token(pdu);
	struct buf in;

	if (token.length != 4)
		return false;
	in = buf_reader(token.s, token.length);
	*ret_token = buf_get_u32(&in);
	return true;
}

static coap_response_t net_on_response(coap_session_t *coap, const coap_pdu_t *sent,
				       const coap_pdu_t *received, const coap_mid_t mid)
{
	struct emu_session *session = emu_net_session(coap);
	struct emu_answer answer = {0};
	unsigned code = coap_pdu_get_code(received);
	const uint8_t *data;
	size_t len;

	(void)sent;
	(void)mid;
	if (!session || !net_token(received, &answer.token))
		return COAP_RESPONSE_FAIL; /* libcoap answers RST: we do not know this exchange */
	answer.code = (code >> 5) * 100 + (code & 31);
	answer_options(received, &answer);
	if (coap_get_data(received, &len, &data))
		answer.payload = (struct bytes){data, len};
	session->ops->answer(session->arg, &answer);
	return COAP_RESPONSE_OK;
}

int emu_ctx_new(struct emu_ctx **ret_ctx)
{
	struct emu_ctx *ctx = calloc(1, sizeof(*ctx));

	if (!ctx)
		return ERR_NOMEM;
	coap_startup();
	net_quiet();
	if (!coap_dtls_is_supported()) {
		free(ctx);
		return ERR_UNSUPPORTED;
	}
	ctx->coap = coap_new_context(NULL);
	if (!ctx->coap) {
		free(ctx);
		return ERR_NOMEM;
	}
	coap_context_set_block_mode(ctx->coap, 0); /* blocks are ours: several GETs in flight */
	coap_register_response_handler(ctx->coap, net_on_response);
	coap_register_nack_handler(ctx->coap, net_on_nack);
	coap_register_event_handler(ctx->coap, net_on_event);
	if (!emu_net_serve(ctx->coap)) {
		coap_free_context(ctx->coap);
		free(ctx);
		return ERR_NOMEM;
	}
	*ret_ctx = ctx;
	return 0;
}

static void ctx_bury(struct emu_ctx *ctx)
{
	for (size_t i = 0; i < ctx->graves_len; i++) {
		/* First drops the exchanges still in flight: each holds a reference. */
		coap_session_disconnected(ctx->graves[i], COAP_NACK_NOT_DELIVERABLE);
		coap_session_release(ctx->graves[i]);
	}
	ctx->graves_len = 0;
}

void emu_ctx_free(struct emu_ctx *ctx)
{
	if (!ctx)
		return;
	ctx_bury(ctx);
	coap_free_context(ctx->coap);
	free(ctx);
}

int emu_ctx_fd(const struct emu_ctx *ctx)
{
	return coap_context_get_coap_fd(ctx->coap);
}

uint32_t emu_ctx_next_ms(struct emu_ctx *ctx)
{
	coap_tick_t now;
	unsigned wait_ms;

	if (ctx->graves_len > 0)
		return 0;
	if (emu_ctx_fd(ctx) < 0)
		return 5; /* a libcoap without epoll: look often */
	coap_ticks(&now);
	wait_ms = coap_io_prepare_epoll(ctx->coap, now);
	return wait_ms == 0 ? UINT32_MAX : wait_ms;
}

void emu_ctx_process(struct emu_ctx *ctx)
{
	(void)coap_io_process(ctx->coap, COAP_IO_NO_WAIT);
	ctx_bury(ctx);
}

static void net_address(coap_address_t *dst, const struct emu_addr *addr)
{
	coap_address_init(dst);
	dst->size = addr->len;
	if (addr->u.sa.sa_family == AF_INET6)
		dst->addr.sin6 = addr->u.in6;
	else
		dst->addr.sin = addr->u.in;
}

/* The server is believed if `ca` has signed it for a server, whatever its name. */
static coap_session_t *net_connect_certified(struct emu_ctx *ctx,
					     const struct emu_session_conf *conf,
					     const coap_address_t *bind_to,
					     const coap_address_t *server)
{
	coap_dtls_pki_t setup;

	memset(&setup, 0, sizeof(setup));
	setup.version = COAP_DTLS_PKI_SETUP_VERSION;
	setup.verify_peer_cert = 1;
	setup.check_common_ca = 1; /* or libcoap does not read ca_file */
	setup.cert_chain_validation = 1;
	setup.cert_chain_verify_depth = 3;
	setup.allow_no_crl = 1;
	setup.pki_key.key_type = COAP_PKI_KEY_PEM;
	setup.pki_key.key.pem.public_cert = conf->cert;
	setup.pki_key.key.pem.private_key = conf->cert_key;
	setup.pki_key.key.pem.ca_file = conf->ca;
	return coap_new_client_session_pki(ctx->coap, bind_to, server, COAP_PROTO_DTLS, &setup);
}

static coap_session_t *net_connect(struct emu_ctx *ctx, const struct emu_session_conf *conf)
{
	coap_dtls_cpsk_t setup;
	coap_address_t server;
	coap_address_t local;
	coap_address_t *bind_to = NULL;

	net_address(&server, &conf->server);
	if (conf->local_port != 0) {
		struct emu_addr any = {.len = conf->server.len};

		any.u.sa.sa_family = conf->server.u.sa.sa_family;
		if (any.u.sa.sa_family == AF_INET6)
			any.u.in6.sin6_port = htons(conf->local_port);
		else
			any.u.in.sin_port = htons(conf->local_port);
		net_address(&local, &any);
		bind_to = &local;
	}
	if (!conf->dtls)
		return coap_new_client_session(ctx->coap, bind_to, &server, COAP_PROTO_UDP);
	if (conf->cert)
		return net_connect_certified(ctx, conf, bind_to, &server);
	memset(&setup, 0, sizeof(setup));
	setup.version = COAP_DTLS_CPSK_SETUP_VERSION;
	setup.psk_info.identity.s = (const uint8_t *)conf->identity;
	setup.psk_info.identity.length = strlen(conf->identity);
	setup.psk_info.key.s = conf->psk;
	setup.psk_info.key.length = conf->psk_len;
	return coap_new_client_session_psk2(ctx->coap, bind_to, &server, COAP_PROTO_DTLS, &setup);
}

int emu_session_open(struct emu_session *session, struct emu_ctx *ctx,
		     const struct emu_session_conf *conf, const struct emu_session_ops *ops,
		     void *arg)
{
	coap_fixed_point_t timeout = {(uint16_t)(conf->ack_timeout_ms / 1000),
				      (uint16_t)(conf->ack_timeout_ms % 1000)};
	coap_session_t *coap = net_connect(ctx, conf);

	if (!coap)
		return ERR_IO;
	*session = (struct emu_session){.coap = coap, .ctx = ctx, .ops = ops, .arg = arg};
	coap_session_set_app_data(coap, session);
	coap_session_set_ack_timeout(coap, timeout);
	coap_session_set_max_retransmit(coap, conf->max_retransmit);
	coap_session_set_nstart(coap, conf->nstart);
	if (!conf->dtls) {
		session->up = true;
		ops->up(arg);
	}
	return 0;
}

void emu_session_close(struct emu_session *session, bool graceful)
{
	coap_session_t *coap = session->coap;
	coap_tls_library_t library;
	SSL *ssl;

	if (!coap)
		return;
	session->coap = NULL;
	session->up = false;
	coap_session_set_app_data(coap, NULL);
	ssl = coap_session_get_tls(coap, &library);
	if (ssl && library == COAP_TLS_LIBRARY_OPENSSL && !graceful) {
		SSL_set_quiet_shutdown(ssl, 1);
		SSL_set_shutdown(ssl, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
	}
	if (session->ctx->graves_len == NET_GRAVES)
		ctx_bury(session->ctx);
	session->ctx->graves[session->ctx->graves_len++] = coap;
}

static bool pdu_query(coap_pdu_t *pdu, const char *query)
{
	return !query || coap_add_option(pdu, COAP_OPTION_URI_QUERY, strlen(query),
					 (const uint8_t *)query) > 0;
}

int emu_session_post(struct emu_session *session, const char *path, const char *query,
		     uint32_t token, enum emu_format format, struct bytes payload)
{
	coap_pdu_t *pdu = emu_pdu_new(session, COAP_REQUEST_CODE_POST, token);
	bool ok = pdu && emu_pdu_path(pdu, path) &&
		  emu_pdu_uint(pdu, COAP_OPTION_CONTENT_FORMAT, (unsigned)format) &&
		  pdu_query(pdu, query) &&
		  emu_pdu_uint(pdu, COAP_OPTION_ACCEPT, (unsigned)format) &&
		  coap_add_data(pdu, payload.len, payload.ptr);

	if (!ok) {
		if (pdu)
			coap_delete_pdu(pdu);
		return ERR_CLOSED;
	}
	return coap_send(session->coap, pdu) == COAP_INVALID_MID ? ERR_IO : 0;
}

int emu_session_get(struct emu_session *session, const struct emu_get *get)
{
	coap_pdu_t *pdu = emu_pdu_new(session, COAP_REQUEST_CODE_GET, get->token);
	bool ok = pdu != NULL;

	if (ok && get->observe)
		ok = emu_pdu_uint(pdu, COAP_OPTION_OBSERVE, COAP_OBSERVE_ESTABLISH);
	ok = ok && emu_pdu_path(pdu, get->path) && pdu_query(pdu, get->query);
	if (ok && get->block_szx >= 0)
		ok = emu_pdu_uint(pdu, COAP_OPTION_BLOCK2,
				  get->block_num << 4 | (unsigned)get->block_szx);
	else if (ok)
		ok = emu_pdu_uint(pdu, COAP_OPTION_ACCEPT, (unsigned)get->accept);
	if (!ok) {
		if (pdu)
			coap_delete_pdu(pdu);
		return ERR_CLOSED;
	}
	return coap_send(session->coap, pdu) == COAP_INVALID_MID ? ERR_IO : 0;
}
