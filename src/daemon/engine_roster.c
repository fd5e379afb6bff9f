/* SPDX-License-Identifier: Apache-2.0
 *
 * The roster: read in steps once the loop turns, then moved along with each commit. Until it is
 * whole, and after an import, filters read the store as they did. What it says fits is looked at in
 * the store once more, so a fact may lag behind the row, but it never says that a device does not
 * fit which fitted when its last commit was told.
 */
#include <string.h>

#include "base/clock.h"
#include "daemon/engine_filter.h"
#include "daemon/engine_internal.h"

enum {
	LOAD_ROWS = 300,       /* read in one turn */
	LOAD_AGAIN_MS = 2,     /* until the next one */
	LOAD_LATER_MS = 1000,  /* after an import's part, or a failure */
	LOOK_MAX = 200000,     /* looked at for one page */
	LOOK_STATE_MAX = 60000 /* the same where the state is asked for: its target is looked up */
};

/* ---- facts ---- */

static uint64_t text_hash(const struct engine *e, const char *text)
{
	return text[0] ? dev_hash(e, text) : 0;
}

static uint64_t digest_hash(const struct engine *e, const struct digest *d)
{
	char hex[2 * LIMIT_DIGEST + 1];
	struct buf b = buf_writer(hex, sizeof(hex));

	if (!d->len)
		return 0;
	buf_put_hex(&b, d->value, d->len);
	return text_hash(e, buf_cstr(&b));
}

static struct brief brief_of(const struct engine *e, const struct device *d)
{
	struct brief b;

	memset(&b, 0, sizeof(b));
	b.product = d->product;
	b.group = d->group;
	b.group_ms = d->group_ms;
	b.lock = d->lock;
	b.settled = d->settled;
	b.rollout = d->rollout;
	b.place = d->rollout_place;
	b.before = d->rollout_before;
	b.goes_back = d->rollout_return;
	b.protocol = text_hash(e, d->protocol);
	b.hold = (uint32_t)d->hold;
	b.online = d->online;
	b.development = d->development;
	b.drifted = d->drifted;
	b.updating = d->attempt != 0;
	b.disabled = d->disabled_ms != 0;
	if (!d->has_report)
		return b;
	b.has_report = true;
	b.version = text_hash(e, d->report.version);
	b.hardware = text_hash(e, d->report.hardware);
	b.has_digest = d->report.running.len != 0;
	b.digest_kind = d->report.running.kind;
	b.digest = digest_hash(e, &d->report.running);
	b.updater = d->report.mode == MODE_UPDATER;
	return b;
}

/* ---- it follows the commits ---- */

/* All of it is read again, some time later. */
void engine_roster_reset(struct engine *e)
{
	roster_clear(&e->roster.list);
	e->roster.ready = false;
	e->roster.loaded[0] = 0;
	if (e->roster.runs)
		(void)uv_timer_start(&e->roster.timer, engine_roster_step, LOAD_LATER_MS, 0);
}

/* What is not read yet is read as it is then. */
static bool is_loaded(const struct engine *e, const char *id)
{
	return e->roster.ready || strcmp(id, e->roster.loaded) <= 0;
}

static void moved_group(struct engine *e, const struct device *d)
{
	if (e->group_moved_ms < d->group_ms)
		e->group_moved_ms = d->group_ms;
}

void engine_roster_put(struct engine *e, const struct device *d)
{
	struct brief b = brief_of(e, d);

	moved_group(e, d);
	if (is_loaded(e, d->id) && roster_set(&e->roster.list, d->id, &b))
		engine_roster_reset(e);
}

void engine_roster_moved(struct engine *e, const struct device *before, const struct device *after)
{
	if (!after) {
		roster_remove(&e->roster.list, before->id);
		return;
	}
	struct brief was = brief_of(e, before), is = brief_of(e, after);
	if (memcmp(&was, &is, sizeof(is)) != 0)
		engine_roster_put(e, after);
}

void engine_roster_added(struct engine *e, const char *id)
{
	struct device d;

	if (!is_loaded(e, id))
		return;
	if (store_device(e->conf.store, id, &d))
		engine_roster_reset(e);
	else
		engine_roster_put(e, &d);
}

void engine_roster_member(struct engine *e, const char *id, int64_t rollout, int64_t place,
			  int64_t before, int64_t goes_back)
{
	struct brief *b = roster_find(&e->roster.list, id);

	if (!b)
		return;
	b->rollout = rollout;
	b->place = place;
	b->before = before;
	b->goes_back = goes_back;
}

/* ---- it is read ---- */

struct loading {
	struct engine *e;
	unsigned rows;
	int err;
};

static bool load_row(void *ctx, const struct device *d)
{
	struct loading *l = ctx;
	struct brief b = brief_of(l->e, d);

	moved_group(l->e, d);

	l->rows++;
	l->err = roster_set(&l->e->roster.list, d->id, &b);
	(void)buf_copy_str(l->e->roster.loaded, sizeof(l->e->roster.loaded), d->id);
	return !l->err;
}

void engine_roster_step(uv_timer_t *timer)
{
	struct engine *e = timer->data;
	struct loading l = {.e = e};
	int err = store_devices(e->conf.store, 0, e->roster.loaded, LOAD_ROWS, load_row, &l);

	if (err || l.err)
		engine_roster_reset(e);
	else if (l.rows == LOAD_ROWS)
		(void)uv_timer_start(timer, engine_roster_step, LOAD_AGAIN_MS, 0);
	else
		e->roster.ready = true;
}

/* ---- what a filter may mean ---- */

struct look {
	struct engine *e;
	const struct filter *f;
	uint64_t hash[LIMIT_FILTER_TERMS]; /* of its values that are texts */
	const struct release *release;	   /* the last one looked at, and its hashes */
	uint64_t version, digest;
	unsigned digest_kind;
	struct device scratch; /* what plan_target() and device_state() ask about */
};

/* As plan_against_target() has it. */
static bool on_target(struct look *l, const struct brief *b, const struct release *r)
{
	if (!b->has_report || b->updater)
		return false;
	if (l->release != r || l->digest_kind != b->digest_kind) {
		const struct digest *known = release_digest(r, b->digest_kind);
		l->release = r;
		l->digest_kind = b->digest_kind;
		l->version = text_hash(l->e, r->version);
		l->digest = known ? digest_hash(l->e, known) : 0;
	}
	if (b->has_digest && l->digest)
		return l->digest == b->digest;
	/* It was seen to run another release of this label. */
	return b->version == l->version && (!b->settled || b->settled == r->id || b->drifted);
}

/* What plan_target() says; `d` has what it asks about. */
static int64_t target_of(struct engine *e, const struct brief *b, struct device *d,
			 enum target_why *ret_why)
{
	const struct product *p = catalog_product(e, b->product);

	d->product = b->product;
	d->group = b->group;
	d->group_ms = b->group_ms;
	d->lock = b->lock;
	d->development = b->development;
	d->rollout = b->rollout;
	d->rollout_place = b->place;
	d->rollout_before = b->before;
	d->rollout_return = b->goes_back;
	*ret_why = TARGET_NONE;
	return p ? plan_target(d, p, group_of(e, b->group), rollout_of(e, b->rollout),
			       rollout_of(e, b->before), ret_why)
		 : 0;
}

static enum device_state state_of(struct look *l, const struct brief *b)
{
	struct device *d = &l->scratch;
	enum target_why why;
	const struct release *target = catalog_release(l->e, target_of(l->e, b, d, &why));

	d->hold = (enum hold)b->hold;
	d->disabled_ms = b->disabled;
	d->has_report = b->has_report;
	return device_state(d, b->updating, target != NULL, target && on_target(l, b, target));
}

static const char *group_name(struct engine *e, int64_t group)
{
	const struct device_group *g = group_of(e, group);

	return !group ? "none" : g ? g->name : "";
}

static bool term_holds(struct look *l, unsigned i, const struct brief *b)
{
	const struct filter_term *t = &l->f->terms[i];

	switch (t->key) {
	case FILTER_PRODUCT:
		return strcmp(engine_product_name(l->e, b->product), t->value) == 0;
	case FILTER_GROUP:
		return strcmp(group_name(l->e, b->group), t->value) == 0;
	case FILTER_DEVELOPMENT:
		return b->development == t->number;
	case FILTER_STATE:
		return state_of(l, b) == t->number;
	case FILTER_HOLD:
		return filter_hold_fits(t, (enum hold)b->hold);
	case FILTER_ONLINE:
		return b->online == t->number;
	case FILTER_VERSION:
		return b->version == l->hash[i];
	case FILTER_DRIFTED:
		return b->drifted == t->number;
	case FILTER_LOCKED:
		return (b->lock != 0) == t->number;
	case FILTER_HARDWARE:
		return b->hardware == l->hash[i];
	case FILTER_PROTOCOL:
		return b->protocol == l->hash[i];
	case FILTER_TAG: /* asked of the store */
	case FILTER_KEYS:
		break;
	}
	return !t->differs;
}

static bool may_fit(struct look *l, const struct brief *b)
{
	for (unsigned i = 0; i < l->f->count; i++)
		if (term_holds(l, i, b) == l->f->terms[i].differs)
			return false;
	return true;
}

/* Does it ask for more than the store finds by an index? */
bool engine_roster_helps(const struct engine *e, const struct filter *f)
{
	bool helps = false;

	for (unsigned i = 0; i < f->count; i++) {
		const struct filter_term *t = &f->terms[i];
		if (t->key == FILTER_TAG && !t->differs)
			return false;
		helps = helps || t->differs || (t->key != FILTER_PRODUCT && t->key != FILTER_GROUP);
	}
	return helps && e->roster.ready;
}

int engine_roster_walk(struct engine *e, const struct filter *f, const char *after, unsigned limit,
		       store_device_row *row, void *ctx, struct filter_page *ret)
{
	struct look l = {.e = e, .f = f};
	struct roster_at at = roster_after(&e->roster.list, after);
	unsigned left = filter_find(f, FILTER_STATE) ? LOOK_STATE_MAX : LOOK_MAX;
	const struct brief *b;
	const char *id;
	int err = 0;

	for (unsigned i = 0; i < f->count; i++) {
		left = f->terms[i].key == FILTER_STATE ? LOOK_STATE_MAX : left;
		l.hash[i] = text_hash(e, f->terms[i].value);
	}
	while (!err && !ret->more && (b = roster_next(&e->roster.list, &at, &id))) {
		struct device d;
		bool on = true;
		left--;
		if (may_fit(&l, b)) {
			err = store_device(e->conf.store, id, &d);
			on = err || row(ctx, &d);
			err = err == ERR_NOENT ? 0 : err; /* it goes at this moment */
			ret->looked++;
		}
		ret->more = !on || !left || ret->looked == limit;
		if (ret->more)
			(void)buf_copy_str(ret->last, sizeof(ret->last), id);
	}
	return err;
}

int64_t engine_roster_targeted(struct engine *e, const struct rollout *r)
{
	struct roster_at at = roster_after(&e->roster.list, "");
	struct device d = {0};
	const struct brief *b;
	int64_t devices = 0;
	const char *id;

	while ((b = roster_next(&e->roster.list, &at, &id))) {
		enum target_why why;
		if (b->rollout != r->id && b->before != r->id)
			continue;
		(void)target_of(e, b, &d, &why);
		if (b->rollout == r->id)
			devices += why == TARGET_ROLLOUT || why == TARGET_RETURN;
		else
			devices += why == TARGET_EARLIER;
	}
	return e->roster.ready ? devices : -1;
}
