/* SPDX-License-Identifier: Apache-2.0
 *
 * What a device asks of us: register, update, de-register (LwM2M 6.2), Send (6.4.6). A bootstrap
 * server we are not.
 */
#include <stdio.h>
#include <string.h>

#include "proto/lwm2m_agent.h"

enum { METHOD_GET = 1, METHOD_POST, METHOD_PUT, METHOD_DELETE };

enum {
	CODE_CREATED = 2 << 5 | 1,
	CODE_DELETED = 2 << 5 | 2,
	CODE_CHANGED = 2 << 5 | 4,
	CODE_BAD_REQUEST = 4 << 5,
	CODE_FORBIDDEN = 4 << 5 | 3,
	CODE_NOT_FOUND = 4 << 5 | 4,
	CODE_METHOD = 4 << 5 | 5,
	CODE_PRECONDITION = 4 << 5 | 12,
	CODE_FORMAT = 4 << 5 | 15,
};

enum {
	LIFETIME_DEFAULT_S = 86400, /* LwM2M 6.2.1 */
	/* Facts older than that are read again at an update of the registration, while nothing
	 * is open: batteries empty and memory fills. */
	FACTS_OLD_S = 3600,
};
#define LIFETIME_MAX_S INT64_C(4294967295)

static bool is(struct bytes text, const char *word)
{
	return bytes_equal(text, (struct bytes){(const uint8_t *)word, strlen(word)});
}

bool lwm2m_owns(uint8_t method, const struct bytes *path, unsigned path_count)
{
	(void)method;
	return path_count >= 1 && (is(path[0], "rd") || is(path[0], "bs") || is(path[0], "dp"));
}

/* An update, a good-bye or a Send names no device: 4.04, and it registers again (6.2.2). */
uint8_t lwm2m_nobody(uint8_t method, const struct bytes *path, unsigned path_count)
{
	(void)method;
	return path_count > 1 || is(path[0], "dp") ? CODE_NOT_FOUND : 0;
}

static void reply(struct lwm2m_step_ctx *c, uint8_t code, const char *why)
{
	struct talk_reply *r = &c->out->reply;
	struct buf b = buf_writer(r->payload, sizeof(r->payload));

	c->out->has_reply = true;
	r->code = code;
	if (why)
		buf_put_str(&b, why);
	r->payload_len = b.pos;
}

/* ---- the query of a registration or an update ---- */

struct query {
	bool has_ep, has_lt, has_version, has_binding, queue;
	struct bytes ep, binding;
	int64_t lifetime_s;
	uint8_t version;
	const char *fault; /* words, NULL: none */
};

static void take_lifetime(struct bytes v, struct query *q)
{
	int64_t n = 0;

	if (q->has_lt)
		q->fault = "lt: given twice";
	else if (v.len == 0 || v.len > 10)
		q->fault = "lt: a number of seconds is wanted";
	for (size_t i = 0; i < v.len && !q->fault; i++) {
		if (v.ptr[i] < '0' || v.ptr[i] > '9')
			q->fault = "lt: a number of seconds is wanted";
		n = 10 * n + (v.ptr[i] - '0');
	}
	if (!q->fault && (n == 0 || n > LIFETIME_MAX_S))
		q->fault = "lt: 1 to 4294967295 seconds";
	q->has_lt = true;
	q->lifetime_s = n;
}

/* "1.1", "1.2.1": the third number does not matter. 0: none that we speak. */
static void take_version(struct bytes v, struct query *q)
{
	if (q->has_version)
		q->fault = "lwm2m: given twice";
	q->has_version = true;
	if (v.len >= 3 && v.ptr[0] == '1' && v.ptr[1] == '.' && v.ptr[2] >= '0' &&
	    v.ptr[2] <= '2' && (v.len == 3 || v.ptr[3] == '.'))
		q->version = (uint8_t)(10 + v.ptr[2] - '0');
}

/* Letters of U, M, H, T, S, N; Q in 1.0 (LwM2M 1.0 table 5.2.2, 1.1 table 6.2.1.2). */
static void take_binding(struct bytes v, struct query *q)
{
	if (q->has_binding)
		q->fault = "b: given twice";
	else if (v.len == 0 || v.len > 6)
		q->fault = "b: 1 to 6 letters are wanted";
	for (size_t i = 0; i < v.len && !q->fault; i++) {
		if (v.ptr[i] == 'Q')
			q->queue = true;
		else if (v.ptr[i] < 'A' || v.ptr[i] > 'Z')
			q->fault = "b: capital letters are wanted";
	}
	q->has_binding = true;
	q->binding = v;
}

static void take_ep(struct bytes v, struct query *q)
{
	if (q->has_ep)
		q->fault = "ep: given twice";
	q->has_ep = true;
	q->ep = v;
}

/* What we do not know is left alone (sms, pid, and what may come). */
static struct query query_read(const struct talk_request *r)
{
	static const struct {
		const char *name;
		void (*take)(struct bytes v, struct query *q);
	} rows[] = {{"ep=", take_ep},
		    {"lt=", take_lifetime},
		    {"lwm2m=", take_version},
		    {"b=", take_binding}};
	struct query q = {0};

	for (unsigned i = 0; i < r->query_count && !q.fault; i++) {
		struct bytes v = r->query[i];
		if (is(v, "Q"))
			q.queue = true;
		for (size_t k = 0; k < sizeof(rows) / sizeof(rows[0]); k++) {
			size_t len = strlen(rows[k].name);
			if (v.len >= len && memcmp(v.ptr, rows[k].name, len) == 0)
				rows[k].take((struct bytes){v.ptr + len, v.len - len}, &q);
		}
	}
	return q;
}

/* ---- links ---- */

static bool links_take(struct lwm2m_step_ctx *c, struct lwm2m_registration *reg, int *ret_format)
{
	static const int formats[] = {LWM2M_SENML_CBOR, LWM2M_SENML_JSON, LWM2M_TLV, LWM2M_JSON};
	const struct talk_request *r = c->in->request;
	struct lwm2m_link links[LIMIT_LWM2M_LINKS];
	struct wire_fault fault = {0};
	char root[64] = "", words[WIRE_FAULT_TEXT + 16];
	size_t count = 0;

	if (r->payload.len == 0)
		return true;
	if (r->content_format != -1 && r->content_format != LWM2M_LINK) {
		reply(c, CODE_FORMAT, "Content-Format is not 40");
		return false;
	}
	if (lwm2m_links(r->payload, links, LIMIT_LWM2M_LINKS, &count, root, &fault)) {
		(void)snprintf(words, sizeof(words), "links: %s", fault.text);
		reply(c, CODE_BAD_REQUEST, words);
		return false;
	}
	if (strcmp(root, "/") == 0)
		root[0] = 0;
	if (strlen(root) >= sizeof(reg->root)) {
		reply(c, CODE_BAD_REQUEST, "links: the alternate path is too long");
		return false;
	}
	reg->has_links = true;
	reg->has_firmware = false;
	(void)buf_copy_str(reg->root, sizeof(reg->root), root);
	for (size_t i = 0; i < count; i++) {
		if (links[i].path.count && links[i].path.id[0] == 5)
			reg->has_firmware = true;
		for (size_t k = 0; k < sizeof(formats) / sizeof(formats[0]); k++)
			if (links[i].is_root && links[i].content_format == formats[k])
				*ret_format = formats[k];
	}
	return true;
}

static void binding_take(struct lwm2m_registration *reg, const struct query *q)
{
	memset(reg->binding, 0, sizeof(reg->binding));
	if (q->has_binding)
		memcpy(reg->binding, q->binding.ptr, q->binding.len);
	else
		reg->binding[0] = 'U';
	reg->queue = q->queue;
}

/* The same for a device for ever, also where nothing of it was kept: FNV-1a of its id. */
static void location_of(const char *device, char dst[LWM2M_LOCATION])
{
	uint32_t h = 0x811c9dc5u;

	for (const char *p = device; *p; p++)
		h = (h ^ (uint8_t)*p) * 0x01000193u;
	(void)snprintf(dst, LWM2M_LOCATION, "%08x", (unsigned)h);
}

/* ---- register ---- */

/* The device learns why, and so does the log: most clients throw the text away. */
static void refuse(struct lwm2m_step_ctx *c, uint8_t code, const char *why)
{
	reply(c, code, why);
	(void)snprintf(c->t->refused, sizeof(c->t->refused), "%u.%02u %s", code >> 5, code & 31U,
		       why);
	c->t->refused_ms = c->in->now_ms;
	(void)snprintf(c->out->log, sizeof(c->out->log), "registration refused, %u.%02u: %s",
		       code >> 5, code & 31U, why);
}

static bool register_ok(struct lwm2m_step_ctx *c, const struct query *q)
{
	if (q->fault)
		refuse(c, CODE_BAD_REQUEST, q->fault);
	else if (!q->has_version)
		refuse(c, CODE_BAD_REQUEST, "lwm2m: missing");
	else if (q->version == 0)
		refuse(c, CODE_PRECONDITION, "lwm2m: this server speaks 1.0, 1.1 and 1.2");
	else if (!q->has_ep && q->version == 10)
		refuse(c, CODE_BAD_REQUEST, "ep: missing");
	else if (q->has_ep && !is(q->ep, c->in->device))
		refuse(c, CODE_FORBIDDEN, "ep: is not the identity of this session");
	else
		return true;
	return false;
}

static void reply_created(struct lwm2m_step_ctx *c)
{
	reply(c, CODE_CREATED, NULL);
	(void)buf_copy_str(c->out->reply.location[0], sizeof(c->out->reply.location[0]), "rd");
	(void)buf_copy_str(c->out->reply.location[1], sizeof(c->out->reply.location[1]),
			   c->t->reg.location);
}

static void do_register(struct lwm2m_step_ctx *c)
{
	struct lwm2m_talk *t = c->t;
	const struct query q = query_read(c->in->request);
	struct lwm2m_registration reg = {.registered = true,
					 .version = q.version,
					 .lifetime_s = q.has_lt ? q.lifetime_s : LIFETIME_DEFAULT_S,
					 .since_ms = c->in->now_ms,
					 .count = t->reg.count + 1};
	int format = -1;

	if (!register_ok(c, &q) || !links_take(c, &reg, &format))
		return;
	if (c->in->request->duplicate && t->reg.registered) {
		reply_created(c);
		return;
	}
	t->refused[0] = 0;
	binding_take(&reg, &q);
	location_of(c->in->device, reg.location);
	t->reg = reg;
	/* A new registration is a new talk of the device (6.2.1): nothing of before is asked any
	 * more, observations are gone, another image may show other formats. */
	t->reads = (struct lwm2m_reads){.format = format};
	t->ask = (struct lwm2m_asking){.newest_tag = t->ask.newest_tag};
	if (!c->in->request->duplicate) {
		t->boots.registered = true;
		c->out->contact = true; /* also of one that was about to restart: it has */
		c->out->returned = lwm2m_has_returned(c);
	}
	t->told.firmware_ms = 0;
	c->out->cancels = c->in->asking;
	reply_created(c);
	lwm2m_round(c, true);
}

/* ---- update, de-register ---- */

static bool location_ok(struct lwm2m_step_ctx *c)
{
	const struct talk_request *r = c->in->request;

	if (c->t->reg.registered && is(r->path[1], c->t->reg.location))
		return true;
	reply(c, CODE_NOT_FOUND, "no such registration: register again");
	return false;
}

/* Something may have happened since it last spoke of itself. */
static bool facts_old(const struct lwm2m_step_ctx *c)
{
	const struct lwm2m_talk *t = c->t;

	return t->fw.step != FW_IDLE || t->boots.registered || c->in->attempt != 0 ||
	       t->told.version[0] == 0 ||
	       c->in->now_ms - t->told.device_ms > (int64_t)FACTS_OLD_S * 1000 ||
	       c->in->now_ms < t->told.device_ms;
}

static void do_update(struct lwm2m_step_ctx *c)
{
	struct lwm2m_talk *t = c->t;
	const struct query q = query_read(c->in->request);
	struct lwm2m_registration reg = t->reg;
	int format = t->reads.format;

	if (c->in->request->duplicate) {
		reply(c, CODE_CHANGED, NULL);
		return;
	}
	if (!location_ok(c))
		return;
	if (q.fault) {
		reply(c, CODE_BAD_REQUEST, q.fault);
		return;
	}
	if (!links_take(c, &reg, &format))
		return;
	/* Also after its lifetime: a 4.04 would force a registration that looks like a boot. */
	if (q.has_lt)
		reg.lifetime_s = q.lifetime_s;
	if (q.has_binding)
		binding_take(&reg, &q);
	if (reg.version > 10) /* there it is said once (1.1, 6.2.1), and not by b= */
		reg.queue = t->reg.queue || q.queue;
	t->reg = reg;
	t->reads.format = format;
	reply(c, CODE_CHANGED, NULL);
	if (facts_old(c))
		lwm2m_round(c, true);
	else
		lwm2m_report(c);
}

static void do_delete(struct lwm2m_step_ctx *c)
{
	struct lwm2m_talk *t = c->t;

	/* A late one may come after the next registration. */
	if (c->in->request->duplicate) {
		reply(c, CODE_DELETED, NULL);
		return;
	}
	if (!location_ok(c))
		return;
	t->reg.registered = false;
	t->reads.todo = 0;
	t->ask = (struct lwm2m_asking){.newest_tag = t->ask.newest_tag};
	c->out->cancels = c->in->asking;
	c->out->gone = true;
	reply(c, CODE_DELETED, NULL);
}

/* ---- Send ---- */

/* Whether it tells of the boot or of the image. */
static bool is_news(const struct lwm2m_told *before, const struct lwm2m_told *sent)
{
	const uint32_t boot = FRESH_UPTIME | FRESH_COUNT | FRESH_VERSION | FRESH_CLOCK;

	return (sent->fresh & boot) || sent->confirmed != before->confirmed ||
	       !digest_equal(&sent->running, &before->running);
}

/* What a check-in would tell, and core may wait for (preflight). */
static bool is_fitness(const struct lwm2m_talk *t, const struct lwm2m_told *before)
{
	return t->fw.step == FW_IDLE && !t->reads.todo && !t->boots.registered &&
	       t->told.version[0] &&
	       (lwm2m_battery(&t->told) != lwm2m_battery(before) ||
		lwm2m_troubles(&t->told) != lwm2m_troubles(before) ||
		t->told.supply_mv != before->supply_mv || t->told.free_kb != before->free_kb);
}

/* A Send can be late, and repeated, and older than what was read: so it says when to read, as a
 * notification does, and decides nothing. */
static void do_send(struct lwm2m_step_ctx *c)
{
	const struct talk_request *r = c->in->request;
	struct lwm2m_talk *t = c->t;
	struct lwm2m_told before = t->told, sent;
	struct wire_fault fault = {0};
	const struct lwm2m_path none = {0};

	if (!t->reg.registered) {
		reply(c, CODE_NOT_FOUND, "not registered");
		return;
	}
	if (r->content_format != LWM2M_SENML_CBOR && r->content_format != LWM2M_SENML_JSON) {
		reply(c, CODE_FORMAT, "Content-Format is not 112 or 110");
		return;
	}
	if (r->duplicate) {
		reply(c, CODE_CHANGED, NULL);
		return;
	}
	t->told.fresh = 0;
	if (!lwm2m_take(c, r->content_format, r->payload, &none, &fault)) {
		t->told.fresh = before.fresh;
		reply(c, CODE_BAD_REQUEST, fault.text);
		return;
	}
	sent = t->told;
	t->told = before;
	t->told.battery_percent = sent.battery_percent;
	t->told.free_kb = sent.free_kb;
	t->told.total_kb = sent.total_kb;
	t->told.battery_status = sent.battery_status;
	t->told.supply_mv = sent.supply_mv;
	t->told.errors = sent.errors;
	t->told.battery_at = sent.battery_at;
	reply(c, CODE_CHANGED, NULL);
	if (is_news(&before, &sent))
		lwm2m_round(c, true);
	else if (sent.fresh & FRESH_STATE)
		lwm2m_round(c, false);
	else if (is_fitness(t, &before))
		lwm2m_report(c);
}

/* ---- all ---- */

void lwm2m_request(struct lwm2m_step_ctx *c)
{
	const struct talk_request *r = c->in->request;

	if (is(r->path[0], "bs"))
		reply(c, CODE_NOT_FOUND, "no bootstrap server");
	else if (is(r->path[0], "dp"))
		r->path_count == 1 && r->method == METHOD_POST ? do_send(c)
							       : reply(c, CODE_METHOD, NULL);
	else if (r->path_count == 1)
		r->method == METHOD_POST ? do_register(c) : reply(c, CODE_METHOD, NULL);
	else if (r->path_count > 2)
		reply(c, CODE_NOT_FOUND, NULL);
	else if (r->method == METHOD_POST)
		do_update(c);
	else if (r->method == METHOD_DELETE)
		do_delete(c);
	else
		reply(c, CODE_METHOD, NULL);
}
