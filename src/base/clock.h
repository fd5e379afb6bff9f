/* SPDX-License-Identifier: Apache-2.0
 *
 * The two clocks, read by the owner of the loop and handed down as numbers:
 * now_ms is monotonic and never jumps (time-outs), wall_ms is Unix time (stored, shown).
 */
#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H

#include <stdint.h>

struct clock {
	int64_t now_ms;	 /* CLOCK_MONOTONIC */
	int64_t wall_ms; /* CLOCK_REALTIME */
};

/* Reads both clocks. */
struct clock clock_read(void);

/* Since the machine was started, its sleep too. */
int64_t clock_since_boot_ms(void);

/* CLOCK_MONOTONIC, for short times. */
int64_t clock_now_us(void);

/* What the calling thread has worked; the time in which it waits or is made to wait is not in
 * it. A system call, of less than 1 us. */
int64_t clock_thread_us(void);

/* Formats wall time as 2026-11-22T23:51:07.123Z into 25 bytes. Returns dst. */
char *clock_format(int64_t wall_ms, char dst[25]);

#endif
