/* SPDX-License-Identifier: Apache-2.0
 *
 * Which key of two a handshake is given. It can use only one, and who has the other fails: so the
 * failure is remembered by address, and the next one from there gets the other key. Where more
 * failures came than one device makes, chance decides: nobody who only fails, from wherever and
 * however often, can make it always the wrong key for somebody else. A value; pure.
 */
#ifndef DAEMON_KEY_TRIES_H
#define DAEMON_KEY_TRIES_H

#include <stdbool.h>
#include <stdint.h>

#include "base/limits.h"
#include "store/key.h"

struct key_try {
	uint64_t print; /* 0: free */
	uint32_t failures;
	enum key_slot tried; /* by the last one */
};

struct key_tries {
	struct key_try list[LIMIT_KEY_TRIES];
};

/* `claim`: print of identity and address, `identity`: of the identity alone. */
enum key_slot key_tries_choose(const struct key_tries *t, uint64_t claim, uint64_t identity,
			       bool coin);
void key_tries_failed(struct key_tries *t, uint64_t claim, uint64_t identity, enum key_slot tried);
void key_tries_succeeded(struct key_tries *t, uint64_t claim, uint64_t identity);

#endif
