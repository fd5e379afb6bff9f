-- SPDX-License-Identifier: Apache-2.0
-- So many devices that fail with a release, while none succeeds, quarantine it; 0: none do.
ALTER TABLE product ADD COLUMN quarantine_after INTEGER NOT NULL DEFAULT 0;
