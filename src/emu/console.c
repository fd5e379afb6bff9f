/* SPDX-License-Identifier: Apache-2.0 */
#include "emu/console.h"

#include <stdarg.h>

enum { BAR_WIDTH = 30 };

static void console_stamp(const struct emu_console *console, int64_t now_ms)
{
	int64_t ms = now_ms - console->start_ms;

	fprintf(console->out, "[%4lld.%03lld] ", (long long)(ms / 1000), (long long)(ms % 1000));
}

void emu_console_line(struct emu_console *console, int64_t now_ms, const char *id, bool key,
		      const char *fmt, ...)
{
	va_list ap;

	if (console->quiet || (console->fleet && !key))
		return;
	if (console->bar_open)
		fputc('\n', console->out);
	console->bar_open = false;
	console_stamp(console, now_ms);
	if (console->fleet)
		fprintf(console->out, "%s: ", id);
	va_start(ap, fmt);
	vfprintf(console->out, fmt, ap);
	va_end(ap);
	fputc('\n', console->out);
	fflush(console->out);
}

void emu_console_bar(struct emu_console *console, int64_t now_ms, uint64_t done, uint64_t total,
		     int64_t elapsed_ms)
{
	char bar[BAR_WIDTH + 1];
	uint64_t full = total > 0 ? done * BAR_WIDTH / total : 0;
	uint64_t rate = elapsed_ms > 0 ? done * 1000 / 1024 / (uint64_t)elapsed_ms : 0;

	if (console->quiet || console->fleet || !console->terminal)
		return;
	for (uint64_t i = 0; i < BAR_WIDTH; i++)
		bar[i] = i < full ? '#' : '.';
	bar[BAR_WIDTH] = '\0';
	fputc('\r', console->out);
	console_stamp(console, now_ms);
	fprintf(console->out, "[%s] %3llu %% of %llu bytes, %llu KiB/s ", bar,
		(unsigned long long)(total > 0 ? done * 100 / total : 0), (unsigned long long)total,
		(unsigned long long)rate);
	console->bar_open = done < total;
	if (!console->bar_open)
		fputc('\n', console->out);
	fflush(console->out);
}
