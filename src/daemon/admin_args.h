/* SPDX-License-Identifier: Apache-2.0
 *
 * Arguments of a request, each checked with a sentence that says what is wrong where. All
 * return false after they have answered with a problem.
 */
#ifndef DAEMON_ADMIN_ARGS_H
#define DAEMON_ADMIN_ARGS_H

#include "daemon/admin_http.h"

/* Decodes %XX in place. ERR_SYNTAX: malformed, or a NUL byte. */
int percent_decode(char *str) ERR_CHECK;

/* ---- query ---- */

/* All keys known to the route, none twice (but `running`). */
bool query_check(struct request *rq);
/* Copies the decoded value; "" if it is absent. */
bool query_text(struct request *rq, const char *key, size_t cap, char *ret_value);
bool query_number(struct request *rq, const char *key, uint64_t min, uint64_t max, uint64_t absent,
		  uint64_t *ret_value);
bool query_flag(struct request *rq, const char *key, bool *ret_value);
bool number_parse(const char *text, uint64_t *ret_value); /* decimal digits only */

/* "2026-11-22T23:51:07Z" or with milliseconds, and nothing else. */
bool time_parse(const char *text, int64_t *ret_ms);

/* ---- JSON bodies ---- */

/* Parses rq->body into rq->json; only the keys in `keys` (" name policy "). */
bool body_parse(struct request *rq);
bool body_keys(struct request *rq, const json_t *obj, const char *prefix, const char *keys);
/* NULL in *ret_value if the key is absent and not needed. Borrowed. */
bool body_text(struct request *rq, const char *key, bool needed, const char **ret_value);
bool body_flag(struct request *rq, const char *key, bool *ret_value); /* absent: false */
/* A whole number; not given: *ret stays. */
bool body_number(struct request *rq, const char *key, json_int_t min, json_int_t max,
		 bool *ret_given, json_int_t *ret);
/* Overlays "policy" of the body, if there is one. */
bool body_policy(struct request *rq, struct policy *policy);
/* The same of "protocol" and "protocol_options"; an option that is null is taken out. */
bool body_protocol(struct request *rq, struct product *p);

/* ---- names ---- */

bool check_name(struct request *rq, const char *what, const char *name, size_t max);
bool check_version(struct request *rq, const char *what, const char *version);
/* Printable ASCII, at most LIMIT_HARDWARE bytes. */
bool check_hardware(struct request *rq, const char *hardware);

/* Rows that a path names, or 404. */
bool find_product(struct request *rq, const char *name, struct product *ret);
bool find_device(struct request *rq, const char *id, struct engine_device *ret);
bool find_release(struct request *rq, const struct product *p, const char *version,
		  struct release *ret);
/* Reads that fail: 503. Returns true if err is 0. */
bool read_ok(struct request *rq, int err);

#endif
