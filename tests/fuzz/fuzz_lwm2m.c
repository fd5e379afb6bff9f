/* SPDX-License-Identifier: Apache-2.0
 *
 * The agent for LwM2M (proto/talk.h) between a device, an engine and a core that are all the
 * input's: each byte is a step, those behind it say what is in it. What must hold whatever they
 * do is checked after each step:
 *	- one reply for each request, none else; what comes out is within its bounds
 *	- the transaction ends
 *	- Execute only past the gate, in State 2; nothing is written in another State than 0
 *	- a status only of the open attempt; a boot keeps what its id was once told with
 *	- asked is only who is registered, and in queue mode only in its window
 *	- a timer is armed while an answer is awaited, and never for a time that has come
 *	- saved and loaded it is the same
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/lwm2m.h"
#include "proto/lwm2m_agent.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define NAMED_OPTIONS                                                                              \
	"lwm2m-uptime=/33605/0/0\nlwm2m-boot-count=/33605/0/1\nlwm2m-digest=/33605/0/2\n"
#define ODD_OPTIONS                                                                                \
	"lwm2m-transfer=pull\nlwm2m-uri-host=[2001:db8::2]\nlwm2m-listen=20\nlwm2m-poll=5\n"       \
	"lwm2m-hardware=/3/0/3\nlwm2m-confirmed=/3/0/9\nlwm2m-uptime=/3/0/10\n"

enum { GET = 1, POST, PUT, DELETE };

static struct {
	struct buf in;
	int64_t now_ms;
	const char *options;
	uint64_t random;
	_Alignas(16) uint8_t talk[sizeof(struct lwm2m_talk)];

	/* the engine */
	bool asking;
	struct talk_ask ask;
	struct boot_id boot; /* of the last report */
	/* core */
	uint64_t attempt, attempts; /* the open one, 0: none; so far */
	bool applying;
	bool ended; /* in this transaction: core offers nothing again at once */
	/* a device that does what it should */
	uint8_t state, result, version;
} w;

static struct lwm2m_talk *talk(void)
{
	return (void *)w.talk;
}

#define hold(what)                                                                                 \
	do {                                                                                       \
		if (!(what)) {                                                                     \
			fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #what);                 \
			abort();                                                                   \
		}                                                                                  \
	} while (0)

static uint8_t byte(void)
{
	return buf_left(&w.in) ? buf_get_u8(&w.in) : 0;
}

static struct bytes rest(size_t max)
{
	size_t len = byte();

	if (len > max)
		len = max;
	if (len > buf_left(&w.in))
		len = buf_left(&w.in);
	return buf_get_bytes(&w.in, len);
}

/* ---- what comes out ---- */

static struct bytes text(const char *s)
{
	return (struct bytes){(const uint8_t *)s, strlen(s)};
}

static bool ends(const char *s, size_t cap)
{
	return memchr(s, 0, cap) != NULL;
}

static bool printable(const char *s, size_t cap)
{
	return ends(s, cap) && wire_text_ok(text(s));
}

static bool is_path(const struct talk_ask *ask, const char *path)
{
	size_t all = strlen(ask->path), len = strlen(path);

	return all >= len && strcmp(ask->path + all - len, path) == 0 &&
	       (all == len || ask->path[all - len - 1] == '/');
}

static void check_ask(const struct talk_ask *ask)
{
	const struct lwm2m_talk *t = talk();

	hold(ask->tag != 0 && ask->method >= GET && ask->method <= DELETE);
	hold(ends(ask->path, sizeof(ask->path)) && ask->path[0] && ask->path[0] != '/');
	hold(ends(ask->query, sizeof(ask->query)) && ask->payload_len <= TALK_PAYLOAD);
	hold(ask->block_szx <= 6);
	hold(t->reg.registered);
	hold(!t->reg.queue || w.now_ms < t->heard_ms + 3600 * 1000);
	hold(!t->reg.queue || w.options[0] || w.now_ms < t->heard_ms + 93 * 1000);
	if (is_path(ask, "5/0/2"))
		hold(ask->method == POST && w.attempt && w.applying && t->told.state == 2 &&
		     t->fw.attempt == w.attempt);
	if (ask->image || (is_path(ask, "5/0/1") && ask->payload_len))
		hold(ask->method == PUT && w.attempt && t->told.state == 0 &&
		     t->fw.attempt == w.attempt);
}

static void check_boot(const struct boot_id *b)
{
	hold(b->len >= LIMIT_BOOT_ID_MIN && b->len <= LIMIT_BOOT_ID);
	if (w.boot.len && memcmp(b->bytes, w.boot.bytes, sizeof(b->bytes)) == 0) {
		hold(!w.boot.has_count || (b->has_count && b->count == w.boot.count));
		hold(b->inferred == w.boot.inferred);
	}
	w.boot = *b;
}

static void check_report(const struct report *r)
{
	check_boot(&r->boot);
	hold(r->version[0] && printable(r->version, sizeof(r->version)));
	hold(printable(r->hardware, sizeof(r->hardware)));
	hold(ends(r->boot_loader, sizeof(r->boot_loader)));
	hold(r->running.len <= LIMIT_DIGEST && r->confirmed >= -1 && r->confirmed <= 1);
	hold(r->battery_percent >= -1 && r->battery_percent <= 100);
	hold(r->fs_free_bytes >= -1 && r->fs_total_bytes >= -1 && r->uptime_s >= -1);
	hold(r->interval_s >= 1);
	hold(printable(r->last.detail, sizeof(r->last.detail)));
	hold(r->last.stage <= STAGE_BOOT_LOADER && r->last.reason <= REASON_DEFERRED);
}

static void check_status(const struct status *s, const struct talk_in *in)
{
	hold(s->attempt != 0 && s->attempt == in->attempt);
	hold(s->state >= STATUS_DOWNLOADING && s->state <= STATUS_FAILED);
	hold(printable(s->detail, sizeof(s->detail)) && s->reason <= REASON_DEFERRED);
	hold(s->state < STATUS_REFUSED || s->reason != REASON_NONE);
	hold(s->received_bytes >= -1 && s->start_offset >= -1 && s->defer_until_s >= -1);
}

static void check_saved(void)
{
	static _Alignas(16) uint8_t copy[sizeof(struct lwm2m_talk)];
	uint8_t one[TALK_SAVED], two[TALK_SAVED];
	struct buf a = buf_writer(one, sizeof(one)), b = buf_writer(two, sizeof(two));

	hold(!talk_lwm2m.save(w.talk, &a));
	talk_lwm2m.init(copy);
	hold(!talk_lwm2m.load(copy, buf_bytes(&a)));
	/* What was out is lost there, and is no try. */
	struct lwm2m_talk *t = (void *)copy;
	hold(t->ask.ask == ASK_NONE);
	t->ask.ask = talk()->ask.ask;
	t->fw.writes = talk()->fw.writes;
	t->fw.executes = talk()->fw.executes;
	hold(!talk_lwm2m.save(copy, &b));
	hold(bytes_equal(buf_bytes(&a), buf_bytes(&b)));
}

static void fact(void *ctx, const char *name, const char *value)
{
	(void)ctx;
	hold(!name || printable(name, 32));
	hold(printable(value, 512));
}

/* What waits must be woken: by its answer, by a timer, or by the device. */
static void check_waiting(void)
{
	const struct lwm2m_talk *t = talk();
	int64_t at_ms = talk_lwm2m.timer_ms(t);
	bool open = t->fw.step != FW_IDLE && t->fw.step != FW_DROP && t->fw.step != FW_PROVING;

	hold(at_ms >= 0 && (at_ms == 0 || at_ms > w.now_ms));
	hold(!w.asking || (at_ms && t->ask.ask != ASK_NONE));
	hold(t->reg.registered || !w.asking);
	if (t->reg.registered && !t->reg.queue && !t->ask.deaf && (open || t->reads.todo))
		hold(at_ms != 0);
	talk_lwm2m.facts(t, w.now_ms, fact, NULL);
}

/* ---- core ---- */

static void decide_report(struct directive *d)
{
	uint8_t how = byte();

	*d = (struct directive){.retry_after_s = -1, .next_check_in_s = -1, .size_bytes = 1000};
	if (w.applying && (how & 3) == 0)
		w.attempt = 0; /* it is closed, well or not */
	else if (w.attempt && (how & 15) == 1)
		w.attempt = 0;
	if (how & 16)
		d->next_check_in_s = byte();
	if (how & 32)
		d->retry_after_s = byte();
	if (!w.attempt && (how & 4) && !w.ended) {
		w.applying = false;
		w.attempt = ++w.attempts;
	} else if (!w.attempt) {
		w.applying = false;
		d->action = how & 8 ? DIRECTIVE_PENDING : DIRECTIVE_NONE;
		return;
	} else if (w.applying && (how & 8)) {
		return; /* it runs; proof is to come */
	}
	d->action = DIRECTIVE_UPDATE;
	d->attempt = w.attempt;
	d->flags = how & 64 ? DIRECTIVE_FRESH : 0;
	d->block_bytes = how & 128 ? 16u << (how & 7) : 0;
	memset(d->file_sha256, how, sizeof(d->file_sha256));
}

static bool decide_status(const struct status *s)
{
	bool ours = w.attempt && s->attempt == w.attempt;

	if (!ours || (s->state <= STATUS_APPLYING && byte() == 1))
		return false;
	if (s->state == STATUS_APPLYING)
		w.applying = true;
	if (s->state >= STATUS_REFUSED) {
		w.attempt = 0;
		w.applying = false;
		w.ended = true;
	}
	return true;
}

/* ---- the engine ---- */

static uint64_t chance(void)
{
	return w.random = w.random * UINT64_C(6364136223846793005) + 1;
}

static bool step(struct talk_in *in, struct talk_out *out)
{
	in->random = chance();
	in->attempt = w.attempt;
	in->attempt_applying = w.attempt && w.applying;
	talk_out_init(out);
	talk_lwm2m.step(w.talk, in, out);
	hold(!(out->has_report && out->has_status));
	hold(!(out->has_ask && (out->has_report || out->has_status)));
	hold(out->has_reply == (in->event == TALK_REQUEST));
	hold(ends(out->log, sizeof(out->log)));
	if (out->has_reply) {
		hold(out->reply.payload_len <= TALK_PAYLOAD && out->reply.code >> 5 >= 2);
		for (int i = 0; i < 2; i++)
			hold(ends(out->reply.location[i], sizeof(out->reply.location[i])));
	}
	return out->has_report || out->has_status;
}

static void transact(struct talk_in *in)
{
	static struct talk_out out;
	struct directive directive;
	bool cancels = false;

	w.ended = false;
	in->now_ms = w.now_ms;
	in->device = "lamp-1";
	in->options = (struct bytes){(const uint8_t *)w.options, strlen(w.options)};
	in->secure = w.random & 64;
	in->asking = w.asking && in->event != TALK_ANSWER;
	strcpy(in->local, "[2001:db8::1]:5684");
	if (in->event == TALK_ANSWER)
		w.asking = false;
	for (unsigned i = 0; step(in, &out); i++) {
		hold(i + 1 < TALK_STEPS);
		cancels = cancels || out.cancels;
		if (out.has_report) {
			check_report(&out.report);
			decide_report(&directive);
			in->event = TALK_DIRECTIVE;
			in->directive = &directive;
		} else {
			check_status(&out.status, in);
			in->accepted = decide_status(&out.status);
			in->event = TALK_ACCEPTED;
		}
	}
	cancels = cancels || out.cancels;
	if (cancels)
		w.asking = false;
	if (out.has_ask) {
		check_ask(&out.ask);
		w.ask = out.ask;
		w.asking = true;
	}
	check_waiting();
	check_saved();
}

static void crash(void)
{
	uint8_t saved[TALK_SAVED];
	struct buf b = buf_writer(saved, sizeof(saved));

	hold(!talk_lwm2m.save(w.talk, &b));
	talk_lwm2m.init(w.talk);
	hold(!talk_lwm2m.load(w.talk, buf_bytes(&b)));
	w.asking = false;
}

/* Somebody else's bytes: it may refuse them, and lives with those that it does not. */
static void load_junk(void)
{
	static _Alignas(16) uint8_t copy[sizeof(struct lwm2m_talk)];

	talk_lwm2m.init(copy);
	if (!talk_lwm2m.load(copy, rest(255)))
		talk_lwm2m.facts(copy, w.now_ms, fact, NULL);
}

/* ---- the device ---- */

static void request(uint8_t method, const char *first, const char *second, struct bytes *query,
		    unsigned queries, int format, struct bytes payload)
{
	struct bytes path[2] = {text(first), text(second ? second : "")};
	struct talk_request r = {.method = method,
				 .path = path,
				 .path_count = second ? 2 : 1,
				 .query = query,
				 .query_count = queries,
				 .content_format = format,
				 .accept = -1,
				 .payload = payload,
				 .duplicate = w.random >> 60 == 0};
	struct talk_in in = {.event = TALK_REQUEST, .request = &r};

	transact(&in);
}

static void do_register(void)
{
	static const char *const versions[] = {"lwm2m=1.0", "lwm2m=1.1", "lwm2m=1.2", "lwm2m=2"};
	static const char *const links[] = {
		"</>;rt=\"oma.lwm2m\";ct=110,</1/0>,</3/0>,</5/0>",
		"</l>;rt=oma.lwm2m;ct=112,</l/3/0>,</l/5>",
		"</3/0>,</33605/0>",
		"",
	};
	uint8_t how = byte();
	struct bytes query[6] = {text(versions[how & 3]), text("ep=lamp-1"),
				 text(how & 4 ? "lt=60" : "lt=86400"),
				 text(how & 8 ? "b=UQ" : "b=U")};
	unsigned count = 4;

	if (how & 16)
		query[count++] = text("Q");
	if (how & 32)
		query[count++] = rest(64);
	request(POST, "rd", NULL, query, count, 40,
		how & 64 ? rest(255) : text(links[how >> 7 | (how >> 1 & 2)]));
}

static void do_update(void)
{
	uint8_t how = byte();
	struct bytes query[2] = {text("lt=120"), rest(how & 1 ? 64 : 0)};

	request(how & 2	  ? DELETE
		: how & 4 ? PUT
			  : POST,
		"rd", how & 8 ? "nobody" : talk()->reg.location, query, how & 3, how & 16 ? 40 : -1,
		how & 16 ? rest(255) : text(""));
}

static void do_raw_request(void)
{
	static const char *const first[] = {"rd", "bs", "dp", "dp"};
	static const int formats[] = {110, 112, 60, -1};
	uint8_t how = byte();
	struct bytes query[2] = {rest(40), rest(40)};

	request((uint8_t)(1 + (how >> 4 & 3)), first[how & 3], how & 128 ? "x" : NULL, query, 2,
		formats[how >> 2 & 3], rest(255));
}

/* Values of the device, in one of the formats; bits say which of them it has. */
static struct bytes values_of(int format, const struct lwm2m_path *base, uint8_t a, uint8_t b,
			      uint8_t c, uint8_t dst[512])
{
	static const char *const versions[] = {"1.0", "2.0", "\x1b[2J", ""};
	struct lwm2m_value all[12], some[12];
	size_t count = 0, n = 0;
	struct buf out = buf_writer(dst, 512);
#define NUMBER(o, r, v)                                                                            \
	all[count++] = (struct lwm2m_value){                                                       \
		.path = {.count = 3, .id = {(o), 0, (r)}}, .type = LWM2M_INT, .number = (v)}

	all[count++] = (struct lwm2m_value){.path = {.count = 3, .id = {3, 0, 3}},
					    .type = LWM2M_STRING,
					    .bytes = text(versions[a >> 2 & 3])};
	NUMBER(3, 9, b);
	NUMBER(3, 10, (int64_t)((uint64_t)b << (c & 63)));
	NUMBER(3, 13, c & 1 ? b : w.now_ms / 1000);
	NUMBER(5, 3, (int64_t)(a & 3));
	NUMBER(5, 5, (int64_t)(b & 15));
	if (c & 2)
		NUMBER(5, 9, (int64_t)(c >> 2 & 3));
	if (c & 16)
		NUMBER(5, 8, (int64_t)(c >> 5 & 3));
	NUMBER(33605, 0, c & 128 ? b : w.now_ms / 1000);
	NUMBER(33605, 1, a >> 4);
	all[count++] = (struct lwm2m_value){.path = {.count = 3, .id = {33605, 0, 2}},
					    .type = LWM2M_BYTES,
					    .bytes = {(const uint8_t *)&w, (size_t)(b & 63)}};
#undef NUMBER
	for (size_t i = 0; i < count; i++)
		if (all[i].path.id[0] == base->id[0] &&
		    (base->count < 2 || all[i].path.id[1] == base->id[1]) &&
		    (base->count < 3 || all[i].path.id[2] == base->id[2]))
			some[n++] = all[i];
	if (n == 0 || lwm2m_encode_all(format, base, some, n, &out))
		return (struct bytes){NULL, 0};
	return buf_bytes(&out);
}

static void do_reboot(void)
{
	w.version = w.state == 3;
	w.result = w.state == 3;
	w.state = 0;
	do_register();
}

/* What was asked has its effect. */
static void obey(void)
{
	if (is_path(&w.ask, "5/0/2") && w.state == 2)
		w.state = 3;
	else if (is_path(&w.ask, "5/0/1"))
		w.state = w.ask.payload_len > 0;
	else if (is_path(&w.ask, "5/0/0"))
		w.state = w.ask.image ? 2 : 0;
	else if (is_path(&w.ask, "5/0") && w.state == 1)
		w.state = 2;
}

/* To what it was asked: as it should (`good`), or with values of the input's. */
static void do_fitting_answer(bool good)
{
	static const int formats[] = {LWM2M_TLV, LWM2M_SENML_CBOR, LWM2M_SENML_JSON, LWM2M_TLV};
	struct lwm2m_path path = {0};
	const char *at = w.ask.path;
	uint8_t raw[512];
	struct talk_answer a = {.tag = w.ask.tag, .code = 2 << 5 | 4, .content_format = -1};
	struct talk_in in = {.event = TALK_ANSWER, .answer = &a};

	if (at[0] == 'l')
		at += 2;
	if (w.ask.method == GET && !lwm2m_path_parse(text(at), &path)) {
		uint8_t how = good ? 0 : byte();
		uint8_t first = (uint8_t)(w.state | w.version << 2);
		if (!good)
			first = byte();
		uint8_t second = good ? w.result : byte(), third = good ? 0 : byte();
		a.code = 2 << 5 | 5;
		a.content_format = w.ask.accept >= 0 ? w.ask.accept : formats[how & 3];
		a.payload = values_of(a.content_format, &path, first, second, third, raw);
		if (!a.payload.len)
			a.code = 4 << 5 | 4;
	}
	if (good)
		obey();
	transact(&in);
}

static void do_answer(bool notified)
{
	static const int errs[] = {0, 0, 0, 0, ERR_TIMEOUT, ERR_CLOSED, ERR_NOENT, ERR_LIMIT};
	static const int formats[] = {0, 42, 60, 110, 112, 11542, 11543, -1};
	uint8_t how = byte();
	struct talk_answer a = {.err = errs[how & 7],
				.tag = w.ask.tag,
				.code = byte(),
				.content_format = formats[how >> 3 & 7],
				.payload = rest(255)};
	struct talk_in in = {.event = notified ? TALK_NOTIFIED : TALK_ANSWER, .answer = &a};

	if (notified)
		a.tag = 1 + (how >> 6 & 1);
	else if (how & 128)
		a.tag ^= how;
	if (a.err) {
		a.code = 0;
		a.payload.len = 0;
	}
	transact(&in);
}

/* To the timer, or so long. */
static void do_wait(void)
{
	uint8_t how = byte();
	int64_t at_ms = talk_lwm2m.timer_ms(w.talk);

	if (how == 0 && at_ms > w.now_ms)
		w.now_ms = at_ms;
	else
		w.now_ms += ((int64_t)how << (how & 15)) * 100;
	at_ms = talk_lwm2m.timer_ms(w.talk);
	if (at_ms && at_ms <= w.now_ms)
		transact(&(struct talk_in){.event = TALK_TIMER});
}

/* An operator, or a deadline of core. */
static void do_core(bool acts)
{
	if (acts) {
		w.attempt = byte() & 1 || !w.attempt ? 0 : ++w.attempts;
		w.applying = false;
	}
	transact(&(struct talk_in){.event = TALK_RING});
}

static void do_one(uint8_t op)
{
	switch (op & 15) {
	case 0:
		do_register();
		break;
	case 1:
		do_update();
		break;
	case 2:
		do_raw_request();
		break;
	case 3:
	case 4:
	case 5:
		if (w.asking)
			do_fitting_answer((op & 15) != 5);
		break;
	case 6:
		do_reboot();
		break;
	case 7:
	case 8:
		if (w.asking)
			do_answer(false);
		break;
	case 9:
		do_answer(true);
		break;
	case 10:
	case 11:
		do_wait();
		break;
	case 12:
		do_core(false);
		break;
	case 13:
		crash();
		break;
	case 14:
		do_core(true);
		break;
	default:
		load_junk();
		break;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const options[] = {
		"",
		"lwm2m-transfer=push\nlwm2m-block=64\n",
		NAMED_OPTIONS,
		ODD_OPTIONS,
	};

	memset(&w, 0, sizeof(w));
	w.in = buf_reader(data, size);
	w.now_ms = INT64_C(1800000000000);
	uint8_t how = byte();
	w.options = options[how & 3];
	w.random = how;
	talk_lwm2m.init(w.talk);
	while (buf_left(&w.in))
		do_one(byte());
	return 0;
}
