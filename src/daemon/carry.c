/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/carry.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include "base/clock.h"

enum {
	PIECE = 256 * 1024,	      /* written at once */
	BARRIER_US = 5 * 1000 * 1000, /* until the service manager has taken the descriptor */
	PATH = CONF_PATH_MAX + 64,
};
static const off_t BYTES_MAX = (off_t)1 << 30;

/* ---- where ---- */

static bool has_store(void)
{
	return getenv("NOTIFY_SOCKET") != NULL;
}

/* Whatever they are called: through links, with "..", with a slash at the end. */
static bool is_inside(const char *folder, const char *state_dir)
{
	char *inner = realpath(folder, NULL), *outer = realpath(state_dir, NULL);
	size_t len = outer ? strlen(outer) : 0;
	bool inside = inner && outer && strncmp(inner, outer, len) == 0 &&
		      (inner[len] == '/' || inner[len] == '\0');

	free(inner);
	free(outer);
	return inside;
}

/* "FOLDER/sessions" of the folder for what lives as long as the machine runs; false: there is none
 * that would do. */
static bool file_path(const struct conf *conf, char dst[PATH])
{
	const char *folder =
		getenv("RUNTIME_DIRECTORY"); /* of the service manager; the first one */
	const char *slash = strrchr(conf->admin_socket, '/');
	size_t len = folder ? strcspn(folder, ":") : 0;

	if (len == 0 && slash) {
		folder = conf->admin_socket;
		len = (size_t)(slash - folder);
	}
	if (len == 0 || len + sizeof("/sessions.new") > PATH)
		return false;
	(void)snprintf(dst, PATH, "%.*s", (int)len, folder);
	/* The state folder is backed up, and outlives the machine's memory. */
	if (is_inside(dst, conf->state_dir))
		return false;
	(void)snprintf(dst, PATH, "%.*s/sessions", (int)len, folder);
	return true;
}

/* Whoever has it, too, has nothing any more. */
static bool empty(int fd)
{
	return ftruncate(fd, 0) == 0;
}

/* ---- writing ---- */

struct writer {
	int fd, error; /* errno of the first failure */
	size_t used;
	uint8_t *piece;
};

static void writer_flush(struct writer *w)
{
	for (size_t at = 0; at < w->used && !w->error;) {
		ssize_t got = write(w->fd, w->piece + at, w->used - at);

		if (got >= 0)
			at += (size_t)got;
		else if (errno != EINTR)
			w->error = errno;
	}
	explicit_bzero(w->piece, w->used);
	w->used = 0;
}

static int writer_put(void *ctx, struct bytes b)
{
	struct writer *w = ctx;

	if (b.len > PIECE - w->used)
		writer_flush(w);
	if (b.len > PIECE)
		return ERR_LIMIT;
	memcpy(w->piece + w->used, b.ptr, b.len);
	w->used += b.len;
	return w->error ? err_from_errno(w->error) : 0;
}

static int write_all(struct net *net, int fd, struct net_saved *ret)
{
	struct writer w = {.fd = fd, .piece = malloc(PIECE)};
	int err = w.piece ? net_save(net, writer_put, &w, ret) : ERR_NOMEM;

	if (w.piece)
		writer_flush(&w);
	free(w.piece);
	/* From here on they are no longer ours: who could not be written is lost. */
	if (!err && w.error)
		err = err_from_errno(w.error);
	return err;
}

static void saved(int64_t start_ms, const struct net_saved *s, const char *to)
{
	log_info("sessions=saved count=%u closed=%u to=%s ms=%" PRId64, s->sessions, s->closed, to,
		 clock_read().now_ms - start_ms);
}

static void not_saved(const char *at, const char *why, const char *todo)
{
	log_warn("sessions=not-saved at=%s error=\"%s\" do=\"%s\"", at, why, todo);
}

/* A flock() belongs to the open file: while it cannot be had, somebody else still has that. */
static bool is_kept_elsewhere(int again)
{
	return flock(again, LOCK_EX | LOCK_NB) < 0 && errno == EWOULDBLOCK;
}

/* Gives an empty file to the service manager's store, and says whether that took it: nothing comes
 * back, and where FileDescriptorStoreMax= is not set it is closed without a word. The file, opened
 * once more, is in ret_fd. */
static int store_open(int *ret_fd)
{
	char name[64];
	int fd = memfd_create(CARRY_NAME, MFD_CLOEXEC);

	if (fd < 0)
		return err_from_errno(errno);
	(void)snprintf(name, sizeof(name), "/proc/self/fd/%d", fd);
	int again = open(name, O_RDWR | O_CLOEXEC);
	int err = again < 0 || flock(fd, LOCK_EX) < 0 ? err_from_errno(errno) : 0;
	if (!err) {
		int sent = sd_pid_notify_with_fds(0, 0, "FDSTORE=1\nFDNAME=" CARRY_NAME, &fd, 1);
		if (sent > 0) /* it must have looked at it */
			sent = sd_notify_barrier(0, BARRIER_US);
		err = sent < 0 ? err_from_errno(-sent) : 0;
	}
	(void)close(fd);
	if (!err && !is_kept_elsewhere(again))
		err = ERR_UNSUPPORTED;
	if (err && again >= 0)
		(void)close(again);
	else
		*ret_fd = again;
	return err;
}

static void store_forget(void)
{
	(void)sd_notify(0, "FDSTOREREMOVE=1\nFDNAME=" CARRY_NAME);
}

/* False: it has no store for us, and the sessions are where they were. */
static bool save_in_store(struct net *net)
{
	int64_t start_ms = clock_read().now_ms;
	struct net_saved s = {0};
	int fd = -1, err = store_open(&fd);

	if (err) {
		log_warn("sessions=not-stored error=\"%s\" do=\"set FileDescriptorStoreMax=1 for "
			 "this service; they go to a file\"",
			 err == ERR_UNSUPPORTED ? "the service manager keeps no file of ours"
						: err_text(err));
		return false;
	}
	err = write_all(net, fd, &s);
	if (err)
		not_saved("service-manager", err_text(err),
			  "devices make new sessions; free memory");
	else
		saved(start_ms, &s, "service-manager");
	if (err || s.sessions == 0) {
		(void)empty(fd);
		store_forget();
	}
	(void)close(fd);
	return true;
}

static void save_in_file(struct net *net, const char *path)
{
	int64_t start_ms = clock_read().now_ms;
	struct net_saved s = {0};
	char fresh[PATH];

	(void)snprintf(fresh, sizeof(fresh), "%.*s.new", PATH - 8, path);
	(void)unlink(fresh); /* of one that was killed at this point */
	int fd = open(fresh, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	int err = fd < 0 ? err_from_errno(errno) : write_all(net, fd, &s);

	if (!err && s.sessions > 0 && rename(fresh, path) < 0)
		err = err_from_errno(errno);
	if (err || s.sessions == 0)
		(void)unlink(fresh);
	if (err) {
		not_saved(path, err_text(err),
			  "devices make new sessions; let this user write in that folder");
	} else {
		saved(start_ms, &s, path);
	}
	if (fd >= 0)
		(void)close(fd);
}

void carry_save(struct net *net, const struct conf *conf)
{
	char path[PATH];

	if (has_store() && save_in_store(net))
		return;
	if (file_path(conf, path))
		save_in_file(net, path);
	else
		log_info("sessions=closed why=\"their folder is the state folder or in it, where "
			 "they must not be saved\"");
}

/* ---- reading ---- */

static uint8_t *read_all(int fd, size_t len)
{
	uint8_t *p = malloc(len ? len : 1);
	size_t at = 0;

	while (p && at < len) {
		ssize_t got = pread(fd, p + at, len - at, (off_t)at);

		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0) {
			explicit_bzero(p, at);
			free(p);
			return NULL;
		}
		at += (size_t)got;
	}
	return p;
}

static void not_restored(const char *why)
{
	log_warn("sessions=not-restored error=\"%s\" do=\"nothing: devices make new sessions\"",
		 why);
}

/* Empties the file first: from then on there is nothing that could be used twice. */
static void use(struct net *net, int fd, const char *path)
{
	int64_t start_ms = clock_read().now_ms;
	struct net_restored r = {0};
	struct stat st;

	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || st.st_size > BYTES_MAX) {
		not_restored("they are in no file, or in one that is too large");
		return;
	}
	size_t len = (size_t)st.st_size;
	uint8_t *bytes = read_all(fd, len);
	bool gone = empty(fd);

	if (path && unlink(path) < 0 && errno != ENOENT)
		gone = false;
	if (!bytes) {
		not_restored("they could not be read");
		return;
	}
	if (len == 0) {
		free(bytes); /* somebody has used them */
		return;
	}
	if (!gone)
		not_restored("they could not be deleted, and could be used twice");
	else if (net_restore(net, (struct bytes){bytes, len}, &r))
		not_restored(r.why);
	else
		log_info("sessions=restored count=%u refused=%u ms=%" PRId64, r.sessions, r.refused,
			 clock_read().now_ms - start_ms);
	explicit_bzero(bytes, len);
	free(bytes);
}

static void use_file(struct net *net, const char *path)
{
	int fd = open(path, O_RDWR | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
	struct stat st;

	if (fd < 0) {
		if (errno != ENOENT)
			not_restored(strerror(errno));
		return;
	}
	if (fstat(fd, &st) < 0 || st.st_uid != geteuid() || (st.st_mode & 077) || st.st_nlink != 1)
		not_restored("their file is not ours alone");
	else if (flock(fd, LOCK_EX | LOCK_NB) < 0)
		not_restored("another process is using them");
	else
		use(net, fd, path);
	(void)close(fd);
}

void carry_take(struct carry *c, int fd)
{
	if (c->fd < 0) {
		c->fd = fd;
		return;
	}
	c->ambiguous = true;
	(void)empty(fd);
	(void)close(fd);
}

void carry_restore(struct carry *c, struct net *net, const struct conf *conf)
{
	char path[PATH];

	if (c->fd >= 0 && file_path(conf, path))
		(void)unlink(path); /* of whoever: they are older */
	if (c->fd >= 0 && c->ambiguous)
		not_restored("the service manager has them twice");
	else if (c->fd >= 0)
		use(net, c->fd, NULL);
	else if (file_path(conf, path)) /* without a store, or with one that took nothing */
		use_file(net, path);
	carry_done(c);
}

void carry_done(struct carry *c)
{
	if (c->fd < 0)
		return;
	(void)empty(c->fd);
	store_forget();
	(void)close(c->fd);
	c->fd = -1;
}
