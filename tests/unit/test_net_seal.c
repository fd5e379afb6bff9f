/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/limits.h"
#include "net/net_seal.h"

static struct bytes text(const char *s)
{
	return (struct bytes){(const uint8_t *)s, strlen(s)};
}

static struct net_seal *seal_of(uint8_t first)
{
	uint8_t key[NET_SEAL_KEY] = {first, 2, 3};
	struct net_seal *s = NULL;

	assert_int_equal(net_seal_new(key, &s), 0);
	return s;
}

static const char secret[] = "sixteen bytes !!";

struct sealed {
	uint8_t bytes[128];
	size_t len;
};

static struct sealed sealed_by(struct net_seal *s)
{
	struct sealed r;

	assert_int_equal(
		net_seal_close(s, text("row 1"), text(secret), r.bytes, sizeof(r.bytes), &r.len),
		0);
	assert_int_equal(r.len, strlen(secret) + NET_SEAL_MORE);
	return r;
}

static int opened(struct net_seal *s, const char *about, const uint8_t *ptr, size_t len)
{
	uint8_t dst[LIMIT_PSK], before[LIMIT_PSK];
	size_t got = 77;

	memset(dst, 0x5a, sizeof(dst));
	memset(before, 0x5a, sizeof(before));
	int err = net_seal_open(s, text(about), (struct bytes){ptr, len}, dst, sizeof(dst), &got);
	if (err) {
		assert_memory_equal(dst, before, sizeof(dst));
		assert_int_equal(got, 77);
	} else {
		assert_int_equal(got, strlen(secret));
		assert_memory_equal(dst, secret, got);
	}
	return err;
}

static void test_seal_opens_with_the_same_key_and_about(void **state)
{
	struct net_seal *one = seal_of(1), *same = seal_of(1), *other = seal_of(9);
	struct sealed r = sealed_by(one);

	(void)state;
	assert_null(memmem(r.bytes, r.len, secret, 8));
	assert_int_equal(opened(one, "row 1", r.bytes, r.len), 0);
	assert_int_equal(opened(same, "row 1", r.bytes, r.len), 0);
	assert_int_equal(opened(other, "row 1", r.bytes, r.len), ERR_CRYPTO);
	assert_int_equal(opened(one, "row 2", r.bytes, r.len), ERR_CRYPTO);
	assert_int_equal(opened(one, "", r.bytes, r.len), ERR_CRYPTO);
	net_seal_free(one);
	net_seal_free(same);
	net_seal_free(other);
}

static void test_any_changed_bit_or_length_does_not_open(void **state)
{
	struct net_seal *s = seal_of(1);
	struct sealed r = sealed_by(s);

	(void)state;
	for (size_t bit = 0; bit < r.len * 8; bit++) {
		r.bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
		assert_int_equal(opened(s, "row 1", r.bytes, r.len), ERR_CRYPTO);
		r.bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
	}
	for (size_t len = 0; len < r.len; len++)
		assert_int_equal(opened(s, "row 1", r.bytes, len), ERR_CRYPTO);
	assert_int_equal(opened(s, "row 1", r.bytes, r.len), 0);
	net_seal_free(s);
}

static void test_same_text_seals_differently_each_time(void **state)
{
	struct net_seal *s = seal_of(1);
	struct sealed a = sealed_by(s), b = sealed_by(s);

	(void)state;
	assert_memory_not_equal(a.bytes, b.bytes, NET_SEAL_NONCE);
	assert_memory_not_equal(a.bytes + NET_SEAL_NONCE, b.bytes + NET_SEAL_NONCE, 16);
	net_seal_free(s);
}

static void test_mac_is_the_same_for_the_same_text_and_key_only(void **state)
{
	struct net_seal *one = seal_of(1), *same = seal_of(1), *other = seal_of(9);
	uint8_t a[NET_SEAL_MAC], b[NET_SEAL_MAC];

	(void)state;
	assert_int_equal(net_seal_mac(one, text(secret), a), 0);
	assert_int_equal(net_seal_mac(same, text(secret), b), 0);
	assert_memory_equal(a, b, sizeof(a));
	assert_int_equal(net_seal_mac(same, text("sixteen bytes !?"), b), 0);
	assert_memory_not_equal(a, b, sizeof(a));
	assert_int_equal(net_seal_mac(other, text(secret), b), 0);
	assert_memory_not_equal(a, b, sizeof(a));
	net_seal_free(one);
	net_seal_free(same);
	net_seal_free(other);
}

static void test_room_is_checked(void **state)
{
	struct net_seal *s = seal_of(1);
	uint8_t dst[LIMIT_PSK_SEALED + 1], long_key[LIMIT_PSK + 1] = {1};
	struct bytes longest = {long_key, LIMIT_PSK}, longer = {long_key, LIMIT_PSK + 1};
	struct bytes whole;
	size_t len = 0;

	(void)state;
	assert_int_equal(LIMIT_PSK_SEALED, LIMIT_PSK + NET_SEAL_MORE);
	assert_int_equal(net_seal_close(s, text(""), longest, dst, LIMIT_PSK_SEALED - 1, &len),
			 ERR_LIMIT);
	assert_int_equal(net_seal_close(s, text(""), longer, dst, LIMIT_PSK_SEALED, &len),
			 ERR_LIMIT);
	assert_int_equal(net_seal_close(s, text(""), (struct bytes){long_key, 0}, dst,
					NET_SEAL_MORE - 1, &len),
			 ERR_LIMIT);
	assert_int_equal(len, 0);
	assert_int_equal(net_seal_close(s, text(""), longer, dst, sizeof(dst), &len), 0);
	whole = (struct bytes){dst, len};
	assert_int_equal(net_seal_open(s, text(""), whole, long_key, sizeof(long_key), &len),
			 ERR_LIMIT);
	assert_int_equal(net_seal_close(s, text(""), longest, dst, LIMIT_PSK_SEALED, &len), 0);
	whole = (struct bytes){dst, len};
	assert_int_equal(net_seal_open(s, text(""), whole, long_key, LIMIT_PSK - 1, &len),
			 ERR_LIMIT);
	assert_int_equal(net_seal_open(s, text(""), whole, long_key, LIMIT_PSK, &len), 0);
	assert_int_equal(len, LIMIT_PSK);
	net_seal_free(s);
	net_seal_free(NULL);
}

/* The derivation and the form are in databases: a program that changed them could open none. The
 * bytes were made by other libraries. */
static void test_what_was_sealed_before_still_opens(void **state)
{
	static const uint8_t before[] = {0x00, 0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x07, 0x08,
					 0x09, 0x0a, 0x0b, 0x1c, 0xb0, 0x15, 0x2f, 0x51, 0x6f,
					 0x72, 0x4f, 0x87, 0x82, 0x5b, 0x15, 0xaf, 0x22, 0xdc,
					 0x6c, 0x89, 0xda, 0x2d, 0xb0, 0x23, 0x7f, 0x4f, 0xc5,
					 0x0e, 0xc0, 0x13, 0x5b, 0x7f, 0x37, 0x1d, 0xd7};
	static const uint8_t mac_before[] = {0xaa, 0x6d, 0x5f, 0x76, 0xf8, 0x70, 0x0c, 0x9b,
					     0xfd, 0xbc, 0xf1, 0xb1, 0x82, 0x79, 0xdc, 0x8b,
					     0xf3, 0x73, 0x7f, 0x78, 0x95, 0x54, 0x9f, 0xc2,
					     0x6c, 0x96, 0xdb, 0x78, 0xb6, 0x1e, 0x90, 0x49};
	struct net_seal *s = seal_of(1);
	uint8_t mac[NET_SEAL_MAC];

	(void)state;
	assert_int_equal(net_seal_mac(s, text(secret), mac), 0);
	assert_memory_equal(mac, mac_before, sizeof(mac));
	assert_int_equal(opened(s, "row 1", before, sizeof(before)), 0);
	net_seal_free(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_seal_opens_with_the_same_key_and_about),
		cmocka_unit_test(test_any_changed_bit_or_length_does_not_open),
		cmocka_unit_test(test_same_text_seals_differently_each_time),
		cmocka_unit_test(test_mac_is_the_same_for_the_same_text_and_key_only),
		cmocka_unit_test(test_room_is_checked),
		cmocka_unit_test(test_what_was_sealed_before_still_opens),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
