/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/keys.h"

#include <stdlib.h>
#include <string.h>

struct keys {
	struct net_seal *seal;
};

static const char seal_about[] = "postboot service key";
static const char seal_text[] = "this is the key";

int keys_new(const uint8_t service_key[NET_SEAL_KEY], struct keys **ret_keys)
{
	struct keys *k = calloc(1, sizeof(*k));
	int err = k ? net_seal_new(service_key, &k->seal) : ERR_NOMEM;

	if (err) {
		free(k);
		return err;
	}
	*ret_keys = k;
	return 0;
}

void keys_free(struct keys *k)
{
	if (!k)
		return;
	net_seal_free(k->seal);
	free(k);
}

/* Which row a key belongs to; no id holds a NUL. */
static struct bytes about(const struct store_key *row, uint8_t dst[LIMIT_DEVICE_ID + 16])
{
	struct buf b = buf_writer(dst, LIMIT_DEVICE_ID + 16);

	buf_put_str(&b, row->hook ? "hook secret" : "device key");
	buf_put_u8(&b, 0);
	buf_put_str(&b, row->device);
	buf_put_u8(&b, 0);
	buf_put_u8(&b, (uint8_t)row->slot);
	return buf_bytes(&b);
}

int keys_mac(const struct keys *k, const struct psk *psk, struct store_key *row)
{
	if (psk->len < LIMIT_PSK_MIN || psk->len > LIMIT_PSK)
		return ERR_LIMIT;
	if (k) {
		row->mac_len = NET_SEAL_MAC;
		return net_seal_mac(k->seal, (struct bytes){psk->bytes, psk->len}, row->mac);
	}
	row->mac_len = (uint8_t)psk->len;
	memcpy(row->mac, psk->bytes, psk->len);
	return 0;
}

int keys_wrap(const struct keys *k, const struct psk *psk, struct store_key *row)
{
	uint8_t text[LIMIT_DEVICE_ID + 16];
	size_t len = psk->len;
	int err = keys_mac(k, psk, row);

	if (err)
		return err;
	row->form = k ? KEY_SEALED : KEY_CLEAR;
	if (k)
		err = net_seal_close(k->seal, about(row, text),
				     (struct bytes){psk->bytes, psk->len}, row->value,
				     sizeof(row->value), &len);
	else
		memcpy(row->value, psk->bytes, psk->len);
	row->value_len = (uint8_t)len;
	return err;
}

int keys_unwrap(const struct keys *k, const struct store_key *row, struct psk *ret)
{
	uint8_t text[LIMIT_DEVICE_ID + 16];

	if (row->form == KEY_CLEAR) {
		if (row->value_len > sizeof(ret->bytes))
			return ERR_CORRUPT;
		ret->len = row->value_len;
		memcpy(ret->bytes, row->value, row->value_len);
		return 0;
	}
	if (!k)
		return ERR_DENIED;
	return net_seal_open(k->seal, about(row, text), (struct bytes){row->value, row->value_len},
			     ret->bytes, sizeof(ret->bytes), &ret->len);
}

/* ---- the service's own ---- */

static struct bytes text_bytes(const char *text)
{
	return (struct bytes){(const uint8_t *)text, strlen(text)};
}

int keys_seal(const struct keys *k, struct store_seal *ret)
{
	size_t len = 0;
	int err = net_seal_close(k->seal, text_bytes(seal_about), text_bytes(seal_text), ret->bytes,
				 sizeof(ret->bytes), &len);

	if (!err)
		ret->len = (uint8_t)len;
	return err;
}

int keys_seal_check(const struct keys *k, const struct store_seal *seal)
{
	uint8_t text[LIMIT_SEAL];
	size_t len = 0;
	int err = net_seal_open(k->seal, text_bytes(seal_about),
				(struct bytes){seal->bytes, seal->len}, text, sizeof(text), &len);

	if (!err && !bytes_equal((struct bytes){text, len}, text_bytes(seal_text)))
		err = ERR_CRYPTO;
	return err;
}
