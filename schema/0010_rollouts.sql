-- SPDX-License-Identifier: Apache-2.0
-- Rollouts: one release for many devices of a product, a wave at a time (src/core/rollout.h).
CREATE TABLE rollout (
	id INTEGER PRIMARY KEY AUTOINCREMENT,
	rev INTEGER NOT NULL,
	product INTEGER NOT NULL REFERENCES product (id),
	release INTEGER NOT NULL, -- of an aborted one it may be gone
	name TEXT NOT NULL,
	filter TEXT NOT NULL,
	author TEXT NOT NULL,
	approver TEXT NOT NULL,
	start_at_ms INTEGER NOT NULL,
	state TEXT NOT NULL,
	resume_to TEXT NOT NULL,
	wait TEXT NOT NULL,
	why TEXT NOT NULL,
	seed INTEGER NOT NULL,
	enlisted INTEGER NOT NULL,
	gate_open INTEGER NOT NULL,
	opened INTEGER NOT NULL,
	reached INTEGER NOT NULL,
	released_ms INTEGER NOT NULL,
	ramp_ms INTEGER NOT NULL,
	base_members INTEGER NOT NULL,
	base_silent INTEGER NOT NULL,
	created_ms INTEGER NOT NULL,
	started_ms INTEGER NOT NULL,
	state_ms INTEGER NOT NULL,
	ended_ms INTEGER NOT NULL,
	halted_ms INTEGER NOT NULL, -- the halt that why tells of
	ended_by TEXT NOT NULL, -- who ended it; '': itself, or it has not ended
	-- settings: ROLLOUT_RULE_LIST of src/core/rollout.h
	approval INTEGER NOT NULL,
	"join" INTEGER NOT NULL,
	rate INTEGER NOT NULL,
	ramp_percent INTEGER NOT NULL,
	ramp_s INTEGER NOT NULL,
	rate_max INTEGER NOT NULL,
	complete_percent INTEGER NOT NULL,
	soak_s INTEGER NOT NULL,
	fail_percent INTEGER NOT NULL,
	fail_min INTEGER NOT NULL,
	max_reverts INTEGER NOT NULL,
	silent_percent INTEGER NOT NULL,
	silent_min INTEGER NOT NULL,
	silent_wait_s INTEGER NOT NULL,
	halt_return INTEGER NOT NULL,
	halt_quarantine INTEGER NOT NULL,
	UNIQUE (product, name)
) STRICT;
CREATE INDEX rollout_by_release ON rollout (release);

CREATE TABLE rollout_wave (
	rollout INTEGER NOT NULL REFERENCES rollout (id) ON DELETE CASCADE,
	position INTEGER NOT NULL,
	percent INTEGER NOT NULL,
	gate INTEGER NOT NULL,
	size INTEGER NOT NULL,
	cut INTEGER NOT NULL,
	opened_ms INTEGER NOT NULL,
	complete_ms INTEGER NOT NULL,
	forgiven_failed INTEGER NOT NULL,
	forgiven_reverted INTEGER NOT NULL,
	forgiven_silent INTEGER NOT NULL,
	forgiven_verdicts INTEGER NOT NULL,
	PRIMARY KEY (rollout, position)
) STRICT, WITHOUT ROWID;

-- What a rollout that is over keeps of members that it has lost: to a later rollout, or as they were
-- removed. How many of a wave there were of each kind; written when they go. Those that it still has
-- are counted by their rows.
CREATE TABLE rollout_left (
	rollout INTEGER NOT NULL REFERENCES rollout (id) ON DELETE CASCADE,
	wave INTEGER NOT NULL, -- position
	released INTEGER NOT NULL,
	result TEXT NOT NULL,
	applied INTEGER NOT NULL,
	silent INTEGER NOT NULL,
	out INTEGER NOT NULL,
	members INTEGER NOT NULL,
	PRIMARY KEY (rollout, wave, released, result, applied, silent, out)
) STRICT, WITHOUT ROWID;

-- The rollout that a device is, or was, a member of, and what that came to. Rollouts may be gone,
-- so no references.
ALTER TABLE device ADD COLUMN rollout INTEGER NOT NULL DEFAULT 0;
ALTER TABLE device ADD COLUMN rollout_place INTEGER NOT NULL DEFAULT 0;
ALTER TABLE device ADD COLUMN rollout_before INTEGER NOT NULL DEFAULT 0; -- its target meanwhile
ALTER TABLE device ADD COLUMN rollout_about INTEGER NOT NULL DEFAULT 0;
ALTER TABLE device ADD COLUMN rollout_result TEXT NOT NULL DEFAULT 'none';
ALTER TABLE device ADD COLUMN rollout_applied INTEGER NOT NULL DEFAULT 0;
CREATE INDEX device_by_rollout ON device (rollout, rollout_place) WHERE rollout <> 0;
ALTER TABLE attempt ADD COLUMN rollout INTEGER NOT NULL DEFAULT 0;
ALTER TABLE product ADD COLUMN rollout_approval INTEGER NOT NULL DEFAULT 0;

-- When the target was set; 0: before anybody asked. A rollout that ended earlier does not go before it.
ALTER TABLE product ADD COLUMN target_ms INTEGER NOT NULL DEFAULT 0;
ALTER TABLE device_group ADD COLUMN target_ms INTEGER NOT NULL DEFAULT 0;
-- When the device came into its group; 0: before anybody asked. The same for it.
ALTER TABLE device ADD COLUMN group_ms INTEGER NOT NULL DEFAULT 0;
