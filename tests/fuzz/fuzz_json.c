/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>

#include "support/echo.h"
#include "wire/json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Asks for everything of everything; the faults stay inside msg. */
static void get_all(struct wire_msg *msg)
{
	char text[LIMIT_DETAIL + 1];

	for (unsigned i = 0; i < msg->count; i++) {
		struct wire_node *n = &msg->nodes[i];
		msg->fault.err = 0;
		(void)wire_get_int(msg, n, -5, 5);
		msg->fault.err = 0;
		(void)wire_get_uint(msg, n, 1, UINT64_MAX);
		msg->fault.err = 0;
		wire_get_text(msg, n, 1, LIMIT_DETAIL, text);
		msg->fault.err = 0;
		(void)wire_get_bytes(msg, n, 4, LIMIT_DIGEST);
		msg->fault.err = 0;
		(void)wire_get_array(msg, n, 2);
		if (msg->fault.err)
			echo_check_fault(msg->fault.err, msg->fault.text);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct wire_msg msg;
	int err = wire_json_decode((struct bytes){data, size}, &msg);

	if (err != msg.fault.err)
		abort();
	if (err) {
		echo_check_fault(err, msg.fault.text);
		return 0;
	}
	echo_check(&msg);
	get_all(&msg);
	return 0;
}
