/* SPDX-License-Identifier: Apache-2.0
 *
 * The emulator's LwM2M values against the server's: neither knows the other.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "emu/lwm2m_value.h"
#include "wire/lwm2m.h"

static const int formats[] = {EMU_LW_TLV, EMU_LW_SENML_CBOR, EMU_LW_SENML_JSON};

enum { FORMATS = sizeof(formats) / sizeof(formats[0]), CAP = 1024 };

static struct lwm2m_value decoded[LWM2M_VALUES];
static uint8_t scratch[LWM2M_SCRATCH];

static struct emu_lw_value text(uint16_t resource, const char *value)
{
	struct emu_lw_value v = {.path = {3, {3, 0, resource}}, .type = EMU_LW_STRING};

	v.len = strlen(value);
	memcpy(v.text, value, v.len + 1);
	return v;
}

static struct emu_lw_value number(uint16_t resource, int64_t value)
{
	return (struct emu_lw_value){
		.path = {3, {3, 0, resource}}, .type = EMU_LW_INT, .number = value};
}

static struct lwm2m_path path_of(const struct emu_lw_path *path)
{
	struct lwm2m_path ret = {.count = (uint8_t)path->count};

	for (unsigned i = 0; i < path->count; i++)
		ret.id[i] = path->id[i];
	return ret;
}

/* What the emulator writes, the server reads. */
static size_t over(int format, const struct emu_lw_path *base, const struct emu_lw_value *values,
		   size_t count)
{
	static uint8_t bytes[CAP];
	struct buf out = buf_writer(bytes, sizeof(bytes));
	struct lwm2m_path path = path_of(base);
	struct wire_fault fault;
	size_t ret = 0;

	assert_int_equal(emu_lw_encode(format, base, values, count, &out), 0);
	assert_int_equal(lwm2m_decode(format, buf_bytes(&out), &path, decoded, LWM2M_VALUES, &ret,
				      scratch, &fault),
			 0);
	return ret;
}

static void assert_number(size_t count, unsigned resource, int64_t wanted)
{
	const struct lwm2m_value *v = lwm2m_value_at(decoded, count, 3, 0, resource);
	int64_t got = -1;

	assert_non_null(v);
	assert_true(lwm2m_value_int(v, &got));
	assert_int_equal(got, wanted);
}

static void test_emu_lwm2m_instance_in_each_format(void **state)
{
	static const int64_t numbers[] = {0,	 -1,	    127,       -128,	   128,	  -32768,
					  65536, INT32_MIN, 1LL << 40, 1700000000, 32767, -32769};
	(void)state;
	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
		struct emu_lw_value values[4] = {text(0, "Postboot"), text(3, "1.0.0 \"x\\"),
						 number(11, 0), number(300, numbers[i])};
		char version[32];

		values[2].path.id[values[2].path.count++] = 0;
		for (size_t f = 0; f < FORMATS; f++) {
			size_t n = over(formats[f], &(struct emu_lw_path){2, {3, 0}}, values, 4);

			assert_int_equal(n, 4);
			assert_number(n, 300, numbers[i]);
			assert_number(n, 11, 0);
			assert_true(lwm2m_value_text(lwm2m_value_at(decoded, n, 3, 0, 3), version,
						     sizeof(version)));
			assert_string_equal(version, "1.0.0 \"x\\");
			n = over(formats[f], &(struct emu_lw_path){1, {3}}, values, 4);
			assert_int_equal(n, 4);
			assert_number(n, 300, numbers[i]);
		}
	}
}

static void test_emu_lwm2m_one_resource_in_each_format(void **state)
{
	static const int all[] = {EMU_LW_TLV, EMU_LW_SENML_CBOR, EMU_LW_SENML_JSON, EMU_LW_CBOR,
				  EMU_LW_TEXT_PLAIN};
	struct emu_lw_value level = number(9, 77);
	struct emu_lw_value bytes = {.path = {3, {3, 0, 14}},
				     .type = EMU_LW_BYTES,
				     .len = 5,
				     .text = "\x00\xff\x3e\x7f!"};
	(void)state;

	for (size_t f = 0; f < sizeof(all) / sizeof(all[0]); f++) {
		struct bytes got;

		assert_int_equal(over(all[f], &level.path, &level, 1), 1);
		assert_number(1, 9, 77);
		if (all[f] == EMU_LW_TEXT_PLAIN)
			continue; /* base64, and nothing says so */
		assert_int_equal(over(all[f], &bytes.path, &bytes, 1), 1);
		assert_true(lwm2m_value_bytes(&decoded[0], &got));
		assert_int_equal(got.len, 5);
		assert_memory_equal(got.ptr, bytes.text, 5);
	}
	assert_int_equal(over(EMU_LW_OPAQUE, &bytes.path, &bytes, 1), 1);
}

/* What the server writes, the emulator reads. */
static void test_emu_lwm2m_writes_of_the_server(void **state)
{
	static const int all[] = {LWM2M_TLV, LWM2M_SENML_CBOR, LWM2M_TEXT, LWM2M_CBOR};
	static const char uri[] = "coaps://127.0.0.1:5684/fw/0123456789abcdef";
	struct lwm2m_value v = {.path = {3, {5, 0, 1}},
				.type = LWM2M_STRING,
				.bytes = {(const uint8_t *)uri, sizeof(uri) - 1}};
	struct lwm2m_value n = {.path = {3, {1, 0, 1}}, .type = LWM2M_INT, .number = 600};
	(void)state;

	for (size_t f = 0; f < sizeof(all) / sizeof(all[0]); f++) {
		uint8_t bytes[CAP];
		struct buf out = buf_writer(bytes, sizeof(bytes));
		struct emu_lw_value values[2];
		int64_t got = 0;
		size_t count;

		if (lwm2m_encode(all[f], &v, &out) == 0) {
			assert_int_equal(emu_lw_decode(all[f], &(struct emu_lw_path){3, {5, 0, 1}},
						       buf_bytes(&out), values, 2, &count),
					 0);
			assert_int_equal(count, 1);
			assert_string_equal(values[0].text, uri);
			assert_int_equal(values[0].path.id[2], 1);
		} else {
			assert_int_equal(all[f], LWM2M_CBOR); /* the one it may leave out */
		}
		out = buf_writer(bytes, sizeof(bytes));
		if (lwm2m_encode(all[f], &n, &out) != 0)
			continue;
		assert_int_equal(emu_lw_decode(all[f], &(struct emu_lw_path){3, {1, 0, 1}},
					       buf_bytes(&out), values, 2, &count),
				 0);
		assert_true(emu_lw_number(&values[0], &got));
		assert_int_equal(got, 600);
	}
}

static int decode(int format, const char *ptr, size_t len, unsigned levels)
{
	struct emu_lw_value values[2];
	struct emu_lw_path base = {levels, {1, 0, 1}};
	size_t count;

	return emu_lw_decode(format, &base, (struct bytes){(const uint8_t *)ptr, len}, values, 2,
			     &count);
}

static void test_emu_lwm2m_bad_input(void **state)
{
	struct emu_lw_path path;
	struct emu_lw_value v = {.type = EMU_LW_STRING, .len = 2, .text = "1x"};
	int64_t n;
	(void)state;

	assert_int_equal(decode(EMU_LW_TLV, "\xc2\x01\x00", 3, 2), ERR_TRUNC);
	assert_int_equal(decode(EMU_LW_TLV, "\xc1\x01\x00\xc1\x01\x00\xc1\x01\x00", 9, 2),
			 ERR_UNSUPPORTED);
	assert_int_equal(decode(EMU_LW_SENML_CBOR, "\x81", 1, 2), ERR_TRUNC);
	assert_int_equal(decode(EMU_LW_SENML_CBOR, "\xa0", 1, 2), ERR_SYNTAX);
	assert_int_equal(decode(EMU_LW_SENML_CBOR, "\x81\xa1\x21\x62/1", 6, 2), ERR_SYNTAX);
	assert_int_equal(decode(EMU_LW_SENML_CBOR, "\x81\xa1\x21\x78\xff/1", 7, 2), ERR_TRUNC);
	assert_int_equal(decode(EMU_LW_TEXT_PLAIN, "600", 3, 2), ERR_UNSUPPORTED);
	assert_int_equal(decode(12345, "600", 3, 3), ERR_UNSUPPORTED);
	assert_int_equal(emu_lw_path_parse("/1/0/1/2/3", &path), ERR_SYNTAX);
	assert_int_equal(emu_lw_path_parse("/1/x", &path), ERR_SYNTAX);
	assert_int_equal(emu_lw_path_parse("/65535", &path), ERR_SYNTAX);
	assert_int_equal(emu_lw_path_parse("/65534", &path), 0);
	assert_false(emu_lw_number(&v, &n));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_emu_lwm2m_instance_in_each_format),
		cmocka_unit_test(test_emu_lwm2m_one_resource_in_each_format),
		cmocka_unit_test(test_emu_lwm2m_writes_of_the_server),
		cmocka_unit_test(test_emu_lwm2m_bad_input),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
