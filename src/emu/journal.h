/* SPDX-License-Identifier: Apache-2.0
 *
 * What really happened, for a test to hold against what the server says: one JSON line per event,
 * with the image that really runs. A fault may make the device report something else.
 */
#ifndef EMU_JOURNAL_H
#define EMU_JOURNAL_H

#include "emu/conf.h"

#include <stdio.h>

struct emu_unit;

/* For appending; NULL without a path. Errors are printed. */
int emu_journal_open(const char *path, FILE **ret_journal) ERR_CHECK;
void emu_journal_event(FILE *journal, const struct emu_unit *unit, enum emu_event event);

#endif
