/* SPDX-License-Identifier: Apache-2.0 */
#include "emu/file.h"

#include "base/buf.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

int emu_path(char *dst, const char *dir, const char *name)
{
	int n = snprintf(dst, EMU_PATH_CAP, "%s/%s", dir, name);

	return n < 0 || n >= EMU_PATH_CAP ? ERR_LIMIT : 0;
}

int emu_dir_make(const char *path)
{
	struct stat st;

	if (mkdir(path, 0700) == 0)
		return 0;
	if (errno != EEXIST)
		return err_from_errno(errno);
	if (stat(path, &st) != 0)
		return err_from_errno(errno);
	return S_ISDIR(st.st_mode) ? 0 : ERR_EXIST;
}

int emu_file_read(const char *path, void *dst, size_t cap, size_t *ret_len)
{
	char *out = dst;
	size_t len = 0;
	ssize_t n = 1;
	int err = 0;
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return err_from_errno(errno);
	while (n > 0 && len < cap) {
		n = read(fd, out + len, cap - len);
		if (n > 0)
			len += (size_t)n;
	}
	if (n < 0)
		err = err_from_errno(errno);
	else if (len == cap)
		err = ERR_LIMIT;
	close(fd);
	if (err)
		return err;
	out[len] = '\0';
	*ret_len = len;
	return 0;
}

static int file_put(int fd, const void *ptr, size_t len)
{
	const char *from = ptr;

	while (len > 0) {
		ssize_t n = write(fd, from, len);

		if (n < 0)
			return err_from_errno(errno);
		from += n;
		len -= (size_t)n;
	}
	return 0;
}

int emu_file_write(const char *path, const void *ptr, size_t len)
{
	char tmp[EMU_PATH_CAP + 8];
	int err;
	int fd;

	snprintf(tmp, sizeof(tmp), "%s.tmp", path);
	fd = open(tmp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd < 0)
		return err_from_errno(errno);
	err = file_put(fd, ptr, len);
	if (close(fd) != 0 && !err)
		err = err_from_errno(errno);
	if (!err && rename(tmp, path) != 0)
		err = err_from_errno(errno);
	if (err)
		(void)unlink(tmp);
	return err;
}

int emu_file_copy(const char *from, const char *to)
{
	char tmp[EMU_PATH_CAP + 8];
	char chunk[16384];
	ssize_t n = 1;
	int err = 0;
	int in = open(from, O_RDONLY | O_CLOEXEC);
	int out;

	if (in < 0)
		return err_from_errno(errno);
	snprintf(tmp, sizeof(tmp), "%s.tmp", to);
	out = open(tmp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (out < 0) {
		err = err_from_errno(errno);
		close(in);
		return err;
	}
	while (!err && n > 0) {
		n = read(in, chunk, sizeof(chunk));
		if (n < 0)
			err = err_from_errno(errno);
		else if (n > 0)
			err = file_put(out, chunk, (size_t)n);
	}
	close(in);
	if (close(out) != 0 && !err)
		err = err_from_errno(errno);
	if (!err && rename(tmp, to) != 0)
		err = err_from_errno(errno);
	if (err)
		(void)unlink(tmp);
	return err;
}

int emu_file_size(const char *path, uint64_t *ret_size)
{
	struct stat st;

	if (stat(path, &st) != 0)
		return err_from_errno(errno);
	*ret_size = (uint64_t)st.st_size;
	return 0;
}

void emu_file_remove(const char *path)
{
	(void)unlink(path);
}

int emu_file_sha256(const char *path, int64_t bad_byte, uint8_t digest[32], uint64_t *ret_size)
{
	unsigned char chunk[16384];
	unsigned char md[EVP_MAX_MD_SIZE];
	uint64_t pos = 0;
	ssize_t n = 1;
	bool ok;
	EVP_MD_CTX *md_ctx = NULL;
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return err_from_errno(errno);
	md_ctx = EVP_MD_CTX_new();
	ok = md_ctx && EVP_DigestInit_ex(md_ctx, EVP_sha256(), NULL) == 1;
	while (ok && n > 0) {
		n = read(fd, chunk, sizeof(chunk));
		if (n <= 0)
			break;
		if (bad_byte >= (int64_t)pos && bad_byte < (int64_t)pos + n)
			chunk[bad_byte - (int64_t)pos] ^= 0xffU;
		ok = EVP_DigestUpdate(md_ctx, chunk, (size_t)n) == 1;
		pos += (uint64_t)n;
	}
	ok = ok && n == 0 && EVP_DigestFinal_ex(md_ctx, md, NULL) == 1;
	EVP_MD_CTX_free(md_ctx);
	close(fd);
	if (!ok)
		return ERR_IO;
	memcpy(digest, md, 32);
	*ret_size = pos;
	return 0;
}
