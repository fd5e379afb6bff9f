-- SPDX-License-Identifier: Apache-2.0
-- Rules about when a device is updated.

-- policy: POLICY_LIST of src/core/release.h
ALTER TABLE product ADD COLUMN allow_downgrade INTEGER NOT NULL DEFAULT 1;
ALTER TABLE product ADD COLUMN min_battery_percent INTEGER NOT NULL DEFAULT 0;
ALTER TABLE product ADD COLUMN need_file_space INTEGER NOT NULL DEFAULT 0;
