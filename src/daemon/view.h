/* SPDX-License-Identifier: Apache-2.0
 *
 * JSON for people and programs: the one place that knows the shapes which postboot-api(7)
 * documents. Every function returns a new jansson reference, or NULL when out of memory.
 */
#ifndef DAEMON_VIEW_H
#define DAEMON_VIEW_H

#include <jansson.h>

#include "core/update.h"
#include "store/store.h"

/* The payload of an event, merged into the stream's object (see postboot-api). `a` and `dg`
 * are NULL for events that are not about an attempt; `release` is NULL where unknown. */
json_t *view_event_payload(enum event_kind kind, const struct device *d, const struct product *p,
			   const struct attempt *a, const struct diagnoses *dg);

#endif
