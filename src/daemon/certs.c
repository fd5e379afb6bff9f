/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/certs.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "daemon/file_read.h"

#define DAY ((int64_t)86400000)
enum { WARN_DAYS = 30, SESSIONS_MS = 3600000 };

/* What went wrong, where, and what to do. */
struct fault {
	char where[CONF_PATH_MAX + 64];
	char what[192];
	const char *todo;
};

struct file {
	char path[CONF_PATH_MAX + 64];
	uint8_t *bytes;
	size_t len, cap;
};

/* All that a set is made of. */
struct inputs {
	struct file certificate, key, crl;
	struct net_trust *trusts;
	unsigned trust_count;
};

static const char todo_file[] = "put a PEM file there that this user can read, see postbootd(8)";

static int fail(struct fault *f, int err, const char *where, const char *what, const char *todo)
{
	(void)snprintf(f->where, sizeof(f->where), "%s", where);
	(void)snprintf(f->what, sizeof(f->what), "%s", what);
	f->todo = todo;
	return err;
}

/* ---- files ---- */

static int load(struct file *file, size_t limit, struct fault *f)
{
	struct stat st;
	ssize_t len = -1;
	int saved = ENOMEM;

	file->cap = limit + 1;
	file->bytes = malloc(file->cap);
	if (file->bytes) {
		len = file_read(file->path, file->bytes, file->cap, &st);
		saved = errno;
	}
	if (len < 0)
		return fail(f, err_from_errno(saved), file->path, strerror(saved), todo_file);
	if ((size_t)len == file->cap)
		return fail(f, ERR_LIMIT, file->path,
			    limit > LIMIT_CERTIFICATE_FILE ? "it is larger than 1 MiB"
							   : "it is larger than 16 KiB",
			    todo_file);
	file->len = (size_t)len;
	return 0;
}

static void file_done(struct file *file)
{
	if (file->bytes)
		explicit_bzero(file->bytes, file->cap); /* it may be a key */
	free(file->bytes);
}

/* The credential before the file of the configuration, as with the key of the service. */
static void key_path(const struct conf *conf, struct file *key)
{
	const char *folder = getenv("CREDENTIALS_DIRECTORY");

	if (folder &&
	    (size_t)snprintf(key->path, sizeof(key->path), "%s/" CERTS_KEY_CREDENTIAL, folder) <
		    sizeof(key->path) &&
	    access(key->path, F_OK) == 0)
		return;
	(void)snprintf(key->path, sizeof(key->path), "%s", conf->certificate_key);
}

static int files_read(struct inputs *in, const struct conf *conf, struct fault *f)
{
	struct stat st;
	int err;

	(void)snprintf(in->certificate.path, sizeof(in->certificate.path), "%s", conf->certificate);
	key_path(conf, &in->key);
	err = load(&in->certificate, LIMIT_CERTIFICATE_FILE, f);
	if (!err && in->key.path[0] == '\0')
		err = fail(f, ERR_NOENT, "certificate-key",
			   "the certificate has no private key beside it",
			   "set certificate-key, or give the credential " CERTS_KEY_CREDENTIAL);
	if (!err)
		err = load(&in->key, LIMIT_CERTIFICATE_FILE, f);
	(void)snprintf(in->crl.path, sizeof(in->crl.path), "%s", conf->crl_file);
	if (!err && conf->crl_file[0])
		err = load(&in->crl, LIMIT_CRL_FILE, f);
	if (!err && stat(in->key.path, &st) == 0 && st.st_mode & S_IROTH)
		log_warn("certificate-key=%s error=\"everybody on this machine can read it\" "
			 "do=\"chmod 600, and get another certificate\"",
			 in->key.path);
	return err;
}

static void inputs_done(struct inputs *in)
{
	file_done(&in->certificate);
	file_done(&in->key);
	file_done(&in->crl);
	for (unsigned i = 0; i < in->trust_count; i++)
		free((void *)(uintptr_t)in->trusts[i].bundle.ptr);
	free(in->trusts);
}

/* ---- a set ---- */

static int trust_add(void *ctx, const struct product *p, const char *pem)
{
	struct inputs *in = ctx;
	size_t size = strlen(pem);
	struct net_trust *grown =
		reallocarray(in->trusts, in->trust_count + 1, sizeof(struct net_trust));
	uint8_t *copy = malloc(size + 1);

	if (grown)
		in->trusts = grown;
	if (!grown || !copy) {
		free(copy);
		return ERR_NOMEM;
	}
	memcpy(copy, pem, size + 1);
	in->trusts[in->trust_count++] =
		(struct net_trust){.product = p->id, .bundle = {copy, size}};
	return 0;
}

static int set_make(const struct inputs *in, struct net_x509 **ret_x, struct fault *f)
{
	const struct net_x509_conf conf = {
		.certificate = {in->certificate.bytes, in->certificate.len},
		.key = {in->key.bytes, in->key.len},
		.crl = {in->crl.bytes, in->crl.len},
		.trusts = in->trusts,
		.trust_count = in->trust_count,
	};
	struct net_x509_fault why;
	int err = net_x509_new(&conf, ret_x, &why);

	if (!err)
		return 0;
	switch (why.part) {
	case NET_X509_CERTIFICATE:
		return fail(f, err, in->certificate.path, why.what,
			    "name a PEM file with a certificate on P-256");
	case NET_X509_KEY:
		return fail(f, err, in->key.path, why.what,
			    "name the PEM file of the certificate's private key");
	case NET_X509_CRL:
		return fail(f, err, in->crl.path, why.what, "name the CA's list as a PEM file");
	case NET_X509_BUNDLE:
		break;
	}
	return fail(f, err, "a product's CA", why.what, "set it again: postbootctl product ca");
}

static int set_load(const struct conf *conf, struct engine *e, struct net_x509 **ret_x,
		    struct fault *f)
{
	struct inputs in = {.trusts = NULL};
	int err = files_read(&in, conf, f);

	if (!err && e) {
		err = engine_cas(e, trust_add, &in);
		if (err)
			(void)fail(f, err, "a product's CA", err_text(err),
				   "look at the database: postbootd --check-db");
	}
	if (!err)
		err = set_make(&in, ret_x, f);
	inputs_done(&in);
	return err;
}

int certs_load(struct certs *c, const char *what)
{
	char until[25];
	struct net_x509 *x = NULL;
	struct fault f;
	int err = 0;

	if (c->conf->certificate[0])
		err = set_load(c->conf, c->engine, &x, &f);
	if (err) {
		log_err("%s=failed certificate=\"%s\" error=\"%s\" do=\"%s\"", what, f.where,
			f.what, f.todo);
		return err;
	}
	if (x)
		net_x509_info(x, &c->info);
	c->has_set = x != NULL;
	err = net_x509_set_take(c->net, x);
	if (err) {
		log_err("%s=failed certificate=\"%s\" error=\"%s\" do=\"free memory\"", what,
			c->conf->certificate, err_text(err));
		return err;
	}
	if (c->has_set)
		log_info("certificate=%s until=%s crls=%u revoked=%u", c->conf->certificate,
			 clock_format(c->info.not_after_ms, until), c->info.crls, c->info.revoked);
	if (c->has_set && c->info.crls_unknown)
		log_warn(
			"crl-file=%s error=\"%u of its lists are signed by no CA of a product, and "
			"do not count\" do=\"set the CA with postbootctl product ca\"",
			c->conf->crl_file, c->info.crls_unknown);
	certs_look(c, clock_read().wall_ms);
	return 0;
}

static void look_own(struct certs *c, int64_t wall_ms)
{
	char when[25];
	int64_t left = c->info.not_after_ms - wall_ms;

	if (!c->has_set || (left > WARN_DAYS * DAY && wall_ms >= c->info.not_before_ms))
		health_clear(c->health, HEALTH_CERTIFICATE);
	else if (wall_ms < c->info.not_before_ms)
		health_set(c->health, HEALTH_CERTIFICATE,
			   "set this machine's clock, or get a certificate that is valid now",
			   "the server's certificate begins only at %s: that or our clock is wrong",
			   clock_format(c->info.not_before_ms, when));
	else if (left <= 0)
		health_set(c->health, HEALTH_CERTIFICATE,
			   "put a new one in its place and reload: devices refuse this one",
			   "the server's certificate ended at %s",
			   clock_format(c->info.not_after_ms, when));
	else
		health_set(c->health, HEALTH_CERTIFICATE, "put a new one in its place and reload",
			   "the server's certificate ends at %s",
			   clock_format(c->info.not_after_ms, when));
}

void certs_look(struct certs *c, int64_t wall_ms)
{
	char when[25];

	look_own(c, wall_ms);
	/* a clock that was set back is no reason to wait */
	if (wall_ms >= c->sessions_at_ms || c->sessions_at_ms - wall_ms > SESSIONS_MS) {
		net_certificates_look(c->net);
		c->sessions_at_ms = wall_ms + SESSIONS_MS;
	}
	if (!c->has_set || !c->info.crl_until_ms || wall_ms < c->info.crl_until_ms)
		health_clear(c->health, HEALTH_REVOCATIONS);
	else
		health_set(c->health, HEALTH_REVOCATIONS,
			   "get the CA's newest list and reload; until then the old one counts",
			   "a list of revoked certificates ended at %s",
			   clock_format(c->info.crl_until_ms, when));
}

int certs_test(const struct conf *conf)
{
	struct net_x509 *x = NULL;
	struct fault f;
	int err = conf->certificate[0] ? set_load(conf, NULL, &x, &f) : 0;

	if (err)
		(void)fprintf(stderr, "postbootd: %s: %s (%s)\n", f.where, f.what, f.todo);
	net_x509_free(x);
	return err;
}
