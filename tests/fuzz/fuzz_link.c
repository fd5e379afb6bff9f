/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "support/echo.h"
#include "wire/lwm2m.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { CAP = 32 };

static void check(const struct lwm2m_link *link, const char *alternate)
{
	const char *end = memchr(link->version, 0, sizeof(link->version));

	if (!end || strspn(link->version, "0123456789.") != strlen(link->version))
		abort();
	if (link->content_format < -1 || link->content_format > UINT16_MAX)
		abort();
	if (link->path.count > LWM2M_LEVELS || link->is_root != (link->path.count == 0))
		abort();
	if (link->is_root && !alternate[0])
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct lwm2m_link links[CAP];
	char alternate[64];
	struct wire_fault fault;
	size_t count = CAP + 1;
	int err = lwm2m_links((struct bytes){data, size}, links, CAP, &count, alternate, &fault);

	if (err != fault.err || !memchr(alternate, 0, sizeof(alternate)))
		abort();
	if (err) {
		echo_check_fault(err, fault.text);
		if (count != CAP + 1)
			abort();
		return 0;
	}
	size_t len = strlen(alternate);
	if (count > CAP || (len && alternate[0] != '/') || (len > 1 && alternate[len - 1] == '/'))
		abort();
	for (size_t i = 0; i < count; i++)
		check(&links[i], alternate);
	return 0;
}
