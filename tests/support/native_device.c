/* SPDX-License-Identifier: Apache-2.0 */
#include "support/native_device.h"

#include <string.h>

#include "proto/native_keys.h"
#include "wire/cbor.h"
#include "wire/json.h"

enum { FIELDS = 24, PATH = 31 };

/* What will be written, collected first because a map begins with its size. */
struct fields {
	unsigned count;
	struct {
		int64_t key, number;
		enum { NUMBER, TEXT, BYTES, BOOL, RUNNING, LAST } kind;
		const void *ptr;
		size_t len;
	} rows[FIELDS];
};

static void add_number(struct fields *f, int64_t key, int64_t value)
{
	if (value < 0)
		return;
	f->rows[f->count].kind = NUMBER;
	f->rows[f->count].key = key;
	f->rows[f->count++].number = value;
}

static void add_code(struct fields *f, int64_t key, int32_t value)
{
	if (value == 0)
		return;
	f->rows[f->count].kind = NUMBER;
	f->rows[f->count].key = key;
	f->rows[f->count++].number = value;
}

static void add_bool(struct fields *f, int64_t key, int value)
{
	if (value < 0)
		return;
	f->rows[f->count].kind = BOOL;
	f->rows[f->count].key = key;
	f->rows[f->count++].number = value;
}

static void add_bytes(struct fields *f, int64_t key, const void *ptr, size_t len)
{
	if (len == 0)
		return;
	f->rows[f->count].kind = BYTES;
	f->rows[f->count].key = key;
	f->rows[f->count].ptr = ptr;
	f->rows[f->count++].len = len;
}

static void add_text(struct fields *f, int64_t key, const char *text)
{
	if (!text[0])
		return;
	f->rows[f->count].kind = TEXT;
	f->rows[f->count].key = key;
	f->rows[f->count++].ptr = text;
}

static void put_running(struct wire_writer *w, const struct digest *d)
{
	wire_put_array(w, 2);
	wire_put_uint(w, d->kind);
	wire_put_bytes(w, d->value, d->len);
}

static void put_last(struct wire_writer *w, const struct last_attempt *last)
{
	wire_put_array(w, 5);
	wire_put_uint(w, last->attempt);
	wire_put_uint(w, (uint64_t)last->stage);
	wire_put_uint(w, (uint64_t)last->reason);
	wire_put_int(w, last->code);
	wire_put_text(w, last->detail);
}

static int put_fields(enum wire_format format, const struct fields *f, struct buf *out)
{
	struct wire_writer w = wire_writer(format, out);

	wire_put_map(&w, f->count);
	for (unsigned i = 0; i < f->count; i++) {
		wire_put_key(&w, f->rows[i].key);
		switch (f->rows[i].kind) {
		case NUMBER:
			wire_put_int(&w, f->rows[i].number);
			break;
		case TEXT:
			wire_put_text(&w, f->rows[i].ptr);
			break;
		case BYTES:
			wire_put_bytes(&w, f->rows[i].ptr, f->rows[i].len);
			break;
		case BOOL:
			wire_put_bool(&w, f->rows[i].number);
			break;
		case RUNNING:
			put_running(&w, f->rows[i].ptr);
			break;
		case LAST:
			put_last(&w, f->rows[i].ptr);
			break;
		}
	}
	return wire_writer_end(&w);
}

int native_report_encode(enum wire_format format, const struct report *r, struct buf *out)
{
	struct fields f = {0};

	add_bytes(&f, KEY_REPORT_BOOT_ID, r->boot.bytes, r->boot.len);
	add_number(&f, KEY_REPORT_BOOT_COUNT, r->boot.has_count ? (int64_t)r->boot.count : -1);
	add_text(&f, KEY_REPORT_VERSION, r->version);
	add_bytes(&f, KEY_REPORT_RUNNING, &r->running, r->running.len);
	if (r->running.len)
		f.rows[f.count - 1].kind = RUNNING;
	add_bool(&f, KEY_REPORT_CONFIRMED, r->confirmed);
	add_number(&f, KEY_REPORT_RESET_REASON, r->reset == RESET_UNKNOWN ? -1 : (int)r->reset);
	add_bytes(&f, KEY_REPORT_LAST_ATTEMPT, &r->last, r->last.attempt ? 1 : 0);
	if (r->last.attempt)
		f.rows[f.count - 1].kind = LAST;
	add_bool(&f, KEY_REPORT_UPDATES_ENABLED, r->updates_enabled);
	add_number(&f, KEY_REPORT_FS_FREE, r->fs_free_bytes);
	add_number(&f, KEY_REPORT_FS_TOTAL, r->fs_total_bytes);
	add_number(&f, KEY_REPORT_SLOT_SIZE, r->slot_bytes);
	add_number(&f, KEY_REPORT_BATTERY, r->battery_percent);
	add_text(&f, KEY_REPORT_HARDWARE, r->hardware);
	add_text(&f, KEY_REPORT_BOOT_LOADER, r->boot_loader);
	add_bytes(&f, KEY_REPORT_CACHED, r->cached, r->has_cached ? sizeof(r->cached) : 0);
	add_number(&f, KEY_REPORT_INTERVAL, r->interval_s);
	add_number(&f, KEY_REPORT_MODE, r->mode == MODE_APPLICATION ? -1 : (int)r->mode);
	add_number(&f, KEY_REPORT_CAPABILITIES,
		   r->has_capabilities ? (int64_t)r->capabilities : -1);
	add_number(&f, KEY_REPORT_UPTIME, r->uptime_s);
	add_number(&f, KEY_REPORT_SECURITY_COUNTER, r->security_counter);
	return put_fields(format, &f, out);
}

int native_status_encode(enum wire_format format, const struct status *s, struct buf *out)
{
	struct fields f = {0};

	add_number(&f, KEY_STATUS_ATTEMPT, (int64_t)s->attempt);
	add_number(&f, KEY_STATUS_STATE, (int)s->state);
	add_code(&f, KEY_STATUS_CODE, s->code);
	add_text(&f, KEY_STATUS_DETAIL, s->detail);
	add_number(&f, KEY_STATUS_RECEIVED, s->received_bytes);
	add_number(&f, KEY_STATUS_START_OFFSET, s->start_offset);
	add_number(&f, KEY_STATUS_DEFER, s->defer_until_s);
	if (s->boot.len)
		add_bytes(&f, KEY_STATUS_BOOT, s->boot.bytes, s->boot.len);
	else
		add_number(&f, KEY_STATUS_BOOT, s->boot.count);
	add_number(&f, KEY_STATUS_SEQ, s->has_seq ? (int64_t)s->seq : -1);
	add_number(&f, KEY_STATUS_REASON, s->reason == REASON_NONE ? -1 : (int)s->reason);
	return put_fields(format, &f, out);
}

static int decode(enum wire_format format, struct bytes payload, struct wire_msg *msg)
{
	return format == WIRE_JSON ? wire_json_decode(payload, msg)
				   : wire_cbor_decode(payload, msg);
}

static void take_digest(struct wire_msg *msg, struct wire_node *n, struct directive *d)
{
	struct bytes digest = wire_get_bytes(msg, n, DIGEST_SHA256, DIGEST_SHA256);

	if (digest.len)
		memcpy(d->file_sha256, digest.ptr, digest.len);
}

static void take(struct wire_msg *msg, struct wire_node *n, struct directive *d, char *path)
{
	if (n->key < 0)
		wire_fault_at(msg, n, ERR_CRITICAL, "critical");
	else if (n->key == KEY_DIRECTIVE_ACTION)
		d->action = (enum directive_action)wire_get_uint(msg, n, 0, DIRECTIVE_UPDATE);
	else if (n->key == KEY_DIRECTIVE_ATTEMPT)
		d->attempt = wire_get_uint(msg, n, 1, NATIVE_ATTEMPT_MAX);
	else if (n->key == KEY_DIRECTIVE_VERSION)
		wire_get_text(msg, n, 1, LIMIT_VERSION, d->version);
	else if (n->key == KEY_DIRECTIVE_SIZE)
		d->size_bytes = (int64_t)wire_get_uint(msg, n, 0, INT64_MAX);
	else if (n->key == KEY_DIRECTIVE_DIGEST)
		take_digest(msg, n, d);
	else if (n->key == KEY_DIRECTIVE_PATH)
		wire_get_text(msg, n, 1, PATH, path);
	else if (n->key == KEY_DIRECTIVE_FLAGS)
		d->flags = (unsigned)wire_get_uint(msg, n, 0, UINT32_MAX);
	else if (n->key == KEY_DIRECTIVE_RETRY_AFTER)
		d->retry_after_s = (int64_t)wire_get_uint(msg, n, 0, INT64_MAX);
	else if (n->key == KEY_DIRECTIVE_NEXT_CHECK_IN)
		d->next_check_in_s = (int64_t)wire_get_uint(msg, n, 0, INT64_MAX);
	else if (n->key == KEY_DIRECTIVE_WINDOW)
		d->window = (unsigned)wire_get_uint(msg, n, 1, 16);
	else if (n->key == KEY_DIRECTIVE_BLOCK)
		d->block_bytes = (unsigned)wire_get_uint(msg, n, 16, 1024);
}

int native_directive_decode(enum wire_format format, struct bytes payload, struct directive *ret,
			    char *ret_path)
{
	struct wire_msg msg;
	struct directive d = {.retry_after_s = -1, .next_check_in_s = -1};
	char path[PATH + 1] = "";
	int err = decode(format, payload, &msg);

	if (err)
		return err;
	WIRE_EACH(n, &msg)
	take(&msg, n, &d, path);
	if (d.flags & ~(unsigned)(DIRECTIVE_FRESH | DIRECTIVE_FORCE | DIRECTIVE_RESUME))
		wire_fault_set(&msg.fault, ERR_CRITICAL, "unknown flag");
	if (msg.fault.err)
		return msg.fault.err;
	*ret = d;
	memcpy(ret_path, path, sizeof(path));
	return 0;
}

int native_desired_decode(enum wire_format format, struct bytes payload, uint64_t *ret_counter)
{
	struct wire_msg msg;
	int err = decode(format, payload, &msg);

	if (err)
		return err;
	if (msg.count != 1 || msg.nodes[0].key != KEY_DESIRED_COUNTER)
		return ERR_INVAL;
	uint64_t counter = wire_get_uint(&msg, &msg.nodes[0], 0, UINT64_MAX);
	if (msg.fault.err)
		return msg.fault.err;
	*ret_counter = counter;
	return 0;
}
