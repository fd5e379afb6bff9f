/* SPDX-License-Identifier: Apache-2.0
 *
 * Any text: parsed or refused with a place; what is accepted prints to a text that parses to
 * the same values. A byte 0xff parts the input into two texts.
 */
#include <assert.h>
#include <string.h>

#include "daemon/conf.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct conf_errors errors;
	static char printed[CONF_PRINT_MAX];
	const uint8_t *cut = size ? memchr(data, 0xff, size) : NULL;
	size_t first = cut ? (size_t)(cut - data) : size;
	struct conf_text texts[2] = {{"a", (const char *)data, first}, {"b", NULL, 0}};
	struct conf conf, again;

	if (cut) {
		texts[1].ptr = (const char *)cut + 1;
		texts[1].len = size - first - 1;
	}
	if (conf_parse(texts, cut ? 2 : 1, &conf, &errors) < 0) {
		assert(errors.count > 0 && errors.count <= CONF_ERRORS_MAX);
		for (unsigned i = 0; i < errors.count; i++)
			assert(memchr(errors.text[i], '\0', sizeof(errors.text[i])));
		return 0;
	}
	struct buf out = buf_writer(printed, sizeof(printed));
	conf_print(&conf, &out);
	assert(buf_ok(&out));
	texts[0] = (struct conf_text){"printed", printed, buf_bytes(&out).len};
	assert(conf_parse(texts, 1, &again, &errors) == 0);
	for (unsigned i = 0; i < conf_key_count(); i++)
		assert(conf_key_same(conf_key(i), &conf, &again));
	return 0;
}
