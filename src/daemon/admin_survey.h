/* SPDX-License-Identifier: Apache-2.0
 *
 * Answers that need a look at many devices: some in each turn of the loop, one request after the
 * other.
 */
#ifndef DAEMON_ADMIN_SURVEY_H
#define DAEMON_ADMIN_SURVEY_H

#include "daemon/admin_http.h"

/* The first member of what such a request has; of one allocation. */
struct survey {
	struct list link; /* in admin->surveying */
	struct request *rq;
	/* Looks at some devices; it has answered once it is through with all, or has failed. */
	void (*step)(struct survey *s);
};

/* `size` bytes, zeros but for the survey, which the request owns from now on; NULL after a
 * problem. */
struct survey *survey_new(struct request *rq, size_t size, void (*step)(struct survey *s));
/* From the next turn on, until it has answered. */
void survey_begin(struct survey *s);

#endif
