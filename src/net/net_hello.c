/* SPDX-License-Identifier: Apache-2.0 */
#include "net/net_hello.h"

#include <assert.h>
#include <string.h>

enum {
	CLIENT_HELLO = 1,
	HELLO_VERIFY_REQUEST = 3,
	MESSAGE_HEADER = 12,
	VERSION_DRAFT = 0xfe00,
	VERSION_1_0 = 0xfeff,
	VERSION_1_2 = 0xfefd,
};

/* RFC 9146 4: the connection ID stands before the length. */
static size_t header_of(uint8_t type)
{
	return type == NET_RECORD_CID ? NET_RECORD_HEADER + NET_CID : NET_RECORD_HEADER;
}

/* Header and body of the record at the beginning; 0: the header is cut. */
static size_t record_len(const uint8_t *data, size_t len)
{
	size_t header = len ? header_of(data[0]) : 0;

	if (header == 0 || len < header)
		return 0;
	return header + (size_t)(data[header - 2] << 8 | data[header - 1]);
}

static bool is_cid_in_plaintext(const uint8_t *data)
{
	return data[0] == NET_RECORD_CID && data[3] == 0 && data[4] == 0;
}

int net_record_first(const uint8_t *data, size_t len, struct net_record *ret)
{
	if (len < NET_RECORD_HEADER)
		return ERR_TRUNC;

	uint8_t type = data[0];
	size_t all = record_len(data, len);
	bool known = type == NET_RECORD_CID || (type >= NET_RECORD_CCS && type <= NET_RECORD_DATA);

	if (!known || data[1] != 0xfe || is_cid_in_plaintext(data))
		return ERR_SYNTAX;
	if (all == 0)
		return ERR_TRUNC;
	*ret = (struct net_record){.type = type, .len = all};
	for (size_t i = 3; i < 11; i++)
		ret->number = ret->number << 8 | data[i];
	ret->epoch = (uint16_t)(ret->number >> 48);
	if (type == NET_RECORD_CID)
		ret->cid = (struct bytes){data + 11, NET_CID};
	return 0;
}

size_t net_record_whole(const uint8_t *data, size_t len)
{
	size_t at = 0;

	while (at < len) {
		size_t all = record_len(data + at, len - at);

		if (all == 0 || all > len - at || is_cid_in_plaintext(data + at))
			break;
		at += all;
	}
	return at;
}

struct bytes net_record_cid(const uint8_t *data, size_t len)
{
	size_t all;

	for (size_t at = 0; at < len; at += all) {
		all = record_len(data + at, len - at);
		if (all == 0)
			break;
		if (data[at] == NET_RECORD_CID)
			return (struct bytes){data + at + 11, NET_CID};
	}
	return (struct bytes){NULL, 0};
}

void net_record_mend_version(uint8_t *data, size_t len)
{
	size_t at = 0;

	while (len - at >= NET_RECORD_HEADER) {
		uint8_t *record = data + at;
		bool epoch_0 = record[3] == 0 && record[4] == 0;

		if (epoch_0 && record[1] == VERSION_DRAFT >> 8 && record[2] == 0)
			record[2] = VERSION_1_2 & 0xff;

		size_t all = record_len(record, len - at);

		if (all == 0 || all > len - at)
			return;
		at += all;
	}
}

size_t net_record_message_max(const uint8_t *data, size_t len)
{
	struct buf b = buf_reader(data, len);
	size_t max = 0;

	while (buf_left(&b) >= NET_RECORD_HEADER) {
		uint8_t type = buf_get_u8(&b);

		(void)buf_get_u16(&b); /* version */
		uint16_t epoch = buf_get_u16(&b);
		(void)buf_get_bytes(&b, 6); /* sequence number */
		if (epoch != 0)		    /* encrypted from here on */
			break;
		struct bytes record = buf_get_bytes(&b, buf_get_u16(&b));
		struct buf r = buf_reader(record.ptr, record.len);

		/* a record may hold several messages */
		while (type == NET_RECORD_HANDSHAKE && buf_left(&r) >= MESSAGE_HEADER) {
			(void)buf_get_u8(&r);
			size_t message = (size_t)buf_get_u8(&r) << 16;
			message |= buf_get_u16(&r);
			(void)buf_get_bytes(&r, 2 + 3); /* message_seq, fragment_offset */
			size_t fragment = (size_t)buf_get_u8(&r) << 16;
			fragment |= buf_get_u16(&r);
			(void)buf_get_bytes(&r, fragment);
			max = message > max ? message : max;
		}
	}
	return max;
}

bool net_hello_parse(const uint8_t *data, size_t len, struct net_hello *ret)
{
	struct buf b = buf_reader(data, len);
	uint8_t type = buf_get_u8(&b);
	uint16_t version = buf_get_u16(&b);
	uint16_t epoch = buf_get_u16(&b);

	(void)buf_get_bytes(&b, 6 + 2); /* sequence number, length */
	uint8_t message = buf_get_u8(&b);
	(void)buf_get_bytes(&b, 3 + 2); /* length, message_seq */
	uint32_t offset = (uint32_t)buf_get_u8(&b) << 16 | buf_get_u16(&b);
	(void)buf_get_bytes(&b, 3); /* fragment_length */
	uint16_t client_version = buf_get_u16(&b);
	struct bytes random = buf_get_bytes(&b, NET_HELLO_RANDOM);
	(void)buf_get_bytes(&b, buf_get_u8(&b)); /* session_id */
	struct bytes cookie = buf_get_bytes(&b, buf_get_u8(&b));

	if (!buf_ok(&b) || type != NET_RECORD_HANDSHAKE || version >> 8 != 0xfe || epoch != 0 ||
	    message != CLIENT_HELLO || offset != 0 || client_version >> 8 != 0xfe)
		return false;
	ret->random = random;
	ret->cookie = cookie;
	ret->suites = buf_get_bytes(&b, buf_get_u16(&b));
	if (!buf_ok(&b))
		ret->suites = (struct bytes){NULL, 0};
	return true;
}

bool net_hello_fresh(struct net_hello_window *w, const uint8_t *data, size_t len)
{
	struct buf b = buf_reader(data, len);
	uint8_t type = buf_get_u8(&b);

	(void)buf_get_u16(&b);
	uint16_t epoch = buf_get_u16(&b);
	uint64_t number = (uint64_t)buf_get_u16(&b) << 32 | buf_get_u32(&b);

	if (!buf_ok(&b) || type != NET_RECORD_HANDSHAKE || epoch != 0)
		return false;
	if (!w->seen)
		w->first = number;
	if (number < w->first || number - w->first > 63 || w->seen >> (number - w->first) & 1)
		return false;
	w->seen |= UINT64_C(1) << (number - w->first);
	return true;
}

size_t net_hello_verify(const uint8_t *hello, struct bytes cookie, uint8_t dst[NET_VERIFY_MAX])
{
	struct buf w = buf_writer(dst, NET_VERIFY_MAX);
	uint8_t body = (uint8_t)(3 + cookie.len);

	assert(cookie.len <= NET_COOKIE_MAX);
	buf_put_u8(&w, NET_RECORD_HANDSHAKE);
	buf_put_u16(&w, VERSION_1_0);	     /* RFC 6347 4.2.1: whatever will be negotiated */
	buf_put_bytes(&w, hello + 3, 2 + 6); /* its epoch and record number */
	buf_put_u16(&w, (uint16_t)(MESSAGE_HEADER + body));
	buf_put_u8(&w, HELLO_VERIFY_REQUEST);
	buf_put_u8(&w, 0);
	buf_put_u16(&w, body);
	buf_put_bytes(&w, hello + NET_RECORD_HEADER + 4, 2); /* its message_seq */
	buf_put_u8(&w, 0);
	buf_put_u16(&w, 0); /* fragment_offset */
	buf_put_u8(&w, 0);
	buf_put_u16(&w, body);
	buf_put_u16(&w, VERSION_1_0);
	buf_put_u8(&w, (uint8_t)cookie.len);
	buf_put_bytes(&w, cookie.ptr, cookie.len);
	return w.pos;
}
