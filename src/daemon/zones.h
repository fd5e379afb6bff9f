/* SPDX-License-Identifier: Apache-2.0
 *
 * Time zones by their names ("Europe/Berlin"): the rule is the last line of a file of the system's
 * tzdata (TZif, RFC 9636 3.3), read when a name is first used and then remembered. $TZDIR names
 * another folder than /usr/share/zoneinfo.
 */
#ifndef DAEMON_ZONES_H
#define DAEMON_ZONES_H

#include "base/limits.h"
#include "core/schedule.h"

struct zones {
	struct zones_entry *list;
	size_t count;
};

/* A name, or a POSIX TZ rule itself; "" is UTC. ERR_NOENT: neither. The rules of LIMIT_ZONES names
 * are remembered, others are read again and again. */
int zones_find(struct zones *z, const char *name, struct zone *ret) ERR_CHECK;
void zones_free(struct zones *z);

#endif
