/* SPDX-License-Identifier: Apache-2.0 */
#include "store/check.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "core/attempt.h"
#include "store/audit.h"
#include "store/columns.h"
#include "store/migrate.h"
#include "store/row.h"

#define RESTORE "restore a backup: postbootd --restore FILE, see postbootd(8)"

struct check {
	const struct store_check *conf;
	struct db db;
	unsigned problems, told; /* told: of the present kind */
	const char *what;	 /* of the present question */
};

static void finding(struct check *c, const char *where, const char *what, const char *todo)
{
	const struct store_finding f = {.where = where, .what = what, .todo = todo};

	c->problems++;
	if (c->told++ < STORE_CHECK_TOLD && c->conf->finding)
		c->conf->finding(c->conf->ctx, &f);
}

/* ---- questions: each row of the answer is a problem, and its text the place ---- */

#define ATTEMPT_PLACE "'attempt ' || a.id || ' of ' || a.device"
#define OPEN_ATTEMPT "a.state <> 'closed'"
/* Of each attempt the events that tell of its start and of its end. */
#define FLASH                                                                                      \
	"WITH f AS (SELECT attempt AS id, SUM(data = 'started') AS started, "                      \
	"SUM(data <> 'started') AS ended, MIN(CASE data WHEN 'started' THEN seq END) AS first, "   \
	"MIN(CASE data WHEN 'started' THEN NULL ELSE seq END) AS last "                            \
	"FROM event WHERE topic LIKE '%flash/status' GROUP BY attempt) "                           \
	"SELECT 'attempt ' || f.id FROM f "
/* While no event has gone by retention, all must be there. */
#define ALL_KEPT "(SELECT MIN(seq) FROM event) = 1"

#define UNCHARGED_WORD(name, word, charged, hold, help) "('" word "', " #charged "), "

struct question {
	const char *sql, *what;
};

/* clang-format off */
static const struct question questions[] = {
	/* meta */
	{"SELECT 'meta' WHERE NOT EXISTS (SELECT 1 FROM meta WHERE key = 'stream' "
	 "AND typeof(value) = 'text' AND length(value) = 32)",
	 "it has no name of its event stream"},
	{"SELECT 'meta' WHERE COALESCE((SELECT value FROM meta WHERE key = 'head'), 0) < "
	 "COALESCE((SELECT MAX(seq) FROM event), 0)",
	 "the head is below the newest event"},
	{"SELECT 'meta' WHERE (SELECT MAX(seq) FROM event) < "
	 "(SELECT value FROM meta WHERE key = 'head')",
	 "the newest events are missing: the head is above them"},
	{"SELECT 'meta' WHERE (SELECT value FROM meta WHERE key = 'updated') < "
	 "(SELECT COUNT(*) FROM attempt WHERE state = 'closed' AND charged = 0 "
	 "AND verdict = 'updated') OR (SELECT value FROM meta WHERE key = 'failed') < "
	 "(SELECT COUNT(*) FROM attempt WHERE state = 'closed' AND charged = 1)",
	 "fewer attempts are counted as closed than there are"},

	/* events */
	{"SELECT 'event ' || (e.seq + 1) FROM event e WHERE e.seq < (SELECT MAX(seq) FROM event) "
	 "AND NOT EXISTS (SELECT 1 FROM event n WHERE n.seq = e.seq + 1)",
	 "it is missing: the sequence has a gap"},
	{FLASH "WHERE started > 1", "flash/status started was told more than once"},
	{FLASH "WHERE ended > 1", "flash/status success or failed was told more than once"},
	{FLASH "WHERE last < first", "its end was told before its start"},
	{FLASH "WHERE started = 0 AND " ALL_KEPT, "its end was told and its start was not"},
	{FLASH "WHERE started > 0 AND ended = 0 AND NOT EXISTS (SELECT 1 FROM attempt a "
	 "WHERE a.id = f.id AND " OPEN_ATTEMPT ")",
	 "its start was told, it is not open, and its end was never told"},
	{FLASH "WHERE ended > 0 AND EXISTS (SELECT 1 FROM attempt a WHERE a.id = f.id AND "
	 OPEN_ATTEMPT ")",
	 "its end was told and it is still open"},
	{"SELECT " ATTEMPT_PLACE " FROM event e JOIN attempt a ON a.id = e.attempt "
	 "WHERE e.topic LIKE '%flash/status' AND e.data <> 'started' "
	 "AND (e.data = 'success') <> (a.verdict = 'updated')",
	 "its event and its verdict differ about whether it succeeded"},
	{"SELECT " ATTEMPT_PLACE " FROM attempt a WHERE a.started = 1 AND " ALL_KEPT " AND "
	 "NOT EXISTS (SELECT 1 FROM event e WHERE e.device = a.device AND e.device <> '' "
	 "AND e.attempt = a.id AND e.topic LIKE '%flash/status' AND e.data = 'started')",
	 "it has started and no event tells so"},
	{"SELECT " ATTEMPT_PLACE " FROM attempt a WHERE a.state = 'closed' AND " ALL_KEPT " AND "
	 "NOT EXISTS (SELECT 1 FROM event e WHERE e.device = a.device AND e.device <> '' "
	 "AND e.attempt = a.id AND (e.topic LIKE '%attempt/closed' OR "
	 "(e.topic LIKE '%flash/status' AND e.data <> 'started')))",
	 "it is closed and no event tells so"},

	/* webhooks */
	{"SELECT 'hook ' || name FROM hook WHERE position > "
	 "COALESCE((SELECT value FROM meta WHERE key = 'head'), 0)",
	 "it is past the newest event"},
	{"SELECT 'hook ' || h.name FROM hook h WHERE h.state <> 'disabled' AND h.why <> 'none'",
	 "it is not disabled and has a reason for it"},

	/* attempts */
	{"SELECT " ATTEMPT_PLACE " FROM attempt a WHERE " OPEN_ATTEMPT
	 " AND (a.verdict <> 'none' OR a.closed_ms <> 0)",
	 "it is open and has a verdict or a time of closing"},
	{"SELECT " ATTEMPT_PLACE " FROM attempt a WHERE " OPEN_ATTEMPT " AND (a.deadline_at_ms <= 0 "
	 "OR a.deadline_at_ms <> MIN(a.stall_at_ms, a.total_at_ms))",
	 "it is open and its deadline is not the earlier of its two limits"},
	{"SELECT " ATTEMPT_PLACE " FROM attempt a WHERE a.state = 'closed' "
	 "AND (a.verdict = 'none' OR a.closed_ms = 0)",
	 "it is closed and has no verdict or no time of closing"},
	{"SELECT " ATTEMPT_PLACE " FROM attempt a WHERE a.state = 'closed' "
	 "AND (a.deadline_at_ms <> 0 OR a.stall_at_ms <> 0 OR a.total_at_ms <> 0)",
	 "it is closed and still has a deadline"},
	{"SELECT " ATTEMPT_PLACE " FROM attempt a WHERE a.state = 'closed' AND a.charged = 1 AND "
	 "(a.verdict, 0) IN (VALUES " VERDICT_LIST(UNCHARGED_WORD) "('', 0))",
	 "it is charged and its verdict is one that is never charged"},
	{"SELECT 'device ' || a.device FROM attempt a WHERE " OPEN_ATTEMPT
	 " GROUP BY a.device HAVING COUNT(*) > 1",
	 "it has more than one open attempt"},
	{"SELECT " ATTEMPT_PLACE " FROM attempt a WHERE " OPEN_ATTEMPT " AND NOT EXISTS "
	 "(SELECT 1 FROM device d WHERE d.id = a.device AND d.attempt = a.id)",
	 "it is open and its device does not know of it"},
	{"SELECT " ATTEMPT_PLACE " FROM attempt a WHERE " OPEN_ATTEMPT " AND NOT EXISTS "
	 "(SELECT 1 FROM release r WHERE r.id = a.release AND r.sha256 = a.sha256 "
	 "AND r.product = a.product)",
	 "it is open and its release is missing or another one"},

	/* devices, products */
	{"SELECT 'device ' || d.id FROM device d WHERE d.attempt <> 0 AND NOT EXISTS "
	 "(SELECT 1 FROM attempt a WHERE a.id = d.attempt AND a.device = d.id AND "
	 OPEN_ATTEMPT ")",
	 "its open attempt is missing, closed or another device's"},
	{"SELECT 'device ' || d.id FROM device d WHERE d.last_attempt <> 0 AND NOT EXISTS "
	 "(SELECT 1 FROM attempt a WHERE a.id = d.last_attempt AND a.device = d.id "
	 "AND a.state = 'closed')",
	 "its last attempt is missing, open or another device's"},
	{"SELECT 'device ' || d.id FROM device d WHERE d.failed_attempt <> 0 AND NOT EXISTS "
	 "(SELECT 1 FROM attempt a WHERE a.id = d.failed_attempt AND a.device = d.id "
	 "AND a.state = 'closed')",
	 "its last failed attempt is missing, open or another device's"},
	{"SELECT 'device ' || d.id FROM device d WHERE d.disabled_ms <> 0 "
	 "AND (d.attempt <> 0 OR d.online = 1)",
	 "it is disabled, and online or in an attempt"},
	{"SELECT 'device ' || d.id FROM device d JOIN release r ON r.id = d.lock "
	 "WHERE r.product <> d.product",
	 "it is locked to another product's release"},
	{"SELECT 'product ' || p.name FROM product p WHERE (p.ca_count > 0) <> "
	 "EXISTS (SELECT 1 FROM product_ca c WHERE c.product = p.id)",
	 "its row and its CAs differ"},
	{"SELECT 'release ' || r.version FROM release r "
	 "WHERE (r.signed_by = '') <> (r.signed_key = '')",
	 "it has a signer without a key, or a key without a signer"},
	{"SELECT 'device ' || d.id FROM device d WHERE d.plain + d.certified + "
	 "EXISTS (SELECT 1 FROM device_key k WHERE k.device = d.id) > 1",
	 "it has more than one of a key, a certificate and plain CoAP"},
	{"SELECT 'device ' || d.id FROM device d WHERE d.protocol IN ('', 'native') AND "
	 "EXISTS (SELECT 1 FROM device_talk t WHERE t.device = d.id)",
	 "it has a talk of a protocol that it does not speak"},
	{"SELECT 'device ' || d.id FROM device d WHERE d.protocol NOT IN ('', 'native') AND "
	 "NOT EXISTS (SELECT 1 FROM device_talk t WHERE t.device = d.id)",
	 "its talk is missing"},
	{"SELECT 'rollout ' || o.name FROM rollout o WHERE o.state <> 'aborted' AND NOT EXISTS "
	 "(SELECT 1 FROM release r WHERE r.id = o.release AND r.product = o.product)",
	 "its release is missing, or another product's"},
	{"SELECT 'rollout ' || o.name FROM rollout o WHERE NOT EXISTS "
	 "(SELECT 1 FROM rollout_wave w WHERE w.rollout = o.id)",
	 "it has no waves"},
	{"SELECT 'device ' || d.id FROM device d JOIN rollout o ON o.id = d.rollout "
	 "WHERE o.product <> d.product",
	 "it is in a rollout of another product"},
	{"SELECT 'device ' || d.id FROM device d JOIN device_group g ON g.id = d.group_id "
	 "WHERE g.product <> d.product",
	 "it is in a group of another product"},
	{"SELECT 'group ' || g.name FROM device_group g JOIN release r ON r.id = g.target "
	 "WHERE r.product <> g.product",
	 "its target is another product's release"},
	{"SELECT 'product ' || p.name FROM product p JOIN release r ON r.id = p.target "
	 "WHERE r.product <> p.id",
	 "its target is another product's release"},

	/* the audit log */
	{"SELECT 'audit entry ' || (e.seq + 1) FROM audit e WHERE e.seq < "
	 "(SELECT MAX(seq) FROM audit) AND NOT EXISTS (SELECT 1 FROM audit n "
	 "WHERE n.seq = e.seq + 1)",
	 "it is missing: the log has a gap"},
};
/* clang-format on */
enum { QUESTIONS = sizeof(questions) / sizeof(questions[0]) };

/* Calls `row` for each row of an answer. */
static int each_row(struct check *c, const char *sql, void (*row)(struct check *c, sqlite3_stmt *s))
{
	sqlite3_stmt *stmt = NULL;
	int rc = sqlite3_prepare_v2(c->db.handle, sql, -1, &stmt, NULL);

	while (!rc && (rc = sqlite3_step(stmt)) == SQLITE_ROW) {
		row(c, stmt);
		rc = SQLITE_OK;
	}
	if (rc != SQLITE_OK && rc != SQLITE_DONE)
		(void)snprintf(c->db.error, sizeof(c->db.error), "%s",
			       sqlite3_errmsg(c->db.handle));
	sqlite3_finalize(stmt);
	return err_from_sqlite(rc);
}

static const char *column(sqlite3_stmt *stmt, int i)
{
	const char *text = (const char *)sqlite3_column_text(stmt, i);

	return text ? text : "?";
}

static void question_row(struct check *c, sqlite3_stmt *stmt)
{
	finding(c, column(stmt, 0), c->what, RESTORE);
}

/* What cannot be read at all is a finding, too: the rest is still looked at. */
static int unreadable(struct check *c, const char *where, int err)
{
	if (err == ERR_CORRUPT || err == ERR_IO) {
		finding(c, where, c->db.error, RESTORE);
		return 0;
	}
	return err;
}

static int ask(struct check *c)
{
	int err = 0;

	for (int i = 0; i < QUESTIONS && !err; i++) {
		c->what = questions[i].what;
		c->told = 0;
		err = unreadable(c, "database", each_row(c, questions[i].sql, question_row));
	}
	return err;
}

/* ---- sqlite's own ---- */

static void integrity_row(struct check *c, sqlite3_stmt *stmt)
{
	if (strcmp(column(stmt, 0), "ok") != 0)
		finding(c, "file", column(stmt, 0), RESTORE);
}

static void foreign_row(struct check *c, sqlite3_stmt *stmt)
{
	char where[160], what[160];

	(void)snprintf(where, sizeof(where), "table %s row %s", column(stmt, 0), column(stmt, 1));
	(void)snprintf(what, sizeof(what), "it refers to a row of %s that is not there",
		       column(stmt, 2));
	finding(c, where, what, RESTORE);
}

static int integrity(struct check *c)
{
	c->told = 0;
	int err = unreadable(c, "file", each_row(c, "PRAGMA integrity_check(1000)", integrity_row));
	c->told = 0;
	if (!err)
		err = unreadable(c, "file", each_row(c, "PRAGMA foreign_key_check", foreign_row));
	return err;
}

/* ---- each row as the daemon reads it ---- */

static void release_row(struct check *c, sqlite3_stmt *stmt)
{
	struct release r;

	if (!row_read_release(stmt, &r) && c->conf->release)
		c->conf->release(c->conf->ctx, &r);
}

/* I1: what it has to show for its success. */
static void attempt_proof(struct check *c, const struct attempt *a, const char *where)
{
	if (a->state == ATTEMPT_CLOSED && a->verdict == VERDICT_UPDATED && a->via == VIA_OTA &&
	    (a->required & ~a->evidence))
		finding(c, where, "it counts as updated without all of the required proof",
			RESTORE);
}

static int read_product(struct check *c, sqlite3_stmt *stmt, char where[160])
{
	struct product p;

	(void)c;
	(void)snprintf(where, 160, "product %s", column(stmt, 2));
	return row_read_product(stmt, &p);
}

static int read_release(struct check *c, sqlite3_stmt *stmt, char where[160])
{
	struct release r;

	(void)c;
	(void)snprintf(where, 160, "release %s", column(stmt, 0));
	return row_read_release(stmt, &r);
}

static int read_device(struct check *c, sqlite3_stmt *stmt, char where[160])
{
	struct device d;

	(void)c;
	(void)snprintf(where, 160, "device %s", column(stmt, 0));
	return row_read_device(stmt, &d);
}

static int read_attempt(struct check *c, sqlite3_stmt *stmt, char where[160])
{
	struct attempt a;

	(void)snprintf(where, 160, "attempt %s of %s", column(stmt, 1), column(stmt, 2));
	int err = row_read_attempt(stmt, &a);
	if (!err)
		attempt_proof(c, &a, where);
	return err;
}

/* The statements of the daemon, without an end. */
static const struct {
	enum stmt_id id;
	int64_t first; /* of a number; a name begins with "" */
	bool named;
	int (*read)(struct check *c, sqlite3_stmt *stmt, char where[160]);
} tables[] = {
	{STMT_PRODUCTS, 0, true, read_product},
	{STMT_RELEASES, 0, false, read_release},
	{STMT_DEVICES, 0, true, read_device},
	{STMT_ATTEMPTS, INT64_MAX, false, read_attempt},
};
enum { TABLES = sizeof(tables) / sizeof(tables[0]) };

static int read_table(struct check *c, int i)
{
	sqlite3_stmt *stmt = c->db.stmt[tables[i].id];
	char where[160];
	int found = 0;

	c->told = 0;
	if ((tables[i].named ? sqlite3_bind_text(stmt, 1, "", 0, SQLITE_STATIC)
			     : sqlite3_bind_int64(stmt, 1, tables[i].first)) ||
	    sqlite3_bind_int64(stmt, 2, -1))
		return ERR_NOMEM;
	while ((found = db_step(&c->db, tables[i].id)) > 0)
		if (tables[i].read(c, stmt, where))
			finding(c, where, "the row holds something that no row may hold", RESTORE);
	db_reset(&c->db, tables[i].id);
	return unreadable(c, "database", found);
}

static void diagnosis_row(struct check *c, sqlite3_stmt *stmt)
{
	struct diagnosis d;
	char where[64];

	if (row_read_diagnosis(stmt, &d) == 0)
		return;
	(void)snprintf(where, sizeof(where), "attempt %s", column(stmt, 2));
	finding(c, where, "a diagnosis of it is not one that there is", RESTORE);
}

static void digest_row(struct check *c, sqlite3_stmt *stmt)
{
	struct digest d;
	char where[64];

	if (row_read_digest(stmt, &d) == 0)
		return;
	(void)snprintf(where, sizeof(where), "release %s", column(stmt, 0));
	finding(c, where, "a digest of it cannot be read", RESTORE);
}

static int rows(struct check *c)
{
	int err = 0;

	for (int i = 0; i < TABLES && !err; i++)
		err = read_table(c, i);
	c->told = 0;
	if (!err)
		err = unreadable(
			c, "database",
			each_row(c, "SELECT kind, facts, attempt FROM diagnosis", diagnosis_row));
	c->told = 0;
	if (!err) /* position first, as row_read_digest() wants it */
		err = unreadable(c, "database",
				 each_row(c, "SELECT position, kind, value FROM release_digest",
					  digest_row));
	return err;
}

/* ---- the audit log, hash by hash ---- */

/* One of meta; ERR_NOENT: it is not there. */
static int meta_head(struct check *c, const char *key, struct store_audit_head *ret)
{
	sqlite3_stmt *stmt = c->db.stmt[STMT_META];
	int err = 0;

	if (sqlite3_bind_text(stmt, 1, key, -1, SQLITE_STATIC))
		return ERR_NOMEM;
	int found = db_step(&c->db, STMT_META);
	if (found > 0)
		err = audit_head_parse(column(stmt, 0), ret);
	db_reset(&c->db, STMT_META);
	return found < 0 ? found : found == 0 ? ERR_NOENT : err;
}

static void chain_end(struct check *c, const struct store_audit_check *audit)
{
	char where[64];

	if (!audit->bad)
		return;
	(void)snprintf(where, sizeof(where), "audit entry %llu", (unsigned long long)audit->bad);
	finding(c, where, audit->why,
		"compare with an export or a backup: postbootctl audit verify, see postbootd(8)");
}

static int chain(struct check *c)
{
	struct store_audit_check audit = {0};
	struct store_audit_head removed = {0}, head = {0};
	sqlite3_stmt *stmt = c->db.stmt[STMT_AUDITS];
	int err = meta_head(c, "audit_removed", &removed), found = 0;

	c->told = 0;
	if (err == ERR_CORRUPT)
		finding(c, "meta", "the record of the audit rows that were taken out is damaged",
			RESTORE);
	if (err && err != ERR_NOENT)
		return err == ERR_CORRUPT ? 0 : err;
	audit_check_from(&audit, &removed);
	if (sqlite3_bind_int64(stmt, 1, (int64_t)removed.seq) || sqlite3_bind_int64(stmt, 2, -1))
		return ERR_NOMEM;
	err = 0;
	while (!err && !audit.bad && (found = db_step(&c->db, STMT_AUDITS)) > 0) {
		struct store_audit_row row;
		audit_row_read(stmt, &row);
		err = audit_check_row(&audit, c->conf->hash, &row);
	}
	db_reset(&c->db, STMT_AUDITS);
	if (!err && found < 0)
		return unreadable(c, "database", found);
	if (!err && !audit.bad) {
		err = meta_head(c, "audit_head", &head);
		audit_check_head(&audit, &head, err);
		if (!audit.done) /* nobody writes meanwhile: the end was cut off */
			audit_check_head(&audit, &head, err);
		err = 0;
	}
	if (!err)
		chain_end(c, &audit);
	return err;
}

/* ---- all of it ---- */

static int look(struct check *c)
{
#define RELEASE_COLUMN_NAME(column, how, field, arg) ", " #column
	const char *releases = "SELECT id" RELEASE_COLUMNS(RELEASE_COLUMN_NAME) " FROM release "
										"ORDER BY id";
#undef RELEASE_COLUMN_NAME
	long long version = 0;
	int err = integrity(c);

	if (!err)
		err = db_query_number(&c->db, "PRAGMA user_version", &version);
	/* An older program's database is brought up at the next start. Until then only what is
	 * common to all versions can be asked. */
	if (err || version != migrate_version())
		return err;
	err = db_prepare(&c->db, false);
	if (err)
		return unreadable(c, "database", err);
	err = rows(c);
	if (!err)
		err = ask(c);
	if (!err && c->conf->hash)
		err = chain(c);
	if (!err && c->conf->release)
		err = each_row(c, releases, release_row);
	return err;
}

int store_check(const struct store_check *conf, unsigned *ret_problems, char error[200])
{
	struct check c = {.conf = conf};
	struct stat st;

	error[0] = 0;
	if (stat(conf->path, &st) != 0 || st.st_size == 0) {
		(void)snprintf(error, 200, "there is no such file, or it is empty");
		return ERR_NOENT;
	}
	int err = migrate_open_quietly(&c.db, conf->path, conf->vfs, conf->alone);
	if (!err)
		err = db_exec(&c.db, "BEGIN"); /* one moment */
	if (!err)
		err = migrate_check(&c.db);
	if (!err)
		err = look(&c);
	if (err)
		(void)snprintf(error, 200, "%s", c.db.error);
	else
		*ret_problems = c.problems;
	db_done(&c.db);
	return err;
}
