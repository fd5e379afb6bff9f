/* SPDX-License-Identifier: Apache-2.0
 *
 * Signers as rows, and which releases they have signed. */
#include "store_rows.h"

#include <stdio.h>

static void signer_make(unsigned i, struct signer *s)
{
	memset(s, 0, sizeof(*s));
	(void)snprintf(s->name, sizeof(s->name), "k%02u", i);
	(void)snprintf(s->id, sizeof(s->id), "%016x", i);
	s->kind = (enum signer_kind)(i % (SIGNER_ED25519 + 1));
	s->key_len = i % 2 ? LIMIT_SIGNER_KEY : 44;
	memset(s->key, (int)i, s->key_len);
	s->created_ms = 1000 + i;
}

/* With the product's row, as the engine does it. */
static int put(struct store *s, int64_t product, const struct signer *signer, bool goes)
{
	struct store_result result;
	struct store_set *set = rows_set(&result);
	struct product p;

	assert_int_equal(store_product(s, product, &p), 0);
	store_set_product(set, &p);
	if (goes)
		store_set_signer_delete(set, product, signer);
	else
		store_set_signer(set, product, signer);
	return rows_commit(s, set, &result);
}

static void test_rows(void **state)
{
	struct store *s = *state;
	int64_t p = rows_add_product(s, 1), other = rows_add_product(s, 2);
	struct signer k[LIMIT_SIGNERS], again;
	struct signers list;
	struct product row;

	assert_int_equal(store_signers(s, p, &list), 0);
	assert_int_equal(list.count, 0);
	for (unsigned i = LIMIT_SIGNERS; i-- > 0;) {
		signer_make(i, &k[i]);
		assert_int_equal(put(s, p, &k[i], false), 0);
	}
	assert_int_equal(store_signers(s, p, &list), 0);
	assert_int_equal(list.count, LIMIT_SIGNERS);
	for (unsigned i = 0; i < LIMIT_SIGNERS; i++) {
		assert_string_equal(list.list[i].name, k[i].name);
		assert_string_equal(list.list[i].id, k[i].id);
		assert_int_equal(list.list[i].kind, k[i].kind);
		assert_int_equal(list.list[i].key_len, k[i].key_len);
		assert_memory_equal(list.list[i].key, k[i].key, k[i].key_len);
		assert_int_equal(list.list[i].created_ms, k[i].created_ms);
	}
	/* one name, one key of a product; another product has its own */
	again = k[3];
	(void)snprintf(again.id, sizeof(again.id), "%016x", 99);
	assert_int_equal(put(s, p, &again, false), ERR_EXIST);
	again = k[3];
	(void)snprintf(again.name, sizeof(again.name), "other");
	assert_int_equal(put(s, p, &again, false), ERR_EXIST);
	assert_int_equal(put(s, other, &again, false), 0);
	assert_int_equal(put(s, p, &again, true), ERR_CONFLICT);
	assert_int_equal(put(s, p, &k[3], true), 0);
	assert_int_equal(put(s, p, &k[3], true), ERR_CONFLICT);
	assert_int_equal(store_signers(s, p, &list), 0);
	assert_int_equal(list.count, LIMIT_SIGNERS - 1);
	assert_int_equal(store_product(s, p, &row), 0);
	assert_int_equal(row.rev, 1 + LIMIT_SIGNERS + 1); /* what failed changed nothing */
	/* more than there may be is damage, not an overrun */
	assert_int_equal(put(s, p, &k[3], false), 0);
	signer_make(LIMIT_SIGNERS, &again);
	assert_int_equal(put(s, p, &again, false), 0);
	assert_int_equal(store_signers(s, p, &list), ERR_CORRUPT);
	assert_int_equal(list.count, 0);
	signer_make(50, &again);
	again.kind = (enum signer_kind)77; /* a word that no version knows */
	assert_int_equal(put(s, other, &again, false), 0);
	assert_int_equal(store_signers(s, other, &list), ERR_CORRUPT);
}

static void see(void *ctx, const char *version)
{
	char *seen = ctx;

	strcat(seen, version);
	strcat(seen, " ");
}

static void test_signed(void **state)
{
	static const struct {
		const char *version, *key;
	} rows[] = {{"1.0", "aa"}, {"1.1", ""}, {"1.2", "aa"}, {"1.3", "bb"}, {"1.4", "aa"}};
	struct store *s = *state;
	int64_t p = rows_add_product(s, 1), other = rows_add_product(s, 2);
	char seen[100] = "";

	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct release r;
		rows_release(i, i == 4 ? other : p, &r);
		strcpy(r.version, rows[i].version);
		strcpy(r.signed_key, rows[i].key);
		assert_int_equal(rows_put_release(s, &r, NULL), 0);
	}
	assert_int_equal(store_signed(s, p, "aa", 10, see, seen), 0);
	assert_string_equal(seen, "1.2 1.0 ");
	seen[0] = 0;
	assert_int_equal(store_signed(s, p, "aa", 1, see, seen), 0);
	assert_string_equal(seen, "1.2 ");
	seen[0] = 0;
	assert_int_equal(store_signed(s, p, "", 10, see, seen), 0);
	assert_string_equal(seen, ""); /* nobody's are not somebody's */
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, rows_setup, rows_teardown)
	const struct CMUnitTest tests[] = {
		CASE(test_rows),
		CASE(test_signed),
	};
#undef CASE

	return cmocka_run_group_tests_name("store_signers", tests, NULL, NULL);
}
