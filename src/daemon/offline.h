/* SPDX-License-Identifier: Apache-2.0
 *
 * What postbootd does to its state folder instead of serving: --check-db and --restore. What
 * they find goes to standard output, as lines for people; the answer is the exit status.
 */
#ifndef DAEMON_OFFLINE_H
#define DAEMON_OFFLINE_H

#include <stdbool.h>

#include "daemon/conf.h"

/* Checks database and image files; changes nothing, and may run beside the daemon. `deep`: reads
 * the images, too, and compares their SHA-256. True when there is no problem. */
bool offline_check(const struct conf *conf, bool deep);

/* Puts the backup `file` in the place of the database. Not beside a running daemon. */
bool offline_restore(const struct conf *conf, const char *file);

/* Whether a database that --restore has put aside lies in the state folder: it may name images
 * that the present one does not. */
bool offline_kept(const char *state_dir);

#endif
