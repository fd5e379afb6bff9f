/* SPDX-License-Identifier: Apache-2.0
 *
 * SenML in both spellings, and LwM2M JSON of 1.0. The payloads named "example" are those of LwM2M
 * core 1.0.2, 6.4.4, and 1.1 and 1.2, 7.4.4 to 7.4.6, or have the shape of RFC 8428 5.1.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "support/input.h"
#include "support/values.h"
#include "wire/lwm2m.h"

#define DEVICE_CBOR                                                                                \
	"90a321652f332f302f00613003744f70656e204d6f62696c6520416c6c69616e6365a200613103764c6967"   \
	"6874776569676874204d324d20436c69656e74a20061320369333435303030313233a20061330363312e30"   \
	"a20063362f300201a20063362f310205a20063372f3002190ed8a20063372f3102191388a20063382f3002"   \
	"187da20063382f3102190384a2006139021864a200623130020fa2006431312f300200a200623133021a51"   \
	"82428fa20062313403662b30323a3030a200623136036155"

#define DEVICE_ENTRIES(string)                                                                     \
	"{\"n\":\"0\",\"" string "\":\"Open Mobile Alliance\"},"                                   \
	"{\"n\":\"1\",\"" string "\":\"Lightweight M2M Client\"},"                                 \
	"{\"n\":\"2\",\"" string "\":\"345000123\"},{\"n\":\"3\",\"" string "\":\"1.0\"},"         \
	"{\"n\":\"6/0\",\"v\":1},{\"n\":\"6/1\",\"v\":5},{\"n\":\"7/0\",\"v\":3800},"              \
	"{\"n\":\"7/1\",\"v\":5000},{\"n\":\"8/0\",\"v\":125},{\"n\":\"8/1\",\"v\":900},"          \
	"{\"n\":\"9\",\"v\":100},{\"n\":\"10\",\"v\":15},{\"n\":\"11/0\",\"v\":0},"                \
	"{\"n\":\"13\",\"v\":1367491215},{\"n\":\"14\",\"" string "\":\"+02:00\"},"                \
	"{\"n\":\"16\",\"" string "\":\"U\"}"

#define DEVICE_VALUES                                                                              \
	"/3/0/0 s Open Mobile Alliance\n/3/0/1 s Lightweight M2M Client\n/3/0/2 s 345000123\n"     \
	"/3/0/3 s 1.0\n/3/0/6/0 i 1\n/3/0/6/1 i 5\n/3/0/7/0 i 3800\n/3/0/7/1 i 5000\n"             \
	"/3/0/8/0 i 125\n/3/0/8/1 i 900\n/3/0/9 i 100\n/3/0/10 i 15\n/3/0/11/0 i 0\n"              \
	"/3/0/13 i 1367491215\n/3/0/14 s +02:00\n/3/0/16 s U\n"

static struct lwm2m_value values[LWM2M_VALUES];
static size_t count;
static uint8_t scratch[LWM2M_SCRATCH];
static struct wire_fault fault;

static struct lwm2m_path path_of(const char *text)
{
	struct lwm2m_path path;

	assert_int_equal(
		lwm2m_path_parse((struct bytes){(const uint8_t *)text, strlen(text)}, &path), 0);
	return path;
}

static int decode(int format, const char *path, struct bytes in)
{
	struct lwm2m_path base = path_of(path);
	int err = lwm2m_decode(format, in, &base, values, LWM2M_VALUES, &count, scratch, &fault);

	assert_int_equal(err, fault.err);
	assert_true(err ? fault.text[0] != 0 : fault.text[0] == 0);
	return err;
}

static const char *decoded(int format, const char *path, struct bytes in)
{
	if (decode(format, path, in)) {
		print_message("# %s\n", fault.text);
		fail();
	}
	/* CBOR lends from the input; JSON must not. */
	if (format != LWM2M_SENML_CBOR && format != LWM2M_CBOR)
		(void)input_keep("", 0);
	return values_text(values, count);
}

static const char *cbor(const char *path, const char *hex)
{
	return decoded(LWM2M_SENML_CBOR, path, input_hex(hex));
}

static const char *json(const char *path, const char *text)
{
	return decoded(LWM2M_SENML_JSON, path, input_text(text));
}

static const char *old_json(const char *path, const char *text)
{
	return decoded(LWM2M_JSON, path, input_text(text));
}

static void test_senml_example_device(void **state)
{
	(void)state;
	assert_string_equal(cbor("/3/0", DEVICE_CBOR), DEVICE_VALUES);
	assert_string_equal(cbor("/3", DEVICE_CBOR), DEVICE_VALUES);
	assert_string_equal(cbor("/", DEVICE_CBOR), DEVICE_VALUES);
	assert_string_equal(json("/3/0", "[{\"bn\":\"/3/0/\"}," DEVICE_ENTRIES("vs") "]"),
			    DEVICE_VALUES);
	assert_string_equal(old_json("/3/0", "{\"bn\":\"/3/0/\",\"e\":[" DEVICE_ENTRIES("sv") "]}"),
			    DEVICE_VALUES);
	/* without a base name: relative to what was read; and it may come behind */
	assert_string_equal(old_json("/3/0", "{\"e\":[" DEVICE_ENTRIES("sv") "]}"), DEVICE_VALUES);
	assert_string_equal(old_json("/3/0", "{\"e\":[" DEVICE_ENTRIES("sv") "],\"bn\":\"/3/0/\"}"),
			    DEVICE_VALUES);
}

static void test_senml_example_series_in_time(void **state)
{
	(void)state;
	static const char expected[] = "/72/1/2 f 22.4 @25462629\n/72/1/2 f 22.9 @25462604\n"
				       "/72/1/2 f 24.1 @25462584\n";

	assert_string_equal(cbor("/72",
				 "83a521642f37322f221a0184876a0063312f3202fb403666666666666606"
				 "24a30063312f3202fb4036e6666666666606381da30063312f3202fb4038"
				 "19999999999a063831"),
			    expected);
	/* the newest, wherever it stands */
	assert_ptr_equal(lwm2m_value_at(values, count, 72, 1, 2), &values[0]);
	assert_string_equal(json("/72",
				 "[{\"bn\":\"/72/\",\"bt\":25462634,\"n\":\"1/2\",\"v\":22.4,"
				 "\"t\":-5},{\"n\":\"1/2\",\"v\":22.9,\"t\":-30},"
				 "{\"n\":\"1/2\",\"v\":24.1,\"t\":-50}]"),
			    expected);
	assert_string_equal(
		old_json("/72", "{\"bn\":\"/72/\",\"bt\":25462634,\"e\":[{\"n\":\"1/2\",\"v\":22.4,"
				"\"t\":-5},{\"n\":\"1/2\",\"v\":22.9,\"t\":-30},"
				"{\"n\":\"1/2\",\"v\":24.1,\"t\":-50}]}"),
		expected);
	/* now is newer than any time since 1970 */
	(void)json("/", "[{\"n\":\"/3/0/9\",\"v\":1,\"t\":1e9},{\"n\":\"/3/0/9\",\"v\":2},"
			"{\"n\":\"/3/0/9\",\"v\":3,\"t\":1.1e9}]");
	assert_int_equal(lwm2m_value_at(values, count, 3, 0, 9)->number, 2);
}

static void test_senml_example_links_and_compositions(void **state)
{
	(void)state;
	assert_string_equal(cbor("/", "87a321612f006836352f302f302f3063766c6f6436363a30a200683635"
				      "2f302f302f3163766c6f6436363a31a2006636352f302f31036d383631"
				      "33383030373535353030a2006636352f302f320201a2006636362f302f"
				      "30036a6d795365727669636531a2006636362f302f3263766c6f643637"
				      "3a30a2006636362f312f3263766c6f6b36353533353a3635353335"),
			    "/65/0/0/0 s 66:0\n/65/0/0/1 s 66:1\n/65/0/1 s 8613800755500\n"
			    "/65/0/2 i 1\n/66/0/0 s myService1\n/66/0/2 s 67:0\n"
			    "/66/1/2 s 65535:65535\n");
	assert_string_equal(cbor("/3/0/0", "81a221662f332f302f3003744f70656e204d6f62696c6520416c6c"
					   "69616e6365"),
			    "/3/0/0 s Open Mobile Alliance\n");
	/* names only, as a Read of several asks */
	assert_string_equal(cbor("/", "83a100662f332f302f30a100662f332f302f39a100662f312f302f31"),
			    "");
	assert_string_equal(cbor("/", "83a200662f332f302f3003744f70656e204d6f62696c6520416c6c69616e"
				      "6365a200662f332f302f3902185fa200662f312f302f31021a00015180"),
			    "/3/0/0 s Open Mobile Alliance\n/3/0/9 i 95\n/1/0/1 i 86400\n");
	assert_string_equal(
		cbor("/", "82a2006c2f333331312f302f3538353004f4a2006c2f333331312f322f353835310214"),
		"/3311/0/5850 b 0\n/3311/2/5851 i 20\n");
	assert_string_equal(old_json("/66",
				     "{\"bn\":\"/66/\",\"e\":[{\"n\":\"0/2\",\"ov\":\"67:0\"},"
				     "{\"n\":\"0/3\",\"bv\":true}]}"),
			    "/66/0/2 s 67:0\n/66/0/3 b 1\n");
}

static void test_senml_shape_of_rfc8428_examples(void **state)
{
	(void)state;
	assert_string_equal(
		json("/",
		     "[{\"bn\":\"/3303/0/\",\"bt\":1.276020076e+09,\"bver\":5,"
		     "\"n\":\"5700\",\"u\":\"V\",\"v\":120.1},{\"n\":\"5701\",\"t\":-5,\"v\":1.2},"
		     "{\"n\":\"5701\",\"t\":-4,\"v\":1.3}]"),
		"/3303/0/5700 f 120.1 @1276020076\n/3303/0/5701 f 1.2 @1276020071\n"
		"/3303/0/5701 f 1.3 @1276020072\n");
	assert_string_equal(json("/", "[{\"bn\":\"/3303/0/\",\"bv\":20,\"n\":\"1\",\"v\":1.5},"
				      "{\"n\":\"2\",\"v\":-30},{\"n\":\"3\",\"bv\":0.25,\"v\":4},"
				      "{\"n\":\"4\",\"vs\":\"x\"}]"),
			    "/3303/0/1 f 21.5\n/3303/0/2 i -10\n/3303/0/3 f 4.25\n/3303/0/4 s x\n");
	assert_string_equal(
		json("/", "[{\"n\":\"/5/0/0\",\"vd\":\"aGkgCg\"},"
			  "{\"n\":\"/5/0/0\",\"vd\":\"-_8\"},{\"n\":\"/5/0/0\",\"vd\":\"\"},"
			  "{\"n\":\"/5/0/0\",\"vd\":\"+/8=\"},{\"n\":\"/5/0/0\",\"vd\":\"AA==\"}]"),
		"/5/0/0 x 6869200a\n/5/0/0 x fbff\n/5/0/0 x \n/5/0/0 x fbff\n"
		"/5/0/0 x 00\n");
	/* a sum alone, units, extensions, update times: nothing for us */
	assert_string_equal(json("/",
				 "[{\"n\":\"/3/0/1\",\"s\":5,\"bs\":1},{\"n\":\"/3/0/2\","
				 "\"u\":\"%\",\"ut\":1,\"x\":{\"y\":[1]},\"v\":2,\"bver\":26}]"),
			    "/3/0/2 i 2\n");
}

static void test_senml_cbor_all_forms(void **state)
{
	(void)state;
	/* [_ {_ 0: (_ "/3/", "0/1"), 3: (_ "a", "", "b")}, {0: "/3/0/2", 8: (_ h'01', h'02')}] */
	assert_string_equal(cbor("/3", "9fbf007f632f332f63302f31ff037f61616061"
				       "62ffffa200662f332f302f32085f41014102ffff"),
			    "/3/0/1 s ab\n/3/0/2 x 0102\n");
	/* labels as text, half and single floats, a decimal fraction, a tagged time */
	assert_string_equal(cbor("/3", "85a2616e662f332f302f316176f93c00"
				       "a200662f332f302f3202fa3f000000"
				       "a200662f332f302f3302c48221196ab3"
				       "a200662f332f302f3402c11a514b67b0"
				       "a200662f332f302f3502c4820118"
				       "0f"),
			    "/3/0/1 f 1\n/3/0/2 f 0.5\n/3/0/3 f 273.15\n/3/0/4 i 1363896240\n"
			    "/3/0/5 f 150\n");
	/* under labels we do not know: maps, arrays, pieces, tags, null, undefined */
	assert_string_equal(cbor("/3", "81a9187b83019f0203ff820405"
				       "187cbf6161a0617842f6f6ff"
				       "187d5f42000141ffff187ec249010000000000000000"
				       "187ff6188080"
				       "1881c1f7"
				       "0067"
				       "2f332f302f3131"
				       "0205"),
			    "/3/0/11 i 5\n");
	/* the numbers' ends */
	assert_string_equal(cbor("/3", "82a200662f332f302f31021b7fffffffffffffff"
				       "a200662f332f302f31023b7fffffffffffffff"),
			    "/3/0/1 i 9223372036854775807\n/3/0/1 i -9223372036854775808\n");
	/* self-described */
	assert_string_equal(cbor("/3", "d9d9f780"), "");
}

static void test_senml_names_in_two_parts(void **state)
{
	(void)state;
	static const struct {
		const char *base, *pack, *values;
	} rows[] = {
		{"/2/3", "[{\"bn\":\"/2/3\",\"n\":\"/0\",\"v\":1}]", "/2/3/0 i 1\n"},
		{"/5/0/1", "[{\"bn\":\"/5/0/1\",\"n\":\"\",\"vs\":\"x\"}]", "/5/0/1 s x\n"},
		{"/5/0/1", "[{\"bn\":\"/5/0/1/\",\"vs\":\"x\"}]", "/5/0/1 s x\n"},
		{"/5/0/1", "[{\"vs\":\"x\"}]", "/5/0/1 s x\n"},
		{"/5/0/1", "[{\"n\":\"1\",\"vs\":\"x\"}]", "/5/0/1/1 s x\n"},
		{"/5/0", "[{\"bn\":\"1\",\"vs\":\"x\"}]", "/5/0/1 s x\n"},
		{"/", "[{\"bn\":\"/\",\"n\":\"5/0/1\",\"vs\":\"x\"}]", "/5/0/1 s x\n"},
		{"/", "[{\"n\":\"5/0/1\",\"vs\":\"x\"}]", "/5/0/1 s x\n"},
		{"/",
		 "[{\"bn\":\"/5/\",\"n\":\"0/1\",\"v\":1},{\"n\":\"0/2\",\"v\":2},"
		 "{\"bn\":\"\",\"n\":\"/6/0/2\",\"v\":3}]",
		 "/5/0/1 i 1\n/5/0/2 i 2\n/6/0/2 i 3\n"},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		assert_string_equal(json(rows[i].base, rows[i].pack), rows[i].values);
}

static void faults(int format, const char *base, struct bytes in, int err, const char *text)
{
	count = 77;
	int got = decode(format, base, in);
	if (got != err || strcmp(fault.text, text) != 0)
		print_message("# wanted %s, got %s\n", text, fault.text);
	assert_int_equal(got, err);
	assert_string_equal(fault.text, text);
	assert_int_equal(count, 77);
}

static void test_senml_json_malformed_says_what_and_where(void **state)
{
	(void)state;
	static const struct {
		const char *pack;
		int err;
		const char *fault;
	} rows[] = {
		{"", ERR_TRUNC, "byte 0: truncated"},
		{"{}", ERR_SYNTAX, "byte 0: not an array of records"},
		{"[1]", ERR_SYNTAX, "record 1: not an object"},
		{"[{}]x", ERR_EXTRA, "byte 5: more after the end"},
		{"[{\"v\":1,\"v\":2}]", ERR_EXIST, "byte 11: a key that comes twice"},
		{"[{\"v\":9223372036854775808}]", ERR_RANGE, "byte 25: a number beyond 64 bits"},
		{"[{\"vs\":\"\\u0000\"}]", ERR_SYNTAX, "byte 15: a NUL character"},
		{"[[[[[[[[[]]]]]]]]]", ERR_LIMIT, "nested too deeply"},
		{"[{},{\"n\":1}]", ERR_INVAL, "record 2: n: not text"},
		{"[{\"bn\":null}]", ERR_INVAL, "record 1: bn: not text"},
		{"[{\"n\":\"/3/0/9\",\"v\":\"1\"}]", ERR_INVAL, "record 1: v: not a number"},
		{"[{\"n\":\"/3/0/9\",\"vs\":1}]", ERR_INVAL, "record 1: vs: not text"},
		{"[{\"n\":\"/3/0/9\",\"vb\":1}]", ERR_INVAL, "record 1: vb: not a boolean"},
		{"[{\"n\":\"/3/0/9\",\"vd\":1}]", ERR_INVAL, "record 1: vd: not text"},
		{"[{\"n\":\"/3/0/9\",\"vd\":\"A\"}]", ERR_SYNTAX, "record 1: vd: not in base64url"},
		{"[{\"n\":\"/3/0/9\",\"vd\":\"AB\"}]", ERR_SYNTAX,
		 "record 1: vd: not in base64url"},
		{"[{\"n\":\"/3/0/9\",\"vd\":\"A A\"}]", ERR_SYNTAX,
		 "record 1: vd: not in base64url"},
		{"[{\"n\":\"/3/0/9\",\"vd\":\"AA=\"}]", ERR_SYNTAX,
		 "record 1: vd: not in base64url"},
		{"[{\"n\":\"/3/0/9\",\"vd\":\"A===\"}]", ERR_SYNTAX,
		 "record 1: vd: not in base64url"},
		{"[{\"n\":\"/3/0/9\",\"v\":1,\"vb\":true}]", ERR_SYNTAX,
		 "record 1: more than one value"},
		{"[{\"n\":\"/3/0/9\",\"vlo\":\"66\"}]", ERR_SYNTAX,
		 "record 1: vlo: not OBJECT:INSTANCE"},
		{"[{\"n\":\"/3/0/9\",\"vlo\":\"66/0\"}]", ERR_SYNTAX,
		 "record 1: vlo: not OBJECT:INSTANCE"},
		{"[{\"n\":\"/3/0/9\",\"vlo\":\":66:0\"}]", ERR_SYNTAX,
		 "record 1: vlo: not OBJECT:INSTANCE"},
		{"[{\"n\":\"/3/0/9\",\"vlo\":\"65535:65536\"}]", ERR_SYNTAX,
		 "record 1: vlo: not OBJECT:INSTANCE"},
		{"[{\"n\":\"/3/0/9\",\"vlo\":\"065535:65535\"}]", ERR_SYNTAX,
		 "record 1: vlo: not OBJECT:INSTANCE"},
		{"[{\"bver\":11}]", ERR_VERSION, "record 1: bver: later than version 10"},
		{"[{\"must_\":1}]", ERR_CRITICAL,
		 "record 1: a label that must be understood is not"},
		{"[{\"n\":\"/3/0/x\",\"v\":1}]", ERR_SYNTAX,
		 "record 1: a name that is not /OBJECT/INSTANCE/RESOURCE"},
		{"[{\"n\":\"urn:dev:ow:1\",\"v\":1}]", ERR_SYNTAX,
		 "record 1: a name that is not /OBJECT/INSTANCE/RESOURCE"},
		{"[{\"bn\":\"/3/0/\",\"n\":\"/9\",\"v\":1}]", ERR_SYNTAX,
		 "record 1: a name that is not /OBJECT/INSTANCE/RESOURCE"},
		{"[{\"n\":\"/3/0/1/2/3\",\"v\":1}]", ERR_SYNTAX,
		 "record 1: a name that is not /OBJECT/INSTANCE/RESOURCE"},
		{"[{\"v\":1}]", ERR_SYNTAX,
		 "record 1: a name that is not /OBJECT/INSTANCE/RESOURCE"},
		{"[{\"n\":\"/3/0\",\"v\":1}]", ERR_INVAL, "/3/0 is no resource"},
		{"[{\"bv\":9223372036854775807,\"n\":\"/3/0/9\",\"v\":1}]", ERR_RANGE,
		 "record 1: v: a number beyond 64 bits"},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		faults(LWM2M_SENML_JSON, "/", input_text(rows[i].pack), rows[i].err, rows[i].fault);
	faults(LWM2M_SENML_JSON, "/3/0", input_text("[{\"n\":\"/5/0/9\",\"v\":1}]"), ERR_INVAL,
	       "/5/0/9 is not under /3/0");
	faults(LWM2M_SENML_JSON, "/3/0/9/0", input_text("[{\"n\":\"/3/0/9\",\"v\":1}]"), ERR_INVAL,
	       "/3/0/9 is not under /3/0/9/0");
}

static void test_senml_cbor_malformed_says_what_and_where(void **state)
{
	(void)state;
	static const struct {
		const char *hex;
		int err;
		const char *fault;
	} rows[] = {
		{"", ERR_TRUNC, "byte 0: truncated"},
		{"a0", ERR_SYNTAX, "byte 0: not an array of records"},
		{"c48201", ERR_SYNTAX, "byte 0: not an array of records"},
		{"8000", ERR_EXTRA, "byte 1: more after the end"},
		{"8101", ERR_SYNTAX, "byte 2: a record that is not a map"},
		{"81ff", ERR_SYNTAX, "byte 2: a record that is not a map"},
		{"9fa0", ERR_TRUNC, "byte 2: truncated"},
		{"81a1", ERR_TRUNC, "byte 2: truncated"},
		{"81a100", ERR_TRUNC, "byte 3: truncated"},
		{"81a1f401", ERR_SYNTAX, "byte 3: a label that is neither integer nor text"},
		{"81a17f616eff01", ERR_SYNTAX, "byte 3: a label that is neither integer nor text"},
		{"81a100fe", ERR_SYNTAX, "byte 3: not well-formed CBOR"},
		{"81a10062c328", ERR_SYNTAX, "byte 3: text that is not UTF-8"},
		{"81bf00ff", ERR_SYNTAX, "byte 4: unexpected break"},
		{"81a102ff", ERR_SYNTAX, "byte 4: unexpected break"},
		{"81a1027f6161", ERR_TRUNC, "byte 6: truncated"},
		{"81a1037f4161ff", ERR_SYNTAX, "byte 6: a piece of another type"},
		{"81a1005f4161ff", ERR_INVAL, "record 1: n: not text"},
		{"81a102f6", ERR_INVAL, "record 1: v: not a number"},
		{"81a1028101", ERR_INVAL, "record 1: v: not a number"},
		{"81a10861 61", ERR_INVAL, "record 1: vd: not bytes"},
		{"81a1021b8000000000000000", ERR_RANGE, "byte 12: a number beyond 64 bits"},
		{"81a1023b8000000000000000", ERR_RANGE, "byte 12: a number beyond 64 bits"},
		{"81a102c24101", ERR_RANGE, "byte 4: a number beyond 64 bits"},
		{"81a102c401", ERR_SYNTAX, "byte 5: not a decimal fraction"},
		{"81a102c4820161 61", ERR_SYNTAX, "byte 8: not an integer"},
		{"81a102c48219012d01", ERR_RANGE, "byte 9: a number that is too big"},
		{"81a206f97c000201", ERR_RANGE, "record 1: t: not a time"},
		{"81a200600060", ERR_EXIST, "record 1: n: comes twice"},
		{"81a10b9f9f9f9f9f9f9f9f9f", ERR_LIMIT, "byte 12: nested too deeply"},
		{"81a10b9bffffffffffffffff", ERR_TRUNC, "byte 12: truncated"},
		{"81a10bbf01ff", ERR_SYNTAX, "byte 6: unexpected break"},
		{"81a10b9fc1ff", ERR_SYNTAX, "byte 6: unexpected break"},
		{"81a10b7f01ff", ERR_SYNTAX, "byte 5: a piece of another type"},
		{"9bffffffffffffffff", ERR_TRUNC, "byte 9: truncated"},
		{"81bbffffffffffffffff", ERR_TRUNC, "byte 10: truncated"},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char hex[64];
		struct buf b = buf_writer(hex, sizeof(hex));
		for (const char *c = rows[i].hex; *c; c++)
			if (*c != ' ')
				buf_put_u8(&b, (uint8_t)*c);
		faults(LWM2M_SENML_CBOR, "/", input_hex(buf_cstr(&b)), rows[i].err, rows[i].fault);
	}
	/* eight deep is not too deep */
	assert_string_equal(cbor("/", "81a10b9f9f9f9f9f9f9f9fffffffffffffffff"), "");
}

static void test_senml_old_json_malformed_says_what_and_where(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		int err;
		const char *fault;
	} rows[] = {
		{"[]", ERR_SYNTAX, "byte 0: not an object with an array \"e\""},
		{"{}", ERR_SYNTAX, "byte 0: not an object with an array \"e\""},
		{"{\"e\":{}}", ERR_SYNTAX, "byte 0: not an object with an array \"e\""},
		{"{\"e\":[],\"v\":1}", ERR_SYNTAX, "a value outside of \"e\""},
		{"{\"e\":[1]}", ERR_SYNTAX, "record 1: not an object"},
		{"{\"bn\":1,\"e\":[]}", ERR_INVAL, "record 0: bn: not text"},
		{"{\"e\":[{\"n\":\"0\",\"bv\":1}]}", ERR_INVAL, "record 1: vb: not a boolean"},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		faults(LWM2M_JSON, "/3/0", input_text(rows[i].text), rows[i].err, rows[i].fault);
	/* the number it had before 1.0 */
	assert_string_equal(decoded(1543, "/3/0", input_text("{\"e\":[{\"n\":\"9\",\"v\":1}]}")),
			    "/3/0/9 i 1\n");
}

static void test_senml_every_truncation_is_told(void **state)
{
	(void)state;
	struct lwm2m_path base = path_of("/3");
	uint8_t copy[1024];
	struct bytes all = input_hex(DEVICE_CBOR);

	memcpy(copy, all.ptr, all.len);
	for (size_t len = 0; len < all.len; len++)
		assert_int_equal(lwm2m_decode(LWM2M_SENML_CBOR, input_keep(copy, len), &base,
					      values, LWM2M_VALUES, &count, scratch, &fault),
				 ERR_TRUNC);
	const char *text = "[{\"bn\":\"/3/0/\"}," DEVICE_ENTRIES("vs") "]";
	for (size_t len = 0; len < strlen(text); len++)
		assert_int_not_equal(lwm2m_decode(LWM2M_SENML_JSON, input_keep(text, len), &base,
						  values, LWM2M_VALUES, &count, scratch, &fault),
				     0);
}

static void test_senml_limits_and_one_more(void **state)
{
	(void)state;
	char text[LIMIT_LWM2M_PAYLOAD + 64];
	struct buf b = buf_writer(text, sizeof(text));

	for (int i = 0; i < LIMIT_LWM2M_VALUES; i++)
		buf_put_str(&b, i ? ",{\"n\":\"/3/0/9\",\"v\":1}" : "[{\"n\":\"/3/0/9\",\"v\":1}");
	size_t full = b.pos;
	buf_put_str(&b, "]");
	assert_int_equal(decode(LWM2M_SENML_JSON, "/", input_keep(text, b.pos)), 0);
	assert_int_equal(count, LWM2M_VALUES);
	b.pos = full;
	buf_put_str(&b, ",{\"n\":\"/3/0/9\",\"v\":1}]");
	faults(LWM2M_SENML_JSON, "/", input_keep(text, b.pos), ERR_LIMIT, "more than 64 values");

	/* texts in the scratch: LIMIT_LWM2M_SCRATCH */
	memset(text, 'x', sizeof(text));
	memcpy(text, "[{\"n\":\"/3/0/1\",\"vs\":\"", 21);
	memcpy(text + 21 + LWM2M_SCRATCH, "\"}]", 3);
	assert_int_equal(decode(LWM2M_SENML_JSON, "/", input_keep(text, 24 + LWM2M_SCRATCH)), 0);
	memcpy(text + 21 + LWM2M_SCRATCH, "x\"}]", 4);
	faults(LWM2M_SENML_JSON, "/", input_keep(text, 25 + LWM2M_SCRATCH), ERR_LIMIT,
	       "more than 2048 bytes of texts");

	memset(text, ' ', sizeof(text));
	memcpy(text, "[]", 2);
	assert_int_equal(decode(LWM2M_SENML_JSON, "/", input_keep(text, LIMIT_LWM2M_PAYLOAD)), 0);
	faults(LWM2M_SENML_JSON, "/", input_keep(text, LIMIT_LWM2M_PAYLOAD + 1), ERR_LIMIT,
	       "longer than 4096 bytes");
	faults(LWM2M_SENML_CBOR, "/", input_keep(text, LIMIT_LWM2M_PAYLOAD + 1), ERR_LIMIT,
	       "longer than 4096 bytes");

	/* a name of 64 bytes is looked at, one of 65 is not */
	memset(text, '1', sizeof(text));
	memcpy(text, "[{\"v\":1,\"n\":\"", 13);
	memcpy(text + 13 + 64, "\"}]", 3);
	faults(LWM2M_SENML_JSON, "/", input_keep(text, 13 + 64 + 3), ERR_SYNTAX,
	       "record 1: a name that is not /OBJECT/INSTANCE/RESOURCE");
	memcpy(text + 13 + 64, "1\"}]", 4);
	faults(LWM2M_SENML_JSON, "/", input_keep(text, 13 + 65 + 3), ERR_RANGE,
	       "record 1: a name longer than 64 bytes");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_senml_example_device),
		cmocka_unit_test(test_senml_example_series_in_time),
		cmocka_unit_test(test_senml_example_links_and_compositions),
		cmocka_unit_test(test_senml_shape_of_rfc8428_examples),
		cmocka_unit_test(test_senml_cbor_all_forms),
		cmocka_unit_test(test_senml_names_in_two_parts),
		cmocka_unit_test(test_senml_json_malformed_says_what_and_where),
		cmocka_unit_test(test_senml_cbor_malformed_says_what_and_where),
		cmocka_unit_test(test_senml_old_json_malformed_says_what_and_where),
		cmocka_unit_test(test_senml_every_truncation_is_told),
		cmocka_unit_test(test_senml_limits_and_one_more),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
