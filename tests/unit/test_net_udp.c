/* SPDX-License-Identifier: Apache-2.0
 *
 * Datagrams to one address that the kernel is given as one message (UDP_SEGMENT). A receiver that
 * asks for it (UDP_GRO) gets them as they were sent: one message, and how long a datagram is.
 */
#include "net_client.h"

#include <netinet/udp.h>

#include "net/net_internal.h"

struct ends {
	int fd, other; /* both on loopback, `other` merges what comes */
	union net_address to;
	struct net_udp_tx *tx;
};

static int bound(union net_address *ret_at)
{
	struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	struct sockaddr_storage got;
	int fd = -1;

	assert_int_equal(net_udp_open((struct sockaddr *)&at, &fd), 0);
	assert_int_equal(net_udp_bound(fd, &got), 0);
	memcpy(&ret_at->v4, &got, sizeof(ret_at->v4));
	return fd;
}

static void ends_init(struct ends *e)
{
	union net_address at;
	int yes = 1;

	e->fd = bound(&at);
	e->other = bound(&e->to);
	assert_int_equal(setsockopt(e->other, SOL_UDP, UDP_GRO, &yes, sizeof(yes)), 0);
	e->tx = net_udp_tx_new();
	assert_non_null(e->tx);
}

static void ends_done(struct ends *e)
{
	net_udp_tx_free(e->tx);
	(void)close(e->fd);
	(void)close(e->other);
}

/* Each is filled with its number. */
static void queue(struct ends *e, uint8_t number, size_t len)
{
	const struct net_local from = {0};
	uint8_t data[NET_UDP_DATAGRAM];

	memset(data, number, sizeof(data));
	net_udp_queue(e->tx, e->fd, &e->to, &from, data, len);
}

/* The next message: its length, and that of each datagram in it but the last. -1: nothing. */
static ssize_t next(int fd, uint8_t *dst, size_t cap, size_t *ret_each)
{
	_Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(int))];
	struct iovec iov = {dst, cap};
	struct msghdr m = {.msg_iov = &iov,
			   .msg_iovlen = 1,
			   .msg_control = control,
			   .msg_controllen = sizeof(control)};
	ssize_t len = recvmsg(fd, &m, MSG_DONTWAIT);
	int each = (int)len;

	for (struct cmsghdr *c = len < 0 ? NULL : CMSG_FIRSTHDR(&m); c; c = CMSG_NXTHDR(&m, c))
		if (c->cmsg_level == SOL_UDP && c->cmsg_type == UDP_GRO)
			memcpy(&each, CMSG_DATA(c), sizeof(each));
	*ret_each = (size_t)each;
	return len;
}

static void expect(struct ends *e, uint8_t first, size_t whole, size_t each)
{
	uint8_t got[65536];
	size_t got_each;

	assert_int_equal(next(e->other, got, sizeof(got), &got_each), whole);
	assert_int_equal(got_each, each);
	for (size_t i = 0; i < whole; i++)
		assert_int_equal(got[i], first + i / each);
}

static void expect_nothing(struct ends *e)
{
	uint8_t got[64];
	size_t each;

	assert_int_equal(next(e->other, got, sizeof(got), &each), -1);
}

static void test_equal_datagrams_are_one_message_and_the_last_may_be_shorter(void **state)
{
	struct ends e;

	(void)state;
	ends_init(&e);
	for (uint8_t i = 0; i < 3; i++)
		queue(&e, i, 1091);
	queue(&e, 3, 60);
	queue(&e, 4, 1091); /* not behind a shorter one */
	queue(&e, 5, 1092); /* nor a longer one */
	assert_int_equal(net_udp_flush(e.tx, e.fd), 6);
	expect(&e, 0, 3 * 1091 + 60, 1091);
	expect(&e, 4, 1091, 1091);
	expect(&e, 5, 1092, 1092);
	expect_nothing(&e);
	assert_int_equal(net_udp_queued(e.tx), 0);
	ends_done(&e);
}

static void test_message_holds_so_many_and_no_more(void **state)
{
	struct ends e;

	(void)state;
	ends_init(&e);
	for (uint8_t i = 0; i <= NET_UDP_MERGE; i++)
		queue(&e, i, 100);
	assert_int_equal(net_udp_flush(e.tx, e.fd), NET_UDP_MERGE + 1);
	expect(&e, 0, (size_t)NET_UDP_MERGE * 100, 100);
	expect(&e, NET_UDP_MERGE, 100, 100);
	expect_nothing(&e);
	ends_done(&e);
}

static void test_longest_datagrams_fit_into_one_message(void **state)
{
	struct ends e;

	(void)state;
	ends_init(&e);
	for (uint8_t i = 0; i < NET_UDP_MERGE; i++)
		queue(&e, i, NET_UDP_DATAGRAM);
	assert_int_equal(net_udp_flush(e.tx, e.fd), NET_UDP_MERGE);
	expect(&e, 0, (size_t)NET_UDP_MERGE * NET_UDP_DATAGRAM, NET_UDP_DATAGRAM);
	expect_nothing(&e);
	ends_done(&e);
}

static void test_each_source_and_address_has_its_own_message(void **state)
{
	const struct net_local two = {.family = AF_INET, .at.v4.s_addr = htonl(0x7f000002)};
	const struct net_local three = {.family = AF_INET, .at.v4.s_addr = htonl(0x7f000003)};
	const uint8_t text[] = {0, 0, 0, 0};
	struct sockaddr_in from = {0};
	socklen_t len = sizeof(from);
	union net_address at;
	uint8_t got[64];
	struct ends e;

	(void)state;
	ends_init(&e);
	(void)close(e.fd); /* one of a wildcard can send from any */
	at.v4 = (struct sockaddr_in){.sin_family = AF_INET};
	assert_int_equal(net_udp_open(&at.any, &e.fd), 0);
	net_udp_queue(e.tx, e.fd, &e.to, &two, text, sizeof(text));
	net_udp_queue(e.tx, e.fd, &e.to, &three, text, sizeof(text));
	int elsewhere = bound(&at);
	net_udp_queue(e.tx, e.fd, &at, &three, text, sizeof(text));
	assert_int_equal(net_udp_flush(e.tx, e.fd), 3);
	for (uint32_t host = 2; host <= 3; host++) {
		assert_int_equal(recvfrom(e.other, got, sizeof(got), MSG_DONTWAIT,
					  (struct sockaddr *)&from, &len),
				 sizeof(text));
		assert_int_equal(ntohl(from.sin_addr.s_addr), 0x7f000000 + host);
	}
	expect_nothing(&e);
	assert_int_equal(recv(elsewhere, got, sizeof(got), MSG_DONTWAIT), sizeof(text));
	(void)close(elsewhere);
	ends_done(&e);
}

/* As over a network device that cannot make checksums, or towards a path with a small MTU. */
static void test_what_the_kernel_refuses_as_one_goes_singly(void **state)
{
	struct ends e;
	int yes = 1;

	(void)state;
	ends_init(&e);
	assert_int_equal(setsockopt(e.fd, SOL_SOCKET, SO_NO_CHECK, &yes, sizeof(yes)), 0);
	for (uint8_t i = 0; i < 3; i++)
		queue(&e, i, 100);
	queue(&e, 3, 200);
	assert_int_equal(net_udp_flush(e.tx, e.fd), 4);
	for (uint8_t i = 0; i < 3; i++)
		expect(&e, i, 100, 100);
	expect(&e, 3, 200, 200);
	expect_nothing(&e);
	ends_done(&e);
}

/* Two that ask in turns, all read as one batch: each gets its answers as one message. */
static void test_answers_to_one_address_are_one_message(void **state)
{
	static const uint8_t reset[] = {0x70, 0};
	struct rig *r = rig_new(plain_conf, "127.0.0.1", false);
	int fd[2] = {rig_socket(r), rig_socket(r)}, yes = 1;
	uint8_t ping[] = {0x40, 0, 0, 0}, got[64];
	size_t each;

	(void)state;
	for (unsigned i = 0; i < 2; i++)
		assert_int_equal(setsockopt(fd[i], SOL_UDP, UDP_GRO, &yes, sizeof(yes)), 0);
	for (; ping[3] < 2 * NET_SMALL_BATCH; ping[3]++)
		assert_int_equal(send(fd[ping[3] % 2], ping, sizeof(ping), 0), sizeof(ping));
	turn_for(r, 5);
	for (unsigned i = 0; i < 2; i++) {
		assert_int_equal(next(fd[i], got, sizeof(got), &each),
				 NET_FLUSH_EVERY * sizeof(ping));
		assert_int_equal(each, sizeof(ping));
		for (uint8_t k = 0; k < NET_FLUSH_EVERY; k++) {
			assert_memory_equal(got + 4 * k, reset, sizeof(reset));
			assert_int_equal(got[4 * k + 3], 2 * k + i); /* in their order */
		}
		(void)close(fd[i]);
	}
	rig_free(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_equal_datagrams_are_one_message_and_the_last_may_be_shorter),
		cmocka_unit_test(test_message_holds_so_many_and_no_more),
		cmocka_unit_test(test_longest_datagrams_fit_into_one_message),
		cmocka_unit_test(test_each_source_and_address_has_its_own_message),
		cmocka_unit_test(test_what_the_kernel_refuses_as_one_goes_singly),
		cmocka_unit_test(test_answers_to_one_address_are_one_message),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
