/* SPDX-License-Identifier: Apache-2.0 */
#include "emu/conf.h"

#include "emu/download.h"
#include "emu/fs.h"
#include "emu/lwm2m.h"
#include "emu/text.h"

#include <stdlib.h>
#include <string.h>

#ifndef PACKAGE_VERSION
#define PACKAGE_VERSION "unknown"
#endif

/* One row per option: from it come the parser, the usage and the errors. */
struct conf_row {
	const char *name;
	const char *arg; /* NULL: a switch */
	int (*set)(struct emu_conf *conf, const char *value);
	const char *help;
};

static int copy_text(char *dst, size_t cap, const char *value)
{
	for (const char *p = value; *p != '\0'; p++)
		if ((unsigned char)*p < 0x20)
			return ERR_INVAL;
	return *value != '\0' && buf_copy_str(dst, cap, value) ? 0 : ERR_INVAL;
}

static int set_u32(uint32_t *dst, const char *value, uint64_t min, uint64_t max)
{
	uint64_t number;

	if (emu_parse_uint(value, max, &number) != 0 || number < min)
		return ERR_RANGE;
	*dst = (uint32_t)number;
	return 0;
}

static int set_server(struct emu_conf *conf, const char *value)
{
	const char *rest;
	int err = emu_uri_parse(value, &conf->dtls, &conf->server, &rest);

	return err || *rest == '\0' || strcmp(rest, "/") == 0 ? err : ERR_INVAL;
}

static int set_id(struct emu_conf *conf, const char *value)
{
	return copy_text(conf->id, sizeof(conf->id), value);
}

static int set_psk_file(struct emu_conf *conf, const char *value)
{
	conf->psk_file = value;
	return 0;
}

static int set_psk_list(struct emu_conf *conf, const char *value)
{
	conf->psk_list = value;
	return 0;
}

static int set_cert(struct emu_conf *conf, const char *value)
{
	conf->cert = value;
	return 0;
}

static int set_cert_key(struct emu_conf *conf, const char *value)
{
	conf->cert_key = value;
	return 0;
}

static int set_ca(struct emu_conf *conf, const char *value)
{
	conf->ca = value;
	return 0;
}

static int set_state(struct emu_conf *conf, const char *value)
{
	return copy_text(conf->state, sizeof(conf->state), value);
}

static int set_version(struct emu_conf *conf, const char *value)
{
	return copy_text(conf->version, sizeof(conf->version), value);
}

static int set_hardware(struct emu_conf *conf, const char *value)
{
	return copy_text(conf->hardware, sizeof(conf->hardware), value);
}

static int set_image(struct emu_conf *conf, const char *value)
{
	conf->image = value;
	return 0;
}

static int set_interval(struct emu_conf *conf, const char *value)
{
	return set_u32(&conf->interval_s, value, 1, 2592000);
}

static int set_window(struct emu_conf *conf, const char *value)
{
	return set_u32(&conf->window, value, 1, EMU_WINDOW_MAX);
}

static int set_block(struct emu_conf *conf, const char *value)
{
	if (set_u32(&conf->block, value, 16, 1024) != 0 || (conf->block & (conf->block - 1)) != 0)
		return ERR_INVAL;
	return 0;
}

static int set_count(struct emu_conf *conf, const char *value)
{
	return set_u32(&conf->count, value, 1, EMU_FLEET_MAX);
}

static int set_boot_time(struct emu_conf *conf, const char *value)
{
	return set_u32(&conf->boot_ms, value, 0, 3600000);
}

static int set_slot_size(struct emu_conf *conf, const char *value)
{
	return set_u32(&conf->slot_size, value, 1024, UINT32_MAX);
}

static int set_fs_blocks(struct emu_conf *conf, const char *value)
{
	return set_u32(&conf->fs_blocks, value, EMU_FS_LOGS + 4, 65536);
}

static int set_battery(struct emu_conf *conf, const char *value)
{
	uint32_t percent;
	int err = set_u32(&percent, value, 0, 100);

	if (!err)
		conf->battery = (int)percent;
	return err;
}

static int set_security_counter(struct emu_conf *conf, const char *value)
{
	uint32_t counter;
	int err = set_u32(&counter, value, 0, UINT32_MAX);

	if (!err)
		conf->security_counter = counter;
	return err;
}

static int set_local_port(struct emu_conf *conf, const char *value)
{
	uint32_t port;
	int err = set_u32(&port, value, 1, 65535);

	if (!err)
		conf->local_port = (uint16_t)port;
	return err;
}

static int set_ack_timeout(struct emu_conf *conf, const char *value)
{
	/* libcoap ignores a time-out below a second. */
	return set_u32(&conf->ack_timeout_ms, value, 1000, 60000);
}

static int set_max_retransmit(struct emu_conf *conf, const char *value)
{
	uint32_t times;
	int err = set_u32(&times, value, 1, 10);

	if (!err)
		conf->max_retransmit = (uint16_t)times;
	return err;
}

static int set_exit_after(struct emu_conf *conf, const char *value)
{
	return set_u32(&conf->exit_after_s, value, 1, UINT32_MAX);
}

static int set_seed(struct emu_conf *conf, const char *value)
{
	return emu_parse_uint(value, UINT64_MAX, &conf->seed);
}

static int set_journal(struct emu_conf *conf, const char *value)
{
	conf->journal = value;
	return 0;
}

static int set_json(struct emu_conf *conf, const char *value)
{
	(void)value;
	conf->json = true;
	return 0;
}

static int set_quiet(struct emu_conf *conf, const char *value)
{
	(void)value;
	conf->quiet = true;
	return 0;
}

static int set_protocol(struct emu_conf *conf, const char *value)
{
	if (strcmp(value, "native") == 0)
		conf->lwm2m = NULL;
	else if (strcmp(value, "lwm2m") != 0)
		return ERR_INVAL;
	else
		conf->lwm2m = emu_style_named("plain");
	return 0;
}

static int set_style(struct emu_conf *conf, const char *value)
{
	conf->style = emu_style_named(value);
	return conf->style ? 0 : ERR_INVAL;
}

static int set_lwm2m(struct emu_conf *conf, const char *value)
{
	if (strcmp(value, "1.0") != 0 && strcmp(value, "1.1") != 0 && strcmp(value, "1.2") != 0)
		return ERR_INVAL;
	return copy_text(conf->lwm2m_version, sizeof(conf->lwm2m_version), value);
}

static int set_lifetime(struct emu_conf *conf, const char *value)
{
	return set_u32(&conf->lifetime_s, value, 1, 2592000);
}

static int set_queue(struct emu_conf *conf, const char *value)
{
	(void)value;
	conf->queue = true;
	return 0;
}

static int set_awake(struct emu_conf *conf, const char *value)
{
	return set_u32(&conf->awake_s, value, 1, 86400);
}

/* The place of a value in a list of words that ends with NULL. */
static int set_word(int *dst, const char *value, const char *const words[])
{
	for (int i = 0; words[i]; i++) {
		if (strcmp(value, words[i]) != 0)
			continue;
		*dst = i;
		return 0;
	}
	return ERR_INVAL;
}

static int set_delivery(struct emu_conf *conf, const char *value)
{
	return set_word(&conf->delivery, value,
			(const char *const[]){"pull", "push", "both", NULL});
}

static int set_download(struct emu_conf *conf, const char *value)
{
	return set_word(&conf->own_session, value, (const char *const[]){"same", "own", NULL});
}

static int set_vendor_object(struct emu_conf *conf, const char *value)
{
	uint32_t number;
	int err = set_u32(&number, value, 10241, 42800);

	if (!err)
		conf->vendor_object = (uint16_t)number;
	return err;
}

static int set_fault(struct emu_conf *conf, const char *value)
{
	return emu_fault_add(&conf->faults, value);
}

static int set_until(struct emu_conf *conf, const char *value)
{
	static const char *const words[] = {
#define CONF_EVENT_WORD(name, word, help) [EMU_EVENT_##name] = word,
		EMU_EVENT_LIST(CONF_EVENT_WORD)
#undef CONF_EVENT_WORD
	};
	struct emu_until *until = &conf->until[conf->until_len];

	if (conf->until_len == EMU_UNTIL_MAX)
		return ERR_LIMIT;
	for (int i = 0; i < EMU_EVENT_COUNT; i++) {
		if (strcmp(value, words[i]) != 0)
			continue;
		until->is_event = true;
		until->event = (enum emu_event)i;
		conf->until_len++;
		return 0;
	}
	if (copy_text(until->version, sizeof(until->version), value) != 0)
		return ERR_INVAL;
	conf->until_len++;
	return 0;
}

static const struct conf_row conf_rows[] = {
	{"--server", "URI", set_server, "coaps://HOST[:PORT], or coap:// (needs plain devices)"},
	{"--id", "ID", set_id, "the device's identity; prefix of a fleet's"},
	{"--psk-file", "FILE", set_psk_file, "the key in hex"},
	{"--psk-list", "FILE", set_psk_list, "keys, lines of id:hex, or CSV with id and psk"},
	{"--cert", "FILE", set_cert, "a certificate (PEM) in the place of a key"},
	{"--key", "FILE", set_cert_key, "its private key (PEM)"},
	{"--ca", "FILE", set_ca, "who signs the server's certificate (PEM)"},
	{"--state", "DIR", set_state, "flash and files of the device; fresh ones are made"},
	{"--version", "V", set_version, "version of a fresh device's firmware"},
	{"--image", "FILE", set_image, "image of a fresh device's firmware (gives a digest)"},
	{"--hardware", "H", set_hardware, "hardware name to report"},
	{"--interval", "S", set_interval, "seconds between check-ins (60; LwM2M: by lifetime)"},
	{"--window", "N", set_window, "blocks in flight, 1 to 16 (4)"},
	{"--block", "N", set_block, "bytes of a block, 16 to 1024 (1024; LwM2M: by style)"},
	{"--count", "N", set_count, "a fleet ID-00001 ... with keys from --psk-list"},
	{"--fault", "NAME[:ARG][@WHO]", set_fault, "what goes wrong, see below; repeatable"},
	{"--boot-time", "MS", set_boot_time, "time a reset takes (300)"},
	{"--slot-size", "BYTES", set_slot_size, "largest image it can take (2097152)"},
	{"--fs-blocks", "N", set_fs_blocks, "4 KiB blocks of its file system (64)"},
	{"--battery", "PERCENT", set_battery, "battery level to report (on mains: not told)"},
	{"--security-counter", "N", set_security_counter, "anti-rollback counter to report"},
	{"--local-port", "N", set_local_port, "UDP port of its own, the same after each boot"},
	{"--ack-timeout", "MS", set_ack_timeout, "CoAP ACK_TIMEOUT, 1000 or more (2000)"},
	{"--max-retransmit", "N", set_max_retransmit, "CoAP MAX_RETRANSMIT (4)"},
	{"--json", NULL, set_json, "speak the JSON twin instead of CBOR"},
	{"--protocol", "P", set_protocol, "what it speaks: native or lwm2m (native)"},
	{"--style", "NAME", set_style, "LwM2M as plain, anjay, wakaama or zephyr do it (plain)"},
	{"--lwm2m", "V", set_lwm2m, "LwM2M 1.0, 1.1 or 1.2 (by style)"},
	{"--lifetime", "S", set_lifetime, "LwM2M registration lifetime (by style)"},
	{"--queue", NULL, set_queue, "LwM2M queue mode: asleep between exchanges"},
	{"--awake", "S", set_awake, "seconds awake after an exchange in queue mode (93)"},
	{"--delivery", "HOW", set_delivery, "LwM2M firmware by pull, push or both (by style)"},
	{"--download", "HOW", set_download, "LwM2M downloads: same or own session (by style)"},
	{"--vendor-object", "N", set_vendor_object, "LwM2M object with boots, uptime, digest"},
	{"--until", "WHAT", set_until, "exit 0 when WHAT has come; repeated: one by one"},
	{"--exit-after", "S", set_exit_after, "exit after S seconds (1 if --until did not come)"},
	{"--journal", "FILE", set_journal, "append each event to FILE as a line of JSON"},
	{"--quiet", NULL, set_quiet, "no console"},
	{"--seed", "N", set_seed, "seed of jitter, link faults, and who has a fault (1)"},
};

enum { CONF_ROWS = sizeof(conf_rows) / sizeof(conf_rows[0]) };

static void conf_usage(FILE *out)
{
	fprintf(out, "usage: postboot-device --server URI --id ID (--psk-file F | --psk-list F |\n"
		     "                       --cert F --key F --ca F) --state DIR\n"
		     "                       [--version V] [options]\n"
		     "An emulated device for Postboot.\n\n");
	for (size_t i = 0; i < CONF_ROWS; i++) {
		char form[48];
		snprintf(form, sizeof(form), "%s %s", conf_rows[i].name,
			 conf_rows[i].arg ? conf_rows[i].arg : "");
		fprintf(out, "  %-22s %s\n", form, conf_rows[i].help);
	}
	fprintf(out, "  %-22s %s\n  %-22s %s\n", "--help", "this text", "--version-info",
		"version of this program");
	fprintf(out, "\nWHAT is a version (it runs and a report that calls it confirmed was\n"
		     "answered) or one of these events:\n");
#define CONF_EVENT_HELP(name, word, help) fprintf(out, "  %-22s %s\n", word, help);
	EMU_EVENT_LIST(CONF_EVENT_HELP)
#undef CONF_EVENT_HELP
	fprintf(out, "\nFaults; of a fleet, WHO has it: 7, 1-20, or 3%% of all:\n");
	emu_fault_help(out);
	fprintf(out, "\nExit status: 0 done, 1 failed or --until did not come, 2 usage.\n");
}

static enum emu_conf_result conf_bad_value(const struct conf_row *row, const char *value)
{
	char form[64];

	if (row->set != set_fault)
		fprintf(stderr, "postboot-device: %s %s: not a valid %s\n", row->name, value,
			row->arg);
	else if (emu_fault_usage(value, form, sizeof(form)))
		fprintf(stderr, "postboot-device: --fault %s: expected %s\n", value, form);
	else
		fprintf(stderr, "postboot-device: --fault %s: unknown fault (see --help)\n", value);
	return EMU_CONF_BAD;
}

static enum emu_conf_result conf_option(struct emu_conf *conf, int argc, char *const argv[],
					int *pos)
{
	const char *word = argv[*pos];
	size_t len = strcspn(word, "=");
	const char *value = word[len] == '=' ? word + len + 1 : NULL;

	for (size_t i = 0; i < CONF_ROWS; i++) {
		const struct conf_row *row = &conf_rows[i];

		if (strlen(row->name) != len || memcmp(row->name, word, len) != 0)
			continue;
		if (!row->arg && value) {
			fprintf(stderr, "postboot-device: %s takes no value\n", row->name);
			return EMU_CONF_BAD;
		}
		if (row->arg && !value && *pos + 1 < argc)
			value = argv[++*pos];
		if (row->arg && !value) {
			fprintf(stderr, "postboot-device: %s needs %s\n", row->name, row->arg);
			return EMU_CONF_BAD;
		}
		return row->set(conf, value) == 0 ? EMU_CONF_RUN : conf_bad_value(row, value);
	}
	fprintf(stderr, "postboot-device: unknown option %s (try --help)\n", word);
	return EMU_CONF_BAD;
}

static enum emu_conf_result conf_need(const char *what)
{
	fprintf(stderr, "postboot-device: %s (try --help)\n", what);
	return EMU_CONF_BAD;
}

/* libcoap would tell nobody. */
static bool cert_readable(const char *name)
{
	FILE *f = fopen(name, "re");

	if (!f) {
		fprintf(stderr, "postboot-device: %s: cannot be read\n", name);
		return false;
	}
	fclose(f);
	return true;
}

/* Faults of the other protocol would wait for something that never comes. */
static bool fault_nobody(const struct emu_conf *conf, const struct emu_fault *fault)
{
	const char *word = emu_fault_name(fault->kind);

	if ((fault->from || fault->percent) && !conf->count)
		fprintf(stderr, "postboot-device: --fault %s@...: only --count makes a fleet\n",
			word);
	else if (fault->to > conf->count)
		fprintf(stderr, "postboot-device: --fault %s@...: there are %u devices\n", word,
			conf->count);
	else
		return false;
	return true;
}

static enum emu_conf_result conf_faults(const struct emu_conf *conf)
{
	unsigned speaks = conf->lwm2m ? EMU_FAULT_OF_LWM2M : EMU_FAULT_OF_NATIVE;

	for (size_t i = 0; i < conf->faults.len; i++) {
		enum emu_fault_kind kind = conf->faults.list[i].kind;

		if (fault_nobody(conf, &conf->faults.list[i]))
			return EMU_CONF_BAD;
		if (emu_fault_of(kind) & speaks)
			continue;
		fprintf(stderr, "postboot-device: --fault %s is not for --protocol %s\n",
			emu_fault_name(kind), conf->lwm2m ? "lwm2m" : "native");
		return EMU_CONF_BAD;
	}
	return EMU_CONF_RUN;
}

static enum emu_conf_result conf_protocol(struct emu_conf *conf)
{
	const struct emu_style *style = conf->style;

	if (!conf->lwm2m &&
	    (style || conf->lwm2m_version[0] || conf->lifetime_s || conf->queue || conf->awake_s ||
	     conf->delivery >= 0 || conf->own_session >= 0 || conf->vendor_object))
		return conf_need("--style, --lwm2m, --lifetime, --queue, --awake, --delivery, "
				 "--download and --vendor-object need --protocol lwm2m");
	if (conf->lwm2m && conf->json)
		return conf_need("--json is for --protocol native");
	if (conf->awake_s && !conf->queue)
		return conf_need("--awake is for --queue");
	if (conf->lwm2m && style)
		conf->lwm2m = style;
	style = conf->lwm2m;
	if (!conf->interval_s && !style)
		conf->interval_s = 60;
	if (!conf->block)
		conf->block = style ? style->block : 1024;
	if (!conf->awake_s)
		conf->awake_s = 93; /* MAX_TRANSMIT_WAIT of RFC 7252 */
	if (style && !conf->lwm2m_version[0])
		(void)buf_copy_str(conf->lwm2m_version, sizeof(conf->lwm2m_version),
				   style->version);
	if (style && !conf->lifetime_s)
		conf->lifetime_s = style->lifetime_s;
	if (style && conf->delivery < 0)
		conf->delivery = (int)style->delivery;
	if (style && conf->own_session < 0)
		conf->own_session = style->own_session;
	return conf_faults(conf);
}

/* How it proves who it is. */
static enum emu_conf_result conf_proof(const struct emu_conf *conf)
{
	if (conf->psk_file && conf->psk_list)
		return conf_need("--psk-file and --psk-list exclude each other");
	if (!conf->cert != !conf->cert_key || !conf->cert != !conf->ca)
		return conf_need("--cert, --key and --ca go together");
	if (conf->cert && (conf->psk_file || conf->psk_list))
		return conf_need("--cert is in the place of --psk-file and --psk-list");
	if (conf->cert && conf->count > 0)
		return conf_need("--cert is for one device");
	if (conf->dtls && !conf->cert && !conf->psk_file && !conf->psk_list)
		return conf_need("a key is needed: --psk-file or --psk-list, or --cert");
	for (int i = 0; conf->cert && i < 3; i++)
		if (!cert_readable((const char *[]){conf->cert, conf->cert_key, conf->ca}[i]))
			return EMU_CONF_BAD;
	return EMU_CONF_RUN;
}

static enum emu_conf_result conf_check(struct emu_conf *conf)
{
	if (conf->server.len == 0)
		return conf_need("--server is needed");
	if (conf->id[0] == '\0')
		return conf_need("--id is needed");
	if (conf->state[0] == '\0')
		return conf_need("--state is needed");
	if (conf_proof(conf) != EMU_CONF_RUN)
		return EMU_CONF_BAD;
	if (conf->count > 0 && conf->psk_file)
		return conf_need("--count takes its keys from --psk-list");
	if (conf->count > 0 && strlen(conf->id) > LIMIT_DEVICE_ID - 6)
		return conf_need("--id is too long for the prefix of a fleet");
	if (conf->count > 1 && conf->local_port != 0)
		return conf_need("--local-port is for one device");
	if (conf_protocol(conf) != EMU_CONF_RUN)
		return EMU_CONF_BAD;
	return emu_keys_load(conf) == 0 ? EMU_CONF_RUN : EMU_CONF_BAD;
}

enum emu_conf_result emu_conf_parse(int argc, char *const argv[], struct emu_conf *ret_conf)
{
	memset(ret_conf, 0, sizeof(*ret_conf));
	ret_conf->window = 4;
	ret_conf->delivery = -1;
	ret_conf->own_session = -1;
	ret_conf->boot_ms = 300;
	ret_conf->slot_size = 2U << 20;
	ret_conf->fs_blocks = EMU_FS_BLOCKS;
	ret_conf->battery = -1;
	ret_conf->security_counter = -1;
	ret_conf->ack_timeout_ms = 2000;
	ret_conf->max_retransmit = 4;
	ret_conf->seed = 1;
	for (int i = 1; i < argc; i++) {
		enum emu_conf_result result;

		if (strcmp(argv[i], "--help") == 0) {
			conf_usage(stdout);
			return EMU_CONF_DONE;
		}
		/* --version is the device's, but alone it can only be the usual question. */
		if (strcmp(argv[i], "--version-info") == 0 ||
		    (argc == 2 && strcmp(argv[i], "--version") == 0)) {
			printf("postboot-device %s\n", PACKAGE_VERSION);
			return EMU_CONF_DONE;
		}
		result = conf_option(ret_conf, argc, argv, &i);
		if (result != EMU_CONF_RUN)
			return result;
	}
	return conf_check(ret_conf);
}

void emu_conf_done(struct emu_conf *conf)
{
	/* Keys do not stay behind in freed memory. */
	if (conf->keys)
		explicit_bzero(conf->keys, conf->keys_len * sizeof(*conf->keys));
	free(conf->keys);
	conf->keys = NULL;
}
