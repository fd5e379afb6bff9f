/* SPDX-License-Identifier: Apache-2.0
 *
 * JSON of a rollout's dry run.
 */
#ifndef DAEMON_VIEW_PLAN_H
#define DAEMON_VIEW_PLAN_H

#include "daemon/engine_plan.h"
#include "daemon/view.h"

json_t *view_rollout_plan(const struct engine_rollout *v, const struct engine_plan *plan,
			  const struct rollout_forecast *f);
json_t *view_rollout_forecast(const struct engine_rollout *v, const struct rollout_forecast *f);

#endif
