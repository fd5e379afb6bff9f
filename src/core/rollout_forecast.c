/* SPDX-License-Identifier: Apache-2.0
 *
 * What a rollout will cost, before it begins.
 */
#include "core/rollout.h"

enum { MINUTE_MS = 60000 };

int64_t rollout_wave_ms(const struct rollout *r, int64_t devices, int64_t at_ms)
{
	int64_t now_ms = at_ms, left = (devices - 1) * 1000; /* the first one goes at once */

	if (devices <= 0 || !r->rules.rate)
		return 0;
	while (left > 0) {
		int64_t rate = rollout_rate(r, now_ms);
		int64_t step_ms = r->rules.ramp_s * 1000; /* it is the same for so long */
		int64_t most = rate * step_ms / MINUTE_MS;
		if (r->rules.ramp_percent == 100 || most >= left || rate >= 1000000000)
			return now_ms - at_ms + left * MINUTE_MS / rate;
		left -= most;
		now_ms += step_ms;
	}
	return now_ms - at_ms;
}

struct rollout_forecast rollout_forecast(const struct rollout *r, int64_t members, int64_t offers,
					 int64_t size_bytes, int64_t image_rate, int64_t now_ms)
{
	struct rollout_forecast f = {.offers = offers, .bytes = offers * size_bytes};
	struct rollout at = *r;
	int64_t before = 0;

	at.ramp_ms = now_ms;
	for (unsigned i = 0; i < r->wave_count; i++) {
		int64_t size = rollout_wave_size(r, i, members);
		int64_t part = size - before;
		int64_t mine =
			members ? (offers * size / members) - (offers * before / members) : 0;
		int64_t release_ms = rollout_wave_ms(&at, part, now_ms + f.ms);
		int64_t bytes_ms = image_rate ? mine * size_bytes / image_rate * 1000 : 0;
		f.waves[i].members = part;
		f.waves[i].offers = mine;
		f.waves[i].bytes = mine * size_bytes;
		f.waves[i].ms = (release_ms > bytes_ms ? release_ms : bytes_ms) +
				(part ? r->rules.soak_s * 1000 : 0);
		f.ms += f.waves[i].ms;
		before = size;
	}
	return f;
}
