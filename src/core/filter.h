/* SPDX-License-Identifier: Apache-2.0
 *
 * Which devices are meant: conditions that must all hold, each written as a word, KEY=VALUE or
 * KEY!=VALUE. The one place that knows them: lists, saved queries and rollouts select with it.
 *
 * Use: zero a struct filter, filter_parse() (or filter_add() word by word), then filter_fits() for
 * each device.
 */
#ifndef CORE_FILTER_H
#define CORE_FILTER_H

#include "core/device.h"
#include "core/state.h"

/* X(name, word, value, help) */
#define FILTER_LIST(X)                                                                             \
	X(FILTER_PRODUCT, "product", "P", "of this product")                                       \
	X(FILTER_GROUP, "group", "G", "in a group of this name; none: in no group")                \
	X(FILTER_TAG, "tag", "T", "with this tag")                                                 \
	X(FILTER_DEVELOPMENT, "development", "yes|no",                                             \
	  "development devices, which only a lock "                                                \
	  "reaches")                                                                               \
	X(FILTER_STATE, "state", "S", "in this state, as device list shows it")                    \
	X(FILTER_HOLD, "hold", "R", "held for this reason; any: for whatever; none: not held")     \
	X(FILTER_ONLINE, "online", "yes|no", "online, or not")                                     \
	X(FILTER_VERSION, "version", "V", "that run this version, as they say")                    \
	X(FILTER_DRIFTED, "drifted", "yes|no", "that left their release by themselves")            \
	X(FILTER_LOCKED, "locked", "yes|no", "locked to a release")                                \
	X(FILTER_HARDWARE, "hardware", "H", "that report this hardware")                           \
	X(FILTER_PROTOCOL, "protocol", "P", "that speak this protocol")

enum filter_key {
#define FILTER_ENUM(name, word, value, help) name,
	FILTER_LIST(FILTER_ENUM)
#undef FILTER_ENUM
		FILTER_KEYS
};
const char *filter_key_name(enum filter_key k);
const char *filter_key_value(enum filter_key k);
const char *filter_key_help(enum filter_key k);
int filter_key_from_name(const char *name, enum filter_key *ret) ERR_CHECK;

struct filter_term {
	enum filter_key key;
	bool differs;	 /* != */
	unsigned number; /* of a word: yes 1, no 0, or an enum's */
	char value[LIMIT_FILTER_VALUE + 1];
};

struct filter {
	unsigned count;
	struct filter_term terms[LIMIT_FILTER_TERMS];
};

enum { FILTER_WHY = 400 };

/* One more condition. ERR_SYNTAX, ERR_NOENT (no such key), ERR_INVAL (no such value), ERR_LIMIT
 * (more than LIMIT_FILTER_TERMS); ret_why says what and where. The filter is as it was then. */
int filter_add(struct filter *f, const char *word, char ret_why[FILTER_WHY]) ERR_CHECK;
/* The same in two pieces: key and value. */
int filter_add_pair(struct filter *f, const char *key, const char *value,
		    char ret_why[FILTER_WHY]) ERR_CHECK;
/* All words of a text, with spaces between them; "" has none. */
int filter_parse(struct filter *f, const char *text, char ret_why[FILTER_WHY]) ERR_CHECK;
/* As text again. ERR_LIMIT: longer than LIMIT_FILTER_TEXT. */
int filter_text(const struct filter *f, char dst[LIMIT_FILTER_TEXT + 1]) ERR_CHECK;

/* The first condition `key=...`, by which rows may be looked up; NULL if there is none. */
const struct filter_term *filter_find(const struct filter *f, enum filter_key key);

/* Of a condition on holds, without its `differs`. */
bool filter_hold_fits(const struct filter_term *t, enum hold hold);

/* What a device's row does not tell; each is asked only if a condition needs it, tags last. */
struct filter_asks {
	const char *(*product)(void *ctx, int64_t product); /* its name */
	const char *(*group)(void *ctx, int64_t group);	    /* its name; never asked for 0 */
	enum device_state (*state)(void *ctx, const struct device *d);
	/* NULL: conditions on tags are left out */
	bool (*tag)(void *ctx, const struct device *d, const char *tag);
	void *ctx;
};
bool filter_fits(const struct filter *f, const struct device *d, const struct filter_asks *asks);

/* A tag: 1 to LIMIT_TAG bytes of printable ASCII without spaces, quotes, commas, slashes and
 * backslashes; it does not begin with '-' or '.'. */
bool tag_valid(const char *tag);
/* The name of a group: name_valid(), and neither "none" nor "any". */
bool group_name_valid(const char *name);

#endif
