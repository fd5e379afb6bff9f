/* SPDX-License-Identifier: Apache-2.0 */
#include "lwm2m_rig.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { GET = 1, POST, PUT, DELETE };
enum { BLOCKS = 10, BLOCK_S = 2, TIMEOUT_S = 93, BOOT_S = 5, SIZE = 100000 };
enum { FORMAT_CBOR = 1, FORMAT_TLV = 2, FORMAT_JSON = 4 };

static uint8_t code_of(int number)
{
	return (uint8_t)((number / 100) << 5 | number % 100);
}

struct lwm2m_talk *rig_talk(struct rig *r)
{
	return (void *)r->talk;
}

uint64_t rig_random(struct rig *r)
{
	uint64_t z = (r->random += 0x9e3779b97f4a7c15u);

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
	return z ^ (z >> 31);
}

void rig_init(struct rig *r, const struct rig_script *s, const char *options)
{
	static const char *const versions[] = {"1.0.0", "2.0.0"};

	memset(r, 0, sizeof(*r));
	r->s = *s;
	if (!r->s.version)
		r->s.version = "1.1";
	if (!r->s.root)
		r->s.root = "";
	if (!r->s.lifetime_s)
		r->s.lifetime_s = 300;
	if (!r->s.format)
		r->s.format = LWM2M_TLV;
	strcpy(r->options, options);
	r->product = (struct product){.id = 7, .name = "lamp"};
	policy_init(&r->product.policy);
	for (int i = 0; i < RIG_RELEASES; i++) {
		struct release *rel = &r->releases[i];
		*rel = (struct release){.id = i + 1, .product = 7, .size_bytes = SIZE};
		strcpy(rel->version, versions[i]);
		memset(rel->sha256, 0xf0 + i, sizeof(rel->sha256));
		rel->running_count = 1;
		rel->running[0] = (struct digest){.kind = DIGEST_MCUBOOT, .len = 32};
		memset(rel->running[0].value, 0xa0 + i, 32);
	}
	strcpy(r->u.device.id, "lamp-1");
	r->u.device.product = 7;
	r->u.product = &r->product;
	r->u.target = &r->releases[RIG_TARGET];
	r->u.now_ms = INT64_C(1800000000000);
	r->u.random = rig_random(r);
	talk_lwm2m.init(r->talk);
	r->state_read = -1;
}

/* ---- the server ---- */

/* Whatever a device says: a success that is not weak is true. And so is a weak one of a device
 * that does not lie about its label. */
static void check_verdict(const struct rig *r, const struct attempt *a)
{
	if (a->verdict != VERDICT_UPDATED)
		return;
	assert_int_equal(r->named, RIG_TARGET);
	if (a->grade != GRADE_WEAK || r->s.apply != APPLY_LIE) {
		assert_int_equal(r->image, RIG_TARGET);
		assert_true(r->boots > r->boots_offered);
	}
}

static void settle(struct rig *r)
{
	struct update *u = &r->u;

	for (unsigned i = 0; i < r->out.event_count; i++) {
		r->events_started += r->out.events[i].kind == EVENT_FLASH_STARTED;
		r->offline += r->out.events[i].kind == EVENT_DEVICE_OFFLINE;
	}
	if (r->out.has_closed) {
		check_verdict(r, &r->out.closed);
		r->closed = true;
		r->ended = r->out.closed;
		r->diagnoses = r->out.diagnoses;
		r->attempts_closed++;
	}
	if (u->has_attempt && u->attempt.number == 0) {
		u->attempt.number = r->attempts_closed + 1;
		r->boots_offered = r->boots;
	}
	u->release = u->has_attempt ? &r->releases[u->attempt.release - 1] : NULL;
	u->home = u->device.settled ? &r->releases[u->device.settled - 1] : NULL;
	u->random = rig_random(r);
}

/* What the agent may never ask for. */
static void check_ask(struct rig *r, const struct talk_ask *ask)
{
	const struct attempt *a = &r->u.attempt;
	const char *path = ask->path;
	size_t root = strlen(r->s.root);

	assert_int_not_equal(ask->tag, 0);
	if (root && !r->s.no_links) {
		assert_memory_equal(path, r->s.root + 1, root - 1);
		path += root;
	}
	if (strcmp(path, "5/0/2") == 0) {
		/* never without the gate, never in another State than 2 */
		assert_true(r->u.has_attempt && a->state == ATTEMPT_APPLYING);
		assert_int_equal(rig_talk(r)->fw.attempt, a->id);
		assert_int_equal(r->state_read, 2);
	}
	if (ask->image || (strcmp(path, "5/0/1") == 0 && ask->payload_len)) {
		assert_true(r->u.has_attempt);
		assert_int_equal(r->state_read, 0); /* never while State 1 */
	}
	if (r->s.queue && rig_talk(r)->reg.queue)
		assert_true(r->u.now_ms - r->heard_ms < 93000);
}

static void engine_restart(struct rig *r)
{
	uint8_t saved[TALK_SAVED];
	struct buf b = buf_writer(saved, sizeof(saved));

	assert_int_equal(talk_lwm2m.save(r->talk, &b), 0);
	talk_lwm2m.init(r->talk);
	assert_int_equal(talk_lwm2m.load(r->talk, buf_bytes(&b)), 0);
	r->has_ask = false;
}

void rig_restart(struct rig *r)
{
	engine_restart(r);
}

void rig_lose(struct rig *r)
{
	talk_lwm2m.init(r->talk);
	r->has_ask = false;
	r->registered = false;
	r->register_ms = r->u.now_ms + 1000;
}

static void offer_open(const struct rig *r, struct talk_in *in)
{
	in->attempt = r->u.has_attempt ? r->u.attempt.id : 0;
	in->attempt_applying = r->u.has_attempt && r->u.attempt.state >= ATTEMPT_APPLYING;
	in->attempt_served = r->u.has_attempt ? r->u.attempt.served_bytes : 0;
	in->known = r->u.device.has_report ? &r->u.device.report : NULL;
}

/* RIG_TRACE=1 tells each step. */
static void trace(const struct rig *r, const struct talk_in *in, const struct talk_out *out)
{
	const char *on = getenv("RIG_TRACE");
	const struct lwm2m_talk *t = (const void *)r->talk;

	if (!on || !on[0])
		return;
	fprintf(stderr, "# %5lld event=%d step=%d told=%d/%d really=%d/%d",
		(long long)(r->u.now_ms / 1000 % 100000), (int)in->event, (int)t->fw.step,
		(int)t->told.state, (int)t->told.result, r->state, r->result);
	if (in->event == TALK_ANSWER)
		fprintf(stderr, " answer=%x err=%d", in->answer->code, in->answer->err);
	if (out->has_reply)
		fprintf(stderr, " reply=%x", out->reply.code);
	if (out->has_ask)
		fprintf(stderr, " ask=%d %s", out->ask.method, out->ask.path);
	if (out->has_report)
		fprintf(stderr, " report=%s", out->report.version);
	if (out->has_status)
		fprintf(stderr, " status=%s %s", status_state_name(out->status.state),
			out->status.detail);
	fprintf(stderr, " %s %s\n", r->u.has_attempt ? attempt_state_name(r->u.attempt.state) : "-",
		out->log);
}

/* One transaction. */
static void engine_step(struct rig *r, struct talk_in *in)
{
	struct talk_out out;
	bool changed = false, cancels = false;

	in->now_ms = r->u.now_ms;
	in->device = r->u.device.id;
	in->options = (struct bytes){(const uint8_t *)r->options, strlen(r->options)};
	in->secure = !r->plain;
	in->asking = r->has_ask && in->event != TALK_ANSWER;
	strcpy(in->local, "192.0.2.1:5684");
	for (unsigned i = 0;; i++) {
		assert_true(i < TALK_STEPS);
		in->random = rig_random(r);
		offer_open(r, in);
		talk_out_init(&out);
		talk_lwm2m.step(r->talk, in, &out);
		trace(r, in, &out);
		changed = changed || out.changed;
		assert_false(out.has_report && out.has_status);
		assert_false(out.has_ask && (out.has_report || out.has_status));
		cancels = cancels || out.cancels;
		r->gone = r->gone || out.gone;
		if (out.log[0])
			strcpy(r->log, out.log);
		if (out.has_reply) {
			assert_int_equal(in->event, TALK_REQUEST);
			r->reply = out.reply;
			r->replied = true;
		}
		if (out.contact && !out.has_report && !out.has_status) {
			out.returned ? update_returned(&r->u, &r->out)
				     : update_heard(&r->u, &r->out);
			settle(r);
		}
		if (out.gone) {
			update_gone(&r->u, in->request != NULL, &r->out);
			settle(r);
		}
		if (out.has_report) {
			update_report(&r->u, &out.report, &r->out);
			assert_false(r->out.late);
			settle(r);
			in->event = TALK_DIRECTIVE;
			in->directive = &r->out.directive;
		} else if (out.has_status) {
			update_status(&r->u, &out.status, &r->out);
			settle(r);
			in->event = TALK_ACCEPTED;
			in->accepted = r->out.accepted;
			in->later_s = r->out.later_s;
		} else {
			break;
		}
	}
	if (cancels && !out.has_ask)
		r->has_ask = false;
	if (out.has_ask) {
		check_ask(r, &out.ask);
		r->ask = out.ask;
		r->has_ask = true;
		r->answer_ms = r->u.now_ms + 1000;
	}
	r->commits += changed;
	if (changed && r->restarts && rig_random(r) % 2)
		engine_restart(r);
}

void rig_ring(struct rig *r)
{
	struct talk_in in = {.event = TALK_RING};

	engine_step(r, &in);
}

int rig_operator(struct rig *r, enum operator_act act, int64_t arg)
{
	update_operator(&r->u, act, arg, &r->out);
	int err = r->out.err;
	settle(r);
	rig_ring(r);
	return err;
}

static unsigned split(const char *text, char sep, char *store, struct bytes *ret, unsigned cap)
{
	unsigned n = 0;

	strcpy(store, text);
	for (char *p = store; *p && n < cap; n++) {
		char *end = strchr(p, sep);
		size_t len = end ? (size_t)(end - p) : strlen(p);
		ret[n] = (struct bytes){(const uint8_t *)p, len};
		p += len + (end ? 1 : 0);
	}
	return n;
}

static void request(struct rig *r, bool duplicate, uint8_t method, const char *path,
		    const char *query, int content_format, const void *payload, size_t len)
{
	char path_store[64], query_store[256];
	struct bytes paths[4], queries[8];
	struct talk_request q = {.method = method,
				 .path = paths,
				 .query = queries,
				 .content_format = content_format,
				 .accept = -1,
				 .payload = {payload, len},
				 .duplicate = duplicate};
	struct talk_in in = {.event = TALK_REQUEST, .request = &q};

	q.path_count = split(path, '/', path_store, paths, 4);
	q.query_count = split(query, '&', query_store, queries, 8);
	assert_true(talk_lwm2m.owns(method, q.path, q.path_count));
	r->replied = false;
	r->heard_ms = r->u.now_ms;
	engine_step(r, &in);
	assert_true(r->replied);
}

void rig_request(struct rig *r, uint8_t method, const char *path, const char *query,
		 int content_format, const void *payload, size_t len)
{
	request(r, false, method, path, query, content_format, payload, len);
}

void rig_repeat(struct rig *r, uint8_t method, const char *path, const char *query,
		int content_format, const void *payload, size_t len)
{
	request(r, true, method, path, query, content_format, payload, len);
}

/* ---- the device: registration ---- */

void rig_register(struct rig *r)
{
	char query[128], links[128];

	snprintf(query, sizeof(query), "lwm2m=%s&%slt=%d%s", r->s.version,
		 r->s.no_ep ? "" : "ep=lamp-1&", (int)r->s.lifetime_s,
		 !r->s.queue		       ? "&b=U"
		 : strcmp(r->s.version, "1.0") ? "&b=U&Q"
					       : "&b=UQ");
	snprintf(links, sizeof(links), "<%s>;rt=\"oma.lwm2m\",<%s/1/0>,<%s/3/0>%s%s%s",
		 r->s.root[0] ? r->s.root : "/", r->s.root, r->s.root, r->s.no_firmware ? "" : ",<",
		 r->s.no_firmware ? "" : r->s.root, r->s.no_firmware ? "" : "/5/0>");
	r->registered = true;
	r->observes[0] = r->observes[1] = 0;
	r->register_ms = 0;
	r->update_ms = r->u.now_ms + r->s.lifetime_s * 500;
	rig_request(r, POST, "rd", query, 40, links, r->s.no_links ? 0 : strlen(links));
	assert_int_equal(r->reply.code, code_of(201));
}

static void power(struct rig *r, int image, int state, int result)
{
	r->on = true;
	r->image = r->named = image;
	r->state = state;
	r->result = result;
	r->boots++;
	r->booted_ms = r->u.now_ms;
	r->registered = false;
	r->download_ms = r->apply_ms = 0;
	r->register_ms = r->u.now_ms + BOOT_S * 1000;
	r->has_ask = r->has_ask && r->answer_ms > r->u.now_ms + TIMEOUT_S * 100;
	if (rig_talk(r)->ask.ask != ASK_NONE && !r->has_ask) {
		r->has_ask = true; /* nobody answers that any more */
		r->answer_ms = r->u.now_ms + TIMEOUT_S * 1000;
		r->ask.tag = rig_talk(r)->ask.tag;
		r->ask.method = 0;
	}
}

void rig_boot(struct rig *r)
{
	power(r, r->image, r->s.state_at_boot, 0);
}

/* ---- the device: answers ---- */

static void put(struct lwm2m_value *v, size_t *n, unsigned object, unsigned resource,
		enum lwm2m_type type, int64_t number, const char *text)
{
	v[*n] = (struct lwm2m_value){
		.path = {.count = 3, .id = {(uint16_t)object, 0, (uint16_t)resource}},
		.type = type,
		.number = number};
	if (text)
		v[*n].bytes = (struct bytes){(const uint8_t *)text, strlen(text)};
	(*n)++;
}

/* A resource with several instances; those that are 0 are not there. */
static void put_list(struct lwm2m_value *v, size_t *n, unsigned resource, const int list[2],
		     int plus)
{
	for (unsigned i = 0; i < 2; i++) {
		if (!list[i])
			continue;
		put(v, n, 3, resource, LWM2M_INT, list[i] + plus, NULL);
		v[*n - 1].path.id[v[*n - 1].path.count++] = (uint16_t)i;
	}
}

static size_t values_of(const struct rig *r, struct lwm2m_value *v)
{
	static const int delivers[] = {
		[DELIVERS_BOTH] = 2, [DELIVERS_PULL] = 0, [DELIVERS_PUSH] = 1};
	size_t n = 0;
	int64_t up_s = (r->u.now_ms - r->booted_ms) / 1000;

	if (!r->s.no_version)
		put(v, &n, 3, 3, LWM2M_STRING, 0, r->releases[r->named].version);
	put_list(v, &n, 6, r->s.sources, -1);
	put_list(v, &n, 7, r->s.supply_mv, 0);
	put(v, &n, 3, 9, LWM2M_INT, r->s.battery_percent ? r->s.battery_percent : 80, NULL);
	put(v, &n, 3, 10, LWM2M_INT, 900, NULL);
	put_list(v, &n, 11, r->s.errors, 0);
	put(v, &n, 3, 13, LWM2M_INT, r->s.clock_restarts ? up_s : r->u.now_ms / 1000, NULL);
	if (r->s.battery_status)
		put(v, &n, 3, 20, LWM2M_INT, r->s.battery_status, NULL);
	put(v, &n, 3, 21, LWM2M_INT, 4000, NULL);
	if (!r->s.no_firmware) {
		put(v, &n, 5, 3, LWM2M_INT, r->state, NULL);
		put(v, &n, 5, 5, LWM2M_INT, r->result, NULL);
		if (r->s.delivery != DELIVERS_UNTOLD)
			put(v, &n, 5, 9, LWM2M_INT, delivers[r->s.delivery], NULL);
	}
	if (r->s.bare)
		return n;
	put(v, &n, 33605, 0, LWM2M_INT, up_s, NULL);
	put(v, &n, 33605, 1, LWM2M_INT, r->boots, NULL);
	put(v, &n, 33605, 2, LWM2M_BYTES, 0, NULL);
	v[n - 1].bytes = (struct bytes){r->releases[r->image].running[0].value, DIGEST_SHA256};
	return n;
}

static bool under(const struct lwm2m_path *base, const struct lwm2m_path *p)
{
	return p->count >= base->count &&
	       memcmp(base->id, p->id, base->count * sizeof(base->id[0])) == 0;
}

static uint8_t dev_read(struct rig *r, const struct lwm2m_path *base, int accept, int *ret_format,
			struct buf *out)
{
	struct lwm2m_value all[24], v[24];
	size_t count = values_of(r, all), n = 0;
	int format = accept >= 0 ? accept : base->count == 2 ? r->s.format : LWM2M_TEXT;
	unsigned bit = format == LWM2M_SENML_CBOR   ? FORMAT_CBOR
		       : format == LWM2M_TLV	    ? FORMAT_TLV
		       : format == LWM2M_SENML_JSON ? FORMAT_JSON
						    : 0;

	if (r->s.busy && base->id[0] == 5) {
		r->s.busy--;
		return code_of(r->s.busy_code);
	}
	if (base->count == 2 && r->s.no_instances)
		return code_of(r->s.instance_code ? r->s.instance_code : 406);
	if (r->s.refuses & bit)
		return code_of(406);
	for (size_t i = 0; i < count; i++)
		if (under(base, &all[i].path))
			v[n++] = all[i];
	if (n == 0)
		return code_of(404);
	if (base->count == 2 && base->id[0] == 5)
		r->state_read = r->state;
	if (base->count == 3 && base->id[0] == 5 && base->id[2] == 3)
		r->state_read = r->state;
	*ret_format = format;
	if (base->count == 3 && v[0].path.count > 3) {
		*ret_format = LWM2M_TLV; /* a text has one value */
		assert_int_equal(lwm2m_encode_all(LWM2M_TLV, base, v, n, out), 0);
	} else if (base->count == 3) {
		if (v[0].type == LWM2M_BYTES)
			*ret_format = format = LWM2M_OPAQUE;
		assert_int_equal(lwm2m_encode(format, &v[0], out), 0);
	} else {
		assert_int_equal(lwm2m_encode_all(format, base, v, n, out), 0);
	}
	return code_of(205);
}

static uint8_t dev_reset(struct rig *r)
{
	if (!r->s.no_reset && r->state != 3) {
		r->state = 0;
		r->result = 0;
		r->download_ms = 0;
	}
	return code_of(204);
}

static uint8_t dev_write_uri(struct rig *r)
{
	if (r->ask.payload_len == 0)
		return dev_reset(r);
	assert_int_not_equal(r->state, 1);
	if (r->s.uri_code)
		return code_of(r->s.uri_code);
	memcpy(r->uri, r->ask.payload, r->ask.payload_len);
	r->uri[r->ask.payload_len] = 0;
	r->written++;
	r->result = 0;
	r->offset = 0;
	r->download_ms = r->u.now_ms + BLOCK_S * 1000;
	return code_of(204);
}

static uint8_t dev_push(struct rig *r)
{
	if (!r->ask.image)
		return dev_reset(r);
	if (r->s.push_code)
		return code_of(r->s.push_code);
	r->pushed++;
	r->state = r->s.fails_with ? 0 : 2;
	r->result = r->s.fails_with;
	return code_of(204);
}

static uint8_t dev_execute(struct rig *r)
{
	if (r->s.execute_code)
		return code_of(r->s.execute_code);
	if (r->state != 2)
		return code_of(405);
	r->executed++;
	r->state = 3;
	r->result = 0;
	r->apply_ms = r->u.now_ms + 10000;
	if (r->s.apply == APPLY_FAILS) {
		r->state = 2;
		r->result = r->s.fails_with;
		r->apply_ms = 0;
	}
	if (r->s.apply == APPLY_IDLE)
		r->state = 0;
	if (r->s.result_first) {
		r->state = 0;
		r->result = r->s.result_first;
	}
	if (r->s.registers_first)
		r->register_ms = r->u.now_ms + 3000;
	return code_of(204);
}

/* false: it does not answer. */
/* Write-Attributes (OMA LwM2M core 5.4.5): a PUT with a query and no payload. */
static bool dev_attributes(struct rig *r, const struct talk_ask *ask, struct talk_answer *a)
{
	assert_int_equal(ask->method, PUT);
	assert_string_equal(ask->query, "pmin=0");
	assert_int_equal(ask->payload_len, 0);
	r->attributes++;
	if (r->s.attributes_code == RIG_NONE)
		return false;
	a->code = code_of(r->s.attributes_code ? r->s.attributes_code : 204);
	return true;
}

static bool dev_answer(struct rig *r, struct talk_answer *a, struct buf *body)
{
	const struct talk_ask *ask = &r->ask;
	struct lwm2m_path path;
	const char *text = ask->path + (r->s.no_links || !r->s.root[0] ? 0 : strlen(r->s.root));
	size_t len = strlen(text);

	a->content_format = -1;
	if (!r->on || !r->registered || ask->method == 0)
		return false;
	r->heard_ms = r->u.now_ms;
	assert_int_equal(lwm2m_path_parse((struct bytes){(const uint8_t *)text, len}, &path), 0);
	if (ask->method == GET && ask->observe == 0) {
		assert_true(path.id[2] == 3 || path.id[2] == 5);
		r->observed++;
		if (r->s.no_observe) {
			a->code = code_of(405);
			return true;
		}
		r->observes[path.id[2] == 5] = ask->tag;
	}
	if (r->s.senml_silent &&
	    (ask->accept == LWM2M_SENML_CBOR || ask->accept == LWM2M_SENML_JSON))
		return false;
	if (ask->method == GET) {
		a->code = dev_read(r, &path, ask->accept, &a->content_format, body);
		return true;
	}
	if (strcmp(text, "5/0") == 0)
		return dev_attributes(r, ask, a);
	if (strcmp(text, "5/0/1") == 0)
		a->code = dev_write_uri(r);
	else if (strcmp(text, "5/0/0") == 0)
		a->code = dev_push(r);
	else if (strcmp(text, "5/0/2") == 0 && r->s.execute_lost) {
		r->s.execute_lost--;
		return false;
	} else if (strcmp(text, "5/0/2") == 0) {
		a->code = dev_execute(r);
		return !r->s.execute_unanswered;
	} else {
		a->code = code_of(404);
	}
	return true;
}

static void give_answer(struct rig *r)
{
	uint8_t body[512];
	struct buf b = buf_writer(body, sizeof(body));
	struct talk_answer a = {.tag = r->ask.tag};
	struct talk_in in = {.event = TALK_ANSWER, .answer = &a};

	if (!dev_answer(r, &a, &b)) {
		if (r->ask.method) {
			r->answer_ms = r->u.now_ms + TIMEOUT_S * 1000;
			r->ask.method = 0;
			return;
		}
		a = (struct talk_answer){
			.tag = r->ask.tag, .err = ERR_TIMEOUT, .content_format = -1};
	}
	a.payload = buf_bytes(&b);
	r->has_ask = false;
	engine_step(r, &in);
}

static void notify(struct rig *r, unsigned which)
{
	uint8_t digit = (uint8_t)('0' + (which ? r->result : r->state));
	struct talk_answer a = {.tag = r->observes[which],
				.code = code_of(205),
				.content_format = LWM2M_TEXT,
				.payload = {&digit, 1}};
	struct talk_in in = {.event = TALK_NOTIFIED, .answer = &a};

	if (r->observes[which] && !r->s.lost_notifications && r->registered) {
		r->heard_ms = r->u.now_ms;
		engine_step(r, &in);
	}
}

/* ---- the device: by itself ---- */

static void download(struct rig *r)
{
	r->download_ms = r->u.now_ms + BLOCK_S * 1000;
	if (r->state == 0) {
		r->state = r->s.cached ? 2 : 1;
		notify(r, 0);
	}
	if (r->s.stalls || r->s.cached) {
		r->download_ms = 0;
		return;
	}
	if (r->s.unreachable && r->offset == 0) {
		r->offset++; /* it tries, for a while */
		return;
	}
	if (r->s.unreachable) {
		r->download_ms = 0;
		r->state = 0;
		r->result = 4;
		notify(r, 0);
		return;
	}
	if (r->u.has_attempt && r->offset < SIZE) {
		update_block(&r->u, r->offset, SIZE / BLOCKS, false, &r->out);
		settle(r);
		r->blocks++;
	}
	r->offset += SIZE / BLOCKS;
	if (r->offset < SIZE || r->state != 1)
		return;
	r->download_ms = 0;
	r->state = r->s.fails_with && r->s.apply != APPLY_FAILS ? 0 : 2;
	if (r->s.self_applies) {
		r->state = 3;
		r->apply_ms = r->u.now_ms + 30000;
	}
	notify(r, 0); /* before Result */
	if (r->state == 0) {
		r->result = r->s.fails_with;
		notify(r, 1);
	}
}

static void apply(struct rig *r)
{
	int state = r->s.state_after;
	int result = r->s.result_after == RIG_NONE ? 0 : r->s.result_after ? r->s.result_after : 1;

	r->apply_ms = 0;
	switch (r->s.apply) {
	case APPLY_REBOOT:
		power(r, RIG_TARGET, state, result);
		break;
	case APPLY_OLD:
		power(r, RIG_BASE, state, result);
		break;
	case APPLY_SILENT:
		r->on = false;
		break;
	case APPLY_LIE:
		r->named = RIG_TARGET;
		r->state = 0;
		r->result = 1;
		r->register_ms = r->u.now_ms + 1000;
		break;
	case APPLY_NEVER:
	case APPLY_IDLE:
	case APPLY_FAILS:
		break;
	}
}

static void dev_tick(struct rig *r)
{
	int64_t now_ms = r->u.now_ms;
	char path[32];

	if (!r->on)
		return;
	if (r->apply_ms && now_ms >= r->apply_ms)
		apply(r);
	if (r->on && r->register_ms && now_ms >= r->register_ms)
		rig_register(r);
	if (r->registered && r->download_ms && now_ms >= r->download_ms)
		download(r);
	if (r->on && r->registered && now_ms >= r->update_ms) {
		r->update_ms = now_ms + r->s.lifetime_s * 500;
		r->updates++;
		snprintf(path, sizeof(path), "rd/%s", rig_talk(r)->reg.location);
		rig_request(r, POST, path, "", -1, NULL, 0);
	}
}

static void server_tick(struct rig *r)
{
	int64_t timer_ms = talk_lwm2m.timer_ms(r->talk);

	if (r->has_ask && r->u.now_ms >= r->answer_ms) {
		give_answer(r);
	}
	if (timer_ms && r->u.now_ms >= timer_ms) {
		struct talk_in in = {.event = TALK_TIMER};
		engine_step(r, &in);
		timer_ms = talk_lwm2m.timer_ms(r->talk);
		/* no busy loop; what was just loaded is due at once */
		assert_true(timer_ms == 0 || timer_ms > r->u.now_ms || rig_talk(r)->resume);
	}
	if (r->u.has_attempt && r->u.now_ms >= attempt_deadline_ms(&r->u.attempt)) {
		r->u.answer_due_ms = talk_lwm2m.due_ms(r->talk);
		update_deadline(&r->u, &r->out);
		settle(r);
		rig_ring(r);
	}
	if (r->u.device.offline_at_ms && r->u.now_ms >= r->u.device.offline_at_ms) {
		update_silent(&r->u, &r->out);
		settle(r);
	}
}

void rig_run(struct rig *r, int64_t seconds)
{
	for (int64_t i = 0; i < seconds; i++) {
		r->u.now_ms += 1000;
		dev_tick(r);
		server_tick(r);
	}
}

void rig_until_closed(struct rig *r, int64_t seconds)
{
	for (int64_t i = 0; i < seconds && !r->closed; i++)
		rig_run(r, 1);
}

/* What the device does by its own clock stays where it is. */
void rig_jump(struct rig *r, int64_t seconds)
{
	int64_t *const times[] = {&r->answer_ms,   &r->booted_ms, &r->heard_ms,	  &r->update_ms,
				  &r->download_ms, &r->apply_ms,  &r->register_ms};

	for (size_t i = 0; i < sizeof(times) / sizeof(times[0]); i++)
		if (*times[i])
			*times[i] += seconds * 1000;
	r->u.now_ms += seconds * 1000;
	update_clock_step(&r->u, seconds * 1000, &r->out);
	settle(r);
	if (seconds < 0 && talk_lwm2m.timer_ms(r->talk)) {
		struct talk_in in = {.event = TALK_TIMER};
		engine_step(r, &in);
	}
}

/* ---- facts ---- */

struct wanted {
	const char *name;
	char value[256];
	bool found;
	unsigned sentences;
	bool said; /* `name` is in one of them */
};

static void fact(void *ctx, const char *name, const char *value)
{
	struct wanted *w = ctx;

	assert_non_null(value);
	w->sentences += name == NULL;
	w->said |= name == NULL && strstr(value, w->name) != NULL;
	if (name && strcmp(name, w->name) == 0) {
		w->found = true;
		snprintf(w->value, sizeof(w->value), "%s", value);
	}
}

const char *rig_fact(struct rig *r, const char *name)
{
	static struct wanted w;

	w = (struct wanted){.name = name};
	talk_lwm2m.facts(r->talk, r->u.now_ms, fact, &w);
	return w.found ? w.value : NULL;
}

unsigned rig_sentences(struct rig *r)
{
	struct wanted w = {.name = ""};

	talk_lwm2m.facts(r->talk, r->u.now_ms, fact, &w);
	return w.sentences;
}

bool rig_says(struct rig *r, const char *words)
{
	struct wanted w = {.name = words};

	talk_lwm2m.facts(r->talk, r->u.now_ms, fact, &w);
	return w.said;
}
