-- SPDX-License-Identifier: Apache-2.0
-- What an image says of itself, and the states of a release.
ALTER TABLE release ADD COLUMN rev INTEGER NOT NULL DEFAULT 1;
ALTER TABLE release ADD COLUMN state TEXT NOT NULL DEFAULT 'active';
ALTER TABLE release ADD COLUMN state_ms INTEGER NOT NULL DEFAULT 0;
ALTER TABLE release ADD COLUMN image_format TEXT NOT NULL DEFAULT 'plain';
ALTER TABLE release ADD COLUMN image_encrypted INTEGER NOT NULL DEFAULT 0;
ALTER TABLE release ADD COLUMN image_signatures TEXT NOT NULL DEFAULT '';
ALTER TABLE release ADD COLUMN image_counter INTEGER NOT NULL DEFAULT -1;
ALTER TABLE release ADD COLUMN image_slot_bytes INTEGER NOT NULL DEFAULT 0;
ALTER TABLE release ADD COLUMN image_version TEXT NOT NULL DEFAULT '';
ALTER TABLE release ADD COLUMN image_hardware TEXT NOT NULL DEFAULT '';
ALTER TABLE release ADD COLUMN image_project TEXT NOT NULL DEFAULT '';
ALTER TABLE release ADD COLUMN image_detail TEXT NOT NULL DEFAULT '';
ALTER TABLE release ADD COLUMN signed_by TEXT NOT NULL DEFAULT ''; -- name of a signer
ALTER TABLE release ADD COLUMN label_anyway INTEGER NOT NULL DEFAULT 0;
