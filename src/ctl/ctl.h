/* SPDX-License-Identifier: Apache-2.0
 *
 * What every command works with, and the command table's row. A command gets its words
 * parsed, asks the daemon, prints through ctl->out and returns an exit code.
 */
#ifndef CTL_CTL_H
#define CTL_CTL_H

#include <jansson.h>

#include "ctl/args.h"
#include "ctl/http.h"
#include "ctl/output.h"
#include "ctl/url.h"

/* Exit codes: stable, documented in postbootctl(1). */
enum { CTL_DONE = 0, CTL_FAILED = 1, CTL_USAGE = 2, CTL_DEGRADED = 3 };

struct ctl {
	struct output out;
	struct http *http;
	const struct command *command; /* the one that runs */
	char topic[64];		       /* "device lock", for messages; "" before */
};

struct command {
	const char *noun, *verb; /* verb NULL: the noun alone is the command */
	const char *words;	 /* its arguments, as usage shows them */
	unsigned min, max;	 /* how many of them */
	const char *help;	 /* one line; NULL: it is not told of */
	const struct option_row *options;
	int (*run)(struct ctl *c, const struct args *a);
	const char *more; /* paragraphs for --help, or NULL */
};

/* The table; its end has a NULL noun. */
extern const struct command commands[];

/* The whole program. */
int ctl_main(int argc, char **argv);

/* Help from the table: everything, one noun's, one command's. */
void help_overview(FILE *f);
void help_noun(FILE *f, const char *noun);
void help_command(FILE *f, const struct command *cmd);
/* The arguments of a usage line that has `column` columns already, wrapped; ends the line. */
void help_words(FILE *f, size_t column, const char *words);
const struct command *command_find(const char *noun, const char *verb);

/* One line on stderr, "postbootctl: device lock: ...", made safe; returns CTL_FAILED. */
int ctl_fail(const struct ctl *c, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* The same with the command's usage below; returns CTL_USAGE. */
int ctl_usage(const struct ctl *c, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* A note for people on stderr. */
void ctl_note(const struct ctl *c, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Asks the daemon; on failure says why and returns NULL. Takes `body` (may be NULL). */
json_t *ctl_call(struct ctl *c, const char *method, struct url *u, json_t *body);
/* Deletes what the URL names and says so: "Group NAME of product P removed.", as JSON under `key`;
 * product NULL: of none. The command's exit code. */
int ctl_remove(struct ctl *c, struct url *u, const char *kind, const char *key, const char *name,
	       const char *product);
json_t *ctl_get(struct ctl *c, struct url *u);

/* All pages of a list as one object {key: [...]}, each page continued with the parameter
 * `from` ("after" or "before"); at most `limit` rows if that is positive. */
json_t *ctl_list(struct ctl *c, const struct url *u, const char *key, const char *from,
		 int64_t limit);

/* Members of a JSON object: "" or 0 or false when absent. */
const char *get_str(const json_t *o, const char *key);
int64_t get_int(const json_t *o, const char *key);
bool get_bool(const json_t *o, const char *key);
int64_t get_time(const json_t *o, const char *key); /* Unix ms */

/* A whole number, 1 or more, of an option; false and a usage message when it is none. `fallback`
 * when the option is not given. */
bool ctl_number(const struct ctl *c, const struct args *a, const char *name, int64_t fallback,
		int64_t *ret);

#endif
