/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/view.h"

#include <string.h>

#include "base/clock.h"
#include "core/hook.h"
#include "wire/image_json.h"

/* ---- parts ---- */

void view_put(json_t **obj, const char *key, json_t *value)
{
	if (!*obj) {
		json_decref(value);
	} else if (json_object_set_new_nocheck(*obj, key, value)) { /* keys are words of ours */
		json_decref(*obj);
		*obj = NULL;
	}
}

void view_append(json_t **array, json_t *value)
{
	if (!*array) {
		json_decref(value);
	} else if (json_array_append_new(*array, value)) {
		json_decref(*array);
		*array = NULL;
	}
}

json_t *view_text(const char *str)
{
	json_t *text = json_string(str);
	char ascii[512];
	size_t n = 0;

	if (text)
		return text;
	for (; str[n] && n < sizeof(ascii) - 1; n++)
		ascii[n] = (char)((unsigned char)str[n] < 0x80 ? str[n] : '?');
	ascii[n] = 0;
	return json_string(ascii);
}

void view_put_text(json_t **obj, const char *key, const char *str)
{
	if (str[0])
		view_put(obj, key, view_text(str));
}

void view_put_time(json_t **obj, const char *key, int64_t wall_ms)
{
	char text[25];

	if (wall_ms)
		view_put(obj, key, json_string_nocheck(clock_format(wall_ms, text)));
}

json_t *view_hex(const uint8_t *ptr, size_t len)
{
	char text[2 * LIMIT_DIGEST + 1];
	struct buf b = buf_writer(text, sizeof(text));

	buf_put_hex(&b, ptr, len);
	return json_string(buf_cstr(&b));
}

json_t *view_digest(const struct digest *d)
{
	char text[160];

	return json_string(digest_text(d, text));
}

/* ---- products and releases ---- */

void view_put_ca(json_t **o, const struct product *p)
{
	json_t *ca;

	if (p->ca_count == 0)
		return;
	ca = json_object();
	view_put(&ca, "certificates", json_integer(p->ca_count));
	view_put(&ca, "sha256", view_hex(p->ca_sha256, sizeof(p->ca_sha256)));
	view_put(o, "ca", ca);
}

void view_put_protocol(json_t **o, const struct product *p)
{
	json_t *options = json_object();

	view_put_text(o, "protocol", p->protocol);
	for (const char *line = p->protocol_options; *line;) {
		char text[LIMIT_TALK_OPTIONS + 1];
		size_t len = strcspn(line, "\n");
		memcpy(text, line, len);
		text[len] = 0;
		char *value = strchr(text, '=');
		if (value) {
			*value = 0;
			view_put(&options, text, view_text(value + 1));
		}
		line += len + (line[len] == '\n');
	}
	if (json_object_size(options))
		view_put(o, "protocol_options", options);
	else
		json_decref(options);
}

void view_facts_tell(void *facts, const char *name, const char *value)
{
	struct view_facts *f = facts;

	if (name)
		view_put(&f->facts, name, view_text(value));
	else
		view_append(&f->notes, view_text(value));
}

json_t *view_product(const struct product *p, const char *target)
{
	json_t *o = json_object();
	json_t *policy = json_object();

	view_put_text(&o, "name", p->name);
	view_put_text(&o, "hardware", p->hardware);
	view_put_text(&o, "windows", p->windows);
	view_put_text(&o, "time_zone", p->time_zone);
	view_put_text(&o, "target", target);
#define PUT_POLICY(field, min, max, def, help)                                                     \
	view_put(&policy, #field, json_integer(p->policy.field));
	POLICY_LIST(PUT_POLICY)
#undef PUT_POLICY
	view_put(&o, "policy", policy);
	view_put_ca(&o, p);
	view_put_protocol(&o, p);
	view_put(&o, "rev", json_integer(p->rev));
	view_put_time(&o, "created", p->created_ms);
	return o;
}

void view_put_tags(json_t **o, const struct store_tags *tags)
{
	json_t *list = tags->count ? json_array() : NULL;

	for (unsigned i = 0; i < tags->count; i++)
		view_append(&list, json_string(tags->list[i]));
	if (tags->count)
		view_put(o, "tags", list);
}

json_t *view_query(const struct store_query *q)
{
	json_t *o = json_object();

	view_put_text(&o, "name", q->name);
	view_put(&o, "filter", json_string(q->filter));
	view_put(&o, "rev", json_integer(q->rev));
	view_put_time(&o, "created", q->created_ms);
	return o;
}

static void put_lines(json_t **o, const char *key, const char *lines)
{
	char line[LIMIT_VERSION + 1];
	json_t *list = json_array();

	while (lines_next(&lines, line, sizeof(line)))
		view_append(&list, view_text(line));
	if (json_array_size(list))
		view_put(o, key, list);
	else
		json_decref(list);
}

void view_put_requires(json_t **o, const struct requires *q)
{
	json_t *all = json_object();

	view_put_text(&all, "min_version", q->min_version);
	put_lines(&all, "must_pass", q->must_pass);
	put_lines(&all, "hardware", q->hardware);
	view_put_text(&all, "boot_loader", q->boot_loader);
	if (q->has_security_counter)
		view_put(&all, "security_counter", json_integer(q->security_counter));
	if (json_object_size(all))
		view_put(o, "requires", all);
	else
		json_decref(all);
}

static json_t *group_downloads(const struct engine_group *g)
{
	struct engine_group_load load;
	json_t *o = json_object();

	engine_group_load(g, &load);
	view_put(&o, "active", json_integer((json_int_t)load.downloads));
	view_put(&o, "waiting", json_integer((json_int_t)load.waiting));
	if (load.limit)
		view_put(&o, "limit", json_integer((json_int_t)load.limit));
	return o;
}

json_t *view_group(const struct engine_group *g, const char *product, const char *target)
{
	json_t *o = json_object();

	view_put_text(&o, "product", product);
	view_put_text(&o, "name", g->group.name);
	view_put_text(&o, "target", target);
	view_put_text(&o, "windows", g->group.windows);
	view_put_text(&o, "time_zone", g->group.time_zone);
	if (g->group.max_downloads)
		view_put(&o, "max_downloads", json_integer(g->group.max_downloads));
	if (g->group.image_rate)
		view_put(&o, "image_rate", json_integer(g->group.image_rate));
	view_put(&o, "devices", json_integer((json_int_t)g->devices));
	view_put(&o, "downloads", group_downloads(g));
	view_put(&o, "rev", json_integer(g->group.rev));
	view_put_time(&o, "created", g->group.created_ms);
	return o;
}

json_t *view_release(const struct release *r, const char *product, bool target)
{
	json_t *o = json_object();
	json_t *running = json_array();

	view_put(&o, "id", json_integer(r->id));
	view_put_text(&o, "product", product);
	view_put_text(&o, "version", r->version);
	view_put(&o, "size", json_integer(r->size_bytes));
	view_put(&o, "sha256", view_hex(r->sha256, DIGEST_SHA256));
	for (unsigned i = 0; i < r->running_count; i++)
		view_append(&running, view_digest(&r->running[i]));
	view_put(&o, "running", running);
	if (r->no_digest || r->no_confirm) {
		json_t *reports = json_array();
		if (r->no_digest)
			view_append(&reports, json_string("no-digest"));
		if (r->no_confirm)
			view_append(&reports, json_string("no-confirm"));
		view_put(&o, "reports", reports);
	}
	view_put_requires(&o, &r->requires);
	view_put_time(&o, "created", r->created_ms);
	view_put(&o, "state", json_string(release_state_name(r->state)));
	if (r->state_ms)
		view_put_time(&o, "state_since", r->state_ms);
	view_put(&o, "rev", json_integer(r->rev));
	view_put(&o, "image", image_json(&r->image, NULL, 0));
	if (r->signed_by[0])
		view_put_text(&o, "signed_by", r->signed_by);
	if (r->signed_key[0])
		view_put_text(&o, "signed_key", r->signed_key);
	if (r->label_anyway)
		view_put(&o, "label_anyway", json_true());
	view_put(&o, "target", json_boolean(target));
	return o;
}

/* ---- events ---- */

static json_t *payload_evidence(const struct attempt *a)
{
	json_t *list = json_array();

#define PUT_EVIDENCE(name, bit, word)                                                              \
	if (a->evidence & (bit))                                                                   \
		view_append(&list, json_string(word));
	EVIDENCE_LIST(PUT_EVIDENCE)
#undef PUT_EVIDENCE
	return list;
}

static void payload_attempt(json_t **o, const struct attempt *a, const struct diagnoses *dg)
{
	json_t *names = json_array();

	view_put_text(o, "version", a->version);
	view_put_text(o, "from", a->base_version);
	if (a->state == ATTEMPT_CLOSED) {
		view_put(o, "verdict", json_string(verdict_name(a->verdict)));
		view_put(o, "charged", json_boolean(a->charged));
		if (a->via != VIA_NONE)
			view_put(o, "via", json_string(via_name(a->via)));
		if (a->grade != GRADE_NONE)
			view_put(o, "grade", json_string(grade_name(a->grade)));
	}
	if (a->reason != REASON_NONE)
		view_put(o, "reason", json_string(reason_name(a->reason)));
	view_put(o, "evidence", payload_evidence(a));
	view_put(o, "served_bytes", json_integer(a->served_bytes));
	view_put(o, "received_bytes", json_integer(a->received_bytes));
	view_put(o, "size", json_integer(a->size_bytes));
	view_put(o, "cached", json_boolean(view_attempt_cached(a)));
	view_put(o, "fresh", json_boolean(a->fresh));
	if (a->closed_ms)
		view_put(o, "duration_ms", json_integer(a->closed_ms - a->created_ms));
	for (unsigned i = 0; dg && i < dg->count; i++)
		view_append(&names, json_string(diagnosis_name(dg->list[i].kind)));
	view_put(o, "diagnoses", names);
}

static void payload_boot(json_t **o, const struct device *d)
{
	view_put(o, "boot_seq", json_integer(d->boots.seq));
	if (!d->has_report)
		return;
	view_put(o, "reset", json_string(reset_reason_name(d->report.reset)));
	view_put_text(o, "running", d->report.version);
}

json_t *view_event_payload(enum event_kind kind, const struct device *d, const struct product *p,
			   const struct attempt *a, const struct diagnoses *dg)
{
	json_t *o = json_object();

	if (p)
		view_put_text(&o, "product", p->name);
	if (a)
		payload_attempt(&o, a, dg);
	if (kind == EVENT_DEVICE_BOOT && d)
		payload_boot(&o, d);
	if (kind == EVENT_DEVICE_HELD && d) {
		json_object_del(o, "reason"); /* the device's own, of the attempt */
		view_put(&o, "reason", json_string(hold_name(d->hold)));
	}
	if (kind == EVENT_DEVICE_DRIFT && d && d->has_report)
		view_put_text(&o, "running", d->report.version);
	return o;
}

void view_event_unreported(json_t *payload)
{
	(void)json_object_del(payload, "reset");
	(void)json_object_del(payload, "running");
}

void view_event_expected(json_t **payload, const char *version)
{
	view_put_text(payload, "expected", version);
}

json_t *view_event(const char *stream, const struct store_event_row *e)
{
	json_t *o = json_object();
	json_t *payload = json_loads(e->json ? e->json : "{}", JSON_REJECT_DUPLICATES, NULL);
	char cursor[64];
	struct buf b = buf_writer(cursor, sizeof(cursor));

	buf_put_str(&b, stream);
	buf_put_str(&b, ":");
	buf_put_dec(&b, e->seq);
	view_put(&o, "stream", json_string(stream));
	view_put(&o, "seq", json_integer((json_int_t)e->seq));
	view_put(&o, "cursor", json_string(buf_cstr(&b)));
	view_put_time(&o, "time", e->at_ms);
	view_put(&o, "topic", view_text(e->topic));
	view_put(&o, "data", view_text(e->data));
	view_put_text(&o, "device", e->device);
	if (e->attempt)
		view_put(&o, "attempt", json_integer((json_int_t)e->attempt));
	if (o && json_is_object(payload) && json_object_update_missing(o, payload)) {
		json_decref(o);
		o = NULL;
	}
	json_decref(payload);
	return o;
}

static void put_same(json_t **o, const char *key, const json_t *event, const char *of)
{
	json_t *value = json_object_get(event, of);

	if (value)
		view_put(o, key, json_incref(value));
}

/* "spark/flash/status" is of type io.postboot.flash.status, whatever the prefix. */
static json_t *cloud_type(const json_t *event)
{
	const char *topic = json_string_value(json_object_get(event, "topic"));
	char type[160];
	struct buf b = buf_writer(type, sizeof(type));

	buf_put_str(&b, "io.postboot.");
	buf_put_str(&b, hook_topic_bare(topic ? topic : ""));
	(void)buf_cstr(&b);
	for (char *at = type; *at; at++)
		if (*at == '/')
			*at = '.';
	return json_string(type);
}

json_t *view_cloudevent(const char *stream, json_t *event)
{
	json_t *o = event ? json_object() : NULL;

	view_put(&o, "specversion", json_string("1.0"));
	put_same(&o, "id", event, "cursor");
	view_put(&o, "source", json_sprintf("/postboot/%s", stream));
	view_put(&o, "type", o ? cloud_type(event) : NULL);
	put_same(&o, "subject", event, "device");
	put_same(&o, "time", event, "time");
	view_put(&o, "datacontenttype", json_string("application/json"));
	view_put(&o, "data", event);
	return o;
}

/* ---- audit ---- */

static void put_facts(json_t **o, const char *key, const char *text)
{
	json_t *facts = text[0] ? json_loads(text, JSON_REJECT_DUPLICATES, NULL) : NULL;

	if (facts)
		view_put(o, key, facts);
	else
		view_put_text(o, key, text); /* somebody's work; shown as it is */
}

json_t *view_removed(const struct store_audit_head *removed)
{
	json_t *o = json_object();

	view_put(&o, "through", json_integer((json_int_t)removed->seq));
	view_put(&o, "hash", view_hex(removed->hash, STORE_HASH));
	return o;
}

json_t *view_audit(const struct store_audit_row *row)
{
	json_t *o = json_object();

	view_put(&o, "seq", json_integer((json_int_t)row->seq));
	view_put_time(&o, "time", row->what.at_ms);
	view_put(&o, "at_ms", json_integer(row->what.at_ms));
	view_put(&o, "who", view_text(row->what.who));
	view_put(&o, "act", view_text(row->what.act));
	view_put(&o, "object", view_text(row->what.object));
	put_facts(&o, "before", row->what.before);
	put_facts(&o, "after", row->what.after);
	view_put(&o, "hash", view_hex(row->hash, STORE_HASH));
	return o;
}

/* ---- health ---- */

static json_t *condition_view(enum health_id id, const struct health_condition *c)
{
	json_t *o = json_object();

	view_put(&o, "name", json_string(health_name(id)));
	view_put(&o, "severity", json_string(health_degrades(id) ? "failure" : "warning"));
	view_put_time(&o, "since", c->since_ms);
	view_put(&o, "what", view_text(c->what));
	view_put(&o, "do", view_text(c->todo));
	return o;
}

json_t *view_health(const struct health *h)
{
	json_t *o = json_object();
	json_t *list = json_array();

	for (int id = 0; id < HEALTH_COUNT; id++)
		if (h->list[id].is_set)
			view_append(&list, condition_view((enum health_id)id, &h->list[id]));
	view_put(&o, "health", json_string(health_word(h)));
	view_put(&o, "conditions", list);
	return o;
}

/* ---- problems ---- */

const char *view_status_title(unsigned status)
{
	static const struct {
		unsigned status;
		const char *title;
	} titles[] = {
		{400, "Bad Request"},
		{403, "Forbidden"},
		{404, "Not Found"},
		{405, "Method Not Allowed"},
		{406, "Not Acceptable"},
		{408, "Request Timeout"},
		{409, "Conflict"},
		{410, "Gone"},
		{411, "Length Required"},
		{412, "Precondition Failed"},
		{413, "Content Too Large"},
		{414, "URI Too Long"},
		{415, "Unsupported Media Type"},
		{422, "Unprocessable Content"},
		{500, "Internal Server Error"},
		{503, "Service Unavailable"},
		{507, "Insufficient Storage"},
	};

	for (size_t i = 0; i < sizeof(titles) / sizeof(titles[0]); i++)
		if (titles[i].status == status)
			return titles[i].title;
	return "Error";
}

json_t *view_problem(unsigned status, const char *code, const char *detail)
{
	json_t *o = json_object();

	view_put(&o, "type", json_string("about:blank"));
	view_put(&o, "title", json_string(view_status_title(status)));
	view_put(&o, "status", json_integer(status));
	view_put_text(&o, "detail", detail);
	view_put(&o, "code", json_string(code));
	return o;
}
