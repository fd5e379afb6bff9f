/* SPDX-License-Identifier: Apache-2.0 */
#include "base/near.h"

#include <limits.h>
#include <stddef.h>
#include <string.h>

/* Letters to change, add, leave out or swap with their neighbour, up to 32 letters. */
static unsigned distance(const char *a, const char *b)
{
	enum { MAX = 32 };
	unsigned d[MAX + 1][MAX + 1];
	size_t la = strlen(a), lb = strlen(b);

	if (la > MAX || lb > MAX)
		return UINT_MAX;
	for (size_t i = 0; i <= la; i++)
		d[i][0] = (unsigned)i;
	for (size_t j = 0; j <= lb; j++)
		d[0][j] = (unsigned)j;
	for (size_t i = 1; i <= la; i++) {
		for (size_t j = 1; j <= lb; j++) {
			unsigned best = d[i - 1][j - 1] + (a[i - 1] != b[j - 1]);

			if (d[i - 1][j] + 1 < best)
				best = d[i - 1][j] + 1;
			if (d[i][j - 1] + 1 < best)
				best = d[i][j - 1] + 1;
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] &&
			    d[i - 2][j - 2] + 1 < best)
				best = d[i - 2][j - 2] + 1;
			d[i][j] = best;
		}
	}
	return d[la][lb];
}

const char *near_word(const char *word, const char *const *words)
{
	const char *nearest = NULL;
	unsigned best = strlen(word) < 4 ? 2 : 3; /* so many changes are too many */

	for (; *words != NULL; words++) {
		unsigned d = distance(word, *words);
		size_t len = strlen(word);

		/* the beginning of a word is a good guess too */
		if (len >= 3 && strncmp(word, *words, len) == 0)
			d = 1;
		if (d < best) {
			best = d;
			nearest = *words;
		}
	}
	return nearest;
}
