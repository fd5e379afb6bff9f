-- SPDX-License-Identifier: Apache-2.0
-- Webhooks. The place of each in the events (core/hook.h) stands in its own row and moves without
-- its rev: everything up to `position` was taken, put aside, or is not for it.
CREATE TABLE hook (
	id INTEGER PRIMARY KEY AUTOINCREMENT,
	rev INTEGER NOT NULL,
	name TEXT NOT NULL UNIQUE,
	url TEXT NOT NULL,
	topics TEXT NOT NULL, -- words with a space between them; empty: all
	products TEXT NOT NULL,
	batch INTEGER NOT NULL,
	state TEXT NOT NULL,
	why TEXT NOT NULL,
	created_ms INTEGER NOT NULL,
	-- what its messages are signed with: in clear, or sealed like the keys of devices
	secret_form TEXT NOT NULL,
	secret BLOB NOT NULL,
	position INTEGER NOT NULL,
	tries INTEGER NOT NULL,
	failures INTEGER NOT NULL,
	retry_ms INTEGER NOT NULL,
	failing_ms INTEGER NOT NULL,
	taken_ms INTEGER NOT NULL,
	delivered INTEGER NOT NULL,
	missed INTEGER NOT NULL,
	error TEXT NOT NULL
) STRICT;

-- Messages that a receiver refused for good, as they were sent: they outlive their events.
CREATE TABLE hook_dead (
	id INTEGER PRIMARY KEY AUTOINCREMENT,
	hook INTEGER NOT NULL REFERENCES hook (id) ON DELETE CASCADE,
	seq INTEGER NOT NULL,
	cursor TEXT NOT NULL, -- the event's id, as it was told
	topic TEXT NOT NULL,
	device TEXT NOT NULL,
	at_ms INTEGER NOT NULL,
	tries INTEGER NOT NULL,
	error TEXT NOT NULL,
	due INTEGER NOT NULL, -- it is to be tried again
	body TEXT NOT NULL
) STRICT;
CREATE INDEX hook_dead_by_hook ON hook_dead (hook, id);
CREATE INDEX hook_dead_due ON hook_dead (hook, id) WHERE due = 1;
