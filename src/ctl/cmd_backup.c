/* SPDX-License-Identifier: Apache-2.0
 *
 * backup FILE: what the daemon sends goes to a file beside FILE and gets its name when it is
 * whole and on the disk. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ctl/commands.h"
#include "ctl/text.h"
#include "ctl/view.h"

/* What every database of SQLite begins with, its NUL included. */
static const char magic[16] = "SQLite format 3";

static int receive(struct ctl *c, int fd, int64_t *ret_bytes)
{
	char first[sizeof(magic)] = "";
	int err = http_download(c->http, "/v1/backup", fd, first, sizeof(first), ret_bytes);

	if (err)
		return ctl_fail(c, "%s", http_error(c->http));
	if (memcmp(first, magic, sizeof(magic)) != 0)
		return ctl_fail(c, "what came is no database");
	return CTL_DONE;
}

/* The name is in the folder on the disk, too. */
static int sync_folder(const char *path)
{
	char *folder = mem_copy(path);
	char *slash = strrchr(folder, '/');
	int fd, rc;

	if (slash)
		slash[slash == folder] = '\0';
	fd = open(slash ? folder : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	free(folder);
	if (fd < 0)
		return -1;
	rc = fsync(fd);
	(void)close(fd);
	return rc;
}

static int to_file(struct ctl *c, const char *path, int64_t *ret_bytes)
{
	char *part = mem_get(strlen(path) + sizeof(".XXXXXX"));
	struct stat st;
	int code, fd;

	if (stat(path, &st) == 0 && !S_ISREG(st.st_mode)) {
		free(part);
		return ctl_fail(c, "%s: is there and no file", path);
	}
	(void)sprintf(part, "%s.XXXXXX", path);
	fd = mkstemp(part); /* mode 0600: it holds keys */
	if (fd < 0) {
		code = ctl_fail(c, "%s: %s", path, strerror(errno));
		free(part);
		return code;
	}
	code = receive(c, fd, ret_bytes);
	if (code == CTL_DONE && (fsync(fd) != 0 || rename(part, path) != 0 || sync_folder(path)))
		code = ctl_fail(c, "%s: %s", path, strerror(errno));
	(void)close(fd);
	if (code != CTL_DONE)
		(void)unlink(part);
	free(part);
	return code;
}

int server_backup(struct ctl *c, const struct args *a)
{
	const char *path = a->pos[0];
	int64_t bytes = 0;
	char text[64];
	json_t *v;
	int code;

	if (strcmp(path, "-") == 0) {
		if (isatty(STDOUT_FILENO) == 1)
			return ctl_usage(c, "a backup is not for a terminal: name a file");
		return receive(c, STDOUT_FILENO, &bytes);
	}
	code = to_file(c, path, &bytes);
	if (code != CTL_DONE)
		return code;
	if (c->out.json) {
		v = json_pack("{s:s, s:I}", "file", path, "bytes", (json_int_t)bytes);
		out_json(&c->out, v);
		json_decref(v);
	} else {
		out_printf(&c->out, "Backup %s: %s", path, bytes_text(bytes, text));
		out_nl(&c->out);
	}
	return CTL_DONE;
}
