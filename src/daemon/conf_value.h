/* SPDX-License-Identifier: Apache-2.0
 *
 * The types of configuration values: text to member of struct conf and back. Used by conf.c
 * only; every mistake is a sentence and an offset into the value.
 */
#ifndef DAEMON_CONF_VALUE_H
#define DAEMON_CONF_VALUE_H

#include "daemon/conf.h"

enum conf_type {
	CONF_TYPE_PATH,	    /* char[max + 1], absolute */
	CONF_TYPE_LISTEN,   /* appends to struct conf itself */
	CONF_TYPE_TCP,	    /* struct conf_listen, uri is ADDR:PORT, "": none */
	CONF_TYPE_BOOL,	    /* bool */
	CONF_TYPE_PREFIX,   /* char[max + 1] */
	CONF_TYPE_GROUP,    /* char[max + 1] */
	CONF_TYPE_SIZE,	    /* int64_t, bytes */
	CONF_TYPE_LEVEL,    /* enum log_level */
	CONF_TYPE_DURATION, /* int64_t, ms */
	CONF_TYPE_COUNT,    /* int64_t */
	CONF_TYPE_KEEP,	    /* int64_t, ms; 0 is "forever" */
	CONF_TYPE_MAX,	    /* int64_t; 0 is "any" */
	CONF_TYPE_RATE,	    /* int64_t, bytes a second; 0 is "any" */
};

struct conf_key {
	const char *name;
	enum conf_type type;
	size_t offset;	      /* in struct conf */
	const char *standard; /* the default; several values of `listen` apart by a space */
	int64_t min, max;     /* of a number; bytes of a string */
	bool reload;
	const char *help;
};

struct conf_fault {
	size_t at; /* byte of the value */
	char what[256];
};

/* false with `fault` filled; conf is then untouched. */
bool conf_value_parse(const struct conf_key *key, const char *value, struct conf *conf,
		      struct conf_fault *fault);

/* One value; of `listen` the one with this index. */
void conf_value_print(const struct conf_key *key, const struct conf *conf, unsigned index,
		      struct buf *out);

#endif
