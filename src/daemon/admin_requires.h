/* SPDX-License-Identifier: Apache-2.0
 *
 * What a release asks of devices, out of the query of its upload: min_version, must_pass,
 * hardware (the last two may be repeated), boot_loader, security_counter.
 */
#ifndef DAEMON_ADMIN_REQUIRES_H
#define DAEMON_ADMIN_REQUIRES_H

#include "core/requires.h"
#include "daemon/admin_http.h"

/* False: refused, and the reply says what is wrong. Whether a release to pass through is there is
 * for engine_release_add(). */
bool requires_args(struct request *rq, const char *version, struct requires *ret);

#endif
