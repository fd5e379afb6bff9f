/* SPDX-License-Identifier: Apache-2.0
 *
 * Strange names in the folder of the images: what is removed at start must be exactly what an
 * upload left behind and what no release uses, and nothing that postbootd would not have named.
 * Input: names, each ends with a slash. A name beginning with '#' stands for the SHA-256 whose
 * bytes all are the next one, so that real names are met; an odd last digit of a real name
 * means that a release uses it.
 */
#include <assert.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "daemon/images.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { NAMES_MAX = 16, NAME_LEN_MAX = 255, DIGITS = 2 * DIGEST_SHA256 };

static void must(bool ok)
{
	if (!ok)
		abort();
}

static bool used(void *ctx, const uint8_t sha256[DIGEST_SHA256])
{
	(void)ctx;
	return sha256[DIGEST_SHA256 - 1] & 1;
}

/* The judge, told apart by text alone. */
static bool must_stay(const char *name)
{
	size_t len = strlen(name);

	if (strncmp(name, ".tmp-", 5) == 0)
		return false;
	if (len != DIGITS || strspn(name, "0123456789abcdef") != len)
		return true;
	return strchr("13579bdf", name[len - 1]) != NULL;
}

static bool name_take(const char *ptr, size_t len, char dst[NAME_LEN_MAX + 1])
{
	if (len >= 2 && ptr[0] == '#') {
		for (int i = 0; i < DIGEST_SHA256; i++)
			(void)snprintf(dst + 2 * i, 3, "%02x", (unsigned)(unsigned char)ptr[1]);
		return true;
	}
	if (len == 0 || len > NAME_LEN_MAX || memchr(ptr, 0, len))
		return false;
	memcpy(dst, ptr, len);
	dst[len] = 0;
	return strcmp(dst, ".") != 0 && strcmp(dst, "..") != 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static char dir[64], names[NAMES_MAX][NAME_LEN_MAX + 1];
	const char *at = (const char *)data, *end = at + size;
	struct images *im = NULL;
	unsigned count = 0;
	uv_loop_t loop;

	log_set_level(LOG_LEVEL_ERR);
	if (!dir[0]) {
		(void)snprintf(dir, sizeof(dir), "%s/postboot-fuzz-XXXXXX",
			       access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
		must(mkdtemp(dir));
	} else {
		must(mkdir(dir, 0700) == 0);
	}
	int fd = open(dir, O_RDONLY | O_DIRECTORY);
	must(fd >= 0);
	while (at < end && count < NAMES_MAX) {
		const char *stop = memchr(at, '/', (size_t)(end - at));
		size_t len = (size_t)((stop ? stop : end) - at);

		if (name_take(at, len, names[count])) {
			int file = openat(fd, names[count], O_CREAT | O_WRONLY, 0600);
			if (file >= 0) {
				(void)close(file);
				count++;
			}
		}
		at += len + 1;
	}
	must(uv_loop_init(&loop) == 0);
	must(images_new(&loop, dir, 1 << 20, &im) == 0);
	must(images_sweep(im, used, NULL) == 0);
	images_free(im);
	must(uv_loop_close(&loop) == 0);
	for (unsigned i = 0; i < count; i++)
		must((faccessat(fd, names[i], F_OK, 0) == 0) == must_stay(names[i]));
	for (unsigned i = 0; i < count; i++)
		(void)unlinkat(fd, names[i], 0);
	(void)close(fd);
	must(rmdir(dir) == 0);
	return 0;
}
