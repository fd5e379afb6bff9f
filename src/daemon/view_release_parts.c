/* SPDX-License-Identifier: Apache-2.0
 *
 * Of a release, for `explain`: what was found in it, who signed it, who needs it, what it asks.
 */
#include <stdio.h>

#include "daemon/view_release_story.h"

/* ---- what was found in it ---- */

static const struct {
	const char *name, *means;
} findings[] = {
#define FINDING_ROW(name, word, means) [name] = {word, means},
	FINDING_LIST(FINDING_ROW)
#undef FINDING_ROW
};

const char *finding_name(enum finding f)
{
	return findings[f].name;
}

bool finding_is(enum finding f, const struct release *r)
{
	const struct image_facts *image = &r->image;

	switch (f) {
	case FINDING_LABEL:
		return r->label_anyway;
	case FINDING_UNREADABLE:
		return r->unavailable;
	case FINDING_PLAIN:
		return image->format == IMAGE_PLAIN;
	case FINDING_ENCRYPTED:
		return image->encrypted;
	case FINDING_UNSIGNED:
		return (image->format == IMAGE_MCUBOOT || image->format == IMAGE_ESP_IDF) &&
		       !image->signatures;
	case FINDING_NO_DIGEST:
		return r->no_digest;
	case FINDING_NO_CONFIRM:
		return r->no_confirm;
	case FINDING_COUNT:
		break;
	}
	return false;
}

json_t *view_findings(const struct release *r)
{
	json_t *list = json_array();

	for (unsigned i = 0; i < FINDING_COUNT; i++) {
		json_t *o;

		if (!finding_is((enum finding)i, r))
			continue;
		o = json_object();
		view_put(&o, "name", json_string(findings[i].name));
		view_put(&o, "means", json_string(findings[i].means));
		view_append(&list, o);
	}
	return list;
}

/* Of the product's keys, and of what is inside. */
void view_say_signatures(struct buf *b, const struct view_release *v)
{
	const struct release *r = v->release;
	char kinds[128];

	if (r->signed_by[0] && v->signer_gone)
		view_say(b,
			 "signer %s had signed it, with key %s, and has been removed since: no "
			 "signer of its product stands for it now%s",
			 r->signed_by, r->signed_key,
			 v->product->policy.require_signature ? ", which asks that of each release"
							      : "");
	else if (r->signed_by[0])
		view_say(b, "signer %s of its product has signed it, with key %s", r->signed_by,
			 r->signed_key);
	else
		view_say(b, "no signer of its product has signed it%s",
			 v->product->policy.require_signature
				 ? ", which now asks that of each release"
				 : "");
	if (r->image.signatures)
		view_say(b, "; the image carries: %s",
			 image_signatures_text(r->image.signatures, kinds));
}

/* ---- who needs it, and what it asks ---- */

static const char *const use_words[] = {
#define USE_WORD(name, word) [name] = word,
	USE_LIST(USE_WORD)
#undef USE_WORD
};

void view_uses_add(void *uses, enum use kind, const char *name, const char *state)
{
	struct view_uses *u = uses;

	if (u->count == LIMIT_EXPLAIN_USES) {
		u->more++;
		return;
	}
	u->list[u->count].kind = kind;
	(void)buf_copy_str(u->list[u->count].name, sizeof(u->list[0].name), name);
	(void)buf_copy_str(u->list[u->count].state, sizeof(u->list[0].state), state);
	u->count++;
}

json_t *view_uses(const struct view_uses *uses)
{
	json_t *list = json_array();

	for (unsigned i = 0; i < uses->count; i++) {
		json_t *o = json_object();
		view_put(&o, "kind", json_string(use_words[uses->list[i].kind]));
		view_put(&o, "name", view_text(uses->list[i].name));
		view_put_text(&o, "state", uses->list[i].state);
		view_append(&list, o);
	}
	return list;
}

static void ask(json_t **list, const char *fmt, const char *value)
{
	char text[VIEW_SENTENCE];
	struct buf b = buf_writer(text, sizeof(text));

	view_say(&b, fmt, value);
	view_append(list, view_text(buf_cstr(&b)));
}

/* "the hardware is a, or b" */
static void ask_hardware(json_t **list, const char *at)
{
	char text[VIEW_SENTENCE], line[LIMIT_HARDWARE + 1];
	struct buf b = buf_writer(text, sizeof(text));
	const char *before = "the hardware is ";

	while (lines_next(&at, line, sizeof(line))) {
		view_say(&b, "%s%s", before, line);
		before = " or ";
	}
	view_append(list, view_text(buf_cstr(&b)));
}

json_t *view_asks(const struct requires *q)
{
	char line[LIMIT_VERSION + 1], number[24];
	json_t *list = json_array();
	const char *at;

	if (q->min_version[0])
		ask(&list, "the device runs %s or newer", q->min_version);
	for (at = q->must_pass; lines_next(&at, line, sizeof(line));)
		ask(&list, "the device has run %s before", line);
	if (q->hardware[0])
		ask_hardware(&list, q->hardware);
	if (q->boot_loader[0])
		ask(&list, "the boot loader is %s or newer", q->boot_loader);
	if (q->has_security_counter) {
		(void)snprintf(number, sizeof(number), "%lld", (long long)q->security_counter);
		ask(&list, "the device's security counter is not above %s", number);
	}
	return list;
}
