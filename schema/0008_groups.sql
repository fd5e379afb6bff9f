-- SPDX-License-Identifier: Apache-2.0
-- Groups: named, of one product; a device is in one of its product or in none. `group` is a
-- keyword of SQL.
CREATE TABLE device_group (
	id INTEGER PRIMARY KEY AUTOINCREMENT,
	rev INTEGER NOT NULL,
	product INTEGER NOT NULL REFERENCES product (id),
	name TEXT NOT NULL,
	target INTEGER REFERENCES release (id),
	created_ms INTEGER NOT NULL,
	UNIQUE (product, name)
) STRICT;
CREATE INDEX group_by_target ON device_group (target) WHERE target IS NOT NULL;
ALTER TABLE device ADD COLUMN group_id INTEGER REFERENCES device_group (id);
CREATE INDEX device_by_group ON device (group_id, id) WHERE group_id IS NOT NULL;

-- A development device: only a lock reaches it.
ALTER TABLE device ADD COLUMN development INTEGER NOT NULL DEFAULT 0;
CREATE INDEX device_development ON device (id) WHERE development <> 0;

-- Words on devices; what else they may mean is the operator's.
CREATE TABLE device_tag (
	device TEXT NOT NULL REFERENCES device (id) ON DELETE CASCADE,
	tag TEXT NOT NULL,
	PRIMARY KEY (device, tag)
) STRICT, WITHOUT ROWID;
CREATE INDEX device_by_tag ON device_tag (tag, device);

-- Named filters (src/core/filter.h).
CREATE TABLE saved_query (
	name TEXT NOT NULL PRIMARY KEY,
	rev INTEGER NOT NULL,
	filter TEXT NOT NULL,
	created_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
