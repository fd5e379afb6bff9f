-- SPDX-License-Identifier: Apache-2.0
-- Since when an operator has disabled a device; 0: it is not.
ALTER TABLE device ADD COLUMN disabled_ms INTEGER NOT NULL DEFAULT 0;
CREATE INDEX device_disabled ON device (disabled_ms) WHERE disabled_ms <> 0;
