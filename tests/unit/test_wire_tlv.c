/* SPDX-License-Identifier: Apache-2.0
 *
 * OMA TLV. The payloads named "example" are those of LwM2M core 1.0.2, 6.4.3 and 1.2, 7.4.3.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "support/input.h"
#include "support/values.h"
#include "wire/lwm2m.h"

/* The resources of the device object in the examples. */
#define DEVICE                                                                                     \
	"C800144F70656E204D6F62696C6520416C6C69616E6365"                                           \
	"C801164C69676874776569676874204D324D20436C69656E74"                                       \
	"C80209333435303030313233C303312E30860641000141010588070842000ED842011388"                 \
	"870841007D42010384C10964C10A0F830B410000C40D5182428FC60E2B30323A3030C11055"

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

static int decode(const char *path, struct bytes in)
{
	struct lwm2m_path base = path_of(path);
	int err = lwm2m_decode(LWM2M_TLV, in, &base, values, LWM2M_VALUES, &count, scratch, &fault);

	assert_int_equal(err, fault.err);
	assert_true(err ? fault.text[0] != 0 : fault.text[0] == 0);
	return err;
}

static const char *decoded(const char *path, const char *hex)
{
	assert_int_equal(decode(path, input_hex(hex)), 0);
	return values_text(values, count);
}

static int64_t int_at(unsigned object, unsigned instance, unsigned resource)
{
	const struct lwm2m_value *v = lwm2m_value_at(values, count, object, instance, resource);
	int64_t number = -1;

	assert_non_null(v);
	assert_true(lwm2m_value_int(v, &number));
	return number;
}

static void text_is(unsigned resource, const char *text)
{
	const struct lwm2m_value *v = lwm2m_value_at(values, count, 3, 0, resource);
	char read[64];

	assert_non_null(v);
	assert_true(lwm2m_value_text(v, read, sizeof(read)));
	assert_string_equal(read, text);
}

static void device_is_the_examples(void)
{
	const struct lwm2m_value *v;
	int64_t number;

	assert_int_equal(count, 16);
	text_is(0, "Open Mobile Alliance");
	text_is(1, "Lightweight M2M Client");
	text_is(2, "345000123");
	text_is(3, "1.0");
	text_is(14, "+02:00");
	text_is(16, "U");
	assert_int_equal(int_at(3, 0, 6), 1);
	assert_int_equal(int_at(3, 0, 7), 3800);
	v = lwm2m_value_at(values, count, 3, 0, 7) + 1;
	assert_int_equal(v->path.count, 4);
	assert_int_equal(v->path.id[3], 1);
	assert_true(lwm2m_value_int(v, &number));
	assert_int_equal(number, 5000);
	assert_int_equal(int_at(3, 0, 8), 125);
	assert_int_equal(int_at(3, 0, 9), 100);
	assert_int_equal(int_at(3, 0, 10), 15);
	assert_int_equal(int_at(3, 0, 11), 0);
	assert_int_equal(int_at(3, 0, 13), 1367491215);
	assert_null(lwm2m_value_at(values, count, 3, 0, 4));
	assert_null(lwm2m_value_at(values, count, 3, 1, 3));
}

static void test_tlv_example_device_with_and_without_its_instance(void **state)
{
	(void)state;
	(void)decoded("/3/0", DEVICE);
	device_is_the_examples();
	(void)decoded("/3", "080079" DEVICE);
	device_is_the_examples();
	(void)decoded("/3/0", "080079" DEVICE);
	device_is_the_examples();
	/* read as an object, of which there is one */
	(void)decoded("/3", DEVICE);
	device_is_the_examples();
}

static void test_tlv_examples_of_several_instances(void **state)
{
	(void)state;
	assert_string_equal(
		decoded("/2",
			"08000EC10001C101008302417F07C1037F080212C10003C101008702417F0761013601"
			"C1037F"),
		"/2/0/0 r 01\n/2/0/1 r 00\n/2/0/2/127 r 07\n/2/0/3 r 7f\n"
		"/2/2/0 r 03\n/2/2/1 r 00\n/2/2/2/127 r 07\n/2/2/2/310 r 01\n/2/2/3 r 7f\n");
	assert_string_equal(decoded("/1", "08000FC10001C40100015180C10601C10755"),
			    "/1/0/0 r 01\n/1/0/1 r 00015180\n/1/0/6 r 01\n/1/0/7 r 55\n");
	assert_int_equal(int_at(1, 0, 1), 86400);
	assert_string_equal(decoded("/65/0", "88000C440000420000440100420001C8010D38363133383030373"
					     "535353030C40212345678"),
			    "/65/0/0/0 r 00420000\n/65/0/0/1 r 00420001\n"
			    "/65/0/1 r 38363133383030373535353030\n/65/0/2 r 12345678\n");
	assert_int_equal(int_at(65, 0, 2), 305419896);
	assert_string_equal(
		decoded("/66",
			"080026C8000B6D79536572766963652031C8010F496E7465726E65742E31352E323334"
			"C40200430000080126C8000B6D79536572766963652032C8010F496E7465726E65742E"
			"31352E323335C402FFFFFFFF"),
		"/66/0/0 r 6d79536572766963652031\n/66/0/1 r 496e7465726e65742e31352e323334\n"
		"/66/0/2 r 00430000\n/66/1/0 r 6d79536572766963652032\n"
		"/66/1/1 r 496e7465726e65742e31352e323335\n/66/1/2 r ffffffff\n");
}

static void test_tlv_of_one_resource(void **state)
{
	(void)state;
	assert_string_equal(decoded("/5/0/3", "C10302"), "/5/0/3 r 02\n");
	/* its instances alone, as some clients answer */
	assert_string_equal(decoded("/3/0/11", "41000041010141FF02"),
			    "/3/0/11/0 r 00\n/3/0/11/1 r 01\n/3/0/11/255 r 02\n");
	assert_string_equal(decoded("/3/0/11", "860B410000410101"),
			    "/3/0/11/0 r 00\n/3/0/11/1 r 01\n");
	assert_string_equal(decoded("/3/0/11/1", "830B410101"), "/3/0/11/1 r 01\n");
	/* with the instance around it */
	assert_string_equal(decoded("/5/0/3", "0300C10302"), "/5/0/3 r 02\n");
	/* a resource with 16-bit number, and an empty one */
	assert_string_equal(decoded("/5/0", "E1123401C001"), "/5/0/4660 r 01\n/5/0/1 r \n");
	/* nothing at all: an instance and a resource without any */
	assert_string_equal(decoded("/5/0", ""), "");
	assert_string_equal(decoded("/5", "0000"), "");
	assert_string_equal(decoded("/3", "020080060001"), "");
}

static void test_tlv_every_form_of_length(void **state)
{
	(void)state;
	static const struct {
		const char *head;
		size_t len;
	} rows[] = {{"C700", 7},       {"C80000", 0},	    {"C80008", 8},
		    {"C800FF", 255},   {"D0000100", 256},   {"D0000000", 0},
		    {"D000012C", 300}, {"D800000201", 513}, {"D800000005", 5}};
	uint8_t raw[1024];

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		size_t head;
		assert_int_equal(
			buf_from_hex(rows[i].head, strlen(rows[i].head), raw, sizeof(raw), &head),
			0);
		memset(raw + head, 'x', rows[i].len);
		assert_int_equal(decode("/5/0", input_keep(raw, head + rows[i].len)), 0);
		assert_int_equal(count, 1);
		assert_int_equal(values[0].bytes.len, rows[i].len);
		if (rows[i].len) {
			assert_int_equal(decode("/5/0", input_keep(raw, head + rows[i].len - 1)),
					 ERR_TRUNC);
			assert_string_equal(fault.text, "byte 0: truncated");
		}
	}
}

static void test_tlv_malformed_says_what_and_where(void **state)
{
	(void)state;
	static const struct {
		const char *path, *hex;
		int err;
		const char *fault;
	} rows[] = {
		{"/5/0", "C1", ERR_TRUNC, "byte 0: truncated"},
		{"/5/0", "C10302C1", ERR_TRUNC, "byte 3: truncated"},
		{"/5/0", "E103", ERR_TRUNC, "byte 0: truncated"},
		{"/5/0", "C80301", ERR_TRUNC, "byte 0: truncated"},
		{"/5/0", "D8030001", ERR_TRUNC, "byte 0: truncated"},
		/* longer than what it lies in */
		{"/5", "0200C1030200", ERR_TRUNC, "byte 2: truncated"},
		{"/3/0", "820B420001C10305", ERR_TRUNC, "byte 2: truncated"},
		{"/5/0", "410001", ERR_SYNTAX, "byte 0: an instance of a resource outside of one"},
		{"/5", "0300410001", ERR_SYNTAX,
		 "byte 2: an instance of a resource outside of one"},
		{"/5/0", "8303C10001", ERR_SYNTAX,
		 "byte 2: no instance of a resource inside of one"},
		{"/5/0", "83038103410001", ERR_SYNTAX,
		 "byte 2: no instance of a resource inside of one"},
		{"/5", "05000300C10001", ERR_SYNTAX,
		 "byte 2: an instance of an object inside of another"},
		{"/5/0", "0301C10302", ERR_INVAL, "byte 0: id 1, not 0"},
		{"/5/0/3", "C10402", ERR_INVAL, "byte 0: id 4, not 3"},
		{"/5/0/3/1", "8303410002", ERR_INVAL, "byte 2: id 0, not 1"},
		{"/5/0/3/1", "C10302", ERR_INVAL, "/5/0/3 is not under /5/0/3/1"},
		{"/5/0", "C10302C10300", ERR_EXIST, "/5/0/3 comes twice"},
		{"/5", "0300C103020300C10302", ERR_EXIST, "/5/0/3 comes twice"},
		{"/3/0", "8606410005410106C10601", ERR_EXIST, "/3/0/6 comes twice"},
		{"/3/0", "C106018606410005410106", ERR_EXIST, "/3/0/6/0 comes twice"},
		{"/", "C10302", ERR_UNSUPPORTED, "TLV does not say which object it is of"},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		count = 77;
		int err = decode(rows[i].path, input_hex(rows[i].hex));
		if (err != rows[i].err || strcmp(fault.text, rows[i].fault) != 0)
			print_message("# %s %s: %s\n", rows[i].path, rows[i].hex, fault.text);
		assert_int_equal(err, rows[i].err);
		assert_string_equal(fault.text, rows[i].fault);
		assert_int_equal(count, 77);
	}
}

static void test_tlv_every_truncation_is_told_or_shorter(void **state)
{
	(void)state;
	struct lwm2m_path base = path_of("/3");
	struct bytes all = input_hex("080079" DEVICE);
	uint8_t copy[256];

	memcpy(copy, all.ptr, all.len);
	for (size_t len = 1; len < all.len; len++)
		assert_int_equal(lwm2m_decode(LWM2M_TLV, input_keep(copy, len), &base, values,
					      LWM2M_VALUES, &count, scratch, &fault),
				 ERR_TRUNC);
}

static void test_tlv_values_at_the_limit_and_one_more(void **state)
{
	(void)state;
	uint8_t raw[3 * (LWM2M_VALUES + 1)];

	for (unsigned i = 0; i <= LWM2M_VALUES; i++)
		memcpy(raw + 3 * i, (uint8_t[]){0xc1, (uint8_t)i, 1}, 3);
	assert_int_equal(decode("/5/0", input_keep(raw, 3 * LWM2M_VALUES)), 0);
	assert_int_equal(count, LWM2M_VALUES);
	assert_int_equal(decode("/5/0", input_keep(raw, sizeof(raw))), ERR_LIMIT);
	assert_string_equal(fault.text, "more than 64 values");
}

static void test_tlv_payload_at_the_limit_and_one_more(void **state)
{
	(void)state;
	uint8_t raw[LIMIT_LWM2M_PAYLOAD + 1] = {0xd0, 1, (LIMIT_LWM2M_PAYLOAD - 4) >> 8,
						(LIMIT_LWM2M_PAYLOAD - 4) & 0xff};

	assert_int_equal(decode("/5/0", input_keep(raw, LIMIT_LWM2M_PAYLOAD)), 0);
	assert_int_equal(decode("/5/0", input_keep(raw, sizeof(raw))), ERR_LIMIT);
	assert_string_equal(fault.text, "longer than 4096 bytes");
}

static void test_tlv_integers_have_1_2_4_or_8_bytes(void **state)
{
	(void)state;
	static const struct {
		const char *hex;
		bool ok;
		int64_t number;
	} rows[] = {
		{"C00D", false, 0},
		{"C10D7F", true, 127},
		{"C10DFF", true, -1},
		{"C20D8000", true, -32768},
		{"C20D00FF", true, 255},
		{"C30D000001", false, 0},
		{"C40D80000000", true, INT32_MIN},
		{"C40D5182428F", true, 1367491215},
		{"C50D0000000001", false, 0},
		{"C80D087FFFFFFFFFFFFFFF", true, INT64_MAX},
		{"C80D088000000000000000", true, INT64_MIN},
		{"C80D09000000000000000001", false, 0},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		int64_t number = 5;
		assert_int_equal(decode("/3/0/13", input_hex(rows[i].hex)), 0);
		assert_int_equal(lwm2m_value_int(&values[0], &number), rows[i].ok);
		assert_true(number == (rows[i].ok ? rows[i].number : 5));
	}
}

static void test_tlv_floats_booleans_and_bytes(void **state)
{
	(void)state;
	double real = 0;
	bool yes = false;
	struct bytes b;

	(void)decoded("/3303/0/5700", "E4164441B33333");
	assert_true(lwm2m_value_real(&values[0], &real));
	assert_true(real == (double)22.4f);
	(void)decoded("/3303/0/5700", "E81644084036666666666666");
	assert_true(lwm2m_value_real(&values[0], &real));
	assert_true(real == 22.4);
	(void)decoded("/1/0/6", "C10601");
	assert_true(lwm2m_value_bool(&values[0], &yes) && yes);
	(void)decoded("/1/0/6", "C10600");
	assert_true(lwm2m_value_bool(&values[0], &yes) && !yes);
	(void)decoded("/1/0/6", "C10602");
	assert_false(lwm2m_value_bool(&values[0], &yes));
	(void)decoded("/1/0/6", "C2060001");
	assert_false(lwm2m_value_bool(&values[0], &yes));
	(void)decoded("/5/0/0", "C300010203");
	assert_true(lwm2m_value_bytes(&values[0], &b));
	assert_memory_equal(b.ptr, "\1\2\3", 3);
	assert_false(lwm2m_value_real(&values[0], &real));
}

static const char *encoded(const char *base_text, const struct lwm2m_value *v, size_t n)
{
	static char hex[2048];
	uint8_t raw[1024];
	struct buf out = buf_writer(raw, sizeof(raw)), text = buf_writer(hex, sizeof(hex));
	struct lwm2m_path base = path_of(base_text);

	assert_int_equal(lwm2m_encode_all(LWM2M_TLV, &base, v, n, &out), 0);
	buf_put_hex(&text, raw, out.pos);
	return buf_cstr(&text);
}

static void test_tlv_the_examples_come_out_as_they_went_in(void **state)
{
	(void)state;
	static const struct {
		const char *path, *hex;
	} rows[] = {
		{"/3", "080079" DEVICE},
		{"/3/0", DEVICE},
		{"/2",
		 "08000EC10001C101008302417F07C1037F080212C10003C101008702417F0761013601C1037F"},
		{"/1", "08000FC10001C40100015180C10601C10755"},
		{"/65/0",
		 "88000C440000420000440100420001C8010D38363133383030373535353030C40212345678"},
		{"/3/0/11", "860B410000410101"},
		{"/5/0/3", "C10302"},
		{"/5/0", ""},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char lower[1024];
		struct buf b = buf_writer(lower, sizeof(lower));
		struct bytes in = input_hex(rows[i].hex);
		buf_put_hex(&b, in.ptr, in.len);
		assert_int_equal(decode(rows[i].path, in), 0);
		assert_string_equal(encoded(rows[i].path, values, count), buf_cstr(&b));
	}
}

static void test_tlv_numbers_take_the_fewest_bytes(void **state)
{
	(void)state;
	static const struct {
		int64_t number;
		const char *hex;
	} ints[] = {{0, "c10300"},
		    {-1, "c103ff"},
		    {127, "c1037f"},
		    {128, "c2030080"},
		    {-128, "c10380"},
		    {-129, "c203ff7f"},
		    {32768, "c40300008000"},
		    {-32769, "c403ffff7fff"},
		    {2147483648, "c803080000000080000000"},
		    {INT64_MIN, "c803088000000000000000"}};
	struct lwm2m_value v = {.path = path_of("/5/0/3"), .type = LWM2M_INT};

	for (size_t i = 0; i < sizeof(ints) / sizeof(ints[0]); i++) {
		v.number = ints[i].number;
		assert_string_equal(encoded("/5/0/3", &v, 1), ints[i].hex);
	}
	v = (struct lwm2m_value){.path = v.path, .type = LWM2M_FLOAT, .real = 0.5};
	assert_string_equal(encoded("/5/0/3", &v, 1), "c4033f000000");
	v.real = 22.4;
	assert_string_equal(encoded("/5/0/3", &v, 1), "c803084036666666666666");
	v = (struct lwm2m_value){.path = v.path, .type = LWM2M_BOOL, .number = 1};
	assert_string_equal(encoded("/5/0/3", &v, 1), "c10301");
}

static void test_tlv_encode_refuses_what_does_not_fit(void **state)
{
	(void)state;
	uint8_t raw[4];
	struct buf out = buf_writer(raw, sizeof(raw));
	struct lwm2m_value v = {.path = path_of("/5/0/1"),
				.type = LWM2M_STRING,
				.bytes = {(const uint8_t *)"abc", 3}};
	struct lwm2m_path other = path_of("/3/0"), root = path_of("/");

	assert_int_equal(lwm2m_encode(LWM2M_TLV, &v, &out), ERR_LIMIT);
	out = buf_writer(raw, sizeof(raw));
	v.bytes.len = 2;
	assert_int_equal(lwm2m_encode(LWM2M_TLV, &v, &out), 0);
	assert_int_equal(out.pos, 4);
	assert_int_equal(lwm2m_encode_all(LWM2M_TLV, &other, &v, 1, &out), ERR_INVAL);
	assert_int_equal(lwm2m_encode_all(LWM2M_TLV, &root, &v, 1, &out), ERR_UNSUPPORTED);
	v.path.count = 2;
	assert_int_equal(lwm2m_encode(LWM2M_TLV, &v, &out), ERR_INVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_tlv_example_device_with_and_without_its_instance),
		cmocka_unit_test(test_tlv_examples_of_several_instances),
		cmocka_unit_test(test_tlv_of_one_resource),
		cmocka_unit_test(test_tlv_every_form_of_length),
		cmocka_unit_test(test_tlv_malformed_says_what_and_where),
		cmocka_unit_test(test_tlv_every_truncation_is_told_or_shorter),
		cmocka_unit_test(test_tlv_values_at_the_limit_and_one_more),
		cmocka_unit_test(test_tlv_payload_at_the_limit_and_one_more),
		cmocka_unit_test(test_tlv_integers_have_1_2_4_or_8_bytes),
		cmocka_unit_test(test_tlv_floats_booleans_and_bytes),
		cmocka_unit_test(test_tlv_the_examples_come_out_as_they_went_in),
		cmocka_unit_test(test_tlv_numbers_take_the_fewest_bytes),
		cmocka_unit_test(test_tlv_encode_refuses_what_does_not_fit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
