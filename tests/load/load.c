/* SPDX-License-Identifier: Apache-2.0 */
#include <arpa/inet.h>
#include <dirent.h>
#include <mbedtls/sha256.h>
#include <poll.h>
#include <psa/crypto.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"
#include "load.h"

enum {
	SHAKES_AT_ONCE = 16,
	TICK_US = 50000,
	WARM_UP_US = 300000,
	LIFE_STALL_US = 30000000,
	DRAIN_US = 60000000
};

static int64_t clock_us(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * INT64_C(1000000) + t.tv_nsec / 1000;
}

static void die(const char *what)
{
	fprintf(stderr, "postboot-load: %s\n", what);
	exit(1);
}

/* ---- latencies ---- */

void histogram_add(struct histogram *h, int64_t us)
{
	uint64_t v = us > 0 ? (uint64_t)us : 0;
	unsigned shift = v < 32 ? 0 : 63 - (unsigned)__builtin_clzll(v) - 4;
	size_t at = shift * 16 + (size_t)(v >> shift);

	h->count++;
	h->bucket[at < LOAD_BUCKETS ? at : LOAD_BUCKETS - 1]++;
}

double histogram_quantile(const struct histogram *h, double q)
{
	uint64_t want = (uint64_t)(q * (double)h->count), seen = 0;

	for (size_t at = 0; at < LOAD_BUCKETS && h->count; at++) {
		seen += h->bucket[at];
		if (seen <= want && seen < h->count)
			continue;
		if (at < 32)
			return (double)at;
		size_t shift = at / 16 - 1;

		return (double)((at - shift * 16) << shift);
	}
	return 0;
}

/* ---- set-up ---- */

static uint8_t *read_file(const char *path, size_t *ret_len)
{
	FILE *f = path ? fopen(path, "rbe") : NULL;

	if (!f || fseek(f, 0, SEEK_END))
		die("--expect, --from-image: cannot read the file");
	size_t len = (size_t)ftell(f);
	uint8_t *data = malloc(len + 1);
	rewind(f);
	if (!data || fread(data, 1, len, f) != len)
		die("--expect, --from-image: cannot read the file");
	(void)fclose(f);
	*ret_len = len;
	return data;
}

static void read_images(struct load *l)
{
	size_t from_len;

	l->file = read_file(l->conf.expect, &l->file_len);
	if (!l->conf.lifecycles)
		return;
	uint8_t *from = read_file(l->conf.from_image, &from_len);
	if (mbedtls_sha256(l->file, l->file_len, l->file_sha256, 0) ||
	    mbedtls_sha256(from, from_len, l->from_sha256, 0))
		die("mbedTLS");
	free(from);
}

static void read_keys(struct load *l)
{
	FILE *f = fopen(l->conf.keys, "re");
	char line[256];
	unsigned i = 0;

	while (f && i < l->session_count && fgets(line, sizeof(line), f)) {
		struct session *s = &l->sessions[i];
		char *colon = strrchr(line, ':');

		line[strcspn(line, "\r\n")] = 0;
		if (!colon || (size_t)(colon - line) >= sizeof(s->id) ||
		    buf_from_hex(colon + 1, strlen(colon + 1), s->key, sizeof(s->key), &s->key_len))
			die("--psk-list: a bad line");
		memcpy(s->id, line, (size_t)(colon - line));
		i++;
	}
	if (i < l->session_count)
		die("--psk-list: too few lines for all sessions");
	(void)fclose(f);
}

static void open_sockets(struct load *l)
{
	struct sockaddr_in any = {.sin_family = AF_INET};

	for (unsigned i = 0; i < l->conf.sockets; i++) {
		l->tx[i] = net_udp_tx_new();
		if (!l->tx[i] || net_udp_open((struct sockaddr *)&any, &l->fd[i]) ||
		    net_udp_adopt(l->fd[i]))
			die("no socket");
	}
}

static void set_up_tls(struct load *l)
{
	static const struct {
		const char *name;
		int id;
	} suites[] = {
		{"ccm8", MBEDTLS_TLS_PSK_WITH_AES_128_CCM_8},
		{"ccm", MBEDTLS_TLS_PSK_WITH_AES_128_CCM},
		{"gcm", MBEDTLS_TLS_PSK_WITH_AES_128_GCM_SHA256},
		{"chacha", MBEDTLS_TLS_ECDHE_PSK_WITH_CHACHA20_POLY1305_SHA256},
	};

	for (size_t i = 0; i < sizeof(suites) / sizeof(suites[0]); i++)
		if (strcmp(l->conf.suite, suites[i].name) == 0)
			l->suites[0] = suites[i].id;
	if (!l->suites[0])
		die("--suite: ccm8, ccm, gcm or chacha");
	mbedtls_entropy_init(&l->entropy);
	mbedtls_ctr_drbg_init(&l->random);
	if (psa_crypto_init() != PSA_SUCCESS ||
	    mbedtls_ctr_drbg_seed(&l->random, mbedtls_entropy_func, &l->entropy, NULL, 0))
		die("mbedTLS");
}

static enum load_job job_of(const struct load_conf *c, unsigned i)
{
	if (c->lifecycles)
		return JOB_LIFE;
	if (c->shakers)
		return i < c->shakers ? JOB_SHAKE : JOB_IDLE;
	if (i < c->reporters)
		return JOB_REPORT;
	return i < c->reporters + c->sessions ? JOB_DOWNLOAD : JOB_IDLE;
}

static void set_up_sessions(struct load *l)
{
	const struct load_conf *c = &l->conf;

	l->session_count = (c->shakers ? c->shakers : c->sessions + c->reporters) + c->idle;
	if (c->lifecycles)
		l->session_count = c->lifecycles;
	l->sessions = calloc(l->session_count, sizeof(*l->sessions));
	if (!l->sessions)
		die("out of memory");
	for (unsigned i = 0; i < l->session_count; i++) {
		struct session *s = &l->sessions[i];

		s->load = l;
		s->index = i;
		s->job = job_of(c, i);
		s->socket = i % c->sockets;
		s->remote.v4.sin_family = AF_INET;
		s->remote.v4.sin_port = htons((uint16_t)c->port);
		if (inet_pton(AF_INET, c->server, &s->remote.v4.sin_addr) != 1)
			die("--server: an IPv4 address");
		s->source.family = AF_INET; /* 127.1.0.1 onwards */
		s->source.at.v4.s_addr = htonl(0x7f010001 + i);
		s->want_path = c->report_first && s->job == JOB_DOWNLOAD;
		(void)snprintf(s->path, sizeof(s->path), "%s", c->path);
		(void)mbedtls_ctr_drbg_random(&l->random, s->boot_id, sizeof(s->boot_id));
		(void)mbedtls_ctr_drbg_random(&l->random, (uint8_t *)&s->next_mid, 2);
		s->next_num = 0;
	}
	read_keys(l);
}

/* ---- the run ---- */

static void receive(struct load *l, struct net_udp_rx *rx, unsigned socket)
{
	struct net_udp_got got;
	bool more = true;

	for (unsigned rounds = 0; more && rounds < 4; rounds++) {
		/* a few batches at most: the clock and the other sockets want their turn */
		more = net_udp_receive(rx, l->fd[socket], &got);
		l->now_us = clock_us();
		for (unsigned i = 0; i < got.count; i++) {
			uint32_t to = got.in[i].to.at.v4.s_addr;
			uint32_t index = (ntohl(to) & ~LOAD_ELSEWHERE) - 0x7f010001;
			bool is_last = i + 1 == got.count || got.in[i + 1].to.at.v4.s_addr != to;

			if (index < l->session_count && l->sessions[index].started &&
			    l->sessions[index].source.at.v4.s_addr == to)
				session_datagram(&l->sessions[index], got.in[i].data,
						 got.in[i].len);
			/* like the server: small batches session by session, large ones by 4 */
			unsigned queued = net_udp_queued(l->tx[socket]);
			if (queued >= 4 || (queued && is_last && got.count <= 8))
				(void)net_udp_flush(l->tx[socket], l->fd[socket]);
		}
	}
}

static void flush(struct load *l)
{
	for (unsigned i = 0; i < l->conf.sockets; i++)
		(void)net_udp_flush(l->tx[i], l->fd[i]);
}

static void tick(struct load *l)
{
	for (unsigned i = 0; i < l->session_count; i++)
		session_tick(&l->sessions[i]);
}

/* Open loop: what is due by now is due, whether its session can send it or not. */
static void pace(struct load *l)
{
	const unsigned first = l->conf.reporters;

	while (l->measuring_rate && l->due_us <= (double)l->now_us) {
		session_due(&l->sessions[first + l->due_next], (int64_t)l->due_us);
		l->due_next = (l->due_next + 1) % l->conf.sessions;
		l->due_us += 1e6 / l->conf.rate;
	}
}

static void turn(struct load *l, struct net_udp_rx *rx, struct pollfd *polls)
{
	static int64_t ticked_us;
	struct timespec wait = {.tv_nsec = 20000000};

	if (l->measuring_rate) {
		pace(l);
		double left_us = l->due_us - (double)clock_us();
		wait.tv_nsec = left_us <= 0 ? 0 : (long)(left_us < 20000 ? left_us * 1e3 : 2e7);
	}
	if (l->measuring) /* no server has to pay for waking us */
		wait.tv_nsec = 0;
	flush(l);
	(void)ppoll(polls, l->conf.sockets, &wait, NULL);
	l->now_us = clock_us();
	for (unsigned i = 0; i < l->conf.sockets; i++)
		if (polls[i].revents)
			receive(l, rx, i);
	if (l->now_us - ticked_us > TICK_US) {
		ticked_us = l->now_us;
		tick(l);
	}
}

/* Idle sessions first, so that the crowd stands when the measuring begins. */
static void bring_up(struct load *l, struct net_udp_rx *rx, struct pollfd *polls)
{
	unsigned next = l->session_count;
	int64_t began = clock_us();
	unsigned wanted = l->session_count - l->conf.shakers;

	l->now_us = began;
	while (l->up_count < wanted) {
		while (next > l->conf.shakers && l->shaking < SHAKES_AT_ONCE)
			session_start(&l->sessions[--next]);
		turn(l, rx, polls);
		if (l->now_us - began > INT64_C(120000000))
			die("the handshakes take too long");
	}
	fprintf(stderr, "postboot-load: %u sessions in %.2f s\n", l->up_count,
		(double)(l->now_us - began) / 1e6);
}

/* ns on a processor, of all threads of the server. */
static uint64_t server_cpu_ns(const struct load *l)
{
	char path[64];
	uint64_t sum = 0;
	struct dirent *task;

	(void)snprintf(path, sizeof(path), "/proc/%u/task", l->conf.pid);
	DIR *tasks = l->conf.pid ? opendir(path) : NULL;

	while (tasks && (task = readdir(tasks))) {
		unsigned long long ns = 0;
		char name[sizeof(path) + sizeof(task->d_name) + 16];

		(void)snprintf(name, sizeof(name), "%s/%s/schedstat", path, task->d_name);
		FILE *f = task->d_name[0] == '.' ? NULL : fopen(name, "re");
		if (f && fscanf(f, "%llu", &ns) == 1)
			sum += ns;
		if (f)
			(void)fclose(f);
	}
	if (tasks)
		(void)closedir(tasks);
	return sum;
}

/* Open loop: who still waits has waited so long at least. */
static void count_waiting(struct load *l)
{
	for (unsigned i = 0; i < l->session_count; i++) {
		struct session *s = &l->sessions[i];

		if (s->job != JOB_DOWNLOAD || !l->conf.rate)
			continue;
		for (unsigned k = 0; k < LOAD_WINDOW_MAX; k++)
			if (s->slot[k].busy)
				histogram_add(&l->n.latency, l->now_us - s->slot[k].first_us);
		for (; s->due_count; s->due_count--)
			histogram_add(&l->n.latency,
				      l->now_us - s->due_us[s->due_first++ % LOAD_DUE]);
	}
}

static uint64_t unanswered(const struct load *l)
{
	uint64_t count = 0;

	for (unsigned i = 0; i < l->session_count; i++)
		for (unsigned k = 0; k < LOAD_WINDOW_MAX; k++)
			count += l->sessions[i].slot[k].busy;
	return count;
}

static void drain(struct load *l, struct net_udp_rx *rx, struct pollfd *polls)
{
	int64_t end = l->now_us + DRAIN_US;

	for (l->n.unanswered = unanswered(l); l->n.unanswered && l->now_us < end;
	     l->n.unanswered = unanswered(l))
		turn(l, rx, polls);
}

static void measure(struct load *l, struct net_udp_rx *rx, struct pollfd *polls)
{
	for (unsigned i = 0; i < l->conf.shakers; i++)
		session_start(&l->sessions[i]);

	int64_t start = l->now_us + WARM_UP_US;
	int64_t end = start + (int64_t)(l->conf.seconds * 1e6);
	uint64_t shaken = 0, server_ns = 0;

	while (l->now_us < end) {
		if (!l->measuring && l->now_us >= start) {
			l->measuring = true;
			l->measuring_rate = l->conf.rate > 0 && l->conf.sessions > 0;
			shaken = l->n.handshakes;
			server_ns = server_cpu_ns(l);
			start = l->now_us = clock_us();
			l->due_us = (double)start;
		}
		turn(l, rx, polls);
	}
	l->conf.seconds = (double)(l->now_us - start) / 1e6;
	l->n.handshakes -= shaken;
	l->server_cpu_us = (double)(server_cpu_ns(l) - server_ns) / 1e3;
	count_waiting(l);
	l->measuring = l->measuring_rate = false;
	l->stopping = true;
	if (l->conf.drain)
		drain(l, rx, polls);
}

static void print(const struct load *l)
{
	const struct counters *n = &l->n;
	double s = l->conf.seconds;

	printf("blocks_per_s=%.0f p50_us=%.0f p99_us=%.0f p999_us=%.0f reports_per_s=%.0f "
	       "report_p99_us=%.0f handshakes_per_s=%.0f retransmissions=%llu wrong=%llu "
	       "refused=%llu failed=%llu moves=%llu max_us=%.0f asked_per_s=%.0f overdue=%llu "
	       "server_cpu_s=%.4f cpu_us_per_block=%.3f cpu_us_per_handshake=%.2f "
	       "unanswered=%llu repeats_most=%llu\n",
	       (double)n->blocks / s, histogram_quantile(&n->latency, 0.5),
	       histogram_quantile(&n->latency, 0.99), histogram_quantile(&n->latency, 0.999),
	       (double)n->reports / s, histogram_quantile(&n->report_latency, 0.99),
	       (double)n->handshakes / s, (unsigned long long)n->retransmissions,
	       (unsigned long long)n->wrong, (unsigned long long)n->refused,
	       (unsigned long long)n->failed, (unsigned long long)n->moves,
	       histogram_quantile(&n->latency, 1), (double)n->asked / s,
	       (unsigned long long)n->overdue, l->server_cpu_us / 1e6,
	       n->blocks ? l->server_cpu_us / (double)n->blocks : 0,
	       n->handshakes ? l->server_cpu_us / (double)n->handshakes : 0,
	       (unsigned long long)n->unanswered, (unsigned long long)n->repeats_most);
}

static double cpu_s(void)
{
	struct rusage r;

	(void)getrusage(RUSAGE_SELF, &r);
	return (double)(r.ru_utime.tv_sec + r.ru_stime.tv_sec) +
	       (double)(r.ru_utime.tv_usec + r.ru_stime.tv_usec) / 1e6;
}

/* All of them, and only them: set-up does not count. */
static void live(struct load *l, struct net_udp_rx *rx, struct pollfd *polls)
{
	double before_s = cpu_s();
	int64_t began_us = l->now_us = clock_us(), progress_us = began_us;
	unsigned done = 0;

	life_begin(l);
	while (l->life_done < l->session_count && !l->life_failed) {
		turn(l, rx, polls);
		if (l->life_done != done)
			progress_us = l->now_us;
		done = l->life_done;
		if (l->now_us - progress_us > LIFE_STALL_US)
			die("no lifecycle ends any more");
	}
	l->conf.seconds = (double)(l->now_us - began_us) / 1e6;
	l->stopping = true;
	life_print(l, cpu_s() - before_s);
}

static void free_all(struct load *l)
{
	for (unsigned i = 0; i < l->conf.sockets; i++) {
		net_udp_tx_free(l->tx[i]);
		(void)close(l->fd[i]);
	}
	mbedtls_ctr_drbg_free(&l->random);
	mbedtls_entropy_free(&l->entropy);
	mbedtls_psa_crypto_free();
	free(l->sessions);
	free(l->file);
	free(l);
}

int main(int argc, char **argv)
{
	struct load *l = calloc(1, sizeof(*l));
	struct net_udp_rx *rx = net_udp_rx_new();
	struct pollfd polls[LOAD_SOCKETS_MAX] = {0};

	if (!l || !rx)
		die("out of memory");
	load_conf_parse(argc, argv, &l->conf);
	if (l->conf.sessions && !l->conf.shakers)
		read_images(l);
	set_up_tls(l);
	set_up_sessions(l);
	log_set_level(LOG_LEVEL_ERR); /* not that the buffers are small: that shows */
	open_sockets(l);
	for (unsigned i = 0; i < l->conf.sockets; i++)
		polls[i] = (struct pollfd){.fd = l->fd[i], .events = POLLIN};
	if (l->conf.lifecycles) {
		live(l, rx, polls);
	} else {
		bring_up(l, rx, polls);
		measure(l, rx, polls);
		print(l);
	}
	for (unsigned i = 0; i < l->session_count; i++) {
		session_stop(&l->sessions[i]);
		if (i % 32 == 0)
			flush(l);
	}
	flush(l);

	int status = l->n.wrong ? 1 : 0;

	net_udp_rx_free(rx);
	free_all(l);
	return status;
}
