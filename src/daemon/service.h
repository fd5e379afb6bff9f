/* SPDX-License-Identifier: Apache-2.0
 *
 * The running daemon: brings the rooms up in their order, runs the loop until SIGTERM or
 * SIGINT, and takes them down again so that everything submitted has committed. SIGHUP reads
 * the configuration anew. Each failure is one log line: what, where, what to do.
 */
#ifndef DAEMON_SERVICE_H
#define DAEMON_SERVICE_H

#include "daemon/conf.h"

/* Returns when the daemon has ended: 0, or an error that was logged. `file` is read again on
 * SIGHUP as conf_load() did. */
int service_run(const struct conf *conf, const char *file, bool must_exist) ERR_CHECK;

#endif
