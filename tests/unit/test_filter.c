/* SPDX-License-Identifier: Apache-2.0
 *
 * core/filter: conditions as words, what is wrong with them, and which devices they mean. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "core/filter.h"

static struct device device;
static unsigned asked_tags;

static const char *ask_product(void *ctx, int64_t product)
{
	(void)ctx;
	return product == 1 ? "blinky" : NULL;
}

static const char *ask_group(void *ctx, int64_t group)
{
	(void)ctx;
	assert_int_not_equal(group, 0);
	return group == 5 ? "pilot" : NULL;
}

static enum device_state ask_state(void *ctx, const struct device *d)
{
	(void)ctx;
	return device_state(d, false, true, false);
}

static bool ask_tag(void *ctx, const struct device *d, const char *tag)
{
	(void)ctx;
	(void)d;
	asked_tags++;
	return strcmp(tag, "site=berlin") == 0;
}

static const struct filter_asks asks = {ask_product, ask_group, ask_state, ask_tag, NULL};

static int setup(void **state)
{
	(void)state;
	asked_tags = 0;
	device = (struct device){.product = 1, .has_report = true, .online = true};
	report_init(&device.report);
	strcpy(device.report.version, "1.0.0");
	strcpy(device.report.hardware, "rev-b");
	strcpy(device.protocol, "native");
	return 0;
}

static bool fits(const char *text)
{
	struct filter f = {0};
	char why[FILTER_WHY];

	if (filter_parse(&f, text, why))
		fail_msg("%s: %s", text, why);
	return filter_fits(&f, &device, &asks);
}

static void test_filter_each_condition_and_its_opposite(void **state)
{
	static const struct {
		const char *yes, *no;
	} rows[] = {
		{"product=blinky", "product=other"},  {"group=none", "group=pilot"},
		{"tag=site=berlin", "tag=lab"},	      {"development=no", "development=yes"},
		{"state=waiting", "state=held"},      {"hold=none", "hold=any"},
		{"online=yes", "online=0"},	      {"version=1.0.0", "version=1.0"},
		{"drifted=0", "drifted=1"},	      {"locked=no", "locked=yes"},
		{"hardware=rev-b", "hardware=rev-a"}, {"protocol=native", "protocol=lwm2m"},
	};
	bool seen[FILTER_KEYS] = {false};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const char *const texts[] = {rows[i].yes, rows[i].no};

		for (unsigned n = 0; n < 2; n++) {
			struct filter f = {0};
			char why[FILTER_WHY], opposite[64], back[LIMIT_FILTER_TEXT + 1];
			size_t len = strcspn(texts[n], "=");

			memcpy(opposite, texts[n], len);
			opposite[len] = '!';
			strcpy(opposite + len + 1, texts[n] + len);
			assert_true(fits(texts[n]) == (n == 0));
			assert_true(fits(opposite) == (n == 1));
			assert_int_equal(filter_parse(&f, opposite, why), 0);
			assert_int_equal(filter_text(&f, back), 0);
			assert_string_equal(back, opposite);
			seen[f.terms[0].key] = true;
		}
	}
	for (unsigned i = 0; i < FILTER_KEYS; i++)
		assert_true(seen[i]);
}

static void test_filter_all_must_hold(void **state)
{
	(void)state;
	assert_true(fits(""));
	assert_true(fits("  product=blinky   online=yes "));
	assert_false(fits("product=blinky online=no"));
	assert_true(fits("tag=site=berlin tag!=lab"));
	assert_false(fits("tag=site=berlin tag=lab"));
}

static void test_filter_what_the_device_is_now(void **state)
{
	(void)state;
	device.group = 5;
	assert_true(fits("group=pilot"));
	assert_false(fits("group=none"));
	device.group = 6; /* not known: in some group, but in none of this name */
	assert_true(fits("group!=none group!=pilot"));
	device.hold = HOLD_REVERTS;
	assert_true(fits("hold=any hold=reverts hold!=operator state=held"));
	device.has_report = false;
	assert_false(fits("version=1.0.0"));
	assert_false(fits("hardware=rev-b"));
	device.product = 2;
	assert_false(fits("product=blinky"));
	device.development = device.drifted = true;
	device.lock = 7;
	device.online = false;
	assert_true(fits("development=1 drifted=yes locked=1 online=no"));
}

static void test_filter_tags_are_asked_last(void **state)
{
	(void)state;
	assert_false(fits("tag=site=berlin online=no"));
	assert_int_equal(asked_tags, 0);
	assert_true(fits("tag=site=berlin online=yes"));
	assert_int_equal(asked_tags, 1);

	const struct filter_asks no_tags = {ask_product, ask_group, ask_state, NULL, NULL};
	struct filter f = {0};
	char why[FILTER_WHY];
	assert_int_equal(filter_parse(&f, "tag=lab online=yes", why), 0);
	assert_true(filter_fits(&f, &device, &no_tags));
	device.online = false;
	assert_false(filter_fits(&f, &device, &no_tags));
}

static void test_filter_says_what_is_wrong(void **state)
{
	static const struct {
		const char *text;
		int err;
		const char *why;
	} rows[] = {
		{"pilot", ERR_SYNTAX, "\"pilot\" is not KEY=VALUE"},
		{"=x", ERR_SYNTAX, "\"=x\" is not KEY=VALUE"},
		{"!=x", ERR_SYNTAX, "\"!=x\" is not KEY=VALUE"},
		{"colour=red", ERR_NOENT, "\"colour\" is no condition; there are product, group"},
		{"aVeryLongKeyThatCannotBeOneOfThemAtAll=1", ERR_NOENT, "is no condition"},
		{"state=fine", ERR_INVAL,
		 "state: \"fine\" is not the state of a device: in-sync, updating, waiting, held, "
		 "disabled, new, no-target"},
		{"online=maybe", ERR_INVAL, "online: \"maybe\" is not yes or no"},
		{"hold=x", ERR_INVAL,
		 "hold: \"x\" is not a reason to hold a device: any, none, operator, reverts, "},
		{"group=any", ERR_INVAL, "group: \"any\" is not the name of a group, or none"},
		{"tag=a,b", ERR_INVAL, "tag: \"a,b\" is not a tag"},
		{"tag=", ERR_INVAL, "tag: \"\" is not a tag"},
		{"version=", ERR_INVAL, "not a version"},
		{"product=a/b", ERR_INVAL, "not the name of a product"},
		{"hardware=", ERR_INVAL, "not a value"},
		{"tag=ok online=?", ERR_INVAL, "online: \"?\""},
	};
	struct filter f = {0};
	char why[FILTER_WHY];

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		assert_int_equal(filter_parse(&f, rows[i].text, why), rows[i].err);
		if (!strstr(why, rows[i].why))
			fail_msg("%s: %s", rows[i].text, why);
		assert_int_equal(f.count, 0);
	}
}

static void test_filter_limits(void **state)
{
	char value[LIMIT_FILTER_VALUE + 2], text[256] = "hardware=", why[FILTER_WHY];
	struct filter f = {0};

	(void)state;
	for (unsigned i = 0; i < LIMIT_FILTER_TERMS; i++)
		assert_int_equal(filter_add(&f, "tag=x", why), 0);
	assert_int_equal(filter_add(&f, "tag=x", why), ERR_LIMIT);
	assert_int_equal(f.count, LIMIT_FILTER_TERMS);

	f.count = 0;
	memset(value, 'v', sizeof(value));
	value[LIMIT_FILTER_VALUE] = 0;
	strcat(text, value);
	assert_int_equal(filter_parse(&f, text, why), 0);
	strcat(text, "v");
	assert_int_equal(filter_parse(&f, text, why), ERR_INVAL);
	memset(text + 9, 'v', 200);
	assert_int_equal(filter_parse(&f, text, why), ERR_SYNTAX);
	assert_int_equal(f.count, 1);

	/* the longest text, and one byte more */
	char back[LIMIT_FILTER_TEXT + 1];
	f.count = 0;
	while (f.count < 15) /* 15 * 67 + 14 = 1019 */
		assert_int_equal(filter_add_pair(&f, "tag", "t", why), 0);
	for (unsigned i = 0; i < f.count; i++)
		strcpy(f.terms[i].value, value + 1);
	memset(f.terms[0].value, 'v', 63);
	strcpy(f.terms[0].value + 63, "");
	f.terms[1].differs = f.terms[2].differs = f.terms[3].differs = f.terms[4].differs = true;
	assert_int_equal(filter_text(&f, back), 0);
	assert_int_equal(strlen(back), LIMIT_FILTER_TEXT);
	f.terms[5].differs = true;
	assert_int_equal(filter_text(&f, back), ERR_LIMIT);
	assert_int_equal(strlen(back), LIMIT_FILTER_TEXT);
}

static void test_filter_names_of_tags_and_groups(void **state)
{
	char tag[LIMIT_TAG + 2];

	(void)state;
	memset(tag, 't', sizeof(tag));
	tag[LIMIT_TAG + 1] = 0;
	assert_false(tag_valid(tag));
	tag[LIMIT_TAG] = 0;
	assert_true(tag_valid(tag));
	assert_true(tag_valid("site=berlin"));
	assert_false(tag_valid(""));
	assert_false(tag_valid("a b"));
	assert_false(tag_valid("a,b"));
	assert_false(tag_valid("it's"));
	assert_false(tag_valid("-x"));
	assert_true(group_name_valid("pilot"));
	assert_false(group_name_valid("none"));
	assert_false(group_name_valid("any"));
	assert_false(group_name_valid("a/b"));
}

static void test_filter_finds_what_rows_are_looked_up_by(void **state)
{
	struct filter f = {0};
	char why[FILTER_WHY];

	(void)state;
	assert_int_equal(filter_parse(&f, "tag!=a tag=b tag=c", why), 0);
	assert_string_equal(filter_find(&f, FILTER_TAG)->value, "b");
	assert_null(filter_find(&f, FILTER_GROUP));
}

int main(void)
{
#define T(name) cmocka_unit_test_setup(test_##name, setup)
	const struct CMUnitTest tests[] = {
		T(filter_each_condition_and_its_opposite),
		T(filter_all_must_hold),
		T(filter_what_the_device_is_now),
		T(filter_tags_are_asked_last),
		T(filter_says_what_is_wrong),
		T(filter_limits),
		T(filter_names_of_tags_and_groups),
		T(filter_finds_what_rows_are_looked_up_by),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
