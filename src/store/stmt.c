/* SPDX-License-Identifier: Apache-2.0 */
#include "store/stmt.h"

#include "core/attempt.h"
#include "core/rollout.h"
#include "store/columns.h"

/* Column lists from the X-lists of columns.h. Parameters are bound in the order in which they
 * stand. */
#define NAME(column, how, field, arg) ", " #column
#define HOLE(column, how, field, arg) ", ?"
#define ASSIGN(column, how, field, arg) ", " #column " = ?"
#define POLICY_NAME(field, min, max, def, help) ", " #field
#define POLICY_HOLE(field, min, max, def, help) ", ?"
#define POLICY_ASSIGN(field, min, max, def, help) ", " #field " = ?"

#define PRODUCT_SELECT                                                                             \
	"SELECT id, rev" PRODUCT_COLUMNS(NAME) POLICY_LIST(POLICY_NAME) " FROM product "
/* one of them is a keyword of SQL */
#define RULE_NAME(field, min, max, def, help) ", \"" #field "\""
#define RULE_HOLE(field, min, max, def, help) ", ?"
#define RULE_ASSIGN(field, min, max, def, help) ", \"" #field "\" = ?"
#define ROLLOUT_SELECT                                                                             \
	"SELECT id, rev" ROLLOUT_COLUMNS(NAME) ROLLOUT_RULE_LIST(RULE_NAME) " FROM rollout "
#define GROUP_SELECT "SELECT id, rev" GROUP_COLUMNS(NAME) " FROM device_group "
#define QUERY_SELECT "SELECT name, filter, created_ms, rev FROM saved_query "
#define RELEASE_SELECT "SELECT id" RELEASE_COLUMNS(NAME) " FROM release "
#define KEY_SELECT "SELECT device, slot, form, value, mac, set_ms FROM device_key "
#define DEVICE_SELECT                                                                              \
	"SELECT id, rev, created_ms" DEVICE_FIXED(NAME) DEVICE_COLUMNS(NAME) ", boots FROM "       \
									     "device "
#define ATTEMPT_SELECT "SELECT number" ATTEMPT_FIXED(NAME) ATTEMPT_COLUMNS(NAME) " FROM attempt "
#define EVENT_SELECT "SELECT seq, at_ms, topic, data, device, attempt, json FROM event "

#define AUDIT_SELECT "SELECT seq, at_ms, who, act, object, before, after, hash FROM audit "

#define DEAD_SELECT                                                                                \
	"SELECT id, hook, seq, cursor, topic, device, at_ms, tries, error, due, body "             \
	"FROM hook_dead "

#define WRITE(id, text) [id] = {.name = #id, .sql = (text), .writes = true}
#define READ(id, text) [id] = {.name = #id, .sql = (text)}
#define READ_SCAN(id, text) [id] = {.name = #id, .sql = (text), .may_scan = true}

/* clang-format off */
const struct stmt_row stmt_rows[STMT_COUNT] = {
	WRITE(STMT_BEGIN, "BEGIN IMMEDIATE"),
	WRITE(STMT_COMMIT, "COMMIT"),
	WRITE(STMT_ROLLBACK, "ROLLBACK"),
	WRITE(STMT_SAVEPOINT, "SAVEPOINT one"),
	WRITE(STMT_RELEASE, "RELEASE one"),
	WRITE(STMT_ROLLBACK_TO, "ROLLBACK TO one"),

	WRITE(STMT_META_PUT,
		"INSERT INTO meta (key, value) VALUES (?, ?) "
		"ON CONFLICT (key) DO UPDATE SET value = excluded.value"),
	WRITE(STMT_META_DELETE, "DELETE FROM meta WHERE key = ?"),

	WRITE(STMT_PRODUCT_INSERT,
		"INSERT INTO product (rev" PRODUCT_COLUMNS(NAME) POLICY_LIST(POLICY_NAME) ") "
		"VALUES (1" PRODUCT_COLUMNS(HOLE) POLICY_LIST(POLICY_HOLE) ")"),
	WRITE(STMT_PRODUCT_UPDATE,
		"UPDATE product SET rev = rev + 1" PRODUCT_COLUMNS(ASSIGN) POLICY_LIST(POLICY_ASSIGN)
		" WHERE id = ? AND rev = ?"),

	WRITE(STMT_CA_PUT,
		"INSERT INTO product_ca (product, pem) VALUES (?, ?) "
		"ON CONFLICT (product) DO UPDATE SET pem = excluded.pem"),
	WRITE(STMT_CA_DELETE, "DELETE FROM product_ca WHERE product = ?"),

	WRITE(STMT_SIGNER_INSERT,
		"INSERT INTO signer (product, name, id, kind, key, created_ms) "
		"VALUES (?, ?, ?, ?, ?, ?)"),
	WRITE(STMT_SIGNER_DELETE, "DELETE FROM signer WHERE product = ? AND name = ?"),

	WRITE(STMT_GROUP_INSERT,
		"INSERT INTO device_group (rev" GROUP_COLUMNS(NAME) ") VALUES (1" GROUP_COLUMNS(HOLE)
		")"),
	WRITE(STMT_GROUP_UPDATE,
		"UPDATE device_group SET rev = rev + 1" GROUP_COLUMNS(ASSIGN)
		" WHERE id = ? AND rev = ?"),
	WRITE(STMT_GROUP_DELETE, "DELETE FROM device_group WHERE id = ? AND rev = ?"),

	WRITE(STMT_ROLLOUT_INSERT,
		"INSERT INTO rollout (rev" ROLLOUT_COLUMNS(NAME) ROLLOUT_RULE_LIST(RULE_NAME) ") "
		"VALUES (1" ROLLOUT_COLUMNS(HOLE) ROLLOUT_RULE_LIST(RULE_HOLE) ")"),
	WRITE(STMT_ROLLOUT_UPDATE,
		"UPDATE rollout SET rev = rev + 1" ROLLOUT_COLUMNS(ASSIGN)
		ROLLOUT_RULE_LIST(RULE_ASSIGN) " WHERE id = ? AND rev = ?"),
	WRITE(STMT_ROLLOUT_DELETE, "DELETE FROM rollout WHERE id = ? AND rev = ?"),
	WRITE(STMT_WAVE_PUT,
		"INSERT OR REPLACE INTO rollout_wave (rollout, position" WAVE_COLUMNS(NAME) ") "
		"VALUES (?, ?" WAVE_COLUMNS(HOLE) ")"),
	WRITE(STMT_MEMBER, "UPDATE device SET rollout = ?, rollout_place = ?, rollout_before = ?, "
			   "rollout_return = ? WHERE id = ?"),
	/* what a rollout that is over keeps of a device; as member_facts() and wave_count() see it */
	WRITE(STMT_ROLLOUT_LEFT,
		"INSERT INTO rollout_left (rollout, wave, released, result, applied, silent, out, members) "
		"SELECT o.id, (SELECT COUNT(*) FROM rollout_wave w "
		"WHERE w.rollout = o.id AND w.cut <= d.rollout_place), "
		"d.rollout_place < o.reached, "
		"CASE WHEN d.rollout_about = o.id THEN d.rollout_result ELSE 'none' END, "
		"d.rollout_about = o.id AND d.rollout_applied <> 0, d.online = 0, "
		"d.lock IS NOT NULL OR d.hold <> 'none' OR d.disabled_ms <> 0 OR d.development <> 0, 1 "
		"FROM device d JOIN rollout o ON o.id = d.rollout WHERE d.id = ?1 AND o.id <> ?2 "
		"AND o.state IN ('done', 'aborted') AND o.enlisted <> 0 "
		"ON CONFLICT DO UPDATE SET members = members + 1"),

	WRITE(STMT_RELEASE_STATE,
		"UPDATE release SET rev = rev + 1, state = ?, state_ms = ? WHERE id = ? AND rev = ?"),
	WRITE(STMT_RELEASE_INSERT,
		"INSERT INTO release (id" RELEASE_COLUMNS(NAME) ") "
		"VALUES (NULL" RELEASE_COLUMNS(HOLE) ")"),
	WRITE(STMT_RELEASE_DIGEST_INSERT,
		"INSERT INTO release_digest (release, position" DIGEST_COLUMNS(NAME) ") "
		"VALUES (?, ?" DIGEST_COLUMNS(HOLE) ")"),
	WRITE(STMT_RELEASE_DELETE, /* not while somebody uses it */
		"DELETE FROM release WHERE id = ?1 "
		"AND NOT EXISTS (SELECT 1 FROM product WHERE target = ?1) "
		"AND NOT EXISTS (SELECT 1 FROM device_group WHERE target = ?1) "
		"AND NOT EXISTS (SELECT 1 FROM rollout WHERE release = ?1 AND state <> 'aborted') "
		"AND NOT EXISTS (SELECT 1 FROM device WHERE lock = ?1) "
		"AND NOT EXISTS (SELECT 1 FROM attempt WHERE release = ?1 AND state <> 'closed')"),
	WRITE(STMT_RELEASE_EXISTS, "SELECT 1 FROM release WHERE id = ?"),

	WRITE(STMT_DEVICE_INSERT,
		"INSERT INTO device (id, rev, created_ms" DEVICE_FIXED(NAME) DEVICE_COLUMNS(NAME)
		", boots) VALUES (?, 1, ?" DEVICE_FIXED(HOLE) DEVICE_COLUMNS(HOLE) ", ?)"),
	WRITE(STMT_DEVICE_UPDATE,
		"UPDATE device SET rev = rev + 1" DEVICE_COLUMNS(ASSIGN) ", boots = ? "
		"WHERE id = ? AND rev = ?"),
	WRITE(STMT_DEVICE_DELETE, "DELETE FROM device WHERE id = ? AND rev = ?"),
	WRITE(STMT_DEVICE_SEEN, "UPDATE device SET seen_ms = ?, offline_at_ms = ? WHERE id = ?"),
	WRITE(STMT_DEVICE_PROTOCOL, "UPDATE device SET protocol = ? WHERE id = ?"),
	WRITE(STMT_DEVICE_GROUP, "UPDATE device SET group_id = ?, group_ms = ? WHERE id = ?"),
	WRITE(STMT_TAG_PUT,
		"INSERT INTO device_tag (device, tag) VALUES (?, ?) "
		"ON CONFLICT (device, tag) DO NOTHING"),
	WRITE(STMT_TAG_DELETE, "DELETE FROM device_tag WHERE device = ? AND tag = ?"),
	WRITE(STMT_QUERY_INSERT,
		"INSERT INTO saved_query (name, filter, created_ms, rev) VALUES (?, ?, ?, 1)"),
	WRITE(STMT_QUERY_UPDATE,
		"UPDATE saved_query SET rev = rev + 1, filter = ? WHERE name = ? AND rev = ?"),
	WRITE(STMT_QUERY_DELETE, "DELETE FROM saved_query WHERE name = ? AND rev = ?"),
	WRITE(STMT_TALK_PUT,
		"INSERT INTO device_talk (device, at_ms, talk) VALUES (?, ?, ?) "
		"ON CONFLICT (device) DO UPDATE SET at_ms = excluded.at_ms, talk = excluded.talk"),
	WRITE(STMT_TALK_DELETE, "DELETE FROM device_talk WHERE device = ?"),

	WRITE(STMT_KEY_PUT,
		"INSERT INTO device_key (device, slot, form, value, mac, set_ms) "
		"VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (device, slot) DO UPDATE SET "
		"form = excluded.form, value = excluded.value, mac = excluded.mac, "
		"set_ms = excluded.set_ms"),
	WRITE(STMT_KEY_DELETE, "DELETE FROM device_key WHERE device = ? AND slot = ? AND mac = ?"),
	WRITE(STMT_KEY_AFTER, /* any, in their order */
		KEY_SELECT "WHERE (device, slot) > (?, ?) ORDER BY device, slot LIMIT 1"),

	WRITE(STMT_ATTEMPT_INSERT,
		"INSERT INTO attempt (number" ATTEMPT_FIXED(NAME) ATTEMPT_COLUMNS(NAME)
		", deadline_at_ms) "
		"VALUES (NULL" ATTEMPT_FIXED(HOLE) ATTEMPT_COLUMNS(HOLE) ", ?)"),
	WRITE(STMT_ATTEMPT_UPDATE,
		"UPDATE attempt SET number = number" ATTEMPT_COLUMNS(ASSIGN) ", deadline_at_ms = ? "
		"WHERE number = ? AND id = ? AND state <> 'closed'"),

	WRITE(STMT_DIAGNOSES_DELETE, "DELETE FROM diagnosis WHERE attempt = ?"),
	WRITE(STMT_DIAGNOSIS_INSERT,
		"INSERT INTO diagnosis (attempt, position, kind, facts) VALUES (?, ?, ?, ?)"),

	WRITE(STMT_EVENT_INSERT,
		"INSERT INTO event (seq, at_ms, topic, data, device, attempt, json) "
		"VALUES (?, ?, ?, ?, ?, ?, ?)"),

	WRITE(STMT_HOOK_INSERT,
		"INSERT INTO hook (rev" HOOK_COLUMNS(NAME) PLACE_COLUMNS(NAME)
		", secret_form, secret) "
		"VALUES (1" HOOK_COLUMNS(HOLE) PLACE_COLUMNS(HOLE) ", ?, ?)"),
	WRITE(STMT_HOOK_UPDATE,
		"UPDATE hook SET rev = rev + 1" HOOK_COLUMNS(ASSIGN) " WHERE id = ? AND rev = ?"),
	WRITE(STMT_HOOK_PLACE, "UPDATE hook SET id = id" PLACE_COLUMNS(ASSIGN) " WHERE id = ?"),
	WRITE(STMT_HOOK_DELETE, "DELETE FROM hook WHERE id = ? AND rev = ?"),
	WRITE(STMT_HOOK_SECRET_AFTER,
		"SELECT name, secret_form, secret FROM hook WHERE name > ? ORDER BY name LIMIT 1"),
	WRITE(STMT_HOOK_SECRET_PUT, "UPDATE hook SET secret_form = ?, secret = ? WHERE name = ?"),
	WRITE(STMT_DEAD_INSERT,
		"INSERT INTO hook_dead (hook, seq, cursor, topic, device, at_ms, tries, error, due, "
		"body) VALUES (?, ?, ?, ?, ?, ?, ?, ?, 0, ?)"),
	WRITE(STMT_DEAD_DUE, "UPDATE hook_dead SET due = 1 WHERE hook = ? AND id = ?"),
	WRITE(STMT_DEAD_DUE_ALL, "UPDATE hook_dead SET due = 1 WHERE hook = ?"),
	WRITE(STMT_DEAD_FAILED,
		"UPDATE hook_dead SET due = 0, tries = tries + 1, error = ? "
		"WHERE hook = ? AND id = ?"),
	WRITE(STMT_DEAD_DELETE, "DELETE FROM hook_dead WHERE hook = ? AND id = ?"),
	WRITE(STMT_DEAD_DELETE_ALL, "DELETE FROM hook_dead WHERE hook = ?"),

	WRITE(STMT_OLD_EVENTS, "SELECT seq, at_ms FROM event WHERE seq > 0 ORDER BY seq LIMIT ?"),
	WRITE(STMT_OLD_EVENTS_DELETE, "DELETE FROM event WHERE seq <= ?"),
	WRITE(STMT_OLD_ATTEMPTS, /* and whether its device still needs it */
		"SELECT number, closed_ms, EXISTS (SELECT 1 FROM device d WHERE d.id = a.device AND ("
		"a.id IN (d.attempt, d.last_attempt, d.failed_attempt) OR "
		"(a.charged = 1 AND a.number > d.fail_mark AND "
		"EXISTS (SELECT 1 FROM release r WHERE r.sha256 = a.sha256)))) "
		"FROM attempt a WHERE state = 'closed' AND (closed_ms, number) > (?, ?) "
		"AND closed_ms < ? ORDER BY closed_ms, number LIMIT ?"),
	WRITE(STMT_OLD_ATTEMPT_DELETE,
		"DELETE FROM attempt WHERE number = ? AND state = 'closed'"),
	WRITE(STMT_AUDIT_INSERT,
		"INSERT INTO audit (seq, at_ms, who, act, object, before, after, hash) "
		"VALUES (?, ?, ?, ?, ?, ?, ?, ?)"),
	WRITE(STMT_AUDIT_HASH, "SELECT hash FROM audit WHERE seq = ?"),
	WRITE(STMT_AUDIT_PRUNE, "DELETE FROM audit WHERE seq <= ?"),

	WRITE(STMT_IMPORT_PUT, "INSERT INTO import_part (part, rows) VALUES (?, ?)"),
	WRITE(STMT_IMPORT_DELETE, "DELETE FROM import_part WHERE part = ?"),

	READ(STMT_READ_BEGIN, "BEGIN"),
	READ(STMT_READ_END, "COMMIT"),

	READ(STMT_META, "SELECT value FROM meta WHERE key = ?"),
	READ(STMT_EVENT_LAST, "SELECT seq FROM event WHERE seq > ? ORDER BY seq DESC LIMIT 1"),
	READ(STMT_EVENT_FIRST, "SELECT seq FROM event WHERE seq > 0 ORDER BY seq LIMIT 1"),

	READ(STMT_AUDIT_LAST, "SELECT seq FROM audit WHERE seq > 0 ORDER BY seq DESC LIMIT 1"),

	READ(STMT_IMPORT, "SELECT rows FROM import_part WHERE part = ?"),
	READ(STMT_IMPORT_LAST,
		"SELECT part FROM import_part WHERE part >= 0 ORDER BY part DESC LIMIT 1"),

	READ(STMT_PRODUCT, PRODUCT_SELECT "WHERE id = ?"),
	READ(STMT_PRODUCT_BY_NAME, PRODUCT_SELECT "WHERE name = ?"),

	READ(STMT_CA, "SELECT pem FROM product_ca WHERE product = ?"),
	READ(STMT_SIGNERS,
		"SELECT name, id, kind, key, created_ms FROM signer WHERE product = ? ORDER BY name"),
	READ(STMT_SIGNED, /* newest first */
		"SELECT version FROM release WHERE product = ? AND signed_key = ? "
		"AND signed_key <> '' ORDER BY id DESC LIMIT ?"),

	READ(STMT_RELEASE_BY_ID, RELEASE_SELECT "WHERE id = ?"),
	READ(STMT_RELEASE_BY_VERSION, RELEASE_SELECT "WHERE product = ? AND version = ?"),
	READ(STMT_RELEASE_DIGESTS,
		"SELECT position" DIGEST_COLUMNS(NAME) " FROM release_digest "
		"WHERE release = ? ORDER BY position"),

	READ(STMT_DEVICE, DEVICE_SELECT "WHERE id = ?"),
	READ(STMT_HAS_TAG, "SELECT 1 FROM device_tag WHERE device = ? AND tag = ?"),
	READ(STMT_TAGS, "SELECT tag FROM device_tag WHERE device = ? ORDER BY tag"),
	READ(STMT_QUERY, QUERY_SELECT "WHERE name = ?"),
	READ(STMT_TALK, "SELECT talk, at_ms FROM device_talk WHERE device = ?"),
	READ(STMT_KEYS, KEY_SELECT "WHERE device = ? ORDER BY slot"),
	READ(STMT_KEY_BY_MAC, KEY_SELECT "WHERE mac = ?"),

	READ(STMT_ATTEMPT, ATTEMPT_SELECT "WHERE id = ?"),
	READ(STMT_DIAGNOSES,
		"SELECT kind, facts FROM diagnosis WHERE attempt = ? ORDER BY position"),
	READ(STMT_HISTORY, /* device-failed counts as a revert once it was handed over */
		"SELECT COUNT(*), "
		"COUNT(*) FILTER (WHERE verdict IN ('reverted', 'rolled-back') "
		"OR (verdict = 'device-failed' AND rung_applying_ms <> 0)) "
		"FROM attempt WHERE device = ? AND sha256 = ? AND number > ? "
		"AND state = 'closed' AND charged = 1"),

	READ(STMT_USE_PRODUCT, "SELECT name FROM product WHERE target = ? LIMIT 1"),
	READ(STMT_USE_GROUP, "SELECT name FROM device_group WHERE target = ? LIMIT 1"),
	READ(STMT_USE_ROLLOUT,
		"SELECT name FROM rollout WHERE release = ? AND state <> 'aborted' LIMIT 1"),
	READ(STMT_USE_DEVICE, "SELECT id FROM device WHERE lock = ? LIMIT 1"),
	READ(STMT_USE_ATTEMPT,
		"SELECT device FROM attempt WHERE release = ? AND state <> 'closed' LIMIT 1"),
	READ(STMT_IMAGE_USED, "SELECT 1 FROM release WHERE sha256 = ? LIMIT 1"),

	READ_SCAN(STMT_COUNTS, /* what grows with the fleet from a covering index, what grows with
				* history as counted */
		"SELECT (SELECT COUNT(*) FROM product), (SELECT COUNT(*) FROM release), "
		"(SELECT COUNT(*) FROM device), (SELECT COUNT(*) FROM device WHERE online = 1), "
		"(SELECT COUNT(*) FROM device WHERE hold <> 'none'), "
		"(SELECT COUNT(*) FROM device WHERE disabled_ms <> 0), "
		"(SELECT COUNT(*) FROM attempt WHERE state <> 'closed'), "
		"(SELECT value FROM meta WHERE key = 'updated'), "
		"(SELECT value FROM meta WHERE key = 'failed')"),

	READ_SCAN(STMT_OPEN_STATES, /* once, at the start */
		"SELECT state, COUNT(*) FROM attempt INDEXED BY attempt_due "
		"WHERE state <> 'closed' GROUP BY state"),
	READ_SCAN(STMT_PROTOCOLS, /* the same */
		"SELECT protocol, COUNT(*) FROM device INDEXED BY device_by_protocol "
		"GROUP BY protocol"),

	READ(STMT_GROUP_COUNTS, /* the same, of an index */
		"SELECT group_id, COUNT(*) FROM device INDEXED BY device_by_group "
		"WHERE group_id IS NOT NULL GROUP BY group_id"),
	READ_SCAN(STMT_GROUP_DOWNLOADS, /* of open attempts, once, at the start */
		"SELECT d.group_id, COUNT(*) FROM attempt AS a INDEXED BY attempt_due "
		"JOIN device AS d ON d.id = a.device WHERE a.state <> 'closed' "
		"AND a.state IN ('offered', 'transferring') AND d.group_id IS NOT NULL "
		"GROUP BY d.group_id"),

	READ(STMT_PRODUCTS, PRODUCT_SELECT "WHERE name > ? ORDER BY name LIMIT ?"),
	READ(STMT_GROUPS, GROUP_SELECT "WHERE id > ? ORDER BY id LIMIT ?"),
	READ(STMT_ROLLOUTS, ROLLOUT_SELECT "WHERE id > ? ORDER BY id LIMIT ?"),
	READ(STMT_WAVES,
		"SELECT position" WAVE_COLUMNS(NAME) " FROM rollout_wave WHERE rollout = ? "
		"ORDER BY position"),
	READ(STMT_LEFT,
		"SELECT wave, released, result, applied, silent, out, members FROM rollout_left "
		"WHERE rollout = ?"),
	READ(STMT_MEMBERS,
		DEVICE_SELECT "WHERE rollout = ? AND rollout <> 0 AND rollout_place >= ? "
		"AND rollout_place < ? ORDER BY rollout_place LIMIT ?"),
	READ(STMT_RELEASES, RELEASE_SELECT "WHERE id > ? ORDER BY id LIMIT ?"),
	READ(STMT_RELEASES_OF, RELEASE_SELECT "WHERE product = ? AND id > ? ORDER BY id LIMIT ?"),
	READ(STMT_DEVICES, DEVICE_SELECT "WHERE id > ? ORDER BY id LIMIT ?"),
	READ(STMT_DEVICES_OF, DEVICE_SELECT "WHERE product = ? AND id > ? ORDER BY id LIMIT ?"),
	READ(STMT_DEVICES_IN_GROUP,
		DEVICE_SELECT "WHERE group_id = ? AND id > ? ORDER BY id LIMIT ?"),
	READ(STMT_DEVICES_TAGGED,
		DEVICE_SELECT "WHERE id IN (SELECT device FROM device_tag WHERE tag = ? "
		"AND device > ? ORDER BY device LIMIT ?) ORDER BY id"),
	READ(STMT_DEVICES_DEVELOPMENT,
		DEVICE_SELECT "INDEXED BY device_development WHERE development <> 0 AND id > ? "
		"ORDER BY id LIMIT ?"),
	READ(STMT_QUERIES, QUERY_SELECT "WHERE name > ? ORDER BY name LIMIT ?"),
	READ(STMT_DEVICES_SILENT,
		DEVICE_SELECT "WHERE online = 1 AND offline_at_ms > 0 AND offline_at_ms <= ? "
		"ORDER BY offline_at_ms LIMIT ?"),
	READ(STMT_HOOKS,
		"SELECT id, rev" HOOK_COLUMNS(NAME) PLACE_COLUMNS(NAME)
		", secret_form, secret FROM hook WHERE name > ? ORDER BY name LIMIT ?"),
	READ(STMT_DEADS, DEAD_SELECT "WHERE hook = ? AND id > ? ORDER BY id LIMIT ?"),
	READ(STMT_DEADS_DUE, DEAD_SELECT "WHERE hook = ? AND due = 1 AND id > ? ORDER BY id LIMIT ?"),
	READ(STMT_DEAD_COUNT,
		"SELECT COUNT(*), COALESCE(SUM(due), 0) FROM hook_dead WHERE hook = ?"),
	READ(STMT_TALKS_DUE,
		"SELECT device FROM device_talk WHERE at_ms > 0 AND at_ms <= ? "
		"ORDER BY at_ms LIMIT ?"),
	READ(STMT_TALKS_AHEAD,
		"SELECT device FROM device_talk WHERE device > ? AND at_ms > ? "
		"ORDER BY device LIMIT ?"),
	READ(STMT_ATTEMPTS, ATTEMPT_SELECT "WHERE number < ? ORDER BY number DESC LIMIT ?"),
	READ(STMT_ATTEMPTS_OPEN,
		ATTEMPT_SELECT "INDEXED BY attempt_open_number WHERE state <> 'closed' AND number < ? "
		"ORDER BY number DESC LIMIT ?"),
	READ(STMT_ATTEMPTS_OF,
		ATTEMPT_SELECT "WHERE device = ? AND number < ? ORDER BY number DESC LIMIT ?"),
	READ(STMT_ATTEMPTS_OPEN_OF,
		ATTEMPT_SELECT "WHERE device = ? AND state <> 'closed' AND number < ? "
		"ORDER BY number DESC LIMIT ?"),
	READ(STMT_ATTEMPTS_DUE,
		ATTEMPT_SELECT "WHERE state <> 'closed' AND deadline_at_ms <= ? "
		"ORDER BY deadline_at_ms LIMIT ?"),
	READ(STMT_EVENTS, EVENT_SELECT "WHERE seq > ? ORDER BY seq LIMIT ?"),
	READ(STMT_EVENTS_OF,
		EVENT_SELECT "WHERE device = ? AND device <> '' AND seq > ? ORDER BY seq LIMIT ?"),
	READ(STMT_AUDITS, AUDIT_SELECT "WHERE seq > ? ORDER BY seq LIMIT ?"),
	READ(STMT_AUDITS_OF, AUDIT_SELECT "WHERE object = ? AND seq > ? ORDER BY seq LIMIT ?"),
	READ(STMT_AUDITS_BEFORE, AUDIT_SELECT "WHERE seq > 0 AND seq < ? ORDER BY seq DESC LIMIT ?"),
	READ(STMT_AUDITS_BEFORE_OF,
		AUDIT_SELECT "WHERE object = ? AND seq > 0 AND seq < ? "
		"ORDER BY seq DESC LIMIT ?"),
};
/* clang-format on */
