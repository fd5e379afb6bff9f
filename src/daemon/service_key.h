/* SPDX-License-Identifier: Apache-2.0
 *
 * The key of the service: where it is read from, and whether it is the one of the database. The
 * first start that has a key seals what is there in clear; afterwards no other key, and no start
 * without one, is taken. Blocking: at start and in the modes of postbootd that are no daemon.
 */
#ifndef DAEMON_SERVICE_KEY_H
#define DAEMON_SERVICE_KEY_H

#include "daemon/conf.h"
#include "daemon/keys.h"
#include "store/store.h"

/* The name of the credential (LoadCredential= in systemd.exec(5)). */
#define SERVICE_KEY_CREDENTIAL "postboot-key"

/* What went wrong, where, and what to do. */
struct service_key_fault {
	char where[CONF_PATH_MAX + 64];
	char what[256];
	const char *todo;
};

/* 32 bytes, or 64 hex digits and perhaps the end of their line. ERR_SYNTAX. */
int service_key_parse(struct bytes text, uint8_t ret_key[NET_SEAL_KEY]) ERR_CHECK;

/* $CREDENTIALS_DIRECTORY/postboot-key, else `file` ("": none), else none: *ret_keys is NULL. A
 * file that is there, or was named, must be good. */
int service_key_load(const char *file, struct keys **ret_keys,
		     struct service_key_fault *ret_fault) ERR_CHECK;

/* Holds key and database against each other, and seals keys that are in clear. ERR_DENIED: it is
 * sealed and there is no key. ERR_CRYPTO: with another key. */
int service_key_adopt(const struct keys *k, struct store *s, const char *path,
		      struct service_key_fault *ret_fault) ERR_CHECK;

/* postbootd -t: the same, reading only. Tells on stderr; 0 or an error. */
int service_key_test(const struct conf *conf) ERR_CHECK;

/* postbootd --rekey: seals all keys with the one in `new_file` instead. Tells on stderr. */
int service_key_change(const struct conf *conf, const char *new_file) ERR_CHECK;

#endif
