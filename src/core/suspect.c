/* SPDX-License-Identifier: Apache-2.0 */
#include "core/suspect.h"

#include <stddef.h>

unsigned suspects_count(struct suspects *s, int64_t release, int64_t since_ms, uint64_t device)
{
	struct suspect *at = &s->list[0];

	for (size_t i = 0; i < SUSPECTS && at->release != release; i++)
		if (s->list[i].release == release || s->list[i].used < at->used)
			at = &s->list[i];
	if (at->release != release || at->since_ms != since_ms)
		*at = (struct suspect){.release = release, .since_ms = since_ms};
	at->used = ++s->turn;
	for (unsigned i = 0; i < at->count; i++)
		if (at->devices[i] == device)
			return at->count;
	if (at->count < SUSPECT_DEVICES)
		at->devices[at->count++] = device;
	return at->count;
}

void suspects_clear(struct suspects *s, int64_t release)
{
	for (size_t i = 0; i < SUSPECTS; i++)
		if (s->list[i].release == release)
			s->list[i] = (struct suspect){0};
}
