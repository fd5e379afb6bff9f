/* SPDX-License-Identifier: Apache-2.0
 *
 * A talk as bytes: a version, then each member in turn, big-endian. What must not get lost comes
 * first; times of contact behind it. What was under way is not kept, but what has been tried is:
 * after a restart everything is read again.
 *
 * An upgrade must not lose a talk: what a version has added stands behind `if (c->version >= N)`,
 * and stays as lwm2m_init() leaves it where an older one is read.
 */
#include <string.h>

#include "proto/lwm2m_agent.h"

enum { SAVED_OLDEST = 2, SAVED_VERSION = 4 };
#define NUMBER_MAX (INT64_C(1) << 53)

/* One description for both directions: writes where `out`, else reads. */
struct codec {
	struct buf *b;
	bool out;
	uint8_t version;
};

/* Times, counts and ids: all of them fit 53 bits, and can be subtracted from each other. */
static void c_int(const struct codec *c, int64_t *v)
{
	if (c->out) {
		buf_put_u64(c->b, (uint64_t)*v);
		return;
	}
	*v = (int64_t)buf_get_u64(c->b);
	if (*v < -NUMBER_MAX || *v > NUMBER_MAX) {
		c->b->err = c->b->err ? c->b->err : ERR_CORRUPT;
		*v = 0;
	}
}

static void c_u32(const struct codec *c, uint32_t *v)
{
	if (c->out)
		buf_put_u32(c->b, *v);
	else
		*v = buf_get_u32(c->b);
}

static void c_u8(const struct codec *c, uint8_t *v)
{
	if (c->out)
		buf_put_u8(c->b, *v);
	else
		*v = buf_get_u8(c->b);
}

static void c_bool(const struct codec *c, bool *v)
{
	uint8_t byte = *v;

	c_u8(c, &byte);
	*v = byte != 0;
}

static void c_bytes(const struct codec *c, void *v, size_t len)
{
	if (c->out) {
		buf_put_bytes(c->b, v, len);
		return;
	}
	struct bytes in = buf_get_bytes(c->b, len);
	if (len && in.len == len)
		memcpy(v, in.ptr, len);
}

/* With its length; `cap` bytes with the NUL. */
static void c_text(const struct codec *c, char *v, size_t cap)
{
	uint8_t len = (uint8_t)strlen(v);

	c_u8(c, &len);
	if (len >= cap) {
		c->b->err = c->b->err ? c->b->err : ERR_CORRUPT;
		return;
	}
	c_bytes(c, v, len);
}

static void c_enum(const struct codec *c, int value, int count, int *ret)
{
	uint8_t byte = (uint8_t)value;

	c_u8(c, &byte);
	if (byte >= count && !c->b->err)
		c->b->err = ERR_CORRUPT;
	*ret = byte < count ? byte : 0;
}

static void c_registration(const struct codec *c, struct lwm2m_registration *r)
{
	c_bool(c, &r->registered);
	c_bool(c, &r->queue);
	c_bool(c, &r->has_links);
	c_bool(c, &r->has_firmware);
	c_u8(c, &r->version);
	c_text(c, r->binding, sizeof(r->binding));
	c_text(c, r->root, sizeof(r->root));
	c_text(c, r->location, sizeof(r->location));
	c_int(c, &r->lifetime_s);
	c_int(c, &r->since_ms);
	c_u32(c, &r->count);
}

static void c_digest(const struct codec *c, struct digest *d)
{
	c_u8(c, &d->kind);
	c_u8(c, &d->len);
	if (d->len > sizeof(d->value)) {
		c->b->err = c->b->err ? c->b->err : ERR_CORRUPT;
		d->len = 0;
	}
	c_bytes(c, d->value, d->len);
}

static void c_boots(const struct codec *c, struct lwm2m_boots *b)
{
	int proof = 0;

	c_bytes(c, b->id, sizeof(b->id));
	c_bool(c, &b->known);
	c_bool(c, &b->registered);
	c_enum(c, (int)b->proof, PROOF_COUNT + 1, &proof);
	b->proof = (enum lwm2m_proof)proof;
	c_int(c, &b->count);
	c_int(c, &b->moment_ms);
	c_text(c, b->version, sizeof(b->version));
}

static void c_last(const struct codec *c, struct last_attempt *l)
{
	int stage = 0, reason = 0;
	uint32_t code = (uint32_t)l->code;
	int64_t attempt = (int64_t)l->attempt;

	c_int(c, &attempt);
	c_enum(c, (int)l->stage, STAGE_BOOT_LOADER + 1, &stage);
	c_enum(c, (int)l->reason, REASON_DEFERRED + 1, &reason);
	c_u32(c, &code);
	c_text(c, l->detail, sizeof(l->detail));
	l->attempt = (uint64_t)attempt;
	l->stage = (enum last_stage)stage;
	l->reason = (enum reason)reason;
	l->code = (int32_t)code;
}

static void c_firmware(const struct codec *c, struct lwm2m_firmware *f)
{
	int step = 0;
	int64_t attempt = (int64_t)f->attempt;
	uint32_t block = f->block_bytes;

	c_enum(c, (int)f->step, FW_STEPS, &step);
	f->step = (enum lwm2m_step)step;
	c_int(c, &attempt);
	f->attempt = (uint64_t)attempt;
	c_int(c, &f->size_bytes);
	c_bytes(c, f->digest16, sizeof(f->digest16));
	c_u32(c, &block);
	f->block_bytes = block;
	c_bool(c, &f->fresh);
	c_bool(c, &f->push);
	c_bool(c, &f->fell_back);
	c_bool(c, &f->told_downloading);
	c_bool(c, &f->told_verified);
	c_u8(c, &f->writes);
	c_u8(c, &f->executes);
	c_int(c, &f->stale_result);
	c_int(c, &f->wrote_ms);
	c_int(c, &f->execute_ms);
	c_u32(c, &f->registration);
	c_last(c, &f->last);
}

/* What people see. */
static void c_told(const struct codec *c, struct lwm2m_told *t)
{
	c_text(c, t->version, sizeof(t->version));
	c_text(c, t->hardware, sizeof(t->hardware));
	c_digest(c, &t->running);
	int64_t confirmed = t->confirmed;
	c_int(c, &confirmed);
	t->confirmed = confirmed < 0 ? -1 : confirmed > 0;
	c_int(c, &t->delivery);
	c_int(c, &t->protocols);
	c_int(c, &t->errors);
	if (c->version < 4) /* there it was the number of one */
		t->errors = t->errors > 0 && t->errors < LWM2M_ERRORS ? INT64_C(1) << t->errors
								      : t->errors;
}

static void c_version(struct codec *c)
{
	c->version = SAVED_VERSION;
	c_u8(c, &c->version);
	if ((c->version < SAVED_OLDEST || c->version > SAVED_VERSION) && !c->b->err)
		c->b->err = ERR_VERSION;
}

static void c_lasting(const struct codec *c, struct lwm2m_talk *t)
{
	c_registration(c, &t->reg);
	c_boots(c, &t->boots);
	c_firmware(c, &t->fw);
	c_told(c, &t->told);
	if (c->version >= 4)
		c_text(c, t->refused, sizeof(t->refused));
}

static void c_passing(const struct codec *c, struct lwm2m_talk *t)
{
	int64_t format = t->reads.format;
	int asked = 0;

	c_int(c, &format);
	t->reads.format = (int)format;
	c_bool(c, &t->reads.single_device);
	c_bool(c, &t->reads.single_firmware);
	c_bool(c, &t->reads.report);
	c_enum(c, (int)t->ask.ask, ASK_COUNT, &asked);
	t->ask.ask = (enum lwm2m_ask)asked;
	c_u8(c, &t->ask.failures);
	c_u32(c, &t->ask.newest_tag);
	c_u8(c, &t->fw.resets);
	c_u8(c, &t->fw.waits);
	c_u8(c, &t->fw.refused_code);
	c_int(c, &t->boots.clock_s);
	c_int(c, &t->boots.uptime_s);
	c_int(c, &t->told.state);
	c_int(c, &t->told.result);
	c_int(c, &t->told.battery_percent);
	c_int(c, &t->told.free_kb);
	c_int(c, &t->told.total_kb);
	c_int(c, &t->told.uptime_s);
	c_int(c, &t->told.boot_count);
	c_int(c, &t->told.device_ms);
	c_text(c, t->told.package, sizeof(t->told.package));
	c_int(c, &t->heard_ms);
	c_int(c, &t->window_ms);
	c_int(c, &t->check_ms);
	if (c->version >= 3)
		c_int(c, &t->check_set_ms);
	c_int(c, &t->poll_s);
	c_u8(c, &t->named);
	if (c->version < 4)
		return;
	c_int(c, &t->told.battery_status);
	c_int(c, &t->told.supply_mv);
	c_int(c, &t->told.battery_at);
	c_bool(c, &t->gate_waits);
	c_int(c, &t->refused_ms);
}

int lwm2m_save_lasting(const struct lwm2m_talk *t, struct buf *out)
{
	struct lwm2m_talk copy = *t;
	struct codec c = {.b = out, .out = true};

	c_version(&c);
	c_lasting(&c, &copy);
	return out->err;
}

int lwm2m_save(const void *talk, struct buf *out)
{
	struct lwm2m_talk copy = *(const struct lwm2m_talk *)talk;
	struct codec c = {.b = out, .out = true};

	c_version(&c);
	c_lasting(&c, &copy);
	c_passing(&c, &copy);
	return out->err;
}

void lwm2m_init(void *talk)
{
	struct lwm2m_talk *t = talk;

	memset(t, 0, sizeof(*t));
	lwm2m_told_init(&t->told);
	t->reads.format = -1;
	t->boots.count = -1;
	t->boots.clock_s = -1;
	t->boots.uptime_s = -1;
	t->fw.stale_result = -1;
}

int lwm2m_load(void *talk, struct bytes saved)
{
	struct lwm2m_talk t;
	struct buf b = buf_reader(saved.ptr, saved.len);
	struct codec c = {.b = &b};

	lwm2m_init(&t);
	c_version(&c);
	c_lasting(&c, &t);
	c_passing(&c, &t);
	if (b.err == ERR_VERSION)
		return ERR_VERSION;
	if (b.err || buf_left(&b))
		return ERR_CORRUPT;
	/* A request of which no answer was kept may never have left: it was no try. */
	if ((t.ask.ask == ASK_WRITE_URI || t.ask.ask == ASK_PUSH) && t.fw.writes)
		t.fw.writes--;
	if (t.ask.ask == ASK_EXECUTE && t.fw.executes)
		t.fw.executes--;
	t.ask.ask = ASK_NONE;
	t.resume = t.boots.registered || t.fw.step != FW_IDLE || t.reads.report;
	memcpy(talk, &t, sizeof(t));
	return 0;
}
