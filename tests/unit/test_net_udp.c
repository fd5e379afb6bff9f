/* SPDX-License-Identifier: Apache-2.0
 *
 * Datagrams to one address that the kernel is given as one message (UDP_SEGMENT). A receiver that
 * asks for it (UDP_GRO) gets them as they were sent: one message, and how long a datagram is. So
 * does ours, which takes it apart.
 */
#include "net_client.h"

#include <arpa/inet.h>
#include <netinet/udp.h>
#include <poll.h>
#include <stdlib.h>

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

/* Until there is something; for so long only if there never will be. */
static void await(int fd)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};

	assert_int_equal(poll(&p, 1, 60000), 1);
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

/* Two that ask in turns, `count` pings that are read as one batch: each gets its answers as
 * messages of `each` of them. */
static void ask_in_turns(uint8_t count, uint8_t each)
{
	static const uint8_t reset[] = {0x70, 0};
	struct rig *r = rig_new(plain_conf, "127.0.0.1", false);
	struct net_socket *socket = LIST_ENTRY(r->net->sockets.next, struct net_socket, link);
	int fd[2] = {rig_socket(r), rig_socket(r)}, yes = 1;
	uint8_t pings[NET_UDP_BATCH][4] = {{0}}, got[64];
	struct net_udp_in in[NET_UDP_BATCH] = {{0}};
	size_t got_each;

	for (unsigned i = 0; i < 2; i++)
		assert_int_equal(setsockopt(fd[i], SOL_UDP, UDP_GRO, &yes, sizeof(yes)), 0);
	for (uint8_t i = 0; i < count; i++) {
		struct sockaddr_storage at;

		pings[i][0] = 0x40;
		pings[i][3] = i;
		assert_int_equal(net_udp_bound(fd[i % 2], &at), 0);
		in[i].data = pings[i];
		in[i].len = sizeof(pings[i]);
		memcpy(&in[i].from, &at, sizeof(in[i].from));
	}
	net_demux(socket, in, count);
	(void)net_udp_flush(socket->tx, socket->fd);
	for (uint8_t i = 0; i < count; i++) {
		unsigned sender = i >= count / 2, nth = i % (count / 2U), k = nth % each;

		if (k == 0) {
			await(fd[sender]);
			assert_int_equal(next(fd[sender], got, sizeof(got), &got_each), each * 4);
			assert_int_equal(got_each, 4);
		}
		assert_memory_equal(got + 4 * k, reset, sizeof(reset));
		assert_int_equal(got[4 * k + 3], 2 * nth + sender); /* in their order */
	}
	for (unsigned i = 0; i < 2; i++)
		(void)close(fd[i]);
	rig_free(r);
}

static void test_answers_to_one_address_are_one_message(void **state)
{
	(void)state;
	ask_in_turns(2 * NET_SMALL_BATCH, NET_FLUSH_EVERY);
}

/* Few at a time: nobody waits for the answers of another one, but for its own. */
static void test_answers_of_small_batch_go_sender_by_sender(void **state)
{
	(void)state;
	ask_in_turns(6, 3);
	ask_in_turns(2, 1);
}

/* ---- receiving ---- */

/* Two that are ours: what one sends as one message comes to the other as datagrams. */
static void ours_init(struct ends *e)
{
	int no = 0;

	ends_init(e);
	assert_int_equal(setsockopt(e->other, SOL_UDP, UDP_GRO, &no, sizeof(no)), 0);
	assert_int_equal(net_udp_adopt(e->other), 0);
}

struct came {
	size_t len;
	uint8_t data[NET_UDP_DATAGRAM];
	union net_address from;
	struct net_local to;
};

/* So many come, those that are cut with them. Returns how many are not; the caller frees them. */
static unsigned collect(int fd, unsigned want, struct came **ret)
{
	struct net_udp_rx *rx = net_udp_rx_new();
	struct came *came = calloc(want, sizeof(*came));
	unsigned count = 0, cut = 0;

	assert_non_null(rx);
	assert_non_null(came);
	while (count + cut < want) {
		struct net_udp_got got;

		await(fd);
		(void)net_udp_receive(rx, fd, &got);
		cut += got.cut;
		assert_true(count + got.count + cut <= want);
		for (unsigned i = 0; i < got.count; i++, count++) {
			came[count] = (struct came){
				.len = got.in[i].len, .from = got.in[i].from, .to = got.in[i].to};
			memcpy(came[count].data, got.in[i].data, got.in[i].len);
		}
	}
	net_udp_rx_free(rx);
	*ret = came;
	return count;
}

static void expect_datagram(const struct ends *e, const struct came *c, uint8_t number, size_t len)
{
	struct sockaddr_storage at;

	assert_int_equal(net_udp_bound(e->fd, &at), 0);
	assert_int_equal(c->len, len);
	assert_memory_equal(&c->from.v4, &at, sizeof(c->from.v4));
	for (size_t i = 0; i < len; i++)
		assert_int_equal(c->data[i], number);
}

static bool comes_as_one(int fd)
{
	int value = 0;
	socklen_t len = sizeof(value);

	assert_int_equal(getsockopt(fd, SOL_UDP, UDP_GRO, &value, &len), 0);
	return value;
}

static void test_message_is_taken_apart(void **state)
{
	struct came *came;
	struct ends e;
	int no = 0;

	(void)state;
	ours_init(&e);
	assert_true(comes_as_one(e.other));
	for (unsigned round = 0; round < 2; round++) {
		for (uint8_t i = 0; i < 3; i++)
			queue(&e, i, 1091);
		queue(&e, 3, 60);
		queue(&e, 4, NET_UDP_DATAGRAM);
		assert_int_equal(net_udp_flush(e.tx, e.fd), 5);
		assert_int_equal(collect(e.other, 5, &came), 5);
		for (uint8_t i = 0; i < 3; i++)
			expect_datagram(&e, &came[i], i, 1091);
		expect_datagram(&e, &came[3], 3, 60);
		expect_datagram(&e, &came[4], 4, NET_UDP_DATAGRAM);
		free(came);
		/* the same on a kernel that cannot */
		assert_int_equal(setsockopt(e.other, SOL_UDP, UDP_GRO, &no, sizeof(no)), 0);
	}
	expect_nothing(&e);
	ends_done(&e);
}

/* Datagrams of `len` each, the last what is left of `all`, as one message. */
static void send_as_one(struct ends *e, size_t len, size_t all)
{
	_Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(uint16_t))] = {0};
	static uint8_t data[65536];
	struct iovec iov = {data, all};
	struct msghdr m = {.msg_name = &e->to.v4,
			   .msg_namelen = sizeof(e->to.v4),
			   .msg_iov = &iov,
			   .msg_iovlen = 1,
			   .msg_control = control,
			   .msg_controllen = sizeof(control)};
	struct cmsghdr *c = CMSG_FIRSTHDR(&m);
	uint16_t each = (uint16_t)len;

	for (size_t i = 0; i < all; i++)
		data[i] = (uint8_t)(i / len);
	c->cmsg_len = CMSG_LEN(sizeof(each));
	c->cmsg_level = SOL_UDP;
	c->cmsg_type = UDP_SEGMENT;
	memcpy(CMSG_DATA(c), &each, sizeof(each));
	assert_int_equal(sendmsg(e->fd, &m, 0), all);
}

static void test_longest_message_is_taken_apart(void **state)
{
	enum { LEN = 1300, ALL = 50 * LEN + 107 }; /* with headers it is below 64 KiB */
	struct came *came;
	struct ends e;

	(void)state;
	ours_init(&e);
	send_as_one(&e, LEN, ALL);
	assert_int_equal(collect(e.other, 51, &came), 51);
	for (uint8_t i = 0; i < 50; i++)
		expect_datagram(&e, &came[i], i, LEN);
	expect_datagram(&e, &came[50], 50, ALL % LEN);
	free(came);
	ends_done(&e);
}

static void test_datagrams_that_are_too_long_are_counted_and_the_last_may_fit(void **state)
{
	struct came *came;
	struct ends e;

	(void)state;
	ours_init(&e);
	send_as_one(&e, NET_UDP_DATAGRAM + 1, 3 * (NET_UDP_DATAGRAM + 1) + 10);
	queue(&e, 9, 20);
	assert_int_equal(net_udp_flush(e.tx, e.fd), 1);
	assert_int_equal(sendto(e.fd, "", 0, 0, &e.to.any, sizeof(e.to.v4)), 0);
	assert_int_equal(collect(e.other, 6, &came), 2);
	expect_datagram(&e, &came[0], 3, 10);
	expect_datagram(&e, &came[1], 9, 20);
	free(came);
	ends_done(&e);
}

static void test_so_many_messages_are_read_together(void **state)
{
	struct net_udp_rx *rx = net_udp_rx_new();
	unsigned count = 0;
	struct ends e;

	(void)state;
	assert_non_null(rx);
	ours_init(&e);
	for (unsigned i = 0; i <= NET_UDP_MESSAGES; i++)
		assert_int_equal(sendto(e.fd, "text", 1 + i % 4, 0, &e.to.any, sizeof(e.to.v4)),
				 1 + i % 4);
	while (count <= NET_UDP_MESSAGES) {
		struct net_udp_got got;

		await(e.other);
		bool more = net_udp_receive(rx, e.other, &got);
		assert_int_equal(more, got.count == NET_UDP_MESSAGES);
		assert_in_range(got.count, 1, NET_UDP_MESSAGES);
		for (unsigned i = 0; i < got.count; i++, count++)
			assert_int_equal(got.in[i].len, 1 + count % 4);
	}
	expect_nothing(&e);
	net_udp_rx_free(rx);
	ends_done(&e);
}

/* Both are told of a message: where to, and how long a datagram is. */
static void test_destination_of_a_message_is_that_of_each_datagram(void **state)
{
	static const char *const addresses[] = {"127.0.0.1", "::1"};
	const struct net_local from = {0};
	const uint8_t text[] = {0, 0, 0, 0};
	struct sockaddr_storage bound_at;
	struct came *came;

	(void)state;
	for (unsigned six = 0; six < 2; six++) {
		union net_address any = {.v4 = {.sin_family = AF_INET}}, to;
		struct net_udp_tx *tx = net_udp_tx_new();
		int fd = -1, other = -1;

		if (six)
			any.v6 = (struct sockaddr_in6){.sin6_family = AF_INET6};
		assert_int_equal(net_udp_open(&any.any, &fd), 0);
		assert_int_equal(net_udp_open(&any.any, &other), 0);
		assert_int_equal(net_udp_adopt(other), 0);
		assert_int_equal(net_udp_bound(other, &bound_at), 0);
		memcpy(&to, &bound_at, sizeof(to));
		assert_int_equal(
			inet_pton(any.any.sa_family, addresses[six],
				  six ? (void *)&to.v6.sin6_addr : (void *)&to.v4.sin_addr),
			1);
		for (unsigned i = 0; i < 4; i++)
			net_udp_queue(tx, fd, &to, &from, text, sizeof(text));
		assert_int_equal(net_udp_flush(tx, fd), 4);
		assert_int_equal(collect(other, 4, &came), 4);
		for (unsigned i = 0; i < 4; i++) {
			assert_int_equal(came[i].len, sizeof(text));
			assert_int_equal(came[i].to.family, any.any.sa_family);
			if (six)
				assert_memory_equal(&came[i].to.at.v6, &to.v6.sin6_addr, 16);
			else
				assert_int_equal(came[i].to.at.v4.s_addr, to.v4.sin_addr.s_addr);
		}
		free(came);
		net_udp_tx_free(tx);
		(void)close(fd);
		(void)close(other);
	}
}

/* More in one reading than are handled together. */
static void test_every_request_of_long_messages_is_answered(void **state)
{
	enum { AT_ONCE = 64, MESSAGES = 3 }; /* older kernels take no more */
	struct rig *r = rig_new(plain_conf, "127.0.0.1", false);
	struct came *came;
	bool seen[AT_ONCE * MESSAGES] = {false};
	uint8_t pings[AT_ONCE][4] = {{0}};
	uint16_t len = sizeof(pings[0]);
	int fd = rig_socket(r), segment = len;

	(void)state;
	assert_int_equal(net_udp_adopt(fd), 0);
	assert_int_equal(setsockopt(fd, SOL_UDP, UDP_SEGMENT, &segment, sizeof(segment)), 0);
	for (unsigned m = 0; m < MESSAGES; m++) {
		for (unsigned i = 0; i < AT_ONCE; i++) {
			pings[i][0] = 0x40;
			pings[i][3] = (uint8_t)(m * AT_ONCE + i);
		}
		assert_int_equal(send(fd, pings, sizeof(pings), 0), sizeof(pings));
	}
	turn_for(r, 5); /* they are there, or the next turns find them */
	assert_int_equal(collect(fd, AT_ONCE * MESSAGES, &came), AT_ONCE * MESSAGES);
	for (unsigned i = 0; i < AT_ONCE * MESSAGES; i++) {
		assert_int_equal(came[i].len, len);
		assert_int_equal(came[i].data[0], 0x70);
		assert_false(seen[came[i].data[3]]);
		seen[came[i].data[3]] = true;
	}
	free(came);
	(void)close(fd);
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
		cmocka_unit_test(test_answers_of_small_batch_go_sender_by_sender),
		cmocka_unit_test(test_message_is_taken_apart),
		cmocka_unit_test(test_longest_message_is_taken_apart),
		cmocka_unit_test(test_datagrams_that_are_too_long_are_counted_and_the_last_may_fit),
		cmocka_unit_test(test_so_many_messages_are_read_together),
		cmocka_unit_test(test_destination_of_a_message_is_that_of_each_datagram),
		cmocka_unit_test(test_every_request_of_long_messages_is_answered),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
