/* SPDX-License-Identifier: Apache-2.0
 *
 * postboot-crowd: many devices with certificates that come back at once.
 *
 *   postboot-crowd make DIR                    ca.pem, server.pem and server.key, and what it needs
 *   postboot-crowd run DIR PORT COUNT ROUNDS   devices crowd-1 to crowd-COUNT, all at the same
 * time; in further rounds with the tickets of the one before
 *
 * Who is refused, or gets no answer for FLIGHTS_MS, begins anew after 1 to 3 s, as a device would.
 * First a line "ready"; then one for each round: up= how many got in, again= how often one of them
 * had to begin anew, seconds= until the last of them, per_s=.
 */
#include <fcntl.h>
#include <mbedtls/ctr_drbg.h>
#include <mbedtls/entropy.h>
#include <mbedtls/net_sockets.h>
#include <mbedtls/pk.h>
#include <mbedtls/ssl.h>
#include <mbedtls/timing.h>
#include <mbedtls/x509_crt.h>
#include <netinet/in.h>
#include <psa/crypto.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum {
	PEM = 4096,
	COUNT_MAX = 10000,
	GIVE_UP_S = 120,
	FLIGHTS_MS = 16000, /* the longest wait for an answer, the last of 1, 2, 4, 8 and 16 s */
	TIMERS_MS = 100,    /* how often they are looked at */
	EVENTS = 64,
};

static const char until[] = "20991231235959";

struct device {
	mbedtls_ssl_config conf;
	mbedtls_ssl_context ssl;
	mbedtls_ssl_session session;
	mbedtls_x509_crt crt;
	mbedtls_timing_delay_context timer;
	double again_at; /* when it begins anew, 0: it is at it */
	bool up, has_session;
	int fd;
};

static mbedtls_entropy_context entropy;
static mbedtls_ctr_drbg_context rng;
static mbedtls_pk_context ca_key, device_key;
static mbedtls_x509_crt ca_crt;

static void die(const char *what)
{
	fprintf(stderr, "postboot-crowd: %s\n", what);
	exit(1);
}

static void need(int bad, const char *what)
{
	if (bad)
		die(what);
}

static void key_make(mbedtls_pk_context *key)
{
	mbedtls_pk_init(key);
	need(mbedtls_pk_setup(key, mbedtls_pk_info_from_type(MBEDTLS_PK_ECKEY)), "no key");
	need(mbedtls_ecp_gen_key(MBEDTLS_ECP_DP_SECP256R1, mbedtls_pk_ec(*key),
				 mbedtls_ctr_drbg_random, &rng),
	     "no key");
}

static void sign(mbedtls_pk_context *key, const char *name, bool is_ca, unsigned number,
		 unsigned char pem[PEM])
{
	unsigned char serial[] = {1, (unsigned char)(number >> 8), (unsigned char)number};
	mbedtls_x509write_cert w;
	char subject[64];

	(void)snprintf(subject, sizeof(subject), "CN=%s", name);
	mbedtls_x509write_crt_init(&w);
	mbedtls_x509write_crt_set_version(&w, MBEDTLS_X509_CRT_VERSION_3);
	mbedtls_x509write_crt_set_md_alg(&w, MBEDTLS_MD_SHA256);
	mbedtls_x509write_crt_set_subject_key(&w, key);
	mbedtls_x509write_crt_set_issuer_key(&w, &ca_key);
	need(mbedtls_x509write_crt_set_subject_name(&w, subject) ||
		     mbedtls_x509write_crt_set_issuer_name(&w, "CN=Crowd CA") ||
		     mbedtls_x509write_crt_set_serial_raw(&w, serial, sizeof(serial)) ||
		     mbedtls_x509write_crt_set_validity(&w, "20200101000000", until) ||
		     mbedtls_x509write_crt_set_basic_constraints(&w, is_ca, -1) ||
		     mbedtls_x509write_crt_pem(&w, pem, PEM, mbedtls_ctr_drbg_random, &rng),
	     "a certificate could not be signed");
	mbedtls_x509write_crt_free(&w);
}

static void put(const char *dir, const char *name, const unsigned char *text)
{
	char path[4096];

	(void)snprintf(path, sizeof(path), "%s/%s", dir, name);
	FILE *f = fopen(path, "w");
	need(!f || fputs((const char *)text, f) < 0 || fclose(f), path);
}

static void make(const char *dir)
{
	unsigned char pem[PEM];
	mbedtls_pk_context server_key;

	key_make(&ca_key);
	key_make(&server_key);
	sign(&ca_key, "Crowd CA", true, 1, pem);
	put(dir, "ca.pem", pem);
	sign(&server_key, "server", false, 2, pem);
	put(dir, "server.pem", pem);
	need(mbedtls_pk_write_key_pem(&server_key, pem, PEM), "no key");
	put(dir, "server.key", pem);
	need(mbedtls_pk_write_key_pem(&ca_key, pem, PEM), "no key");
	put(dir, "ca.key", pem);
	mbedtls_pk_free(&server_key);
	mbedtls_pk_free(&ca_key);
}

static int on_send(void *ctx, const unsigned char *data, size_t len)
{
	ssize_t n = send(((struct device *)ctx)->fd, data, len, 0);

	return n < 0 ? (int)len : (int)n; /* lost */
}

static int on_receive(void *ctx, unsigned char *dst, size_t cap)
{
	ssize_t n = recv(((struct device *)ctx)->fd, dst, cap, 0);

	return n <= 0 ? MBEDTLS_ERR_SSL_WANT_READ : (int)n;
}

static void device_make(struct device *d, unsigned number, unsigned port)
{
	const struct sockaddr_in to = {.sin_family = AF_INET,
				       .sin_port = htons((in_port_t)port),
				       .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	static const int suites[] = {MBEDTLS_TLS_ECDHE_ECDSA_WITH_AES_128_CCM_8, 0};
	unsigned char pem[PEM];
	char name[32];

	(void)snprintf(name, sizeof(name), "crowd-%u", number);
	sign(&device_key, name, false, 100 + number, pem);
	mbedtls_x509_crt_init(&d->crt);
	mbedtls_ssl_config_init(&d->conf);
	mbedtls_ssl_init(&d->ssl);
	mbedtls_ssl_session_init(&d->session);
	need(mbedtls_x509_crt_parse(&d->crt, pem, strlen((char *)pem) + 1) ||
		     mbedtls_ssl_config_defaults(&d->conf, MBEDTLS_SSL_IS_CLIENT,
						 MBEDTLS_SSL_TRANSPORT_DATAGRAM,
						 MBEDTLS_SSL_PRESET_DEFAULT) ||
		     mbedtls_ssl_conf_own_cert(&d->conf, &d->crt, &device_key),
	     "no device");
	mbedtls_ssl_conf_rng(&d->conf, mbedtls_ctr_drbg_random, &rng);
	mbedtls_ssl_conf_ciphersuites(&d->conf, suites);
	mbedtls_ssl_conf_max_tls_version(&d->conf, MBEDTLS_SSL_VERSION_TLS1_2);
	mbedtls_ssl_conf_handshake_timeout(&d->conf, 1000, FLIGHTS_MS);
	mbedtls_ssl_conf_ca_chain(&d->conf, &ca_crt, NULL);
	need(mbedtls_ssl_setup(&d->ssl, &d->conf) || mbedtls_ssl_set_hostname(&d->ssl, NULL),
	     "no device");
	mbedtls_ssl_set_bio(&d->ssl, d, on_send, on_receive, NULL);
	mbedtls_ssl_set_timer_cb(&d->ssl, &d->timer, mbedtls_timing_set_delay,
				 mbedtls_timing_get_delay);
	d->fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	need(d->fd < 0 || connect(d->fd, (const struct sockaddr *)&to, sizeof(to)), "no socket");
}

static void device_end(struct device *d)
{
	(void)mbedtls_ssl_close_notify(&d->ssl);
	mbedtls_ssl_free(&d->ssl);
	mbedtls_ssl_session_free(&d->session);
	mbedtls_ssl_config_free(&d->conf);
	mbedtls_x509_crt_free(&d->crt);
	(void)close(d->fd);
}

static double seconds(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

struct crowd {
	struct device *list;
	unsigned count, up, again;
	int epoll;
};

static void begin(struct device *d)
{
	need(mbedtls_ssl_session_reset(&d->ssl) ||
		     (d->has_session && mbedtls_ssl_set_session(&d->ssl, &d->session)),
	     "no session");
	d->up = false;
	d->again_at = 0;
}

static void go_on(struct crowd *c, struct device *d)
{
	uint32_t random = 0;

	if (d->up || d->again_at > 0)
		return;
	int ret = mbedtls_ssl_handshake(&d->ssl);

	if (ret == MBEDTLS_ERR_SSL_WANT_READ)
		return;
	if (ret == 0) {
		d->up = true;
		c->up++;
		if (!mbedtls_ssl_get_session(&d->ssl, &d->session))
			d->has_session = true;
		return;
	}
	need(mbedtls_ctr_drbg_random(&rng, (unsigned char *)&random, sizeof(random)), "no random");
	d->again_at = seconds() + 1 + random % 2000 / 1e3;
	c->again++;
}

/* What nothing has come for: flights are repeated, and who was refused begins anew. */
static void timers(struct crowd *c)
{
	for (unsigned i = 0; i < c->count; i++) {
		struct device *d = &c->list[i];

		if (d->again_at > 0 && seconds() >= d->again_at)
			begin(d);
		if (!d->up && (d->again_at > 0 || mbedtls_timing_get_delay(&d->timer) == 2 ||
			       mbedtls_timing_get_delay(&d->timer) == -1))
			go_on(c, d);
	}
}

static void round_run(struct crowd *c)
{
	double began = seconds(), last = began, looked = 0;
	struct epoll_event events[EVENTS];

	c->up = c->again = 0;
	while (c->up < c->count && seconds() - began < GIVE_UP_S) {
		if (seconds() - looked >= TIMERS_MS / 1e3) {
			timers(c);
			looked = seconds();
		}
		int n = epoll_wait(c->epoll, events, EVENTS, TIMERS_MS);

		need(n < 0, "epoll");
		for (int i = 0; i < n; i++)
			go_on(c, &c->list[events[i].data.u32]);
		last = seconds();
	}
	printf("up=%u again=%u seconds=%.3f per_s=%.1f\n", c->up, c->again, last - began,
	       c->up / (last - began));
	(void)fflush(stdout);
	need(c->up == 0, "nobody was let in");
}

static void run(const char *dir, unsigned port, unsigned count, unsigned rounds)
{
	struct device *list = calloc(count, sizeof(*list));
	struct crowd crowd = {.list = list, .count = count, .epoll = epoll_create1(EPOLL_CLOEXEC)};
	struct rlimit files = {.rlim_cur = 0};
	char path[4096];

	need(!list || crowd.epoll < 0 || getrlimit(RLIMIT_NOFILE, &files), "no memory");
	files.rlim_cur = files.rlim_max;
	need(setrlimit(RLIMIT_NOFILE, &files), "too few files may be open");
	mbedtls_pk_init(&ca_key);
	mbedtls_x509_crt_init(&ca_crt);
	(void)snprintf(path, sizeof(path), "%s/ca.key", dir);
	need(mbedtls_pk_parse_keyfile(&ca_key, path, NULL, mbedtls_ctr_drbg_random, &rng), path);
	(void)snprintf(path, sizeof(path), "%s/ca.pem", dir);
	need(mbedtls_x509_crt_parse_file(&ca_crt, path), path);
	key_make(&device_key);
	for (unsigned i = 0; i < count; i++) {
		device_make(&list[i], i + 1, port);
		need(epoll_ctl(crowd.epoll, EPOLL_CTL_ADD, list[i].fd,
			       &(struct epoll_event){.events = EPOLLIN | EPOLLET, .data.u32 = i}),
		     "epoll");
	}
	puts("ready");
	(void)fflush(stdout);
	for (unsigned r = 0; r < rounds; r++) {
		for (unsigned i = 0; r > 0 && i < count; i++) {
			(void)mbedtls_ssl_close_notify(&list[i].ssl);
			begin(&list[i]);
		}
		round_run(&crowd);
	}
	for (unsigned i = 0; i < count; i++)
		device_end(&list[i]);
	mbedtls_pk_free(&device_key);
	mbedtls_pk_free(&ca_key);
	mbedtls_x509_crt_free(&ca_crt);
	(void)close(crowd.epoll);
	free(list);
}

int main(int argc, char **argv)
{
	mbedtls_entropy_init(&entropy);
	mbedtls_ctr_drbg_init(&rng);
	need(psa_crypto_init() != PSA_SUCCESS ||
		     mbedtls_ctr_drbg_seed(&rng, mbedtls_entropy_func, &entropy, NULL, 0),
	     "no random bytes");
	if (argc == 3 && strcmp(argv[1], "make") == 0) {
		make(argv[2]);
		return 0;
	}
	long count = argc == 6 ? strtol(argv[4], NULL, 10) : 0;
	if (count < 1 || count > COUNT_MAX || strcmp(argv[1], "run") != 0)
		die("make DIR, or run DIR PORT COUNT ROUNDS");
	run(argv[2], (unsigned)strtoul(argv[3], NULL, 10), (unsigned)count,
	    (unsigned)strtoul(argv[5], NULL, 10));
	return 0;
}
