/* SPDX-License-Identifier: Apache-2.0 */
#include "proto/native.h"

#include <stdio.h>
#include <string.h>

#include "proto/native_keys.h"
#include "wire/cbor.h"
#include "wire/json.h"

enum { METHOD_GET = 1, METHOD_POST = 2 };

#define BIT(key) (UINT32_C(1) << (key))

/* CoAP codes as on the wire. */
enum {
	CODE_BAD_REQUEST = 4 << 5,
	CODE_NOT_ACCEPTABLE = 4 << 5 | 6,
	CODE_TOO_LARGE = 4 << 5 | 13,
	CODE_UNSUPPORTED_FORMAT = 4 << 5 | 15,
};

static bool segment_is(struct bytes segment, const char *name)
{
	return bytes_equal(segment, (struct bytes){(const uint8_t *)name, strlen(name)});
}

static enum native_route route_fw(uint8_t method, struct bytes name,
				  uint8_t ret_digest16[NATIVE_DIGEST16])
{
	uint8_t digest[NATIVE_DIGEST16];
	size_t len;

	if (name.len != 2 * sizeof(digest) ||
	    buf_from_hex((const char *)name.ptr, name.len, digest, sizeof(digest), &len))
		return NATIVE_NONE;
	if (method != METHOD_GET)
		return NATIVE_METHOD;
	memcpy(ret_digest16, digest, sizeof(digest));
	return NATIVE_FW;
}

enum native_route native_route(uint8_t method, const struct bytes *path, unsigned path_count,
			       uint8_t ret_digest16[NATIVE_DIGEST16])
{
	static const struct {
		const char *name;
		uint8_t method;
		enum native_route route;
	} rows[] = {
		{"report", METHOD_POST, NATIVE_REPORT},
		{"desired", METHOD_GET, NATIVE_DESIRED},
		{"status", METHOD_POST, NATIVE_STATUS},
	};

	if (path_count == 2 && segment_is(path[0], "fw"))
		return route_fw(method, path[1], ret_digest16);
	if (path_count != 1)
		return NATIVE_NONE;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (segment_is(path[0], rows[i].name))
			return method == rows[i].method ? rows[i].route : NATIVE_METHOD;
	return NATIVE_NONE;
}

static int refuse(struct native_fault *ret_fault, uint8_t code, int err, const char *text)
{
	ret_fault->code = code;
	(void)buf_copy_str(ret_fault->text, sizeof(ret_fault->text), text);
	return err;
}

static bool format_from_number(int number, bool json_enabled, enum wire_format *ret_format)
{
	if (number == NATIVE_CF_CBOR)
		*ret_format = WIRE_CBOR;
	else if (number == NATIVE_CF_JSON && json_enabled)
		*ret_format = WIRE_JSON;
	else
		return false;
	return true;
}

int native_request_format(int content_format, bool json_enabled, enum wire_format *ret_format,
			  struct native_fault *ret_fault)
{
	if (content_format < 0)
		*ret_format = WIRE_CBOR;
	else if (!format_from_number(content_format, json_enabled, ret_format))
		return refuse(ret_fault, CODE_UNSUPPORTED_FORMAT, ERR_UNSUPPORTED,
			      json_enabled ? "Content-Format is not 60 or 50"
					   : "Content-Format is not 60");
	return 0;
}

int native_accept_format(int accept, enum wire_format request, bool json_enabled,
			 enum wire_format *ret_format, struct native_fault *ret_fault)
{
	if (accept < 0)
		*ret_format = request;
	else if (!format_from_number(accept, json_enabled, ret_format))
		return refuse(ret_fault, CODE_NOT_ACCEPTABLE, ERR_UNSUPPORTED,
			      json_enabled ? "Accept is not 60 or 50" : "Accept is not 60");
	return 0;
}

int native_content_format(enum wire_format format)
{
	return format == WIRE_JSON ? NATIVE_CF_JSON : NATIVE_CF_CBOR;
}

/* One field of a message. Either `take`, or a plain value stored at `offset`. */
struct field {
	int64_t key;
	enum { PLAIN_NUMBER, PLAIN_TEXT, PLAIN_BOOL, SPECIAL } kind;
	size_t offset; /* int64_t, char[max + 1] or int8_t */
	int64_t min, max;
	void (*take)(struct wire_msg *msg, struct wire_node *n, void *into);
};

static void plain_take(struct wire_msg *msg, struct wire_node *n, const struct field *f, void *into)
{
	void *at = (char *)into + f->offset;

	switch (f->kind) {
	case PLAIN_NUMBER:
		*(int64_t *)at = (int64_t)wire_get_uint(msg, n, (uint64_t)f->min, (uint64_t)f->max);
		break;
	case PLAIN_TEXT:
		wire_get_text(msg, n, (size_t)f->min, (size_t)f->max, at);
		break;
	case PLAIN_BOOL:
		*(int8_t *)at = wire_get_bool(msg, n);
		break;
	case SPECIAL:
		f->take(msg, n, into);
		break;
	}
}

/* Every member in turn; ret_seen has bit K for each known key K that was there. */
static void fields_take(struct wire_msg *msg, const struct field *fields, size_t count, void *into,
			uint32_t *ret_seen)
{
	*ret_seen = 0;
	WIRE_EACH(n, msg)
	{
		if (n->key < 0)
			wire_fault_set(&msg->fault, ERR_CRITICAL,
				       "critical key %lld not understood", (long long)n->key);
		for (size_t i = 0; i < count; i++)
			if (fields[i].key == n->key) {
				plain_take(msg, n, &fields[i], into);
				*ret_seen |= BIT(n->key);
			}
	}
}

static void require(struct wire_msg *msg, bool there, const char *what)
{
	if (!there)
		wire_fault_set(&msg->fault, ERR_NOENT, "%s is missing", what);
}

static int message_decode(enum wire_format format, struct bytes payload, struct wire_msg *msg,
			  struct native_fault *ret_fault)
{
	size_t limit = format == WIRE_JSON ? LIMIT_NATIVE_JSON : LIMIT_NATIVE_MESSAGE;
	int err;

	if (payload.len > limit)
		return refuse(ret_fault, CODE_TOO_LARGE, ERR_LIMIT,
			      format == WIRE_JSON ? "payload longer than 1024 bytes"
						  : "payload longer than 512 bytes");
	err = format == WIRE_JSON ? wire_json_decode(payload, msg) : wire_cbor_decode(payload, msg);
	return err ? refuse(ret_fault, CODE_BAD_REQUEST, err, msg->fault.text) : 0;
}

static void take_boot_id(struct wire_msg *msg, struct wire_node *n, struct boot_id *boot)
{
	struct bytes id = wire_get_bytes(msg, n, LIMIT_BOOT_ID_MIN, LIMIT_BOOT_ID);

	if (id.len == 0)
		return;
	memcpy(boot->bytes, id.ptr, id.len);
	boot->len = (uint8_t)id.len;
}

static void take_boot_count(struct wire_msg *msg, struct wire_node *n, struct boot_id *boot)
{
	boot->count = (uint32_t)wire_get_uint(msg, n, 0, UINT32_MAX);
	boot->has_count = true;
}

/* A number we have no word for is kept in `code` unless the device gave a code of its own. */
static enum reason reason_from_number(uint64_t number, int32_t *code)
{
	if (number <= REASON_DEFERRED)
		return (enum reason)number;
	if (*code == 0)
		*code = (int32_t)number;
	return REASON_OTHER;
}

static void report_boot_id(struct wire_msg *msg, struct wire_node *n, void *into)
{
	take_boot_id(msg, n, &((struct report *)into)->boot);
}

static void report_boot_count(struct wire_msg *msg, struct wire_node *n, void *into)
{
	take_boot_count(msg, n, &((struct report *)into)->boot);
}

static void report_running(struct wire_msg *msg, struct wire_node *n, void *into)
{
	struct digest *d = &((struct report *)into)->running;
	struct wire_node *e = wire_get_array(msg, n, 2);

	if (!e)
		return;
	uint64_t kind = wire_get_uint(msg, &e[0], 0, DIGEST_KIND_MAX);
	bool file = kind == DIGEST_FILE;
	struct bytes value = wire_get_bytes(msg, &e[1], file ? DIGEST_SHA256 : NATIVE_DIGEST_MIN,
					    file ? DIGEST_SHA256 : LIMIT_DIGEST);
	if (value.len == 0)
		return;
	d->kind = (uint8_t)kind;
	d->len = (uint8_t)value.len;
	memcpy(d->value, value.ptr, value.len);
}

static void report_reset(struct wire_msg *msg, struct wire_node *n, void *into)
{
	uint64_t number = wire_get_uint(msg, n, 0, INT64_MAX);

	((struct report *)into)->reset =
		number <= RESET_OTHER ? (enum reset_reason)number : RESET_OTHER;
}

static void report_last(struct wire_msg *msg, struct wire_node *n, void *into)
{
	struct report *r = into;
	struct last_attempt last = {0};
	struct wire_node *e = wire_get_array(msg, n, 5);

	if (!e)
		return;
	last.attempt = wire_get_uint(msg, &e[0], 0, NATIVE_ATTEMPT_MAX);
	last.stage = (enum last_stage)wire_get_uint(msg, &e[1], STAGE_NONE, STAGE_BOOT_LOADER);
	last.code = (int32_t)wire_get_int(msg, &e[3], INT32_MIN, INT32_MAX);
	last.reason = reason_from_number(wire_get_uint(msg, &e[2], 0, INT32_MAX), &last.code);
	wire_get_text(msg, &e[4], 0, LIMIT_DETAIL, last.detail);
	/* A device with a fixed record sends it before its first attempt, too. */
	if (last.attempt)
		r->last = last;
}

static void report_cached(struct wire_msg *msg, struct wire_node *n, void *into)
{
	struct report *r = into;
	struct bytes value = wire_get_bytes(msg, n, DIGEST_SHA256, DIGEST_SHA256);

	if (value.len == 0)
		return;
	memcpy(r->cached, value.ptr, sizeof(r->cached));
	r->has_cached = true;
}

static void report_mode(struct wire_msg *msg, struct wire_node *n, void *into)
{
	((struct report *)into)->mode =
		(enum report_mode)wire_get_uint(msg, n, MODE_APPLICATION, MODE_SAFE);
}

/* Bits we have no name for say what the device can do beyond us: kept, never acted on. */
static void report_capabilities(struct wire_msg *msg, struct wire_node *n, void *into)
{
	struct report *r = into;

	r->capabilities = (uint32_t)(wire_get_uint(msg, n, 0, UINT64_MAX) & UINT32_MAX);
	r->has_capabilities = true;
}

static void report_protocol(struct wire_msg *msg, struct wire_node *n, void *into)
{
	uint64_t version = wire_get_uint(msg, n, 0, UINT64_MAX);

	(void)into;
	if (version != NATIVE_VERSION)
		wire_fault_at(msg, n, ERR_VERSION, "this server speaks protocol version 1");
}

/* clang-format off */
#define NUMBER(key, member, min, max) \
	{key, PLAIN_NUMBER, offsetof(struct REPORT_OR_STATUS, member), min, max, NULL}
#define TEXT(key, member, min, max) \
	{key, PLAIN_TEXT, offsetof(struct REPORT_OR_STATUS, member), min, max, NULL}
#define BOOL(key, member) \
	{key, PLAIN_BOOL, offsetof(struct REPORT_OR_STATUS, member), 0, 0, NULL}
#define TAKE(key, function) {key, SPECIAL, 0, 0, 0, function}

#define REPORT_OR_STATUS report
static const struct field report_fields[] = {
	TAKE(KEY_REPORT_BOOT_ID, report_boot_id),
	TAKE(KEY_REPORT_BOOT_COUNT, report_boot_count),
	TEXT(KEY_REPORT_VERSION, version, 1, LIMIT_VERSION),
	TAKE(KEY_REPORT_RUNNING, report_running),
	BOOL(KEY_REPORT_CONFIRMED, confirmed),
	TAKE(KEY_REPORT_RESET_REASON, report_reset),
	TAKE(KEY_REPORT_LAST_ATTEMPT, report_last),
	BOOL(KEY_REPORT_UPDATES_ENABLED, updates_enabled),
	NUMBER(KEY_REPORT_FS_FREE, fs_free_bytes, 0, INT64_MAX),
	NUMBER(KEY_REPORT_FS_TOTAL, fs_total_bytes, 0, INT64_MAX),
	NUMBER(KEY_REPORT_SLOT_SIZE, slot_bytes, 0, INT64_MAX),
	NUMBER(KEY_REPORT_BATTERY, battery_percent, 0, 100),
	TEXT(KEY_REPORT_HARDWARE, hardware, 0, LIMIT_HARDWARE),
	TEXT(KEY_REPORT_BOOT_LOADER, boot_loader, 0, LIMIT_BOOT_LOADER),
	TAKE(KEY_REPORT_CACHED, report_cached),
	NUMBER(KEY_REPORT_INTERVAL, interval_s, 1, NATIVE_SECONDS_MAX),
	TAKE(KEY_REPORT_MODE, report_mode),
	TAKE(KEY_REPORT_CAPABILITIES, report_capabilities),
	NUMBER(KEY_REPORT_UPTIME, uptime_s, 0, INT64_MAX),
	TAKE(KEY_REPORT_PROTOCOL, report_protocol),
	NUMBER(KEY_REPORT_SECURITY_COUNTER, security_counter, 0, INT64_MAX),
};
#undef REPORT_OR_STATUS
/* clang-format on */

int native_report_decode(enum wire_format format, struct bytes payload, struct report *ret,
			 struct native_fault *ret_fault)
{
	struct wire_msg msg;
	struct report r;
	uint32_t seen;
	int err = message_decode(format, payload, &msg, ret_fault);

	if (err)
		return err;
	report_init(&r);
	fields_take(&msg, report_fields, sizeof(report_fields) / sizeof(report_fields[0]), &r,
		    &seen);
	require(&msg, seen & (BIT(KEY_REPORT_BOOT_ID) | BIT(KEY_REPORT_BOOT_COUNT)),
		"key 0 or 1 (boot id or count)");
	require(&msg, seen & BIT(KEY_REPORT_VERSION), "key 2 (version)");
	if (msg.fault.err)
		return refuse(ret_fault, CODE_BAD_REQUEST, msg.fault.err, msg.fault.text);
	*ret = r;
	return 0;
}

static void status_attempt(struct wire_msg *msg, struct wire_node *n, void *into)
{
	((struct status *)into)->attempt = wire_get_uint(msg, n, 1, NATIVE_ATTEMPT_MAX);
}

static void status_state(struct wire_msg *msg, struct wire_node *n, void *into)
{
	uint64_t number = wire_get_uint(msg, n, STATUS_DOWNLOADING, STATUS_FAILED);

	/* 0 after a fault only; the struct is thrown away then. */
	if (number)
		((struct status *)into)->state = (enum status_state)number;
}

static void status_code(struct wire_msg *msg, struct wire_node *n, void *into)
{
	((struct status *)into)->code = (int32_t)wire_get_int(msg, n, INT32_MIN, INT32_MAX);
}

static void status_boot(struct wire_msg *msg, struct wire_node *n, void *into)
{
	struct boot_id *boot = &((struct status *)into)->boot;

	if (n->type == WIRE_UINT || n->type == WIRE_NINT)
		take_boot_count(msg, n, boot);
	else
		take_boot_id(msg, n, boot);
}

static void status_seq(struct wire_msg *msg, struct wire_node *n, void *into)
{
	struct status *s = into;

	s->seq = (uint32_t)wire_get_uint(msg, n, 0, UINT32_MAX);
	s->has_seq = true;
}

/* The code may come after the reason; so the number is translated when all are read. */
struct status_input {
	struct status status;
	uint64_t reason;
};

static void status_reason(struct wire_msg *msg, struct wire_node *n, void *into)
{
	((struct status_input *)into)->reason = wire_get_uint(msg, n, 0, INT32_MAX);
}

/* clang-format off */
#define REPORT_OR_STATUS status
static const struct field status_fields[] = {
	TAKE(KEY_STATUS_ATTEMPT, status_attempt),
	TAKE(KEY_STATUS_STATE, status_state),
	TAKE(KEY_STATUS_CODE, status_code),
	TEXT(KEY_STATUS_DETAIL, detail, 0, LIMIT_DETAIL),
	NUMBER(KEY_STATUS_RECEIVED, received_bytes, 0, INT64_MAX),
	NUMBER(KEY_STATUS_START_OFFSET, start_offset, 0, INT64_MAX),
	NUMBER(KEY_STATUS_DEFER, defer_until_s, 0, NATIVE_SECONDS_MAX),
	TAKE(KEY_STATUS_BOOT, status_boot),
	TAKE(KEY_STATUS_SEQ, status_seq),
	TAKE(KEY_STATUS_REASON, status_reason),
};
/* clang-format on */

int native_status_decode(enum wire_format format, struct bytes payload, struct status *ret,
			 struct native_fault *ret_fault)
{
	struct wire_msg msg;
	struct status_input in = {.reason = REASON_NONE};
	uint32_t seen;
	int err = message_decode(format, payload, &msg, ret_fault);

	if (err)
		return err;
	status_init(&in.status);
	fields_take(&msg, status_fields, sizeof(status_fields) / sizeof(status_fields[0]), &in,
		    &seen);
	require(&msg, seen & BIT(KEY_STATUS_ATTEMPT), "key 0 (attempt)");
	require(&msg, seen & BIT(KEY_STATUS_STATE), "key 1 (state)");
	require(&msg, seen & BIT(KEY_STATUS_BOOT), "key 7 (boot id or count)");
	if (msg.fault.err)
		return refuse(ret_fault, CODE_BAD_REQUEST, msg.fault.err, msg.fault.text);
	in.status.reason = reason_from_number(in.reason, &in.status.code);
	*ret = in.status;
	return 0;
}

/* Bit K for every key K that will be written. */
static uint32_t directive_keys(const struct directive *d)
{
	uint32_t keys = BIT(KEY_DIRECTIVE_ACTION);

	if (d->action == DIRECTIVE_UPDATE) {
		keys |= BIT(KEY_DIRECTIVE_ATTEMPT) | BIT(KEY_DIRECTIVE_VERSION) |
			BIT(KEY_DIRECTIVE_SIZE) | BIT(KEY_DIRECTIVE_DIGEST) |
			BIT(KEY_DIRECTIVE_PATH);
		keys |= d->flags ? BIT(KEY_DIRECTIVE_FLAGS) : 0;
		keys |= d->window ? BIT(KEY_DIRECTIVE_WINDOW) : 0;
		keys |= d->block_bytes ? BIT(KEY_DIRECTIVE_BLOCK) : 0;
	} else if (d->action == DIRECTIVE_PENDING && d->version[0]) {
		keys |= BIT(KEY_DIRECTIVE_VERSION);
	}
	keys |= d->retry_after_s >= 0 ? BIT(KEY_DIRECTIVE_RETRY_AFTER) : 0;
	keys |= d->next_check_in_s >= 0 ? BIT(KEY_DIRECTIVE_NEXT_CHECK_IN) : 0;
	return keys;
}

static void directive_put(struct wire_writer *w, const struct directive *d, unsigned key)
{
	char path[sizeof("/fw/") + 2 * (size_t)NATIVE_DIGEST16];
	struct buf b = buf_writer(path, sizeof(path));

	wire_put_key(w, key);
	switch ((enum directive_key)key) {
	case KEY_DIRECTIVE_ACTION:
		wire_put_uint(w, (uint64_t)d->action);
		break;
	case KEY_DIRECTIVE_ATTEMPT:
		wire_put_uint(w, d->attempt);
		break;
	case KEY_DIRECTIVE_VERSION:
		wire_put_text(w, d->version);
		break;
	case KEY_DIRECTIVE_SIZE:
		wire_put_int(w, d->size_bytes);
		break;
	case KEY_DIRECTIVE_DIGEST:
		wire_put_bytes(w, d->file_sha256, sizeof(d->file_sha256));
		break;
	case KEY_DIRECTIVE_PATH:
		buf_put_str(&b, "/fw/");
		buf_put_hex(&b, d->file_sha256, NATIVE_DIGEST16);
		wire_put_text(w, buf_cstr(&b));
		break;
	case KEY_DIRECTIVE_FLAGS:
		wire_put_uint(w, d->flags);
		break;
	case KEY_DIRECTIVE_RETRY_AFTER:
		wire_put_int(w, d->retry_after_s);
		break;
	case KEY_DIRECTIVE_NEXT_CHECK_IN:
		wire_put_int(w, d->next_check_in_s);
		break;
	case KEY_DIRECTIVE_WINDOW:
		wire_put_uint(w, d->window);
		break;
	case KEY_DIRECTIVE_BLOCK:
		wire_put_uint(w, d->block_bytes);
		break;
	}
}

int native_directive_encode(enum wire_format format, const struct directive *directive,
			    struct buf *out)
{
	struct wire_writer w = wire_writer(format, out);
	uint32_t keys = directive_keys(directive);

	wire_put_map(&w, (unsigned)__builtin_popcount(keys));
	for (unsigned key = KEY_DIRECTIVE_ACTION; key <= KEY_DIRECTIVE_BLOCK; key++)
		if (keys & 1U << key)
			directive_put(&w, directive, key);
	return wire_writer_end(&w);
}

int native_desired_encode(enum wire_format format, uint64_t counter, struct buf *out)
{
	struct wire_writer w = wire_writer(format, out);

	wire_put_map(&w, 1);
	wire_put_key(&w, KEY_DESIRED_COUNTER);
	wire_put_uint(&w, counter);
	return wire_writer_end(&w);
}
