/* SPDX-License-Identifier: Apache-2.0
 *
 * What agents (proto/talk.h) remember of their devices: loaded when it is needed, copied for each
 * step, stored with what a step decides or with the last contact.
 */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "daemon/engine_talk.h"

const struct talk_proto *talk_of(const struct device *d)
{
	return d->protocol[0] ? talk_proto_named(d->protocol) : NULL;
}

int64_t talk_due_ms(const struct dev *d)
{
	const struct talk *t = d->talk;

	return t && t->proto->due_ms ? t->proto->due_ms(t->state) : 0;
}

void talk_drop(struct dev *d)
{
	free(d->talk);
	d->talk = NULL;
}

void talk_forget(struct dev *d)
{
	if (d->talk && !d->talk->dirty && !d->u.has_attempt)
		talk_drop(d);
}

static struct talk *talk_alloc(const struct talk_proto *proto)
{
	struct talk *t = calloc(1, sizeof(*t) + proto->size);

	if (t)
		t->proto = proto;
	return t;
}

/* Of a device that has one, as stored. One that cannot be read begins anew. */
static int talk_load(struct engine *e, const char *id, struct talk *t)
{
	uint8_t saved[TALK_SAVED];
	size_t len = 0;
	int err = store_talk(e->conf.store, id, saved, sizeof(saved), &len, &t->at_ms);

	if (err && err != ERR_NOENT && err != ERR_CORRUPT)
		return err;
	if (!err)
		err = t->proto->load(t->state, (struct bytes){saved, len});
	if (!err)
		return 0;
	log_warn("dev=%s talk=%s error=%s do=\"none: it begins anew\"", id, t->proto->name,
		 err_word(err));
	t->proto->init(t->state);
	return 0;
}

int talk_copy(struct engine *e, struct dev *d, const struct talk_proto *proto, struct talk **ret)
{
	int err = 0;

	if (!d->talk && talk_of(&d->u.device)) {
		d->talk = talk_alloc(talk_of(&d->u.device));
		err = d->talk ? talk_load(e, d->u.device.id, d->talk) : ERR_NOMEM;
		if (err) {
			talk_drop(d);
			return err;
		}
	}
	proto = proto ? proto : d->talk ? d->talk->proto : NULL;
	struct talk *t = proto ? talk_alloc(proto) : NULL;
	if (!t)
		return proto ? ERR_NOMEM : ERR_UNSUPPORTED;
	if (d->talk && d->talk->proto == proto)
		memcpy(t, d->talk, sizeof(*t) + proto->size);
	else
		proto->init(t->state);
	*ret = t;
	return 0;
}

int talk_put(struct store_set *set, const char *id, struct talk *t, int64_t at_ms)
{
	uint8_t saved[TALK_SAVED];
	struct buf b = buf_writer(saved, sizeof(saved));
	int err = t->proto->save(t->state, &b);

	if (err || b.pos == 0) {
		log_err("dev=%s talk=%s error=%s", id, t->proto->name, err_word(err));
		return ERR_LIMIT;
	}
	store_set_talk(set, id, buf_bytes(&b), at_ms);
	t->at_ms = at_ms;
	t->dirty = false;
	return 0;
}

void talk_flush(struct store_set *set, struct dev *d)
{
	if (d->flight || !d->talk)
		return;
	if (d->talk->dirty)
		talk_put(set, d->u.device.id, d->talk, d->talk->proto->timer_ms(d->talk->state));
	if (!list_empty(&d->idle))
		talk_forget(d);
}

int engine_device_facts(struct engine *e, const char *id,
			void (*tell)(void *ctx, const char *name, const char *value), void *ctx)
{
	struct talk *t = NULL;
	struct dev *d;
	int err = dev_get(e, id, &d);

	if (err)
		return err;
	err = talk_of(&d->u.device) ? talk_copy(e, d, NULL, &t) : 0;
	if (t)
		t->proto->facts(t->state, clock_read().wall_ms, tell, ctx);
	free(t);
	dev_release(e, d);
	return err;
}
