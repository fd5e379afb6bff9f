/* SPDX-License-Identifier: Apache-2.0
 *
 * "windows" and "time_zone" of a body: of a product, a group, a device.
 */
#ifndef DAEMON_ADMIN_WINDOWS_H
#define DAEMON_ADMIN_WINDOWS_H

#include "base/limits.h"
#include "daemon/admin_http.h"

/* Over what is there; absent ones stay. False: refused, and the reply says what is wrong. */
bool body_windows(struct request *rq, char windows[LIMIT_WINDOWS_TEXT + 1],
		  char time_zone[LIMIT_ZONE + 1]);

#endif
