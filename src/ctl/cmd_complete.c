/* SPDX-License-Identifier: Apache-2.0
 *
 * complete NOUN PREFIX: what there is on the server that begins so. A new noun is a row here. */
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "ctl/commands.h"

enum { NAMES_MAX = 200, PAGE = 100 };

static const struct noun {
	const char *noun, *path, *list, *key; /* path NULL: only below a product */
	bool by_name;	   /* the list is in the order of the key: it can begin at the prefix */
	bool whole;	   /* the list has no pages */
	const char *below; /* under /v1/products/PRODUCT instead, if that is given; or NULL */
} nouns[] = {
	{"product", "/v1/products", "products", "name", true, false, NULL},
	{"device", "/v1/devices", "devices", "id", true, false, NULL},
	{"release", "/v1/releases", "releases", "version", false, false, "releases"},
	{"group", "/v1/groups", "groups", "name", false, false, "groups"},
	{"signer", NULL, "signers", "name", false, true, "signers"},
	{"rollout", NULL, "rollouts", "name", false, false, "rollouts"},
	{"query", "/v1/queries", "queries", "name", false, false, NULL},
	{"hook", "/v1/hooks", "hooks", "name", false, true, NULL},
	{"attempt", "/v1/attempts", "attempts", "id", false, false, NULL},
};

/* The greatest name before all that begin with the prefix: names have no character after '~'. */
static void name_before(const char *prefix, char dst[LIMIT_DEVICE_ID + 1])
{
	size_t len = strnlen(prefix, LIMIT_DEVICE_ID);

	memset(dst, '~', LIMIT_DEVICE_ID);
	dst[LIMIT_DEVICE_ID] = '\0';
	memcpy(dst, prefix, len);
	dst[len - 1] = (char)(dst[len - 1] - 1);
}

static const char *name_of(const struct noun *n, const json_t *row, char number[24])
{
	const json_t *value = json_object_get(row, n->key);

	if (json_is_string(value))
		return json_string_value(value);
	(void)snprintf(number, 24, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
	return number;
}

/* False: no more is wanted. */
static bool page_print(struct ctl *c, const struct noun *n, const json_t *page, const char *prefix,
		       unsigned *printed)
{
	const json_t *row;
	char number[24];
	size_t i;

	json_array_foreach(json_object_get(page, n->list), i, row)
	{
		const char *name = name_of(n, row, number);
		if (strncmp(name, prefix, strlen(prefix)) != 0) {
			if (n->by_name)
				return false;
			continue;
		}
		out_text(&c->out, name);
		out_nl(&c->out);
		if (++*printed == NAMES_MAX)
			return false;
	}
	return true;
}

static int names_print(struct ctl *c, const struct noun *n, const struct url *base,
		       const char *prefix)
{
	char after[160] = "";
	unsigned printed = 0;
	bool more = true;

	if (n->by_name && prefix[0] > '!' && strlen(prefix) <= LIMIT_DEVICE_ID)
		name_before(prefix, after);
	while (more) {
		struct url u = *base;
		const json_t *next;
		json_t *page;

		u.b.ptr = u.space;
		if (!n->whole)
			url_query_number(&u, "limit", PAGE);
		url_query(&u, strcmp(n->noun, "attempt") == 0 ? "before" : "after",
			  after[0] ? after : NULL);
		page = ctl_get(c, &u);
		if (page == NULL)
			return CTL_FAILED;
		next = json_object_get(page, "next");
		more = page_print(c, n, page, prefix, &printed) && next != NULL;
		if (json_is_string(next))
			(void)snprintf(after, sizeof(after), "%s", json_string_value(next));
		else
			(void)snprintf(after, sizeof(after), "%" JSON_INTEGER_FORMAT,
				       json_integer_value(next));
		json_decref(page);
		/* the newest attempts will do */
		more = more && strcmp(n->noun, "attempt") != 0;
	}
	return CTL_DONE;
}

int complete_names(struct ctl *c, const struct args *a)
{
	const char *prefix = a->count > 1 ? a->pos[1] : "";
	const char *product = a->count > 2 && a->pos[2][0] ? a->pos[2] : NULL;

	for (size_t i = 0; i < sizeof(nouns) / sizeof(nouns[0]); i++) {
		struct url u;
		if (strcmp(nouns[i].noun, a->pos[0]) != 0)
			continue;
		if (product != NULL && nouns[i].below != NULL) {
			url_init(&u, "/v1/products");
			url_segment(&u, product);
			url_segment(&u, nouns[i].below);
		} else if (nouns[i].path == NULL) {
			return ctl_usage(c, "name the product whose %ss are meant", nouns[i].noun);
		} else {
			url_init(&u, nouns[i].path);
		}
		return names_print(c, &nouns[i], &u, prefix);
	}
	return ctl_usage(c, "there are no names of \"%s\"", a->pos[0]);
}
