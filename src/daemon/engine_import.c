/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/engine_import.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

#include "base/log.h"
#include "daemon/engine_import_inner.h"
#include "daemon/import_row.h"
#include "daemon/view.h"

enum { STEP_NS = 1500000, IN_FLIGHT = 4, RETRY_MS = 5000, KEEP_DIGITS = 2 * LIMIT_PSK };

static const char no_memory[] = "out of memory; nothing was imported";

/* ---- ends ---- */

void import_free(struct import *im)
{
	if (!im)
		return;
	if (im->e->import == im)
		im->e->import = NULL;
	if (im->text) {
		explicit_bzero(im->text + im->at, im->len - im->at);
		free(im->text);
	}
	for (size_t i = 0; i < im->part_count; i++)
		free(im->parts[i]);
	free(im->parts);
	free(im->ids.slots);
	free(im->keys.slots);
	free(im->skips);
	json_decref(im->part);
	json_decref(im->errors);
	free(im);
}

struct import_result import_result(const struct import *im)
{
	return (struct import_result){
		.err = im->err,
		.why = im->why,
		.decided = im->decided,
		.devices = im->devices,
		.skipped = im->skipped,
		.bad = im->bad,
		.errors = im->errors,
		.skipped_lines = im->skips ? im->skips : "",
	};
}

static void tell_done(struct import *im)
{
	if (im->conf.done)
		im->conf.done(im->conf.ctx, im);
	im->conf.done = NULL;
	im->conf.wake = NULL;
}

static bool finish(struct import *im)
{
	im->state = IMPORT_OVER;
	tell_done(im);
	import_free(im);
	return false;
}

static void fail(struct import *im, int err, const char *why)
{
	if (im->err)
		return;
	im->err = err;
	im->why = why;
}

static const char *store_failed(int err)
{
	return err == ERR_FULL ? "the disk of the database is full; nothing was imported. Free "
				 "space there, and try again"
			       : "the database could not be written; nothing was imported. See "
				 "\"postbootctl status\"";
}

/* ---- sets ---- */

static void set_done(void *ctx, const struct store_result *result)
{
	struct import *im = ctx;

	im->in_flight--;
	if (err_is_fault(result->err))
		engine_store_failed(im->e, "-", result->err);
	if (result->err && !im->set_err)
		im->set_err = result->err;
	if (!result->err && im->state == IMPORT_DECIDE) {
		im->decided = true;
		audit_log(&im->conf.by, "device import", "", result);
	}
	if (im->conf.wake)
		im->conf.wake(im->conf.ctx);
	else
		im->e->import_step_due = true; /* nobody waits: the tick goes on */
}

static struct store_set *set_new(struct import *im)
{
	struct store_set *set = store_set_new(set_done, im);

	if (!set)
		fail(im, ERR_NOMEM, no_memory);
	return set;
}

static void submit(struct import *im, struct store_set *set)
{
	im->in_flight++;
	store_submit(im->e->conf.store, set);
}

/* ---- what went before: nothing may be on its way that we cannot see, and no rubbish be left ----
 */

static bool begin(struct import *im)
{
	struct store_set *set;

	im->state = IMPORT_DROP;
	if (im->conf.dry_run) {
		im->state = IMPORT_CHECK;
		return true;
	}
	set = set_new(im);
	if (set)
		submit(im, set);
	return false;
}

/* Parts of an import that was not decided go, from the last one on. */
static bool drop(struct import *im)
{
	int64_t last = 0;
	struct store_set *set;
	int err;

	if (im->in_flight)
		return false;
	err = im->set_err ? im->set_err : store_import_last(im->e->conf.store, &last);
	if (err && err != ERR_NOENT)
		fail(im, err, store_failed(err));
	if (err) { /* the rest goes before the next import, or at the start */
		im->state = IMPORT_CHECK;
		return im->err || im->text_done ? finish(im) : true;
	}
	set = set_new(im);
	if (!set)
		return finish(im);
	for (int64_t part = last; part > 0 && part > last - LIMIT_IMPORT_PART; part--)
		store_set_import(set, part, "");
	submit(im, set);
	return false;
}

/* ---- writing beside the devices ---- */

static bool give_up(struct import *im)
{
	im->text_done = true;
	im->set_err = 0;
	im->state = IMPORT_DROP;
	return true;
}

static bool stage(struct import *im)
{
	struct store_set *set;

	if (im->left)
		fail(im, ERR_CLOSED, "nobody waits for it");
	if (im->set_err)
		fail(im, im->set_err, store_failed(im->set_err));
	if (im->err)
		return im->in_flight ? false : give_up(im);
	if (im->staged == im->part_count) {
		if (im->in_flight)
			return false;
		im->state = IMPORT_DECIDE;
		return true;
	}
	if (im->in_flight == IN_FLIGHT)
		return false;
	set = set_new(im);
	if (!set)
		return true;
	store_set_import(set, (int64_t)im->staged + 1, im->parts[im->staged]);
	free(im->parts[im->staged]);
	im->parts[im->staged++] = NULL;
	submit(im, set);
	return true;
}

static json_t *facts(const struct import *im)
{
	json_t *o = json_object();

	view_put(&o, "devices", json_integer((json_int_t)im->devices));
	if (im->skipped)
		view_put(&o, "skipped", json_integer((json_int_t)im->skipped));
	return o;
}

static bool decide(struct import *im)
{
	struct store_set *set;
	char *text;
	json_t *o;

	if (im->decided) {
		im->state = IMPORT_MOVE;
		im->next = (int64_t)im->part_count;
		return true;
	}
	if (im->set_err) {
		fail(im, im->set_err, store_failed(im->set_err));
		return give_up(im);
	}
	if (im->in_flight)
		return false;
	o = json_object();
	view_put(&o, "by", json_string(im->conf.by.name));
	view_put(&o, "uid", json_integer(im->conf.by.uid));
	view_put(&o, "devices", json_integer((json_int_t)im->devices));
	view_put(&o, "parts", json_integer((json_int_t)im->part_count));
	text = o ? json_dumps(o, JSON_COMPACT) : NULL;
	json_decref(o);
	set = text ? set_new(im) : NULL;
	if (set)
		store_set_import(set, 0, text);
	free(text);
	if (!set || audit_put(set, &im->conf.by, "device import", "", json_null(), facts(im))) {
		store_set_free(set);
		fail(im, ERR_NOMEM, no_memory);
		return give_up(im);
	}
	submit(im, set);
	return false;
}

/* ---- becoming devices ---- */

/* What a part is in the numbers of the fleet. */
struct arrived {
	unsigned devices, held, disabled, grouped;
	int64_t groups[LIMIT_IMPORT_PART];
};

static void arrive(struct arrived *a, const struct device *d)
{
	a->devices++;
	a->held += d->hold != HOLD_NONE;
	a->disabled += d->disabled_ms != 0;
	if (d->group && a->grouped < LIMIT_IMPORT_PART)
		a->groups[a->grouped++] = d->group;
}

static json_t *audit_row(struct engine *e, const struct import_row *row)
{
	json_t *o = audit_device(e, &row->device, NULL);

	view_put_tags(&o, &row->tags);
	return o;
}

/* The devices of a part into a set, and the part out of it. */
static int move_part(struct engine *e, const struct actor *by, int64_t part, struct store_set *set,
		     struct arrived *ret)
{
	int64_t now_ms = clock_read().wall_ms;
	struct import_row row;
	char *text = NULL;
	json_t *list, *kept;
	size_t i;
	int err = store_import(e->conf.store, part, &text);

	if (err)
		return err;
	list = json_loads(text, 0, NULL);
	if (!json_is_array(list))
		err = ERR_CORRUPT;
	json_array_foreach(list, i, kept)
	{
		if (err)
			break;
		err = import_row_load(kept, now_ms, &row);
		if (err)
			break;
		import_row_put(set, &row);
		err = audit_put(set, by, "device add", row.device.id, json_null(),
				audit_row(e, &row));
		arrive(ret, &row.device);
	}
	store_set_import(set, part, "");
	explicit_bzero(&row, sizeof(row));
	explicit_bzero(text, strlen(text));
	free(text);
	json_decref(list);
	return err;
}

static void moved(struct engine *e, const struct arrived *a)
{
	e->stats.devices += a->devices;
	e->stats.held += a->held;
	e->stats.disabled += a->disabled;
	engine_count_protocol(e, "")->devices += a->devices;
	for (unsigned i = 0; i < a->grouped; i++)
		group_count_moved(e, 0, a->groups[i]);
}

struct moving {
	struct import *im;
	int64_t part;
	struct arrived arrived;
};

static void part_moved(void *ctx, const struct store_result *result)
{
	struct moving *m = ctx;

	if (result->err)
		m->im->failed_part = m->part > m->im->failed_part ? m->part : m->im->failed_part;
	else
		moved(m->im->e, &m->arrived);
	set_done(m->im, result);
	free(m);
}

/* What was decided is done later: whoever waits is told so. */
static bool put_off(struct import *im)
{
	int err = im->set_err;

	fail(im, err,
	     "the import is decided, and goes on by itself as soon as the database can be written. "
	     "See \"postbootctl status\"");
	log_err("import parts_left=%" PRId64 " error=%s so=\"it is tried again\"", im->failed_part,
		err_word(err));
	tell_done(im);
	im->set_err = 0;
	im->next = im->failed_part;
	im->failed_part = 0;
	im->retry_ms = clock_read().now_ms + RETRY_MS;
	return false;
}

static bool move_one(struct import *im)
{
	struct store_set *set = NULL;
	struct moving *m = calloc(1, sizeof(*m));
	int err = m ? 0 : ERR_NOMEM;

	if (!err)
		*m = (struct moving){.im = im, .part = im->next};
	if (!err)
		set = store_set_new(part_moved, m);
	if (!err && !set)
		err = ERR_NOMEM;
	if (!err)
		err = move_part(im->e, &im->conf.by, im->next, set, &m->arrived);
	if (!err && im->next == 1)
		store_set_import(set, 0, "");
	if (err == ERR_NOENT && im->next > 1) { /* before another one failed */
		store_set_free(set);
		free(m);
		im->next--;
		return true;
	}
	if (err) {
		store_set_free(set);
		free(m);
		im->set_err = err;
		im->failed_part = im->next > im->failed_part ? im->next : im->failed_part;
		return true;
	}
	im->next--;
	submit(im, set);
	return true;
}

static bool move(struct import *im)
{
	if (im->retry_ms)
		return false;
	if (im->set_err)
		return im->in_flight ? false : put_off(im);
	if (im->next == 0)
		return im->in_flight ? false : finish(im);
	/* The last one takes the decision with it: all others are there by then. */
	if (im->next == 1 && im->in_flight)
		return false;
	return im->in_flight < IN_FLIGHT && move_one(im);
}

/* ---- steps ---- */

bool import_step(struct import *im)
{
	switch (im->state) {
	case IMPORT_BEGIN:
		return begin(im);
	case IMPORT_DROP:
		return drop(im);
	case IMPORT_CHECK:
		if (import_check(im, STEP_NS))
			return true;
		if (im->err || im->conf.dry_run || !im->devices)
			return finish(im);
		im->state = IMPORT_STAGE;
		return true;
	case IMPORT_STAGE:
		return stage(im);
	case IMPORT_DECIDE:
		return decide(im);
	case IMPORT_MOVE:
		return move(im);
	case IMPORT_OVER:
		break;
	}
	return false;
}

int engine_import(struct engine *e, const struct import_conf *conf, char *text, size_t len,
		  struct import **ret)
{
	struct import *im = e->import ? NULL : calloc(1, sizeof(*im));

	if (!im) {
		explicit_bzero(text, len);
		free(text);
		return e->import ? ERR_BUSY : ERR_NOMEM;
	}
	*im = (struct import){.e = e, .conf = *conf, .text = text, .len = len};
	im->errors = json_array();
	int err = import_check_init(im);
	if (err) {
		import_free(im);
		return err;
	}
	if (!conf->dry_run)
		e->import = im;
	*ret = im;
	return 0;
}

const char *import_bars(const struct engine *e)
{
	return e->import ? "an import of devices is under way, which none may come between; try "
			   "again in a moment"
			 : NULL;
}

bool engine_import_runs(const struct engine *e)
{
	return e->import != NULL;
}

void import_leave(struct import *im)
{
	im->conf.done = NULL;
	im->conf.wake = NULL;
	im->left = true;
	if (im->state <= IMPORT_CHECK && !im->in_flight)
		import_free(im);
	else
		im->e->import_step_due = true;
}

void import_tick(struct engine *e, int64_t now_ms)
{
	struct import *im = e->import;

	if (!im || (!im->retry_ms && !e->import_step_due))
		return;
	if (im->retry_ms && now_ms < im->retry_ms)
		return;
	im->retry_ms = 0;
	e->import_step_due = false;
	while (e->import && import_step(im))
		; /* few steps: those in flight bound them */
}

/* ---- at the start ---- */

static void told(void *ctx, const struct store_result *result)
{
	*(int *)ctx = result->err;
}

static int settle(struct engine *e, struct store_set *set, const int *err)
{
	store_submit(e->conf.store, set);
	do {
		store_flush(e->conf.store);
	} while (store_deliver(e->conf.store) > 0);
	return *err;
}

static int actor_load(struct engine *e, struct actor *ret, bool *ret_decided)
{
	char *text = NULL;
	int err = store_import(e->conf.store, 0, &text);
	json_t *o;

	*ret_decided = err == 0;
	if (err)
		return err == ERR_NOENT ? 0 : err;
	o = json_loads(text, 0, NULL);
	free(text);
	const char *name = json_string_value(json_object_get(o, "by"));
	(void)buf_copy_str(ret->name, sizeof(ret->name), name ? name : "?");
	ret->uid = (uint32_t)json_integer_value(json_object_get(o, "uid"));
	json_decref(o);
	return 0;
}

int import_resume(struct engine *e)
{
	struct actor by = {0};
	bool decided = false;
	int64_t last = 0;
	uint64_t devices = 0;
	int err = actor_load(e, &by, &decided);

	while (!err && (err = store_import_last(e->conf.store, &last)) == 0) {
		int set_err = 0;
		struct arrived arrived = {0};
		struct store_set *set = store_set_new(told, &set_err);
		if (!set)
			return ERR_NOMEM;
		if (decided && last > 0)
			err = move_part(e, &by, last, set, &arrived);
		else
			store_set_import(set, last, "");
		if (err) {
			store_set_free(set);
			break;
		}
		err = settle(e, set, &set_err);
		devices += arrived.devices;
		if (!err)
			moved(e, &arrived);
	}
	if (devices)
		log_warn("import devices=%" PRIu64 " so=\"it was decided before we stopped; all "
			 "of them are there now\"",
			 devices);
	return err == ERR_NOENT ? 0 : err;
}
