/* SPDX-License-Identifier: Apache-2.0
 *
 * Repeatable random numbers (splitmix64) for jitter and link faults. Not for boot ids or keys.
 */
#ifndef EMU_RNG_H
#define EMU_RNG_H

#include <stdint.h>

struct emu_rng {
	uint64_t state;
};

static inline uint64_t emu_rng_next(struct emu_rng *rng)
{
	uint64_t z = rng->state += 0x9e3779b97f4a7c15U;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9U;
	z = (z ^ z >> 27) * 0x94d049bb133111ebU;
	return z ^ z >> 31;
}

/* True in `percent` of 100 calls. */
static inline int emu_rng_percent(struct emu_rng *rng, uint32_t percent)
{
	return emu_rng_next(rng) % 100 < percent;
}

/* `value` plus or minus up to ten percent. */
static inline int64_t emu_rng_jitter(struct emu_rng *rng, int64_t value)
{
	int64_t span = value / 5;

	return value - value / 10 + (span > 0 ? (int64_t)(emu_rng_next(rng) % (uint64_t)span) : 0);
}

#endif
