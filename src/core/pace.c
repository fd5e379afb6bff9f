/* SPDX-License-Identifier: Apache-2.0 */
#include "core/pace.h"

static const int64_t SECOND_US = 1000000;

int64_t bucket_wait_us(const struct bucket *b, int64_t rate, int64_t now_us)
{
	int64_t wait_us = b->even_us - (int64_t)PACE_BURST_MS * 1000 - now_us;

	return rate && wait_us > 0 ? wait_us : 0;
}

void bucket_take(struct bucket *b, int64_t rate, int64_t bytes, int64_t now_us)
{
	if (b->even_us < now_us)
		b->even_us = now_us;
	if (rate)
		b->even_us += bytes * SECOND_US / rate;
}

static int64_t through_us(int64_t wait_us, int64_t rate, int64_t bytes)
{
	return rate ? wait_us + bytes * SECOND_US / rate : 0;
}

/* In turns: before it go its own and as much of each of the others, if they have it. */
static int64_t before_it(const struct pace_ask *ask, int64_t others, int64_t held_bytes)
{
	int64_t turns = (ask->device_held_bytes + ask->bytes) * (others + 1) - ask->bytes;

	return turns < held_bytes ? turns : held_bytes;
}

int64_t pace_expect_us(const struct pace_ask *ask)
{
	int64_t own_us = through_us(ask->device_wait_us, ask->device_rate, ask->device_held_bytes);
	int64_t group_us = through_us(ask->group_wait_us, ask->group_rate,
				      before_it(ask, ask->group_devices, ask->group_held_bytes));
	int64_t all_us = through_us(ask->all_wait_us, ask->all_rate,
				    before_it(ask, ask->devices, ask->all_held_bytes));
	int64_t longest_us = own_us > group_us ? own_us : group_us;

	return longest_us > all_us ? longest_us : all_us;
}

int64_t pace_age_s(int64_t expect_us, uint32_t random)
{
	int64_t wait_s = expect_us / SECOND_US + 1;

	if (wait_s > PACE_AGE_MAX_S / 2)
		wait_s = PACE_AGE_MAX_S / 2;
	return wait_s + (int64_t)(random % (uint32_t)(wait_s + 1));
}

int64_t pace_share(int64_t device_rate, int64_t all_rate, int64_t devices)
{
	int64_t share = all_rate / (devices + 1);

	if (!all_rate || (device_rate && device_rate < share))
		return device_rate;
	return share > 0 ? share : 1;
}
