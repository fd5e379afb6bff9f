/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/key_fails.h"

void key_fails_note(struct key_fails *f, uint64_t identity, int64_t now_ms)
{
	struct key_fail *k = &f->list[identity % LIMIT_KEY_FAILS];

	if (k->identity != identity)
		*k = (struct key_fail){.identity = identity};
	if (k->count < UINT32_MAX)
		k->count++;
	k->last_ms = now_ms;
}

void key_fails_forget(struct key_fails *f, uint64_t identity)
{
	struct key_fail *k = &f->list[identity % LIMIT_KEY_FAILS];

	if (k->identity == identity)
		*k = (struct key_fail){0};
}

struct key_fail key_fails_of(const struct key_fails *f, uint64_t identity)
{
	const struct key_fail *k = &f->list[identity % LIMIT_KEY_FAILS];

	return k->identity == identity ? *k : (struct key_fail){0};
}
