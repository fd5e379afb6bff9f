/* SPDX-License-Identifier: Apache-2.0
 *
 * For LD_PRELOAD: a disk that hangs, as long as the file $STALL_DISK exists, and a network loop
 * that hangs, as long as $STALL_LOOP does; names that nobody resolves, as long as $STALL_NAMES.
 */
#include <dlfcn.h>
#include <netdb.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

int fdatasync(int fd);
int fsync(int fd);

static void stall(const char *name)
{
	const char *file = getenv(name);
	const struct timespec ms = {.tv_nsec = 20 * 1000000};

	while (file && access(file, F_OK) == 0)
		(void)nanosleep(&ms, NULL);
}

int fdatasync(int fd)
{
	static int (*next)(int);

	if (!next)
		*(void **)&next = dlsym(RTLD_NEXT, "fdatasync");
	stall("STALL_DISK");
	return next(fd);
}

int fsync(int fd)
{
	static int (*next)(int);

	if (!next)
		*(void **)&next = dlsym(RTLD_NEXT, "fsync");
	stall("STALL_DISK");
	return next(fd);
}

int recvmmsg(int fd, struct mmsghdr *vec, unsigned int len, int flags, struct timespec *timeout)
{
	static int (*next)(int, struct mmsghdr *, unsigned int, int, struct timespec *);

	if (!next)
		*(void **)&next = dlsym(RTLD_NEXT, "recvmmsg");
	stall("STALL_LOOP");
	return next(fd, vec, len, flags, timeout);
}

int getaddrinfo(const char *node, const char *service, const struct addrinfo *hints,
		struct addrinfo **res)
{
	static int (*next)(const char *, const char *, const struct addrinfo *, struct addrinfo **);

	if (!next)
		*(void **)&next = dlsym(RTLD_NEXT, "getaddrinfo");
	stall("STALL_NAMES");
	return next(node, service, hints, res);
}
