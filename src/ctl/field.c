/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/field.h"

#include <stdio.h>
#include <string.h>

#include "ctl/text.h"

/* "time-zone" is the field time_zone. */
static bool is_field(const char *word, size_t len, const char *name)
{
	size_t i = 0;

	for (; i < len && name[i] != '\0'; i++)
		if (word[i] != name[i] && (word[i] != '-' || name[i] != '_'))
			return false;
	return i == len && name[i] == '\0';
}

static int number_take(const struct ctl *c, const char *word, const char *value,
		       const struct field *field, json_t *body)
{
	static const char units[] = "KMG";
	char digits[24] = "";
	size_t len = strlen(value);
	const char *unit =
		field->kind == FIELD_RATE && len > 0 ? strchr(units, value[len - 1]) : NULL;
	int64_t n = 0, scale = unit ? (int64_t)1024 << (10 * (unit - units)) : 1;

	if (unit)
		len--;
	if (len < sizeof(digits))
		(void)snprintf(digits, sizeof(digits), "%.*s", (int)len, value);
	if (value[0] != '\0' && strcmp(value, "any") != 0 &&
	    (text_integer(digits, &n) || n < 0 || n > INT64_MAX / scale))
		return ctl_usage(c, "%s: \"%s\" is not a number%s, or any", word, value,
				 field->kind == FIELD_RATE ? " with K, M or G" : "");
	(void)json_object_set_new(body, field->name, json_integer(n * scale));
	return CTL_DONE;
}

static int take(const struct ctl *c, const char *word, const struct field *fields, json_t *body)
{
	const char *eq = strchr(word, '=');

	if (eq == NULL || eq == word)
		return ctl_usage(c, "\"%s\" is not KEY=VALUE", word);
	while (fields->name != NULL && !is_field(word, (size_t)(eq - word), fields->name))
		fields++;
	if (fields->name == NULL)
		return ctl_usage(c, "there is no key like \"%.*s\" here", (int)(eq - word), word);
	if (json_object_get(body, fields->name) != NULL)
		return ctl_usage(c, "%.*s is given twice", (int)(eq - word), word);
	if (fields->kind != FIELD_TEXT)
		return number_take(c, word, eq + 1, fields, body);
	if (json_object_set_new(body, fields->name, json_string(eq + 1)))
		return ctl_usage(c, "%s: it is no UTF-8", word);
	return CTL_DONE;
}

json_t *field_take(const struct ctl *c, const struct args *a, unsigned first,
		   const struct field *fields)
{
	json_t *body = json_object();

	for (unsigned i = first; i < a->count; i++) {
		if (take(c, a->pos[i], fields, body) != CTL_DONE) {
			json_decref(body);
			return NULL;
		}
	}
	return body;
}
