/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/conf_load.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/file_read.h"

struct files {
	struct conf_text texts[CONF_FILES_MAX];
	char *names[CONF_FILES_MAX];
	char *bytes[CONF_FILES_MAX];
	unsigned count;
	struct conf_errors *errors;
};

static int fail(struct files *f, int err, const char *path, const char *what)
{
	struct conf_errors *e = f->errors;

	e->count = 1;
	(void)snprintf(e->text[0], sizeof(e->text[0]), "%.512s: %s", path, what);
	return err;
}

static int fail_errno(struct files *f, const char *path)
{
	int saved = errno;

	return fail(f, err_from_errno(saved), path, strerror(saved));
}

/* Takes `name`, always. */
static int file_read_take(struct files *f, char *name, bool must_exist)
{
	struct stat st;
	char *bytes = NULL;
	int err = 0, fd = -1;

	if (f->count == CONF_FILES_MAX) {
		err = fail(f, ERR_LIMIT, name, "too many configuration files");
		goto out;
	}
	fd = open(name, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* a FIFO shall not hold us up */
	if (fd < 0) {
		if (errno != ENOENT)
			err = fail_errno(f, name);
		else if (must_exist)
			err = fail(f, ERR_NOENT, name,
				   "there is no such file: write it (see postbootd.conf(5)), name "
				   "another one, or leave -c out to use the default");
		goto out;
	}
	if (fstat(fd, &st) < 0) {
		err = fail_errno(f, name);
		goto out;
	}
	if (S_ISDIR(st.st_mode)) {
		err = fail(f, ERR_INVAL, name, "is a folder, not a file");
		goto out;
	}
	bytes = malloc(CONF_FILE_BYTES + 1);
	if (!bytes) {
		err = fail(f, ERR_NOMEM, name, err_text(ERR_NOMEM));
		goto out;
	}
	ssize_t len = file_read_fd(fd, bytes, CONF_FILE_BYTES + 1);
	if (len < 0) {
		err = fail_errno(f, name);
		goto out;
	}
	if (len > CONF_FILE_BYTES) {
		err = fail(f, ERR_LIMIT, name, "is larger than 64 KiB");
		goto out;
	}
	f->texts[f->count] = (struct conf_text){.name = name, .ptr = bytes, .len = (size_t)len};
	f->names[f->count] = name;
	f->bytes[f->count++] = bytes;
	name = bytes = NULL;
out:
	if (fd >= 0)
		(void)close(fd);
	free(bytes);
	free(name);
	return err;
}

static int is_conf(const struct dirent *e)
{
	size_t len = strlen(e->d_name);

	return e->d_name[0] != '.' && len > 5 && strcmp(e->d_name + len - 5, ".conf") == 0;
}

static int by_bytes(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

static int folder_read(struct files *f, const char *folder)
{
	struct dirent **entries = NULL;
	int err = 0, n = scandir(folder, &entries, is_conf, by_bytes);

	if (n < 0)
		return errno == ENOENT ? 0 : fail_errno(f, folder);
	for (int i = 0; i < n; i++) {
		char *name = NULL;

		if (err == 0 && asprintf(&name, "%s/%s", folder, entries[i]->d_name) < 0)
			err = fail(f, ERR_NOMEM, folder, err_text(ERR_NOMEM));
		else if (err == 0)
			err = file_read_take(f, name, true);
		free(entries[i]);
	}
	free(entries);
	return err;
}

static int files_read(struct files *f, const char *file, bool must_exist)
{
	const char *slash = strrchr(file, '/');
	char *name = strdup(file), *folder = NULL;
	int err;

	if (asprintf(&folder, "%.*sconf.d", slash ? (int)(slash - file) + 1 : 0, file) < 0)
		folder = NULL;
	if (!name || !folder) {
		free(name);
		free(folder);
		return fail(f, ERR_NOMEM, file, err_text(ERR_NOMEM));
	}
	err = file_read_take(f, name, must_exist);
	if (err == 0)
		err = folder_read(f, folder);
	free(folder);
	return err;
}

int conf_load(const char *file, bool must_exist, struct conf *ret_conf,
	      struct conf_errors *ret_errors)
{
	struct files f = {.errors = ret_errors};
	int err;

	ret_errors->count = 0;
	err = files_read(&f, file, must_exist);
	if (err == 0)
		err = conf_parse(f.texts, f.count, ret_conf, ret_errors);
	for (unsigned i = 0; i < f.count; i++) {
		free(f.names[i]);
		free(f.bytes[i]);
	}
	return err;
}

void conf_error_log(const char *text)
{
	char quoted[1024];

	log_err("conf error=\"%s\"", log_quoted(quoted, sizeof(quoted), text, strlen(text)));
}
