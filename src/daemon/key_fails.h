/* SPDX-License-Identifier: Apache-2.0
 *
 * Handshakes that failed under the name of a device which has a key, since the last one that
 * succeeded: so that an operator who asks why a device is silent hears of a wrong key. Kept in
 * memory only; who has to make room for another is forgotten. A value; pure.
 */
#ifndef DAEMON_KEY_FAILS_H
#define DAEMON_KEY_FAILS_H

#include <stdint.h>

#include "base/limits.h"

struct key_fail {
	uint64_t identity; /* its print; 0: free */
	uint32_t count;
	int64_t last_ms; /* wall */
};

struct key_fails {
	struct key_fail list[LIMIT_KEY_FAILS];
};

/* `identity`: its print, never 0 for one that is to be remembered. */
void key_fails_note(struct key_fails *f, uint64_t identity, int64_t now_ms);
void key_fails_forget(struct key_fails *f, uint64_t identity);
/* count 0: none is known of. */
struct key_fail key_fails_of(const struct key_fails *f, uint64_t identity);

#endif
