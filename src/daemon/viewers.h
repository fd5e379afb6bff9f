/* SPDX-License-Identifier: Apache-2.0
 *
 * viewer-group of postbootd.conf(5): whose members may read and change nothing.
 */
#ifndef DAEMON_VIEWERS_H
#define DAEMON_VIEWERS_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/err.h"

#define VIEWERS_TODO "make this group, or name another, by its name or number"

struct viewers {
	bool any;
	gid_t group;
};

/* A name or a number; "" is nobody. ERR_NOENT: no such group; ERR_RANGE: no such number. */
int viewers_find(const char *name, struct viewers *ret_viewers) ERR_CHECK;

#endif
