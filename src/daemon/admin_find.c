/* SPDX-License-Identifier: Apache-2.0
 *
 * The lists of devices and of attempts, with their filters. Rows are walked in the order of the
 * cursor, and filtered here: at most LIMIT_PAGE are looked at for one page (of devices in memory
 * more, see engine_roster.c), so that no filter can hold the loop, however rare what it looks for;
 * `next` leads on from the last one looked at.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "daemon/admin_args.h"
#include "daemon/admin_list.h"
#include "daemon/admin_routes.h"
#include "daemon/view.h"

enum { ANY = 2 }; /* of a filter that takes 0 and 1 */

/* A wall clock may have been set back: attempts are numbered in another order than their times
 * then. We look so much farther back than `since`. */
#define CLOCK_STEP_MS (24LL * 3600 * 1000)

/* ---- values ---- */

static bool query_either(struct request *rq, const char *key, uint64_t *ret)
{
	return query_number(rq, key, 0, 1, ANY, ret);
}

static bool query_refuse(struct request *rq, const char *key, const char *text, const char *wanted)
{
	reply_problem(rq, 400, "invalid", "query: %s: \"%.64s\" is not %s", key, text, wanted);
	return false;
}

bool time_parse(const char *text, int64_t *ret_ms)
{
	struct tm tm = {0};
	int at = 0, ms = 0, more = 0;

	/* So few digits cannot overflow. NOLINTBEGIN(cert-err34-c) */
	bool ok = sscanf(text, "%4d-%2d-%2dT%2d:%2d:%2d%n", &tm.tm_year, &tm.tm_mon, &tm.tm_mday,
			 &tm.tm_hour, &tm.tm_min, &tm.tm_sec, &at) == 6;
	if (ok && text[at] == '.')
		ok = sscanf(text + at, ".%3d%n", &ms, &more) == 1 && more == 4;
	/* NOLINTEND(cert-err34-c) */
	ok = ok && strcmp(text + at + more, "Z") == 0 && !strpbrk(text, " +") &&
	     tm.tm_year >= 1970 && tm.tm_mon >= 1 && tm.tm_mon <= 12 && tm.tm_mday >= 1 &&
	     tm.tm_mday <= 31 && tm.tm_hour >= 0 && tm.tm_hour <= 23 && tm.tm_min >= 0 &&
	     tm.tm_min <= 59 && tm.tm_sec >= 0 && tm.tm_sec <= 60 && ms >= 0;
	if (!ok)
		return false;
	tm.tm_year -= 1900;
	tm.tm_mon--;
	*ret_ms = (int64_t)timegm(&tm) * 1000 + ms;
	return true;
}

/* 0: not given. */
static bool query_time(struct request *rq, const char *key, int64_t *ret_ms)
{
	char text[32];

	*ret_ms = 0;
	if (!query_text(rq, key, sizeof(text), text))
		return false;
	if (!text[0] || time_parse(text, ret_ms))
		return true;
	return query_refuse(rq, key, text, "a time such as 2026-11-22T23:51:07Z");
}

static bool query_product(struct request *rq, struct product *ret)
{
	char name[LIMIT_PRODUCT_NAME + 1];

	return query_text(rq, "product", sizeof(name), name) &&
	       (!name[0] || find_product(rq, name, ret));
}

static bool query_version(struct request *rq, const char *key, char dst[LIMIT_VERSION + 1])
{
	return query_text(rq, key, LIMIT_VERSION + 1, dst);
}

/* ---- devices ---- */

/* Followed by the rows that fit. */
struct device_find {
	struct engine *engine;
	struct filter filter;
	unsigned count, limit;
	struct device rows[];
};

/* But for tags: the store is busy with this row. */
static bool device_row(void *ctx, const struct device *d)
{
	struct device_find *f = ctx;

	if (engine_filter_row(f->engine, &f->filter, d))
		f->rows[f->count++] = *d;
	return f->count < f->limit;
}

static int device_json(struct request *rq, void *ctx, unsigned index, json_t **ret_row)
{
	const struct device_find *f = ctx;
	const struct device *d = &f->rows[index];
	struct store_tags tags;
	struct engine_device now;
	bool fits = true;
	int err = engine_filter_tags(f->engine, &f->filter, d->id, &fits);

	if (!err && fits)
		err = store_tags(rq->admin->conf.store, d->id, &tags);
	if (err || !fits || engine_device_row(f->engine, d, &now))
		return err;
	*ret_row = view_device_row(&now);
	view_put_tags(ret_row, &tags);
	return *ret_row ? 0 : ERR_NOMEM;
}

void devices_list(struct request *rq)
{
	struct filter_page page = {0};
	struct filter filter = {0};
	char after[LIMIT_DEVICE_ID + 1];
	uint64_t limit;

	if (!query_text(rq, "after", sizeof(after), after) || !query_filter(rq, &filter) ||
	    !query_number(rq, "limit", 1, LIMIT_PAGE, 100, &limit) ||
	    !body_keys(rq, rq->json, "", ""))
		return;
	if (limit > LIMIT_DEVICE_ROWS)
		limit = LIMIT_DEVICE_ROWS;
	struct device_find *f = calloc(1, sizeof(*f) + limit * sizeof(f->rows[0]));
	if (!f) {
		reply_error(rq, ERR_NOMEM, "out of memory");
		return;
	}
	f->engine = rq->admin->conf.engine;
	f->filter = filter;
	f->limit = (unsigned)limit;
	store_reads_begin(rq->admin->conf.store);
	int err =
		engine_filter_walk(f->engine, &f->filter, after, LIMIT_PAGE, device_row, f, &page);
	store_reads_end(rq->admin->conf.store);
	if (!read_ok(rq, err)) {
		free(f);
		return;
	}
	struct list_of of = {.name = "devices", .count = f->count, .row = device_json, .ctx = f};
	if (page.more)
		of.next = json_string(page.last);
	list_reply(rq, &of);
}

/* ---- attempts ---- */

struct attempt_find {
	struct product product; /* id 0: any */
	char release[LIMIT_VERSION + 1];
	enum verdict verdict; /* VERDICT_NONE: any */
	uint64_t charged;
	int64_t since_ms, until_ms; /* 0: any */
	unsigned count, limit, looked;
	uint64_t last; /* the last one looked at */
	bool older;    /* all others were created before `since` */
	struct attempt rows[];
};

static bool attempt_fits(const struct attempt_find *f, const struct attempt *a)
{
	bool closed = a->state == ATTEMPT_CLOSED;

	return (!f->product.id || a->product == f->product.id) &&
	       (!f->release[0] || strcmp(a->version, f->release) == 0) &&
	       (f->verdict == VERDICT_NONE || (closed && a->verdict == f->verdict)) &&
	       (f->charged == ANY || (closed && a->charged == (f->charged == 1))) &&
	       (!f->since_ms || a->created_ms >= f->since_ms) &&
	       (!f->until_ms || a->created_ms < f->until_ms);
}

static bool attempt_row(void *ctx, const struct attempt *a)
{
	struct attempt_find *f = ctx;

	f->looked++;
	f->last = a->number;
	f->older = f->since_ms && a->created_ms < f->since_ms - CLOCK_STEP_MS;
	if (attempt_fits(f, a))
		f->rows[f->count++] = *a;
	return f->count < f->limit && !f->older;
}

static bool query_verdict(struct request *rq, enum verdict *ret)
{
	char text[32], words[VERDICT_COUNT * 24];
	struct buf b = buf_writer(words, sizeof(words));

	if (!query_text(rq, "verdict", sizeof(text), text))
		return false;
	if (!text[0] || (!verdict_from_name(text, ret) && *ret != VERDICT_NONE))
		return true;
	buf_put_str(&b, "a verdict");
	for (unsigned i = VERDICT_NONE + 1; i < VERDICT_COUNT; i++) {
		buf_put_str(&b, i > VERDICT_NONE + 1 ? ", " : ": ");
		buf_put_str(&b, verdict_name((enum verdict)i));
	}
	return query_refuse(rq, "verdict", text, buf_cstr(&b));
}

static bool query_release(struct request *rq, struct attempt_find *f)
{
	if (!query_product(rq, &f->product) || !query_version(rq, "release", f->release))
		return false;
	if (f->product.id || !f->release[0])
		return true;
	reply_problem(rq, 400, "invalid", "query: release: say of which product");
	return false;
}

static int attempt_row_json(struct request *rq, void *ctx, unsigned index, json_t **ret_row)
{
	const struct attempt_find *f = ctx;

	*ret_row = attempt_json(rq, &f->rows[index]);
	return *ret_row ? 0 : ERR_NOMEM;
}

/* Takes it. */
static void reply_attempts(struct request *rq, struct attempt_find *f)
{
	struct list_of of = {
		.name = "attempts", .count = f->count, .row = attempt_row_json, .ctx = f};

	if (!f->older && (f->count == f->limit || f->looked == LIMIT_PAGE))
		of.next = json_integer((json_int_t)f->last);
	list_reply(rq, &of);
}

static bool device_exists(struct request *rq, const char *id)
{
	struct engine_device now;
	bool found = find_device(rq, id, &now);

	explicit_bzero(&now, sizeof(now)); /* it holds a key */
	return found;
}

static bool attempts_asked(struct request *rq, struct attempt_find *f)
{
	return query_release(rq, f) && query_verdict(rq, &f->verdict) &&
	       query_either(rq, "charged", &f->charged) && query_time(rq, "since", &f->since_ms) &&
	       query_time(rq, "until", &f->until_ms);
}

void attempts_list(struct request *rq)
{
	struct attempt_find asked = {.verdict = VERDICT_NONE};
	char device[LIMIT_DEVICE_ID + 1];
	uint64_t before, limit;
	bool open_only;

	if (!query_text(rq, "device", sizeof(device), device) || !attempts_asked(rq, &asked) ||
	    !query_flag(rq, "open", &open_only) ||
	    !query_number(rq, "before", 0, INT64_MAX, 0, &before) ||
	    !query_number(rq, "limit", 1, LIMIT_PAGE, 100, &limit) ||
	    !body_keys(rq, rq->json, "", ""))
		return;
	struct attempt_find *f = calloc(1, sizeof(*f) + limit * sizeof(f->rows[0]));
	if (!f) {
		reply_error(rq, ERR_NOMEM, "out of memory");
		return;
	}
	memcpy(f, &asked, sizeof(asked));
	f->limit = (unsigned)limit;
	if (read_ok(rq, store_attempts(rq->admin->conf.store, device, open_only, before, LIMIT_PAGE,
				       attempt_row, f)) &&
	    (f->looked || !device[0] || device_exists(rq, device)))
		reply_attempts(rq, f);
	else
		free(f);
}
