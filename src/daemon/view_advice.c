/* SPDX-License-Identifier: Apache-2.0
 *
 * Advice that applies: the general texts of core with this device's names in them, without
 * commands that its state makes idle or wrong.
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "daemon/view.h"

void view_say(struct buf *b, const char *fmt, ...)
{
	char text[VIEW_SENTENCE];
	va_list ap;

	va_start(ap, fmt);
	int n = vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (n < 0)
		return;
	size_t len = strlen(text);
	if (b->pos + len + 1 > b->len)
		len = b->len - b->pos - 1;
	buf_put_bytes(b, text, len);
}

const char *view_when(int64_t wall_ms, char dst[32])
{
	char text[25];

	(void)snprintf(dst, 32, "%.10s %.5s UTC", clock_format(wall_ms, text), text + 11);
	return dst;
}

/* ---- names and commands ---- */

static bool starts_with(const char *at, const char *word)
{
	return strncmp(at, word, strlen(word)) == 0;
}

static bool is_letter(char c)
{
	return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
}

/* The capital words of the general advice, filled in; how many bytes of it were used. */
static size_t say_name(struct buf *b, const char *at, const char *id, const char *product)
{
	const struct {
		const char *word, *value;
	} words[] = {{"ID", id}, {"NAME", product}, {"PRODUCT", product}};

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		size_t len = strlen(words[i].word);
		if (!words[i].value[0] || !starts_with(at, words[i].word) || is_letter(at[len]))
			continue;
		view_say(b, "%s", words[i].value);
		return len;
	}
	return 0;
}

static bool is_command(const char *at)
{
	static const char *const commands[] = {
		"device force ",  "device unhold ",  "device lock ",	 "device production ",
		"device enable ", "product target ", "product set ",	 "rollout resume ",
		"rollout abort ", "rollout next ",   "release activate "};

	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
		if (starts_with(at, commands[i]))
			return true;
	return false;
}

void view_say_advice(struct buf *b, const char *advice, const char *id, const char *product)
{
	for (const char *at = advice; *at;) {
		bool begins = at == advice || !is_letter(at[-1]);
		size_t len = begins ? say_name(b, at, id, product) : 0;
		if (begins && is_command(at))
			view_say(b, "postbootctl ");
		if (!len)
			view_say(b, "%c", *at);
		at += len ? len : 1;
	}
}

/* A protocol knows neither name, and a word of the device is not to be taken for one. */
json_t *view_note(const char *note, const char *id, const char *product)
{
	static const char set[] = "product set PRODUCT ", name[] = "\"ID\"";
	char text[VIEW_SENTENCE];
	struct buf b = buf_writer(text, sizeof(text));

	while (*note) {
		size_t len = 1;
		if (product[0] && starts_with(note, set)) {
			view_say(&b, "product set %s ", product);
			len = sizeof(set) - 1;
		} else if (id[0] && starts_with(note, name)) {
			view_say(&b, "\"%s\"", id);
			len = sizeof(name) - 1;
		} else {
			view_say(&b, "%c", *note);
		}
		note += len;
	}
	return view_text(buf_cstr(&b));
}

/* ---- blocks ---- */

uint32_t view_blocks(const struct engine_device *now)
{
	return plan_news(&now->plan);
}

void view_say_clear(struct buf *b, enum block block, const struct engine_device *now)
{
	const uint32_t forcible = 1u << BLOCK_UPDATES_DISABLED | 1u << BLOCK_DEFERRED |
				  1u << BLOCK_BACKOFF | 1u << BLOCK_DRIFTED | 1u << BLOCK_WINDOW;
	bool wait = block == BLOCK_DEFERRED || block == BLOCK_BACKOFF || block == BLOCK_WINDOW;
	const struct device *d = &now->device;
	char when[32];

	if (wait && now->plan.clear_at_ms)
		view_say(b, "wait until %s", view_when(now->plan.clear_at_ms, when));
	else if (block == BLOCK_ROLLOUT_PAUSED || block == BLOCK_WAVE)
		view_say_rollout_clear(b, block, now);
	else if (block == BLOCK_NO_TARGET && now->plan.blocked & 1u << BLOCK_WAVE)
		/* A target for the whole product would overtake the waves. */
		view_say_rollout_clear(b, BLOCK_WAVE, now);
	else if (block == BLOCK_RELEASE)
		view_say_release_clear(b, now);
	else if (block == BLOCK_OFFLINE && view_said_bye(d))
		view_say(b, "wait until it comes back");
	else if (block == BLOCK_NO_TARGET && d->development)
		view_say_advice(b, "device lock ID VERSION, or device production ID", d->id,
				now->product.name);
	else if (block != BLOCK_UNPROVABLE || !view_say_digest_clear(b, now))
		view_say_advice(b, block_clear(block), d->id, now->product.name);
	if ((forcible & 1u << block) && d->hold == HOLD_NONE && !d->force)
		view_say(b, ", or: postbootctl device force %s", d->id);
}

/* ---- diagnoses ---- */

bool view_diagnosis_is_over(const struct diagnosis *d, const struct attempt *a,
			    const struct engine_device *now)
{
	if (!now || !now->device.has_report || a->state != ATTEMPT_CLOSED)
		return false;

	const struct report *r = &now->device.report;
	if (d->kind == DIAG_STORAGE_FULL)
		return !(r->troubles & TROUBLE_MEMORY_LOW) &&
		       r->fs_free_bytes >= now->product.policy.space_margin_bytes;
	return d->kind == DIAG_UPDATES_DISABLED && now->device.report.updates_enabled == 1;
}

void view_say_means(struct buf *b, const struct diagnosis *d, const struct attempt *a)
{
	view_say(b, "%s", diagnosis_means(d->kind));
	/* Before there is a verified image there is no such record. */
	if (d->kind == DIAG_STORAGE_FULL && a->rung_ms[RUNG_VERIFIED])
		view_say(b, ", so the record that tells the boot loader to flash is likely lost");
}

void view_say_next(struct buf *b, const struct diagnosis *d, const struct attempt *a,
		   const char *product, const struct engine_device *now)
{
	if (!view_diagnosis_is_over(d, a, now))
		view_say_advice(b, diagnosis_next(d->kind), a->device, product);
	else if (d->kind == DIAG_STORAGE_FULL)
		view_say(b, "it reports %lld bytes free now, which is above the margin of %lld",
			 (long long)now->device.report.fs_free_bytes,
			 (long long)now->product.policy.space_margin_bytes);
	else
		view_say(b, "it reports them enabled now");
}

json_t *view_diagnoses(const struct diagnoses *dg, const struct attempt *a, const char *product,
		       const struct engine_device *now)
{
	json_t *list = json_array();

	for (unsigned i = 0; dg && i < dg->count; i++) {
		const struct diagnosis *d = &dg->list[i];
		char means[VIEW_SENTENCE], next[VIEW_SENTENCE];
		struct buf m = buf_writer(means, sizeof(means));
		struct buf n = buf_writer(next, sizeof(next));
		json_t *o = json_object();
		view_say_means(&m, d, a);
		view_say_next(&n, d, a, product, now);
		view_put(&o, "name", json_string(diagnosis_name(d->kind)));
		view_put(&o, "means", view_text(buf_cstr(&m)));
		view_put(&o, "facts", view_text(d->facts));
		view_put(&o, "next", view_text(buf_cstr(&n)));
		view_append(&list, o);
	}
	return list;
}
