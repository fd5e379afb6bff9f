/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/make_key.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

static int write_random(int fd)
{
	uint8_t key[MAKE_KEY_BYTES];
	int err = 0;

	/* So few bytes never come short. */
	if (getrandom(key, sizeof(key), 0) != (ssize_t)sizeof(key))
		return ERR_IO;
	if (write(fd, key, sizeof(key)) != (ssize_t)sizeof(key) || fsync(fd) < 0)
		err = err_from_errno(errno);
	explicit_bzero(key, sizeof(key));
	return err;
}

static int sync_folder(const char *path)
{
	const char *slash = strrchr(path, '/');
	size_t len = slash && slash != path ? (size_t)(slash - path) : 1;
	char folder[4096];
	int fd, err = 0;

	(void)snprintf(folder, sizeof(folder), "%.*s", (int)len, slash ? path : ".");
	fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 || fsync(fd) < 0)
		err = err_from_errno(errno);
	if (fd >= 0)
		(void)close(fd);
	return err;
}

int make_key(const char *path)
{
	char *draft = NULL;
	int err = 0, fd = -1;

	if (access(path, F_OK) == 0) {
		errno = EEXIST;
		return ERR_EXIST;
	}
	if (asprintf(&draft, "%s.new", path) < 0)
		return ERR_NOMEM;
	(void)unlink(draft); /* of a crash */
	fd = open(draft, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0400);
	if (fd < 0) {
		err = err_from_errno(errno);
		free(draft);
		return err;
	}
	err = write_random(fd);
	(void)close(fd);
	if (!err && link(draft, path) < 0)
		err = err_from_errno(errno);
	if (!err)
		err = sync_folder(path);
	int saved = errno;
	(void)unlink(draft);
	free(draft);
	errno = saved;
	return err;
}
