/* SPDX-License-Identifier: Apache-2.0
 *
 * What the heap keeps of what was freed. Sessions of 40 KiB come and go; left to itself glibc gives
 * the end of the heap back to the kernel as soon as 128 KiB of it are free, and fetches it again,
 * page by page, for the next one: 8 page faults for each handshake, a quarter of all it costs.
 */
#ifndef DAEMON_HEAP_H
#define DAEMON_HEAP_H

enum { HEAP_KEPT = 4 << 20 }; /* 100 sessions; net_sleep.c gives back the rest after a crowd */

/* Before there is much in it. */
void heap_keep(void);

#endif
