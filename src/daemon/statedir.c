/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/statedir.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/log.h"

char *statedir_user(char dst[64])
{
	struct passwd entry, *found = NULL;
	char text[4096];
	uid_t uid = geteuid();

	if (getpwuid_r(uid, &entry, text, sizeof(text), &found) == 0 && found)
		(void)buf_copy_str(dst, 64, found->pw_name);
	else
		(void)snprintf(dst, 64, "%u", (unsigned)uid);
	return dst;
}

static int fail(const char *what, const char *path, const char *key)
{
	int saved = errno;
	char user[64];

	log_err("start=failed %s=%s error=\"%s\" do=\"let user %s write there, or name another "
		"place with %s\"",
		what, path, strerror(saved), statedir_user(user), key);
	return err_from_errno(saved);
}

int statedir_folder(const char *path, unsigned mode, const char *key)
{
	struct stat st;

	if (mkdir(path, (mode_t)mode) == 0) {
		(void)chmod(path, (mode_t)mode); /* whatever the umask */
		log_info("made folder=%s", path);
		return 0;
	}
	if (errno == ENOENT) {
		log_err("start=failed folder=%s error=\"the folder above it does not exist\" "
			"do=\"make that one, or name another place with %s\"",
			path, key);
		return ERR_NOENT;
	}
	if (errno != EEXIST)
		return fail("folder", path, key);
	if (stat(path, &st) < 0)
		return fail("folder", path, key);
	if (!S_ISDIR(st.st_mode)) {
		errno = ENOTDIR;
		return fail("folder", path, key);
	}
	return 0;
}

static int held_by_another(int fd, const char *path)
{
	char pid[16] = "";
	ssize_t n = pread(fd, pid, sizeof(pid) - 1, 0);

	pid[n > 0 ? n : 0] = '\0';
	pid[strspn(pid, "0123456789")] = '\0';
	log_err("start=failed lock=%s error=\"another postbootd%s%s%s owns this state folder\" "
		"do=\"stop it, or name another folder with state-dir\"",
		path, pid[0] ? " (process " : "", pid, pid[0] ? ")" : "");
	return ERR_BUSY;
}

int statedir_open(const char *path, int *ret_lock_fd)
{
	char lock[600];
	int err = statedir_folder(path, 0750, "state-dir");

	if (err)
		return err;
	(void)snprintf(lock, sizeof(lock), "%s/lock", path);
	int fd = open(lock, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0640);
	if (fd < 0)
		return fail("lock", lock, "state-dir");
	if (flock(fd, LOCK_EX | LOCK_NB) < 0) {
		err = errno == EWOULDBLOCK ? held_by_another(fd, lock)
					   : fail("lock", lock, "state-dir");
		(void)close(fd);
		return err;
	}
	/* Only for the message of the next one, so it may fail. */
	if (ftruncate(fd, 0) == 0)
		(void)dprintf(fd, "%ld\n", (long)getpid());
	*ret_lock_fd = fd;
	return 0;
}

/* The name of an image in the folder, or "". Names with a dot in front are unfinished uploads. */
static void some_image(const char *folder, char *dst, size_t cap)
{
	DIR *dir = opendir(folder);

	dst[0] = '\0';
	for (struct dirent *e = dir ? readdir(dir) : NULL; e && !dst[0]; e = readdir(dir))
		if (e->d_name[0] != '.')
			(void)snprintf(dst, cap, "%s/%s", folder, e->d_name);
	if (dir)
		(void)closedir(dir);
}

int statedir_whole(const char *path)
{
	char database[600], left[900];
	struct stat st;

	(void)snprintf(database, sizeof(database), "%s/postboot.db", path);
	if (lstat(database, &st) == 0 || errno != ENOENT)
		return 0; /* there, or the store says what is wrong */
	(void)snprintf(left, sizeof(left), "%s-mark", database);
	if (lstat(left, &st) < 0) {
		char images[600];

		(void)snprintf(images, sizeof(images), "%s/images", path);
		some_image(images, left, sizeof(left));
	}
	if (!left[0])
		return 0;
	log_err("start=failed database=%s error=\"it is gone, what belongs to it is there: %s\" "
		"do=\"put it back, or restore a backup with postbootd --restore FILE; to begin "
		"anew "
		"empty the state folder\"",
		database, left);
	return ERR_NOENT;
}
