/* SPDX-License-Identifier: Apache-2.0
 *
 * Reads: what is asked, in which format, and what the values mean. A device answers in the format
 * that it likes, until we know it; from then on we ask for that. Where it refuses, the others are
 * tried, and where it gives no instance as a whole, single resources as text.
 */
#include <stdio.h>
#include <string.h>

#include "proto/lwm2m_agent.h"

enum { METHOD_GET = 1 };
enum {
	CODE_CONTENT = 2 << 5 | 5,
	CODE_UNAUTHORIZED = 4 << 5 | 1,
	CODE_NOT_FOUND = 4 << 5 | 4,
	CODE_TOO_MANY = 4 << 5 | 29,
	CODE_UNAVAILABLE = 5 << 5 | 3,
};
enum { BUSY_S = 30, BUSY_MAX = 4 };
enum { DIGEST_MIN = 4, HISTORY_S = 300 };

/* In the order in which they are tried; -1 is the device's own choice. */
static const int formats[] = {-1, LWM2M_SENML_CBOR, LWM2M_TLV, LWM2M_SENML_JSON};
enum { FORMATS = sizeof(formats) / sizeof(formats[0]) };

static const uint32_t single_device = ITEM(ITEM_VERSION) | ITEM(ITEM_BATTERY) | ITEM(ITEM_FREE) |
				      ITEM(ITEM_TOTAL) | ITEM(ITEM_CLOCK) | ITEM(ITEM_SUPPLY) |
				      ITEM(ITEM_ERRORS);
static const uint32_t single_firmware = ITEM(ITEM_STATE) | ITEM(ITEM_RESULT) | ITEM(ITEM_DELIVERY);

void lwm2m_told_init(struct lwm2m_told *told)
{
	memset(told, 0, sizeof(*told));
	told->confirmed = -1;
	lwm2m_forget_device(told);
	told->state = told->result = told->delivery = told->protocols = -1;
	told->boot_count = told->uptime_s = -1;
}

/* ---- which path ---- */

static struct lwm2m_path path3(uint16_t object, uint16_t resource)
{
	return (struct lwm2m_path){.count = 3, .id = {object, 0, resource}};
}

static struct lwm2m_path item_path(const struct lwm2m_options *opt, enum lwm2m_item item)
{
	static const uint16_t single[][2] = {
		[ITEM_VERSION] = {3, 3},  [ITEM_BATTERY] = {3, 9}, [ITEM_FREE] = {3, 10},
		[ITEM_TOTAL] = {3, 21},	  [ITEM_CLOCK] = {3, 13},  [ITEM_SUPPLY] = {3, 7},
		[ITEM_ERRORS] = {3, 11},  [ITEM_STATE] = {5, 3},   [ITEM_RESULT] = {5, 5},
		[ITEM_DELIVERY] = {5, 9},
	};

	if (item == ITEM_DEVICE || item == ITEM_FIRMWARE)
		return (struct lwm2m_path){.count = 2, .id = {item == ITEM_DEVICE ? 3 : 5}};
	if (item < ITEM_VERSION)
		return opt->named[item - ITEM_NAMED];
	return path3(single[item][0], single[item][1]);
}

/* A named resource comes with its instance where that is read anyway. */
static bool comes_along(const struct lwm2m_talk *t, const struct lwm2m_path *p)
{
	return p->count == 3 && p->id[1] == 0 &&
	       ((p->id[0] == 3 && !t->reads.single_device) ||
		(p->id[0] == 5 && !t->reads.single_firmware));
}

void lwm2m_round(struct lwm2m_step_ctx *c, bool report)
{
	struct lwm2m_talk *t = c->t;
	uint32_t todo = t->reads.single_firmware ? single_firmware : ITEM(ITEM_FIRMWARE);

	/* Who speaks more often than it can be read would never be done with. */
	if (t->reads.todo && t->reads.report)
		return;
	if (t->reg.has_links && !t->reg.has_firmware) {
		todo = 0;
		t->told.state = t->told.result = -1;
	}
	if (report) {
		todo |= t->reads.single_device ? single_device : ITEM(ITEM_DEVICE);
		for (unsigned i = 0; i < NAMED_COUNT; i++)
			if (c->opt.named[i].count && !comes_along(t, &c->opt.named[i]))
				todo |= ITEM(ITEM_NAMED + i);
		t->told.fresh = 0;
		t->reads.report = true;
		t->check_ms = 0; /* this is it */
	}
	t->reads.todo |= todo;
	if (t->reads.todo == 0)
		lwm2m_drive(c); /* nobody will answer what is not asked */
}

/* ---- asking ---- */

static void path_text(const char *root, const struct lwm2m_path *p, char dst[TALK_PATH])
{
	size_t at = 0;

	if (root[0])
		at = (size_t)snprintf(dst, TALK_PATH, "%s/", root[0] == '/' ? root + 1 : root);
	for (unsigned i = 0; i < p->count && at < TALK_PATH; i++)
		at += (size_t)snprintf(dst + at, TALK_PATH - at, i ? "/%u" : "%u",
				       (unsigned)p->id[i]);
}

void lwm2m_read_ask(const struct lwm2m_step_ctx *c, struct talk_ask *ask, enum lwm2m_item *ret)
{
	const struct lwm2m_talk *t = c->t;
	enum lwm2m_item item = ITEM_DEVICE;

	while (item < ITEM_COUNT - 1 && !(t->reads.todo & ITEM(item)))
		item++;
	const struct lwm2m_path path = item_path(&c->opt, item);
	ask->method = METHOD_GET;
	path_text(t->reg.root, &path, ask->path);
	if (path.count == 2)
		ask->accept = t->reads.format;
	*ret = item;
}

/* ---- values ---- */

static void take_firmware(const struct lwm2m_value *v, struct lwm2m_told *told)
{
	int64_t n;

	switch (v->path.id[2]) {
	case 3:
		lwm2m_take_number(v, 0, 3, &told->state);
		told->fresh |= told->state >= 0 ? FRESH_STATE : 0u;
		break;
	case 5:
		lwm2m_take_number(v, 0, 255, &told->result);
		break;
	case 7:
		if (!lwm2m_value_text(v, told->package, sizeof(told->package)))
			told->package[0] = 0;
		break;
	case 8:
		lwm2m_take_number(v, 0, 5, &n);
		if (n >= 0)
			told->protocols =
				(told->protocols < 0 ? 0 : told->protocols) | INT64_C(1) << n;
		break;
	case 9:
		lwm2m_take_number(v, 0, 2, &told->delivery);
		break;
	default:
		break;
	}
}

static bool is_hex(struct bytes b)
{
	for (size_t i = 0; i < b.len; i++)
		if (!((b.ptr[i] >= '0' && b.ptr[i] <= '9') ||
		      ((b.ptr[i] | 0x20) >= 'a' && (b.ptr[i] | 0x20) <= 'f')))
			return false;
	return b.len >= (size_t)2 * DIGEST_SHA256 && b.len % 2 == 0;
}

/* Bytes, or their hex digits (then at least 64 of them). */
static void take_digest(const struct lwm2m_value *v, unsigned kind, struct digest *ret)
{
	struct digest d = {.kind = (uint8_t)kind};
	char text[2 * LIMIT_DIGEST + 1];
	struct bytes b;
	size_t len = 0;

	*ret = (struct digest){0};
	if (lwm2m_value_text(v, text, sizeof(text)))
		b = (struct bytes){(const uint8_t *)text, strlen(text)};
	else if (!lwm2m_value_bytes(v, &b))
		return;
	if (is_hex(b)) {
		if (buf_from_hex((const char *)b.ptr, b.len, d.value, sizeof(d.value), &len))
			return;
	} else if (b.len <= sizeof(d.value)) {
		len = b.len;
		memcpy(d.value, b.ptr, len);
	}
	if (len < DIGEST_MIN || (kind == DIGEST_FILE && len != DIGEST_SHA256))
		return;
	d.len = (uint8_t)len;
	*ret = d;
}

static void take_named(struct lwm2m_step_ctx *c, enum lwm2m_named named,
		       const struct lwm2m_value *v)
{
	struct lwm2m_told *told = &c->t->told;
	bool yes;

	switch (named) {
	case NAMED_UPTIME:
		lwm2m_take_number(v, 0, LWM2M_NUMBER_MAX, &told->uptime_s);
		told->began_ms = c->told_ms - told->uptime_s * 1000;
		told->fresh |= told->uptime_s >= 0 ? FRESH_UPTIME : 0u;
		break;
	case NAMED_BOOT_COUNT:
		lwm2m_take_number(v, 0, UINT32_MAX, &told->boot_count);
		told->fresh |= told->boot_count >= 0 ? FRESH_COUNT : 0u;
		break;
	case NAMED_DIGEST:
		take_digest(v, c->opt.digest_kind, &told->running);
		break;
	case NAMED_CONFIRMED:
		told->confirmed = lwm2m_value_bool(v, &yes) ? (yes ? 1 : 0) : -1;
		break;
	case NAMED_HARDWARE:
		if (!lwm2m_value_text(v, told->hardware, sizeof(told->hardware)))
			told->hardware[0] = 0;
		break;
	case NAMED_COUNT:
		break;
	}
}

static bool same_path(const struct lwm2m_path *named, const struct lwm2m_path *p)
{
	return named->count && p->count >= named->count &&
	       memcmp(named->id, p->id, named->count * sizeof(p->id[0])) == 0;
}

static void take_value(struct lwm2m_step_ctx *c, const struct lwm2m_value *v)
{
	if (v->path.count >= 3 && v->path.id[0] == 3 && v->path.id[1] == 0)
		lwm2m_take_device(v, &c->t->told);
	if (v->path.count >= 3 && v->path.id[0] == 5 && v->path.id[1] == 0)
		take_firmware(v, &c->t->told);
	for (unsigned i = 0; i < NAMED_COUNT; i++)
		if (same_path(&c->opt.named[i], &v->path))
			take_named(c, (enum lwm2m_named)i, v);
}

/* What a whole instance tells anew. */
static void forget_firmware(struct lwm2m_told *told)
{
	told->package[0] = 0;
	told->state = told->result = told->delivery = told->protocols = -1;
}

void lwm2m_forget_named(struct lwm2m_told *told, enum lwm2m_named named)
{
	switch (named) {
	case NAMED_UPTIME:
		told->uptime_s = -1;
		break;
	case NAMED_BOOT_COUNT:
		told->boot_count = -1;
		break;
	case NAMED_DIGEST:
		told->running = (struct digest){0};
		break;
	case NAMED_CONFIRMED:
		told->confirmed = -1;
		break;
	case NAMED_HARDWARE:
		told->hardware[0] = 0;
		break;
	case NAMED_COUNT:
		break;
	}
}

static void forget_single(struct lwm2m_told *told, enum lwm2m_item item)
{
	int64_t *const numbers[ITEM_COUNT] = {
		[ITEM_BATTERY] = &told->battery_percent,
		[ITEM_FREE] = &told->free_kb,
		[ITEM_TOTAL] = &told->total_kb,
		[ITEM_CLOCK] = &told->clock_s,
		[ITEM_SUPPLY] = &told->supply_mv,
		[ITEM_ERRORS] = &told->errors,
		[ITEM_STATE] = &told->state,
		[ITEM_RESULT] = &told->result,
		[ITEM_DELIVERY] = &told->delivery,
	};

	if (item == ITEM_VERSION)
		told->version[0] = 0;
	else if (numbers[item])
		*numbers[item] = -1;
}

/* Before an item's answer is taken in, also where it says that there is none. */
static void forget_item(struct lwm2m_step_ctx *c, enum lwm2m_item item)
{
	struct lwm2m_talk *t = c->t;
	unsigned object = item == ITEM_DEVICE ? 3 : 5;

	if (item >= ITEM_NAMED && item < ITEM_VERSION) {
		lwm2m_forget_named(&t->told, (enum lwm2m_named)(item - ITEM_NAMED));
		return;
	}
	if (item > ITEM_FIRMWARE) {
		forget_single(&t->told, item);
		return;
	}
	if (item == ITEM_DEVICE)
		lwm2m_forget_device(&t->told);
	else
		forget_firmware(&t->told);
	for (unsigned i = 0; i < NAMED_COUNT; i++)
		if (comes_along(t, &c->opt.named[i]) && c->opt.named[i].id[0] == object)
			lwm2m_forget_named(&t->told, (enum lwm2m_named)i);
}

/* Of a record of the past (RFC 8428 4.5.3) nothing follows for the present. Below 2^28 a time is
 * relative to now. */
static bool is_history(const struct lwm2m_step_ctx *c, const struct lwm2m_value *v)
{
	double at_s =
		v->time_s < 268435456.0 ? v->time_s : v->time_s - (double)c->in->now_ms / 1000;

	return at_s < -HISTORY_S || at_s > HISTORY_S;
}

static size_t without_history(const struct lwm2m_step_ctx *c, struct lwm2m_value *values,
			      size_t count)
{
	size_t n = 0;

	for (size_t i = 0; i < count; i++)
		if (!is_history(c, &values[i]))
			values[n++] = values[i];
	return n;
}

bool lwm2m_take(struct lwm2m_step_ctx *c, int format, struct bytes payload,
		const struct lwm2m_path *base, struct wire_fault *ret_fault)
{
	struct lwm2m_value values[LWM2M_VALUES];
	uint8_t scratch[LWM2M_SCRATCH];
	size_t count = 0;

	if (lwm2m_decode(format < 0 ? LWM2M_TEXT : format, payload, base, values, LWM2M_VALUES,
			 &count, scratch, ret_fault))
		return false;
	if (base->count == 0)
		count = without_history(c, values, count);
	for (size_t i = 0; i < count; i++)
		take_value(c, &values[i]);
	lwm2m_take_lists(values, count, &c->t->told);
	return true;
}

/* ---- answers ---- */

static unsigned format_index(int format)
{
	for (unsigned i = 0; i < FORMATS; i++)
		if (formats[i] == format)
			return i;
	return 0;
}

/* It does not give the instance so: in another way. */
static void fall_back(struct lwm2m_step_ctx *c, enum lwm2m_item item, bool whole)
{
	struct lwm2m_reads *r = &c->t->reads;

	r->tried |= (uint8_t)(1u << format_index(r->format));
	if (c->t->reg.version == 10) /* SenML came with 1.1: some say nothing if it is asked for */
		r->tried |= (uint8_t)(1u << format_index(LWM2M_SENML_CBOR) |
				      1u << format_index(LWM2M_SENML_JSON));
	for (unsigned i = 0; whole && i < FORMATS; i++)
		if (!(r->tried & 1u << i)) {
			r->format = formats[i];
			return;
		}
	r->format = -1;
	r->tried = 0;
	r->todo &= ~ITEM(item);
	r->todo |= item == ITEM_DEVICE ? single_device : single_firmware;
	for (unsigned i = 0; i < NAMED_COUNT; i++)
		if (comes_along(c->t, &c->opt.named[i]) &&
		    c->opt.named[i].id[0] == (item == ITEM_DEVICE ? 3 : 5))
			r->todo |= ITEM(ITEM_NAMED + i);
	if (item == ITEM_DEVICE)
		r->single_device = true;
	else
		r->single_firmware = true;
}

static void learn_format(struct lwm2m_reads *r, int content_format)
{
	for (unsigned i = 1; i < FORMATS; i++)
		if (formats[i] == content_format)
			r->format = content_format;
	r->tried = 0;
}

static void round_done(struct lwm2m_step_ctx *c)
{
	struct lwm2m_talk *t = c->t;
	bool report = t->reads.report, again = t->reads.again;

	t->reads.report = t->reads.again = false;
	t->ask.next = ASK_NONE; /* it was decided by what was known before */
	t->told.firmware_ms = t->told.state >= 0 ? c->in->now_ms : 0;
	if (report) {
		t->told.device_ms = c->in->now_ms;
		lwm2m_report(c);
	} else if (!again) {
		lwm2m_drive(c);
	}
	if (again)
		lwm2m_round(c, false);
}

/* It says that it cannot now, and not that it has none: the same again, later. */
static bool is_busy(struct lwm2m_step_ctx *c, const struct talk_answer *a)
{
	struct lwm2m_asking *ask = &c->t->ask;
	struct lwm2m_reads *r = &c->t->reads;

	if (a->err || (a->code != CODE_UNAVAILABLE && a->code != CODE_TOO_MANY &&
		       a->code != CODE_UNAUTHORIZED)) {
		r->busy = 0;
		return false;
	}
	if (r->busy == BUSY_MAX)
		return false; /* it says so of whatever is asked */
	r->busy++;
	(void)snprintf(c->out->log, sizeof(c->out->log),
		       "answers a read with %u.%02u: it is asked again later", a->code >> 5,
		       a->code & 31u);
	ask->deaf = true;
	ask->retry_ms = c->t->reg.queue ? 0 : c->in->now_ms + (int64_t)BUSY_S * 1000;
	return true;
}

void lwm2m_read_answer(struct lwm2m_step_ctx *c, enum lwm2m_item item,
		       const struct talk_answer *answer)
{
	struct lwm2m_reads *r = &c->t->reads;
	const struct lwm2m_path path = item_path(&c->opt, item);
	struct wire_fault fault = {0};
	bool instance = path.count == 2;

	if (!(r->todo & ITEM(item)) || is_busy(c, answer))
		return;
	if (item == ITEM_FIRMWARE || item == ITEM_STATE)
		c->t->told.no_firmware = answer->err == 0 && answer->code == CODE_NOT_FOUND;
	bool there = answer->err == 0 && answer->code == CODE_CONTENT;
	if (there)
		forget_item(c, item);
	if (there && lwm2m_take(c, answer->content_format, answer->payload, &path, &fault)) {
		r->todo &= ~ITEM(item);
		if (instance)
			learn_format(r, answer->content_format);
	} else if (instance && (answer->code != CODE_NOT_FOUND || item != ITEM_FIRMWARE ||
				c->t->reg.has_firmware)) {
		/* 4.04 of what it says it has: not as a whole, and in no format */
		fall_back(c, item, answer->err == 0 && answer->code != CODE_NOT_FOUND);
	} else {
		forget_item(c, item);
		r->todo &= ~ITEM(item);
	}
	if (r->todo == 0)
		round_done(c);
}
