/* SPDX-License-Identifier: Apache-2.0 */
#include "emu/fs.h"

#include <dirent.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static uint32_t fs_blocks_of(uint64_t size)
{
	uint64_t blocks = (size + EMU_FS_BLOCK - 1) / EMU_FS_BLOCK;

	return blocks == 0 ? 1 : (uint32_t)blocks;
}

static bool fs_file_blocks(const struct emu_fs *fs, const char *name, uint32_t *ret_blocks)
{
	char path[EMU_PATH_CAP];
	uint64_t size;

	if (emu_path(path, fs->dir, name) != 0 || emu_file_size(path, &size) != 0)
		return false;
	*ret_blocks = fs_blocks_of(size);
	return true;
}

int emu_fs_init(struct emu_fs *fs, const char *state_dir, uint32_t blocks)
{
	int err = emu_path(fs->dir, state_dir, "fs");

	if (err)
		return err;
	fs->blocks = blocks;
	return emu_dir_make(fs->dir);
}

uint32_t emu_fs_free(const struct emu_fs *fs)
{
	uint32_t used = 0;
	struct dirent *entry;
	DIR *dir = opendir(fs->dir);

	if (!dir)
		return 0;
	while ((entry = readdir(dir)) != NULL) {
		uint32_t blocks;

		if (entry->d_name[0] != '.' && fs_file_blocks(fs, entry->d_name, &blocks))
			used += blocks;
	}
	closedir(dir);
	return used >= fs->blocks ? 0 : fs->blocks - used;
}

void emu_fs_set_logs(const struct emu_fs *fs, uint32_t blocks)
{
	char path[EMU_PATH_CAP];
	uint32_t had = 0;
	int fd;

	if (emu_path(path, fs->dir, EMU_FS_LOG) != 0)
		return;
	(void)fs_file_blocks(fs, EMU_FS_LOG, &had);
	if (blocks > had + emu_fs_free(fs))
		blocks = had + emu_fs_free(fs);
	if (blocks == 0) {
		emu_file_remove(path);
		return;
	}
	/* A hole: the size is what counts, a fleet should not fill the developer's disk. */
	fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0)
		return;
	if (ftruncate(fd, (off_t)blocks * EMU_FS_BLOCK) != 0)
		emu_file_remove(path);
	close(fd);
}

void emu_fs_fill(const struct emu_fs *fs, uint32_t leave, const char *except)
{
	uint32_t logs = 0;
	uint32_t other = 0;
	uint32_t room;

	(void)fs_file_blocks(fs, EMU_FS_LOG, &logs);
	if (except)
		(void)fs_file_blocks(fs, except, &other);
	room = emu_fs_free(fs) + logs + other;
	emu_fs_set_logs(fs, room > leave ? room - leave : 0);
}

enum emu_fs_result emu_fs_save(const struct emu_fs *fs, const char *name, const void *ptr,
			       size_t len)
{
	char path[EMU_PATH_CAP];
	uint32_t free_blocks = emu_fs_free(fs);
	uint32_t had = 0;
	bool exists = fs_file_blocks(fs, name, &had);

	if (len <= EMU_FS_INLINE) {
		if (!exists && free_blocks < 1)
			return EMU_FS_LOST_AT_WRITE;
	} else {
		if (free_blocks < fs_blocks_of(len))
			return EMU_FS_LOST_AT_WRITE;
		if (free_blocks < fs_blocks_of(len) + 1)
			return EMU_FS_LOST_AT_CLOSE;
	}
	if (emu_path(path, fs->dir, name) != 0 || emu_file_write(path, ptr, len) != 0)
		return EMU_FS_LOST_AT_WRITE;
	return EMU_FS_SAVED;
}

void emu_fs_force(const struct emu_fs *fs, const char *name, const void *ptr, size_t len)
{
	char path[EMU_PATH_CAP];

	if (emu_path(path, fs->dir, name) != 0 || emu_file_write(path, ptr, len) != 0)
		emu_fs_remove(fs, name);
}

int emu_fs_load(const struct emu_fs *fs, const char *name, void *dst, size_t cap, size_t *ret_len)
{
	char path[EMU_PATH_CAP];
	int err = emu_path(path, fs->dir, name);

	return err ? err : emu_file_read(path, dst, cap, ret_len);
}

void emu_fs_remove(const struct emu_fs *fs, const char *name)
{
	char path[EMU_PATH_CAP];

	if (emu_path(path, fs->dir, name) == 0)
		emu_file_remove(path);
}
