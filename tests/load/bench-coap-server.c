/* SPDX-License-Identifier: Apache-2.0
 *
 * The measure of our transport: the same file served by libcoap's own engine and OpenSSL, in as
 * few lines as its public API allows.
 *
 *   bench-coap-server FILE PSK-LIST PORT [PATH]
 *
 * One key serves every identity of the list, which must therefore hold one key only.
 */
#include <coap3/coap.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"

struct served {
	uint8_t *file;
	size_t len;
	uint8_t key[64];
	coap_bin_const_t psk;
};

static volatile sig_atomic_t stopped; /* for a signal handler there is no other way */

static void on_signal(int number)
{
	(void)number;
	stopped = 1;
}

static const coap_bin_const_t *on_identity(coap_bin_const_t *identity, coap_session_t *session,
					   void *arg)
{
	struct served *s = arg;

	(void)identity;
	(void)session;
	return &s->psk;
}

static void on_get(coap_resource_t *resource, coap_session_t *session, const coap_pdu_t *request,
		   const coap_string_t *query, coap_pdu_t *response)
{
	/* By hand: the convenient function hashes the whole file for every block. */
	static const uint8_t etag[] = {1, 2, 3, 4, 5, 6, 7, 8};
	static const uint8_t octets[] = {COAP_MEDIATYPE_APPLICATION_OCTET_STREAM};
	struct served *s = coap_resource_get_userdata(resource);
	coap_block_b_t block = {.szx = 6, .aszx = 6};

	(void)query;
	(void)coap_get_block_b(session, request, COAP_OPTION_BLOCK2, &block);
	coap_pdu_set_code(response, COAP_RESPONSE_CODE_CONTENT);
	(void)coap_add_option(response, COAP_OPTION_ETAG, sizeof(etag), etag);
	(void)coap_add_option(response, COAP_OPTION_CONTENT_FORMAT, sizeof(octets), octets);
	if (coap_write_block_b_opt(session, &block, COAP_OPTION_BLOCK2, response, s->len) < 0)
		coap_pdu_set_code(response, COAP_RESPONSE_CODE_BAD_REQUEST);
	else
		(void)coap_add_block_b_data(response, s->len, s->file, &block);
}

static void on_post(coap_resource_t *resource, coap_session_t *session, const coap_pdu_t *request,
		    const coap_string_t *query, coap_pdu_t *response)
{
	(void)resource;
	(void)session;
	(void)request;
	(void)query;
	coap_pdu_set_code(response, COAP_RESPONSE_CODE_CHANGED);
}

static bool read_file(const char *path, struct served *s)
{
	FILE *f = fopen(path, "rbe");
	long len = f && fseek(f, 0, SEEK_END) == 0 ? ftell(f) : -1;

	if (len < 0)
		return false;
	rewind(f);
	s->file = malloc((size_t)len + 1);
	s->len = s->file ? fread(s->file, 1, (size_t)len, f) : 0;
	(void)fclose(f);
	return s->len == (size_t)len;
}

static bool read_key(const char *path, struct served *s)
{
	FILE *f = fopen(path, "re");
	char line[256] = "";
	char *colon;

	if (!f || !fgets(line, sizeof(line), f))
		return false;
	(void)fclose(f);
	line[strcspn(line, "\r\n")] = 0;
	colon = strrchr(line, ':');
	s->psk.s = s->key;
	return colon && buf_from_hex(colon + 1, strlen(colon + 1), s->key, sizeof(s->key),
				     &s->psk.length) == 0;
}

static coap_context_t *serve(struct served *s, int port, const char *path)
{
	coap_address_t at;
	coap_context_t *context = coap_new_context(NULL);
	coap_dtls_spsk_t setup = {.version = COAP_DTLS_SPSK_SETUP_VERSION,
				  .validate_id_call_back = on_identity,
				  .id_call_back_arg = s,
				  .psk_info.key = s->psk};
	coap_resource_t *image = coap_resource_init(coap_make_str_const(path), 0);
	coap_resource_t *report = coap_resource_init(coap_make_str_const("report"), 0);

	if (!context || !image || !report)
		return NULL;
	coap_address_init(&at);
	at.addr.sin.sin_family = AF_INET;
	at.addr.sin.sin_port = htons((uint16_t)port);
	at.addr.sin.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	at.size = sizeof(at.addr.sin);
	coap_context_set_max_handshake_sessions(context, 256);
	coap_register_request_handler(image, COAP_REQUEST_GET, on_get);
	coap_register_request_handler(report, COAP_REQUEST_POST, on_post);
	coap_resource_set_userdata(image, s);
	coap_add_resource(context, image);
	coap_add_resource(context, report);
	if (!coap_context_set_psk2(context, &setup) ||
	    !coap_new_endpoint(context, &at, COAP_PROTO_DTLS))
		return NULL;
	return context;
}

int main(int argc, char **argv)
{
	struct served s = {0};

	if (argc < 4 || !read_file(argv[1], &s) || !read_key(argv[2], &s)) {
		fprintf(stderr, "usage: %s FILE PSK-LIST PORT [PATH]\n", argv[0]);
		return 2;
	}
	coap_startup();
	coap_context_t *context = serve(&s, atoi(argv[3]), argc > 4 ? argv[4] : "fw/x");

	if (!context)
		return 1;
	(void)signal(SIGTERM, on_signal);
	(void)signal(SIGINT, on_signal);
	printf("coaps %s\n", argv[3]);
	(void)fflush(stdout);
	while (!stopped)
		if (coap_io_process(context, 1000) < 0)
			break;
	coap_free_context(context);
	coap_cleanup();
	free(s.file);
	return 0;
}
