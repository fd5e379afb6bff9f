/* SPDX-License-Identifier: Apache-2.0
 *
 * What the event stream tells (TRUTH 8). Core names the event and the attempt it is about;
 * the daemon writes it as JSON into the transaction of the state it tells of.
 */
#ifndef CORE_EVENT_H
#define CORE_EVENT_H

#include "base/err.h"

/* X(name, topic, data) */
#define EVENT_LIST(X)                                                                              \
	X(EVENT_FLASH_STARTED, "flash/status", "started")                                          \
	X(EVENT_FLASH_SUCCESS, "flash/status", "success")                                          \
	X(EVENT_FLASH_FAILED, "flash/status", "failed")                                            \
	X(EVENT_FLASH_PROGRESS, "flash/progress", "")                                              \
	X(EVENT_ATTEMPT_CLOSED, "attempt/closed", "")                                              \
	X(EVENT_UPDATES_PENDING, "updates/pending", "true")                                        \
	X(EVENT_UPDATES_NOT_PENDING, "updates/pending", "false")                                   \
	X(EVENT_UPDATES_ENABLED, "updates/enabled", "true")                                        \
	X(EVENT_UPDATES_DISABLED, "updates/enabled", "false")                                      \
	X(EVENT_UPDATES_FORCED, "updates/forced", "true")                                          \
	X(EVENT_UPDATES_NOT_FORCED, "updates/forced", "false")                                     \
	X(EVENT_DEVICE_BOOT, "device/boot", "")                                                    \
	X(EVENT_DEVICE_ONLINE, "device/online", "")                                                \
	X(EVENT_DEVICE_OFFLINE, "device/offline", "")                                              \
	X(EVENT_DEVICE_DRIFT, "device/drift", "")                                                  \
	X(EVENT_DEVICE_HELD, "device/held", "")                                                    \
	X(EVENT_DEVICE_UNHELD, "device/held", "none")                                              \
	X(EVENT_DEVICE_DISABLED, "device/disabled", "true")                                        \
	X(EVENT_DEVICE_ENABLED, "device/disabled", "false")                                        \
	X(EVENT_DEVICE_CONVERGED, "device/converged", "")                                          \
	X(EVENT_ROLLOUT_STATE, "rollout/state", "")                                                \
	X(EVENT_HOOK_DISABLED, "hook/disabled", "")                                                \
	X(EVENT_HOOK_MISSED, "hook/missed", "")                                                    \
	X(EVENT_RELEASE_QUARANTINED, "release/quarantined", "true")                                \
	X(EVENT_RELEASE_NOT_QUARANTINED, "release/quarantined", "false")                           \
	X(EVENT_STORE_RESTORED, "store/restored", "")

enum event_kind {
#define EVENT_ENUM(name, topic, data) name,
	EVENT_LIST(EVENT_ENUM)
#undef EVENT_ENUM
};

const char *event_topic(enum event_kind k);
const char *event_data(enum event_kind k);
/* One of the kinds that have this topic, without a prefix; ERR_INVAL. */
int event_from_topic(const char *topic, enum event_kind *ret) ERR_CHECK;

#endif
