/* SPDX-License-Identifier: Apache-2.0
 *
 * How a device stands to its target, in one word.
 */
#ifndef CORE_STATE_H
#define CORE_STATE_H

#include "core/device.h"

#define DEVICE_STATE_LIST(X)                                                                       \
	X(DEVICE_IN_SYNC, "in-sync")                                                               \
	X(DEVICE_UPDATING, "updating")                                                             \
	X(DEVICE_WAITING, "waiting")                                                               \
	X(DEVICE_HELD, "held")                                                                     \
	X(DEVICE_DISABLED, "disabled")                                                             \
	X(DEVICE_NEW, "new")                                                                       \
	X(DEVICE_NO_TARGET, "no-target")

enum device_state {
#define DEVICE_STATE_ENUM(name, word) name,
	DEVICE_STATE_LIST(DEVICE_STATE_ENUM)
#undef DEVICE_STATE_ENUM
};
const char *device_state_name(enum device_state s);
int device_state_from_name(const char *name, enum device_state *ret) ERR_CHECK;

/* `updating`: an attempt is open; `on_target`: its newest report shows the target. */
enum device_state device_state(const struct device *d, bool updating, bool has_target,
			       bool on_target);

#endif
