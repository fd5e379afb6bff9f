/* SPDX-License-Identifier: Apache-2.0
 *
 * Reads the configuration's files: FILE, then the *.conf of conf.d beside it in the order of
 * their names (bytes). Everything that is wrong, unreadable files too, is in ret_errors.
 */
#ifndef DAEMON_CONF_LOAD_H
#define DAEMON_CONF_LOAD_H

#include "daemon/conf.h"

enum {
	CONF_FILES_MAX = 64,	 /* FILE and those of conf.d */
	CONF_FILE_BYTES = 65536, /* of one file */
};

/* 0; ERR_SYNTAX for mistakes, or the error of a file. FILE may be missing unless `must_exist`.
 * ret_conf is untouched on failure. */
int conf_load(const char *file, bool must_exist, struct conf *ret_conf,
	      struct conf_errors *ret_errors) ERR_CHECK;

/* A mistake that conf_load() has told, as a line of the log. */
void conf_error_log(const char *text);

#endif
