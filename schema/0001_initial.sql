-- SPDX-License-Identifier: Apache-2.0
-- Enums are stored as their words (the X-lists of src/core), times as Unix milliseconds,
-- flags as 0 or 1; "none" of a reference is NULL.

-- Facts of the database itself: stream, head (sequence of the last event), alive_ms.
CREATE TABLE meta (
	key TEXT NOT NULL PRIMARY KEY,
	value ANY NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE product (
	id INTEGER PRIMARY KEY AUTOINCREMENT,
	rev INTEGER NOT NULL,
	name TEXT NOT NULL UNIQUE,
	hardware TEXT NOT NULL,
	target INTEGER REFERENCES release (id),
	created_ms INTEGER NOT NULL,
	-- policy: POLICY_LIST of src/core/release.h
	probation_s INTEGER NOT NULL,
	require_digest INTEGER NOT NULL,
	require_confirm INTEGER NOT NULL,
	allow_weak INTEGER NOT NULL,
	on_drift_reapply INTEGER NOT NULL,
	max_reverts INTEGER NOT NULL,
	max_failures INTEGER NOT NULL,
	max_interruptions INTEGER NOT NULL,
	unstable_resets INTEGER NOT NULL,
	backoff_s INTEGER NOT NULL,
	backoff_max_s INTEGER NOT NULL,
	stall_s INTEGER NOT NULL,
	total_s INTEGER NOT NULL,
	outage_grace_s INTEGER NOT NULL,
	defer_max_s INTEGER NOT NULL,
	space_margin_bytes INTEGER NOT NULL,
	check_in_s INTEGER NOT NULL,
	window INTEGER NOT NULL,
	block_bytes INTEGER NOT NULL
) STRICT;
CREATE INDEX product_by_target ON product (target) WHERE target IS NOT NULL;

CREATE TABLE release (
	id INTEGER PRIMARY KEY AUTOINCREMENT,
	product INTEGER NOT NULL REFERENCES product (id),
	version TEXT NOT NULL,
	size_bytes INTEGER NOT NULL,
	sha256 BLOB NOT NULL,
	no_digest INTEGER NOT NULL,
	no_confirm INTEGER NOT NULL,
	created_ms INTEGER NOT NULL,
	UNIQUE (product, version)
) STRICT;
CREATE INDEX release_by_product ON release (product);
CREATE INDEX release_by_image ON release (sha256);

-- What a device running the release reports. `kind` is the number of the native protocol.
CREATE TABLE release_digest (
	release INTEGER NOT NULL REFERENCES release (id) ON DELETE CASCADE,
	position INTEGER NOT NULL,
	kind INTEGER NOT NULL,
	value BLOB NOT NULL,
	PRIMARY KEY (release, position),
	UNIQUE (release, kind)
) STRICT, WITHOUT ROWID;

CREATE TABLE device (
	id TEXT NOT NULL PRIMARY KEY,
	rev INTEGER NOT NULL,
	created_ms INTEGER NOT NULL,
	product INTEGER NOT NULL REFERENCES product (id),
	plain INTEGER NOT NULL,
	psk BLOB, -- in clear until keys are wrapped at rest
	lock INTEGER REFERENCES release (id),
	force INTEGER NOT NULL,
	hold TEXT NOT NULL,
	held_ms INTEGER NOT NULL,
	fail_mark INTEGER NOT NULL,
	-- the newest report
	has_report INTEGER NOT NULL,
	report_boot_id BLOB,
	report_boot_count INTEGER,
	report_version TEXT NOT NULL,
	report_digest_kind INTEGER NOT NULL,
	report_digest BLOB,
	report_confirmed INTEGER NOT NULL,
	report_updates_enabled INTEGER NOT NULL,
	report_reset TEXT NOT NULL,
	report_mode TEXT NOT NULL,
	report_last_attempt INTEGER NOT NULL,
	report_last_stage TEXT NOT NULL,
	report_last_reason TEXT NOT NULL,
	report_last_code INTEGER NOT NULL,
	report_last_detail TEXT NOT NULL,
	report_fs_free_bytes INTEGER NOT NULL,
	report_fs_total_bytes INTEGER NOT NULL,
	report_slot_bytes INTEGER NOT NULL,
	report_battery_percent INTEGER NOT NULL,
	report_interval_s INTEGER NOT NULL,
	report_uptime_s INTEGER NOT NULL,
	report_security_counter INTEGER NOT NULL,
	report_capabilities INTEGER,
	report_hardware TEXT NOT NULL,
	report_boot_loader TEXT NOT NULL,
	report_cached BLOB,
	report_ms INTEGER NOT NULL,
	seen_ms INTEGER NOT NULL,
	online INTEGER NOT NULL,
	offline_at_ms INTEGER NOT NULL,
	interval_learned_s INTEGER NOT NULL,
	-- boots; the ids remembered are packed in one value (src/store/row.c)
	boot_seq INTEGER NOT NULL,
	boot_backwards INTEGER NOT NULL,
	boot_conflicts INTEGER NOT NULL,
	boot_conflict_ms INTEGER NOT NULL,
	resets INTEGER NOT NULL,
	unclean_resets INTEGER NOT NULL,
	unclean_row INTEGER NOT NULL,
	-- update history that decides; attempts and releases may be gone, so no references
	attempt INTEGER NOT NULL,
	last_attempt INTEGER NOT NULL,
	planned INTEGER NOT NULL,
	failed_attempt INTEGER NOT NULL,
	settled INTEGER NOT NULL,
	unbooted_claim INTEGER NOT NULL,
	claimed TEXT NOT NULL,
	drifted INTEGER NOT NULL,
	want_fresh INTEGER NOT NULL,
	pending_told INTEGER NOT NULL,
	backoff_count INTEGER NOT NULL,
	retry_at_ms INTEGER NOT NULL,
	defer_since_ms INTEGER NOT NULL,
	base_changes INTEGER NOT NULL,
	boots BLOB NOT NULL
) STRICT;
CREATE INDEX device_by_product ON device (product, id);
CREATE UNIQUE INDEX device_by_psk ON device (psk) WHERE psk IS NOT NULL;
CREATE INDEX device_by_lock ON device (lock) WHERE lock IS NOT NULL;
CREATE INDEX device_online ON device (offline_at_ms) WHERE online = 1;
CREATE INDEX device_held ON device (hold) WHERE hold <> 'none';

-- History outlives devices and releases: no references.
CREATE TABLE attempt (
	number INTEGER PRIMARY KEY AUTOINCREMENT,
	id INTEGER NOT NULL UNIQUE,
	device TEXT NOT NULL,
	product INTEGER NOT NULL,
	release INTEGER NOT NULL,
	version TEXT NOT NULL,
	size_bytes INTEGER NOT NULL,
	sha256 BLOB NOT NULL,
	state TEXT NOT NULL,
	verdict TEXT NOT NULL,
	charged INTEGER NOT NULL,
	via TEXT NOT NULL,
	grade TEXT NOT NULL,
	reason TEXT NOT NULL,
	code INTEGER NOT NULL,
	detail TEXT NOT NULL,
	base_boot INTEGER NOT NULL,
	base_version TEXT NOT NULL,
	base_digest_kind INTEGER NOT NULL,
	base_digest BLOB,
	capabilities INTEGER NOT NULL,
	required TEXT NOT NULL, -- words of EVIDENCE_LIST with a space between them
	evidence TEXT NOT NULL,
	evidence_new_boot_ms INTEGER NOT NULL,
	evidence_version_ms INTEGER NOT NULL,
	evidence_digest_ms INTEGER NOT NULL,
	evidence_confirmed_ms INTEGER NOT NULL,
	evidence_stable_ms INTEGER NOT NULL,
	rung_offered_ms INTEGER NOT NULL,
	rung_started_ms INTEGER NOT NULL,
	rung_transferred_ms INTEGER NOT NULL,
	rung_verified_ms INTEGER NOT NULL,
	rung_applying_ms INTEGER NOT NULL,
	rung_rebooted_ms INTEGER NOT NULL,
	rung_running_target_ms INTEGER NOT NULL,
	rung_confirmed_ms INTEGER NOT NULL,
	rung_stable_ms INTEGER NOT NULL,
	fresh INTEGER NOT NULL,
	forced INTEGER NOT NULL,
	started INTEGER NOT NULL,
	cancel_requested INTEGER NOT NULL,
	boot_weak INTEGER NOT NULL,
	created_ms INTEGER NOT NULL,
	closed_ms INTEGER NOT NULL,
	state_ms INTEGER NOT NULL,
	stall_at_ms INTEGER NOT NULL,
	total_at_ms INTEGER NOT NULL,
	extended_ms INTEGER NOT NULL,
	heard INTEGER NOT NULL,
	interruptions INTEGER NOT NULL,
	judged_boot INTEGER NOT NULL,
	status_boot INTEGER NOT NULL,
	status_seq INTEGER NOT NULL,
	received_bytes INTEGER NOT NULL,
	start_offset INTEGER NOT NULL,
	served_bytes INTEGER NOT NULL,
	served_high INTEGER NOT NULL,
	served_repeats INTEGER NOT NULL,
	target_boot INTEGER NOT NULL,
	target_ms INTEGER NOT NULL,
	unclean INTEGER NOT NULL,
	boot_id_constant INTEGER NOT NULL,
	deadline_at_ms INTEGER NOT NULL -- the earlier of stall and total; 0 when closed
) STRICT;
CREATE UNIQUE INDEX attempt_open ON attempt (device) WHERE state <> 'closed';
CREATE INDEX attempt_open_release ON attempt (release) WHERE state <> 'closed';
CREATE INDEX attempt_due ON attempt (deadline_at_ms) WHERE state <> 'closed';
CREATE INDEX attempt_by_device ON attempt (device);
CREATE INDEX attempt_by_image ON attempt (device, sha256);
CREATE INDEX attempt_closed ON attempt (charged, verdict) WHERE state = 'closed';

CREATE TABLE diagnosis (
	attempt INTEGER NOT NULL REFERENCES attempt (id) ON DELETE CASCADE,
	position INTEGER NOT NULL,
	kind TEXT NOT NULL,
	facts TEXT NOT NULL,
	PRIMARY KEY (attempt, position)
) STRICT, WITHOUT ROWID;

-- The outbox. `seq` has no gaps; the head is in meta, so that old rows may go.
CREATE TABLE event (
	seq INTEGER PRIMARY KEY,
	at_ms INTEGER NOT NULL,
	topic TEXT NOT NULL,
	data TEXT NOT NULL,
	device TEXT NOT NULL,
	attempt INTEGER NOT NULL,
	json TEXT NOT NULL
) STRICT;
CREATE INDEX event_by_device ON event (device) WHERE device <> '';
