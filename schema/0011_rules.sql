-- SPDX-License-Identifier: Apache-2.0
-- Rules about when a device is updated.

-- policy: POLICY_LIST of src/core/release.h
ALTER TABLE product ADD COLUMN allow_downgrade INTEGER NOT NULL DEFAULT 1;
ALTER TABLE product ADD COLUMN min_battery_percent INTEGER NOT NULL DEFAULT 0;
ALTER TABLE product ADD COLUMN need_file_space INTEGER NOT NULL DEFAULT 0;

-- What a release asks of a device (struct requires); lists have an entry a line. No references: a
-- release that others lead through is not removed.
ALTER TABLE release ADD COLUMN min_version TEXT NOT NULL DEFAULT '';
ALTER TABLE release ADD COLUMN must_pass TEXT NOT NULL DEFAULT '';
ALTER TABLE release ADD COLUMN hardware TEXT NOT NULL DEFAULT '';
ALTER TABLE release ADD COLUMN boot_loader TEXT NOT NULL DEFAULT '';
ALTER TABLE release ADD COLUMN security_counter INTEGER;
