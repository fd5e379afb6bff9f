/* SPDX-License-Identifier: Apache-2.0
 *
 * postboot-flood: what a server on 127.0.0.1 has to bear, at a given rate, and honest devices
 * that say what is left for them. See the usage; tests/load/flood.sh has them in pairs.
 */
#include "flood.h"

#include <arpa/inet.h>
#include <mbedtls/net_sockets.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "net/net_hello.h"

enum { GET_METHOD = 1, POST_METHOD = 2, SOCKETS = 64, DATAGRAM = 1400, BURST = 64 };

static const char usage[] =
	"usage: postboot-flood PORT honest KEYS N EVERY_MS SECONDS\n"
	"           N devices of KEYS (lines of id:hex), each a request every EVERY_MS with\n"
	"           RFC 7252's retransmissions; exit 1 if one was never answered\n"
	"       postboot-flood PORT device KEYS KIND RATE SECONDS\n"
	"           the last device of KEYS sends 404|report|observe|ping|bad|same|block, RATE a\n"
	"           second (0: as fast as it can)\n"
	"       postboot-flood PORT replay|forge KEYS RATE SECONDS\n"
	"           records of the last device again, or made up in its name, from its address\n"
	"       postboot-flood PORT hellos|garbage|cids|plain RATE SECONDS\n"
	"           from everywhere in 127.0.0.0/8\n";

static uint64_t random_state = 88172645463325252U;

uint32_t flood_random(void)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return (uint32_t)(random_state >> 32);
}

void flood_die(const char *what)
{
	fprintf(stderr, "postboot-flood: %s\n", what);
	exit(1);
}

int64_t flood_now_us(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * INT64_C(1000000) + t.tv_nsec / 1000;
}

/* ---- pace ---- */

struct pace {
	int64_t start_us, end_us;
	double rate; /* 0: none */
	uint64_t sent;
};

static struct pace pace_start(double rate, double seconds)
{
	int64_t now = flood_now_us();

	return (struct pace){now, now + (int64_t)(seconds * 1e6), rate, 0};
}

/* True while there is more to send; sleeps until it is due. */
static bool pace_next(struct pace *p)
{
	int64_t now = flood_now_us();

	while (p->rate > 0 && now < p->end_us &&
	       (double)p->sent > (double)(now - p->start_us) * p->rate / 1e6) {
		const struct timespec t = {.tv_nsec = 1000000};

		(void)nanosleep(&t, NULL);
		now = flood_now_us();
	}
	p->sent++;
	return now < p->end_us;
}

static void pace_tell(const struct pace *p, const char *what, uint64_t answers)
{
	double s = (double)(flood_now_us() - p->start_us) / 1e6;

	printf("%s sent=%llu rate=%.0f answers=%llu\n", what, (unsigned long long)p->sent,
	       (double)p->sent / s, (unsigned long long)answers);
}

/* ---- from everywhere ---- */

static size_t hello(uint8_t *dst)
{
	static const uint8_t head[] = {22, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 0,	0,    54,  1,
				       0,  0,	 42,   0, 0, 0, 0, 0, 0, 0, 42, 0xfe, 0xfd};
	static const uint8_t tail[] = {0, 0, 0, 2, 0xc0, 0xa8, 1, 0};

	memcpy(dst, head, sizeof(head));
	for (size_t i = 0; i < 32; i++)
		dst[sizeof(head) + i] = (uint8_t)flood_random();
	memcpy(dst + sizeof(head) + 32, tail, sizeof(tail));
	return sizeof(head) + 32 + sizeof(tail);
}

static size_t garbage(uint8_t *dst)
{
	size_t len = 1 + flood_random() % 200;

	for (size_t i = 0; i < len; i++)
		dst[i] = (uint8_t)flood_random();
	if (len > 13 && flood_random() % 2) { /* looks like a record under keys */
		static const uint8_t head[] = {23, 0xfe, 0xfd, 0, 1};

		memcpy(dst, head, sizeof(head));
		dst[11] = 0;
		dst[12] = (uint8_t)(len - 13);
	}
	return len;
}

/* RFC 9146: epoch 1, a connection ID of NET_CID bytes at a guess. */
static size_t guess(uint8_t *dst)
{
	static const uint8_t head[] = {25, 0xfe, 0xfd, 0, 1};
	size_t len = 60;

	for (size_t i = 0; i < NET_RECORD_HEADER + NET_CID + len; i++)
		dst[i] = (uint8_t)flood_random();
	memcpy(dst, head, sizeof(head));
	dst[11] = 0; /* the first byte of ours is a worker's number */
	dst[NET_RECORD_HEADER - 2 + NET_CID] = 0;
	dst[NET_RECORD_HEADER - 1 + NET_CID] = (uint8_t)len;
	return NET_RECORD_HEADER + NET_CID + len;
}

static size_t plain(uint8_t *dst)
{
	static const char *const path[] = {".well-known", "core"};
	struct wire_coap_writer w = wire_coap_begin(dst, DATAGRAM, WIRE_CON, GET_METHOD,
						    (uint16_t)flood_random(), (struct bytes){0});

	for (size_t i = 0; i < 2; i++)
		wire_coap_put_bytes(&w, WIRE_OPT_URI_PATH,
				    (struct bytes){(const uint8_t *)path[i], strlen(path[i])});
	return w.buf.pos;
}

static void strangers(const struct sockaddr_in *server, const char *what, double rate,
		      double seconds)
{
	size_t (*make)(uint8_t *) = strcmp(what, "hellos") == 0	 ? hello
				    : strcmp(what, "plain") == 0 ? plain
				    : strcmp(what, "cids") == 0	 ? guess
								 : garbage;
	struct sockaddr_in any = {.sin_family = AF_INET};
	struct net_udp_tx *tx[SOCKETS];
	int fd[SOCKETS];
	union net_address to = {.v4 = *server};
	struct pace p;
	uint8_t raw[DATAGRAM];

	for (unsigned i = 0; i < SOCKETS; i++) {
		tx[i] = net_udp_tx_new();
		fd[i] = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
		if (!tx[i] || fd[i] < 0 || bind(fd[i], (struct sockaddr *)&any, sizeof(any)))
			flood_die("socket");
	}
	p = pace_start(rate, seconds);
	while (pace_next(&p)) {
		unsigned i = (unsigned)(p.sent / BURST % SOCKETS);
		struct net_local from = {.family = AF_INET};

		from.at.v4.s_addr = htonl(0x7f010001 + flood_random() % 0xfd0000);
		net_udp_queue(tx[i], fd[i], &to, &from, raw, make(raw));
		if (p.sent % BURST == BURST - 1)
			(void)net_udp_flush(tx[i], fd[i]);
	}
	for (unsigned i = 0; i < SOCKETS; i++) {
		(void)net_udp_flush(tx[i], fd[i]);
		net_udp_tx_free(tx[i]);
		(void)close(fd[i]);
	}
	pace_tell(&p, what, 0);
}

/* ---- a device ---- */

static size_t message(const char *kind, uint16_t mid, uint8_t *dst)
{
	static const char report[] =
		"{\"0\":\"00000000000000a1\",\"2\":\"1.0.0\",\"12\":\"argon\"}";
	bool is_report = strcmp(kind, "report") == 0, is_observe = strcmp(kind, "observe") == 0;
	uint8_t token[4] = {(uint8_t)(mid >> 8), (uint8_t)mid, 1, 2};
	struct wire_coap_writer w;
	const char *path = is_report			  ? "report"
			   : is_observe			  ? "desired"
			   : strcmp(kind, "block") == 0	  ? "fw"
			   : strcmp(kind, "desired") == 0 ? "desired"
							  : "nowhere";

	if (strcmp(kind, "ping") == 0)
		w = wire_coap_begin(dst, DATAGRAM, WIRE_CON, 0, mid, (struct bytes){0});
	else
		w = wire_coap_begin(dst, DATAGRAM, WIRE_CON, is_report ? POST_METHOD : GET_METHOD,
				    strcmp(kind, "same") == 0 ? 7 : mid,
				    (struct bytes){token, sizeof(token)});
	if (strcmp(kind, "ping") == 0)
		return w.buf.pos;
	if (is_observe)
		wire_coap_put_uint(&w, WIRE_OPT_OBSERVE, 0);
	wire_coap_put_bytes(&w, WIRE_OPT_URI_PATH,
			    (struct bytes){(const uint8_t *)path, strlen(path)});
	if (path[0] == 'f') {
		wire_coap_put_bytes(
			&w, WIRE_OPT_URI_PATH,
			(struct bytes){(const uint8_t *)"00112233445566778899aabbccddeeff", 32});
		wire_coap_put_block(&w, WIRE_OPT_BLOCK2, (struct wire_block){.num = mid, .szx = 6});
	}
	if (is_report) {
		wire_coap_put_uint(&w, WIRE_OPT_CONTENT_FORMAT, 50);
		wire_coap_payload(&w, (struct bytes){(const uint8_t *)report, strlen(report)});
	}
	if (strcmp(kind, "bad") == 0)
		dst[w.buf.pos++] = 0xff; /* a marker and no payload */
	return w.buf.pos;
}

size_t flood_request(uint16_t mid, uint8_t dst[FLOOD_MESSAGE])
{
	return message("desired", mid, dst);
}

/* What came back: datagrams, not looked at. */
static uint64_t discard(struct flood_session *s)
{
	uint8_t raw[2048];
	uint64_t count = 0;

	while (recv(s->fd, raw, sizeof(raw), MSG_DONTWAIT) > 0)
		count++;
	return count;
}

static void device(const struct sockaddr_in *server, const char *keys, const char *kind,
		   double rate, double seconds)
{
	struct flood_session s;
	uint64_t answers = 0;
	uint8_t raw[DATAGRAM];
	uint16_t mid = 0;

	flood_open(&s, server, keys, -1);

	struct pace p = pace_start(rate, seconds);

	while (pace_next(&p)) {
		if (mbedtls_ssl_write(&s.ssl, raw, message(kind, mid++, raw)) <= 0)
			flood_die("write");
		if (p.sent % BURST == 0)
			answers += discard(&s);
	}
	pace_tell(&p, kind, answers + discard(&s));
	flood_close(&s);
}

/* From the device's own address, as the one who forges it can choose it. */
static void forger(const struct sockaddr_in *server, const char *what, const char *keys,
		   double rate, double seconds)
{
	struct flood_session s;
	uint8_t raw[DATAGRAM];
	bool again = strcmp(what, "replay") == 0;
	size_t len = 0;

	flood_open(&s, server, keys, -1);
	if (!flood_ask(&s, 1))
		flood_die("no answer");
	memcpy(raw, s.last_out, s.last_out_len);
	len = s.last_out_len;

	struct pace p = pace_start(rate, seconds);

	while (pace_next(&p)) {
		if (!again) {
			for (size_t i = 5; i < 11; i++)
				raw[i] = (uint8_t)flood_random();
			for (size_t i = 13; i < len; i++)
				raw[i] = (uint8_t)flood_random();
		}
		(void)send(s.fd, raw, len, MSG_DONTWAIT);
	}
	pace_tell(&p, what, discard(&s));
	/* The session has lived through it. */
	for (uint16_t mid = 2; mid < 40; mid++)
		if (flood_ask(&s, mid)) {
			flood_close(&s);
			return;
		}
	flood_die("the session does not answer any more");
}

int main(int argc, char **argv)
{
	struct sockaddr_in server = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(0x7f000001)};
	const char *what = argc > 2 ? argv[2] : "";
	double last = argc > 4 ? strtod(argv[argc - 1], NULL) : 0;
	double before = argc > 4 ? strtod(argv[argc - 2], NULL) : 0;

	if (argc > 1)
		server.sin_port = htons((uint16_t)strtoul(argv[1], NULL, 10));
	if (strcmp(what, "honest") == 0 && argc == 7)
		return flood_honest(&server, argv[3], (unsigned)strtoul(argv[4], NULL, 10), before,
				    last);
	if (strcmp(what, "device") == 0 && argc == 7) {
		device(&server, argv[3], argv[4], before, last);
	} else if ((strcmp(what, "replay") == 0 || strcmp(what, "forge") == 0) && argc == 6) {
		forger(&server, what, argv[3], before, last);
	} else if ((strcmp(what, "hellos") == 0 || strcmp(what, "garbage") == 0 ||
		    strcmp(what, "cids") == 0 || strcmp(what, "plain") == 0) &&
		   argc == 5) {
		strangers(&server, what, before, last);
	} else {
		fputs(usage, stderr);
		return 2;
	}
	return 0;
}
