/* SPDX-License-Identifier: Apache-2.0
 *
 * Words like "time-zone=Europe/Berlin" that change fields of something on the server.
 */
#ifndef CTL_FIELD_H
#define CTL_FIELD_H

#include <jansson.h>

#include "ctl/args.h"
#include "ctl/ctl.h"

/* FIELD_COUNT: a number; FIELD_RATE: one with K, M or G; "any" and nothing are 0. */
enum field_kind { FIELD_TEXT, FIELD_COUNT, FIELD_RATE };

struct field {
	const char *name; /* as in JSON, with _; NULL ends a list of them */
	enum field_kind kind;
};

/* The words from `first` on as an object; - and _ are one. NULL after a usage message. */
json_t *field_take(const struct ctl *c, const struct args *a, unsigned first,
		   const struct field *fields);

#endif
