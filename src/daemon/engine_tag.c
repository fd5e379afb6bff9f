/* SPDX-License-Identifier: Apache-2.0
 *
 * Tags of devices: an act on its way through the device's queue, so that it raises the row's
 * revision like any other. It is the ctx of OPERATOR_TAG.
 */
#include <stdlib.h>
#include <string.h>

#include "daemon/engine_act.h"
#include "daemon/view.h"

struct tag_change {
	bool on;
	struct store_tags tags; /* that come or go */
	struct store_tags before, after;
	engine_done *done;
	void *ctx;
};

static void change_done(void *ctx, const struct engine_result *result)
{
	struct tag_change *t = ctx;

	t->done(t->ctx, result);
	free(t);
}

static bool has(const struct store_tags *tags, const char *tag)
{
	for (unsigned i = 0; i < tags->count; i++)
		if (strcmp(tags->list[i], tag) == 0)
			return true;
	return false;
}

static int tags_add(struct store_tags *tags, const char *tag)
{
	if (has(tags, tag))
		return 0;
	if (tags->count == LIMIT_TAGS)
		return ERR_LIMIT;
	(void)buf_copy_str(tags->list[tags->count++], sizeof(tags->list[0]), tag);
	return 0;
}

void engine_tag_decide(struct job *job)
{
	struct tag_change *t = job->in.op.ctx;
	int err = store_tags(job->e->conf.store, job->u.device.id, &t->before);

	t->after = (struct store_tags){0};
	for (unsigned i = 0; i < t->before.count && !err; i++)
		if (t->on || !has(&t->tags, t->before.list[i]))
			err = tags_add(&t->after, t->before.list[i]);
	for (unsigned i = 0; i < t->tags.count && t->on && !err; i++)
		err = tags_add(&t->after, t->tags.list[i]);
	if (err == ERR_LIMIT) {
		job->out.why = "a device has at most 16 tags";
		err = ERR_BUSY;
	}
	job->out.err = err;
	job->out.device_changed = !err && t->after.count != t->before.count;
}

void engine_tag_store(const struct job *job, struct store_set *set)
{
	const struct tag_change *t = job->in.op.ctx;

	for (unsigned i = 0; i < t->tags.count; i++)
		store_set_tag(set, job->u.device.id, t->tags.list[i], t->on);
}

json_t *engine_tag_facts(const struct job *job, bool after)
{
	const struct tag_change *t = job->in.op.ctx;
	json_t *o = json_object();

	view_put_tags(&o, after ? &t->after : &t->before);
	return o;
}

const char *engine_tag_act(const struct job *job)
{
	const struct tag_change *t = job->in.op.ctx;

	return t->on ? "device tag" : "device untag";
}

void engine_device_tag(struct engine *e, const struct actor *by, const char *id, bool on,
		       const struct store_tags *tags, engine_done *done, void *ctx)
{
	struct tag_change *t = calloc(1, sizeof(*t));

	if (!t) {
		act_answer(done, ctx, ERR_NOMEM, "out of memory");
		return;
	}
	t->on = on;
	t->tags = *tags;
	t->done = done;
	t->ctx = ctx;
	act_on_device(e, by, id, OPERATOR_TAG, 0, change_done, t);
}
