/* SPDX-License-Identifier: Apache-2.0
 *
 * core/site: a device's own before its group's before its product's, windows and clock each by
 * itself.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "core/site.h"

/* Every choice of who has windows and who has a zone; a bit each: 1 device, 2 group, 4 product. */
static void test_site_every_choice(void **state)
{
	static const enum site_from first[] = {
		SITE_NOWHERE, SITE_DEVICE, SITE_GROUP, SITE_DEVICE,
		SITE_PRODUCT, SITE_DEVICE, SITE_GROUP, SITE_DEVICE,
	};
	static const char *const texts[] = {"", "01:00-02:00", "02:00-03:00", "03:00-04:00"};
	static const char *const zones[] = {"", "AAA1", "BBB2", "CCC3"};

	(void)state;
	for (unsigned w = 0; w < 8; w++) {
		for (unsigned z = 0; z < 8; z++) {
			struct device d = {0};
			struct device_group g = {0};
			struct product p = {0};
			strcpy(d.windows, w & 1 ? texts[SITE_DEVICE] : "");
			strcpy(g.windows, w & 2 ? texts[SITE_GROUP] : "");
			strcpy(p.windows, w & 4 ? texts[SITE_PRODUCT] : "");
			strcpy(d.time_zone, z & 1 ? zones[SITE_DEVICE] : "");
			strcpy(g.time_zone, z & 2 ? zones[SITE_GROUP] : "");
			strcpy(p.time_zone, z & 4 ? zones[SITE_PRODUCT] : "");
			struct site s = site_of(&d, &p, &g);
			assert_int_equal(s.windows_from, first[w]);
			assert_string_equal(s.windows, texts[first[w]]);
			assert_int_equal(s.time_zone_from, first[z]);
			assert_string_equal(s.time_zone, zones[first[z]]);
			s = site_of(&d, &p, NULL);
			assert_int_equal(s.windows_from, first[w & 5]);
			assert_int_equal(s.time_zone_from, first[z & 5]);
		}
	}
}

static void test_site_words(void **state)
{
	(void)state;
	assert_string_equal(site_from_name(SITE_NOWHERE), "none");
	assert_string_equal(site_from_name(SITE_DEVICE), "device");
	assert_string_equal(site_from_name(SITE_GROUP), "group");
	assert_string_equal(site_from_name(SITE_PRODUCT), "product");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_site_every_choice),
		cmocka_unit_test(test_site_words),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
