/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/conf_value.h"

#include <arpa/inet.h>
#include <assert.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { PORT_COAP = 5683, PORT_COAPS = 5684, PORT_MAX = 65535 };

struct unit {
	char letter; /* 0: none */
	int64_t factor;
};

/* Largest first: a value is printed in the largest unit that divides it. */
static const struct unit sizes[] = {
	{'G', (int64_t)1 << 30}, {'M', (int64_t)1 << 20}, {'K', (int64_t)1 << 10}, {0, 1}};
static const struct unit durations[] = {{'d', 86400000}, {'h', 3600000}, {'m', 60000}, {'s', 1000}};
static const struct unit counts[] = {{0, 1}};

static const char *const levels[] = {"err", "warn", "info", "debug"};

#define COUNT(table) (sizeof(table) / sizeof((table)[0]))

static bool __attribute__((format(printf, 3, 4)))
fault_at(struct conf_fault *fault, size_t at, const char *fmt, ...)
{
	va_list ap;

	fault->at = at;
	va_start(ap, fmt);
	(void)vsnprintf(fault->what, sizeof(fault->what), fmt, ap);
	va_end(ap);
	return false;
}

/* ---- numbers ---- */

static void number_print(int64_t value, const struct unit *units, size_t count, struct buf *out)
{
	size_t i = 0;

	while (i + 1 < count && (value == 0 || value % units[i].factor != 0))
		i++;
	buf_put_dec(out, (uint64_t)(value / units[i].factor));
	if (units[i].letter)
		buf_put_u8(out, (uint8_t)units[i].letter);
}

static bool number_fault(const char *word, int64_t bound, const struct unit *units, size_t count,
			 struct conf_fault *fault)
{
	char text[32];
	struct buf b = buf_writer(text, sizeof(text));

	number_print(bound, units, count, &b);
	return fault_at(fault, 0, "must be at %s %s", word, buf_cstr(&b));
}

static bool unit_fault(size_t at, const struct unit *units, size_t count, struct conf_fault *fault)
{
	char names[16];
	struct buf b = buf_writer(names, sizeof(names));

	for (size_t i = count; i-- > 0;)
		if (units[i].letter) {
			buf_put_str(&b, b.pos ? " " : "");
			buf_put_u8(&b, (uint8_t)units[i].letter);
		}
	if (b.pos == 0)
		return fault_at(fault, at, "must be digits only");
	return fault_at(fault, at, "the number needs %sone unit of %s",
			units == sizes ? "no unit or " : "", buf_cstr(&b));
}

static bool number_parse(const struct conf_key *key, const char *value, const struct unit *units,
			 size_t count, int64_t *dst, struct conf_fault *fault)
{
	static const int64_t big = INT64_MAX / 100;
	int64_t number = 0, factor = 0;
	size_t n = 0;

	for (; value[n] >= '0' && value[n] <= '9'; n++)
		if (number < big) /* stays beyond every limit from there on */
			number = number * 10 + (value[n] - '0');
	if (n == 0)
		return fault_at(fault, 0, "needs a number");
	for (size_t i = 0; i < count; i++)
		if (value[n] == units[i].letter)
			factor = units[i].factor;
	if (factor == 0 || (value[n] != '\0' && value[n + 1] != '\0'))
		return unit_fault(n, units, count, fault);
	if (number > key->max / factor)
		return number_fault("most", key->max, units, count, fault);
	if (number * factor < key->min)
		return number_fault("least", key->min, units, count, fault);
	*dst = number * factor;
	return true;
}

/* A word in the place of a number: 0. */
static bool word_parse(const char *value, const char *word, int64_t *dst)
{
	if (strcmp(value, word) != 0)
		return false;
	*dst = 0;
	return true;
}

/* ---- strings ---- */

static bool path_parse(const struct conf_key *key, const char *value, char *dst,
		       struct conf_fault *fault)
{
	size_t len = strlen(value);

	if (len == 0 && key->min == 0) {
		dst[0] = '\0';
		return true;
	}
	if (value[0] != '/')
		return fault_at(fault, 0, "must be an absolute path (it begins with /)");
	while (len > 1 && value[len - 1] == '/')
		len--;
	if (len > (size_t)key->max)
		return fault_at(fault, 0, "must be at most %" PRId64 " bytes long", key->max);
	if (strchr(" \t\\", value[len - 1])) /* "/x /": it could not be printed */
		return fault_at(fault, len - 1,
				"the name of a folder or file may not end in a space or backslash");
	memcpy(dst, value, len);
	dst[len] = '\0';
	return true;
}

static bool prefix_parse(const struct conf_key *key, const char *value, char *dst,
			 struct conf_fault *fault)
{
	static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				      "0123456789._/-";
	size_t len = strlen(value), good = strspn(value, allowed);

	if (value[good] != '\0')
		return fault_at(fault, good, "only letters, digits, '.', '_', '-' and '/'");
	if (len > (size_t)key->max)
		return fault_at(fault, 0, "must be at most %" PRId64 " bytes long", key->max);
	memcpy(dst, value, len + 1);
	return true;
}

/* A name or a number; whether there is such a group is not known here. */
static bool group_parse(const struct conf_key *key, const char *value, char *dst,
			struct conf_fault *fault)
{
	static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				      "0123456789._-";
	size_t len = strlen(value), good = strspn(value, allowed);

	if (value[0] == '-')
		good = 0;
	if (value[good] != '\0')
		return fault_at(fault, good,
				"a group is a number, or letters, digits, '.', '_' and '-'");
	if (len > (size_t)key->max)
		return fault_at(fault, 0, "must be at most %" PRId64 " bytes long", key->max);
	memcpy(dst, value, len + 1);
	return true;
}

static bool bool_parse(const char *value, bool *dst, struct conf_fault *fault)
{
	bool yes = strcmp(value, "yes") == 0;

	if (!yes && strcmp(value, "no") != 0)
		return fault_at(fault, 0, "must be yes or no");
	*dst = yes;
	return true;
}

static bool level_parse(const char *value, enum log_level *dst, struct conf_fault *fault)
{
	if (log_level_from_name(value, dst) < 0)
		return fault_at(fault, 0, "must be err, warn, info or debug");
	return true;
}

static const char *level_name(enum log_level level)
{
	for (size_t i = 0; i < COUNT(levels); i++) {
		enum log_level l = LOG_LEVEL_ERR;

		if (log_level_from_name(levels[i], &l) == 0 && l == level)
			return levels[i];
	}
	return "";
}

/* ---- addresses ---- */

static in_port_t *port_of(union conf_address *addr)
{
	return addr->any.sa_family == AF_INET6 ? &addr->v6.sin6_port : &addr->v4.sin_port;
}

/* The host, "192.0.2.1" or "2001:db8::1", of `len` bytes. */
static bool host_parse(const char *host, size_t len, sa_family_t family, union conf_address *dst)
{
	char text[INET6_ADDRSTRLEN];

	if (len >= sizeof(text))
		return false;
	memcpy(text, host, len);
	text[len] = '\0';
	dst->any.sa_family = family;
	return inet_pton(family, text,
			 family == AF_INET6 ? (void *)&dst->v6.sin6_addr
					    : (void *)&dst->v4.sin_addr) == 1;
}

char *conf_uri(const union conf_address *addr, bool secure, char dst[CONF_URI_MAX + 1])
{
	char host[INET6_ADDRSTRLEN] = "";
	bool v6 = addr->any.sa_family == AF_INET6;
	const void *bytes = v6 ? (const void *)&addr->v6.sin6_addr : &addr->v4.sin_addr;
	unsigned port = ntohs(v6 ? addr->v6.sin6_port : addr->v4.sin_port);

	(void)inet_ntop(addr->any.sa_family, bytes, host, sizeof(host));
	(void)snprintf(dst, CONF_URI_MAX + 1, v6 ? "%s://[%s]:%u" : "%s://%s:%u",
		       secure ? "coaps" : "coap", host, port);
	return dst;
}

static bool port_parse(const char *value, size_t at, unsigned *dst, struct conf_fault *fault)
{
	unsigned port = 0;
	size_t n = at;

	for (; value[n] >= '0' && value[n] <= '9' && port <= PORT_MAX; n++)
		port = port * 10 + (unsigned)(value[n] - '0');
	if (n == at || value[n] != '\0' || port > PORT_MAX)
		return fault_at(fault, at, "the port must be a number up to %d (0: a free one)",
				PORT_MAX);
	*dst = port;
	return true;
}

/* ADDR[:PORT] from `at` on; `port` is the default one, 0: it must be said. */
static bool address_parse(const char *value, size_t at, unsigned port, union conf_address *ret,
			  struct conf_fault *fault)
{
	size_t len;
	sa_family_t family = AF_INET;

	if (value[at] == '[') {
		family = AF_INET6;
		at++;
		len = strcspn(value + at, "]");
		if (value[at + len] == '\0')
			return fault_at(fault, at - 1, "the bracket is never closed");
	} else {
		len = strcspn(value + at, ":");
	}
	if (!host_parse(value + at, len, family, ret))
		return fault_at(fault, at, "not an address%s",
				family == AF_INET
					? " (IPv6 needs brackets, names are not looked up)"
					: " of IPv6");
	at += len + (family == AF_INET6);
	if (value[at] == '\0' && port == 0)
		return fault_at(fault, at, "needs :PORT");
	if (value[at] != '\0' && value[at] != ':')
		return fault_at(fault, at, "only :PORT may follow the address");
	if (value[at] == ':' && !port_parse(value, at + 1, &port, fault))
		return false;
	*port_of(ret) = htons((uint16_t)port);
	return true;
}

static bool uri_parse(const char *value, struct conf_listen *ret, struct conf_fault *fault)
{
	struct conf_listen l = {0};

	l.secure = strncmp(value, "coaps://", 8) == 0;
	if (!l.secure && strncmp(value, "coap://", 7) != 0)
		return fault_at(fault, 0, "must begin with coaps:// or coap://");
	if (!address_parse(value, l.secure ? 8 : 7, l.secure ? PORT_COAPS : PORT_COAP, &l.addr,
			   fault))
		return false;
	(void)conf_uri(&l.addr, l.secure, l.uri);
	*ret = l;
	return true;
}

/* "": none. */
static bool tcp_parse(const char *value, struct conf_listen *ret, struct conf_fault *fault)
{
	struct conf_listen l = {0};
	char uri[CONF_URI_MAX + 1];

	if (value[0] != '\0') {
		if (!address_parse(value, 0, 0, &l.addr, fault))
			return false;
		(void)buf_copy_str(l.uri, sizeof(l.uri),
				   conf_uri(&l.addr, false, uri) + strlen("coap://"));
	}
	*ret = l;
	return true;
}

static bool listen_parse(const char *value, struct conf *conf, struct conf_fault *fault)
{
	struct conf_listen l = {0};

	if (!uri_parse(value, &l, fault))
		return false;
	if (conf->listen_count == CONF_LISTEN_MAX)
		return fault_at(fault, 0, "at most %d addresses", CONF_LISTEN_MAX);
	for (unsigned i = 0; i < conf->listen_count; i++) {
		const char *other = strchr(conf->listen[i].uri, ':');

		/* coap and coaps cannot share one socket either */
		if (*port_of(&l.addr) != 0 && strcmp(other, strchr(l.uri, ':')) == 0)
			return fault_at(fault, 0, "this address and port are taken by line %u",
					conf->listen[i].line);
	}
	conf->listen[conf->listen_count++] = l;
	return true;
}

bool conf_listen_is_loopback(const struct conf_listen *listen)
{
	if (listen->addr.any.sa_family == AF_INET6)
		return IN6_IS_ADDR_LOOPBACK(&listen->addr.v6.sin6_addr);
	return ntohl(listen->addr.v4.sin_addr.s_addr) >> 24 == IN_LOOPBACKNET;
}

/* ---- by type ---- */

bool conf_value_parse(const struct conf_key *key, const char *value, struct conf *conf,
		      struct conf_fault *fault)
{
	void *member = (char *)conf + key->offset;

	if (value[0] == '\0' && key->min > 0)
		return fault_at(fault, 0, "needs a value");
	switch (key->type) {
	case CONF_TYPE_PATH:
		return path_parse(key, value, member, fault);
	case CONF_TYPE_LISTEN:
		return listen_parse(value, conf, fault);
	case CONF_TYPE_TCP:
		return tcp_parse(value, member, fault);
	case CONF_TYPE_BOOL:
		return bool_parse(value, member, fault);
	case CONF_TYPE_PREFIX:
		return prefix_parse(key, value, member, fault);
	case CONF_TYPE_GROUP:
		return group_parse(key, value, member, fault);
	case CONF_TYPE_SIZE:
		return number_parse(key, value, sizes, COUNT(sizes), member, fault);
	case CONF_TYPE_LEVEL:
		return level_parse(value, member, fault);
	case CONF_TYPE_DURATION:
		return number_parse(key, value, durations, COUNT(durations), member, fault);
	case CONF_TYPE_COUNT:
		return number_parse(key, value, counts, COUNT(counts), member, fault);
	case CONF_TYPE_KEEP:
		return word_parse(value, "forever", member) ||
		       number_parse(key, value, durations, COUNT(durations), member, fault);
	case CONF_TYPE_MAX:
		return word_parse(value, "any", member) ||
		       number_parse(key, value, counts, COUNT(counts), member, fault);
	case CONF_TYPE_RATE:
		return word_parse(value, "any", member) ||
		       number_parse(key, value, sizes, COUNT(sizes), member, fault);
	}
	assert(false); /* a type without a parser */
	return false;
}

void conf_value_print(const struct conf_key *key, const struct conf *conf, unsigned index,
		      struct buf *out)
{
	const void *member = (const char *)conf + key->offset;

	switch (key->type) {
	case CONF_TYPE_PATH:
	case CONF_TYPE_PREFIX:
	case CONF_TYPE_GROUP:
		buf_put_str(out, member);
		break;
	case CONF_TYPE_LISTEN:
		buf_put_str(out, conf->listen[index].uri);
		break;
	case CONF_TYPE_TCP:
		buf_put_str(out, ((const struct conf_listen *)member)->uri);
		break;
	case CONF_TYPE_BOOL:
		buf_put_str(out, *(const bool *)member ? "yes" : "no");
		break;
	case CONF_TYPE_SIZE:
		number_print(*(const int64_t *)member, sizes, COUNT(sizes), out);
		break;
	case CONF_TYPE_LEVEL:
		buf_put_str(out, level_name(*(const enum log_level *)member));
		break;
	case CONF_TYPE_DURATION:
		number_print(*(const int64_t *)member, durations, COUNT(durations), out);
		break;
	case CONF_TYPE_COUNT:
		number_print(*(const int64_t *)member, counts, COUNT(counts), out);
		break;
	case CONF_TYPE_KEEP:
		if (*(const int64_t *)member)
			number_print(*(const int64_t *)member, durations, COUNT(durations), out);
		else
			buf_put_str(out, "forever");
		break;
	case CONF_TYPE_MAX:
		if (*(const int64_t *)member)
			number_print(*(const int64_t *)member, counts, COUNT(counts), out);
		else
			buf_put_str(out, "any");
		break;
	case CONF_TYPE_RATE:
		if (*(const int64_t *)member)
			number_print(*(const int64_t *)member, sizes, COUNT(sizes), out);
		else
			buf_put_str(out, "any");
		break;
	}
}
