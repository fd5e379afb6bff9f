/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/zones.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "daemon/file_read.h"

enum { FILE_MAX = 32768 };

struct zones_entry {
	char name[LIMIT_ZONE + 1];
	struct zone zone;
};

/* "Area/Place": no way out of the folder, and no file that is no zone. */
static bool name_is_sound(const char *name)
{
	static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				      "0123456789_+-/";

	return name[strspn(name, allowed)] == 0 && name[0] != '/' && !strstr(name, "//");
}

/* Of a file since version 2: "...\nRULE\n". A zone without a rule has none for days to come. */
static int read_rule(const char *name, struct zone *ret)
{
	const char *folder = getenv("TZDIR");
	static const char usual[] = "/usr/share/zoneinfo";
	char path[512], *file = malloc(FILE_MAX + 1);
	struct stat st;
	int err = ERR_NOENT;

	if (!file)
		return ERR_NOMEM;
	(void)snprintf(path, sizeof(path), "%s/%s", folder && folder[0] ? folder : usual, name);
	ssize_t len = file_read(path, file, FILE_MAX, &st);
	if (len > 44 && S_ISREG(st.st_mode) && memcmp(file, "TZif", 4) == 0 && file[4] >= '2' &&
	    file[len - 1] == '\n') {
		file[len - 1] = 0;
		const char *line = memrchr(file, '\n', (size_t)len - 1);
		if (line && line[1] && !zone_parse(line + 1, ret))
			err = 0;
	}
	free(file);
	return err;
}

static void remember(struct zones *z, const char *name, const struct zone *zone)
{
	struct zones_entry *grown;

	if (z->count == LIMIT_ZONES)
		return;
	grown = reallocarray(z->list, z->count + 1, sizeof(*grown));
	if (!grown)
		return; /* it is read again */
	z->list = grown;
	(void)buf_copy_str(grown[z->count].name, sizeof(grown[0].name), name);
	grown[z->count++].zone = *zone;
}

int zones_find(struct zones *z, const char *name, struct zone *ret)
{
	if (!zone_parse(name, ret))
		return 0;
	for (size_t i = 0; i < z->count; i++) {
		if (strcmp(z->list[i].name, name) != 0)
			continue;
		*ret = z->list[i].zone;
		return 0;
	}
	if (strlen(name) > LIMIT_ZONE || !name_is_sound(name))
		return ERR_NOENT;
	int err = read_rule(name, ret);
	if (!err)
		remember(z, name, ret);
	return err;
}

void zones_free(struct zones *z)
{
	free(z->list);
	*z = (struct zones){0};
}
