/* SPDX-License-Identifier: Apache-2.0
 *
 * A client with a connection ID (RFC 9146), whose address may change.
 */
#ifndef TESTS_UNIT_NET_ROAMER_H
#define TESTS_UNIT_NET_ROAMER_H

#include "net_client.h"

#include "net/net_hello.h"
#include "net/net_internal.h"

static const struct net_conf with_ids = {.connection_ids = true};

/* A client that writes down what it hears; its datagrams can be held back. */
struct device {
	struct client *c;
	uint8_t type; /* of the last record in */
	unsigned pings;
	size_t heard;	   /* bytes of all datagrams in */
	bool deaf_to_ping; /* does not answer */
	bool acks_ping;	   /* answers with an ACK */
	bool keeps;	   /* what it sends stays in c->last_out */
};

static inline int device_send(void *ctx, const unsigned char *data, size_t len)
{
	struct device *d = ctx;

	if (!d->keeps)
		return client_send(d->c, data, len);
	memcpy(d->c->last_out, data, len);
	d->c->last_out_len = len;
	return (int)len;
}

static inline int device_receive(void *ctx, unsigned char *dst, size_t cap)
{
	struct device *d = ctx;
	int got = client_receive(d->c, dst, cap);

	if (got > 0) {
		d->type = dst[0];
		d->heard += (size_t)got;
	}
	return got;
}

/* cid_len < 0: without the extension. */
static inline struct device *device_new(struct rig *r, const char *id, int cid_len,
					const struct device *same)
{
	static const uint8_t cid[32] = {0xc1, 0x1e, 0x27};
	struct device *d = test_calloc(1, sizeof(*d));

	d->c = client_new(r, id, rig_key, MBEDTLS_TLS_PSK_WITH_AES_128_CCM_8,
			  same ? same->c : NULL);
	if (cid_len >= 0)
		assert_int_equal(mbedtls_ssl_conf_cid(&d->c->conf, (size_t)cid_len,
						      MBEDTLS_SSL_UNEXPECTED_CID_IGNORE),
				 0);
	client_start(d->c);
	mbedtls_ssl_set_bio(&d->c->ssl, d, device_send, device_receive, NULL);
	if (cid_len >= 0)
		assert_int_equal(mbedtls_ssl_set_cid(&d->c->ssl, MBEDTLS_SSL_CID_ENABLED, cid,
						     (size_t)cid_len),
				 0);
	return d;
}

static inline struct device *device_up(struct rig *r, const char *id, int cid_len)
{
	struct device *d = device_new(r, id, cid_len, NULL);

	assert_int_equal(client_handshake(d->c), 0);
	return d;
}

static inline void device_free(struct device *d)
{
	client_free(d->c);
	test_free(d);
}

/* Another port, as a NAT gives one. */
static inline void rebind(struct device *d)
{
	int fd = rig_socket(d->c->rig);

	(void)close(d->c->fd);
	d->c->fd = fd;
}

static inline void ask(struct device *d, uint16_t mid, bool observe)
{
	uint8_t raw[64];
	struct wire_coap_writer w =
		wire_coap_begin(raw, sizeof(raw), WIRE_CON, 1, mid, (struct bytes){raw, 0});

	if (observe)
		wire_coap_put_uint(&w, WIRE_OPT_OBSERVE, 0);
	wire_coap_put_bytes(&w, WIRE_OPT_URI_PATH, (struct bytes){(const uint8_t *)"x", 1});
	assert_true(mbedtls_ssl_write(&d->c->ssl, raw, w.buf.pos) > 0);
	rig_turn(d->c->rig);
}

/* The next message within `ms` that is no ping; those are answered. */
static inline int hear(struct device *d, uint8_t *dst, size_t cap, int64_t ms)
{
	int64_t end = now_ms() + ms;

	do {
		int got = mbedtls_ssl_read(&d->c->ssl, dst, cap);

		rig_turn(d->c->rig);
		if (got == MBEDTLS_ERR_SSL_WANT_READ)
			continue;
		if (got != 4 || dst[0] != 0x40 || dst[1] != 0)
			return got;
		d->pings++;
		dst[0] = d->acks_ping ? 0x60 : 0x70; /* RFC 7252 4.3 */
		if (!d->deaf_to_ping)
			assert_int_equal(mbedtls_ssl_write(&d->c->ssl, dst, 4), 4);
		rig_turn(d->c->rig);
	} while (now_ms() < end);
	return 0;
}

/* A GET and its answer; the code of that, 0 if none comes. */
static inline int get(struct device *d, uint16_t mid)
{
	uint8_t dst[1280];

	ask(d, mid, false);
	return hear(d, dst, sizeof(dst), 4000) > 3 ? dst[1] : 0;
}

static inline void assert_served(struct device *d, uint16_t mid)
{
	assert_int_equal(get(d, mid), NET_CODE(2, 5));
}

/* From an address of its own; true if anything comes back. */
static inline bool answered_elsewhere(struct rig *r, const uint8_t *data, size_t len)
{
	int fd = rig_socket(r);
	uint8_t dst[64];

	(void)send(fd, data, len, 0);
	for (unsigned i = 0; i < 5; i++)
		rig_turn(r);
	bool any = recv(fd, dst, sizeof(dst), MSG_DONTWAIT) >= 0;

	(void)close(fd);
	return any;
}

/* The record of a GET that the server does not get to see (yet). */
static inline size_t sealed(struct device *d, uint16_t mid, uint8_t dst[2048])
{
	d->keeps = true;
	ask(d, mid, false);
	d->keeps = false;
	memcpy(dst, d->c->last_out, d->c->last_out_len);
	return d->c->last_out_len;
}

#endif
