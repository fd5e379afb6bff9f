/* SPDX-License-Identifier: Apache-2.0
 *
 * Small files, read whole into the caller's memory.
 */
#ifndef DAEMON_FILE_READ_H
#define DAEMON_FILE_READ_H

#include <stddef.h>
#include <sys/stat.h>
#include <sys/types.h>

/* Up to `cap` bytes of what is open; how many, or -1 and errno. */
ssize_t file_read_fd(int fd, void *dst, size_t cap);
/* The same of a file by its name, and what it is; of a FIFO nothing is waited for. */
ssize_t file_read(const char *path, void *dst, size_t cap, struct stat *ret_stat);

#endif
