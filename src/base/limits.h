/* SPDX-License-Identifier: Apache-2.0
 *
 * Every bound on what a peer, a file or an operator can make us hold. Each has a test
 * at the limit and one beyond it.
 */
#ifndef BASE_LIMITS_H
#define BASE_LIMITS_H

enum {
	/* names */
	LIMIT_DEVICE_ID = 64,	  /* bytes, without NUL */
	LIMIT_PRODUCT_NAME = 64,  /* bytes */
	LIMIT_GROUP_NAME = 64,	  /* bytes */
	LIMIT_GROUPS = 1000,	  /* groups of all products */
	LIMIT_QUERY_NAME = 64,	  /* bytes of the name of a saved query */
	LIMIT_QUERIES = 1000,	  /* saved queries */
	LIMIT_TAG = 32,		  /* bytes */
	LIMIT_TAGS = 16,	  /* tags of a device */
	LIMIT_FILTER_VALUE = 64,  /* bytes of one condition's value */
	LIMIT_FILTER_TERMS = 16,  /* conditions of one filter */
	LIMIT_FILTER_TEXT = 1023, /* bytes of a filter as text */
	LIMIT_VERSION = 64,	  /* bytes, PROTOCOL report 2 */
	LIMIT_HARDWARE = 32,	  /* bytes, PROTOCOL report 12 */
	LIMIT_BOOT_LOADER = 32,	  /* bytes, PROTOCOL report 13 */
	LIMIT_DETAIL = 128,	  /* bytes, PROTOCOL status 3, report 6 */
	LIMIT_DIGEST = 64,	  /* bytes of one digest */
	LIMIT_DIGEST_KINDS = 4,	  /* running digests of a release */
	LIMIT_IMAGE_TEXT = 47,	  /* bytes of a name that an image has for itself */
	LIMIT_IMAGE_DETAIL = 255, /* bytes of what else is told of an image */
	LIMIT_KEY_ID = 16,	  /* hex digits that name a key of a product */
	LIMIT_IMAGE_DIGESTS = 2,  /* digests of an image that devices report */
	LIMIT_SIGNERS = 16,	  /* keys that may sign releases of a product */
	LIMIT_SIGNER_NAME = 64,	  /* bytes */
	LIMIT_SIGNER_PEM = 4096,  /* bytes of a public key as text */
	LIMIT_SIGNER_KEY = 600,	  /* bytes of one as DER: RSA-4096 has 550 */
	LIMIT_SIGNATURE = 512,	  /* bytes: RSA-4096 */
	LIMIT_BOOT_ID_MIN = 8,	  /* bytes */
	LIMIT_BOOT_ID = 16,	  /* bytes */
	LIMIT_BOOTS_KEPT = 8,	  /* boot ids remembered per device */
	LIMIT_DIAGNOSES = 8,	  /* per attempt */
	LIMIT_PSK_MIN = 16,	  /* bytes */
	LIMIT_PSK = 64,		  /* bytes */
	LIMIT_PSK_SEALED = 92,	  /* bytes: LIMIT_PSK, a nonce and a tag (net/net_seal.h) */
	LIMIT_SEAL = 64,	  /* bytes of the sealed text that tells the service's key */
	LIMIT_KEY_TRIES = 2048,	  /* who failed with which key of two, remembered */
	LIMIT_KEY_FAILS = 2048,	  /* devices under whose name handshakes failed, remembered */
	LIMIT_PROTOCOL = 15,	  /* bytes of a device protocol's name */
	LIMIT_PSK_IDENTITY = 128, /* bytes on the wire; a device id is shorter */

	/* protocols in which the server asks (proto/talk.h) */
	LIMIT_TALK_OPTIONS = 1023, /* bytes of a product's options for them */
	LIMIT_TALK_SAVED = 2048,   /* bytes of a talk as it is stored */

	/* certificates */
	LIMIT_CA_BUNDLE = 16384,	/* bytes of PEM, of one product */
	LIMIT_CA_BUNDLE_CERTS = 8,	/* certificates in it */
	LIMIT_CERTIFICATE_FILE = 16384, /* bytes of the server's own chain, and of its key */
	LIMIT_CRL_FILE = 1048576,	/* bytes of the lists of revoked certificates */
	LIMIT_CERTIFICATE_DEPTH = 3,	/* a device's certificate, two CAs between, the anchor */
	LIMIT_HANDSHAKE_MESSAGE = 4096, /* bytes a certificate handshake takes in one message */
	LIMIT_STEP_WAITING = 8,		/* datagrams of one handshake, while a thread has it */
	LIMIT_POOL_QUEUE = 128,		/* handshakes that wait for a thread */

	/* CoAP */
	LIMIT_COAP_MESSAGE = 1152,  /* RFC 7252 4.6 */
	LIMIT_COAP_PAYLOAD = 1024,  /* one block, or one whole small message */
	LIMIT_COAP_OPTIONS = 24,    /* options in one message */
	LIMIT_COAP_PATH = 4,	    /* Uri-Path segments we serve */
	LIMIT_COAP_DEDUPE = 8,	    /* remembered exchanges per peer */
	LIMIT_COAP_OBSERVE = 4,	    /* observations per peer */
	LIMIT_COAP_BODY = 8192,	    /* bytes of a request's body in several blocks */
	LIMIT_COAP_BODIES = 524288, /* of all of them together */
	LIMIT_COAP_WATCH = 4,	    /* observations of ours per peer */
	LIMIT_ASK_PATH = 128,	    /* bytes of the path, and of the query, of a request of ours */
	LIMIT_ASK_PAYLOAD = 1024,   /* bytes of its payload that net keeps */
	LIMIT_ASK_ANSWER = 4096,    /* bytes of an answer in several blocks */
	LIMIT_PEERS = 131072,	    /* sessions */
	LIMIT_HALF_OPEN = 256,	    /* handshakes not finished */
	LIMIT_PATH_HELD = 8,	    /* datagrams for a new address that has not answered yet */
	LIMIT_PATHS_HELD = 1024,    /* of all peers */
	LIMIT_NATIVE_MESSAGE = 512, /* PROTOCOL: every message but an image block */
	LIMIT_NATIVE_JSON = 1024,   /* PROTOCOL: the JSON twin */
	LIMIT_WIRE_NODES = 64,	    /* values in one decoded CBOR or JSON message */
	LIMIT_LWM2M_LINKS = 256,    /* objects and instances of one registration */
	LIMIT_LWM2M_PAYLOAD = 4096, /* bytes of a payload with values or links */
	LIMIT_LWM2M_VALUES = 64,    /* values of one payload */
	LIMIT_LWM2M_SCRATCH = 2048, /* bytes of their texts that are written otherwise in it */

	/* engine */
	LIMIT_DEVICE_HELD = 14,	   /* blocks of a device that wait for its rate */
	LIMIT_BLOCKS_HELD = 2048,  /* of all devices */
	LIMIT_DEVICE_QUEUE = 8,	   /* causes waiting for a device's commit */
	LIMIT_DEVICE_SESSIONS = 8, /* of one identity; the oldest is closed for one more */

	LIMIT_GROUP_DOWNLOADS = 1000000, /* the largest limit of a group's downloads at a time */
	LIMIT_GROUP_RATE_MIN = 2048,	 /* bytes of images a second, of a group */
	LIMIT_GROUP_RATE = 1073741824,
	LIMIT_TURNS = 262144, /* devices that wait for a download or have one, remembered */
	/* rollouts */
	LIMIT_ROLLOUT_NAME = 64,  /* bytes */
	LIMIT_ROLLOUT_WAVES = 16, /* of one rollout */
	LIMIT_WAVES_TEXT = 384,	  /* bytes of their text: 16 numbers with a sign, and gates */
	LIMIT_ROLLOUTS = 1024,	  /* of all products, those that are over included */
	LIMIT_ROLLOUTS_OPEN = 32, /* of them, that are neither drafts nor over */
	LIMIT_PLAN_SITES = 64,	  /* windows and clocks of a dry run that are reckoned apart */
	LIMIT_PLAN_NAMED = 10,	  /* devices without a window that it names */
	LIMIT_ROLLOUTS_TOLD = 5,  /* by status, of those that wait for an operator */

	LIMIT_OUTCOMES = 512, /* releases and groups whose ends are counted apart */

	/* store */
	LIMIT_RETIRE = 500, /* rows of a kind that one step of retention looks at */

	/* webhooks (core/hook.h) */
	LIMIT_HOOKS = 16,
	LIMIT_HOOK_NAME = 64,	    /* bytes */
	LIMIT_HOOK_URL = 512,	    /* bytes */
	LIMIT_HOOK_TOPICS = 512,    /* bytes of all words of its filter */
	LIMIT_HOOK_PRODUCTS = 1024, /* the same of products */
	LIMIT_HOOK_SECRET_MIN = 24, /* bytes of what it signs with */
	LIMIT_HOOK_SECRET = 64,	    /* bytes, as LIMIT_PSK */
	LIMIT_HOOK_BATCH = 100,	    /* events in one message */
	LIMIT_HOOK_BODY = 262144,   /* bytes of a message, but for one event that is larger */
	LIMIT_HOOK_ANSWER = 16384,  /* bytes of an answer, its head included */
	LIMIT_HOOK_ERROR = 160,	    /* bytes of what went wrong */
	LIMIT_HOOK_DEAD = 1000,	    /* messages of one hook that are put aside */

	/* admin */
	LIMIT_ACTOR = 32,	  /* bytes of a user's name; longer ones go by their number */
	LIMIT_AUDIT_TEXT = 8192,  /* bytes of one text of an audit row */
	LIMIT_AUDIT_PRUNE = 5000, /* rows that one act takes out of it */
	LIMIT_AUDIT_STEP = 200,	  /* rows that are verified before others get their turn */
	LIMIT_IF_MATCH = 8,	  /* entity tags of one If-Match or If-None-Match */
	LIMIT_ADMIN_BODY = 65536, /* bytes of a JSON request */
	LIMIT_ADMIN_CONNECTIONS = 256,
	LIMIT_ADMIN_PER_USER = 192,    /* of them, so that others have some, too */
	LIMIT_ADMIN_PER_PROCESS = 64,  /* of them */
	LIMIT_PAGE = 1000,	       /* rows of one answer */
	LIMIT_DEVICE_ROWS = 200,       /* the same of devices: each row costs several reads */
	LIMIT_SURVEY_ROWS = 100,       /* devices that an explanation looks at in one turn */
	LIMIT_EXPLAIN_USES = 32,       /* that it names of what needs a release */
	LIMIT_IMPORT_ROWS = 200000,    /* devices of one import */
	LIMIT_IMPORT_BYTES = 67108864, /* of its text */
	LIMIT_IMPORT_LINE = 4096,      /* bytes of a line */
	LIMIT_IMPORT_ERRORS = 100,     /* wrong lines that are told; the others are counted */
	LIMIT_IMPORT_SAME = 3,	       /* of them with the same words */
	LIMIT_IMPORT_PART = 64,	       /* devices in one transaction */
	LIMIT_UPLOADS = 8,	       /* images coming in at once */
	LIMIT_UPLOADS_PER_USER = 6,    /* of them, so that others can upload, too */
	LIMIT_IMAGES_OPEN = 16,	       /* image files kept open for reading */
	LIMIT_IMAGE_STRETCHES = 64,    /* pieces of 64 KiB of images kept in memory */
	LIMIT_IMAGES_BAD = 32,	       /* images that cannot be read, remembered */
};

/* bytes of an image whose signature is of all of them and not of a hash: they are read as one */
#define LIMIT_SIGNED_WHOLE ((long long)16 * 1024 * 1024)

#define LIMIT_IMAGE_DEFAULT ((long long)64 * 1024 * 1024) /* bytes; configurable */

/* what a release asks of devices */
enum {
	LIMIT_MUST_PASS = 4,	     /* releases that one must be reached through */
	LIMIT_WAY = 16,		     /* those, theirs, and so on */
	LIMIT_REQUIRED_HARDWARE = 8, /* that a release is for */
	LIMIT_WINDOWS = 8,	     /* maintenance windows of a product, a group, a device */
	LIMIT_WINDOWS_TEXT = 255,    /* bytes of their text */
	LIMIT_ZONE = 63,	     /* bytes of a time zone's name or rule */
	LIMIT_ZONES = 1024,	     /* names whose rules are remembered */
};

#endif
