/* SPDX-License-Identifier: Apache-2.0
 *
 * Webhooks as JSON. */
#include <string.h>

#include "daemon/hooks.h"
#include "daemon/view.h"

static json_t *words_json(const char *words)
{
	json_t *list = json_array();

	for (const char *at = words; *at;) {
		size_t len = strcspn(at, " ");
		view_append(&list, json_stringn(at, len));
		at += len + strspn(at + len, " ");
	}
	return list;
}

json_t *view_hook(const struct hook_view *v)
{
	const struct hook *h = &v->hook;
	const struct hook_place *p = &v->place;
	json_t *o = json_object();

	view_put(&o, "name", json_string(h->name));
	view_put(&o, "rev", json_integer(h->rev));
	view_put(&o, "url", json_string(h->url));
	view_put(&o, "topics", words_json(h->topics));
	view_put(&o, "products", words_json(h->products));
	view_put(&o, "batch", json_integer(h->batch));
	view_put(&o, "state", json_string(hook_state_name(h->state)));
	if (h->state == HOOK_DISABLED)
		view_put(&o, "reason", json_string(hook_why_name(h->why)));
	view_put_time(&o, "created", h->created_ms);
	view_put(&o, "position", json_integer((json_int_t)p->position));
	view_put(&o, "lag", json_integer((json_int_t)v->lag));
	view_put(&o, "in_flight", json_boolean(v->in_flight));
	view_put(&o, "delivered", json_integer((json_int_t)p->delivered));
	view_put(&o, "missed", json_integer((json_int_t)p->missed));
	view_put(&o, "dead", json_integer((json_int_t)v->dead));
	view_put_time(&o, "taken", p->taken_ms);
	view_put_time(&o, "failing_since", p->failing_ms);
	if (p->tries)
		view_put(&o, "tries", json_integer(p->tries));
	view_put_time(&o, "retry_at", p->retry_ms);
	view_put_text(&o, "error", p->error);
	return o;
}

json_t *view_dead(const struct store_dead *d)
{
	json_t *message = json_loads(d->body, JSON_REJECT_DUPLICATES, NULL);
	json_t *o = json_object();

	view_put(&o, "id", json_integer(d->id));
	view_put(&o, "message_id", view_text(d->cursor));
	view_put(&o, "seq", json_integer((json_int_t)d->seq));
	view_put(&o, "topic", view_text(d->topic));
	view_put_text(&o, "device", d->device);
	view_put_time(&o, "time", d->at_ms);
	view_put(&o, "tries", json_integer(d->tries));
	view_put_text(&o, "error", d->error);
	view_put(&o, "due", json_boolean(d->due));
	view_put(&o, "message", message ? message : view_text(d->body));
	return o;
}
