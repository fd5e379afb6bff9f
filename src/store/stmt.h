/* SPDX-License-Identifier: Apache-2.0
 *
 * Every SQL statement, once (pragmas and schema/ aside). All are prepared when the database
 * is opened, so a typo fails the first test; none is put together at run time.
 */
#ifndef STORE_STMT_H
#define STORE_STMT_H

#include <stdbool.h>

enum stmt_id {
	/* transactions */
	STMT_BEGIN,
	STMT_COMMIT,
	STMT_ROLLBACK,
	STMT_SAVEPOINT,
	STMT_RELEASE,
	STMT_ROLLBACK_TO,
	/* writing */
	STMT_META_PUT,
	STMT_PRODUCT_INSERT,
	STMT_PRODUCT_UPDATE,
	STMT_RELEASE_INSERT,
	STMT_RELEASE_DIGEST_INSERT,
	STMT_RELEASE_DELETE,
	STMT_RELEASE_EXISTS,
	STMT_DEVICE_INSERT,
	STMT_DEVICE_UPDATE,
	STMT_DEVICE_DELETE,
	STMT_DEVICE_SEEN,
	STMT_ATTEMPT_INSERT,
	STMT_ATTEMPT_UPDATE,
	STMT_DIAGNOSES_DELETE,
	STMT_DIAGNOSIS_INSERT,
	STMT_EVENT_INSERT,
	STMT_AUDIT_INSERT,
	/* reading one */
	STMT_META,
	STMT_EVENT_LAST,
	STMT_AUDIT_LAST,
	STMT_PRODUCT,
	STMT_PRODUCT_BY_NAME,
	STMT_RELEASE_BY_ID,
	STMT_RELEASE_BY_VERSION,
	STMT_RELEASE_DIGESTS,
	STMT_DEVICE,
	STMT_DEVICE_BY_PSK,
	STMT_ATTEMPT,
	STMT_DIAGNOSES,
	STMT_HISTORY,
	STMT_USE_PRODUCT,
	STMT_USE_DEVICE,
	STMT_USE_ATTEMPT,
	STMT_IMAGE_USED,
	STMT_COUNTS,
	STMT_OPEN_STATES,
	/* reading many */
	STMT_PRODUCTS,
	STMT_RELEASES,
	STMT_RELEASES_OF,
	STMT_DEVICES,
	STMT_DEVICES_OF,
	STMT_DEVICES_SILENT,
	STMT_ATTEMPTS,
	STMT_ATTEMPTS_OPEN,
	STMT_ATTEMPTS_OF,
	STMT_ATTEMPTS_OPEN_OF,
	STMT_ATTEMPTS_DUE,
	STMT_EVENTS,
	STMT_EVENTS_OF,
	STMT_AUDITS,
	STMT_AUDITS_OF,
	STMT_AUDITS_BEFORE,
	STMT_AUDITS_BEFORE_OF,
	STMT_COUNT,
};

struct stmt_row {
	const char *name; /* for messages */
	const char *sql;
	bool writes;   /* belongs to the writing connection, else to the reading one */
	bool may_scan; /* its query plan may walk a whole table or index */
};

extern const struct stmt_row stmt_rows[STMT_COUNT];

#endif
