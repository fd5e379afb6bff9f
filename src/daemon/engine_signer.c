/* SPDX-License-Identifier: Apache-2.0
 *
 * Acts on signers: the keys that releases of a product may, or with require-signature must, be
 * signed with.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/engine_act.h"
#include "daemon/view.h"

/* Of them only the product's rev is in memory. */
static int adopt_signer(struct act *act, const struct store_result *result)
{
	struct product *p = catalog_product(act->e, act->product.id);

	(void)result;
	if (p)
		p->rev++;
	return 0;
}

struct signer_put {
	const struct product *product;
	const struct signer *signer;
	bool goes;
};

static void put_signer(struct store_set *set, const void *what)
{
	const struct signer_put *put = what;

	store_set_product(set, put->product);
	if (put->goes)
		store_set_signer_delete(set, put->product->id, put->signer);
	else
		store_set_signer(set, put->product->id, put->signer);
}

static json_t *audit_signer(const struct signer *s)
{
	json_t *o = json_object();

	view_put_text(&o, "key", s->id);
	view_put(&o, "kind", json_string(signer_kind_name(s->kind)));
	return o;
}

/* The product and its signers; NULL after it was answered. */
static const struct product *look(struct engine *e, const struct actor *by, const char *product,
				  struct signers *list, engine_done *done, void *ctx)
{
	const struct product *p = catalog_product_named(e, product);

	if (!p) {
		act_answer(done, ctx, ERR_NOENT, "no such product");
		return NULL;
	}
	if (!actor_matches(by, p->rev)) {
		act_answer(done, ctx, ERR_STALE, act_stale_why);
		return NULL;
	}
	int err = store_signers(e->conf.store, p->id, list);
	if (err) {
		act_answer(done, ctx, err, act_store_why(err));
		return NULL;
	}
	return p;
}

static const struct signer *signer_find(const struct signers *list, const char *name)
{
	for (unsigned i = 0; i < list->count; i++)
		if (strcmp(list->list[i].name, name) == 0)
			return &list->list[i];
	return NULL;
}

static const struct signer *signer_with_key(const struct signers *list, const char *id)
{
	for (unsigned i = 0; i < list->count; i++)
		if (strcmp(list->list[i].id, id) == 0)
			return &list->list[i];
	return NULL;
}

static void submit(struct engine *e, const struct actor *by, const struct product *p,
		   const struct signer *s, bool goes, engine_done *done, void *ctx)
{
	struct act *act =
		act_new(e, adopt_signer, goes ? "signer remove" : "signer add", by, done, ctx);

	if (!act)
		return;
	act->product = *p;
	act_object(act, p->name, s->name);
	const struct signer_put put = {&act->product, s, goes};
	act_submit(act, put_signer, &put, goes ? audit_signer(s) : json_null(),
		   goes ? json_null() : audit_signer(s));
}

void engine_signer_add(struct engine *e, const struct actor *by, const char *product,
		       const struct signer *s, engine_done *done, void *ctx)
{
	struct signers list;
	const struct product *p = look(e, by, product, &list, done, ctx);
	const struct signer *same;
	char why[256];

	if (!p)
		return;
	if (signer_find(&list, s->name)) {
		act_answer(done, ctx, ERR_EXIST, "the product has a signer of this name already");
		return;
	}
	same = signer_with_key(&list, s->id);
	if (same) {
		(void)snprintf(why, sizeof(why), "the product has this key already, as signer %s",
			       same->name);
		act_answer(done, ctx, ERR_EXIST, why);
		return;
	}
	if (list.count == LIMIT_SIGNERS) {
		(void)snprintf(why, sizeof(why),
			       "the product has %d signers, as many as it may have; remove one "
			       "first",
			       LIMIT_SIGNERS);
		act_answer(done, ctx, ERR_BUSY, why);
		return;
	}
	submit(e, by, p, s, false, done, ctx);
}

void engine_signer_remove(struct engine *e, const struct actor *by, const char *product,
			  const char *name, engine_done *done, void *ctx)
{
	struct signers list;
	const struct product *p = look(e, by, product, &list, done, ctx);
	const struct signer *s;

	if (!p)
		return;
	s = signer_find(&list, name);
	if (s)
		submit(e, by, p, s, true, done, ctx);
	else
		act_answer(done, ctx, ERR_NOENT, "the product has no such signer");
}

/* What was looked at may have changed since: a key may be gone, the policy set. */
int release_unsigned(struct engine *e, const struct product *p, const struct release *r,
		     char why[RELEASE_WHY])
{
	struct signers list;

	if (!p->policy.require_signature)
		return 0;
	if (!r->signed_by[0]) {
		(void)snprintf(why, RELEASE_WHY,
			       "release %s is not signed, and product %s takes only what one of "
			       "its signers has signed (require-signature); sign the image, and "
			       "add it as a new release",
			       r->version, p->name);
		return ERR_BUSY;
	}
	int err = store_signers(e->conf.store, p->id, &list);
	if (err) {
		(void)buf_copy_str(why, RELEASE_WHY, act_store_why(err));
		return err;
	}
	if (signer_with_key(&list, r->signed_key))
		return 0;
	(void)snprintf(why, RELEASE_WHY,
		       "release %s is signed by %s with key %s, which is no signer of product %s "
		       "any more (require-signature)",
		       r->version, r->signed_by, r->signed_key, p->name);
	return ERR_BUSY;
}
