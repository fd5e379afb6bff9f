/* SPDX-License-Identifier: Apache-2.0
 *
 * The configuration: texts in, one struct out, or every mistake with its place. Pure: no
 * file, no clock; conf_load.h reads the files. postbootd.conf(5) describes the form.
 *
 * A text is lines of `key = value`; `#` and `;` begin a comment line, `[postbootd]` is the
 * only section. A key stands once in a text (`listen` often); a later text replaces what an
 * earlier one said, `listen` as a whole.
 */
#ifndef DAEMON_CONF_H
#define DAEMON_CONF_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/log.h"

enum {
	CONF_PATH_MAX = 512,   /* bytes of a path */
	CONF_SOCKET_MAX = 107, /* bytes of admin-socket: sun_path without its NUL */
	CONF_PREFIX_MAX = 32,  /* bytes of event-prefix */
	CONF_GROUP_MAX = 32,   /* bytes of viewer-group */
	CONF_VALUE_MAX = 1023, /* bytes of any value */
	CONF_LISTEN_MAX = 16,  /* addresses */
	CONF_URI_MAX = 63,     /* "coaps://[v6 address]:65535" is at most 61 */
	CONF_ERRORS_MAX = 16,  /* mistakes told at once */
	CONF_PRINT_MAX = 8192, /* bytes conf_print() needs at most */
};

union conf_address {
	struct sockaddr any;
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;
	struct sockaddr_storage storage;
};

struct conf_listen {
	union conf_address addr;
	bool secure;		    /* coaps:// */
	char uri[CONF_URI_MAX + 1]; /* normal form, with its port */
	/* where it was said, for rules that look at several keys; text from 0 */
	unsigned text, line, column;
};

struct conf {
	char state_dir[CONF_PATH_MAX + 1];
	char key_file[CONF_PATH_MAX + 1];
	char certificate[CONF_PATH_MAX + 1]; /* "": devices with certificates are not served */
	char certificate_key[CONF_PATH_MAX + 1];
	char crl_file[CONF_PATH_MAX + 1];
	char admin_socket[CONF_SOCKET_MAX + 1];
	char viewer_group[CONF_GROUP_MAX + 1]; /* a name or a number; "": none */
	struct conf_listen listen[CONF_LISTEN_MAX];
	unsigned listen_count;
	bool listen_is_default;		   /* nobody named an address */
	struct conf_listen metrics_listen; /* TCP; uri "": none */
	bool metrics_anywhere;
	bool plain_devices;
	bool plain_anywhere;
	bool device_json;
	char event_prefix[CONF_PREFIX_MAX + 1];
	int64_t image_limit_bytes;
	enum log_level log_level;
	int64_t hibernate_after_ms;
	int64_t session_idle_ms;
	bool connection_id;
	int64_t handshakes_per_s;
	int64_t requests_per_s, device_requests_per_s, address_requests_per_s;
	int64_t max_sessions;
	int64_t image_rate, device_rate;	  /* bytes a second; 0: any */
	int64_t max_downloads;			  /* at the same time; 0: any number */
	int64_t keep_events_ms, keep_attempts_ms; /* 0: for ever */
	int64_t max_events;			  /* 0: any number */
	char hook_ca_file[CONF_PATH_MAX + 1];	  /* "": the system's */
	int64_t hook_timeout_ms, hook_retry_max_ms, hook_tries, hook_give_up_ms;
};

struct conf_text {
	const char *name; /* for messages */
	const char *ptr;
	size_t len;
};

/* Lines "name:line:column: key: what"; columns count bytes from 1. */
struct conf_errors {
	unsigned count; /* of texts; further mistakes are not told */
	char text[CONF_ERRORS_MAX][1024];
};

/* Defaults, then the texts in their order. ERR_SYNTAX with at least one error told; ret_conf
 * is untouched then. */
int conf_parse(const struct conf_text *texts, unsigned count, struct conf *ret_conf,
	       struct conf_errors *ret_errors) ERR_CHECK;

/* Every key with its value, as a text that conf_parse() reads back to the same struct. */
void conf_print(const struct conf *conf, struct buf *out);

/* "coaps://192.0.2.1:5684", "coap://[::1]:5683". Returns dst. */
char *conf_uri(const union conf_address *addr, bool secure, char dst[CONF_URI_MAX + 1]);

/* 127.0.0.0/8 or ::1. */
bool conf_listen_is_loopback(const struct conf_listen *listen);

/* ---- the table of keys ---- */

struct conf_key;

unsigned conf_key_count(void);
const struct conf_key *conf_key(unsigned index); /* in the order of conf_print() */
const char *conf_key_name(const struct conf_key *key);
const char *conf_key_help(const struct conf_key *key);
bool conf_key_reloads(const struct conf_key *key); /* takes effect on SIGHUP */
bool conf_key_same(const struct conf_key *key, const struct conf *a, const struct conf *b);
/* Not for `listen`. */
void conf_key_copy(const struct conf_key *key, struct conf *dst, const struct conf *src);

#endif
