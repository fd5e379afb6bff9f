-- SPDX-License-Identifier: Apache-2.0
-- Who may sign the releases of a product, and whether somebody has to.
CREATE TABLE signer (
	product INTEGER NOT NULL REFERENCES product (id),
	name TEXT NOT NULL,
	id TEXT NOT NULL, -- of the key: the first hex digits of its SHA-256
	kind TEXT NOT NULL,
	key BLOB NOT NULL, -- SubjectPublicKeyInfo, DER
	created_ms INTEGER NOT NULL,
	PRIMARY KEY (product, name)
) STRICT;
CREATE UNIQUE INDEX signer_key ON signer (product, id);
ALTER TABLE product ADD COLUMN require_signature INTEGER NOT NULL DEFAULT 0;
ALTER TABLE release ADD COLUMN signed_key TEXT NOT NULL DEFAULT ''; -- id of that signer's key
CREATE INDEX release_signed ON release (product, signed_key) WHERE signed_key <> '';
