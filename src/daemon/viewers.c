/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/viewers.h"

#include <errno.h>
#include <grp.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int viewers_find(const char *name, struct viewers *ret_viewers)
{
	size_t digits = strspn(name, "0123456789");
	struct group grp, *found = NULL;
	char text[65536]; /* its members, too */

	if (!name[0]) {
		*ret_viewers = (struct viewers){0};
		return 0;
	}
	if (!name[digits]) {
		unsigned long long gid = strtoull(name, NULL, 10);

		if (gid >= UINT32_MAX)
			return ERR_RANGE;
		*ret_viewers = (struct viewers){.any = true, .group = (gid_t)gid};
		return 0;
	}
	int saved = getgrnam_r(name, &grp, text, sizeof(text), &found);
	if (!found)
		return saved && saved != ENOENT ? err_from_errno(saved) : ERR_NOENT;
	*ret_viewers = (struct viewers){.any = true, .group = found->gr_gid};
	return 0;
}
