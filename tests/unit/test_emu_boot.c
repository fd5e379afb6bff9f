/* SPDX-License-Identifier: Apache-2.0 */
#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "emu/boot.h"

static char dir[64];
static struct emu_fs fs;
static struct emu_flash flash;
static struct emu_nvram nvram;

static int unlink_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

static int setup(void **state)
{
	(void)state;
	snprintf(dir, sizeof(dir), "/tmp/postboot-emu-XXXXXX");
	if (!mkdtemp(dir))
		return -1;
	memset(&nvram, 0, sizeof(nvram));
	snprintf(flash.dir, sizeof(flash.dir), "%s", dir);
	return emu_fs_init(&fs, dir, 16);
}

static int teardown(void **state)
{
	(void)state;
	return nftw(dir, unlink_one, 8, FTW_DEPTH | FTW_PHYS);
}

static void slot_write(enum emu_slot slot, const char *version, const char *text, uint64_t attempt)
{
	struct emu_image image = {.size = strlen(text), .attempt = attempt, .has_digest = true};
	char path[EMU_PATH_CAP];

	snprintf(image.version, sizeof(image.version), "%s", version);
	emu_flash_path(&flash, slot, path);
	assert_int_equal(emu_file_write(path, text, strlen(text)), 0);
	assert_int_equal(emu_file_sha256(path, -1, image.digest, &image.size), 0);
	image.confirmed = attempt == 0;
	assert_int_equal(emu_image_save(&flash, slot, &image), 0);
}

static struct emu_record record_of(enum emu_slot slot)
{
	struct emu_image image;
	struct emu_record record;

	assert_int_equal(emu_image_load(&flash, slot, &image), 0);
	record.size = (uint32_t)image.size;
	memcpy(record.digest, image.digest, sizeof(record.digest));
	return record;
}

static enum emu_boot_result boot(bool reject)
{
	return emu_boot_run(&flash, &fs, reject, &nvram);
}

static const char *running(void)
{
	static struct emu_image image;

	assert_int_equal(emu_image_load(&flash, EMU_SLOT_ACTIVE, &image), 0);
	return image.version;
}

static void test_emu_fs_counts_blocks(void **state)
{
	char big[2 * EMU_FS_BLOCK + 1] = {0};

	(void)state;
	assert_int_equal(emu_fs_free(&fs), 16);
	assert_int_equal(emu_fs_save(&fs, "a", "x", 1), EMU_FS_SAVED);
	assert_int_equal(emu_fs_free(&fs), 15);
	assert_int_equal(emu_fs_save(&fs, "a", "xy", 2), EMU_FS_SAVED);
	assert_int_equal(emu_fs_free(&fs), 15);
	assert_int_equal(emu_fs_save(&fs, "b", big, sizeof(big)), EMU_FS_SAVED);
	assert_int_equal(emu_fs_free(&fs), 12);
	emu_fs_set_logs(&fs, 100);
	assert_int_equal(emu_fs_free(&fs), 0);
	emu_fs_set_logs(&fs, 2);
	assert_int_equal(emu_fs_free(&fs), 10);
	emu_fs_set_logs(&fs, 0);
	emu_fs_remove(&fs, "b");
	assert_int_equal(emu_fs_free(&fs), 15);
}

static void test_emu_fs_fill_leaves_what_was_saved(void **state)
{
	(void)state;
	emu_fs_fill(&fs, 1, "resume");
	assert_int_equal(emu_fs_free(&fs), 1);
	assert_int_equal(emu_fs_save(&fs, "resume", "x", 1), EMU_FS_SAVED);
	assert_int_equal(emu_fs_free(&fs), 0);
	emu_fs_fill(&fs, 1, "resume");
	assert_int_equal(emu_fs_free(&fs), 0);
	emu_fs_fill(&fs, 3, "resume");
	assert_int_equal(emu_fs_free(&fs), 2);
}

/* field/particle.md, section 5: the record needs one block at write and one at close, the
 * resume state one before them. */
static void test_emu_fs_staged_record_by_free_blocks(void **state)
{
	static const struct {
		enum emu_fs_result resume, record;
	} want[] = {
		{EMU_FS_LOST_AT_WRITE, EMU_FS_LOST_AT_WRITE},
		{EMU_FS_SAVED, EMU_FS_LOST_AT_WRITE},
		{EMU_FS_SAVED, EMU_FS_LOST_AT_CLOSE},
		{EMU_FS_SAVED, EMU_FS_SAVED},
	};
	struct emu_record record = {0};

	(void)state;
	assert_int_equal(boot(false), EMU_BOOT_NOTHING);
	for (uint32_t n = 0; n < 4; n++) {
		emu_fs_remove(&fs, "resume");
		emu_fs_fill(&fs, n, NULL);
		assert_int_equal(emu_fs_free(&fs), n);
		assert_int_equal(emu_fs_save(&fs, "resume", "x", 1), want[n].resume);
		assert_int_equal(emu_boot_request(&fs, &record), want[n].record);
	}
}

static void test_emu_record_round_trip(void **state)
{
	struct emu_record sent = {.size = 245760, .digest = "1234567"};
	struct emu_record got;
	uint8_t bytes[EMU_RECORD_SIZE];

	(void)state;
	emu_record_encode(&sent, bytes);
	assert_int_equal(emu_record_decode(bytes, &got), 0);
	assert_int_equal(got.size, 245760);
	assert_memory_equal(got.digest, sent.digest, 8);
	for (size_t i = 0; i < 8; i++) {
		bytes[i] ^= 1;
		assert_int_equal(emu_record_decode(bytes, &got), ERR_NOENT);
		bytes[i] ^= 1;
	}
	memset(bytes, 0xff, sizeof(bytes));
	assert_int_equal(emu_record_decode(bytes, &got), ERR_NOENT);
}

static void test_emu_boot_installs_and_rolls_back(void **state)
{
	struct emu_record record;
	struct emu_image image;

	(void)state;
	slot_write(EMU_SLOT_ACTIVE, "1.0", "old image", 0);
	slot_write(EMU_SLOT_STAGED, "1.1", "new image", 7);
	assert_int_equal(boot(false), EMU_BOOT_NOTHING);
	assert_string_equal(running(), "1.0");
	record = record_of(EMU_SLOT_STAGED);
	assert_int_equal(emu_boot_request(&fs, &record), EMU_FS_SAVED);
	nvram.last.attempt = 7;
	assert_int_equal(boot(false), EMU_BOOT_INSTALLED);
	assert_int_equal(nvram.last.stage, EMU_STAGE_TRIED);
	assert_int_equal(nvram.last.reason, EMU_REASON_NONE);
	assert_int_equal(emu_image_load(&flash, EMU_SLOT_ACTIVE, &image), 0);
	assert_string_equal(image.version, "1.1");
	assert_int_equal(image.attempt, 7);
	assert_false(image.confirmed);
	assert_int_equal(boot(false), EMU_BOOT_NOTHING); /* once */
	nvram.revert = true;
	assert_int_equal(boot(false), EMU_BOOT_ROLLED_BACK);
	assert_string_equal(running(), "1.0");
	assert_false(nvram.revert);
	nvram.revert = true;
	assert_int_equal(boot(false), EMU_BOOT_NOTHING); /* nothing to go back to */
	assert_string_equal(running(), "1.0");
}

static void test_emu_boot_rolls_back_to_a_version_without_a_file(void **state)
{
	struct emu_image factory = {.version = "0.9", .confirmed = true};
	struct emu_record record;

	(void)state;
	assert_int_equal(emu_image_save(&flash, EMU_SLOT_ACTIVE, &factory), 0);
	slot_write(EMU_SLOT_STAGED, "1.1", "new image", 7);
	record = record_of(EMU_SLOT_STAGED);
	assert_int_equal(emu_boot_request(&fs, &record), EMU_FS_SAVED);
	assert_int_equal(boot(false), EMU_BOOT_INSTALLED);
	nvram.revert = true;
	assert_int_equal(boot(false), EMU_BOOT_ROLLED_BACK);
	assert_string_equal(running(), "0.9");
}

static void test_emu_boot_rejects_and_says_so(void **state)
{
	struct emu_record record;

	(void)state;
	slot_write(EMU_SLOT_ACTIVE, "1.0", "old image", 0);
	slot_write(EMU_SLOT_STAGED, "1.1", "new image", 7);
	record = record_of(EMU_SLOT_STAGED);
	assert_int_equal(emu_boot_request(&fs, &record), EMU_FS_SAVED);
	assert_int_equal(boot(true), EMU_BOOT_REJECTED);
	assert_string_equal(running(), "1.0");
	assert_int_equal(nvram.last.reason, EMU_REASON_BOOT_LOADER);
	assert_int_equal(boot(false), EMU_BOOT_NOTHING); /* the request is gone */
	record.digest[0] ^= 1;				 /* another image than the one staged */
	assert_int_equal(emu_boot_request(&fs, &record), EMU_FS_SAVED);
	assert_int_equal(boot(false), EMU_BOOT_REJECTED);
	assert_string_equal(running(), "1.0");
}

static void test_emu_stamp_names_the_version(void **state)
{
	char image[256];
	char path[EMU_PATH_CAP];
	char version[LIMIT_VERSION + 1] = "none";

	(void)state;
	emu_flash_path(&flash, EMU_SLOT_ACTIVE, path);
	memset(image, 0xff, sizeof(image));
	assert_int_equal(emu_file_write(path, image, sizeof(image)), 0);
	assert_false(emu_slot_stamp(&flash, EMU_SLOT_ACTIVE, version));
	memcpy(image + sizeof(image) - 65, EMU_STAMP "9.9", 21); /* one byte too early */
	assert_int_equal(emu_file_write(path, image, sizeof(image)), 0);
	assert_false(emu_slot_stamp(&flash, EMU_SLOT_ACTIVE, version));
	memset(image, 0xff, sizeof(image));
	memcpy(image + sizeof(image) - 64, EMU_STAMP "1.2.3", 23);
	assert_int_equal(emu_file_write(path, image, sizeof(image)), 0);
	assert_true(emu_slot_stamp(&flash, EMU_SLOT_ACTIVE, version));
	assert_string_equal(version, "1.2.3");
	memset(image + sizeof(image) - 47, 'x', 47); /* never ends */
	assert_int_equal(emu_file_write(path, image, sizeof(image)), 0);
	assert_false(emu_slot_stamp(&flash, EMU_SLOT_ACTIVE, version));
	assert_int_equal(emu_file_write(path, "short", 5), 0);
	assert_false(emu_slot_stamp(&flash, EMU_SLOT_ACTIVE, version));
}

static void test_emu_nvram_survives(void **state)
{
	struct emu_nvram sent = {
		.boot_count = 9,
		.last = {4711, EMU_STAGE_TRIED, EMU_REASON_BOOT_LOADER, -3, "a=b\nc"},
		.crashes = 2,
		.revert = true,
		.applied = 4711,
	};
	struct emu_nvram got;
	char path[EMU_PATH_CAP];

	(void)state;
	emu_nvram_load(&flash, &got);
	assert_int_equal(got.boot_count, 0);
	assert_int_equal(emu_nvram_save(&flash, &sent), 0);
	emu_nvram_load(&flash, &got);
	assert_int_equal(got.boot_count, 9);
	assert_int_equal(got.last.attempt, 4711);
	assert_int_equal(got.last.stage, EMU_STAGE_TRIED);
	assert_int_equal(got.last.reason, EMU_REASON_BOOT_LOADER);
	assert_int_equal(got.last.code, -3);
	assert_string_equal(got.last.detail, "a=b?c");
	assert_int_equal(got.crashes, 2);
	assert_true(got.revert);
	assert_int_equal(got.applied, 4711);
	assert_int_equal(emu_path(path, dir, "nvram"), 0);
	assert_int_equal(emu_file_write(path, "\xff\xff=garbage", 11), 0);
	emu_nvram_load(&flash, &got);
	assert_int_equal(got.boot_count, 0);
}

static void test_emu_file_bad_byte_reads_back_wrong(void **state)
{
	uint8_t good[32];
	uint8_t bad[32];
	char path[EMU_PATH_CAP];
	uint64_t size;

	(void)state;
	assert_int_equal(emu_path(path, dir, "image"), 0);
	assert_int_equal(emu_file_write(path, "0123456789", 10), 0);
	assert_int_equal(emu_file_sha256(path, -1, good, &size), 0);
	assert_int_equal(size, 10);
	assert_int_equal(emu_file_sha256(path, 9, bad, &size), 0);
	assert_memory_not_equal(good, bad, 32);
	assert_int_equal(emu_file_sha256(path, 10, bad, &size), 0);
	assert_memory_equal(good, bad, 32);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(test_emu_fs_counts_blocks),
		CASE(test_emu_fs_fill_leaves_what_was_saved),
		CASE(test_emu_fs_staged_record_by_free_blocks),
		CASE(test_emu_record_round_trip),
		CASE(test_emu_boot_installs_and_rolls_back),
		CASE(test_emu_boot_rolls_back_to_a_version_without_a_file),
		CASE(test_emu_boot_rejects_and_says_so),
		CASE(test_emu_stamp_names_the_version),
		CASE(test_emu_nvram_survives),
		CASE(test_emu_file_bad_byte_reads_back_wrong),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
