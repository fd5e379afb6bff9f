/* SPDX-License-Identifier: Apache-2.0 */
#include "emu/net.h"
#include "emu/text.h"

#include <netdb.h>
#include <stdio.h>
#include <string.h>

int emu_addr_resolve(const char *host, uint16_t port, struct emu_addr *ret_addr)
{
	struct addrinfo hints = {.ai_socktype = SOCK_DGRAM, .ai_family = AF_UNSPEC};
	struct addrinfo *info = NULL;
	char service[8];
	int err = ERR_NOENT;

	snprintf(service, sizeof(service), "%u", (unsigned)port);
	if (getaddrinfo(host, service, &hints, &info) != 0)
		return ERR_NOENT;
	if (info->ai_addrlen <= sizeof(ret_addr->u)) {
		memset(ret_addr, 0, sizeof(*ret_addr));
		memcpy(&ret_addr->u, info->ai_addr, info->ai_addrlen);
		ret_addr->len = info->ai_addrlen;
		err = 0;
	}
	freeaddrinfo(info);
	return err;
}

int emu_uri_parse(const char *uri, bool *ret_dtls, struct emu_addr *ret_addr, const char **ret_rest)
{
	bool dtls = strncmp(uri, "coaps://", 8) == 0;
	char host[256];
	uint64_t port = dtls ? 5684 : 5683;
	size_t len;
	int err;

	if (!dtls && strncmp(uri, "coap://", 7) != 0)
		return ERR_INVAL;
	uri += dtls ? 8 : 7;
	len = *uri == '[' ? strcspn(++uri, "]") : strcspn(uri, ":/");
	if (len == 0 || len >= sizeof(host))
		return ERR_INVAL;
	memcpy(host, uri, len);
	host[len] = '\0';
	uri += len;
	if (*uri == ']')
		uri++;
	if (*uri == ':') {
		char number[8];
		size_t n = strcspn(++uri, "/");

		if (n >= sizeof(number))
			return ERR_INVAL;
		memcpy(number, uri, n);
		number[n] = '\0';
		if (emu_parse_uint(number, 65535, &port) != 0 || port == 0)
			return ERR_INVAL;
		uri += n;
	}
	if (*uri != '\0' && *uri != '/')
		return ERR_INVAL;
	err = emu_addr_resolve(host, (uint16_t)port, ret_addr);
	if (err)
		return err;
	*ret_dtls = dtls;
	*ret_rest = uri;
	return 0;
}
