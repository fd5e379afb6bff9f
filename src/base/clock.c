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

/* Lists have many times in them: no format string is read. */
static char *digits(char *dst, int value, int count, char then)
{
	for (int i = count; i-- > 0; value /= 10)
		dst[i] = (char)('0' + value % 10);
	dst[count] = then;
	return dst + count + 1;
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
	char *at = dst;
	at = digits(at, tm.tm_year + 1900, 4, '-');
	at = digits(at, tm.tm_mon + 1, 2, '-');
	at = digits(at, tm.tm_mday, 2, 'T');
	at = digits(at, tm.tm_hour, 2, ':');
	at = digits(at, tm.tm_min, 2, ':');
	at = digits(at, tm.tm_sec, 2, '.');
	at = digits(at, (int)(wall_ms % 1000), 3, 'Z');
	*at = 0;
	return dst;
}
