/* SPDX-License-Identifier: Apache-2.0
 *
 * A device that serves, on somebody else's CoAP: libcoap, here as the server on its client
 * session, as LwM2M clients are.
 *
 *   coap-device PORT KEY IMAGE LINKS con|non
 *
 * Posts the file LINKS to rd, in blocks if it is long, and then serves: 3/0/3 a version, 3/0 the
 * file LINKS, 5/0/0 puts into the file IMAGE, 5/0/2 answers late, 5/0/3 is what 5/0/1 was put to
 * and can be observed. Ends with the session, or by SIGTERM.
 */
#include <coap3/coap.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LATE_MS = 1500 };

static struct {
	uint8_t links[65536];
	size_t links_len;
	const char *image;
	char state[16];
	coap_resource_t *observed;
} device;

static volatile sig_atomic_t stopped; /* for a signal handler there is no other way */

static void on_signal(int number)
{
	(void)number;
	stopped = 1;
}

static int on_event(coap_session_t *session, const coap_event_t event)
{
	(void)session;
	if (event == COAP_EVENT_DTLS_CLOSED || event == COAP_EVENT_DTLS_ERROR)
		stopped = 1;
	return 0;
}

static coap_response_t on_response(coap_session_t *session, const coap_pdu_t *sent,
				   const coap_pdu_t *received, const coap_mid_t mid)
{
	coap_opt_iterator_t it;
	coap_opt_filter_t filter;
	coap_pdu_code_t code = coap_pdu_get_code(received);
	coap_opt_t *option;

	(void)session;
	(void)sent;
	(void)mid;
	coap_option_filter_clear(&filter);
	(void)coap_option_filter_set(&filter, COAP_OPTION_LOCATION_PATH);
	(void)coap_option_iterator_init(received, &it, &filter);
	printf("registered %d.%02d", code >> 5, code & 31);
	while ((option = coap_option_next(&it)))
		printf(" %.*s", (int)coap_opt_length(option), (const char *)coap_opt_value(option));
	printf("\n");
	(void)fflush(stdout);
	return COAP_RESPONSE_OK;
}

static void on_version(coap_resource_t *resource, coap_session_t *session,
		       const coap_pdu_t *request, const coap_string_t *query, coap_pdu_t *response)
{
	(void)resource;
	(void)session;
	(void)request;
	(void)query;
	coap_pdu_set_code(response, COAP_RESPONSE_CODE_CONTENT);
	(void)coap_add_data(response, 5, (const uint8_t *)"1.2.3");
}

static void on_links(coap_resource_t *resource, coap_session_t *session, const coap_pdu_t *request,
		     const coap_string_t *query, coap_pdu_t *response)
{
	coap_pdu_set_code(response, COAP_RESPONSE_CODE_CONTENT);
	(void)coap_add_data_large_response(resource, session, request, response, query,
					   COAP_MEDIATYPE_APPLICATION_LINK_FORMAT, -1, 7,
					   device.links_len, device.links, NULL, NULL);
}

static void on_image(coap_resource_t *resource, coap_session_t *session, const coap_pdu_t *request,
		     const coap_string_t *query, coap_pdu_t *response)
{
	size_t len = 0, offset = 0, total = 0;
	const uint8_t *data = NULL;
	FILE *f = fopen(device.image, "wbe");

	(void)resource;
	(void)session;
	(void)query;
	coap_pdu_set_code(response, COAP_RESPONSE_CODE_INTERNAL_ERROR);
	if (!f)
		return;
	if (coap_get_data_large(request, &len, &data, &offset, &total) && offset == 0 &&
	    len == total && fwrite(data, 1, len, f) == len)
		coap_pdu_set_code(response, COAP_RESPONSE_CODE_CHANGED);
	(void)fclose(f);
}

static void on_late(coap_resource_t *resource, coap_session_t *session, const coap_pdu_t *request,
		    const coap_string_t *query, coap_pdu_t *response)
{
	(void)resource;
	(void)query;
	if (!coap_find_async(session, coap_pdu_get_token(request))) {
		(void)coap_register_async(session, request,
					  (coap_tick_t)LATE_MS * COAP_TICKS_PER_SECOND / 1000);
		return;
	}
	coap_pdu_set_code(response, COAP_RESPONSE_CODE_CHANGED);
}

static void on_set(coap_resource_t *resource, coap_session_t *session, const coap_pdu_t *request,
		   const coap_string_t *query, coap_pdu_t *response)
{
	const uint8_t *data = NULL;
	size_t len = 0;

	(void)resource;
	(void)session;
	(void)query;
	(void)coap_get_data(request, &len, &data);
	(void)snprintf(device.state, sizeof(device.state), "%.*s", (int)len, (const char *)data);
	coap_pdu_set_code(response, COAP_RESPONSE_CODE_CHANGED);
	(void)coap_resource_notify_observers(device.observed, NULL);
}

static void on_state(coap_resource_t *resource, coap_session_t *session, const coap_pdu_t *request,
		     const coap_string_t *query, coap_pdu_t *response)
{
	(void)resource;
	(void)session;
	(void)request;
	(void)query;
	coap_pdu_set_code(response, COAP_RESPONSE_CODE_CONTENT);
	(void)coap_add_data(response, strlen(device.state), (const uint8_t *)device.state);
}

static coap_resource_t *serve(coap_context_t *context, const char *path, coap_request_t method,
			      coap_method_handler_t handler, int flags)
{
	coap_resource_t *r = coap_resource_init(coap_make_str_const(path), flags);

	if (!r)
		exit(1);
	coap_register_request_handler(r, method, handler);
	coap_add_resource(context, r);
	return r;
}

static void post_links(coap_session_t *session)
{
	coap_pdu_t *pdu = coap_new_pdu(COAP_MESSAGE_CON, COAP_REQUEST_CODE_POST, session);
	uint8_t token[8];
	size_t token_len = 0;

	if (!pdu)
		exit(1);
	coap_session_new_token(session, &token_len, token);
	(void)coap_add_token(pdu, token_len, token);
	(void)coap_add_option(pdu, COAP_OPTION_URI_PATH, 2, (const uint8_t *)"rd");
	(void)coap_add_option(pdu, COAP_OPTION_CONTENT_FORMAT, 1, (const uint8_t[]){40});
	(void)coap_add_option(pdu, COAP_OPTION_URI_QUERY, 6, (const uint8_t *)"ep=dev");
	(void)coap_add_data_large_request(session, pdu, device.links_len, device.links, NULL, NULL);
	if (coap_send(session, pdu) == COAP_INVALID_MID)
		exit(1);
}

int main(int argc, char **argv)
{
	coap_dtls_cpsk_t setup = {.version = COAP_DTLS_CPSK_SETUP_VERSION};
	coap_address_t at;
	FILE *f = argc == 6 ? fopen(argv[4], "rbe") : NULL;

	if (!f) {
		fprintf(stderr, "usage: %s PORT KEY IMAGE LINKS con|non\n", argv[0]);
		return 2;
	}
	device.links_len = fread(device.links, 1, sizeof(device.links), f);
	(void)fclose(f);
	device.image = argv[3];
	(void)strcpy(device.state, "0");
	(void)signal(SIGTERM, on_signal);
	coap_startup();
	coap_address_init(&at);
	at.addr.sin.sin_family = AF_INET;
	at.addr.sin.sin_port = htons((uint16_t)atoi(argv[1]));
	at.addr.sin.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	at.size = sizeof(at.addr.sin);
	setup.psk_info.identity = (coap_bin_const_t){3, (const uint8_t *)"dev"};
	setup.psk_info.key = (coap_bin_const_t){strlen(argv[2]), (const uint8_t *)argv[2]};

	coap_context_t *context = coap_new_context(NULL);

	if (!context)
		return 1;
	coap_context_set_block_mode(context, COAP_BLOCK_USE_LIBCOAP | COAP_BLOCK_SINGLE_BODY);
	coap_session_t *session =
		coap_new_client_session_psk2(context, NULL, &at, COAP_PROTO_DTLS, &setup);
	int notify = strcmp(argv[5], "con") == 0 ? COAP_RESOURCE_FLAGS_NOTIFY_CON
						 : COAP_RESOURCE_FLAGS_NOTIFY_NON;

	if (!session)
		return 1;
	coap_register_response_handler(context, on_response);
	coap_register_event_handler(context, on_event);
	(void)serve(context, "3/0/3", COAP_REQUEST_GET, on_version, 0);
	(void)serve(context, "3/0", COAP_REQUEST_GET, on_links, 0);
	(void)serve(context, "5/0/0", COAP_REQUEST_PUT, on_image, 0);
	(void)serve(context, "5/0/1", COAP_REQUEST_PUT, on_set, 0);
	(void)serve(context, "5/0/2", COAP_REQUEST_POST, on_late, 0);
	device.observed = serve(context, "5/0/3", COAP_REQUEST_GET, on_state, notify);
	coap_resource_set_get_observable(device.observed, 1);
	post_links(session);
	while (!stopped)
		if (coap_io_process(context, 200) < 0)
			break;
	coap_session_release(session);
	coap_free_context(context);
	coap_cleanup();
	return 0;
}
