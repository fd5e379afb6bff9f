/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/admin_args.h"

#include <stdlib.h>
#include <string.h>

#include "base/log.h"

static int hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c = (char)(c | 0x20);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

int percent_decode(char *str)
{
	char *to = str;

	for (const char *from = str; *from; from++) {
		if (*from != '%') {
			*to++ = *from;
			continue;
		}
		int hi = hex_value(from[1]);
		int lo = hi < 0 ? -1 : hex_value(from[2]);
		if (lo < 0 || (hi == 0 && lo == 0))
			return ERR_SYNTAX;
		*to++ = (char)(hi << 4 | lo);
		from += 2;
	}
	*to = 0;
	return 0;
}

bool number_parse(const char *text, uint64_t *ret_value)
{
	uint64_t n = 0;

	if (!*text)
		return false;
	for (; *text; text++) {
		if (*text < '0' || *text > '9' || n > (UINT64_MAX - 9) / 10)
			return false;
		n = n * 10 + (uint64_t)(*text - '0');
	}
	*ret_value = n;
	return true;
}

/* ---- query ---- */

/* Is `key` one of the words of " a b c "? */
static bool word_in(const char *words, const char *key)
{
	size_t len = strlen(key);

	if (!len || strchr(key, ' '))
		return false;
	for (const char *at = strstr(words, key); at; at = strstr(at + 1, key))
		if (at > words && at[-1] == ' ' && at[len] == ' ')
			return true;
	return false;
}

struct query_seen {
	struct request *rq;
	char seen[256]; /* words with spaces around */
};

static enum MHD_Result query_key(void *cls, enum MHD_ValueKind kind, const char *key,
				 const char *value)
{
	struct query_seen *s = cls;
	struct request *rq = s->rq;

	(void)kind;
	if (!word_in(rq->route->query, key)) {
		reply_problem(rq, 400, "invalid", "query: \"%.64s\" is not known here", key);
		return MHD_NO;
	}
	if (!value) {
		reply_problem(rq, 400, "invalid", "query: \"%s\" has no value", key);
		return MHD_NO;
	}
	if (word_in(" running must_pass hardware ", key)) /* once and again */
		return MHD_YES;
	if (word_in(s->seen, key)) {
		reply_problem(rq, 400, "invalid", "query: \"%s\" is given twice", key);
		return MHD_NO;
	}
	size_t len = strlen(s->seen);
	(void)buf_copy_str(s->seen + len, sizeof(s->seen) - len, key);
	len = strlen(s->seen);
	(void)buf_copy_str(s->seen + len, sizeof(s->seen) - len, " ");
	return MHD_YES;
}

bool query_check(struct request *rq)
{
	struct query_seen s = {rq, " "};

	(void)MHD_get_connection_values(rq->connection, MHD_GET_ARGUMENT_KIND, query_key, &s);
	return !rq->response;
}

bool query_text(struct request *rq, const char *key, size_t cap, char *ret_value)
{
	const char *raw = MHD_lookup_connection_value(rq->connection, MHD_GET_ARGUMENT_KIND, key);
	char text[3 * LIMIT_FILTER_TEXT + 1]; /* all of it escaped */

	ret_value[0] = 0;
	if (!raw)
		return true;
	if (!buf_copy_str(text, sizeof(text), raw) || percent_decode(text) || strlen(text) >= cap) {
		reply_problem(rq, 400, "invalid", "query: %s: too long or not well-formed", key);
		return false;
	}
	(void)buf_copy_str(ret_value, cap, text);
	return true;
}

bool query_number(struct request *rq, const char *key, uint64_t min, uint64_t max, uint64_t absent,
		  uint64_t *ret_value)
{
	char text[32];
	uint64_t n = absent;

	if (!query_text(rq, key, sizeof(text), text))
		return false;
	if (!MHD_lookup_connection_value(rq->connection, MHD_GET_ARGUMENT_KIND, key)) {
		*ret_value = absent;
		return true;
	}
	if (!number_parse(text, &n)) {
		reply_problem(rq, 400, "invalid", "query: %s: \"%s\" is not a whole number", key,
			      text);
		return false;
	}
	if (n < min || n > max) {
		reply_problem(rq, 400, "out-of-range", "query: %s: %s is not within %llu..%llu",
			      key, text, (unsigned long long)min, (unsigned long long)max);
		return false;
	}
	*ret_value = n;
	return true;
}

bool query_flag(struct request *rq, const char *key, bool *ret_value)
{
	uint64_t n;

	if (!query_number(rq, key, 0, 1, 0, &n))
		return false;
	*ret_value = n == 1;
	return true;
}

/* ---- JSON bodies ---- */

static bool body_type_ok(struct request *rq)
{
	const char *type = MHD_lookup_connection_value(rq->connection, MHD_HEADER_KIND,
						       MHD_HTTP_HEADER_CONTENT_TYPE);
	static const char json[] = "application/json";
	size_t len = sizeof(json) - 1;

	if (!type || (strncasecmp(type, json, len) == 0 && (!type[len] || strchr("; ", type[len]))))
		return true;
	reply_problem(rq, 415, "unsupported",
		      "the body is \"%.64s\"; send Content-Type: application/json", type);
	return false;
}

bool body_parse(struct request *rq)
{
	json_error_t error;

	if (!rq->body_len)
		return true;
	if (!body_type_ok(rq))
		return false;
	rq->json = json_loadb(rq->body, rq->body_len, JSON_REJECT_DUPLICATES, &error);
	if (!rq->json) {
		reply_problem(rq, 400, "syntax", "the body is not JSON: line %d, column %d: %s",
			      error.line, error.column, error.text);
		return false;
	}
	if (!json_is_object(rq->json)) {
		reply_problem(rq, 400, "invalid", "the body is not a JSON object");
		return false;
	}
	return true;
}

static const char *json_kind(const json_t *value)
{
	static const char *const kinds[] = {
		"an object", "an array", "a string", "a whole number", "a number with a fraction",
		"true",	     "false",	 "null"};
	unsigned kind = (unsigned)json_typeof(value);

	return kind < sizeof(kinds) / sizeof(kinds[0]) ? kinds[kind] : "something else";
}

bool body_keys(struct request *rq, const json_t *obj, const char *prefix, const char *keys)
{
	const char *key;
	json_t *value;

	json_object_foreach((json_t *)(uintptr_t)obj, key, value)
	{
		if (word_in(keys, key))
			continue;
		if (keys[0])
			reply_problem(rq, 400, "invalid",
				      "\"%s%.64s\" is not known here; known are:%s", prefix, key,
				      keys);
		else
			reply_problem(rq, 400, "invalid",
				      "\"%s%.64s\" is not known here; this takes no body", prefix,
				      key);
		return false;
	}
	return true;
}

bool body_text(struct request *rq, const char *key, bool needed, const char **ret_value)
{
	const json_t *value = json_object_get(rq->json, key);

	*ret_value = NULL;
	if (!value && !needed)
		return true;
	if (!value) {
		reply_problem(rq, 400, "invalid", "%s: missing", key);
		return false;
	}
	if (!json_is_string(value)) {
		reply_problem(rq, 400, "invalid", "%s: %s where a string is wanted", key,
			      json_kind(value));
		return false;
	}
	*ret_value = json_string_value(value);
	return true;
}

bool body_number(struct request *rq, const char *key, json_int_t min, json_int_t max,
		 bool *ret_given, json_int_t *ret)
{
	const json_t *value = json_object_get(rq->json, key);

	*ret_given = value != NULL;
	if (!value)
		return true;
	if (!json_is_integer(value) || json_integer_value(value) < min ||
	    json_integer_value(value) > max) {
		reply_problem(rq, 400, "invalid", "%s: not a number from %lld to %lld", key,
			      (long long)min, (long long)max);
		return false;
	}
	*ret = json_integer_value(value);
	return true;
}

bool body_flag(struct request *rq, const char *key, bool *ret_value)
{
	const json_t *value = json_object_get(rq->json, key);

	if (value && !json_is_boolean(value)) {
		reply_problem(rq, 400, "invalid", "%s: %s where true or false is wanted", key,
			      json_kind(value));
		return false;
	}
	*ret_value = json_is_true(value);
	return true;
}

static const struct policy_row *policy_row_named(const char *name)
{
	for (size_t i = 0; i < POLICY_COUNT; i++)
		if (strcmp(policy_rows[i].name, name) == 0)
			return &policy_rows[i];
	return NULL;
}

static bool policy_one(struct request *rq, const char *key, const json_t *value,
		       struct policy *policy)
{
	const struct policy_row *row = policy_row_named(key);
	long long n = json_integer_value(value);

	if (!row)
		reply_problem(rq, 400, "invalid", "policy.%.64s is not a setting", key);
	else if (!json_is_integer(value))
		reply_problem(rq, 400, "invalid", "policy.%s: %s where a whole number is wanted",
			      key, json_kind(value));
	else if (n < row->min)
		reply_problem(rq, 400, "out-of-range", "policy.%s: %lld is below %lld", key, n,
			      (long long)row->min);
	else if (n > row->max)
		reply_problem(rq, 400, "out-of-range", "policy.%s: %lld is above %lld", key, n,
			      (long long)row->max);
	else if (policy_set(policy, row, n))
		reply_problem(rq, 400, "out-of-range", "policy.%s: %lld is not a power of two", key,
			      n);
	else
		return true;
	return false;
}

bool body_policy(struct request *rq, struct policy *policy)
{
	json_t *obj = json_object_get(rq->json, "policy");
	const char *key;
	json_t *value;

	if (!obj)
		return true;
	if (!json_is_object(obj)) {
		reply_problem(rq, 400, "invalid", "policy: %s where an object is wanted",
			      json_kind(obj));
		return false;
	}
	json_object_foreach(obj, key, value)
	{
		if (!policy_one(rq, key, value, policy))
			return false;
	}
	if (policy->backoff_s <= policy->backoff_max_s)
		return true;
	reply_problem(rq, 400, "out-of-range",
		      "policy.backoff_s: %lld is above policy.backoff_max_s, %lld",
		      (long long)policy->backoff_s, (long long)policy->backoff_max_s);
	return false;
}

/* ---- names ---- */

bool check_name(struct request *rq, const char *what, const char *name, size_t max)
{
	if (name_valid(name, max))
		return true;
	reply_problem(rq, 400, "invalid",
		      "%s: \"%.80s\" is not a name: 1 to %zu printable ASCII characters without "
		      "spaces, quotes, / and \\, not beginning with - or .",
		      what, name, max);
	return false;
}

bool check_version(struct request *rq, const char *what, const char *version)
{
	if (version_valid(version))
		return true;
	reply_problem(rq, 400, "invalid",
		      "%s: \"%.80s\" is not a version: 1 to %d printable ASCII characters without "
		      "spaces, quotes, / and \\",
		      what, version, LIMIT_VERSION);
	return false;
}

bool check_hardware(struct request *rq, const char *hardware)
{
	bool ok = strlen(hardware) <= LIMIT_HARDWARE;

	for (const char *c = hardware; *c; c++)
		ok = ok && *c >= ' ' && *c <= '~';
	if (!ok)
		reply_problem(rq, 400, "invalid",
			      "hardware: \"%.80s\" is not 0 to %d printable ASCII characters",
			      hardware, LIMIT_HARDWARE);
	return ok;
}

bool read_ok(struct request *rq, int err)
{
	if (!err)
		return true;
	log_debug("admin read=failed code=%s error=\"%s\"", err_word(err),
		  store_error(rq->admin->conf.store)); /* a condition of health, told once */
	reply_fault(rq, err == ERR_FULL ? ERR_IO : err,
		    "See \"postbootctl status\"; it is tried again all the time",
		    "the database cannot be read: %s", err_text(err));
	return false;
}

bool find_product(struct request *rq, const char *name, struct product *ret)
{
	int err = store_product_by_name(rq->admin->conf.store, name, ret);

	if (err == ERR_NOENT) {
		reply_error(rq, err, "there is no product \"%.80s\"", name);
		return false;
	}
	return read_ok(rq, err);
}

bool find_device(struct request *rq, const char *id, struct engine_device *ret)
{
	int err = engine_device(rq->admin->conf.engine, id, ret);

	if (err == ERR_NOENT) {
		reply_error(rq, err, "there is no device \"%.80s\"", id);
		return false;
	}
	return read_ok(rq, err);
}

bool find_release(struct request *rq, const struct product *p, const char *version,
		  struct release *ret)
{
	int err = store_release_by_version(rq->admin->conf.store, p->id, version, ret);

	if (err == ERR_NOENT) {
		reply_error(rq, err, "product \"%.80s\" has no release \"%.80s\"", p->name,
			    version);
		return false;
	}
	return read_ok(rq, err);
}
