/* SPDX-License-Identifier: Apache-2.0 */
#include "works.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <fcntl.h>
#include <sqlite3.h>
#include <unistd.h>

#include "base/buf.h"
#include "store/backup.h"
#include "store/restore.h"
#include "store/schema.h"
#include "vfs.h"

/* ---- rows that keep all the rules ---- */

static void some_product(struct product *p, int64_t rev)
{
	memset(p, 0, sizeof(*p));
	p->id = rev ? 1 : 0;
	p->rev = rev;
	strcpy(p->name, "argon");
	strcpy(p->hardware, "argon");
	p->created_ms = T0;
	policy_init(&p->policy);
	p->target = rev ? 1 : 0;
}

static void some_release(struct release *r, uint8_t seed)
{
	memset(r, 0, sizeof(*r));
	r->product = 1;
	snprintf(r->version, sizeof(r->version), "1.%u.0", seed);
	r->size_bytes = 1000;
	memset(r->sha256, seed, sizeof(r->sha256));
	r->running_count = 1;
	r->running[0].len = DIGEST_SHA256;
	memset(r->running[0].value, seed, DIGEST_SHA256);
	r->created_ms = T0;
}

static void some_device(struct device *d, int64_t rev)
{
	memset(d, 0, sizeof(*d));
	strcpy(d->id, "dev");
	d->rev = rev;
	d->product = 1;
	d->created_ms = T0;
	d->plain = true;
}

enum { FIRST = 11, SECOND = 12, THIRD = 13 };

static void some_attempt(struct attempt *a, uint64_t id, enum attempt_state state)
{
	memset(a, 0, sizeof(*a));
	a->id = id;
	a->number = id - FIRST + 1;
	strcpy(a->device, "dev");
	a->product = a->release = 1;
	strcpy(a->version, "1.1.0");
	a->size_bytes = 1000;
	memset(a->sha256, 1, sizeof(a->sha256));
	a->state = state;
	a->required = EV_NEW_BOOT | EV_VERSION;
	a->created_ms = a->state_ms = T0;
	a->started = state != ATTEMPT_OFFERED;
	if (state != ATTEMPT_CLOSED) {
		a->stall_at_ms = T0 + 1000;
		a->total_at_ms = T0 + 5000;
	}
}

void some_event(struct store_set *set, const char *topic, const char *data, uint64_t attempt)
{
	const struct store_event e = {.topic = topic,
				      .data = data,
				      .device = "dev",
				      .attempt = attempt,
				      .json = "{\"product\":\"argon\"}",
				      .at_ms = T0};

	store_set_event(set, &e);
}

/* The device's row and its open attempt's, with an event. */
static void step(struct store_set *set, int64_t rev, uint64_t id, enum attempt_state state)
{
	struct device d;
	struct attempt a;

	some_device(&d, rev);
	d.attempt = id;
	d.last_attempt = id > FIRST ? id - 1 : 0;
	d.failed_attempt = id > FIRST ? FIRST : 0;
	store_set_device(set, &d);
	some_attempt(&a, id, state);
	store_set_attempt(set, &a);
}

static void verdict(struct store_set *set, int64_t rev, uint64_t id, enum verdict v)
{
	const struct diagnoses none = {.count = 0};
	struct diagnoses why = {.count = 2,
				.list = {{DIAG_CACHED_IMAGE, "0 of 1,000 bytes"},
					 {DIAG_STORAGE_FULL, "20 bytes free"}}};
	struct device d;
	struct attempt a;

	some_attempt(&a, id, ATTEMPT_CLOSED);
	a.verdict = v;
	a.charged = v == VERDICT_REVERTED;
	a.via = VIA_OTA;
	a.evidence = v == VERDICT_UPDATED ? a.required : 0;
	a.closed_ms = T0 + (int64_t)id;
	store_set_attempt(set, &a);
	store_set_diagnoses(set, id, v == VERDICT_UPDATED ? &none : &why);
	some_device(&d, rev);
	d.last_attempt = id;
	d.failed_attempt = v == VERDICT_UPDATED ? 0 : id;
	store_set_device(set, &d);
	some_event(set, "flash/status", v == VERDICT_UPDATED ? "success" : "failed", id);
}

/* ---- write-sets ---- */

static void add_product(struct store_set *set)
{
	struct product p;

	some_product(&p, 0);
	store_set_product(set, &p);
}

static void add_releases(struct store_set *set)
{
	struct release r;

	for (uint8_t i = 1; i <= 2; i++) {
		some_release(&r, i);
		store_set_release(set, &r);
	}
}

static void change_product(struct store_set *set)
{
	struct product p;

	some_product(&p, 1);
	store_set_product(set, &p);
}

static void add_device(struct store_set *set)
{
	struct device d;

	some_device(&d, 0);
	store_set_device(set, &d);
}

static void offer(struct store_set *set)
{
	struct attempt a;
	struct device d;

	some_device(&d, 1);
	d.attempt = FIRST;
	d.online = true;
	store_set_device(set, &d);
	some_attempt(&a, FIRST, ATTEMPT_OFFERED);
	a.number = 0;
	store_set_attempt(set, &a);
	some_event(set, "device/online", "", 0);
	some_event(set, "device/boot", "", 0);
}

static void status(struct store_set *set)
{
	step(set, 2, FIRST, ATTEMPT_TRANSFERRING);
	some_event(set, "flash/status", "started", FIRST);
}

static void applying(struct store_set *set)
{
	step(set, 3, FIRST, ATTEMPT_APPLYING);
}

static void reverted(struct store_set *set)
{
	verdict(set, 4, FIRST, VERDICT_REVERTED);
}

static void again(struct store_set *set)
{
	struct attempt a;
	struct device d;

	some_device(&d, 5);
	d.attempt = SECOND;
	d.last_attempt = d.failed_attempt = FIRST;
	store_set_device(set, &d);
	some_attempt(&a, SECOND, ATTEMPT_TRANSFERRING);
	a.number = 0;
	store_set_attempt(set, &a);
	some_event(set, "flash/status", "started", SECOND);
}

static void updated(struct store_set *set)
{
	verdict(set, 6, SECOND, VERDICT_UPDATED);
}

static void seen(struct store_set *set)
{
	store_set_seen(set, "dev", T0, T0 + 1);
}

static void alive(struct store_set *set)
{
	store_set_alive(set, T0);
}

int fault_hash(const void *ptr, size_t len, uint8_t ret_hash[STORE_HASH])
{
	memset(ret_hash, 7, STORE_HASH);
	for (size_t i = 0; i < len; i++)
		ret_hash[i % STORE_HASH] ^= ((const uint8_t *)ptr)[i];
	return 0;
}

static const struct store_audit an_act = {.at_ms = T0,
					  .who = "alice",
					  .act = "device force",
					  .object = "dev",
					  .before = "",
					  .after = "{}"};

static void audited(struct store_set *set)
{
	store_set_audit(set, &an_act);
}

/* Takes that row out again. */
static void pruned(struct store_set *set)
{
	struct store_audit_head through = {.seq = 1};
	char text[256], after[160], hex[2 * STORE_HASH + 1];
	struct buf b = buf_writer(hex, sizeof(hex));
	struct store_audit a = an_act;

	/* Without memory, as there may be none. */
	snprintf(text, sizeof(text), "%064d\n1\n%lld\n%s\n%s\n%s\n%s\n%s\n", 0, (long long)T0,
		 an_act.who, an_act.act, an_act.object, an_act.before, an_act.after);
	(void)fault_hash(text, strlen(text), through.hash);
	buf_put_hex(&b, through.hash, STORE_HASH);
	snprintf(after, sizeof(after), "{\"through\":1,\"hash\":\"%s\"}", buf_cstr(&b));
	a.act = AUDIT_PRUNE;
	a.after = after;
	store_set_audit_prune(set, &through);
	store_set_audit(set, &a);
}

static void third(struct store_set *set)
{
	struct attempt a;
	struct device d;

	some_device(&d, 7);
	d.attempt = THIRD;
	d.last_attempt = SECOND;
	store_set_device(set, &d);
	some_attempt(&a, THIRD, ATTEMPT_TRANSFERRING);
	a.number = 0;
	store_set_attempt(set, &a);
	some_event(set, "flash/status", "started", THIRD);
}

static void forget(struct store_set *set)
{
	const struct store_retire what = {
		.events_before_ms = T0 - 1, .events_max = 4, .attempts_before_ms = T0 + 1000};

	store_set_retire(set, &what);
}

static void quarantine_release(struct store_set *set)
{
	struct release r;

	some_release(&r, 1);
	r.id = 1;
	r.state = RELEASE_QUARANTINED;
	r.state_ms = T0 + 5;
	store_set_release_state(set, &r);
	some_event(set, "release/quarantined", "true", 0);
}

static void remove_release(struct store_set *set)
{
	store_set_release_delete(set, 2);
}

static void remove_device(struct store_set *set)
{
	struct attempt a;

	some_attempt(&a, THIRD, ATTEMPT_CLOSED);
	a.verdict = VERDICT_CANCELLED;
	a.closed_ms = T0 + 1;
	store_set_attempt(set, &a);
	some_event(set, "flash/status", "failed", THIRD);
	store_set_device_delete(set, "dev", 8);
}

/* ---- work on the files ---- */

static int open_store(const char *db, struct store **ret)
{
	const struct store_conf conf = {
		.path = db, .inline_commit = true, .vfs = VFS_NAME, .hash = fault_hash};

	return store_open(&conf, ret);
}

static int open_and_close(const char *db)
{
	struct store *s = NULL;
	int err = open_store(db, &s);

	store_close(s);
	return err;
}

static int backup(const char *db)
{
	char to[WORK_PATH + 16], error[200];
	const struct store_backup b = {.from = db, .to = to, .alone = true, .vfs = VFS_NAME};

	snprintf(to, sizeof(to), "%s-copy", db);
	unlink(to);
	int fd = open(to, O_RDWR | O_CREAT | O_EXCL, 0600);
	assert_true(fd >= 0);
	int err = store_backup(&b, error);
	fsync(fd);
	close(fd);
	return err;
}

static int restore(const char *db)
{
	char file[WORK_PATH + 16], aside[WORK_PATH + 16], error[200];
	const struct store_restore r = {.file = file, .db = db, .aside = aside, .vfs = VFS_NAME};
	bool kept;

	snprintf(file, sizeof(file), "%s-copy", db);
	snprintf(aside, sizeof(aside), "%s-aside", db);
	return store_restore(&r, &kept, error);
}

/* ---- other beginnings ---- */

static void sql(sqlite3 *handle, const char *text)
{
	char *error = NULL;

	if (sqlite3_exec(handle, text, NULL, NULL, &error))
		fail_msg("%s: %s", text, error);
}

/* Rows of all tables that both have, of the columns that both have. */
static void copy_rows(sqlite3 *handle)
{
	static const char *const tables[] = {"meta",   "product", "release",   "release_digest",
					     "device", "attempt", "diagnosis", "event"};

	for (size_t i = 0; i < sizeof(tables) / sizeof(tables[0]); i++) {
		sqlite3_stmt *stmt = NULL;
		char ask[256], text[8192];
		ask[0] = 0;
		snprintf(ask, sizeof(ask),
			 "SELECT group_concat(name) FROM pragma_table_info('%s') WHERE name IN "
			 "(SELECT name FROM pragma_table_info('%s', 'now'))",
			 tables[i], tables[i]);
		assert_int_equal(sqlite3_prepare_v2(handle, ask, -1, &stmt, NULL), SQLITE_OK);
		assert_int_equal(sqlite3_step(stmt), SQLITE_ROW);
		snprintf(text, sizeof(text), "INSERT INTO main.%s (%s) SELECT %s FROM now.%s",
			 tables[i], sqlite3_column_text(stmt, 0), sqlite3_column_text(stmt, 0),
			 tables[i]);
		sqlite3_finalize(stmt);
		sql(handle, text);
	}
}

/* The present database as a program of the first `version` steps would have made it. */
static void older(const char *db, int version)
{
	char now[WORK_PATH + 16], text[256];
	sqlite3 *handle = NULL;

	snprintf(now, sizeof(now), "%s-now", db);
	assert_int_equal(rename(db, now), 0);
	snprintf(text, sizeof(text), "%s-mark", db);
	unlink(text);
	assert_int_equal(sqlite3_open(db, &handle), SQLITE_OK);
	sql(handle, "PRAGMA journal_mode = WAL; PRAGMA synchronous = OFF");
	for (int i = 0; i < version; i++)
		sql(handle, schema_steps[i].sql);
	snprintf(text, sizeof(text),
		 "PRAGMA application_id = %d; PRAGMA user_version = %d; ATTACH '%s' AS now",
		 0x50424f54, version, now);
	sql(handle, text);
	copy_rows(handle);
	sql(handle, "DELETE FROM main.meta WHERE key NOT IN ('stream', 'head', 'alive_ms')");
	sql(handle, "DETACH now");
	assert_int_equal(sqlite3_close(handle), SQLITE_OK);
	unlink(now);
}

static void version_1(const char *db)
{
	older(db, 1);
}

static void version_2(const char *db)
{
	older(db, 2);
}

static void version_3(const char *db)
{
	older(db, 3);
}

static void a_backup(const char *db)
{
	char copy[WORK_PATH + 16];

	assert_int_equal(backup(db), 0);
	snprintf(copy, sizeof(copy), "%s-copy", db);
	assert_int_equal(rename(copy, db), 0);
}

static void with_a_backup(const char *db)
{
	assert_int_equal(backup(db), 0);
}

/* ---- the story ---- */

#define SET(title, function)                                                                       \
	{                                                                                          \
		.name = (title), .fill = (function), .sharp = true                                 \
	}

const struct work works[] = {
	{.name = "create", .run = open_and_close, .may_be_absent = true},
	SET("product add", add_product),
	SET("release add", add_releases),
	SET("product target", change_product),
	SET("device add", add_device),
	SET("offer", offer),
	SET("status", status),
	SET("applying", applying),
	SET("verdict with diagnoses", reverted),
	SET("second attempt", again),
	SET("success", updated),
	SET("last contact", seen),
	SET("alive", alive),
	SET("audited act", audited),
	SET("third attempt", third),
	{.name = "open", .run = open_and_close},
	{.name = "migrate from 1", .run = open_and_close, .prepare = version_1, .aside = true},
	{.name = "migrate from 2", .run = open_and_close, .prepare = version_2, .aside = true},
	{.name = "migrate from 3", .run = open_and_close, .prepare = version_3, .aside = true},
	{.name = "open a backup", .run = open_and_close, .prepare = a_backup, .aside = true},
	{.name = "backup", .run = backup, .product = "-copy", .aside = true},
	{.name = "restore", .run = restore, .prepare = with_a_backup, .aside = true},
	SET("group, signer, hook", add_group),
	SET("target of a group, rollout", start_rollout),
	SET("wave released", release_wave),
	SET("dead letter, import", put_aside),
	SET("retention", forget),
	SET("audit pruned", pruned),
	SET("release quarantine", quarantine_release),
	SET("release remove", remove_release),
	SET("device remove", remove_device),
};
const unsigned work_count = sizeof(works) / sizeof(works[0]);

static void take_result(void *ctx, const struct store_result *result)
{
	*(struct store_result *)ctx = *result;
}

int work_do(const struct work *w, const char *db, void (*arm)(void *ctx), void *ctx,
	    void (*acknowledged)(void *ctx))
{
	struct store_result result = {.err = 0};
	struct store *s = NULL;

	if (w->run) {
		arm(ctx);
		int err = w->run(db);
		if (!err)
			acknowledged(ctx);
		return err;
	}
	assert_int_equal(open_store(db, &s), 0);
	arm(ctx);
	struct store_set *set = store_set_new(take_result, &result);
	if (set) {
		w->fill(set);
		store_submit(s, set);
		while (store_deliver(s))
			;
	}
	int err = set ? result.err : ERR_NOMEM;
	if (!err)
		acknowledged(ctx);
	store_close(s);
	return err;
}
