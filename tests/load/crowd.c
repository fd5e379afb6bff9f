/* SPDX-License-Identifier: Apache-2.0
 *
 * postboot-crowd: many devices with certificates that come back at once.
 *
 *   postboot-crowd make DIR                    ca.pem, server.pem and server.key, and what it needs
 *   postboot-crowd run DIR PORT COUNT ROUNDS   devices crowd-1 to crowd-COUNT, all at the same
 * time; in further rounds with the tickets of the one before
 *
 * First a line "ready"; then one for each round: up= how many got in, seconds= until the last of
 * them, per_s=.
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
#include <poll.h>
#include <psa/crypto.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { PEM = 4096, COUNT_MAX = 10000, GIVE_UP_S = 300 };

static const char until[] = "20991231235959";

struct device {
	mbedtls_ssl_config conf;
	mbedtls_ssl_context ssl;
	mbedtls_ssl_session session;
	mbedtls_x509_crt crt;
	mbedtls_timing_delay_context timer;
	bool up, failed, has_session;
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

/* False: nothing is left to do for it. */
static bool go_on(struct device *d)
{
	int ret = mbedtls_ssl_handshake(&d->ssl);

	d->up = ret == 0;
	d->failed = ret && ret != MBEDTLS_ERR_SSL_WANT_READ;
	if (d->up && !mbedtls_ssl_get_session(&d->ssl, &d->session))
		d->has_session = true;
	return !d->up && !d->failed;
}

static void round_run(struct device *list, struct pollfd *polls, unsigned count)
{
	double began = seconds(), last = began;
	unsigned open = count, up = 0;

	for (unsigned i = 0; i < count; i++) {
		list[i].up = list[i].failed = false;
		(void)go_on(&list[i]);
	}
	while (open > 0 && seconds() - began < GIVE_UP_S) {
		need(poll(polls, count, 100) < 0, "poll");
		open = 0;
		for (unsigned i = 0; i < count; i++) {
			struct device *d = &list[i];

			if (!d->up && !d->failed && go_on(d))
				open++;
		}
		last = seconds();
	}
	for (unsigned i = 0; i < count; i++)
		up += list[i].up;
	printf("up=%u seconds=%.3f per_s=%.1f\n", up, last - began, up / (last - began));
	(void)fflush(stdout);
	need(up == 0, "nobody was let in");
}

static void run(const char *dir, unsigned port, unsigned count, unsigned rounds)
{
	struct device *list = calloc(count, sizeof(*list));
	struct pollfd *polls = calloc(count, sizeof(*polls));
	struct rlimit files = {.rlim_cur = 0};
	char path[4096];

	need(!list || !polls || getrlimit(RLIMIT_NOFILE, &files), "no memory");
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
		polls[i] = (struct pollfd){.fd = list[i].fd, .events = POLLIN};
	}
	puts("ready");
	(void)fflush(stdout);
	for (unsigned r = 0; r < rounds; r++) {
		for (unsigned i = 0; r > 0 && i < count; i++) {
			(void)mbedtls_ssl_close_notify(&list[i].ssl);
			need(mbedtls_ssl_session_reset(&list[i].ssl) ||
				     (list[i].has_session &&
				      mbedtls_ssl_set_session(&list[i].ssl, &list[i].session)),
			     "no session");
		}
		round_run(list, polls, count);
	}
	for (unsigned i = 0; i < count; i++)
		device_end(&list[i]);
	mbedtls_pk_free(&device_key);
	mbedtls_pk_free(&ca_key);
	mbedtls_x509_crt_free(&ca_crt);
	free(polls);
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
