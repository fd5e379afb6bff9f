/* SPDX-License-Identifier: Apache-2.0 */
#include "store/audit.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"

/* ---- the chain ---- */

int audit_hash(store_hash *hash, const uint8_t before[STORE_HASH], uint64_t seq,
	       const struct store_audit *a, uint8_t ret_hash[STORE_HASH])
{
	const char *const texts[] = {a->who, a->act, a->object, a->before, a->after};
	char hex[2 * STORE_HASH + 1];
	struct buf b = buf_writer(hex, sizeof(hex));
	size_t cap = sizeof(hex) + 64;
	int len;

	if (!hash)
		return ERR_UNSUPPORTED;
	buf_put_hex(&b, before, STORE_HASH);
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		cap += strlen(texts[i]) + 1;
	char *text = malloc(cap);
	if (!text)
		return ERR_NOMEM;
	len = snprintf(text, cap, "%s\n%" PRIu64 "\n%" PRId64 "\n%s\n%s\n%s\n%s\n%s\n",
		       buf_cstr(&b), seq, a->at_ms, a->who, a->act, a->object, a->before, a->after);
	int err = hash(text, (size_t)len, ret_hash);
	free(text);
	return err;
}

char *audit_head_text(const struct store_audit_head *head, char dst[AUDIT_HEAD_TEXT + 1])
{
	char hex[2 * STORE_HASH + 1];
	struct buf b = buf_writer(hex, sizeof(hex));

	buf_put_hex(&b, head->hash, STORE_HASH);
	(void)snprintf(dst, AUDIT_HEAD_TEXT + 1, "%020" PRIu64 ":%s", head->seq, buf_cstr(&b));
	return dst;
}

int audit_head_parse(const char *text, struct store_audit_head *ret_head)
{
	struct store_audit_head head = {0};
	const char *colon = strchr(text, ':');
	size_t len = 0;

	if (!colon || strspn(text, "0123456789") != 20 || colon != text + 20 ||
	    buf_from_hex(colon + 1, strlen(colon + 1), head.hash, STORE_HASH, &len) ||
	    len != STORE_HASH)
		return ERR_CORRUPT;
	head.seq = strtoull(text, NULL, 10);
	*ret_head = head;
	return 0;
}

/* ERR_NOENT: there is none; ERR_CORRUPT: it is something else. */
static int head_read(struct store *s, const char *key, struct store_audit_head *ret_head)
{
	char text[AUDIT_HEAD_TEXT + 1];
	int err = store_meta(s, key, NULL, text, sizeof(text));

	return err ? err : audit_head_parse(text, ret_head);
}

int store_audit_removed(struct store *s, struct store_audit_head *ret_removed)
{
	int err = head_read(s, "audit_removed", ret_removed);

	if (err == ERR_NOENT)
		*ret_removed = (struct store_audit_head){0};
	return err == ERR_NOENT ? 0 : err;
}

static int last_seq(struct store *s, uint64_t *ret_seq)
{
	struct db *db = &s->reader;
	int found = db_step(db, STMT_AUDIT_LAST);

	if (found > 0)
		*ret_seq = (uint64_t)sqlite3_column_int64(db->stmt[STMT_AUDIT_LAST], 0);
	db_reset(db, STMT_AUDIT_LAST);
	return found < 0 ? found : 0;
}

int audit_load(struct store *s, struct store_audit_head *ret_head)
{
	struct store_audit_head head = {0};
	uint64_t last = 0;
	int err = head_read(s, "audit_head", &head);

	if (err && err != ERR_NOENT && err != ERR_CORRUPT)
		return err;
	err = last_seq(s, &last);
	if (err)
		return err;
	if (last != head.seq)
		log_err("audit head=%" PRIu64 " last=%" PRIu64
			" error=\"rows were cut off or put in by hand\" "
			"do=\"postbootctl audit verify\"",
			head.seq, last);
	/* A number is never given twice, and what does not fit together shows for ever. */
	if (last > head.seq)
		head.seq = last;
	*ret_head = head;
	return 0;
}

/* ---- rows ---- */

static const char *column(sqlite3_stmt *stmt, int i)
{
	const char *text = (const char *)sqlite3_column_text(stmt, i);

	return text ? text : "";
}

/* Texts that go on behind a NUL, or a hash that is none, are somebody's work. */
static bool row_is_whole(sqlite3_stmt *stmt)
{
	enum { FIRST_TEXT = 2, HASH = 7 };

	for (int i = FIRST_TEXT; i < HASH; i++)
		if (strlen(column(stmt, i)) != (size_t)sqlite3_column_bytes(stmt, i))
			return false;
	return sqlite3_column_bytes(stmt, HASH) == STORE_HASH;
}

void audit_row_read(sqlite3_stmt *stmt, struct store_audit_row *ret)
{
	*ret = (struct store_audit_row){.seq = (uint64_t)sqlite3_column_int64(stmt, 0),
					.what = {.at_ms = sqlite3_column_int64(stmt, 1),
						 .who = column(stmt, 2),
						 .act = column(stmt, 3),
						 .object = column(stmt, 4),
						 .before = column(stmt, 5),
						 .after = column(stmt, 6)}};
	if (row_is_whole(stmt)) /* else zeros, which never fit */
		memcpy(ret->hash, sqlite3_column_blob(stmt, 7), STORE_HASH);
}

/* ---- verifying ---- */

static void bad(struct store_audit_check *c, uint64_t seq, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
static void bad(struct store_audit_check *c, uint64_t seq, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(c->why, sizeof(c->why), fmt, ap);
	va_end(ap);
	c->bad = seq;
	c->done = true;
}

void audit_check_from(struct store_audit_check *c, const struct store_audit_head *removed)
{
	c->removed = *removed;
	if (removed->seq > c->at.seq)
		c->at = *removed;
}

/* The newest act that took rows out says up to which, and its row is in the chain. */
static void note_removal(struct store_audit_check *c, const struct store_audit *what)
{
	static const char key[] = "\"hash\":\"";
	const char *hash = strstr(what->after, key);
	size_t len = 0;

	if (strcmp(what->act, AUDIT_PRUNE) != 0)
		return;
	if (!hash || strlen(hash) < sizeof(key) - 1 + (size_t)2 * STORE_HASH ||
	    buf_from_hex(hash + sizeof(key) - 1, (size_t)2 * STORE_HASH, c->told, STORE_HASH, &len))
		memset(c->told, 0, STORE_HASH);
}

int audit_check_row(struct store_audit_check *c, store_hash *of, const struct store_audit_row *row)
{
	uint8_t hash[STORE_HASH];

	if (row->seq != c->at.seq + 1) {
		bad(c, c->at.seq + 1,
		    "row %" PRIu64 " is missing: after row %" PRIu64 " comes row %" PRIu64,
		    c->at.seq + 1, c->at.seq, row->seq);
		return 0;
	}
	int err = audit_hash(of, c->at.hash, row->seq, &row->what, hash);
	if (err)
		return err;
	if (memcmp(hash, row->hash, STORE_HASH) != 0) {
		bad(c, row->seq,
		    "row %" PRIu64 " was changed, or is not the one that was written after row "
		    "%" PRIu64,
		    row->seq, c->at.seq);
		return 0;
	}
	c->at.seq = row->seq;
	memcpy(c->at.hash, hash, STORE_HASH);
	note_removal(c, &row->what);
	return 0;
}

void audit_check_removed(struct store_audit_check *c)
{
	c->done = true;
	if (c->removed.seq && memcmp(c->told, c->removed.hash, STORE_HASH) != 0)
		bad(c, c->removed.seq,
		    "rows up to %" PRIu64 " are gone, and the log has no act that took them out",
		    c->removed.seq);
}

void audit_check_head(struct store_audit_check *c, const struct store_audit_head *head, int err)
{
	if (err == ERR_CORRUPT || (err == ERR_NOENT && c->at.seq > 0))
		bad(c, c->at.seq, "the record of the last row is missing or damaged");
	else if (head->seq < c->at.seq)
		bad(c, head->seq + 1, "row %" PRIu64 " and what follows were put in by hand",
		    head->seq + 1);
	else if (head->seq == c->at.seq && memcmp(head->hash, c->at.hash, STORE_HASH) != 0)
		bad(c, c->at.seq, "row %" PRIu64 " is not the one that was written last",
		    c->at.seq);
	else if (head->seq == c->at.seq)
		audit_check_removed(c);
	else if (c->wanted > c->at.seq)
		bad(c, c->at.seq + 1,
		    "the end was cut off: row %" PRIu64 " was the last, row %" PRIu64 " is",
		    c->wanted, c->at.seq);
	else
		c->wanted = head->seq; /* perhaps committed just now: look once more */
}

struct checking {
	struct store_audit_check *c;
	store_hash *hash;
	unsigned rows;
	int err;
};

static bool check_row(void *ctx, const struct store_audit_row *row)
{
	struct checking *k = ctx;

	k->rows++;
	k->err = audit_check_row(k->c, k->hash, row);
	return !k->err && !k->c->bad;
}

static int check_end(struct store *s, struct store_audit_check *c)
{
	struct store_audit_head head = {0};
	int err = head_read(s, "audit_head", &head);

	if (err && err != ERR_NOENT && err != ERR_CORRUPT)
		return err;
	audit_check_head(c, &head, err);
	return 0;
}

int store_audit_check(struct store *s, unsigned limit, struct store_audit_check *c)
{
	const struct store_audit_check before = *c;
	struct checking k = {.c = c, .hash = s->conf.hash};
	struct store_audit_head removed = {0};
	int err = store_audit_removed(s, &removed);

	if (err == ERR_CORRUPT) {
		bad(c, c->at.seq + 1, "the record of the rows that were taken out is damaged");
		return 0;
	}
	if (err)
		return err;
	audit_check_from(c, &removed);
	err = store_audits(s, "", c->at.seq, limit, check_row, &k);
	if (err || k.err)
		return err ? err : k.err;
	if (!c->done && k.rows < limit)
		err = check_end(s, c);
	if (err || !c->done)
		return err;
	/* Rows may have been taken out between these looks: then look again from there on. */
	struct store_audit_head now = {0};
	err = store_audit_removed(s, &now);
	if (!err && now.seq != removed.seq)
		*c = before;
	return err == ERR_CORRUPT ? 0 : err;
}
