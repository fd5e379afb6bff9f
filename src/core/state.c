/* SPDX-License-Identifier: Apache-2.0 */
#include "core/state.h"

enum device_state device_state(const struct device *d, bool updating, bool has_target,
			       bool on_target)
{
	if (d->disabled_ms)
		return DEVICE_DISABLED;
	if (updating)
		return DEVICE_UPDATING;
	if (d->hold != HOLD_NONE)
		return DEVICE_HELD;
	if (!d->has_report)
		return DEVICE_NEW;
	if (!has_target)
		return DEVICE_NO_TARGET;
	return on_target ? DEVICE_IN_SYNC : DEVICE_WAITING;
}
