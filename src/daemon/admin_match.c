/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/admin_match.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/admin_args.h"
#include "net/net_hash.h"

enum { TAG_MAX = 2 + 20 + 1 + 16 }; /* with its quotes */

/* ---- reading ---- */

struct tag {
	const char *ptr; /* between the quotes */
	size_t len;
	bool weak;
};

struct tags {
	bool given, any, broken;
	unsigned count;
	struct tag list[LIMIT_IF_MATCH];
	const char *header;
};

static const char *skip_blanks(const char *at)
{
	return at + strspn(at, " \t");
}

/* One entity tag; NULL if it is none. */
static const char *tag_parse(const char *at, struct tag *ret)
{
	ret->weak = strncmp(at, "W/", 2) == 0;
	at += ret->weak ? 2 : 0;
	if (*at++ != '"')
		return NULL;
	ret->ptr = at;
	while (*at && *at != '"' && (unsigned char)*at > ' ' && *at != 0x7f)
		at++;
	ret->len = (size_t)(at - ret->ptr);
	return *at == '"' ? at + 1 : NULL;
}

/* A header may stand several times: its values make one list. */
static enum MHD_Result tags_value(void *cls, enum MHD_ValueKind kind, const char *key,
				  const char *value)
{
	struct tags *t = cls;
	struct tag tag;

	(void)kind;
	if (strcasecmp(key, t->header) != 0)
		return MHD_YES;
	t->given = t->broken = true;
	if (!value)
		return MHD_NO;
	const char *at = skip_blanks(value);
	if (*at == '*' && !*skip_blanks(at + 1)) {
		t->any = true;
		t->broken = false;
		return MHD_YES;
	}
	for (;;) {
		at = tag_parse(at, &tag);
		if (!at || t->count == LIMIT_IF_MATCH)
			return MHD_NO;
		t->list[t->count++] = tag;
		at = skip_blanks(at);
		if (!*at)
			break;
		if (*at != ',')
			return MHD_NO;
		at = skip_blanks(at + 1);
	}
	t->broken = false;
	return MHD_YES;
}

/* False after it was answered with a problem. */
static bool tags_read(struct request *rq, const char *header, struct tags *ret)
{
	*ret = (struct tags){.header = header};
	(void)MHD_get_connection_values(rq->connection, MHD_HEADER_KIND, tags_value, ret);
	if (!ret->broken)
		return true;
	reply_problem(rq, 400, "syntax", "%s: not *, nor 1 to %d entity tags such as \"7\"", header,
		      LIMIT_IF_MATCH);
	return false;
}

/* The digits before '-', or all; -1 fits no row. A weak tag never fits (RFC 9110 13.1.1). */
static int64_t tag_rev(const struct tag *tag)
{
	int64_t rev = 0;
	size_t i = 0;

	for (; i < tag->len && tag->ptr[i] >= '0' && tag->ptr[i] <= '9' && i < 18; i++)
		rev = rev * 10 + (tag->ptr[i] - '0');
	return tag->weak || i == 0 || (i < tag->len && tag->ptr[i] != '-') ? -1 : rev;
}

bool match_take(struct request *rq)
{
	struct tags t;

	if (!tags_read(rq, MHD_HTTP_HEADER_IF_NONE_MATCH, &t))
		return false;
	if (t.given) {
		reply_problem(rq, 400, "invalid", "If-None-Match: only GET takes it");
		return false;
	}
	if (!tags_read(rq, MHD_HTTP_HEADER_IF_MATCH, &t))
		return false;
	if (t.given && !rq->route->matches) {
		reply_problem(rq, 400, "invalid", "If-Match: what is added has no tag yet");
		return false;
	}
	rq->actor.conditional = t.given && !t.any;
	rq->actor.rev_count = t.count;
	for (unsigned i = 0; i < t.count; i++)
		rq->actor.revs[i] = tag_rev(&t.list[i]);
	return true;
}

/* ---- answering ---- */

static void tag_make(int64_t rev, const char *text, char dst[TAG_MAX + 1])
{
	static const struct net_hash_key key = {0, 0}; /* nobody gains by a collision */

	(void)snprintf(dst, TAG_MAX + 1, "\"%" PRId64 "-%016" PRIx64 "\"", rev,
		       net_hash(&key, text, strlen(text)));
}

static bool tag_is_known(const struct tags *t, const char *etag)
{
	size_t len = strlen(etag) - 2;

	for (unsigned i = 0; i < t->count; i++)
		if (t->list[i].len == len && memcmp(t->list[i].ptr, etag + 1, len) == 0)
			return true;
	return t->any;
}

void reply_row(struct request *rq, unsigned status, int64_t rev, json_t *json, json_t *extra)
{
	char *text = json ? json_dumps(json, JSON_COMPACT) : NULL;
	char etag[TAG_MAX + 1] = "";
	struct tags t = {0};

	if (text)
		tag_make(rev, text, etag);
	free(text);
	bool reads = strcmp(rq->route->method, "GET") == 0;
	if (reads && !tags_read(rq, MHD_HTTP_HEADER_IF_NONE_MATCH, &t)) {
		json_decref(json);
		json_decref(extra);
		return;
	}
	if (etag[0] && reads && tag_is_known(&t, etag)) {
		json_decref(json);
		reply_empty(rq, 304);
	} else {
		if (extra && json && json_object_update(json, extra)) {
			json_decref(json);
			json = NULL;
		}
		reply_json(rq, status, json);
	}
	json_decref(extra);
	if (etag[0])
		reply_header(rq, MHD_HTTP_HEADER_ETAG, etag);
}

void reply_stale(struct request *rq, const char *why)
{
	char etag[TAG_MAX + 1] = "";

	if (rq->show)
		rq->show(rq); /* only for its tag; gone meanwhile: none */
	const char *now =
		rq->response ? MHD_get_response_header(rq->response, MHD_HTTP_HEADER_ETAG) : NULL;
	if (now)
		(void)buf_copy_str(etag, sizeof(etag), now);
	if (rq->response)
		MHD_destroy_response(rq->response);
	rq->response = NULL;
	rq->status = 0;
	if (etag[0])
		reply_error(rq, ERR_STALE, "%s; its revision is %.*s now", why,
			    (int)strcspn(etag + 1, "-"), etag + 1);
	else
		reply_error(rq, ERR_STALE, "%s", why);
	if (etag[0])
		reply_header(rq, MHD_HTTP_HEADER_ETAG, etag);
}
