/* SPDX-License-Identifier: Apache-2.0
 *
 * What the server answered, shown: as JSON, or for people by a view of one, by a table of many.
 * NULL stands for an answer that did not come, for which a reason was told already.
 */
#ifndef CTL_SHOW_H
#define CTL_SHOW_H

#include "ctl/ctl.h"
#include "ctl/table.h"

/* The columns of a list, and how one of its rows fills them. */
struct rows_view {
	const char *key; /* of the array in the answer */
	const char *heads[TABLE_COLUMNS + 1];
	void (*row)(struct table *t, const struct output *o, const json_t *row);
	const char *none; /* what is said where there is none */
};

typedef void show_view(const struct output *o, const json_t *one);

/* Both take the answer; the command's exit code. */
int ctl_show(struct ctl *c, json_t *one, show_view *view);
int ctl_show_rows(struct ctl *c, json_t *list, const struct rows_view *v);

#endif
