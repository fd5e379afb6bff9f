/* SPDX-License-Identifier: Apache-2.0 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* recvmmsg, struct in6_pktinfo */
#endif

#include "net/net_udp.h"

#include <errno.h>
#include <netinet/udp.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"

enum {
	MESSAGE_MAX = 65536, /* datagrams that came as one */
	/* Not a power of two: the beginnings of all messages would share a few lines of the
	 * processor's cache. Pages that nothing was written to take no memory. */
	MESSAGE_ROOM = MESSAGE_MAX + 5 * 64,
};

/* Room for one in_pktinfo or in6_pktinfo, and how long each datagram is of those that came as one
 * message. */
struct control {
	_Alignas(struct cmsghdr) char raw[CMSG_SPACE(sizeof(struct in6_pktinfo)) +
					  CMSG_SPACE(sizeof(int))];
};

struct net_udp_rx {
	struct mmsghdr messages[NET_UDP_MESSAGES];
	struct iovec iov[NET_UDP_MESSAGES];
	struct control control[NET_UDP_MESSAGES];
	union net_address from[NET_UDP_MESSAGES];
	struct net_udp_in in[NET_UDP_GOT];
	uint8_t data[NET_UDP_MESSAGES][MESSAGE_ROOM];
};

/* The same of those that are sent as one. */
struct control_out {
	_Alignas(struct cmsghdr) char raw[CMSG_SPACE(sizeof(struct in6_pktinfo)) +
					  CMSG_SPACE(sizeof(uint16_t))];
};

/* Queued: `to`, `from`, iov and data of datagram i. A message of the kernel's holds one or more of
 * them, which follow each other. */
struct net_udp_tx {
	unsigned count;
	enum { MERGE_UNKNOWN, MERGE_NO, MERGE_YES } merge;
	struct mmsghdr messages[NET_UDP_BATCH];
	struct control_out control[NET_UDP_BATCH];
	struct iovec iov[NET_UDP_BATCH];
	union net_address to[NET_UDP_BATCH];
	struct net_local from[NET_UDP_BATCH];
	uint8_t data[NET_UDP_BATCH][NET_UDP_DATAGRAM];
};

socklen_t net_address_len(const union net_address *a)
{
	return a->any.sa_family == AF_INET6 ? sizeof(a->v6) : sizeof(a->v4);
}

/* ---- sockets ---- */

static int option_set(int fd, int level, int name, int value)
{
	return setsockopt(fd, level, name, &value, sizeof(value));
}

static int buffer_bytes(int fd, int option)
{
	int got = 0;
	socklen_t len = sizeof(got);

	(void)getsockopt(fd, SOL_SOCKET, option, &got, &len);
	return got / 2; /* socket(7): the kernel doubles what was asked */
}

static void buffer_grow(int fd, int force, int plain, const char *which)
{
	/* The service manager may have given more than we could take: asking would shrink it. */
	if (buffer_bytes(fd, plain) < NET_UDP_BUFFER &&
	    option_set(fd, SOL_SOCKET, force, NET_UDP_BUFFER))
		(void)option_set(fd, SOL_SOCKET, plain, NET_UDP_BUFFER);

	int got = buffer_bytes(fd, plain);

	if (got < NET_UDP_BUFFER)
		log_warn("net buffer=%s bytes=%d wanted=%d hint=\"raise net.core.%s_max\"", which,
			 got, NET_UDP_BUFFER, plain == SO_RCVBUF ? "rmem" : "wmem");
}

int net_udp_receive_buffer(int fd)
{
	int got = 0;
	socklen_t len = sizeof(got);

	(void)getsockopt(fd, SOL_SOCKET, SO_RCVBUF, &got, &len);
	return got / 2;
}

/* A socket bound to one address sends from it anyway. */
static bool is_wildcard(const struct sockaddr_storage *bound)
{
	const union net_address *a = (const union net_address *)(const void *)bound;

	return a->any.sa_family == AF_INET6 ? IN6_IS_ADDR_UNSPECIFIED(&a->v6.sin6_addr)
					    : a->v4.sin_addr.s_addr == htonl(INADDR_ANY);
}

static int prepare(int fd, const struct sockaddr_storage *bound)
{
	int failed = 0;

	if (is_wildcard(bound))
		failed = bound->ss_family == AF_INET6
				 ? option_set(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, 1)
				 : option_set(fd, IPPROTO_IP, IP_PKTINFO, 1);
	if (failed)
		return err_from_errno(errno);
	/* Kernels before 5.0 know nothing of it, and never give us more than one at a time. */
	(void)option_set(fd, SOL_UDP, UDP_GRO, 1);
	buffer_grow(fd, SO_RCVBUFFORCE, SO_RCVBUF, "receive");
	buffer_grow(fd, SO_SNDBUFFORCE, SO_SNDBUF, "send");
	return 0;
}

int net_udp_open(const struct sockaddr *addr, int *ret_fd)
{
	int err = 0;
	socklen_t len = addr->sa_family == AF_INET6 ? sizeof(struct sockaddr_in6)
						    : sizeof(struct sockaddr_in);

	if (addr->sa_family != AF_INET && addr->sa_family != AF_INET6)
		return ERR_UNSUPPORTED;
	int fd = socket(addr->sa_family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0)
		return err_from_errno(errno);
	if (addr->sa_family == AF_INET6 && option_set(fd, IPPROTO_IPV6, IPV6_V6ONLY, 1))
		err = err_from_errno(errno);
	if (!err && bind(fd, addr, len))
		err = err_from_errno(errno);
	if (err)
		(void)close(fd);
	else
		*ret_fd = fd;
	return err;
}

int net_udp_bound(int fd, struct sockaddr_storage *ret)
{
	struct sockaddr_storage bound = {0};
	socklen_t len = sizeof(bound);

	if (getsockname(fd, (struct sockaddr *)&bound, &len))
		return err_from_errno(errno);
	*ret = bound;
	return 0;
}

int net_udp_adopt(int fd)
{
	struct sockaddr_storage bound = {0};
	int type = 0;
	socklen_t len = sizeof(type);
	int err = net_udp_bound(fd, &bound);

	if (err)
		return err;
	if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len))
		return err_from_errno(errno);
	if (type != SOCK_DGRAM || (bound.ss_family != AF_INET && bound.ss_family != AF_INET6))
		return ERR_UNSUPPORTED;
	return prepare(fd, &bound);
}

/* ---- receiving ---- */

struct net_udp_rx *net_udp_rx_new(void)
{
	struct net_udp_rx *rx = calloc(1, sizeof(*rx));

	for (unsigned i = 0; rx && i < NET_UDP_MESSAGES; i++) {
		rx->iov[i] = (struct iovec){rx->data[i], MESSAGE_MAX};
		rx->messages[i].msg_hdr.msg_iov = &rx->iov[i];
		rx->messages[i].msg_hdr.msg_iovlen = 1;
		rx->messages[i].msg_hdr.msg_name = &rx->from[i];
		rx->messages[i].msg_hdr.msg_control = &rx->control[i];
	}
	return rx;
}

void net_udp_rx_free(struct net_udp_rx *rx)
{
	free(rx);
}

/* The address it came to; and `each`: the length of the datagrams in it, but for the last. */
static struct net_local control_read(struct msghdr *m, size_t *each)
{
	struct net_local local = {0};

	for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c; c = CMSG_NXTHDR(m, c)) {
		if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_PKTINFO) {
			struct in_pktinfo info;

			memcpy(&info, CMSG_DATA(c), sizeof(info));
			local.family = AF_INET;
			local.ifindex = 0; /* routing decides; only the source matters */
			local.at.v4 = info.ipi_addr;
		} else if (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_PKTINFO) {
			struct in6_pktinfo info;

			memcpy(&info, CMSG_DATA(c), sizeof(info));
			local.family = AF_INET6;
			local.ifindex =
				IN6_IS_ADDR_LINKLOCAL(&info.ipi6_addr) ? info.ipi6_ifindex : 0;
			local.at.v6 = info.ipi6_addr;
		} else if (c->cmsg_level == SOL_UDP && c->cmsg_type == UDP_GRO) {
			int len;

			memcpy(&len, CMSG_DATA(c), sizeof(len));
			if (len > 0)
				*each = (size_t)len;
		}
	}
	return local;
}

/* Message i, datagram by datagram. */
static void take_apart(struct net_udp_rx *rx, unsigned i, struct net_udp_got *got)
{
	struct msghdr *m = &rx->messages[i].msg_hdr;
	size_t len = rx->messages[i].msg_len, each = len;
	struct net_local to = control_read(m, &each);

	if (m->msg_flags & MSG_TRUNC || len == 0) {
		got->cut++;
		return;
	}
	for (size_t at = 0; at < len; at += each) {
		size_t left = len - at, this = left < each ? left : each;

		if (this > NET_UDP_DATAGRAM || got->count == NET_UDP_GOT) {
			got->cut++;
			continue;
		}
		rx->in[got->count++] = (struct net_udp_in){
			.data = rx->data[i] + at, .len = this, .from = rx->from[i], .to = to};
	}
}

bool net_udp_receive(struct net_udp_rx *rx, int fd, struct net_udp_got *ret)
{
	struct net_udp_got got = {.in = rx->in};

	for (unsigned i = 0; i < NET_UDP_MESSAGES; i++) {
		rx->messages[i].msg_hdr.msg_namelen = sizeof(rx->from[i]);
		rx->messages[i].msg_hdr.msg_controllen = sizeof(rx->control[i]);
	}
	int count = recvmmsg(fd, rx->messages, NET_UDP_MESSAGES, 0, NULL);

	for (int i = 0; i < count; i++)
		take_apart(rx, (unsigned)i, &got);
	*ret = got;
	return count == NET_UDP_MESSAGES;
}

/* ---- sending ---- */

struct net_udp_tx *net_udp_tx_new(void)
{
	struct net_udp_tx *tx = calloc(1, sizeof(*tx));

	for (unsigned i = 0; tx && i < NET_UDP_BATCH; i++)
		tx->iov[i] = (struct iovec){tx->data[i], 0};
	return tx;
}

void net_udp_tx_free(struct net_udp_tx *tx)
{
	free(tx);
}

void net_udp_queue(struct net_udp_tx *tx, int fd, const union net_address *to,
		   const struct net_local *from, const uint8_t *data, size_t len)
{
	if (len > NET_UDP_DATAGRAM)
		return;
	if (tx->count == NET_UDP_BATCH)
		(void)net_udp_flush(tx, fd);

	unsigned i = tx->count++;

	memcpy(tx->data[i], data, len);
	tx->iov[i].iov_len = len;
	tx->to[i] = *to;
	tx->from[i] = *from;
}

unsigned net_udp_queued(const struct net_udp_tx *tx)
{
	return tx->count;
}

static void control_put(struct msghdr *m, int level, int type, const void *value, size_t len)
{
	struct cmsghdr *c = (struct cmsghdr *)(void *)((char *)m->msg_control + m->msg_controllen);

	c->cmsg_len = CMSG_LEN(len);
	c->cmsg_level = level;
	c->cmsg_type = type;
	memcpy(CMSG_DATA(c), value, len);
	m->msg_controllen += CMSG_SPACE(len);
}

static void source_put(struct msghdr *m, const struct net_local *from)
{
	if (from->family == AF_INET) {
		struct in_pktinfo info = {.ipi_spec_dst = from->at.v4};

		control_put(m, IPPROTO_IP, IP_PKTINFO, &info, sizeof(info));
	} else if (from->family == AF_INET6) {
		struct in6_pktinfo info = {from->at.v6, from->ifindex};

		control_put(m, IPPROTO_IPV6, IPV6_PKTINFO, &info, sizeof(info));
	}
}

/* Older kernels would not see the lengths and send one long datagram. */
static bool can_merge(struct net_udp_tx *tx, int fd)
{
	int value = 0;
	socklen_t len = sizeof(value);

	if (tx->merge == MERGE_UNKNOWN)
		tx->merge =
			getsockopt(fd, SOL_UDP, UDP_SEGMENT, &value, &len) ? MERGE_NO : MERGE_YES;
	return tx->merge == MERGE_YES;
}

static bool same_way(const struct net_udp_tx *tx, unsigned i, unsigned k)
{
	const struct net_local *a = &tx->from[i], *b = &tx->from[k];
	socklen_t len = net_address_len(&tx->to[i]);

	return tx->to[i].any.sa_family == tx->to[k].any.sa_family &&
	       memcmp(&tx->to[i], &tx->to[k], len) == 0 && a->family == b->family &&
	       a->ifindex == b->ifindex && memcmp(&a->at.v6, &b->at.v6, sizeof(a->at.v6)) == 0;
}

/* How many from `first` on make one message: to the same address, of one length, but for the last,
 * which may be shorter. */
static unsigned merged(const struct net_udp_tx *tx, unsigned first)
{
	unsigned n = 1;
	size_t len = tx->iov[first].iov_len;

	while (n < NET_UDP_MERGE && first + n < tx->count && len > 0 &&
	       tx->iov[first + n - 1].iov_len == len && tx->iov[first + n].iov_len <= len &&
	       tx->iov[first + n].iov_len > 0 && same_way(tx, first, first + n))
		n++;
	return n;
}

static void message_set(struct net_udp_tx *tx, unsigned at, unsigned first, unsigned n)
{
	struct msghdr *m = &tx->messages[at].msg_hdr;
	uint16_t len = (uint16_t)tx->iov[first].iov_len;

	*m = (struct msghdr){.msg_name = &tx->to[first],
			     .msg_namelen = net_address_len(&tx->to[first]),
			     .msg_iov = &tx->iov[first],
			     .msg_iovlen = n,
			     .msg_control = tx->control[at].raw};
	source_put(m, &tx->from[first]);
	if (n > 1)
		control_put(m, SOL_UDP, UDP_SEGMENT, &len, sizeof(len));
	if (!m->msg_controllen)
		m->msg_control = NULL;
}

/* Message `at` was refused. One of several datagrams may be for another reason than each of them
 * would be: the path's MTU (EINVAL), a device that makes no checksums (EIO), or one whose queue has
 * room for some of them (ENOBUFS). Returns how many went singly. */
static unsigned send_singly(struct net_udp_tx *tx, int fd, unsigned at)
{
	struct msghdr *m = &tx->messages[at].msg_hdr;
	unsigned first = (unsigned)(m->msg_iov - tx->iov), n = (unsigned)m->msg_iovlen, sent = 0;

	if (n == 1 || errno == EAGAIN)
		return 0;
	if (errno == EIO)
		tx->merge = MERGE_NO;
	for (unsigned i = first; i < first + n; i++) {
		message_set(tx, at, i, 1);
		sent += sendmsg(fd, m, 0) >= 0;
	}
	return sent;
}

unsigned net_udp_flush(struct net_udp_tx *tx, int fd)
{
	unsigned done = 0, sent = 0, count = 0;
	bool merge = tx->count > 1 && can_merge(tx, fd);

	for (unsigned i = 0; i < tx->count; count++) {
		unsigned n = merge ? merged(tx, i) : 1;

		message_set(tx, count, i, n);
		i += n;
	}
	while (done < count) {
		int n = sendmmsg(fd, tx->messages + done, count - done, 0);

		if (n < 0 && errno == EINTR)
			continue;
		/* One bad destination must not hold up the others; a full buffer loses one message.
		 */
		if (n <= 0)
			sent += send_singly(tx, fd, done++);
		for (; n > 0; n--)
			sent += (unsigned)tx->messages[done++].msg_hdr.msg_iovlen;
	}
	tx->count = 0;
	return sent;
}
