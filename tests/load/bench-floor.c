/* SPDX-License-Identifier: Apache-2.0
 *
 * What nobody can go below on this machine: one datagram in and one out, and the sealing of one
 * block, in microseconds of a processor.
 *
 *   bench-floor [SECONDS]
 *
 * udp: 64 requests of 77 bytes in flight, each answered by 1091 bytes (what a block request and a
 * block are with CCM-8), by recvmmsg and sendmmsg. The requests come from a process of its own.
 * udp4: the same, four answers at a time given to the kernel as one (UDP_SEGMENT).
 * seal, open: AES-128-CCM-8 of 1062 and 48 bytes as postbootd does it: by mbedTLS, which takes it
 * from nettle (net/net_crypto.h); openssl: sealing by OpenSSL.
 */
#include <arpa/inet.h>
#include <mbedtls/cipher.h>
#include <netinet/udp.h>
#include <openssl/evp.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "net/net_crypto.h"

enum {
	BATCH = 64,
	REQUEST = 77,
	ANSWER = 1091,
	AT_ONCE = 4,
	PLAIN = 1062,
	PLAIN_REQUEST = 48,
	TAG = 8,
	NONCE = 12,
	DATA = 13,
};

static void die(const char *what)
{
	perror(what);
	exit(1);
}

static double seconds(clockid_t clock)
{
	struct timespec t;

	(void)clock_gettime(clock, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* Each side on a processor of its own, where there are two. */
static void pin(int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET((size_t)cpu, &set);
	(void)sched_setaffinity(0, sizeof(set), &set);
}

/* ---- datagrams ---- */

struct batch {
	struct mmsghdr messages[BATCH];
	struct iovec iov[BATCH];
	struct sockaddr_in at[BATCH];
	uint8_t data[BATCH][2048];
};

static struct batch *batch_new(void)
{
	struct batch *b = calloc(1, sizeof(*b));

	if (!b)
		die("memory");
	for (unsigned i = 0; i < BATCH; i++)
		b->messages[i].msg_hdr.msg_iov = &b->iov[i];
	return b;
}

static int receive(struct batch *b, int fd, int flags)
{
	for (unsigned i = 0; i < BATCH; i++) {
		b->iov[i] = (struct iovec){b->data[i], sizeof(b->data[i])};
		b->messages[i].msg_hdr.msg_iovlen = 1;
		b->messages[i].msg_hdr.msg_name = &b->at[i];
		b->messages[i].msg_hdr.msg_namelen = sizeof(b->at[i]);
	}
	return recvmmsg(fd, b->messages, BATCH, flags, NULL);
}

static void answer(struct batch *b, int fd, int count, size_t len)
{
	for (int i = 0; i < count; i++)
		b->iov[i].iov_len = len;
	for (int done = 0, n; done < count; done += n)
		if ((n = sendmmsg(fd, b->messages + done, (unsigned)(count - done), 0)) <= 0)
			die("sendmmsg");
}

/* All of them go to one address. */
static void answer_in_fours(struct batch *b, int fd, int count, uint16_t len)
{
	_Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(len))] = {0};
	struct cmsghdr *c = (struct cmsghdr *)(void *)control;

	c->cmsg_len = CMSG_LEN(sizeof(len));
	c->cmsg_level = SOL_UDP;
	c->cmsg_type = UDP_SEGMENT;
	memcpy(CMSG_DATA(c), &len, sizeof(len));
	for (int i = 0; i < count; i++)
		b->iov[i].iov_len = len;
	for (int done = 0, n; done < count; done += n) {
		struct msghdr m = b->messages[done].msg_hdr;

		n = count - done < AT_ONCE ? count - done : AT_ONCE;
		m.msg_iovlen = (size_t)n;
		m.msg_control = control;
		m.msg_controllen = sizeof(control);
		if (sendmsg(fd, &m, 0) < 0)
			die("sendmsg, UDP_SEGMENT");
	}
}

static int socket_new(struct sockaddr_in *ret_at)
{
	struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(*ret_at);
	int bytes = 4 << 20;
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || bind(fd, (struct sockaddr *)&at, sizeof(at)) ||
	    getsockname(fd, (struct sockaddr *)ret_at, &len))
		die("socket");
	(void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof(bytes));
	(void)setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof(bytes));
	return fd;
}

static void client(int fd, const struct sockaddr_in *server)
{
	struct batch *b = batch_new();

	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	pin(1);
	for (unsigned i = 0; i < BATCH; i++)
		(void)sendto(fd, b->data[0], REQUEST, 0, (const struct sockaddr *)server,
			     sizeof(*server));
	for (;;) { /* never asleep: nobody has to pay for waking it */
		int count = receive(b, fd, MSG_DONTWAIT);

		if (count > 0)
			answer(b, fd, count, REQUEST);
	}
}

static double udp_us(double run_s, bool in_fours)
{
	struct sockaddr_in at, other;
	struct batch *b = batch_new();
	int fd = socket_new(&at), client_fd = socket_new(&other);
	pid_t child = fork();

	if (child < 0)
		die("fork");
	if (child == 0)
		client(client_fd, &at);
	pin(0);

	double began = seconds(CLOCK_MONOTONIC), cpu = 0;
	unsigned long pairs = 0;
	const double warm_s = run_s / 4;

	while (seconds(CLOCK_MONOTONIC) - began < run_s + warm_s) {
		int count = receive(b, fd, MSG_WAITFORONE);

		if (count <= 0)
			die("recvmmsg");
		if (in_fours)
			answer_in_fours(b, fd, count, ANSWER);
		else
			answer(b, fd, count, ANSWER);
		if (cpu == 0 && seconds(CLOCK_MONOTONIC) - began >= warm_s)
			cpu = seconds(CLOCK_PROCESS_CPUTIME_ID);
		else if (cpu > 0)
			pairs += (unsigned long)count;
	}
	cpu = seconds(CLOCK_PROCESS_CPUTIME_ID) - cpu;
	(void)kill(child, SIGKILL);
	(void)waitpid(child, NULL, 0);
	free(b);
	return pairs ? cpu / (double)pairs * 1e6 : 0;
}

/* ---- sealing ---- */

static uint8_t key[16], nonce[NONCE], data[DATA], text[PLAIN], sealed[PLAIN + TAG + 16];

static int mbedtls_seal(mbedtls_cipher_context_t *c, size_t len)
{
	size_t out;

	nonce[0]++;
	return mbedtls_cipher_auth_encrypt_ext(c, nonce, NONCE, data, DATA, text, len, sealed,
					       sizeof(sealed), &out, TAG);
}

static int mbedtls_open(mbedtls_cipher_context_t *c, size_t len)
{
	size_t out;

	return mbedtls_cipher_auth_decrypt_ext(c, nonce, NONCE, data, DATA, sealed, len + TAG, text,
					       sizeof(text), &out, TAG);
}

static double mbedtls_us(bool opens, size_t len, double run_s)
{
	const mbedtls_cipher_info_t *info =
		mbedtls_cipher_info_from_type(MBEDTLS_CIPHER_AES_128_CCM);
	mbedtls_cipher_context_t c;
	unsigned long count = 0;

	mbedtls_cipher_init(&c);
	if (mbedtls_cipher_setup(&c, info) ||
	    mbedtls_cipher_setkey(&c, key, 128, opens ? MBEDTLS_DECRYPT : MBEDTLS_ENCRYPT))
		die("mbedTLS");
	if (opens) { /* something genuine to open */
		mbedtls_cipher_context_t writer;

		mbedtls_cipher_init(&writer);
		if (mbedtls_cipher_setup(&writer, info) ||
		    mbedtls_cipher_setkey(&writer, key, 128, MBEDTLS_ENCRYPT) ||
		    mbedtls_seal(&writer, len))
			die("mbedTLS");
		mbedtls_cipher_free(&writer);
	}
	double began = seconds(CLOCK_PROCESS_CPUTIME_ID), took;

	do {
		for (unsigned i = 0; i < 256; i++)
			if (opens ? mbedtls_open(&c, len) : mbedtls_seal(&c, len))
				die("mbedTLS");
		count += 256;
		took = seconds(CLOCK_PROCESS_CPUTIME_ID) - began;
	} while (took < run_s);
	mbedtls_cipher_free(&c);
	return took / (double)count * 1e6;
}

static bool openssl_seal(EVP_CIPHER_CTX *c)
{
	int len;

	nonce[0]++;
	return EVP_EncryptInit_ex(c, NULL, NULL, NULL, nonce) &&
	       EVP_EncryptUpdate(c, NULL, &len, NULL, PLAIN) &&
	       EVP_EncryptUpdate(c, NULL, &len, data, DATA) &&
	       EVP_EncryptUpdate(c, sealed, &len, text, PLAIN) &&
	       EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_AEAD_GET_TAG, TAG, sealed + PLAIN);
}

static double openssl_us(double run_s)
{
	EVP_CIPHER_CTX *c = EVP_CIPHER_CTX_new();
	unsigned long count = 0;

	if (!c || !EVP_EncryptInit_ex(c, EVP_aes_128_ccm(), NULL, NULL, NULL) ||
	    !EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_AEAD_SET_IVLEN, NONCE, NULL) ||
	    !EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_AEAD_SET_TAG, TAG, NULL) ||
	    !EVP_EncryptInit_ex(c, NULL, NULL, key, nonce))
		die("OpenSSL");
	double began = seconds(CLOCK_PROCESS_CPUTIME_ID), took;

	do {
		for (unsigned i = 0; i < 256; i++)
			if (!openssl_seal(c))
				die("OpenSSL");
		count += 256;
		took = seconds(CLOCK_PROCESS_CPUTIME_ID) - began;
	} while (took < run_s);
	EVP_CIPHER_CTX_free(c);
	return took / (double)count * 1e6;
}

int main(int argc, char **argv)
{
	double run_s = argc > 1 ? atof(argv[1]) : 1;
	struct net_crypto_use use;

	if (argc > 2 || run_s <= 0) {
		fprintf(stderr, "usage: bench-floor [SECONDS]\n");
		return 2;
	}
	if (net_crypto_check(&use))
		die("known answers");
	printf("udp_us=%.3f ", udp_us(run_s, false));
	printf("udp4_us=%.3f ", udp_us(run_s, true));
	printf("seal_us=%.3f open_us=%.3f openssl_seal_us=%.3f\n",
	       mbedtls_us(false, PLAIN, run_s / 4), mbedtls_us(true, PLAIN_REQUEST, run_s / 4),
	       openssl_us(run_s / 4));
	return 0;
}
