/* SPDX-License-Identifier: Apache-2.0
 *
 * Runs one device or a fleet in one thread: shards of at most EMU_CTX_SESSIONS devices with one
 * libcoap context each, one poll() over all.
 */
#ifndef EMU_FLEET_H
#define EMU_FLEET_H

#include "emu/conf.h"

/* Set by the signal handlers of main(). */
struct emu_signals {
	volatile int stop;
	volatile int free_space;
};

/* The program's exit status: 0, 1 (run time, --until not reached) or 2 (state folder). */
int emu_fleet_run(const struct emu_conf *conf, struct emu_signals *signals);

#endif
