/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The database schema as embedded at build: schema/NNNN_what.sql, in order of
 * NNNN. Step n brings a database from PRAGMA user_version n - 1 to n; it holds
 * plain statements, neither BEGIN nor COMMIT nor the pragma: the caller runs
 * each step in a transaction of its own and sets user_version in it.
 *
 * schema.c is made by schema-gen.sh; a new step is one line in
 * schema/Makefile.inc.
 */
#ifndef STORE_SCHEMA_H
#define STORE_SCHEMA_H

struct schema_step {
	int version;	  /* NNNN, from 1 without a gap */
	const char *name; /* the file's name, for messages */
	const char *sql;
};

/* Ends with a row whose sql is NULL. */
extern const struct schema_step schema_steps[];

#endif
