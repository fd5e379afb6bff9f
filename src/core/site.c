/* SPDX-License-Identifier: Apache-2.0 */
#include "core/site.h"

const char *site_from_name(enum site_from from)
{
#define SITE_WORD(name, word) [name] = word,
	static const char *const words[] = {SITE_FROM_LIST(SITE_WORD)};
#undef SITE_WORD

	return words[from];
}

static const char *first(const char *device, const char *group, const char *product,
			 enum site_from *ret_from)
{
	const char *const texts[] = {
		[SITE_NOWHERE] = "",
		[SITE_DEVICE] = device,
		[SITE_GROUP] = group,
		[SITE_PRODUCT] = product,
	};

	*ret_from = device[0]	 ? SITE_DEVICE
		    : group[0]	 ? SITE_GROUP
		    : product[0] ? SITE_PRODUCT
				 : SITE_NOWHERE;
	return texts[*ret_from];
}

struct site site_of(const struct device *d, const struct product *p, const struct device_group *g)
{
	struct site s;

	s.windows = first(d->windows, g ? g->windows : "", p->windows, &s.windows_from);
	s.time_zone = first(d->time_zone, g ? g->time_zone : "", p->time_zone, &s.time_zone_from);
	return s;
}
