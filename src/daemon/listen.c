/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/listen.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#define PLAIN_NAME "coap"

/* ---- sockets of the service manager ---- */

static int refused(int fd, const char *name, int err, const char *what, const char *todo)
{
	log_err("start=failed passed-socket=%d name=\"%.64s\" error=\"%s\" do=\"%s\"", fd, name,
		what, todo);
	return err;
}

static bool is_wildcard(const union conf_address *a)
{
	return a->any.sa_family == AF_INET6 ? IN6_IS_ADDR_UNSPECIFIED(&a->v6.sin6_addr)
					    : a->v4.sin_addr.s_addr == htonl(INADDR_ANY);
}

/* It would take IPv4, too, as addresses of one small IPv6 network: and whatever is fair between
 * networks would see all of IPv4 as one of them. */
static bool is_dual(int fd, const union conf_address *a)
{
	int only = 1;
	socklen_t len = sizeof(only);

	return a->any.sa_family == AF_INET6 && is_wildcard(a) &&
	       getsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &only, &len) == 0 && !only;
}

static int take_udp(struct listen *l, const struct conf *conf, int fd, const char *name)
{
	struct listen_socket s = {.fd = fd, .secure = strcmp(name, PLAIN_NAME) != 0};
	struct conf_listen rule;
	socklen_t len = sizeof(s.at);

	if (l->passed_count == LISTEN_PASSED_MAX)
		return refused(fd, name, ERR_LIMIT, "too many sockets",
			       "pass at most 16 UDP sockets");
	if (getsockname(fd, &s.at.any, &len) < 0)
		return refused(fd, name, err_from_errno(errno), strerror(errno), "see socket(7)");
	if (is_dual(fd, &s.at))
		return refused(fd, name, ERR_UNSUPPORTED, "an IPv6 socket that takes IPv4, too",
			       "say BindIPv6Only=ipv6-only, and ListenDatagram=0.0.0.0:PORT "
			       "beside it");
	rule.addr = s.at;
	if (!s.secure && !conf_listen_is_loopback(&rule) && !conf->plain_anywhere)
		return refused(fd, name, ERR_DENIED,
			       "coap is not encrypted and others can reach this address",
			       "pass a loopback address, or say plain-anywhere = yes");
	(void)conf_uri(&s.at, s.secure, s.uri);
	l->passed[l->passed_count++] = s;
	return 0;
}

static int take_one(struct listen *l, const struct conf *conf, int fd, const char *name)
{
	if (strcmp(name, CARRY_NAME) == 0) {
		carry_take(&l->carry, fd);
		return 0;
	}
	if (sd_is_socket(fd, AF_INET, SOCK_DGRAM, -1) > 0 ||
	    sd_is_socket(fd, AF_INET6, SOCK_DGRAM, -1) > 0)
		return take_udp(l, conf, fd, name);
	if (l->admin_fd < 0 && sd_is_socket_unix(fd, SOCK_STREAM, 1, NULL, 0) > 0) {
		l->admin_fd = fd;
		return 0;
	}
	return refused(fd, name, ERR_UNSUPPORTED, err_text(ERR_UNSUPPORTED),
		       "its socket unit may have ListenDatagram= and one ListenStream= of a path");
}

int listen_take(struct listen *l, const struct conf *conf)
{
	char **names = NULL;
	int count = sd_listen_fds_with_names(1, &names), err = 0;

	*l = (struct listen){.admin_fd = -1, .carry.fd = -1};
	for (int i = 0; i < count && !err; i++)
		err = take_one(l, conf, SD_LISTEN_FDS_START + i, names[i]);
	if (err) {
		carry_done(&l->carry);
		for (int i = 0; i < count; i++)
			if (strcmp(names[i], CARRY_NAME) != 0)
				(void)close(SD_LISTEN_FDS_START + i);
		*l = (struct listen){.admin_fd = -1, .carry.fd = -1};
	}
	for (int i = 0; i < count; i++)
		free(names[i]);
	free(names);
	return err;
}

void listen_done(struct listen *l)
{
	carry_done(&l->carry);
	for (unsigned i = 0; i < l->passed_count; i++)
		if (l->passed[i].fd >= 0)
			(void)close(l->passed[i].fd);
	if (l->admin_fd >= 0)
		(void)close(l->admin_fd);
	l->passed_count = 0;
	l->admin_fd = -1;
}

/* ---- opening ---- */

static void opened(struct listen *l, const char *uri, const char *from)
{
	char *copy = l->uris[l->open_count];

	(void)buf_copy_str(copy, sizeof(l->uris[0]), uri);
	l->open[l->open_count++] = copy;
	log_info("listening on=%s%s", copy, from);
}

static int open_passed(struct listen *l, struct net *net)
{
	for (unsigned i = 0; i < l->passed_count; i++) {
		struct listen_socket *s = &l->passed[i];
		int err = net_listen_fd_take(net, s->fd, s->secure);

		if (err)
			return refused(s->fd, s->uri, err, err_text(err), "pass bound UDP sockets");
		s->fd = -1;
		opened(l, s->uri, " from=service-manager");
	}
	return 0;
}

static in_port_t port_of(const union conf_address *a)
{
	return a->any.sa_family == AF_INET6 ? a->v6.sin6_port : a->v4.sin_port;
}

/* The passed socket that has this address already; NULL: none. */
static const struct listen_socket *served_by(const struct listen *l, const struct conf_listen *c)
{
	for (unsigned i = 0; i < l->passed_count; i++) {
		const struct listen_socket *s = &l->passed[i];

		if (strcmp(s->uri, c->uri) == 0 ||
		    (s->secure == c->secure && s->at.any.sa_family == c->addr.any.sa_family &&
		     port_of(&s->at) == port_of(&c->addr) && is_wildcard(&s->at)))
			return s;
	}
	return NULL;
}

static bool is_listed(const struct conf *conf, const struct listen_socket *s)
{
	for (unsigned i = 0; i < conf->listen_count; i++)
		if (strcmp(conf->listen[i].uri, s->uri) == 0)
			return true;
	return false;
}

/* The words of the system, which ERR_IO does not have: the same bind once more. */
static const char *bind_error(const union conf_address *addr, int err)
{
	socklen_t len = addr->any.sa_family == AF_INET6 ? sizeof(addr->v6) : sizeof(addr->v4);
	int fd = socket(addr->any.sa_family, SOCK_DGRAM | SOCK_CLOEXEC, 0), saved = errno;

	if (fd >= 0) {
		saved = bind(fd, &addr->any, len) < 0 ? errno : 0;
		(void)close(fd);
	}
	return saved ? strerror(saved) : err_text(err);
}

static int open_configured(struct listen *l, const struct conf *conf, const struct conf_listen *c,
			   struct net *net)
{
	union conf_address bound = {.storage = {0}};
	char uri[CONF_URI_MAX + 1];
	int err = net_listen(net, &c->addr.any, c->secure, &bound.storage);

	if (!err) {
		opened(l, conf_uri(&bound, c->secure, uri), "");
		return 0;
	}
	const char *why = bind_error(&c->addr, err);
	/* Nobody asked for IPv6: a machine without it serves IPv4. */
	if (conf->listen_is_default && c->addr.any.sa_family == AF_INET6 && err != ERR_BUSY) {
		log_warn("listen=%s error=\"%s\"", c->uri, why);
		return 0;
	}
	log_err("start=failed listen=%s error=\"%s\" do=\"%s\"", c->uri, why,
		err == ERR_BUSY ? "stop what uses this port (ss -lunp), or name another with listen"
				: "name an address of this machine with listen");
	return err;
}

/* What the operator wrote, and what he gets. */
static void compare(const struct listen *l, const struct conf *conf)
{
	for (unsigned i = 0; i < l->passed_count; i++)
		if (!is_listed(conf, &l->passed[i]))
			log_warn("listen=%s error=\"a socket unit opens it, no listen names it\" "
				 "do=\"change or mask the socket unit if this is not wanted\"",
				 l->passed[i].uri);
}

static bool passes_secure(const struct listen *l)
{
	for (unsigned i = 0; i < l->passed_count; i++)
		if (l->passed[i].secure)
			return true;
	return false;
}

int listen_open(struct listen *l, const struct conf *conf, struct net *net)
{
	int err = open_passed(l, net);

	if (!conf->listen_is_default)
		compare(l, conf);
	else if (passes_secure(l))
		return err;
	for (unsigned i = 0; i < conf->listen_count && !err; i++) {
		const struct conf_listen *c = &conf->listen[i];

		if (!served_by(l, c))
			err = open_configured(l, conf, c, net);
	}
	return err;
}
