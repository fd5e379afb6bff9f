/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/admin_list.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "daemon/admin_args.h"
#include "daemon/admin_routes.h"
#include "daemon/view.h"

enum {
	TURN_US = 1500, /* of one turn of the loop */
	TEXT_FIRST = 16 * 1024,
};

struct listing {
	struct list link; /* in admin->listings, while it goes on in another turn */
	struct request *rq;
	struct list_of of;
	unsigned at, written;
	char *text;
	size_t len, cap;
	bool no_memory;
};

/* ---- text ---- */

static int put(const char *ptr, size_t len, void *ctx)
{
	struct listing *l = ctx;

	if (l->no_memory)
		return -1;
	if (l->len + len > l->cap) {
		size_t cap = l->cap ? l->cap : TEXT_FIRST;
		while (cap < l->len + len)
			cap *= 2;
		char *grown = realloc(l->text, cap);
		if (!grown) {
			l->no_memory = true;
			return -1;
		}
		l->text = grown;
		l->cap = cap;
	}
	memcpy(l->text + l->len, ptr, len);
	l->len += len;
	return 0;
}

static void put_str(struct listing *l, const char *str)
{
	(void)put(str, strlen(str), l);
}

static void put_json(struct listing *l, json_t *json)
{
	if (!json || json_dump_callback(json, put, l, JSON_COMPACT | JSON_ENCODE_ANY))
		l->no_memory = true;
	json_decref(json);
}

/* ---- rows ---- */

static void list_end(struct listing *l)
{
	json_t *next = l->of.next;

	l->of.next = NULL;
	put_str(l, "]");
	if (next) {
		put_str(l, ",\"next\":");
		put_json(l, next);
	}
	put_str(l, "}\n"); /* kind to terminals */
	if (l->no_memory) {
		reply_error(l->rq, ERR_NOMEM, "out of memory");
		return;
	}
	reply_made(l->rq, l->text, l->len);
	l->text = NULL;
}

/* Until the turn is over, the list is answered, or an error is. */
static void list_step(struct listing *l)
{
	int64_t until_us = clock_now_us() + TURN_US;

	int err = 0;

	store_reads_begin(l->rq->admin->conf.store);
	while (l->at < l->of.count && !l->no_memory && !err && clock_now_us() < until_us) {
		json_t *row = NULL;
		err = l->of.row(l->rq, l->of.ctx, l->at++, &row);
		if (row && !err) {
			put_str(l, l->written++ ? "," : "");
			put_json(l, row);
		} else {
			json_decref(row);
		}
	}
	store_reads_end(l->rq->admin->conf.store);
	if (read_ok(l->rq, err) && (l->at == l->of.count || l->no_memory))
		list_end(l);
}

/* ---- turns: one list in each ---- */

static void lists_turn(uv_idle_t *idle)
{
	struct admin *a = idle->data;

	if (list_empty(&a->listings)) {
		(void)uv_idle_stop(idle);
		return;
	}
	struct listing *l = LIST_ENTRY(list_pop(&a->listings), struct listing, link);
	struct turn_mark began = turn_part_begin(a->conf.turns);
	list_step(l);
	turn_part_end(a->conf.turns, TURN_LISTS, began);
	if (l->rq->response)
		request_resume(l->rq);
	else
		list_append(&a->listings, &l->link);
}

void list_reply(struct request *rq, const struct list_of *of)
{
	struct listing *l = calloc(1, sizeof(*l));

	if (!l) {
		free(of->ctx);
		json_decref(of->next);
		reply_error(rq, ERR_NOMEM, "out of memory");
		return;
	}
	list_init(&l->link);
	l->rq = rq;
	l->of = *of;
	rq->listing = l;
	put_str(l, "{\"");
	put_str(l, of->name);
	put_str(l, "\":[");
	list_step(l);
	if (rq->response)
		return;
	list_append(&rq->admin->listings, &l->link);
	(void)uv_idle_start(&rq->admin->list, lists_turn);
}

void listing_free(struct listing *l)
{
	if (!l)
		return;
	list_remove(&l->link);
	json_decref(l->of.next);
	free(l->of.ctx);
	free(l->text);
	free(l);
}
