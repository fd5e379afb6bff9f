/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/service_key.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/file_read.h"
#include "daemon/statedir.h"

#define KEY_INSTALLED SYSCONFDIR "/postboot/postboot.key"

static const char todo_file[] = "name a file with 32 random bytes or their 64 hex digits; make one "
				"with postbootd --make-key=FILE";
static const char todo_store[] =
	"free space if its disk is full; postbootd --check-db looks at all of it";
static const char todo_none[] =
	"give the service the key it had: LoadCredential=" SERVICE_KEY_CREDENTIAL
	":FILE in its unit, or key-file in postbootd.conf";
static const char todo_other[] =
	"give the service the key it had; a new one is taken over with postbootd --rekey";

static int __attribute__((format(printf, 5, 6)))
fail(struct service_key_fault *f, int err, const char *where, const char *todo, const char *fmt,
     ...)
{
	va_list ap;

	(void)snprintf(f->where, sizeof(f->where), "%s", where);
	va_start(ap, fmt);
	(void)vsnprintf(f->what, sizeof(f->what), fmt, ap);
	va_end(ap);
	f->todo = todo;
	return err;
}

/* ---- the file ---- */

int service_key_parse(struct bytes text, uint8_t ret_key[NET_SEAL_KEY])
{
	enum { DIGITS = 2 * NET_SEAL_KEY };
	uint8_t key[NET_SEAL_KEY];
	size_t len = text.len;

	if (len == NET_SEAL_KEY) {
		memcpy(ret_key, text.ptr, NET_SEAL_KEY);
		return 0;
	}
	if (len == DIGITS + 1 && text.ptr[DIGITS] == '\n')
		len = DIGITS;
	if (len == DIGITS + 2 && text.ptr[DIGITS] == '\r' && text.ptr[DIGITS + 1] == '\n')
		len = DIGITS;
	if (len != DIGITS || buf_from_hex((const char *)text.ptr, len, key, sizeof(key), &len))
		return ERR_SYNTAX;
	memcpy(ret_key, key, NET_SEAL_KEY);
	explicit_bzero(key, sizeof(key));
	return 0;
}

/* ERR_NOENT if there is no such file, without a fault. */
static int key_read(const char *path, uint8_t key[NET_SEAL_KEY], struct service_key_fault *f)
{
	uint8_t text[2 * NET_SEAL_KEY + 3]; /* one more than the longest good one */
	struct stat st = {.st_mode = 0};
	ssize_t len = file_read(path, text, sizeof(text), &st);
	int saved = errno, err = 0;

	if (len < 0) {
		err = err_from_errno(saved);
		if (err != ERR_NOENT)
			err = fail(f, err, path, "let this user read it, or name another file",
				   "%s", strerror(saved));
		return err;
	}
	if (service_key_parse((struct bytes){text, (size_t)len}, key))
		err = fail(f, ERR_SYNTAX, path, todo_file,
			   "this is no key: %s%zd byte%s, neither 32 bytes nor 64 hex digits",
			   (size_t)len == sizeof(text) ? "at least " : "", len,
			   len == 1 ? "" : "s");
	else if (st.st_mode & S_IROTH)
		log_warn("service-key=%s error=\"everybody on this machine can read it\" "
			 "do=\"chmod 600, then change it with postbootd --rekey\"",
			 path);
	explicit_bzero(text, sizeof(text));
	return err;
}

static int file_load(const char *path, struct keys **ret_keys, struct service_key_fault *f)
{
	uint8_t key[NET_SEAL_KEY];
	int err = key_read(path, key, f);

	if (err)
		return err;
	err = keys_new(key, ret_keys);
	explicit_bzero(key, sizeof(key));
	return err ? fail(f, err, path, "free memory", "%s", err_text(err)) : 0;
}

int service_key_load(const char *file, struct keys **ret_keys, struct service_key_fault *ret_fault)
{
	const char *folder = getenv("CREDENTIALS_DIRECTORY");
	char path[CONF_PATH_MAX + 1];
	int err = ERR_NOENT;

	*ret_keys = NULL;
	if (folder && (size_t)snprintf(path, sizeof(path), "%s/" SERVICE_KEY_CREDENTIAL, folder) <
			      sizeof(path))
		err = file_load(path, ret_keys, ret_fault);
	if (err != ERR_NOENT || !file[0])
		return err == ERR_NOENT ? 0 : err;
	err = file_load(file, ret_keys, ret_fault);
	if (err == ERR_NOENT)
		err = fail(ret_fault, err, file, todo_file, "there is no such file");
	return err;
}

/* ---- key and database ---- */

static int check(const struct keys *k, const struct store_seal *seal, const char *path,
		 struct service_key_fault *f)
{
	int err = 0;

	if (seal->len && !k)
		return fail(f, ERR_DENIED, path, todo_none,
			    "this database's keys are sealed, and there is no key to open them");
	if (seal->len)
		err = keys_seal_check(k, seal);
	if (err)
		err = fail(
			f, err, path, todo_other,
			"this database's keys were sealed with another key than the service has");
	return err;
}

struct rewrap {
	const struct keys *from, *to;
};

static int rewrap(void *ctx, struct store_key *row)
{
	const struct rewrap *r = ctx;
	struct psk psk;
	int err = keys_unwrap(r->from, row, &psk);

	if (!err)
		err = keys_wrap(r->to, &psk, row);
	explicit_bzero(&psk, sizeof(psk));
	return err;
}

static int rewrap_all(const struct keys *from, const struct keys *to, struct store *s,
		      const char *path, uint64_t *ret_count, struct service_key_fault *f)
{
	struct rewrap r = {from, to};
	struct store_seal seal;
	int err = keys_seal(to, &seal);

	if (!err)
		err = store_rewrap(s, rewrap, &r, &seal, ret_count);
	return err ? fail(f, err, path, todo_store,
			  "the keys could not be sealed, nothing was changed: %s",
			  store_error(s)[0] ? store_error(s) : err_text(err))
		   : 0;
}

/* Tried again at the next start; until then it is as if there were an old backup. */
static void scrub(struct store *s, const char *path)
{
	int err = store_scrub(s);

	if (err)
		log_warn("database=%s error=\"it may still hold what the keys were before: %s\" "
			 "do=\"see that there is room for a second copy of it, then restart\"",
			 path, store_error(s)[0] ? store_error(s) : err_text(err));
}

int service_key_adopt(const struct keys *k, struct store *s, const char *path,
		      struct service_key_fault *ret_fault)
{
	struct store_seal seal = {.len = 0};
	uint64_t count = 0;
	int err = store_seal(s, &seal);

	if (err)
		return fail(ret_fault, err, path, todo_store, "%s", err_text(err));
	err = check(k, &seal, path, ret_fault);
	if (err)
		return err;
	if (!k) {
		log_warn("keys=clear error=\"whoever reads the database has the keys of all "
			 "devices\" do=\"give the service a key, see postbootd(8)\"");
		return 0;
	}
	if (!seal.len) {
		err = rewrap_all(NULL, k, s, path, &count, ret_fault);
		if (err)
			return err;
		log_info("keys=sealed count=%" PRIu64, count);
	}
	scrub(s, path);
	return 0;
}

/* ---- modes of postbootd ---- */

static int say(int err, const struct service_key_fault *f)
{
	if (err)
		(void)fprintf(stderr, "postbootd: %s: %s (%s)\n", f->where, f->what, f->todo);
	return err;
}

static char *database(const struct conf *conf, char dst[CONF_PATH_MAX + 32])
{
	(void)snprintf(dst, CONF_PATH_MAX + 32, "%s/postboot.db", conf->state_dir);
	return dst;
}

int service_key_test(const struct conf *conf)
{
	char path[CONF_PATH_MAX + 32];
	struct service_key_fault fault;
	struct store_seal seal = {.len = 0};
	struct keys *k = NULL;
	int err = service_key_load(conf->key_file, &k, &fault);

	if (err)
		return say(err, &fault);
	err = store_seal_look(database(conf, path), &seal);
	if (err == ERR_VERSION) {
		(void)fprintf(stderr,
			      "postbootd: %s: a newer postbootd wrote it: this one will not start "
			      "with it\n",
			      path);
		keys_free(k);
		return err;
	}
	if (err && err != ERR_NOENT)
		(void)fprintf(stderr, "postbootd: %s: %s: not checked against the service's key\n",
			      path, err_text(err));
	else if (seal.len && !k)
		(void)fprintf(stderr,
			      "postbootd: %s: its keys are sealed, and there is no service key "
			      "here to check them with\n",
			      path);
	err = err || !k ? 0 : say(check(k, &seal, path, &fault), &fault);
	keys_free(k);
	return err;
}

static int change(const struct keys *from, const char *new_file, const char *path,
		  struct service_key_fault *f)
{
	const struct store_conf conf = {.path = path, .inline_commit = true};
	struct store_seal seal = {.len = 0};
	struct store *s = NULL;
	struct keys *to = NULL;
	uint64_t count = 0;
	int err = file_load(new_file, &to, f);

	if (err == ERR_NOENT)
		err = fail(f, err, new_file, todo_file, "there is no such file");
	if (err)
		return err;
	err = store_open(&conf, &s);
	if (!err)
		err = store_seal(s, &seal);
	if (err)
		err = fail(f, err, path, "see the line before", "%s", err_text(err));
	else if (!seal.len)
		err = fail(f, ERR_INVAL, path, "start the daemon with the new key: it seals them",
			   "its keys are in clear");
	else
		err = check(from, &seal, path, f);
	if (!err)
		err = rewrap_all(from, to, s, path, &count, f);
	if (!err) {
		(void)fprintf(stderr,
			      "postbootd: %s: %" PRIu64 " keys are sealed with %s now; give that "
			      "one to the service\n",
			      path, count, new_file);
		scrub(s, path);
	}
	store_close(s);
	keys_free(to);
	return err;
}

int service_key_change(const struct conf *conf, const char *new_file)
{
	char path[CONF_PATH_MAX + 32];
	struct service_key_fault fault;
	struct keys *from = NULL;
	int lock_fd = -1;
	int err = statedir_open(conf->state_dir, &lock_fd);

	if (err)
		return err; /* was told */
	err = service_key_load(conf->key_file, &from, &fault);
	if (!err && !from) /* the unit's, which a service gets as its credential */
		err = file_load(KEY_INSTALLED, &from, &fault);
	if (!err || err == ERR_NOENT)
		err = change(from, new_file, database(conf, path), &fault);
	keys_free(from);
	(void)close(lock_fd);
	return say(err, &fault);
}
