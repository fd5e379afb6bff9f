/* SPDX-License-Identifier: Apache-2.0 */
#include "store/set.h"

#include <stdlib.h>
#include <string.h>

struct store_set *store_set_new(store_done *done, void *ctx)
{
	struct store_set *set = calloc(1, sizeof(*set));

	if (!set)
		return NULL;
	set->last = &set->first;
	set->done = done;
	set->ctx = ctx;
	return set;
}

void store_set_free(struct store_set *set)
{
	if (!set)
		return;
	for (struct op *op = set->first, *next; op; op = next) {
		next = op->next;
		explicit_bzero(op->data, op->size); /* it may be a key */
		free(op);
	}
	free(set);
}

/* Room for `size` bytes of a new operation, or NULL with set->err. */
static void *add(struct store_set *set, enum op_kind kind, size_t size)
{
	if (set->err)
		return NULL;
	struct op *op = malloc(sizeof(*op) + size);
	if (!op) {
		set->err = ERR_NOMEM;
		return NULL;
	}
	op->next = NULL;
	op->kind = kind;
	op->size = size;
	*set->last = op;
	set->last = &op->next;
	return op->data;
}

static void add_copy(struct store_set *set, enum op_kind kind, const void *data, size_t size)
{
	void *dst = add(set, kind, size);

	if (dst)
		memcpy(dst, data, size);
}

static void count_insert(struct store_set *set)
{
	enum { MAX = sizeof(set->result.ids) / sizeof(set->result.ids[0]) };

	if (set->inserts == MAX && !set->err)
		set->err = ERR_LIMIT;
	else
		set->inserts++;
}

void store_set_product(struct store_set *set, const struct product *p)
{
	if (p->rev == 0)
		count_insert(set);
	add_copy(set, OP_PRODUCT, p, sizeof(*p));
}

void store_set_ca(struct store_set *set, int64_t product, const char *pem)
{
	size_t size = strlen(pem) + 1;
	struct op_ca *op = add(set, OP_CA, sizeof(*op) + size);

	if (!op)
		return;
	op->product = product;
	op->pem = memcpy(op + 1, pem, size);
}

static void signer_op(struct store_set *set, enum op_kind kind, int64_t product,
		      const struct signer *s)
{
	struct op_signer *op = add(set, kind, sizeof(*op));

	if (op)
		*op = (struct op_signer){product, *s};
}

void store_set_signer(struct store_set *set, int64_t product, const struct signer *s)
{
	signer_op(set, OP_SIGNER, product, s);
}

void store_set_signer_delete(struct store_set *set, int64_t product, const struct signer *s)
{
	signer_op(set, OP_SIGNER_DELETE, product, s);
}

void store_set_group(struct store_set *set, const struct device_group *g)
{
	if (g->rev == 0)
		count_insert(set);
	add_copy(set, OP_GROUP, g, sizeof(*g));
}

void store_set_group_delete(struct store_set *set, const struct device_group *g)
{
	add_copy(set, OP_GROUP_DELETE, g, sizeof(*g));
}

void store_set_rollout(struct store_set *set, const struct rollout *r)
{
	if (r->rev == 0)
		count_insert(set);
	add_copy(set, OP_ROLLOUT, r, sizeof(*r));
}

void store_set_rollout_delete(struct store_set *set, const struct rollout *r)
{
	add_copy(set, OP_ROLLOUT_DELETE, r, sizeof(*r));
}

void store_set_release(struct store_set *set, const struct release *r)
{
	count_insert(set);
	add_copy(set, OP_RELEASE, r, sizeof(*r));
}

void store_set_release_state(struct store_set *set, const struct release *r)
{
	add_copy(set, OP_RELEASE_STATE, r, sizeof(*r));
}

void store_set_release_delete(struct store_set *set, int64_t release)
{
	add_copy(set, OP_RELEASE_DELETE, &release, sizeof(release));
}

void store_set_device(struct store_set *set, const struct device *d)
{
	add_copy(set, OP_DEVICE, d, sizeof(*d));
}

/* A key that is too long is no row's: better an error than another row's. */
static void copy_id(struct store_set *set, char dst[LIMIT_DEVICE_ID + 1], const char *id)
{
	if (!buf_copy_str(dst, LIMIT_DEVICE_ID + 1, id) && !set->err)
		set->err = ERR_LIMIT;
}

void store_set_device_delete(struct store_set *set, const char *device, int64_t rev)
{
	struct op_device_delete op = {.rev = rev};

	copy_id(set, op.device, device);
	add_copy(set, OP_DEVICE_DELETE, &op, sizeof(op));
}

void store_set_key(struct store_set *set, const struct store_key *k)
{
	add_copy(set, OP_KEY, k, sizeof(*k));
}

void store_set_key_delete(struct store_set *set, const struct store_key *k)
{
	add_copy(set, OP_KEY_DELETE, k, sizeof(*k));
}

void store_set_attempt(struct store_set *set, const struct attempt *a)
{
	if (a->number == 0)
		count_insert(set);
	add_copy(set, OP_ATTEMPT, a, sizeof(*a));
}

void store_set_diagnoses(struct store_set *set, uint64_t attempt, const struct diagnoses *d)
{
	struct op_diagnoses *op = add(set, OP_DIAGNOSES, sizeof(*op));

	if (!op)
		return;
	op->attempt = attempt;
	op->list = *d;
}

static const char *put(char **end, const char *str)
{
	size_t size = strlen(str) + 1;
	char *dst = memcpy(*end, str, size);

	*end += size;
	return dst;
}

void store_set_event(struct store_set *set, const struct store_event *e)
{
	size_t size = sizeof(*e) + strlen(e->topic) + strlen(e->data) + strlen(e->device) +
		      strlen(e->json) + 4;
	struct store_event *copy = add(set, OP_EVENT, size);

	if (!copy)
		return;
	char *end = (char *)(copy + 1);
	*copy = *e;
	copy->topic = put(&end, e->topic);
	copy->data = put(&end, e->data);
	copy->device = put(&end, e->device);
	copy->json = put(&end, e->json);
}

/* The canonical form is lines: a text of several would be ambiguous. */
static int audit_text(const char *str)
{
	size_t n = 0;

	for (; str[n]; n++)
		if ((unsigned char)str[n] < ' ')
			return ERR_INVAL;
	return n > LIMIT_AUDIT_TEXT ? ERR_LIMIT : 0;
}

void store_set_audit(struct store_set *set, const struct store_audit *a)
{
	const char *const texts[] = {a->who, a->act, a->object, a->before, a->after};
	size_t size = sizeof(*a);

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		int err = audit_text(texts[i]);
		if (err && !set->err)
			set->err = err;
		size += strlen(texts[i]) + 1;
	}
	struct store_audit *copy = add(set, OP_AUDIT, size);
	if (!copy)
		return;
	char *end = (char *)(copy + 1);
	*copy = *a;
	copy->who = put(&end, a->who);
	copy->act = put(&end, a->act);
	copy->object = put(&end, a->object);
	copy->before = put(&end, a->before);
	copy->after = put(&end, a->after);
}

void store_set_audit_prune(struct store_set *set, const struct store_audit_head *through)
{
	add_copy(set, OP_AUDIT_PRUNE, through, sizeof(*through));
}

void store_set_import(struct store_set *set, int64_t part, const char *rows)
{
	size_t size = strlen(rows) + 1;
	struct op_import *op = add(set, OP_IMPORT, sizeof(*op) + size);

	if (!op)
		return;
	op->part = part;
	op->rows = memcpy(op + 1, rows, size);
}

void store_set_seen(struct store_set *set, const char *device, int64_t seen_ms,
		    int64_t offline_at_ms)
{
	struct op_seen op = {.seen_ms = seen_ms, .offline_at_ms = offline_at_ms};

	copy_id(set, op.device, device);
	add_copy(set, OP_SEEN, &op, sizeof(op));
}

void store_set_protocol(struct store_set *set, const char *device, const char *protocol)
{
	struct op_protocol op = {0};

	copy_id(set, op.device, device);
	if (!buf_copy_str(op.protocol, sizeof(op.protocol), protocol) && !set->err)
		set->err = ERR_LIMIT;
	add_copy(set, OP_PROTOCOL, &op, sizeof(op));
}

void store_set_device_group(struct store_set *set, const char *device, int64_t group, int64_t at_ms)
{
	struct op_device_group op = {.group = group, .at_ms = at_ms};

	copy_id(set, op.device, device);
	add_copy(set, OP_DEVICE_GROUP, &op, sizeof(op));
}

void store_set_member(struct store_set *set, const char *device, int64_t rollout, int64_t place,
		      int64_t before, int64_t goes_back)
{
	struct op_member op = {
		.rollout = rollout, .place = place, .before = before, .goes_back = goes_back};

	copy_id(set, op.device, device);
	add_copy(set, OP_MEMBER, &op, sizeof(op));
}

void store_set_tag(struct store_set *set, const char *device, const char *tag, bool on)
{
	struct op_tag op = {.on = on};

	copy_id(set, op.device, device);
	if (!buf_copy_str(op.tag, sizeof(op.tag), tag) && !set->err)
		set->err = ERR_LIMIT;
	add_copy(set, OP_TAG, &op, sizeof(op));
}

void store_set_query(struct store_set *set, const struct store_query *q)
{
	add_copy(set, OP_QUERY, q, sizeof(*q));
}

void store_set_query_delete(struct store_set *set, const struct store_query *q)
{
	add_copy(set, OP_QUERY_DELETE, q, sizeof(*q));
}

void store_set_talk(struct store_set *set, const char *device, struct bytes talk, int64_t at_ms)
{
	if (talk.len > LIMIT_TALK_SAVED && !set->err)
		set->err = ERR_LIMIT;
	struct op_talk *op = add(set, OP_TALK, sizeof(*op) + talk.len);
	if (!op)
		return;
	*op = (struct op_talk){.at_ms = at_ms, .len = talk.len, .bytes = (uint8_t *)(op + 1)};
	copy_id(set, op->device, device);
	if (talk.len)
		memcpy(op + 1, talk.ptr, talk.len);
}

void store_set_alive(struct store_set *set, int64_t wall_ms)
{
	add_copy(set, OP_ALIVE, &wall_ms, sizeof(wall_ms));
}

void store_set_retire(struct store_set *set, const struct store_retire *what)
{
	add_copy(set, OP_RETIRE, what, sizeof(*what));
}

void store_set_restored(struct store_set *set, enum store_restored step)
{
	add_copy(set, OP_RESTORED, &step, sizeof(step));
}

/* ---- webhooks ---- */

void store_set_hook(struct store_set *set, const struct hook *h, const struct hook_place *place,
		    const struct store_key *secret)
{
	struct op_hook *op;

	if (h->rev == 0)
		count_insert(set);
	op = add(set, OP_HOOK, sizeof(*op));
	if (!op)
		return;
	*op = (struct op_hook){.hook = *h, .has_place = place, .has_secret = secret};
	if (place)
		op->place = *place;
	if (secret)
		op->secret = *secret;
}

void store_set_hook_delete(struct store_set *set, int64_t hook, int64_t rev)
{
	const struct op_hook op = {.hook = {.id = hook, .rev = rev}};

	add_copy(set, OP_HOOK_DELETE, &op, sizeof(op));
}

void store_set_hook_place(struct store_set *set, int64_t hook, const struct hook_place *place)
{
	const struct op_hook op = {.hook = {.id = hook}, .place = *place};

	add_copy(set, OP_HOOK_PLACE, &op, sizeof(op));
}

void store_set_dead(struct store_set *set, const struct store_dead *d)
{
	size_t size = sizeof(*d) + strlen(d->cursor) + strlen(d->topic) + strlen(d->device) +
		      strlen(d->error) + strlen(d->body) + 5;
	struct store_dead *copy;

	count_insert(set);
	copy = add(set, OP_DEAD, size);
	if (!copy)
		return;
	char *end = (char *)(copy + 1);
	*copy = *d;
	copy->cursor = put(&end, d->cursor);
	copy->topic = put(&end, d->topic);
	copy->device = put(&end, d->device);
	copy->error = put(&end, d->error);
	copy->body = put(&end, d->body);
}

static void dead_op(struct store_set *set, enum op_kind kind, int64_t hook, int64_t id,
		    const char *error)
{
	struct op_dead op = {.hook = hook, .id = id};

	(void)buf_copy_str(op.error, sizeof(op.error), error);
	add_copy(set, kind, &op, sizeof(op));
}

void store_set_dead_due(struct store_set *set, int64_t hook, int64_t id)
{
	dead_op(set, OP_DEAD_DUE, hook, id, "");
}

void store_set_dead_failed(struct store_set *set, int64_t hook, int64_t id, const char *error)
{
	dead_op(set, OP_DEAD_FAILED, hook, id, error);
}

void store_set_dead_delete(struct store_set *set, int64_t hook, int64_t id)
{
	dead_op(set, OP_DEAD_DELETE, hook, id, "");
}
