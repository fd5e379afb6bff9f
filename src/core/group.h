/* SPDX-License-Identifier: Apache-2.0
 *
 * A group: some of the devices of one product, under a name. A device is in one of its product's
 * groups or in none (device.group). A group may have a target of its own, which goes before the
 * product's (core/plan.h). (struct group is libc's.)
 */
#ifndef CORE_GROUP_H
#define CORE_GROUP_H

#include <stdint.h>

#include "base/limits.h"

struct device_group {
	int64_t id;  /* 0 until stored */
	int64_t rev; /* rises with every stored change */
	int64_t product;
	char name[LIMIT_GROUP_NAME + 1];      /* name_valid(); unique in its product */
	int64_t target;			      /* release id, 0: the product's */
	int64_t target_ms;		      /* wall; when it was set, 0: nobody knows */
	char windows[LIMIT_WINDOWS_TEXT + 1]; /* "": the product's (core/site.h) */
	char time_zone[LIMIT_ZONE + 1];	      /* "": the product's */
	/* Of its downloads at the same time, and of bytes of images a second; 0: any. */
	int64_t max_downloads, image_rate;
	int64_t created_ms;
};

#endif
