/* SPDX-License-Identifier: Apache-2.0 */
#include "core/requires.h"

#include <string.h>

#include "core/version.h"

bool lines_next(const char **at, char *dst, size_t cap)
{
	size_t len = strcspn(*at, "\n");
	size_t kept = len < cap ? len : cap - 1;

	if (len == 0)
		return false;
	memcpy(dst, *at, kept);
	dst[kept] = 0;
	*at += len + ((*at)[len] == '\n');
	return true;
}

unsigned lines_count(const char *list)
{
	unsigned count = 0;

	for (char line[2]; lines_next(&list, line, sizeof(line));)
		count++;
	return count;
}

bool lines_have(const char *list, const char *line)
{
	size_t len = strlen(line);

	for (const char *at = list; *at; at += strcspn(at, "\n"), at += *at == '\n')
		if (strcspn(at, "\n") == len && memcmp(at, line, len) == 0)
			return true;
	return false;
}

int lines_add(char *list, size_t cap, unsigned max, const char *line)
{
	size_t used = strlen(list), len = strlen(line);

	if (lines_have(list, line))
		return ERR_EXIST;
	if (lines_count(list) >= max || used + (used > 0) + len >= cap)
		return ERR_LIMIT;
	if (used)
		list[used++] = '\n';
	memcpy(list + used, line, len + 1);
	return 0;
}

/* What is behind the last space: "mcuboot 2.1" is name and version, "7" a version. */
static const char *loader_version(const char *loader)
{
	const char *space = strrchr(loader, ' ');

	return space ? space + 1 : loader;
}

bool boot_loader_at_least(const char *reported, const char *least)
{
	const char *has = loader_version(reported), *wants = loader_version(least);
	size_t name = (size_t)(has - reported);

	if (strcmp(reported, least) == 0)
		return true;
	return name == (size_t)(wants - least) && memcmp(reported, least, name) == 0 &&
	       version_at_least(has, wants);
}
