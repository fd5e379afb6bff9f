/* SPDX-License-Identifier: Apache-2.0 */
#include "core/filter.h"

#include <string.h>

#include "base/buf.h"

enum { HOLD_ANY = HOLD_RESTARTS + 1 };

bool tag_valid(const char *tag)
{
	return name_valid(tag, LIMIT_TAG) && !memchr(tag, ',', strlen(tag));
}

bool group_name_valid(const char *name)
{
	return name_valid(name, LIMIT_GROUP_NAME) && strcmp(name, "none") != 0 &&
	       strcmp(name, "any") != 0;
}

/* ---- words ---- */

/* The pieces in turn, until NULL; what is quoted may be of any length. */
static int refuse(int err, char why[FILTER_WHY], const char *const *pieces)
{
	struct buf out = buf_writer(why, FILTER_WHY - 1);

	for (; *pieces; pieces++) {
		size_t len = strlen(*pieces);
		buf_put_bytes(&out, *pieces, len < LIMIT_FILTER_VALUE ? len : LIMIT_FILTER_VALUE);
	}
	(void)buf_cstr(&out);
	return err;
}
#define REFUSE(err, why, ...) refuse((err), (why), (const char *const[]){__VA_ARGS__, NULL})

static int unknown_key(const char *key, char why[FILTER_WHY])
{
	struct buf out = buf_writer(why, FILTER_WHY);
	size_t len = strlen(key);

	buf_put_str(&out, "\"");
	buf_put_bytes(&out, key, len < 32 ? len : 32);
	buf_put_str(&out, "\" is no condition; there are");
	for (unsigned i = 0; i < FILTER_KEYS; i++) {
		buf_put_str(&out, i ? ", " : " ");
		buf_put_str(&out, filter_key_name((enum filter_key)i));
	}
	(void)buf_cstr(&out);
	return ERR_NOENT;
}

static bool is_yes(const char *value, unsigned *ret)
{
	static const char *const words[] = {"no", "yes", "0", "1"};

	for (unsigned i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		if (strcmp(value, words[i]) == 0) {
			*ret = i % 2;
			return true;
		}
	}
	return false;
}

static bool is_hold(const char *value, unsigned *ret)
{
	enum hold hold = HOLD_NONE;

	if (strcmp(value, "any") == 0) {
		*ret = HOLD_ANY;
		return true;
	}
	if (hold_from_name(value, &hold))
		return false;
	*ret = hold;
	return true;
}

static bool is_state(const char *value, unsigned *ret)
{
	enum device_state state = DEVICE_NEW;

	if (device_state_from_name(value, &state))
		return false;
	*ret = state;
	return true;
}

/* NULL: it is right. */
static const char *value_wrong(struct filter_term *t)
{
	switch (t->key) {
	case FILTER_PRODUCT:
		return name_valid(t->value, LIMIT_PRODUCT_NAME) ? NULL : "the name of a product";
	case FILTER_GROUP:
		return strcmp(t->value, "none") == 0 || group_name_valid(t->value)
			       ? NULL
			       : "the name of a group, or none";
	case FILTER_TAG:
		return tag_valid(t->value) ? NULL : "a tag";
	case FILTER_STATE:
		return is_state(t->value, &t->number) ? NULL : "the state of a device";
	case FILTER_HOLD:
		return is_hold(t->value, &t->number) ? NULL : "a reason to hold a device";
	case FILTER_VERSION:
		return version_valid(t->value) ? NULL : "a version";
	case FILTER_DEVELOPMENT:
	case FILTER_ONLINE:
	case FILTER_DRIFTED:
	case FILTER_LOCKED:
		return is_yes(t->value, &t->number) ? NULL : "yes or no";
	case FILTER_HARDWARE:
	case FILTER_PROTOCOL:
	case FILTER_KEYS:
		break;
	}
	return t->value[0] ? NULL : "a value";
}

/* Where there are so many and no more, they follow. */
static void known_words(enum filter_key key, char why[FILTER_WHY])
{
#define ONE_MORE(name, ...) +1
	enum { STATES = 0 DEVICE_STATE_LIST(ONE_MORE), HOLDS = 0 HOLD_LIST(ONE_MORE) };
#undef ONE_MORE
	struct buf out = buf_writer(why, FILTER_WHY - 1);

	out.pos = strlen(why);
	if (key == FILTER_HOLD)
		buf_put_str(&out, ": any");
	for (unsigned i = 0; key == FILTER_HOLD && i < HOLDS; i++) {
		buf_put_str(&out, ", ");
		buf_put_str(&out, hold_name((enum hold)i));
	}
	for (unsigned i = 0; key == FILTER_STATE && i < STATES; i++) {
		buf_put_str(&out, i ? ", " : ": ");
		buf_put_str(&out, device_state_name((enum device_state)i));
	}
	(void)buf_cstr(&out);
}

static int add(struct filter *f, const char *key, bool differs, const char *value,
	       char why[FILTER_WHY])
{
	struct filter_term t = {.differs = differs};

	if (filter_key_from_name(key, &t.key))
		return unknown_key(key, why);
	if (!buf_copy_str(t.value, sizeof(t.value), value))
		return REFUSE(ERR_INVAL, why, key, ": \"", value, "...\" is too long");
	const char *wrong = value_wrong(&t);
	if (wrong) {
		(void)REFUSE(ERR_INVAL, why, key, ": \"", t.value, "\" is not ", wrong);
		known_words(t.key, why);
		return ERR_INVAL;
	}
	if (f->count == LIMIT_FILTER_TERMS)
		return REFUSE(ERR_LIMIT, why, "more conditions than there may be, at ", key);
	f->terms[f->count++] = t;
	return 0;
}

int filter_add_pair(struct filter *f, const char *key, const char *value, char ret_why[FILTER_WHY])
{
	return add(f, key, false, value, ret_why);
}

int filter_add(struct filter *f, const char *word, char ret_why[FILTER_WHY])
{
	const char *eq = memchr(word, '=', strlen(word));
	size_t len = eq ? (size_t)(eq - word) : 0;
	bool differs = len > 0 && word[len - 1] == '!';
	char key[32];

	len -= differs;
	if (len == 0)
		return REFUSE(ERR_SYNTAX, ret_why, "\"", word, "\" is not KEY=VALUE");
	if (len >= sizeof(key))
		return unknown_key(word, ret_why);
	memcpy(key, word, len);
	key[len] = 0;
	return add(f, key, differs, eq + 1, ret_why);
}

int filter_parse(struct filter *f, const char *text, char ret_why[FILTER_WHY])
{
	struct filter grown = *f;

	for (const char *at = text; *at;) {
		char word[32 + LIMIT_FILTER_VALUE + 2];
		size_t len = 0;

		while (at[len] && at[len] != ' ')
			len++;
		if (len >= sizeof(word))
			return REFUSE(ERR_SYNTAX, ret_why, "the word that begins with \"", at,
				      "\" is too long");
		memcpy(word, at, len);
		word[len] = 0;
		int err = len ? filter_add(&grown, word, ret_why) : 0;
		if (err)
			return err;
		at += len + (at[len] == ' ');
	}
	*f = grown;
	return 0;
}

int filter_text(const struct filter *f, char dst[LIMIT_FILTER_TEXT + 1])
{
	char text[LIMIT_FILTER_TEXT + 1];
	struct buf b = buf_writer(text, LIMIT_FILTER_TEXT);

	for (unsigned i = 0; i < f->count; i++) {
		buf_put_str(&b, i ? " " : "");
		buf_put_str(&b, filter_key_name(f->terms[i].key));
		buf_put_str(&b, f->terms[i].differs ? "!=" : "=");
		buf_put_str(&b, f->terms[i].value);
	}
	if (!buf_ok(&b))
		return ERR_LIMIT;
	memcpy(dst, text, b.pos);
	dst[b.pos] = 0;
	return 0;
}

const struct filter_term *filter_find(const struct filter *f, enum filter_key key)
{
	for (unsigned i = 0; i < f->count; i++)
		if (f->terms[i].key == key && !f->terms[i].differs)
			return &f->terms[i];
	return NULL;
}

/* ---- devices ---- */

static bool same(const char *a, const char *b)
{
	return a && strcmp(a, b) == 0;
}

bool filter_hold_fits(const struct filter_term *t, enum hold hold)
{
	return t->number == HOLD_ANY ? hold != HOLD_NONE : hold == t->number;
}

static bool term_holds(const struct filter_term *t, const struct device *d,
		       const struct filter_asks *asks)
{
	switch (t->key) {
	case FILTER_PRODUCT:
		return same(asks->product(asks->ctx, d->product), t->value);
	case FILTER_GROUP:
		return same(d->group ? asks->group(asks->ctx, d->group) : "none", t->value);
	case FILTER_TAG:
		return asks->tag(asks->ctx, d, t->value);
	case FILTER_DEVELOPMENT:
		return d->development == t->number;
	case FILTER_STATE:
		return asks->state(asks->ctx, d) == t->number;
	case FILTER_HOLD:
		return filter_hold_fits(t, d->hold);
	case FILTER_ONLINE:
		return d->online == t->number;
	case FILTER_VERSION:
		return d->has_report && same(d->report.version, t->value);
	case FILTER_DRIFTED:
		return d->drifted == t->number;
	case FILTER_LOCKED:
		return (d->lock != 0) == t->number;
	case FILTER_HARDWARE:
		return d->has_report && same(d->report.hardware, t->value);
	case FILTER_PROTOCOL:
		return same(d->protocol, t->value);
	case FILTER_KEYS:
		break;
	}
	return false;
}

/* How dear the answer is: of the row, of memory, of the database. */
static unsigned term_cost(const struct filter_term *t)
{
	return t->key == FILTER_TAG ? 2 : t->key == FILTER_STATE ? 1 : 0;
}

bool filter_fits(const struct filter *f, const struct device *d, const struct filter_asks *asks)
{
	for (unsigned cost = 0; cost <= (asks->tag ? 2 : 1); cost++) {
		for (unsigned i = 0; i < f->count; i++) {
			const struct filter_term *t = &f->terms[i];

			if (term_cost(t) == cost && term_holds(t, d, asks) == t->differs)
				return false;
		}
	}
	return true;
}
