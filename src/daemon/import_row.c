/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/import_row.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "daemon/engine_internal.h"
#include "daemon/keys.h"
#include "daemon/view.h"

static const char known_keys[] = "id, product, psk, certificate, plain, lock, hold";

static bool refuse(char why[256], const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static bool refuse(char why[256], const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(why, 256, fmt, ap);
	va_end(ap);
	return false;
}

/* ---- what was sent ---- */

/* What a line may have; texts are NULL where it does not. */
struct sent {
	const char *id, *product, *psk, *lock;
	bool certificate, plain, hold;
};

static bool take_one(struct sent *s, const char *key, const json_t *value, char why[256])
{
	const struct {
		const char *key;
		const char **text;
		bool *flag;
	} members[] = {
		{"id", &s->id, NULL},	  {"product", &s->product, NULL},
		{"psk", &s->psk, NULL},	  {"certificate", NULL, &s->certificate},
		{"lock", &s->lock, NULL}, {"plain", NULL, &s->plain},
		{"hold", NULL, &s->hold},
	};

	for (size_t i = 0; i < sizeof(members) / sizeof(members[0]); i++) {
		if (strcmp(members[i].key, key) != 0)
			continue;
		if (members[i].flag && !json_is_boolean(value))
			return refuse(why, "%s: not true or false", key);
		if (members[i].flag)
			*members[i].flag = json_is_true(value);
		else if (!json_is_string(value))
			return refuse(why, "%s: not a text", key);
		else
			*members[i].text = json_string_value(value);
		return true;
	}
	return refuse(why, "\"%.64s\" is not known here; known are %s", key, known_keys);
}

static bool take(struct sent *s, const json_t *o, char why[256])
{
	const char *key;
	json_t *value;

	if (!json_is_object(o))
		return refuse(why, "not a JSON object");
	json_object_foreach((json_t *)(uintptr_t)o, key, value)
	{
		if (!take_one(s, key, value, why))
			return false;
	}
	return true;
}

static bool read_lock(struct engine *e, const struct sent *s, struct device *d, char why[256])
{
	const struct release *r;

	if (!s->lock || !s->lock[0])
		return true;
	r = catalog_release_named(e, d->product, s->lock);
	if (!r)
		return refuse(why, "lock: product %s has no release \"%.64s\"", s->product,
			      s->lock);
	d->lock = r->id;
	return true;
}

static bool read_key(struct engine *e, const struct sent *s, int64_t now_ms, struct import_row *row,
		     char why[256])
{
	struct psk psk = {0};
	int err;

	if ((s->psk != NULL) + s->certificate + s->plain != 1)
		return refuse(why, "give one of psk, certificate and plain");
	row->device.certified = s->certificate;
	row->device.plain = s->plain;
	row->has_key = s->psk != NULL;
	if (!s->psk)
		return true;
	err = buf_from_hex(s->psk, strlen(s->psk), psk.bytes, sizeof(psk.bytes), &psk.len);
	if (err || psk.len < LIMIT_PSK_MIN) {
		explicit_bzero(&psk, sizeof(psk));
		return refuse(why, "psk: not %d to %d bytes in hex digits", LIMIT_PSK_MIN,
			      LIMIT_PSK);
	}
	row->key.slot = KEY_CURRENT;
	row->key.set_ms = now_ms;
	(void)buf_copy_str(row->key.device, sizeof(row->key.device), row->device.id);
	err = keys_wrap(e->conf.keys, &psk, &row->key);
	explicit_bzero(&psk, sizeof(psk));
	return err ? refuse(why, "psk: the key could not be sealed") : true;
}

static bool read_sent(struct engine *e, const struct sent *s, int64_t now_ms,
		      struct import_row *row, char why[256])
{
	struct device *d = &row->device;
	const struct product *p = s->product ? catalog_product_named(e, s->product) : NULL;

	if (!s->id)
		return refuse(why, "id is missing");
	if (!name_valid(s->id, LIMIT_DEVICE_ID))
		return refuse(why,
			      "id: \"%.80s\" is not a name: 1 to %d printable ASCII characters "
			      "without spaces, quotes, / and \\, not beginning with - or .",
			      s->id, LIMIT_DEVICE_ID);
	if (!s->product)
		return refuse(why, "product is missing");
	if (!p)
		return refuse(why, "product: there is no product \"%.64s\"", s->product);
	(void)buf_copy_str(d->id, sizeof(d->id), s->id);
	d->product = p->id;
	d->created_ms = now_ms;
	if (s->hold) {
		d->hold = HOLD_OPERATOR;
		d->held_ms = now_ms;
	}
	return read_lock(e, s, d, why) && read_key(e, s, now_ms, row, why);
}

static void row_init(struct import_row *row)
{
	memset(row, 0, sizeof(*row));
	report_init(&row->device.report);
}

bool import_row_read(struct engine *e, const char *line, size_t len, int64_t now_ms,
		     struct import_row *ret, char why[256])
{
	struct sent s = {0};
	json_error_t where;
	json_t *o;
	bool ok;

	row_init(ret);
	o = json_loadb(line, len, JSON_REJECT_DUPLICATES, &where);
	ok = o ? take(&s, o, why) && read_sent(e, &s, now_ms, ret, why)
	       : refuse(why, "not JSON: %s", where.text);
	json_decref(o);
	return ok;
}

/* ---- what is kept ---- */

json_t *import_row_keep(const struct import_row *row)
{
	const struct device *d = &row->device;
	json_t *o = json_object();

	view_put(&o, "id", json_string(d->id));
	view_put(&o, "product", json_integer(d->product));
	if (d->lock)
		view_put(&o, "lock", json_integer(d->lock));
	if (d->hold != HOLD_NONE)
		view_put(&o, "hold", json_true());
	if (d->plain)
		view_put(&o, "plain", json_true());
	if (d->certified)
		view_put(&o, "certificate", json_true());
	if (row->has_key) {
		view_put(&o, "sealed", json_boolean(row->key.form == KEY_SEALED));
		view_put(&o, "value", view_hex(row->key.value, row->key.value_len));
		view_put(&o, "mac", view_hex(row->key.mac, row->key.mac_len));
	}
	return o;
}

static bool hex_load(const json_t *kept, const char *key, uint8_t *dst, size_t cap,
		     uint8_t *ret_len)
{
	const json_t *text = json_object_get(kept, key);
	size_t len = 0;

	if (!json_is_string(text) ||
	    buf_from_hex(json_string_value(text), json_string_length(text), dst, cap, &len))
		return false;
	*ret_len = (uint8_t)len;
	return len > 0;
}

int import_row_load(const json_t *kept, int64_t now_ms, struct import_row *ret)
{
	const char *id = json_string_value(json_object_get(kept, "id"));
	struct device *d = &ret->device;
	struct store_key *k = &ret->key;

	row_init(ret);
	d->product = json_integer_value(json_object_get(kept, "product"));
	if (!id || !buf_copy_str(d->id, sizeof(d->id), id) || !d->product)
		return ERR_CORRUPT;
	d->created_ms = now_ms;
	d->lock = json_integer_value(json_object_get(kept, "lock"));
	d->plain = json_is_true(json_object_get(kept, "plain"));
	d->certified = json_is_true(json_object_get(kept, "certificate"));
	if (json_is_true(json_object_get(kept, "hold"))) {
		d->hold = HOLD_OPERATOR;
		d->held_ms = now_ms;
	}
	ret->has_key = json_object_get(kept, "mac") != NULL;
	if (!ret->has_key)
		return 0;
	(void)buf_copy_str(k->device, sizeof(k->device), id);
	k->slot = KEY_CURRENT;
	k->set_ms = now_ms;
	k->form = json_is_true(json_object_get(kept, "sealed")) ? KEY_SEALED : KEY_CLEAR;
	return hex_load(kept, "value", k->value, sizeof(k->value), &k->value_len) &&
			       hex_load(kept, "mac", k->mac, sizeof(k->mac), &k->mac_len)
		       ? 0
		       : ERR_CORRUPT;
}

void import_row_put(struct store_set *set, const struct import_row *row)
{
	store_set_device(set, &row->device);
	if (row->has_key)
		store_set_key(set, &row->key);
}
