/* SPDX-License-Identifier: Apache-2.0
 *
 * Which links of /.well-known/core a query gets: RFC 6690 section 4.1.
 */
#include "net/net_links.h"

#include "net_rig.h"

static const char links[] =
	"</report>;rt=\"pb.report pb.in\";ct=\"60 50\",</desired>;obs;ct=60;if=\"a,b;c\","
	"</fw>;rt=pb.fw;title=\"a, <b>; c\"";

static const struct {
	const char *query[3];
	const char *expected;
} rows[] = {
	{{NULL}, links},
	{{"href=/fw"}, "</fw>;rt=pb.fw;title=\"a, <b>; c\""},
	{{"href=/f"}, ""},
	{{"href=/f*"}, "</fw>;rt=pb.fw;title=\"a, <b>; c\""},
	{{"href=/*"}, links},
	{{"href"}, ""},
	{{"rt=pb.in"}, "</report>;rt=\"pb.report pb.in\";ct=\"60 50\""},
	{{"rt=pb.report"}, "</report>;rt=\"pb.report pb.in\";ct=\"60 50\""},
	{{"rt=pb.report pb.in"}, "</report>;rt=\"pb.report pb.in\";ct=\"60 50\""},
	{{"rt=pb.repor"}, ""},
	{{"rt=pb.*"},
	 "</report>;rt=\"pb.report pb.in\";ct=\"60 50\",</fw>;rt=pb.fw;title=\"a, <b>; c\""},
	{{"ct=60"},
	 "</report>;rt=\"pb.report pb.in\";ct=\"60 50\",</desired>;obs;ct=60;if=\"a,b;c\""},
	{{"ct=50"}, "</report>;rt=\"pb.report pb.in\";ct=\"60 50\""},
	{{"ct=6"}, ""},
	{{"ct=60", "obs"}, "</desired>;obs;ct=60;if=\"a,b;c\""},
	{{"ct=60", "rt=none"}, ""},
	{{"obs=1"}, ""},
	{{"if=a,b;c"}, "</desired>;obs;ct=60;if=\"a,b;c\""},
	{{"title=a, <b>; c"}, "</fw>;rt=pb.fw;title=\"a, <b>; c\""},
	{{"title=*"}, "</fw>;rt=pb.fw;title=\"a, <b>; c\""},
	{{"ep=x"}, ""},
	{{"="}, ""},
	{{""}, ""},
};

static void test_query_selects_links(void **state)
{
	uint8_t got[sizeof(links)];

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct bytes query[3];
		unsigned count = 0;

		while (rows[i].query[count]) {
			query[count] = text(rows[i].query[count]);
			count++;
		}
		size_t len = net_links_filter(text(links), query, count, got);
		struct bytes expected = text(rows[i].expected);

		if (!bytes_equal((struct bytes){got, len}, expected))
			fail_msg("row %zu: %.*s", i, (int)len, (const char *)got);
	}
}

/* What cannot be a list of links is no reason to read or write beyond it. */
static void test_broken_links_stay_in_bounds(void **state)
{
	static const char *const broken[] = {
		"", ",", "<", "<>", "\"", ";", "</a>;x=\"", ",,;;=", "</a>;rt=\" \",</b"};
	static const char *const queries[] = {"rt=*", "href=*", "x=\"", "=*"};

	(void)state;
	for (size_t i = 0; i < sizeof(broken) / sizeof(broken[0]); i++) {
		struct bytes all = text(broken[i]);

		for (size_t k = 0; k < sizeof(queries) / sizeof(queries[0]); k++) {
			struct bytes query = text(queries[k]);
			uint8_t *exact = test_malloc(all.len ? all.len : 1);
			uint8_t *in = test_malloc(all.len ? all.len : 1);

			if (all.len)
				memcpy(in, all.ptr, all.len);
			assert_true(net_links_filter((struct bytes){in, all.len}, &query, 1,
						     exact) <= all.len);
			test_free(in);
			test_free(exact);
		}
	}
}

static void test_discovery_takes_a_filter(void **state)
{
	struct rig *r = rig_new(false);
	struct ask ask = {WIRE_CON, GET, 1, .path = ".well-known", .path2 = "core"};

	(void)state;
	ask.query = "href=/d*";
	(void)rig_ask(r, ask);
	assert_code(&rig_last(r)->m, 2, 5);
	assert_int_equal(rig_last(r)->m.content_format, 40);
	assert_true(bytes_equal(rig_last(r)->m.payload, text("</desired>;obs")));
	ask.mid = 2, ask.query = "rt=nothing";
	(void)rig_ask(r, ask);
	assert_code(&rig_last(r)->m, 2, 5);
	assert_int_equal(rig_last(r)->m.payload.len, 0);
	assert_int_equal(r->requests, 0);
	rig_free(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		rfc_test("6690 4.1", test_query_selects_links),
		rfc_test("6690 4.1", test_broken_links_stay_in_bounds),
		rfc_test("6690 4.1", test_discovery_takes_a_filter),
	};

	return cmocka_run_group_tests_name("net/links", tests, NULL, NULL);
}
