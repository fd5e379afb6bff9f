/* SPDX-License-Identifier: Apache-2.0
 *
 * Webhooks as rows: what operators said of them with its rev, how far each is without one, and the
 * messages that were put aside.
 */
#ifndef STORE_HOOK_H
#define STORE_HOOK_H

#include "core/hook.h"
#include "store/key.h"

struct store_hook {
	struct hook hook;
	struct hook_place place;
	struct store_key secret;
};

/* A message that was put aside. Texts are borrowed. */
struct store_dead {
	int64_t id, hook;
	uint64_t seq;
	const char *cursor, *topic, *device;
	int64_t at_ms; /* wall, when it was put aside */
	uint32_t tries;
	const char *error;
	bool due; /* it is to be tried again */
	const char *body;
};

#endif
