/* SPDX-License-Identifier: Apache-2.0 */
#include "core/signer.h"

#include <string.h>

#define COUNT(table) (sizeof(table) / sizeof((table)[0]))
#define KIND_WORD(name, word) word,

static const char *const kind_words[] = {SIGNER_KIND_LIST(KIND_WORD)};

const char *signer_kind_name(enum signer_kind kind)
{
	return (size_t)kind < COUNT(kind_words) ? kind_words[kind] : "unknown";
}

int signer_kind_from_name(const char *name, enum signer_kind *ret_kind)
{
	for (size_t i = 0; i < COUNT(kind_words); i++) {
		if (strcmp(kind_words[i], name) == 0) {
			*ret_kind = (enum signer_kind)i;
			return 0;
		}
	}
	return ERR_INVAL;
}
