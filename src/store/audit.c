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

/* ERR_NOENT: there is none; ERR_CORRUPT: it is something else. */
static int head_read(struct store *s, struct store_audit_head *ret_head)
{
	struct store_audit_head head = {0};
	char text[AUDIT_HEAD_TEXT + 1];
	size_t len = 0;
	int err = store_meta(s, "audit_head", NULL, text, sizeof(text));

	if (err)
		return err;
	char *colon = strchr(text, ':');
	if (!colon || strspn(text, "0123456789") != 20 || colon != text + 20 ||
	    buf_from_hex(colon + 1, strlen(colon + 1), head.hash, STORE_HASH, &len) ||
	    len != STORE_HASH)
		return ERR_CORRUPT;
	head.seq = strtoull(text, NULL, 10);
	*ret_head = head;
	return 0;
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
	int err = head_read(s, &head);

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

struct checking {
	struct store_audit_check *c;
	store_hash *hash;
	unsigned rows;
	int err;
};

static bool check_row(void *ctx, const struct store_audit_row *row)
{
	struct checking *k = ctx;
	struct store_audit_check *c = k->c;
	uint8_t hash[STORE_HASH];

	k->rows++;
	if (row->seq != c->at.seq + 1) {
		bad(c, c->at.seq + 1,
		    "row %" PRIu64 " is missing: after row %" PRIu64 " comes row %" PRIu64,
		    c->at.seq + 1, c->at.seq, row->seq);
		return false;
	}
	k->err = audit_hash(k->hash, c->at.hash, row->seq, &row->what, hash);
	if (k->err)
		return false;
	if (memcmp(hash, row->hash, STORE_HASH) != 0) {
		bad(c, row->seq,
		    "row %" PRIu64 " was changed, or is not the one that was written after row "
		    "%" PRIu64,
		    row->seq, c->at.seq);
		return false;
	}
	c->at.seq = row->seq;
	memcpy(c->at.hash, hash, STORE_HASH);
	return true;
}

/* All rows there are have been read. */
static int check_head(struct store *s, struct store_audit_check *c)
{
	struct store_audit_head head = {0};
	int err = head_read(s, &head);

	if (err && err != ERR_NOENT && err != ERR_CORRUPT)
		return err;
	if (err == ERR_CORRUPT || (err == ERR_NOENT && c->at.seq > 0))
		bad(c, c->at.seq, "the record of the last row is missing or damaged");
	else if (head.seq < c->at.seq)
		bad(c, head.seq + 1, "row %" PRIu64 " and what follows were put in by hand",
		    head.seq + 1);
	else if (head.seq == c->at.seq && memcmp(head.hash, c->at.hash, STORE_HASH) != 0)
		bad(c, c->at.seq, "row %" PRIu64 " is not the one that was written last",
		    c->at.seq);
	else if (head.seq == c->at.seq)
		c->done = true;
	else if (c->wanted > c->at.seq)
		bad(c, c->at.seq + 1,
		    "the end was cut off: row %" PRIu64 " was the last, row %" PRIu64 " is",
		    c->wanted, c->at.seq);
	else
		c->wanted = head.seq; /* perhaps committed just now: look once more */
	return 0;
}

int store_audit_check(struct store *s, unsigned limit, struct store_audit_check *c)
{
	struct checking k = {.c = c, .hash = s->conf.hash};
	int err = store_audits(s, "", c->at.seq, limit, check_row, &k);

	if (err || k.err)
		return err ? err : k.err;
	return c->done || k.rows == limit ? 0 : check_head(s, c);
}
