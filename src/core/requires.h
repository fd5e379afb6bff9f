/* SPDX-License-Identifier: Apache-2.0
 *
 * What a release asks of a device before it may have it; told at the upload, never changed. A
 * device that says nothing of what is asked does not meet it: only the security counter is asked
 * of those alone that tell theirs, as it is the device that guards it.
 *
 * Lists are text, an entry a line: stored, compared and shown as they were given.
 */
#ifndef CORE_REQUIRES_H
#define CORE_REQUIRES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/limits.h"

struct requires
{
	char min_version[LIMIT_VERSION + 1]; /* runs at least that; "": any */
	/* Labels of releases that it must have run before, the first one first. */
	char must_pass[LIMIT_MUST_PASS * (LIMIT_VERSION + 1)];
	char hardware[LIMIT_REQUIRED_HARDWARE * (LIMIT_HARDWARE + 1)]; /* one of these; "": any */
	char boot_loader[LIMIT_BOOT_LOADER + 1];		       /* at least; "": any */
	/* Of the image: a device whose own is higher does not take it. */
	int64_t security_counter;
	bool has_security_counter;
};

/* The next line of a list, copied without its end (cut at cap); false at the end. `at` begins at
 * the list. */
bool lines_next(const char **at, char *dst, size_t cap);
unsigned lines_count(const char *list);
bool lines_have(const char *list, const char *line);
/* ERR_EXIST: it is there; ERR_LIMIT: `max` are there. The line is not empty. */
int lines_add(char *list, size_t cap, unsigned max, const char *line) ERR_CHECK;

/* Of a boot loader: the same text, or the same name and behind it a version that is no older
 * ("mcuboot 2.1.0" for "mcuboot 2.0.0", "7" for "6"). */
bool boot_loader_at_least(const char *reported, const char *least);

#endif
