/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/import_row.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "core/filter.h"
#include "core/schedule.h"
#include "daemon/engine_act.h"
#include "daemon/keys.h"
#include "daemon/view.h"

/* A line as it is read. */
struct reading {
	struct engine *e;
	struct import_row *row;
	import_tell *tell;
	void *ctx;
	bool wrong;
};

static void refuse(struct reading *r, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static void refuse(struct reading *r, const char *fmt, ...)
{
	char why[256];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(why, sizeof(why), fmt, ap);
	va_end(ap);
	r->wrong = true;
	r->tell(r->ctx, why);
}

/* ---- what was sent ---- */

/* What a line may have; NULL or false where it does not. */
struct sent {
	const char *id, *product, *psk, *group, *lock, *windows, *time_zone;
	const json_t *tags;
	bool certificate, plain, development, hold, force, disabled;
};

static const struct sent_member {
	const char *key;
	enum { TEXT, FLAG, LIST } kind;
	size_t at; /* in struct sent */
} members[] = {
	{"id", TEXT, offsetof(struct sent, id)},
	{"product", TEXT, offsetof(struct sent, product)},
	{"psk", TEXT, offsetof(struct sent, psk)},
	{"certificate", FLAG, offsetof(struct sent, certificate)},
	{"plain", FLAG, offsetof(struct sent, plain)},
	{"group", TEXT, offsetof(struct sent, group)},
	{"tags", LIST, offsetof(struct sent, tags)},
	{"development", FLAG, offsetof(struct sent, development)},
	{"windows", TEXT, offsetof(struct sent, windows)},
	{"time_zone", TEXT, offsetof(struct sent, time_zone)},
	{"lock", TEXT, offsetof(struct sent, lock)},
	{"hold", FLAG, offsetof(struct sent, hold)},
	{"force", FLAG, offsetof(struct sent, force)},
	{"disabled", FLAG, offsetof(struct sent, disabled)},
};
enum { MEMBERS = sizeof(members) / sizeof(members[0]) };

static void refuse_unknown(struct reading *r, const char *key)
{
	char known[192];
	struct buf b = buf_writer(known, sizeof(known));

	for (size_t i = 0; i < MEMBERS; i++) {
		buf_put_str(&b, i ? ", " : "");
		buf_put_str(&b, members[i].key);
	}
	refuse(r, "\"%.64s\" is not known here; known are %s", key, buf_cstr(&b));
}

static void take_one(struct reading *r, struct sent *s, const char *key, const json_t *value)
{
	for (size_t i = 0; i < MEMBERS; i++) {
		const struct sent_member *m = &members[i];
		char *at = (char *)s + m->at;

		if (strcmp(m->key, key) != 0)
			continue;
		if (m->kind == FLAG && json_is_boolean(value))
			*(bool *)at = json_is_true(value);
		else if (m->kind == TEXT && json_is_string(value))
			*(const char **)at = json_string_value(value);
		else if (m->kind == LIST && json_is_array(value))
			*(const json_t **)at = value;
		else
			refuse(r, "%s: not %s", key,
			       m->kind == FLAG	 ? "true or false"
			       : m->kind == TEXT ? "a text"
						 : "an array");
		return;
	}
	refuse_unknown(r, key);
}

static void read_id(struct reading *r, const struct sent *s)
{
	struct device *d = &r->row->device;

	if (!s->id)
		refuse(r, "id is missing");
	else if (!name_valid(s->id, LIMIT_DEVICE_ID))
		refuse(r,
		       "id: \"%.80s\" is not a name: 1 to %d printable ASCII characters without "
		       "spaces, quotes, / and \\, not beginning with - or .",
		       s->id, LIMIT_DEVICE_ID);
	else
		(void)buf_copy_str(d->id, sizeof(d->id), s->id);
}

/* The product, and what is of a product. */
static void read_product(struct reading *r, const struct sent *s)
{
	const struct product *p = s->product ? catalog_product_named(r->e, s->product) : NULL;
	struct device *d = &r->row->device;
	char why[RELEASE_WHY];

	if (!s->product)
		refuse(r, "product is missing");
	else if (!p)
		refuse(r, "product: there is no product \"%.64s\"", s->product);
	if (!p)
		return;
	d->product = p->id;
	if (s->group && s->group[0]) {
		const struct device_group *g = group_named(r->e, p->id, s->group);
		if (!g)
			refuse(r, "group: product %s has no group \"%.64s\"", p->name, s->group);
		d->group = g ? g->id : 0;
	}
	if (s->lock && s->lock[0]) {
		const struct release *to = catalog_release_named(r->e, p->id, s->lock);
		if (!to)
			refuse(r, "lock: product %s has no release \"%.64s\"", p->name, s->lock);
		else if (release_is_no_target(to, why))
			refuse(r, "lock: %.200s", why);
		d->lock = to ? to->id : 0;
	}
}

/* Windows and clock of its own. */
static void read_site(struct reading *r, const struct sent *s)
{
	struct device *d = &r->row->device;
	struct schedule schedule;
	char fault[64] = "";

	if (s->windows && (strlen(s->windows) > LIMIT_WINDOWS_TEXT ||
			   schedule_parse(s->windows, &schedule, fault)))
		refuse(r, "windows: \"%.64s\" is not up to %d windows like \"Mon-Fri 01:00-05:00\"",
		       fault[0] ? fault : s->windows, LIMIT_WINDOWS);
	else if (s->windows)
		(void)buf_copy_str(d->windows, sizeof(d->windows), s->windows);
	if (s->time_zone &&
	    (strlen(s->time_zone) > LIMIT_ZONE || !engine_knows_zone(r->e, s->time_zone)))
		refuse(r,
		       "time_zone: \"%.80s\" is neither a time zone of this system like "
		       "Europe/Berlin nor a POSIX TZ rule",
		       s->time_zone);
	else if (s->time_zone)
		(void)buf_copy_str(d->time_zone, sizeof(d->time_zone), s->time_zone);
}

static void read_tags(struct reading *r, const struct sent *s)
{
	struct store_tags *tags = &r->row->tags;
	const json_t *value;
	size_t i;

	if (json_array_size(s->tags) > LIMIT_TAGS) {
		refuse(r, "tags: a device has at most %d tags", LIMIT_TAGS);
		return;
	}
	json_array_foreach(s->tags, i, value)
	{
		const char *tag = json_string_value(value);

		if (tag && tag_valid(tag))
			(void)buf_copy_str(tags->list[tags->count++], sizeof(tags->list[0]), tag);
		else
			refuse(r,
			       "tags: \"%.64s\" is not a tag: 1 to %d printable ASCII characters "
			       "without spaces, quotes, commas, / and \\, not beginning with - or "
			       ".",
			       tag ? tag : "?", LIMIT_TAG);
	}
}

static void read_key(struct reading *r, const struct sent *s, int64_t now_ms)
{
	struct import_row *row = r->row;
	struct psk psk = {0};
	int err;

	if ((s->psk != NULL) + s->certificate + s->plain != 1) {
		refuse(r, "give one of psk, certificate and plain");
		return;
	}
	row->device.certified = s->certificate;
	row->device.plain = s->plain;
	row->has_key = s->psk != NULL;
	if (!s->psk)
		return;
	err = buf_from_hex(s->psk, strlen(s->psk), psk.bytes, sizeof(psk.bytes), &psk.len);
	if (err || psk.len < LIMIT_PSK_MIN) {
		explicit_bzero(&psk, sizeof(psk));
		refuse(r, "psk: not %d to %d bytes in hex digits", LIMIT_PSK_MIN, LIMIT_PSK);
		return;
	}
	row->key.slot = KEY_CURRENT;
	row->key.set_ms = now_ms;
	(void)buf_copy_str(row->key.device, sizeof(row->key.device), row->device.id);
	err = keys_wrap(r->e->conf.keys, &psk, &row->key);
	explicit_bzero(&psk, sizeof(psk));
	if (err)
		refuse(r, "psk: the key could not be sealed");
}

static void put_flags(struct device *d, bool development, bool hold, bool force, bool disabled)
{
	d->development = development;
	d->force = force;
	d->disabled_ms = disabled ? d->created_ms : 0;
	d->hold = hold ? HOLD_OPERATOR : HOLD_NONE;
	d->held_ms = hold ? d->created_ms : 0;
}

static void row_init(struct import_row *row, int64_t now_ms)
{
	memset(row, 0, sizeof(*row));
	report_init(&row->device.report);
	row->device.created_ms = now_ms;
}

bool import_row_read(struct engine *e, const char *line, size_t len, int64_t now_ms,
		     struct import_row *ret, import_tell *tell, void *ctx)
{
	struct reading r = {.e = e, .row = ret, .tell = tell, .ctx = ctx};
	struct sent s = {0};
	json_error_t where;
	const char *key;
	json_t *value;
	json_t *o = json_loadb(line, len, JSON_REJECT_DUPLICATES, &where);

	row_init(ret, now_ms);
	if (!json_is_object(o)) {
		refuse(&r, "%s%s", o ? "not a JSON object" : "not JSON: ", o ? "" : where.text);
		json_decref(o);
		return false;
	}
	json_object_foreach(o, key, value)
	{
		take_one(&r, &s, key, value);
	}
	read_id(&r, &s);
	read_product(&r, &s);
	read_site(&r, &s);
	read_tags(&r, &s);
	read_key(&r, &s, now_ms);
	put_flags(&ret->device, s.development, s.hold, s.force, s.disabled);
	json_decref(o);
	return !r.wrong;
}

/* ---- what is kept ---- */

static void put_number(json_t **o, const char *key, int64_t value)
{
	if (value)
		view_put(o, key, json_integer(value));
}

static void put_flag(json_t **o, const char *key, bool value)
{
	if (value)
		view_put(o, key, json_true());
}

static const char *text(const json_t *kept, const char *key)
{
	const char *value = json_string_value(json_object_get(kept, key));

	return value ? value : "";
}

static bool flag(const json_t *kept, const char *key)
{
	return json_is_true(json_object_get(kept, key));
}

json_t *import_row_keep(const struct import_row *row)
{
	const struct device *d = &row->device;
	json_t *o = json_object();

	view_put(&o, "id", json_string(d->id));
	view_put(&o, "product", json_integer(d->product));
	put_number(&o, "group", d->group);
	put_number(&o, "lock", d->lock);
	view_put_text(&o, "windows", d->windows);
	view_put_text(&o, "time_zone", d->time_zone);
	view_put_tags(&o, &row->tags);
	put_flag(&o, "development", d->development);
	put_flag(&o, "hold", d->hold != HOLD_NONE);
	put_flag(&o, "force", d->force);
	put_flag(&o, "disabled", d->disabled_ms != 0);
	put_flag(&o, "plain", d->plain);
	put_flag(&o, "certificate", d->certified);
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

static bool tags_load(const json_t *list, struct store_tags *ret)
{
	const json_t *value;
	size_t i;

	if (json_array_size(list) > LIMIT_TAGS)
		return false;
	json_array_foreach(list, i, value)
	{
		const char *tag = json_string_value(value);

		if (!tag || !buf_copy_str(ret->list[ret->count++], sizeof(ret->list[0]), tag))
			return false;
	}
	return true;
}

int import_row_load(const json_t *kept, int64_t now_ms, struct import_row *ret)
{
	const char *id = json_string_value(json_object_get(kept, "id"));
	struct device *d = &ret->device;
	struct store_key *k = &ret->key;

	row_init(ret, now_ms);
	d->product = json_integer_value(json_object_get(kept, "product"));
	if (!id || !buf_copy_str(d->id, sizeof(d->id), id) || !d->product)
		return ERR_CORRUPT;
	d->group = json_integer_value(json_object_get(kept, "group"));
	d->lock = json_integer_value(json_object_get(kept, "lock"));
	d->plain = flag(kept, "plain");
	d->certified = flag(kept, "certificate");
	put_flags(d, flag(kept, "development"), flag(kept, "hold"), flag(kept, "force"),
		  flag(kept, "disabled"));
	if (!tags_load(json_object_get(kept, "tags"), &ret->tags) ||
	    !buf_copy_str(d->windows, sizeof(d->windows), text(kept, "windows")) ||
	    !buf_copy_str(d->time_zone, sizeof(d->time_zone), text(kept, "time_zone")))
		return ERR_CORRUPT;
	ret->has_key = json_object_get(kept, "mac") != NULL;
	if (!ret->has_key)
		return 0;
	(void)buf_copy_str(k->device, sizeof(k->device), id);
	k->slot = KEY_CURRENT;
	k->set_ms = now_ms;
	k->form = flag(kept, "sealed") ? KEY_SEALED : KEY_CLEAR;
	return hex_load(kept, "value", k->value, sizeof(k->value), &k->value_len) &&
			       hex_load(kept, "mac", k->mac, sizeof(k->mac), &k->mac_len)
		       ? 0
		       : ERR_CORRUPT;
}

void import_row_put(struct store_set *set, const struct import_row *row)
{
	store_set_device(set, &row->device);
	for (unsigned i = 0; i < row->tags.count; i++)
		store_set_tag(set, row->device.id, row->tags.list[i], true);
	if (row->has_key)
		store_set_key(set, &row->key);
}
