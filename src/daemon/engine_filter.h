/* SPDX-License-Identifier: Apache-2.0
 *
 * Devices that a filter means (core/filter.h). To find them: engine_filter_walk() from the id after
 * which to go on, at most so many rows at a time; in its row function engine_filter_row(), which
 * calls no store; then engine_filter_tags() for each that is left.
 */
#ifndef DAEMON_ENGINE_FILTER_H
#define DAEMON_ENGINE_FILTER_H

#include "core/filter.h"
#include "daemon/engine.h"

/* Products and groups that it names exist: else ERR_NOENT and why. */
int engine_filter_check(struct engine *e, const struct filter *f, char why[FILTER_WHY]) ERR_CHECK;
/* All its conditions but those on tags. */
bool engine_filter_row(struct engine *e, const struct filter *f, const struct device *d);
/* Those on tags; reads the store only if there are any. */
int engine_filter_tags(struct engine *e, const struct filter *f, const char *device,
		       bool *ret_fits) ERR_CHECK;
/* Rows by rising id, among them all that fit, looked up by what the filter asks for; zeros in *ret
 * before. So many are looked at that it takes some milliseconds. */
struct filter_page {
	unsigned looked;		/* rows that `row` was called with */
	bool more;			/* there may be more behind `last` */
	char last[LIMIT_DEVICE_ID + 1]; /* the last one that was looked at */
};
int engine_filter_walk(struct engine *e, const struct filter *f, const char *after, unsigned limit,
		       store_device_row *row, void *ctx, struct filter_page *ret) ERR_CHECK;

/* engine_roster.c: the same from memory, where that helps. */
bool engine_roster_helps(const struct engine *e, const struct filter *f);
int engine_roster_walk(struct engine *e, const struct filter *f, const char *after, unsigned limit,
		       store_device_row *row, void *ctx, struct filter_page *ret) ERR_CHECK;

/* Puts it under the name, whatever was there. */
void engine_query_save(struct engine *e, const struct actor *by, const char *name,
		       const struct filter *f, engine_done *done, void *ctx);
void engine_query_remove(struct engine *e, const struct actor *by, const char *name,
			 engine_done *done, void *ctx);

#endif
