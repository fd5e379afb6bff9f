/* SPDX-License-Identifier: Apache-2.0
 *
 * What a serial console would show: one line per event with the time since power was first
 * applied, a progress bar on a terminal. In a fleet each line begins with the device's id and
 * only key lines are printed. Lines with '#' are the narrator's: the device does not know.
 */
#ifndef EMU_CONSOLE_H
#define EMU_CONSOLE_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

struct emu_console {
	FILE *out;
	FILE *journal; /* NULL: none; see journal.h */
	bool quiet;
	bool fleet;
	bool terminal;
	bool bar_open;
	int64_t start_ms;
};

void emu_console_line(struct emu_console *console, int64_t now_ms, const char *id, bool key,
		      const char *fmt, ...) __attribute__((format(printf, 5, 6)));
void emu_console_bar(struct emu_console *console, int64_t now_ms, uint64_t done, uint64_t total,
		     int64_t elapsed_ms);

#endif
