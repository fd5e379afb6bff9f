/* SPDX-License-Identifier: Apache-2.0
 *
 * Rollouts in memory: their rows, their members, and the counts that move along with each commit.
 */
#include "daemon/engine_rollout.h"

#include <stdlib.h>
#include <string.h>

#include "daemon/view.h"

enum { ROLLOUT_PAGE = 200 };

/* Ids rise with every insert, so the array is sorted. */
struct live *live_of(struct engine *e, int64_t id)
{
	size_t low = 0, high = id ? e->rollout_count : 0;

	while (low < high) {
		size_t mid = low + (high - low) / 2;
		if (e->rollouts[mid]->r.id < id)
			low = mid + 1;
		else
			high = mid;
	}
	return low < e->rollout_count && e->rollouts[low]->r.id == id ? e->rollouts[low] : NULL;
}

const struct rollout *rollout_of(struct engine *e, int64_t id)
{
	const struct live *l = live_of(e, id);

	return l ? &l->r : NULL;
}

struct live *live_named(struct engine *e, const char *product, const char *name)
{
	const struct product *p = catalog_product_named(e, product);

	for (size_t i = 0; p && i < e->rollout_count; i++)
		if (e->rollouts[i]->r.product == p->id && strcmp(e->rollouts[i]->r.name, name) == 0)
			return e->rollouts[i];
	return NULL;
}

int live_add(struct engine *e, const struct rollout *r, struct live **ret_live)
{
	struct live **grown =
		reallocarray(e->rollouts, e->rollout_count + 1, sizeof(struct live *));
	struct live *l = calloc(1, sizeof(*l));
	char why[FILTER_WHY];

	if (grown)
		e->rollouts = grown;
	if (!grown || !l) {
		free(l);
		return ERR_NOMEM;
	}
	if (rollout_filter(r->filter, &l->filter, why)) {
		free(l);
		return ERR_CORRUPT;
	}
	l->r = *r;
	l->phase = r->enlisted ? LIVE_LOAD : LIVE_WALK;
	list_init(&l->acts);
	e->rollouts[e->rollout_count++] = l;
	if (ret_live)
		*ret_live = l;
	return 0;
}

static void live_free(struct live *l)
{
	free(l->list);
	free(l);
}

void live_drop(struct engine *e, struct live *l)
{
	for (size_t i = 0; i < e->rollout_count; i++) {
		if (e->rollouts[i] != l)
			continue;
		memmove(&e->rollouts[i], &e->rollouts[i + 1],
			(e->rollout_count - i - 1) * sizeof(struct live *));
		e->rollout_count--;
		break;
	}
	live_free(l);
}

struct loading {
	struct engine *e;
	int err;
	unsigned rows;
	int64_t last;
};

static bool load_rollout(void *ctx, const struct rollout *r)
{
	struct loading *l = ctx;

	l->err = live_add(l->e, r, NULL);
	l->rows++;
	l->last = r->id;
	return l->err == 0;
}

static void count_left(struct live *l, unsigned wave, bool released, const struct member_facts *m,
		       int64_t members)
{
	wave_count(&l->left.waves[wave], m, released, members);
	wave_count(&l->counts.waves[wave], m, released, members);
	l->left_count += members;
}

static void load_left(void *ctx, unsigned wave, bool released, const struct member_facts *m,
		      int64_t members)
{
	count_left(ctx, wave, released, m, members);
}

int rollouts_load(struct engine *e)
{
	struct loading l = {.e = e};
	int err;

	do {
		l.rows = 0;
		err = store_rollouts(e->conf.store, l.last, ROLLOUT_PAGE, load_rollout, &l);
	} while (!err && !l.err && l.rows == ROLLOUT_PAGE);
	if (!err)
		err = l.err;
	for (size_t i = 0; i < e->rollout_count && !err; i++)
		err = store_rollout_left(e->conf.store, e->rollouts[i]->r.id, load_left,
					 e->rollouts[i]);
	return err;
}

void rollouts_free(struct engine *e)
{
	for (size_t i = 0; i < e->rollout_count; i++)
		live_free(e->rollouts[i]);
	free(e->rollouts);
	e->rollouts = NULL;
	e->rollout_count = 0;
}

/* ---- members ---- */

size_t live_find(const struct live *l, int64_t place)
{
	size_t low = 0, high = l->count;

	while (low < high) {
		size_t mid = low + (high - low) / 2;
		if (l->list[mid].place < place)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

static struct member_facts entry_facts(const struct entry *en)
{
	return (struct member_facts){.result = (enum member)en->result,
				     .applied = en->applied,
				     .silent = en->silent,
				     .out = en->out,
				     .trying = en->trying};
}

static void entry_count(struct live *l, const struct entry *en, int sign)
{
	struct member_facts m = entry_facts(en);

	wave_count(&l->counts.waves[rollout_wave_of(&l->r, en->place)], &m,
		   en->place < l->r.reached, sign);
}

static struct entry entry_make(int64_t place, const struct member_facts *m)
{
	return (struct entry){.place = place,
			      .result = (uint8_t)m->result,
			      .applied = m->applied,
			      .silent = m->silent,
			      .out = m->out,
			      .trying = m->trying};
}

int live_insert(struct live *l, int64_t place, const struct member_facts *m)
{
	size_t at = live_find(l, place);

	if (at < l->count && l->list[at].place == place)
		return 0; /* it is there */
	if (l->count == l->cap) {
		size_t cap = l->cap ? l->cap * 2 : 256;
		struct entry *grown = reallocarray(l->list, cap, sizeof(*grown));
		if (!grown)
			return ERR_NOMEM;
		l->list = grown;
		l->cap = cap;
	}
	memmove(&l->list[at + 1], &l->list[at], (l->count - at) * sizeof(l->list[0]));
	l->list[at] = entry_make(place, m);
	l->count++;
	entry_count(l, &l->list[at], 1);
	return 0;
}

/* As store_set_member() and store_set_device_delete() keep it. */
static void keep_left(struct live *l, int64_t place, struct member_facts m)
{
	if (!rollout_is_over(&l->r) || !l->r.enlisted)
		return;
	m.trying = false; /* what comes of that is another rollout's */
	count_left(l, rollout_wave_of(&l->r, place), place < l->r.reached, &m, 1);
}

void live_left(struct live *l, int64_t place)
{
	size_t at = live_find(l, place);

	if (at == l->count || l->list[at].place != place || l->list[at].left)
		return;
	entry_count(l, &l->list[at], -1);
	keep_left(l, place, entry_facts(&l->list[at]));
	l->list[at].left = true;
	l->gaps = true;
}

static void close_up(struct live *l)
{
	size_t kept = 0;

	for (size_t i = 0; i < l->count; i++)
		if (!l->list[i].left)
			l->list[kept++] = l->list[i];
	l->count = kept;
	l->gaps = false;
}

void lives_close_up(struct engine *e)
{
	for (size_t i = 0; i < e->rollout_count; i++)
		if (e->rollouts[i]->gaps)
			close_up(e->rollouts[i]);
}

void live_leave(struct live *l, int64_t place)
{
	live_left(l, place);
	if (l->gaps)
		close_up(l);
}

void live_recount(struct live *l)
{
	l->counts = l->left;
	for (size_t i = 0; i < l->count; i++)
		entry_count(l, &l->list[i], 1);
}

void rollouts_moved(struct engine *e, const struct update *before, const struct update *after)
{
	struct live *l = live_of(e, before->device.rollout);

	if (!l)
		return;
	size_t at = live_find(l, before->device.rollout_place);
	if (at == l->count || l->list[at].place != before->device.rollout_place) {
		if (!after) /* before it was read */
			keep_left(l, before->device.rollout_place,
				  member_facts(&before->device, l->r.id));
		return; /* it is read later, and as it is then */
	}
	if (!after) {
		live_leave(l, before->device.rollout_place);
		return;
	}
	struct member_facts m = member_facts(&after->device, l->r.id);
	struct entry now = entry_make(l->list[at].place, &m);
	if (now.result == l->list[at].result && now.applied == l->list[at].applied &&
	    now.silent == l->list[at].silent && now.out == l->list[at].out &&
	    now.trying == l->list[at].trying)
		return;
	entry_count(l, &l->list[at], -1);
	l->list[at] = now;
	entry_count(l, &l->list[at], 1);
}

/* ---- what was committed ---- */

static void tell(struct live *l, int64_t from, int64_t to)
{
	if (to <= from)
		return;
	if (l->tell_to <= l->tell_from) {
		l->tell_from = from;
		l->tell_to = to;
		return;
	}
	if (from < l->tell_from)
		l->tell_from = from;
	if (to > l->tell_to)
		l->tell_to = to;
}

static void reached_moved(struct live *l, int64_t reached)
{
	size_t end = live_find(l, reached);

	for (size_t i = live_find(l, l->r.reached); i < end; i++) {
		struct member_facts m = entry_facts(&l->list[i]);
		struct wave_counts *c = &l->counts.waves[rollout_wave_of(&l->r, l->list[i].place)];
		wave_count(c, &m, false, -1);
		wave_count(c, &m, true, 1);
	}
}

void live_adopt(struct engine *e, struct live *l, const struct rollout *r)
{
	enum rollout_state was = l->r.state;
	bool enlisted = r->enlisted && !l->r.enlisted;
	bool stopped = rollout_stops(&l->r), stops = rollout_stops(r);

	if (r->reached > l->r.reached)
		reached_moved(l, r->reached);
	tell(l, l->r.reached, r->reached);
	l->r = *r;
	l->r.rev++;
	if (enlisted)
		live_recount(l);
	if (rollout_is_over(r) && !r->enlisted) { /* before its members were known */
		l->phase = LIVE_WALK;
		l->count = 0;
		live_recount(l);
	}
	if (stopped != stops || r->state == ROLLOUT_ABORTED)
		tell(l, 0, r->reached); /* it is their target again, or not any more */
	if (r->state == was)
		return;
	const struct product *p = catalog_product(e, r->product);
	const char *by = r->ended_by[0] ? " by=" : r->why == HALT_NONE ? "" : " why=";
	log_info("rollout=\"%s %s\" state=%s->%s%s%s", p ? p->name : "?", r->name,
		 rollout_state_name(was), rollout_state_name(r->state), by,
		 r->ended_by[0]	       ? r->ended_by
		 : r->why == HALT_NONE ? ""
				       : rollout_why_name(r->why));
}

int live_put_event(struct engine *e, struct store_set *set, const struct rollout *r)
{
	const struct product *p = catalog_product(e, r->product);
	const struct release *release = catalog_release(e, r->release);
	json_t *o = view_rollout_event(p ? p->name : "", release ? release->version : "", r);
	char *text = o ? json_dumps(o, JSON_COMPACT) : NULL;
	char topic[128];
	struct buf name = buf_writer(topic, sizeof(topic));

	json_decref(o);
	if (!text)
		return ERR_NOMEM;
	buf_put_str(&name, e->conf.event_prefix ? e->conf.event_prefix : "");
	buf_put_str(&name, event_topic(EVENT_ROLLOUT_STATE));
	const struct store_event ev = {.topic = buf_cstr(&name),
				       .data = "",
				       .device = "",
				       .json = text,
				       .at_ms = clock_read().wall_ms};
	store_set_event(set, &ev);
	free(text);
	return 0;
}

/* ---- targets that are newer than its end ---- */

/* By the order of acts, even where the clock was set back between them. */
int64_t rollouts_target_ms(const struct engine *e, int64_t product, int64_t now_ms)
{
	for (size_t i = 0; i < e->rollout_count; i++) {
		const struct rollout *r = &e->rollouts[i]->r;
		if (r->product == product && r->ended_ms >= now_ms)
			now_ms = r->ended_ms + 1;
	}
	return now_ms;
}

bool rollouts_overrule(const struct engine *e, int64_t product, int64_t target_ms)
{
	for (size_t i = 0; i < e->rollout_count; i++) {
		const struct rollout *r = &e->rollouts[i]->r;
		if (r->product == product && rollout_is_target(r) && r->state == ROLLOUT_DONE &&
		    r->ended_ms >= target_ms)
			return true;
	}
	return false;
}

void live_end(struct engine *e, struct rollout *r)
{
	const struct product *p = catalog_product(e, r->product);

	if (r->state != ROLLOUT_DONE)
		return;
	if (p && r->ended_ms < p->target_ms)
		r->ended_ms = p->target_ms;
	for (size_t i = 0; i < e->group_count; i++) {
		const struct device_group *g = &e->groups[i]->group;
		if (g->product == r->product && r->ended_ms < g->target_ms)
			r->ended_ms = g->target_ms;
	}
	if (r->ended_ms < e->group_moved_ms)
		r->ended_ms = e->group_moved_ms;
}

/* ---- for views ---- */

static void live_view(struct engine *e, const struct live *l, struct engine_rollout *ret)
{
	const struct product *p = catalog_product(e, l->r.product);
	const struct release *release = catalog_release(e, l->r.release);

	ret->rollout = l->r;
	ret->counts = l->counts;
	ret->members = (int64_t)l->count + l->left_count;
	ret->left = l->left_count;
	ret->counted = l->phase == LIVE_READY || (rollout_is_over(&l->r) && !l->r.enlisted);
	(void)buf_copy_str(ret->product, sizeof(ret->product), p ? p->name : "");
	(void)buf_copy_str(ret->version, sizeof(ret->version), release ? release->version : "");
	ret->release_state = release ? release->state : RELEASE_WITHDRAWN;
	ret->release_bytes = release ? release->size_bytes : 0;
}

int engine_rollout(struct engine *e, const char *product, const char *name,
		   struct engine_rollout *ret)
{
	const struct live *l = live_named(e, product, name);

	if (!l)
		return ERR_NOENT;
	live_view(e, l, ret);
	return 0;
}

bool engine_rollout_at(struct engine *e, size_t index, struct engine_rollout *ret)
{
	if (index >= e->rollout_count)
		return false;
	live_view(e, e->rollouts[index], ret);
	return true;
}

bool engine_rollout_open(struct engine *e, size_t *index, struct engine_rollout *ret)
{
	for (; *index < e->rollout_count; ++*index)
		if (rollout_is_open(&e->rollouts[*index]->r))
			return engine_rollout_at(e, (*index)++, ret);
	return false;
}
