/* SPDX-License-Identifier: Apache-2.0
 *
 * Entity tags (RFC 9110 8.8.3, 13.1): "REV-PRINT". REV is the rev of the row, by which If-Match
 * is decided, in the engine, when the act is applied. PRINT is a hash of the whole answer, in
 * which more may change than the row (last contact, what blocks an update): If-None-Match
 * compares both.
 */
#ifndef DAEMON_ADMIN_MATCH_H
#define DAEMON_ADMIN_MATCH_H

#include "daemon/admin_http.h"

/* Reads If-Match into rq->actor; false after it was answered with a problem. */
bool match_take(struct request *rq);

/* Answers with the row, its ETag, and 304 where If-None-Match has it. Takes `json`; `extra`
 * (taken, may be NULL) is of this answer only and not of the row: it is added to it. */
void reply_row(struct request *rq, unsigned status, int64_t rev, json_t *json, json_t *extra);

/* 412, with the ETag that the row has now: `rq->show` tells. */
void reply_stale(struct request *rq, const char *why);

#endif
