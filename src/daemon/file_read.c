/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/file_read.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

ssize_t file_read_fd(int fd, void *dst, size_t cap)
{
	size_t have = 0;

	while (have < cap) {
		ssize_t n = read(fd, (char *)dst + have, cap - have);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -1;
		if (n == 0)
			break;
		have += (size_t)n;
	}
	return (ssize_t)have;
}

ssize_t file_read(const char *path, void *dst, size_t cap, struct stat *ret_stat)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	ssize_t len = -1;

	if (fd < 0)
		return -1;
	if (fstat(fd, ret_stat) == 0)
		len = file_read_fd(fd, dst, cap);
	int saved = errno;
	(void)close(fd);
	errno = saved;
	return len;
}
