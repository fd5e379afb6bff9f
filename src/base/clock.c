/* SPDX-License-Identifier: Apache-2.0 */
#include "base/clock.h"

#include <stdio.h>
#include <time.h>

static int64_t clock_ms(clockid_t id)
{
	struct timespec ts = {0};

	(void)clock_gettime(id, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

struct clock clock_read(void)
{
	return (struct clock){
		.now_ms = clock_ms(CLOCK_MONOTONIC),
		.wall_ms = clock_ms(CLOCK_REALTIME),
	};
}

int64_t clock_since_boot_ms(void)
{
	return clock_ms(CLOCK_BOOTTIME);
}

static int64_t clock_read_us(clockid_t id)
{
	struct timespec ts = {0};

	(void)clock_gettime(id, &ts);
	return (int64_t)ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}

int64_t clock_now_us(void)
{
	return clock_read_us(CLOCK_MONOTONIC);
}

int64_t clock_thread_us(void)
{
	return clock_read_us(CLOCK_THREAD_CPUTIME_ID);
}

char *clock_format(int64_t wall_ms, char dst[25])
{
	/* Years outside 0..9999 cannot be shown in this form; no stored time gets there. */
	const int64_t last_ms = 253402300799999;
	struct tm tm = {0};

	if (wall_ms < 0)
		wall_ms = 0;
	if (wall_ms > last_ms)
		wall_ms = last_ms;
	time_t seconds = (time_t)(wall_ms / 1000);
	(void)gmtime_r(&seconds, &tm);
	size_t len = strftime(dst, 25, "%Y-%m-%dT%H:%M:%S", &tm);
	(void)snprintf(dst + len, 25 - len, ".%03uZ", (unsigned)(wall_ms % 1000) % 1000u);
	return dst;
}
