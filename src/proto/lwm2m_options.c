/* SPDX-License-Identifier: Apache-2.0
 *
 * What a product says about its LwM2M devices.
 */
#include <stdio.h>
#include <string.h>

#include "proto/lwm2m_agent.h"

enum {
	LISTEN_MIN_S = 1,
	LISTEN_MAX_S = 3600,
	LISTEN_DEFAULT_S = 93, /* MAX_TRANSMIT_WAIT, RFC 7252 4.8.2 */
	POLL_MIN_S = 1,
	POLL_MAX_S = 86400,
	POLL_DEFAULT_S = 300,
	BLOCK_MIN = 64,
	BLOCK_MAX = 1024,
	NUMBER_DIGITS = 9,
};

const struct talk_option lwm2m_option_rows[LWM2M_OPTIONS] = {
	{"lwm2m-transfer", "auto|pull|push",
	 "pull: the device fetches the image; push: we send it; auto: as the device can, pull "
	 "first"},
	{"lwm2m-block", "64|128|256|512|1024", "bytes of a block of a push; 1024"},
	{"lwm2m-uri-host", "HOST[:PORT]",
	 "in the package URI, in place of the address at which the device reaches us"},
	{"lwm2m-listen", "SECONDS",
	 "how long a device in queue mode listens after its last word; 93"},
	{"lwm2m-poll", "SECONDS", "longest time between two looks during an update; 300"},
	{"lwm2m-uptime", "/O/I/R", "resource with the seconds since the device's boot"},
	{"lwm2m-boot-count", "/O/I/R", "resource with the number of the device's boots"},
	{"lwm2m-digest", "/O/I/R", "resource with the digest of the running image"},
	{"lwm2m-digest-kind", "file|mcuboot|esp-appended|vendor-N",
	 "what that digest is computed over; mcuboot"},
	{"lwm2m-confirmed", "/O/I/R", "resource that is true once the image is permanent"},
	{"lwm2m-hardware", "/O/I/R", "resource with the hardware's name, e.g. /3/0/18"},
};

static int refuse(char fault[TALK_FAULT], const char *name, const char *why)
{
	(void)snprintf(fault, TALK_FAULT, "%s: %s", name, why);
	return ERR_INVAL;
}

static bool number(struct bytes text, int64_t min, int64_t max, int64_t *ret)
{
	int64_t n = 0;

	if (text.len == 0 || text.len > NUMBER_DIGITS)
		return false;
	for (size_t i = 0; i < text.len; i++) {
		if (text.ptr[i] < '0' || text.ptr[i] > '9')
			return false;
		n = 10 * n + (text.ptr[i] - '0');
	}
	if (n < min || n > max)
		return false;
	*ret = n;
	return true;
}

static bool is(struct bytes text, const char *word)
{
	return bytes_equal(text, (struct bytes){(const uint8_t *)word, strlen(word)});
}

static int take_transfer(struct bytes v, struct lwm2m_options *o, char fault[TALK_FAULT])
{
	static const char *const words[] = {
		[TRANSFER_AUTO] = "auto", [TRANSFER_PULL] = "pull", [TRANSFER_PUSH] = "push"};

	for (unsigned i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (is(v, words[i])) {
			o->transfer = (enum lwm2m_transfer)i;
			return 0;
		}
	return refuse(fault, "lwm2m-transfer", "auto, pull or push");
}

static int take_block(struct bytes v, struct lwm2m_options *o, char fault[TALK_FAULT])
{
	int64_t n;

	if (!number(v, BLOCK_MIN, BLOCK_MAX, &n) || (n & (n - 1)) != 0)
		return refuse(fault, "lwm2m-block", "64, 128, 256, 512 or 1024");
	o->block_bytes = (unsigned)n;
	return 0;
}

static bool host_char(uint8_t ch)
{
	return (ch >= 'a' && ch <= 'z') || (ch >= 'A' && ch <= 'Z') || (ch >= '0' && ch <= '9') ||
	       ch == '.' || ch == '-' || ch == ':' || ch == '[' || ch == ']';
}

/* A name or an address, with or without a port; an IPv6 address in brackets. */
static bool host_ok(struct bytes v)
{
	const uint8_t *bracket = memchr(v.ptr, ']', v.len);
	size_t host = bracket ? (size_t)(bracket - v.ptr) + 1 : 0;
	unsigned colons = 0;

	if ((v.ptr[0] == '[') != (bracket != NULL) || (bracket && host < 4))
		return false;
	for (size_t i = 0; i < v.len; i++)
		if (!host_char(v.ptr[i]))
			return false;
	if (memchr(v.ptr + 1, '[', v.len - 1) || (bracket && host < v.len && v.ptr[host] != ':'))
		return false;
	for (size_t i = host; i < v.len; i++)
		if (v.ptr[i] == ':') {
			int64_t port;
			if (++colons > 1 || i == 0 ||
			    !number((struct bytes){v.ptr + i + 1, v.len - i - 1}, 1, 65535, &port))
				return false;
		} else if (v.ptr[i] == ']') {
			return false;
		}
	return true;
}

static int take_host(struct bytes v, struct lwm2m_options *o, char fault[TALK_FAULT])
{
	if (v.len >= sizeof(o->uri_host))
		return refuse(fault, "lwm2m-uri-host", "longer than 63 bytes");
	if (v.len && !host_ok(v))
		return refuse(fault, "lwm2m-uri-host",
			      "HOST or HOST:PORT; an IPv6 address in brackets");
	memset(o->uri_host, 0, sizeof(o->uri_host));
	if (v.len)
		memcpy(o->uri_host, v.ptr, v.len);
	return 0;
}

static int take_seconds(const char *name, struct bytes v, int64_t min, int64_t max, int64_t *ret,
			char fault[TALK_FAULT])
{
	if (!number(v, min, max, ret)) {
		(void)snprintf(fault, TALK_FAULT, "%s: seconds from %lld to %lld", name,
			       (long long)min, (long long)max);
		return ERR_INVAL;
	}
	return 0;
}

static int take_kind(struct bytes v, struct lwm2m_options *o, char fault[TALK_FAULT])
{
	char name[16] = "";

	if (v.len < sizeof(name))
		memcpy(name, v.ptr, v.len);
	if (digest_kind_from_name(name, &o->digest_kind))
		return refuse(fault, "lwm2m-digest-kind",
			      "file, mcuboot, esp-appended or vendor-N");
	return 0;
}

static int take_named(const char *name, struct bytes v, struct lwm2m_path *ret,
		      char fault[TALK_FAULT])
{
	struct lwm2m_path path = {0};

	if (v.len && (v.ptr[0] != '/' || lwm2m_path_parse(v, &path) || path.count < 3))
		return refuse(fault, name, "a resource, as in /3/0/18");
	*ret = path;
	return 0;
}

static int take(struct bytes name, struct bytes v, struct lwm2m_options *o, char fault[TALK_FAULT])
{
	static const struct {
		const char *name;
		enum lwm2m_named named;
	} resources[] = {
		{"lwm2m-uptime", NAMED_UPTIME},	    {"lwm2m-boot-count", NAMED_BOOT_COUNT},
		{"lwm2m-digest", NAMED_DIGEST},	    {"lwm2m-confirmed", NAMED_CONFIRMED},
		{"lwm2m-hardware", NAMED_HARDWARE},
	};

	for (size_t i = 0; i < sizeof(resources) / sizeof(resources[0]); i++)
		if (is(name, resources[i].name))
			return take_named(resources[i].name, v, &o->named[resources[i].named],
					  fault);
	if (is(name, "lwm2m-transfer"))
		return take_transfer(v, o, fault);
	if (is(name, "lwm2m-block"))
		return take_block(v, o, fault);
	if (is(name, "lwm2m-uri-host"))
		return take_host(v, o, fault);
	if (is(name, "lwm2m-listen"))
		return take_seconds("lwm2m-listen", v, LISTEN_MIN_S, LISTEN_MAX_S, &o->listen_s,
				    fault);
	if (is(name, "lwm2m-poll"))
		return take_seconds("lwm2m-poll", v, POLL_MIN_S, POLL_MAX_S, &o->poll_s, fault);
	if (is(name, "lwm2m-digest-kind"))
		return take_kind(v, o, fault);
	(void)snprintf(fault, TALK_FAULT, "%.*s: no such option",
		       (int)(name.len < 40 ? name.len : 40), (const char *)name.ptr);
	return ERR_INVAL;
}

int lwm2m_options_parse(struct bytes text, struct lwm2m_options *ret, char fault[TALK_FAULT])
{
	struct lwm2m_options o = {.block_bytes = BLOCK_MAX,
				  .listen_s = LISTEN_DEFAULT_S,
				  .poll_s = POLL_DEFAULT_S,
				  .digest_kind = DIGEST_MCUBOOT};

	while (text.len) {
		const uint8_t *end = memchr(text.ptr, '\n', text.len);
		size_t len = end ? (size_t)(end - text.ptr) : text.len;
		const uint8_t *equals = len ? memchr(text.ptr, '=', len) : NULL;
		int err;

		if (len && !equals)
			return refuse(fault, "options", "NAME=VALUE is wanted");
		if (len) {
			size_t name = (size_t)(equals - text.ptr);
			err = take((struct bytes){text.ptr, name},
				   (struct bytes){equals + 1, len - name - 1}, &o, fault);
			if (err)
				return err;
		}
		text.ptr += len + (end ? 1 : 0);
		text.len -= len + (end ? 1 : 0);
	}
	*ret = o;
	return 0;
}
