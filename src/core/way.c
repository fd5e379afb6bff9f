/* SPDX-License-Identifier: Apache-2.0 */
#include "core/way.h"

#include <string.h>

#include "core/plan.h"
#include "core/version.h"

static bool way_has(const struct way *w, const struct release *r)
{
	for (unsigned i = 0; i < w->count; i++)
		if (w->stone[i]->id == r->id)
			return true;
	return false;
}

static void way_break(struct way *w, const char *missing)
{
	w->broken = true;
	memset(w->missing, 0, sizeof(w->missing));
	memcpy(w->missing, missing, strnlen(missing, LIMIT_VERSION));
}

/* The stones of r, each behind its own. Ids fall from one to the next, and there are never more
 * than LIMIT_WAY, so it ends. */
static void way_collect(const struct release *r, way_release *release, void *ctx, unsigned depth,
			struct way *w)
{
	char label[LIMIT_VERSION + 1];

	for (const char *at = r->requires.must_pass;
	     !w->broken && lines_next(&at, label, sizeof(label));) {
		const struct release *stone = release(ctx, r->product, label);
		if (!stone || (r->id && stone->id >= r->id)) {
			way_break(w, label);
			return;
		}
		if (way_has(w, stone))
			continue;
		if (depth > LIMIT_WAY) {
			way_break(w, "");
			return;
		}
		way_collect(stone, release, ctx, depth + 1, w);
		if (!w->broken && w->count == LIMIT_WAY)
			way_break(w, "");
		if (!w->broken)
			w->stone[w->count++] = stone;
	}
}

void way_find(const struct release *goal, way_release *release, void *ctx, struct way *ret)
{
	*ret = (struct way){0};
	way_collect(goal, release, ctx, 1, ret);
	if (ret->broken)
		ret->count = 0;
}

static bool way_runs(const struct device *d, const struct release *r)
{
	return match_release(d->report.version, &d->report.running, r).on_target;
}

const struct release *way_next(const struct way *w, const struct release *goal,
			       const struct device *d, const struct attempt *open)
{
	unsigned next = w->count;

	if (open && (open->release == goal->id || way_runs(d, goal)))
		return goal;
	for (unsigned i = 0; open && i < w->count; i++)
		if (w->stone[i]->id == open->release)
			return w->stone[i];
	if (!d->has_report || way_runs(d, goal))
		return goal;
	while (next > 0 && !way_runs(d, w->stone[next - 1]) &&
	       !version_at_least(d->report.version, w->stone[next - 1]->version))
		next--;
	return next < w->count ? w->stone[next] : goal;
}
