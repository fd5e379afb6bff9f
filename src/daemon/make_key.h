/* SPDX-License-Identifier: Apache-2.0
 *
 * Makes the key of the service: random bytes in a file that only its owner may read. Never
 * replaces one, as nothing else opens what was sealed with it; and once it is there it is on the
 * disk, as what is sealed with it soon will be.
 */
#ifndef DAEMON_MAKE_KEY_H
#define DAEMON_MAKE_KEY_H

#include "base/err.h"

enum { MAKE_KEY_BYTES = 32 };

/* ERR_EXIST: there is one. errno tells more. */
int make_key(const char *path) ERR_CHECK;

#endif
