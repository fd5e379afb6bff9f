/* SPDX-License-Identifier: Apache-2.0
 *
 * Where a device stands: which maintenance windows hold for it, by the clock of which place, and
 * where each of the two was set. The device's own go before its group's, those before its
 * product's; a rollout has none.
 */
#ifndef CORE_SITE_H
#define CORE_SITE_H

#include "core/device.h"
#include "core/group.h"
#include "core/release.h"

#define SITE_FROM_LIST(X)                                                                          \
	X(SITE_NOWHERE, "none")                                                                    \
	X(SITE_DEVICE, "device")                                                                   \
	X(SITE_GROUP, "group")                                                                     \
	X(SITE_PRODUCT, "product")

enum site_from {
#define SITE_ENUM(name, word) name,
	SITE_FROM_LIST(SITE_ENUM)
#undef SITE_ENUM
};
const char *site_from_name(enum site_from from);

/* Texts as they were given, borrowed from whoever has them. */
struct site {
	const char *windows;   /* schedule_parse(); "": always */
	const char *time_zone; /* a name or a POSIX TZ rule; "": UTC */
	enum site_from windows_from, time_zone_from;
};
/* `g`: the device's, NULL: none. */
struct site site_of(const struct device *d, const struct product *p, const struct device_group *g);

#endif
