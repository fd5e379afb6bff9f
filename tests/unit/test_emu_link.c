/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "emu/conf.h"
#include "emu/link.h"

static int server = -1;
static int device = -1;
static struct emu_link *link_;
static struct emu_link_conf conf;

static int socket_bound(struct emu_addr *ret)
{
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);

	memset(ret, 0, sizeof(*ret));
	ret->len = sizeof(ret->u.in);
	ret->u.in.sin_family = AF_INET;
	ret->u.in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	assert_int_equal(bind(fd, &ret->u.sa, ret->len), 0);
	assert_int_equal(getsockname(fd, &ret->u.sa, &ret->len), 0);
	return fd;
}

static int setup(void **state)
{
	struct emu_addr own;

	(void)state;
	memset(&conf, 0, sizeof(conf));
	conf.seed = 1;
	server = socket_bound(&conf.server);
	device = socket_bound(&own);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	emu_link_free(link_);
	link_ = NULL;
	close(server);
	close(device);
	return 0;
}

static void start(void)
{
	assert_int_equal(emu_link_new(&conf, 1000, &link_), 0);
}

static void say(const char *text)
{
	assert_int_equal(
		sendto(device, text, strlen(text), 0, &link_->local.u.sa, link_->local.len),
		(ssize_t)strlen(text));
}

/* What arrives at fd, as one text; "" when nothing does. */
static const char *hear(int fd, struct emu_addr *from)
{
	static char text[64];
	struct emu_addr any = {.len = sizeof(any.u)};
	ssize_t n = recvfrom(fd, text, sizeof(text) - 1, 0, &any.u.sa, &any.len);

	text[n < 0 ? 0 : n] = '\0';
	if (from)
		*from = any;
	return text;
}

static void test_emu_link_passes_both_ways(void **state)
{
	struct emu_addr from;

	(void)state;
	start();
	say("up");
	emu_link_process(link_, 1000);
	assert_string_equal(hear(server, &from), "up");
	assert_int_equal(sendto(server, "down", 4, 0, &from.u.sa, from.len), 4);
	emu_link_process(link_, 1001);
	assert_string_equal(hear(device, NULL), "down");
	assert_int_equal(emu_link_next_ms(link_), INT64_MAX);
}

static void test_emu_link_delays(void **state)
{
	(void)state;
	conf.delay_ms = 50;
	start();
	say("late");
	emu_link_process(link_, 2000);
	assert_string_equal(hear(server, NULL), "");
	assert_int_equal(emu_link_next_ms(link_), 2050);
	emu_link_process(link_, 2049);
	assert_string_equal(hear(server, NULL), "");
	emu_link_process(link_, 2050);
	assert_string_equal(hear(server, NULL), "late");
}

static void test_emu_link_all_or_nothing_lost_or_doubled(void **state)
{
	(void)state;
	conf.loss = 100;
	start();
	say("x");
	emu_link_process(link_, 1000);
	assert_string_equal(hear(server, NULL), "");
	assert_int_equal(link_->stats.lost, 1);
	emu_link_free(link_);
	conf.loss = 0;
	conf.dup = 100;
	start();
	say("y");
	emu_link_process(link_, 1000);
	assert_string_equal(hear(server, NULL), "y");
	assert_string_equal(hear(server, NULL), "y");
	assert_string_equal(hear(server, NULL), "");
}

static void test_emu_link_overtakes(void **state)
{
	char order[9] = "";

	(void)state;
	conf.reorder = 50;
	start();
	for (char c = 'a'; c < 'i'; c++)
		emu_link_offer(link_, 1000, true, &c, 1);
	for (int64_t t = 1000; t < 1100; t++)
		emu_link_process(link_, t);
	for (size_t i = 0; i < 8; i++)
		order[i] = *hear(server, NULL);
	assert_int_equal(strlen(order), 8);
	assert_string_not_equal(order, "abcdefgh");
	assert_true(link_->stats.overtaken > 0);
}

static void test_emu_link_seed_repeats(void **state)
{
	uint64_t lost[2];

	(void)state;
	conf.loss = 30;
	conf.seed = 99;
	for (int run = 0; run < 2; run++) {
		start();
		for (int i = 0; i < 200; i++)
			emu_link_offer(link_, 1000, true, "z", 1);
		lost[run] = link_->stats.lost;
		emu_link_free(link_);
		link_ = NULL;
	}
	assert_int_equal(lost[0], lost[1]);
	assert_true(lost[0] > 30 && lost[0] < 90);
}

static void test_emu_link_queue_is_bounded(void **state)
{
	(void)state;
	conf.delay_ms = 1000;
	start();
	for (int i = 0; i < EMU_LINK_QUEUE + 1; i++)
		emu_link_offer(link_, 1000, true, "z", 1);
	assert_int_equal(link_->queue_len, EMU_LINK_QUEUE);
	assert_int_equal(link_->stats.lost, 1);
}

static void test_emu_link_rebind_is_a_new_address(void **state)
{
	struct emu_addr before;
	struct emu_addr after;
	int fd;

	(void)state;
	conf.rebind_s = 1;
	start();
	fd = link_->outer;
	say("1");
	emu_link_process(link_, 1999);
	assert_string_equal(hear(server, &before), "1");
	say("2");
	emu_link_process(link_, 2000);
	assert_string_equal(hear(server, &after), "2");
	assert_int_not_equal(before.u.in.sin_port, after.u.in.sin_port);
	assert_int_equal(link_->outer, fd);
	/* What the server sends to the old address is lost. */
	assert_int_equal(sendto(server, "x", 1, 0, &before.u.sa, before.len), 1);
	emu_link_process(link_, 2001);
	assert_string_equal(hear(device, NULL), "");
}

static void test_emu_key_text(void **state)
{
	struct emu_key key;

	(void)state;
	assert_int_equal(emu_key_parse(" 00112233445566778899AABBCCDDEEFF\r\n", 35, &key), 0);
	assert_int_equal(key.psk_len, 16);
	assert_int_equal(emu_key_parse("00112233", 8, &key), ERR_RANGE);
	assert_int_equal(emu_key_parse("0x112233", 8, &key), ERR_SYNTAX);
	assert_int_equal(emu_key_parse("", 0, &key), ERR_RANGE);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(test_emu_link_passes_both_ways),
		CASE(test_emu_link_delays),
		CASE(test_emu_link_all_or_nothing_lost_or_doubled),
		CASE(test_emu_link_overtakes),
		CASE(test_emu_link_seed_repeats),
		CASE(test_emu_link_queue_is_bounded),
		CASE(test_emu_link_rebind_is_a_new_address),
		cmocka_unit_test(test_emu_key_text),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
