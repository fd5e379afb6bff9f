/* SPDX-License-Identifier: Apache-2.0
 *
 * What the tests of the JSON shapes show: a product, a release, attempts, a device; and the
 * comparison with tests/golden/view-*.json. After a wanted change: UPDATE_GOLDEN=1, then run the
 * test, and read the diff.
 */
#ifndef TESTS_UNIT_VIEW_ROWS_H
#define TESTS_UNIT_VIEW_ROWS_H

#include <stdint.h>

#include "daemon/view.h"

static const int64_t T0 = 1795391467123; /* 2026-11-22T23:51:07.123Z */

/* Takes `json`. */
void assert_golden(const char *name, json_t *json);

struct product product_full(void);
struct release release_full(void);
struct attempt attempt_open(void);
struct attempt attempt_updated(void);
struct attempt attempt_reverted(void);
struct diagnoses diagnoses_full(void);
struct engine_device device_new(void);
struct engine_device device_full(void);
/* Halted in the first of three waves. */
struct rollout rollout_full(void);
/* After a change: what blocks it now. */
void replan(struct engine_device *now);

#endif
