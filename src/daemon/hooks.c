/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/hooks.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "daemon/hooks_inner.h"

enum {
	FAILING_MS = 60000, /* a receiver that fails for so long is a matter of health */
};

struct hooked *hooks_named(const struct hooks *h, const char *name)
{
	for (unsigned i = 0; i < h->count; i++)
		if (strcmp(h->list[i]->hook.name, name) == 0)
			return h->list[i];
	return NULL;
}

/* ---- life ---- */

int hooks_take(struct hooks *h, const struct store_hook *row)
{
	struct hooked *k = h->count < LIMIT_HOOKS ? calloc(1, sizeof(*k)) : NULL;
	unsigned at = h->count;
	int err = k ? store_dead_count(h->conf.store, row->hook.id, &k->dead, &k->due) : ERR_NOMEM;

	if (err) {
		free(k);
		return err;
	}
	k->all = h;
	k->hook = row->hook;
	k->place = row->place;
	k->secret = row->secret;
	for (; at > 0 && strcmp(h->list[at - 1]->hook.name, k->hook.name) > 0; at--)
		h->list[at] = h->list[at - 1];
	h->list[at] = k;
	h->count++;
	return 0;
}

void hooks_drop(struct hooked *k)
{
	struct hooks *h = k->all;
	unsigned at = 0;

	while (h->list[at] != k)
		at++;
	h->count--;
	for (; at < h->count; at++)
		h->list[at] = h->list[at + 1];
	hooks_end_sending(k);
	k->removed = true;
	if (!k->saving && !k->deciding)
		hooks_free_one(k);
}

static bool load_row(void *ctx, const struct store_hook *row)
{
	struct store_hook *list = ctx;
	unsigned n = 0;

	while (n < LIMIT_HOOKS && list[n].hook.id)
		n++;
	if (n < LIMIT_HOOKS)
		list[n] = *row;
	return n < LIMIT_HOOKS;
}

static int load(struct hooks *h)
{
	struct store_hook *rows = calloc(LIMIT_HOOKS, sizeof(*rows));
	int err = rows ? store_hooks(h->conf.store, "", LIMIT_HOOKS, load_row, rows) : ERR_NOMEM;

	for (unsigned i = 0; !err && i < LIMIT_HOOKS && rows[i].hook.id; i++)
		err = hooks_take(h, &rows[i]);
	if (rows)
		explicit_bzero(rows, LIMIT_HOOKS * sizeof(*rows));
	free(rows);
	return err;
}

static void on_events(void *ctx, uint64_t head)
{
	(void)head;
	hooks_soon(ctx);
}

int hooks_new(const struct hooks_conf *conf, struct hooks **ret)
{
	struct hooks *h = calloc(1, sizeof(*h));
	int err = h ? 0 : ERR_NOMEM;

	if (err)
		return err;
	h->conf = *conf;
	err = load(h);
	if (!err)
		err = hook_http_new(conf->loop, &conf->http, &h->http);
	if (err) {
		hooks_free(h);
		return err;
	}
	(void)uv_timer_init(conf->loop, &h->timer); /* cannot fail */
	h->timer.data = h;
	engine_on_events(conf->engine, on_events, h);
	hooks_soon(h);
	*ret = h;
	return 0;
}

void hooks_conf_set(struct hooks *h, const struct hooks_conf *conf)
{
	h->conf.http = conf->http;
	h->conf.rules = conf->rules;
	hook_http_conf_set(h->http, &conf->http);
	hooks_soon(h);
}

static void timer_closed(uv_handle_t *handle)
{
	struct hooks *h = handle->data;

	h->stopped(h->stopped_ctx);
}

static void http_stopped(void *ctx)
{
	struct hooks *h = ctx;

	h->http = NULL;
	uv_close((uv_handle_t *)&h->timer, timer_closed);
}

void hooks_stop(struct hooks *h, void (*stopped)(void *ctx), void *ctx)
{
	h->stopping = true;
	h->stopped = stopped;
	h->stopped_ctx = ctx;
	engine_on_events(h->conf.engine, NULL, h);
	(void)uv_timer_stop(&h->timer);
	for (unsigned i = 0; i < h->count; i++) {
		struct hooked *k = h->list[i];
		hooks_end_sending(k);
		if (k->dirty && !k->saving && !k->deciding)
			hooks_save(k);
	}
	hook_http_stop(h->http, http_stopped, h);
}

void hooks_free(struct hooks *h)
{
	if (!h)
		return;
	assert(!h->owed);
	for (unsigned i = 0; i < h->count; i++)
		hooks_free_one(h->list[i]);
	free(h);
}

/* ---- views ---- */

static void view_of(const struct hooked *k, struct hook_view *ret)
{
	struct store_info info;

	store_info(k->all->conf.store, &info);
	*ret = (struct hook_view){
		.hook = k->hook,
		.place = k->place,
		.lag = info.head > k->place.position ? info.head - k->place.position : 0,
		.dead = k->dead,
		.in_flight = k->request != NULL,
	};
}

bool hooks_at(const struct hooks *h, unsigned index, struct hook_view *ret)
{
	if (index >= h->count)
		return false;
	view_of(h->list[index], ret);
	return true;
}

int hooks_find(const struct hooks *h, const char *name, struct hook_view *ret)
{
	const struct hooked *k = hooks_named(h, name);

	if (!k)
		return ERR_NOENT;
	view_of(k, ret);
	return 0;
}

void hooks_stats(const struct hooks *h, struct hooks_stats *ret)
{
	*ret = h->stats;
}

void hooks_look(struct hooks *h, struct health *health)
{
	int64_t wall_ms = clock_read().wall_ms;
	const struct hooked *bad = NULL;

	for (unsigned i = 0; i < h->count && !bad; i++) {
		const struct hooked *k = h->list[i];
		if (k->hook.state == HOOK_DISABLED ||
		    (k->hook.state == HOOK_ACTIVE && k->place.failing_ms &&
		     wall_ms - k->place.failing_ms >= FAILING_MS))
			bad = k;
	}
	if (!bad)
		health_clear(health, HEALTH_HOOK);
	else if (bad->hook.state == HOOK_DISABLED)
		health_set(health, HEALTH_HOOK,
			   "see postbootctl hook show, then hook resume it, or hook remove it",
			   "webhook %s is disabled: %s", bad->hook.name,
			   hook_why_help(bad->hook.why));
	else
		health_set(health, HEALTH_HOOK, "look at its receiver; nothing is lost so far",
			   "webhook %s fails: %s", bad->hook.name, bad->place.error);
}
