/* SPDX-License-Identifier: Apache-2.0 */
#include "store/mark.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"

/* One line of a fixed length, so that it is overwritten whole and within one sector. */
enum { MARK_BYTES = 128 };

static int mark_name(const char *db_path, char dst[PATH_MAX])
{
	int n = snprintf(dst, PATH_MAX, "%s-mark", db_path);

	return n > 0 && n < PATH_MAX ? 0 : ERR_LIMIT;
}

static uint32_t sum(const char *text, size_t len)
{
	uint32_t h = 2166136261U; /* FNV-1a */

	for (size_t i = 0; i < len; i++)
		h = (h ^ (uint8_t)text[i]) * 16777619U;
	return h;
}

/* The line without its end; its length. */
static size_t mark_print(const struct mark *m, char dst[MARK_BYTES])
{
	return (size_t)snprintf(dst, MARK_BYTES,
				"postboot-mark 1 stream=%s serial=%020" PRIu64 " head=%020" PRIu64,
				m->stream, m->serial, m->head);
}

int mark_read(const char *db_path, struct mark *ret)
{
	char name[PATH_MAX], got[MARK_BYTES + 1], want[MARK_BYTES], tail[16];
	struct mark m = {.serial = 0};
	int err = mark_name(db_path, name);

	if (err)
		return err;
	int fd = open(name, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return err_from_errno(errno);
	ssize_t n = read(fd, got, sizeof(got));
	err = n < 0 ? err_from_errno(errno) : 0;
	(void)close(fd);
	if (err)
		return err;
	if (n == 0)
		return ERR_NOENT;
	if (n != MARK_BYTES)
		return ERR_CORRUPT;
	got[MARK_BYTES] = 0;
	/* scanned, printed again, and compared: what is not of this form is not believed */
	/* NOLINTNEXTLINE(cert-err34-c) */
	if (sscanf(got, "postboot-mark 1 stream=%32s serial=%20" SCNu64 " head=%20" SCNu64,
		   m.stream, &m.serial, &m.head) != 3)
		return ERR_CORRUPT;
	size_t len = mark_print(&m, want);
	(void)snprintf(tail, sizeof(tail), " sum=%08" PRIx32, sum(want, len));
	if (strncmp(got, want, len) != 0 || strncmp(got + len, tail, strlen(tail)) != 0)
		return ERR_CORRUPT;
	*ret = m;
	return 0;
}

int mark_sync_folder(const char *path)
{
	char folder[PATH_MAX];

	if (!buf_copy_str(folder, sizeof(folder), path))
		return ERR_LIMIT;
	char *slash = strrchr(folder, '/');
	if (slash)
		slash[slash == folder] = 0;
	int fd = open(slash ? folder : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return err_from_errno(errno);
	int err = fsync(fd) ? err_from_errno(errno) : 0;
	(void)close(fd);
	return err;
}

int mark_open(const char *db_path, int *ret_fd)
{
	char name[PATH_MAX];
	struct stat st;
	int err = mark_name(db_path, name);

	if (err)
		return err;
	int fd = open(name, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return err_from_errno(errno);
	/* One that is none is longer or shorter, and would not become one by being overwritten. */
	if (fstat(fd, &st) < 0 || (st.st_size != MARK_BYTES && ftruncate(fd, 0) < 0))
		err = err_from_errno(errno);
	if (!err)
		err = mark_sync_folder(name);
	if (err) {
		(void)close(fd);
		return err;
	}
	*ret_fd = fd;
	return 0;
}

int mark_write(int fd, const struct mark *m)
{
	char line[MARK_BYTES + 1];
	size_t len = mark_print(m, line);

	len += (size_t)snprintf(line + len, sizeof(line) - len, " sum=%08" PRIx32, sum(line, len));
	memset(line + len, ' ', MARK_BYTES - len);
	line[MARK_BYTES - 1] = '\n';
	ssize_t n = pwrite(fd, line, MARK_BYTES, 0);
	if (n < 0)
		return err_from_errno(errno);
	if (n != MARK_BYTES)
		return ERR_FULL;
	return fdatasync(fd) ? err_from_errno(errno) : 0;
}
