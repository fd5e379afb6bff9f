/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/admin_lint.h"

#include "daemon/admin_args.h"

static bool take_digests(struct request *rq, const struct image *im, struct release *r)
{
	char given[160], own[160];

	for (unsigned i = 0; i < im->digest_count; i++) {
		const struct digest *d = &im->digest[i];
		int err = release_add_digest(r, d);
		if (err == ERR_EXIST) {
			reply_problem(rq, 400, "invalid",
				      "running: %s was given, but the image has %s",
				      digest_text(release_digest(r, d->kind), given),
				      digest_text(d, own));
			return false;
		}
		if (err) {
			reply_problem(rq, 400, "limit",
				      "running: too many kinds: the image has %s as well",
				      digest_text(d, own));
			return false;
		}
	}
	return true;
}

/* What devices compare theirs with. */
static bool take_counter(struct request *rq, const struct image_facts *facts, struct requires *q)
{
	if (facts->security_counter < 0)
		return true;
	if (q->has_security_counter && q->security_counter != facts->security_counter) {
		reply_problem(rq, 400, "invalid",
			      "security_counter: %lld was given, but the image has %lld",
			      (long long)q->security_counter, (long long)facts->security_counter);
		return false;
	}
	q->has_security_counter = true;
	q->security_counter = facts->security_counter;
	return true;
}

bool lint_release(struct request *rq, const struct product *p, const struct image *im,
		  bool label_anyway, struct release *r)
{
	const struct image_facts *facts = &im->facts;
	bool fits = image_label_fits(facts, r->version);

	if (im->fault[0]) {
		reply_problem(rq, 400, "invalid", "the image is a damaged %s: %s",
			      image_format_text(facts->format), im->fault);
		return false;
	}
	if (!image_hardware_fits(facts, p->hardware)) {
		reply_problem(rq, 400, "invalid",
			      "the image is built for %s, but the hardware of product \"%s\" is "
			      "\"%s\"",
			      facts->hardware, p->name, p->hardware);
		return false;
	}
	if (!fits && !label_anyway) {
		reply_problem(rq, 400, "invalid",
			      "the label is \"%s\", but the image says that it is \"%s\", and "
			      "devices will report that; name it so, or say label_anyway=1 "
			      "(--label-anyway)",
			      r->version, facts->version);
		return false;
	}
	r->image = *facts;
	r->label_anyway = !fits;
	return take_counter(rq, facts, &r->requires) && take_digests(rq, im, r);
}

bool lint_signature(struct request *rq, const struct product *p, const struct signers *signers,
		    const struct sign_result *result, struct release *r)
{
	const struct signer *s = &signers->list[result->key];

	switch (result->verdict) {
	case SIGN_GOOD:
		(void)buf_copy_str(r->signed_by, sizeof(r->signed_by), s->name);
		(void)buf_copy_str(r->signed_key, sizeof(r->signed_key), s->id);
		return true;
	case SIGN_BAD:
		reply_problem(rq, 400, "invalid", "signature: %s", result->why);
		return false;
	case SIGN_NONE:
	case SIGN_STRANGE:
		break;
	}
	if (p->policy.require_signature)
		reply_problem(rq, 400, "invalid",
			      "product \"%s\" takes only what one of its signers has signed "
			      "(require-signature); this image is not: %s",
			      p->name, result->why);
	return !p->policy.require_signature;
}
