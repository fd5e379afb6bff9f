/* SPDX-License-Identifier: Apache-2.0
 *
 * The options of postboot-load.
 */
#include <getopt.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "load.h"

static const char usage[] =
	"usage: postboot-load --server ADDR --port N --psk-list FILE [options]\n"
	"  --path P | --report-first   what to fetch; or POST /report and take its path\n"
	"  --expect FILE               what it must be\n"
	"  --sessions N --window W --block B   downloads (16, 4, 1024): the next request goes out\n"
	"                              when an answer is in (closed loop)\n"
	"  --rate R                    instead: R blocks a second from all of them, at their "
	"times\n"
	"                              whatever is answered (open loop); latencies count from "
	"when\n"
	"                              a request was due, not from when it could be sent\n"
	"  --idle K                    further sessions that say one word (a server closes one "
	"that\n"
	"                              never did): GET /.well-known/core\n"
	"  --observe                   instead of that word they observe /desired, as devices do\n"
	"  --forget                    they are forgotten here then, and not closed\n"
	"  --reporters R               further sessions that POST /report without a pause\n"
	"  --handshakes N              instead: N sessions that shake hands again and again\n"
	"  --lifecycles N --in-flight M   instead: N devices, M at a time, that live through an "
	"update\n"
	"  --cid                       with connection IDs (RFC 9146)\n"
	"  --rebind N                  from another address after every N answers\n"
	"  --from V --from-image FILE --to V   what they run before, and after (--expect)\n"
	"  --drain                     at the end waits until all is answered\n"
	"  --seconds S --suite ccm8|ccm|gcm|chacha --sockets N\n"
	"  --mbedtls                   its DTLS for all suites; else a shorter one, where it will "
	"do\n"
	"  --pid P                     the server: what it used of a processor meanwhile\n"
	"Each line of FILE is id:hex; reporters come first, then downloads, then the idle.\n";

enum kind { TEXT, NUMBER, REAL, FLAG };

static const struct {
	const char *name;
	enum kind kind;
	size_t at;
	unsigned max;
} options[] = {
	{"server", TEXT, offsetof(struct load_conf, server), 0},
	{"port", NUMBER, offsetof(struct load_conf, port), 65535},
	{"psk-list", TEXT, offsetof(struct load_conf, keys), 0},
	{"path", TEXT, offsetof(struct load_conf, path), 0},
	{"report-first", FLAG, offsetof(struct load_conf, report_first), 0},
	{"expect", TEXT, offsetof(struct load_conf, expect), 0},
	{"sessions", NUMBER, offsetof(struct load_conf, sessions), 100000},
	{"window", NUMBER, offsetof(struct load_conf, window), LOAD_WINDOW_MAX},
	{"block", NUMBER, offsetof(struct load_conf, block), 1024},
	{"rate", NUMBER, offsetof(struct load_conf, rate), 1000000},
	{"idle", NUMBER, offsetof(struct load_conf, idle), 1000000},
	{"forget", FLAG, offsetof(struct load_conf, forget), 0},
	{"observe", FLAG, offsetof(struct load_conf, observe), 0},
	{"reporters", NUMBER, offsetof(struct load_conf, reporters), 100000},
	{"handshakes", NUMBER, offsetof(struct load_conf, shakers), 10000},
	{"seconds", REAL, offsetof(struct load_conf, seconds), 0},
	{"suite", TEXT, offsetof(struct load_conf, suite), 0},
	{"sockets", NUMBER, offsetof(struct load_conf, sockets), LOAD_SOCKETS_MAX},
	{"lifecycles", NUMBER, offsetof(struct load_conf, lifecycles), 1000000},
	{"in-flight", NUMBER, offsetof(struct load_conf, in_flight), 100000},
	{"from", TEXT, offsetof(struct load_conf, from), 0},
	{"to", TEXT, offsetof(struct load_conf, to), 0},
	{"from-image", TEXT, offsetof(struct load_conf, from_image), 0},
	{"cid", FLAG, offsetof(struct load_conf, cid), 0},
	{"mbedtls", FLAG, offsetof(struct load_conf, mbedtls), 0},
	{"rebind", NUMBER, offsetof(struct load_conf, rebind), 1000000},
	{"drain", FLAG, offsetof(struct load_conf, drain), 0},
	{"pid", NUMBER, offsetof(struct load_conf, pid), 1U << 30},
};
enum { OPTIONS = sizeof(options) / sizeof(options[0]) };

static void refuse(const char *what)
{
	if (what)
		fprintf(stderr, "postboot-load: --%s: too large, or no number\n", what);
	fputs(usage, stderr);
	exit(2);
}

static void take(struct load_conf *c, int i, const char *value)
{
	void *at = (char *)c + options[i].at;
	char *end;

	switch (options[i].kind) {
	case TEXT:
		memcpy(at, &value, sizeof(value));
		break;
	case NUMBER: {
		unsigned long v = strtoul(value, &end, 10);
		unsigned number = (unsigned)v;

		if (end == value || *end || v > options[i].max)
			refuse(options[i].name);
		memcpy(at, &number, sizeof(number));
		break;
	}
	case REAL: {
		double v = strtod(value, &end);

		if (end == value || *end)
			refuse(options[i].name);
		memcpy(at, &v, sizeof(v));
		break;
	}
	case FLAG:
		*(bool *)at = true;
		break;
	}
}

void load_conf_parse(int argc, char **argv, struct load_conf *ret)
{
	struct option longs[OPTIONS + 1] = {{0}};
	int o, i;

	*ret = (struct load_conf){.server = "127.0.0.1",
				  .port = 5684,
				  .path = "/fw/x",
				  .suite = "ccm8",
				  .sessions = 16,
				  .window = 4,
				  .block = 1024,
				  .sockets = 1,
				  .in_flight = 256,
				  .from = "1.0.0",
				  .to = "1.1.0",
				  .seconds = 2};
	for (i = 0; i < OPTIONS; i++)
		longs[i] = (struct option){options[i].name, options[i].kind != FLAG, NULL, 1};
	while ((o = getopt_long(argc, argv, "", longs, &i)) != -1) {
		if (o != 1)
			refuse(NULL);
		take(ret, i, optarg);
	}
	if (!ret->keys || !ret->sockets || !ret->window || optind != argc)
		refuse(NULL);
}
