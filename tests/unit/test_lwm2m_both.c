/* SPDX-License-Identifier: Apache-2.0
 *
 * Two implementations of LwM2M's formats that share no code, the server's (wire/lwm2m.h) and the
 * emulator's (emu/lwm2m_value.h): what the one writes, the other reads.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "emu/lwm2m_value.h"
#include "wire/lwm2m.h"

enum { ROUNDS = 500, MOST = 12, LONGEST = 200 };

static const int formats[] = {LWM2M_TLV, LWM2M_SENML_CBOR, LWM2M_SENML_JSON, LWM2M_CBOR,
			      LWM2M_TEXT};
enum { FORMATS = sizeof(formats) / sizeof(formats[0]) };

static struct emu_lw_value theirs[EMU_LW_VALUES];
static struct lwm2m_value ours[LWM2M_VALUES];
static uint64_t seed;

static unsigned rnd(unsigned below)
{
	seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (unsigned)(seed >> 33) % below;
}

static void random_value(struct emu_lw_value *v)
{
	v->type = (enum emu_lw_type)rnd(3);
	v->number = (int64_t)(seed >> (1 + rnd(62)));
	if (rnd(2))
		v->number = -v->number;
	v->len = rnd(4) ? rnd(12) : rnd(LONGEST);
	for (size_t i = 0; i < v->len; i++)
		v->text[i] = (char)(v->type == EMU_LW_BYTES ? rnd(256) : ' ' + rnd(95));
	v->text[v->len] = 0;
}

/* Resources of /5/0 in the order of their paths, some with instances. */
static size_t random_values(void)
{
	size_t count = 1 + rnd(MOST);
	uint16_t resource = 0, instance = 0;

	for (size_t i = 0; i < count; i++) {
		bool another = i > 0 && theirs[i - 1].path.count == 4 && rnd(2);
		instance = (uint16_t)(another ? instance + 1 + rnd(300) : rnd(300));
		resource = (uint16_t)(another ? resource : resource + 1 + rnd(300));
		theirs[i].path = (struct emu_lw_path){.count = another || rnd(4) == 0 ? 4 : 3,
						      .id = {5, 0, resource, instance}};
		random_value(&theirs[i]);
	}
	return count;
}

static void to_ours(const struct emu_lw_value *from, struct lwm2m_value *to)
{
	static const enum lwm2m_type types[] = {[EMU_LW_INT] = LWM2M_INT,
						[EMU_LW_STRING] = LWM2M_STRING,
						[EMU_LW_BYTES] = LWM2M_BYTES};

	*to = (struct lwm2m_value){.path = {.count = (uint8_t)from->path.count},
				   .type = types[from->type],
				   .number = from->type == EMU_LW_INT ? from->number : 0,
				   .bytes = {(const uint8_t *)from->text, from->len}};
	memcpy(to->path.id, from->path.id, from->path.count * sizeof(uint16_t));
}

/* As ours reads it. */
static void same_to_us(const struct emu_lw_value *sent, const struct lwm2m_value *got)
{
	char text[EMU_LW_TEXT];
	struct bytes bytes;
	int64_t number;

	assert_int_equal(got->path.count, sent->path.count);
	assert_memory_equal(got->path.id, sent->path.id, 2 * sent->path.count);
	switch (sent->type) {
	case EMU_LW_INT:
		assert_true(lwm2m_value_int(got, &number));
		assert_true(number == sent->number);
		break;
	case EMU_LW_STRING:
		assert_true(lwm2m_value_text(got, text, sizeof(text)));
		assert_string_equal(text, sent->text);
		break;
	case EMU_LW_BYTES:
		assert_true(lwm2m_value_bytes(got, &bytes));
		assert_int_equal(bytes.len, sent->len);
		assert_memory_equal(bytes.ptr, sent->text, sent->len);
		break;
	}
}

static void emulator_to_server(int format, const struct emu_lw_path *base, size_t count)
{
	uint8_t raw[LIMIT_LWM2M_PAYLOAD], scratch[LWM2M_SCRATCH];
	struct buf out = buf_writer(raw, sizeof(raw));
	struct lwm2m_path ours_base = {.count = (uint8_t)base->count};
	struct wire_fault fault;
	size_t n = 0;

	memcpy(ours_base.id, base->id, base->count * sizeof(uint16_t));
	int err = emu_lw_encode(format, base, theirs, count, &out);
	if (err == ERR_LIMIT)
		return;
	assert_int_equal(err, 0);
	err = lwm2m_decode(format, buf_bytes(&out), &ours_base, ours, LWM2M_VALUES, &n, scratch,
			   &fault);
	if (err)
		print_message("# %d: %s\n", format, fault.text);
	assert_int_equal(err, 0);
	assert_int_equal(n, count);
	for (size_t i = 0; i < n; i++)
		same_to_us(&theirs[i], &ours[i]);
}

/* The emulator reads what is written to it: strings and numbers in text, or in a format. */
static void server_to_emulator(int format, const struct emu_lw_value *sent)
{
	static struct emu_lw_value got[EMU_LW_VALUES];
	uint8_t raw[LIMIT_LWM2M_PAYLOAD];
	struct buf out = buf_writer(raw, sizeof(raw));
	struct lwm2m_value v;
	int64_t number = 0;
	size_t n = 0;

	to_ours(sent, &v);
	assert_int_equal(lwm2m_encode(format, &v, &out), 0);
	assert_int_equal(
		emu_lw_decode(format, &sent->path, buf_bytes(&out), got, EMU_LW_VALUES, &n), 0);
	assert_int_equal(n, 1);
	assert_int_equal(got[0].path.count, sent->path.count);
	assert_memory_equal(got[0].path.id, sent->path.id, 2 * sent->path.count);
	if (sent->type == EMU_LW_INT) {
		assert_true(emu_lw_number(&got[0], &number));
		assert_true(number == sent->number);
	} else {
		assert_int_equal(got[0].len, sent->len);
		assert_memory_equal(got[0].text, sent->text, sent->len);
	}
}

static void test_lwm2m_server_reads_what_the_emulator_writes(void **state)
{
	(void)state;
	static const struct emu_lw_path instance = {.count = 2, .id = {5, 0}};

	seed = 1;
	for (int i = 0; i < ROUNDS; i++) {
		size_t count = random_values();
		for (size_t f = 0; f < 3; f++)
			emulator_to_server(formats[f], &instance, count);
		/* one resource alone */
		struct emu_lw_path one = theirs[0].path;
		for (size_t f = 0; f < FORMATS; f++)
			if (one.count == 3 &&
			    !(formats[f] == LWM2M_TEXT && theirs[0].type == EMU_LW_BYTES))
				emulator_to_server(formats[f], &one, 1);
	}
}

static void test_lwm2m_emulator_reads_what_the_server_writes(void **state)
{
	(void)state;
	seed = 2;
	for (int i = 0; i < ROUNDS; i++) {
		(void)random_values();
		theirs[0].path.count = 3;
		theirs[0].number %= 1000000000000000; /* more it does not read in text */
		for (size_t f = 0; f < FORMATS; f++)
			if (formats[f] != LWM2M_SENML_JSON &&
			    !(formats[f] == LWM2M_TEXT && theirs[0].type == EMU_LW_BYTES))
				server_to_emulator(formats[f], &theirs[0]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lwm2m_server_reads_what_the_emulator_writes),
		cmocka_unit_test(test_lwm2m_emulator_reads_what_the_server_writes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
