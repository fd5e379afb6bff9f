/* SPDX-License-Identifier: Apache-2.0
 *
 * What a device is and says, and what proof it can give, in words.
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "proto/lwm2m_agent.h"

enum { STUCK_MS = 60 * 1000 }; /* the restart of a device may take that long */

struct teller {
	void (*tell)(void *ctx, const char *name, const char *value);
	void *ctx;
	int64_t now_ms;
};

static void say(const struct teller *to, const char *name, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

static void say(const struct teller *to, const char *name, const char *fmt, ...)
{
	char text[320];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	to->tell(to->ctx, name, text);
}

static long long ago_s(const struct teller *to, int64_t ms)
{
	return ms < to->now_ms ? (long long)((to->now_ms - ms) / 1000) : 0;
}

static void tell_registration(const struct teller *to, const struct lwm2m_talk *t)
{
	const struct lwm2m_registration *r = &t->reg;

	if (t->refused[0]) {
		say(to, "refused", "%s, %lld s ago", t->refused, ago_s(to, t->refused_ms));
		say(to, NULL, "Its newest registration was refused: %s%s.", t->refused,
		    strstr(t->refused, " ep: ") ? "; set the endpoint name to \"ID\"" : "");
	}
	if (r->count == 0) {
		say(to, "registration", "none yet");
		return;
	}
	say(to, "lwm2m version", "1.%d", r->version - 10);
	if (r->registered)
		say(to, "registration", "/rd/%s, %lld s old", r->location, ago_s(to, r->since_ms));
	else
		say(to, "registration", "none: it de-registered");
	say(to, "lifetime", "%lld s", (long long)r->lifetime_s);
	say(to, "binding", "%s", r->binding);
	if (!r->queue)
		say(to, "queue mode", "no");
	else if (t->window_ms > to->now_ms)
		say(to, "queue mode", "yes, listens for %lld s more",
		    (long long)((t->window_ms - to->now_ms + 999) / 1000));
	else
		say(to, "queue mode", "yes, asleep until it speaks");
	say(to, "last word", "%lld s ago", ago_s(to, t->heard_ms));
	if (r->root[0])
		say(to, "root", "%s", r->root);
}

static const char *format_word(const struct lwm2m_reads *r)
{
	if (r->single_device || r->single_firmware)
		return "single resources";
	switch (r->format) {
	case LWM2M_TLV:
		return "TLV";
	case LWM2M_SENML_CBOR:
		return "SenML-CBOR";
	case LWM2M_SENML_JSON:
		return "SenML-JSON";
	default:
		return "as the device likes";
	}
}

static const char *step_word(enum lwm2m_step step)
{
	static const char *const words[FW_STEPS] = {
		[FW_IDLE] = "nothing to do",
		[FW_RESET] = "waits for State 0",
		[FW_WRITE] = "is to be given the image",
		[FW_WRITTEN] = "was given the image, State 2 is to come",
		[FW_EXECUTE] = "is to be told to apply it",
		[FW_EXECUTED] = "was told to apply it, a boot is to come",
		[FW_PROVING] = "runs the image, proof is to come",
		[FW_DROP] = "is to drop an image that is not wanted any more",
	};

	return words[step];
}

static void tell_firmware(const struct teller *to, const struct lwm2m_talk *t)
{
	const struct lwm2m_told *told = &t->told;
	static const char *const delivery[] = {"pull", "push", "pull and push"};
	char result[LIMIT_DETAIL + 1];

	say(to, "format", "%s", format_word(&t->reads));
	if (told->state < 0) {
		say(to, "state", "no Firmware Update object seen");
		return;
	}
	say(to, "state", "%lld (%s)", (long long)told->state, lwm2m_state_word(told->state));
	if (told->result >= 0) {
		lwm2m_result_text(told->result, result);
		say(to, "result", "%s", result + strlen("LwM2M result "));
	}
	if (told->delivery >= 0 && told->delivery <= 2)
		say(to, "delivery", "%s", delivery[told->delivery]);
	say(to, "update", "%s%s", step_word(t->fw.step),
	    t->fw.step == FW_WRITTEN || t->fw.step == FW_WRITE ? t->fw.push ? " (push)" : " (pull)"
							       : "");
}

/* In it nothing can be given to the device, and an attempt ends without having begun. */
static void tell_stuck(const struct teller *to, const struct lwm2m_talk *t)
{
	const long long state = t->told.state;

	if (state == 3 && (t->fw.step == FW_RESET || t->fw.step == FW_IDLE))
		say(to, NULL,
		    "It says State 3 (updating), and there is nothing that it was told to apply: "
		    "by the specification it takes no image until its own update has ended in "
		    "State 0 (idle). Restart it; if it comes back in State 3, look at its update "
		    "code.");
	else if (lwm2m_hangs(t) && to->now_ms - t->fw.execute_ms >= STUCK_MS)
		say(to, NULL,
		    "It was told to apply the image %lld s ago, says State 3 (updating) ever "
		    "since, "
		    "and no restart was seen: without one the attempt ends as never-rebooted. "
		    "Restart "
		    "it; if that does not help, look at what its code of /5/0/2 (Update) waits "
		    "for.",
		    ago_s(to, t->fw.execute_ms));
	else if (state > 0 && t->fw.step == FW_RESET)
		say(to, NULL,
		    "It says State %lld (%s) before it was given anything: by the specification an "
		    "empty Package URI (/5/0/1) brings it back to State 0 (idle), which is what is "
		    "waited for.",
		    state, lwm2m_state_word(state));
}

static void tell_errors(const struct teller *to, const struct lwm2m_told *told)
{
	char text[128];
	struct buf b = buf_writer(text, sizeof(text));

	if (told->errors < 0)
		return;
	if (told->errors == 0)
		buf_put_str(&b, "0 (none)");
	for (unsigned code = 1; code < LWM2M_ERRORS; code++) {
		const char *word = lwm2m_error_word(code);
		if (!(told->errors & INT64_C(1) << code))
			continue;
		buf_put_str(&b, b.pos ? ", " : "");
		buf_put_dec(&b, code);
		if (word) {
			buf_put_str(&b, " (");
			buf_put_str(&b, word);
			buf_put_str(&b, ")");
		}
	}
	say(to, "error code", "%s", buf_cstr(&b));
}

static void tell_device(const struct teller *to, const struct lwm2m_told *told)
{
	tell_errors(to, told);
	if (told->package[0])
		say(to, "package version", "%s", told->package);
}

/* ---- what it can prove ---- */

static bool named(const struct lwm2m_talk *t, enum lwm2m_named n)
{
	return t->named & 1u << n;
}

static void tell_boot_proof(const struct teller *to, const struct lwm2m_talk *t)
{
	if (t->told.boot_count >= 0)
		say(to, "proof of a boot", "boot counter (standard)");
	else if (t->told.uptime_s >= 0)
		say(to, "proof of a boot", "uptime (standard)");
	else
		say(to, "proof of a boot", "a new registration (weak)");
	if (named(t, NAMED_BOOT_COUNT) && t->told.boot_count < 0)
		say(to, NULL, "It does not show the resource of lwm2m-boot-count.");
	if (named(t, NAMED_UPTIME) && t->told.uptime_s < 0)
		say(to, NULL, "It does not show the resource of lwm2m-uptime.");
	if (t->told.boot_count >= 0 || t->told.uptime_s >= 0)
		return;
	say(to, NULL,
	    "That it has restarted is only known from its registrations, so a success is weak%s.",
	    named(t, NAMED_BOOT_COUNT) || named(t, NAMED_UPTIME)
		    ? ""
		    : "; a boot counter or an uptime would show it: postbootctl product set "
		      "PRODUCT --protocol-option lwm2m-boot-count=/O/I/R (or lwm2m-uptime=/O/I/R)");
}

static void tell_image_proof(const struct teller *to, const struct lwm2m_talk *t)
{
	char kind[16], digest[32] = "";

	if (t->told.running.len)
		(void)snprintf(digest, sizeof(digest), ", digest (%s)",
			       digest_kind_name(t->told.running.kind, kind));
	say(to, "proof of the image", "version%s%s", digest,
	    t->told.confirmed >= 0 ? ", confirmation" : "");
	if (named(t, NAMED_DIGEST) && !t->told.running.len)
		say(to, NULL, "It does not show the resource of lwm2m-digest.");
	else if (!t->told.running.len)
		say(to, NULL,
		    "What it runs is only known by its label (/3/0/3); a digest would show the "
		    "bytes: postbootctl product set PRODUCT --protocol-option "
		    "lwm2m-digest=/O/I/R.");
	if (named(t, NAMED_CONFIRMED) && t->told.confirmed < 0)
		say(to, NULL, "It does not show the resource of lwm2m-confirmed.");
}

void lwm2m_facts(const void *talk, int64_t now_ms,
		 void (*tell)(void *ctx, const char *name, const char *value), void *ctx)
{
	const struct lwm2m_talk *t = talk;
	const struct teller to = {tell, ctx, now_ms};

	tell_registration(&to, t);
	if (t->told.device_ms == 0)
		return;
	tell_firmware(&to, t);
	tell_stuck(&to, t);
	tell_device(&to, &t->told);
	tell_boot_proof(&to, t);
	tell_image_proof(&to, t);
}
