-- SPDX-License-Identifier: Apache-2.0
-- Rules about when a device is updated.

-- policy: POLICY_LIST of src/core/release.h
ALTER TABLE product ADD COLUMN allow_downgrade INTEGER NOT NULL DEFAULT 1;
ALTER TABLE product ADD COLUMN min_battery_percent INTEGER NOT NULL DEFAULT 0;
ALTER TABLE product ADD COLUMN min_supply_mv INTEGER NOT NULL DEFAULT 0;
ALTER TABLE product ADD COLUMN need_file_space INTEGER NOT NULL DEFAULT 0;
ALTER TABLE product ADD COLUMN window_download INTEGER NOT NULL DEFAULT 1;
ALTER TABLE product ADD COLUMN window_apply INTEGER NOT NULL DEFAULT 1;
ALTER TABLE product ADD COLUMN force_after_s INTEGER NOT NULL DEFAULT 0;

-- Maintenance windows as they were given (src/core/schedule.h), and where: a time zone's name or a
-- POSIX TZ rule.
ALTER TABLE product ADD COLUMN windows TEXT NOT NULL DEFAULT '';
ALTER TABLE product ADD COLUMN time_zone TEXT NOT NULL DEFAULT '';
ALTER TABLE device_group ADD COLUMN windows TEXT NOT NULL DEFAULT '';
ALTER TABLE device_group ADD COLUMN time_zone TEXT NOT NULL DEFAULT '';
ALTER TABLE device ADD COLUMN windows TEXT NOT NULL DEFAULT '';
ALTER TABLE device ADD COLUMN time_zone TEXT NOT NULL DEFAULT '';
-- Downloads of a group at the same time, and bytes of its images a second; 0: any.
ALTER TABLE device_group ADD COLUMN max_downloads INTEGER NOT NULL DEFAULT 0;
ALTER TABLE device_group ADD COLUMN image_rate INTEGER NOT NULL DEFAULT 0;
-- Since when a device is told that its target waits for it; 0: it is not.
ALTER TABLE device ADD COLUMN pending_ms INTEGER NOT NULL DEFAULT 0;

-- Of the newest report: millivolts of its supply, and words of TROUBLE_LIST with a space between them.
ALTER TABLE device ADD COLUMN report_supply_mv INTEGER NOT NULL DEFAULT -1;
ALTER TABLE device ADD COLUMN report_troubles TEXT NOT NULL DEFAULT '';

-- What a release asks of a device (struct requires); lists have an entry a line. No references: a
-- release that others lead through is not removed.
ALTER TABLE release ADD COLUMN min_version TEXT NOT NULL DEFAULT '';
ALTER TABLE release ADD COLUMN must_pass TEXT NOT NULL DEFAULT '';
ALTER TABLE release ADD COLUMN hardware TEXT NOT NULL DEFAULT '';
ALTER TABLE release ADD COLUMN boot_loader TEXT NOT NULL DEFAULT '';
ALTER TABLE release ADD COLUMN security_counter INTEGER;
