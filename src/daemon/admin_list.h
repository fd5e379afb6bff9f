/* SPDX-License-Identifier: Apache-2.0
 *
 * Long lists of the admin API: found at once, written a few milliseconds in each turn of the loop,
 * each row as text as soon as it is made.
 *
 * Use: collect what the rows are made of into a context of the heap, then list_reply().
 */
#ifndef DAEMON_ADMIN_LIST_H
#define DAEMON_ADMIN_LIST_H

#include "daemon/admin_http.h"

struct list_of {
	const char *name; /* of the array: a literal */
	unsigned count;
	/* The row of this index; *ret_row stays NULL if there is none any more. An error of the
	 * store ends the list with a problem. */
	int (*row)(struct request *rq, void *ctx, unsigned index, json_t **ret_row);
	void *ctx;    /* taken, and freed with free() */
	json_t *next; /* the cursor, taken; NULL: there are no more */
};

void list_reply(struct request *rq, const struct list_of *of);

#endif
