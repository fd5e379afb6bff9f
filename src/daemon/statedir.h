/* SPDX-License-Identifier: Apache-2.0
 *
 * The state folder: made if missing, and locked, so that one daemon owns it at a time. The
 * lock is the kernel's (flock): it goes with the process, however that ends.
 */
#ifndef DAEMON_STATEDIR_H
#define DAEMON_STATEDIR_H

#include "base/err.h"

/* 0 and the lock's descriptor, to be kept open; or an error that was logged with what to do.
 * ERR_BUSY: another process has the lock. */
int statedir_open(const char *path, int *ret_lock_fd) ERR_CHECK;

/* Whether a database can be opened, or a new one made, in the folder: ERR_NOENT, logged with what
 * to do, when there is none but its mark or images are. A new one would tell devices that they are
 * unknown, and take the images for leftovers. */
int statedir_whole(const char *path) ERR_CHECK;

/* Makes one folder unless it is there; its parent must be. Errors are logged as above. */
int statedir_folder(const char *path, unsigned mode, const char *key) ERR_CHECK;

/* The name of the user this process acts as, for messages. Returns dst. */
char *statedir_user(char dst[64]);

#endif
