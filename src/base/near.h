/* SPDX-License-Identifier: Apache-2.0
 *
 * What somebody meant who wrote a word that does not exist.
 */
#ifndef BASE_NEAR_H
#define BASE_NEAR_H

/* The word of `words` (ended by NULL) that `word` was probably meant to be, or NULL. */
const char *near_word(const char *word, const char *const *words);

#endif
