/* SPDX-License-Identifier: Apache-2.0
 *
 * The lines of an import, one by one: each is right or told to be wrong. */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

#include "daemon/engine_import_inner.h"
#include "daemon/import_row.h"
#include "daemon/view.h"

/* ---- seen before ---- */

static int seen_init(struct import_seen *seen, size_t rows)
{
	size_t size = 64;

	while (size < 2 * rows)
		size *= 2;
	seen->slots = calloc(size, sizeof(*seen->slots));
	seen->mask = size - 1;
	return seen->slots ? 0 : ERR_NOMEM;
}

/* The line it was seen in before, else 0. */
static uint32_t seen_note(struct import_seen *seen, uint64_t hash, uint32_t line)
{
	size_t at = (size_t)(hash >> 7) & seen->mask;

	for (; seen->slots[at].hash; at = (at + 1) & seen->mask)
		if (seen->slots[at].hash == hash)
			return seen->slots[at].line;
	seen->slots[at].hash = hash;
	seen->slots[at].line = line;
	return 0;
}

int import_check_init(struct import *im)
{
	enum { LEAST = 16 }; /* bytes of a line that can be right */
	size_t rows = im->len / LEAST + 1;
	int err;

	if (rows > LIMIT_IMPORT_ROWS)
		rows = LIMIT_IMPORT_ROWS;
	err = seen_init(&im->ids, rows + 1);
	if (!err)
		err = seen_init(&im->keys, rows + 1);
	return err ? err : im->errors ? 0 : ERR_NOMEM;
}

/* ---- what is wrong ---- */

/* Is it told often enough in these words? Then the last that tells it counts this one, too. */
static bool folded(struct import *im, const char *text)
{
	json_t *e, *last = NULL;
	unsigned same = 0;
	size_t i;

	json_array_foreach(im->errors, i, e)
	{
		if (strcmp(json_string_value(json_object_get(e, "detail")), text) != 0)
			continue;
		last = e;
		same++;
	}
	if (same < LIMIT_IMPORT_SAME)
		return false;
	(void)json_object_set_new(
		last, "more", json_integer(json_integer_value(json_object_get(last, "more")) + 1));
	return true;
}

static void wrong(struct import *im, uint32_t other, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
static void wrong(struct import *im, uint32_t other, const char *fmt, ...)
{
	char text[320];
	va_list ap;

	im->err = ERR_INVAL;
	im->why = "some lines are wrong; nothing was imported";
	im->bad++;
	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (folded(im, text) || json_array_size(im->errors) >= LIMIT_IMPORT_ERRORS)
		return;
	json_t *o = json_object();
	view_put(&o, "line", json_integer(im->line));
	if (other)
		view_put(&o, "other_line", json_integer(other));
	view_put(&o, "detail", view_text(text));
	view_append(&im->errors, o);
}

static void tell_wrong(void *ctx, const char *why)
{
	wrong(ctx, 0, "%s", why);
}

/* ---- what is skipped ---- */

static int skips_say(struct import *im)
{
	char text[32];
	int len = im->skip_to == im->skip_from
			  ? snprintf(text, sizeof(text), "%s%" PRIu32, im->skips_len ? "," : "",
				     im->skip_from)
			  : snprintf(text, sizeof(text), "%s%" PRIu32 "-%" PRIu32,
				     im->skips_len ? "," : "", im->skip_from, im->skip_to);

	if (im->skips_len + (size_t)len + 1 > im->skips_cap) {
		size_t cap = im->skips_cap ? im->skips_cap * 2 : 256;
		char *skips = realloc(im->skips, cap);
		if (!skips)
			return ERR_NOMEM;
		im->skips = skips;
		im->skips_cap = cap;
	}
	memcpy(im->skips + im->skips_len, text, (size_t)len + 1);
	im->skips_len += (size_t)len;
	return 0;
}

static int skip(struct import *im)
{
	int err = 0;

	im->skipped++;
	if (im->skip_from && im->skip_to + 1 == im->line) {
		im->skip_to++;
		return 0;
	}
	if (im->skip_from)
		err = skips_say(im);
	im->skip_from = im->skip_to = im->line;
	return err;
}

/* ---- what is right ---- */

static int part_end(struct import *im)
{
	char *text;

	if (!json_array_size(im->part))
		return 0;
	if (im->part_count == im->part_cap) {
		size_t cap = im->part_cap ? im->part_cap * 2 : 64;
		char **parts = realloc(im->parts, cap * sizeof(*parts));
		if (!parts)
			return ERR_NOMEM;
		im->parts = parts;
		im->part_cap = cap;
	}
	text = json_dumps(im->part, JSON_COMPACT);
	json_decref(im->part);
	im->part = NULL;
	if (!text)
		return ERR_NOMEM;
	im->parts[im->part_count++] = text;
	return 0;
}

static int keep(struct import *im, const struct import_row *row)
{
	im->devices++;
	if (im->conf.dry_run || im->bad)
		return 0;
	if (!im->part)
		im->part = json_array();
	view_append(&im->part, import_row_keep(row));
	if (!im->part)
		return ERR_NOMEM;
	return json_array_size(im->part) == LIMIT_IMPORT_PART ? part_end(im) : 0;
}

static uint64_t key_hash(const struct import *im, const struct store_key *k)
{
	char hex[2 * LIMIT_PSK + 1];
	struct buf b = buf_writer(hex, sizeof(hex));

	buf_put_hex(&b, k->mac, k->mac_len);
	uint64_t hash = dev_hash(im->e, buf_cstr(&b));
	explicit_bzero(hex, sizeof(hex));
	return hash;
}

/* Its key against those of the devices there are. */
static int check_key(struct import *im, const struct import_row *row)
{
	struct store_key other;
	int err = store_key_by_mac(im->e->conf.store,
				   (struct bytes){row->key.mac, row->key.mac_len}, &other);

	if (err)
		return err == ERR_NOENT ? 0 : err;
	wrong(im, 0, "psk: device \"%s\" has this key; every device needs its own", other.device);
	explicit_bzero(&other, sizeof(other));
	return 0;
}

/* Against the devices there are, and the lines before; a row that is wrong (`right` is false), for
 * what else is. */
static int check_row(struct import *im, const struct import_row *row, bool right)
{
	uint64_t bad = im->bad;
	uint32_t line = seen_note(&im->ids, dev_hash(im->e, row->device.id), im->line);
	struct device d;
	int err;

	if (line)
		wrong(im, line, "device \"%s\" is there twice", row->device.id);
	err = store_device(im->e->conf.store, row->device.id, &d);
	if (!err && im->conf.skip_existing)
		return right && !line ? skip(im) : 0;
	if (!err && !line)
		wrong(im, 0, "device \"%s\" exists already", row->device.id);
	if (err != ERR_NOENT || line) /* it says nothing new that the key is known, too */
		return err == ERR_NOENT ? 0 : err;
	line = row->key.mac_len ? seen_note(&im->keys, key_hash(im, &row->key), im->line) : 0;
	if (line)
		wrong(im, line, "psk: another line has this key; every device needs its own");
	err = row->key.mac_len && !line ? check_key(im, row) : 0;
	return err || !right || im->bad > bad ? err : keep(im, row);
}

static int check_line(struct import *im, const char *line, size_t len, int64_t now_ms)
{
	struct import_row row = {0};
	bool right;
	int err = 0;

	while (len && strchr(" \t\r", line[len - 1]))
		len--;
	if (!len)
		return 0;
	im->rows++;
	if (len > LIMIT_IMPORT_LINE) {
		wrong(im, 0, "a line has at most %d bytes", LIMIT_IMPORT_LINE);
		return 0;
	}
	right = import_row_read(im->e, line, len, now_ms, &row, tell_wrong, im);
	if (row.device.id[0])
		err = check_row(im, &row, right);
	explicit_bzero(&row, sizeof(row));
	return err;
}

/* ---- all of them ---- */

static bool check_end(struct import *im)
{
	int err = im->skip_from ? skips_say(im) : 0;

	im->text_done = true;
	if (!err)
		err = part_end(im);
	if (err && !im->err) {
		im->err = err;
		im->why = "out of memory; nothing was imported";
	}
	free(im->text);
	im->text = NULL;
	im->len = im->at = 0;
	return false;
}

static bool check_stop(struct import *im, int err)
{
	im->err = err;
	im->why = err == ERR_NOMEM ? "out of memory; nothing was imported"
				   : "the database could not be read; nothing was imported";
	im->text_done = true;
	return false;
}

bool import_check(struct import *im, uint64_t ns)
{
	int64_t now_ms = clock_read().wall_ms;
	uint64_t until = uv_hrtime() + ns;

	do {
		if (im->at == im->len)
			return check_end(im);
		char *line = im->text + im->at;
		char *nl = memchr(line, '\n', im->len - im->at);
		size_t len = nl ? (size_t)(nl - line) : im->len - im->at;
		im->line++;
		if (im->rows == LIMIT_IMPORT_ROWS && len > 0) {
			wrong(im, 0, "more than %d devices", LIMIT_IMPORT_ROWS);
			explicit_bzero(line, im->len - im->at);
			im->at = im->len;
			continue;
		}
		int err = check_line(im, line, len, now_ms);
		explicit_bzero(line, len);
		im->at += len + (nl != NULL);
		if (err)
			return check_stop(im, err);
	} while (uv_hrtime() < until);
	return true;
}
