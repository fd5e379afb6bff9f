/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "emu/download.h"

enum { SIZE = 1000, SZX = 2, BLOCK = 64, BLOCKS = 16 };

static char path[64];
static uint8_t image[SIZE];
static struct emu_download dl;

static int setup(void **state)
{
	int fd;

	(void)state;
	snprintf(path, sizeof(path), "/tmp/postboot-emu-XXXXXX");
	fd = mkstemp(path);
	if (fd < 0)
		return -1;
	close(fd);
	for (size_t i = 0; i < SIZE; i++)
		image[i] = (uint8_t)(i * 7);
	emu_download_init(&dl);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	emu_download_stop(&dl);
	return unlink(path);
}

static enum emu_block_result give(uint32_t token, uint32_t num, unsigned szx)
{
	size_t bytes = (size_t)16 << szx;
	size_t at = num * bytes;
	size_t len = SIZE - at < bytes ? SIZE - at : bytes;

	return emu_download_block(&dl, token, num, szx, image + at, len,
				  (const uint8_t *)"12345678", 8);
}

static uint32_t ask(uint32_t token)
{
	uint32_t num = UINT32_MAX;

	assert_true(emu_download_next(&dl, token, &num));
	return num;
}

static void assert_file_is_image(void)
{
	uint8_t got[SIZE + 1];
	size_t len;

	assert_int_equal(emu_file_read(path, got, sizeof(got), &len), 0);
	assert_int_equal(len, SIZE);
	assert_memory_equal(got, image, SIZE);
}

static void test_emu_download_any_order_and_duplicates(void **state)
{
	uint32_t num;

	(void)state;
	assert_int_equal(emu_download_start(&dl, path, SIZE, 0, SZX, 16), 0);
	for (uint32_t i = 0; i < BLOCKS; i++)
		assert_int_equal(ask(100 + i), i);
	assert_false(emu_download_next(&dl, 200, &num));
	for (uint32_t i = BLOCKS - 1; i > 0; i--) {
		assert_int_equal(give(100 + i, i, SZX), EMU_BLOCK_MORE);
		assert_int_equal(give(100 + i, i, SZX), EMU_BLOCK_IGNORED);
		assert_int_equal(dl.have, 0);
	}
	assert_int_equal(give(100, 0, SZX), EMU_BLOCK_DONE);
	assert_int_equal(dl.have, SIZE);
	assert_file_is_image();
}

static void test_emu_download_window_is_kept(void **state)
{
	uint32_t num;

	(void)state;
	assert_int_equal(emu_download_start(&dl, path, SIZE, 0, SZX, 2), 0);
	ask(1);
	ask(2);
	assert_false(emu_download_next(&dl, 3, &num));
	assert_int_equal(give(2, 1, SZX), EMU_BLOCK_MORE);
	assert_int_equal(ask(3), 2);
	assert_false(emu_download_next(&dl, 4, &num));
	assert_true(emu_download_owns(&dl, 1));
	assert_false(emu_download_owns(&dl, 2));
}

static void test_emu_download_forgotten_blocks_are_asked_again(void **state)
{
	(void)state;
	assert_int_equal(emu_download_start(&dl, path, SIZE, 0, SZX, 4), 0);
	for (uint32_t i = 0; i < 4; i++)
		ask(10 + i);
	assert_int_equal(give(11, 1, SZX), EMU_BLOCK_MORE);
	emu_download_forget(&dl);
	assert_int_equal(give(10, 0, SZX), EMU_BLOCK_IGNORED);
	assert_int_equal(ask(20), 0);
	assert_int_equal(ask(21), 2);
	assert_int_equal(ask(22), 3);
	emu_download_release(&dl, 21);
	assert_int_equal(ask(23), 2);
}

static void test_emu_download_resumes_at_a_block(void **state)
{
	(void)state;
	assert_int_equal(emu_file_write(path, image, 200), 0);
	assert_int_equal(emu_download_start(&dl, path, SIZE, 200, SZX, 1), 0);
	assert_int_equal(dl.start, 192);
	for (uint32_t i = 3; i < BLOCKS; i++) {
		assert_int_equal(ask(i), i);
		assert_int_equal(give(i, i, SZX),
				 i == BLOCKS - 1 ? EMU_BLOCK_DONE : EMU_BLOCK_MORE);
	}
	assert_file_is_image();
}

/* RFC 7959 2.4: the server may answer with smaller blocks than asked for. */
static void test_emu_download_adopts_smaller_blocks(void **state)
{
	uint32_t token = 50;
	enum emu_block_result result = EMU_BLOCK_MORE;

	(void)state;
	assert_int_equal(emu_download_start(&dl, path, SIZE, 0, SZX, 4), 0);
	for (uint32_t i = 0; i < 4; i++)
		ask(10 + i);
	assert_int_equal(give(10, 0, SZX), EMU_BLOCK_MORE);
	assert_int_equal(give(11, 4, 0), EMU_BLOCK_MORE); /* block 1 of 64 is block 4 of 16 */
	assert_int_equal(dl.szx, 0);
	assert_int_equal(dl.have, 80);
	assert_int_equal(give(12, 2, SZX), EMU_BLOCK_IGNORED);
	while (result == EMU_BLOCK_MORE) {
		uint32_t num = ask(++token);

		result = give(token, num, 0);
	}
	assert_int_equal(result, EMU_BLOCK_DONE);
	assert_file_is_image();
}

static void test_emu_download_etag_change_is_seen(void **state)
{
	(void)state;
	assert_int_equal(emu_download_start(&dl, path, SIZE, 0, SZX, 4), 0);
	ask(1);
	ask(2);
	assert_int_equal(give(1, 0, SZX), EMU_BLOCK_MORE);
	assert_int_equal(
		emu_download_block(&dl, 2, 1, SZX, image, BLOCK, (const uint8_t *)"87654321", 8),
		EMU_BLOCK_CHANGED);
}

static void test_emu_download_misfits_are_refused(void **state)
{
	(void)state;
	assert_int_equal(emu_download_start(&dl, path, SIZE, 0, SZX, 4), 0);
	for (uint32_t i = 0; i < 4; i++)
		ask(i);
	assert_int_equal(give(0, 5, SZX), EMU_BLOCK_BAD);
	assert_int_equal(give(1, 1, SZX + 1), EMU_BLOCK_BAD);
	assert_int_equal(emu_download_block(&dl, 2, 2, SZX, image, BLOCK - 1, NULL, 0),
			 EMU_BLOCK_BAD);
	assert_int_equal(emu_download_start(&dl, path, 0, 0, SZX, 4), ERR_RANGE);
	assert_int_equal(emu_download_start(&dl, path, (1ULL << 24) + 1, 0, 0, 4), ERR_RANGE);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(test_emu_download_any_order_and_duplicates),
		CASE(test_emu_download_window_is_kept),
		CASE(test_emu_download_forgotten_blocks_are_asked_again),
		CASE(test_emu_download_resumes_at_a_block),
		CASE(test_emu_download_adopts_smaller_blocks),
		CASE(test_emu_download_etag_change_is_seen),
		CASE(test_emu_download_misfits_are_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
