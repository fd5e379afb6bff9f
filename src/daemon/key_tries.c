/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/key_tries.h"

#include <stddef.h>

static struct key_try *place(struct key_tries *t, uint64_t print)
{
	return &t->list[print % LIMIT_KEY_TRIES];
}

static const struct key_try *look(const struct key_tries *t, uint64_t print)
{
	return &t->list[print % LIMIT_KEY_TRIES];
}

enum key_slot key_tries_choose(const struct key_tries *t, uint64_t claim, uint64_t identity,
			       bool coin)
{
	const struct key_try *here = look(t, claim), *anywhere = look(t, identity);
	enum key_slot by_chance = coin ? KEY_NEXT : KEY_CURRENT;

	if (here->print == claim && here->failures == 1)
		return here->tried == KEY_CURRENT ? KEY_NEXT : KEY_CURRENT;
	/* It has failed from here often, or from somewhere (a device's address may change); or
	 * others stand where that would be written. */
	if (here->print || anywhere->print)
		return by_chance;
	return KEY_CURRENT;
}

static void note(struct key_tries *t, uint64_t print, enum key_slot tried)
{
	struct key_try *k = place(t, print);

	/* Who was put out by another may have failed before: that counts, or one failure between
	 * two of his would always be the wrong hint. */
	if (k->print != print)
		*k = (struct key_try){.print = print, .failures = k->print != 0};
	if (k->failures < UINT32_MAX)
		k->failures++;
	k->tried = tried;
}

void key_tries_failed(struct key_tries *t, uint64_t claim, uint64_t identity, enum key_slot tried)
{
	note(t, claim, tried);
	note(t, identity, tried);
}

static void forget(struct key_tries *t, uint64_t print)
{
	if (place(t, print)->print == print)
		*place(t, print) = (struct key_try){0};
}

void key_tries_succeeded(struct key_tries *t, uint64_t claim, uint64_t identity)
{
	forget(t, claim);
	forget(t, identity);
}
