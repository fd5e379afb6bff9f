-- SPDX-License-Identifier: Apache-2.0
-- Every act of an operator, written in the transaction of what it did. `hash` is the SHA-256 of
-- the hash before it and of this row, so that no row can be changed, taken out or put in unseen.
CREATE TABLE audit (
	seq INTEGER PRIMARY KEY CHECK (seq > 0),
	at_ms INTEGER NOT NULL,
	who TEXT NOT NULL,    -- user name or "uid N", of the peer's credentials
	act TEXT NOT NULL,    -- "device lock"
	object TEXT NOT NULL, -- what it was done to: "desk-1"
	before TEXT NOT NULL, -- JSON object, "" if there was nothing
	after TEXT NOT NULL,  -- JSON object, "" if there is nothing
	hash BLOB NOT NULL
) STRICT;
CREATE INDEX audit_by_object ON audit (object);
