/* SPDX-License-Identifier: Apache-2.0
 *
 * Who asks, by the credentials of the socket's peer, and what he may.
 */
#ifndef DAEMON_ADMIN_ACTOR_H
#define DAEMON_ADMIN_ACTOR_H

#include "daemon/admin_http.h"

/* Fills rq->actor for a request that changes something; false after it was answered with 403,
 * or with a problem of its preconditions. */
bool actor_take(struct request *rq);

#endif
