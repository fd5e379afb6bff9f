-- SPDX-License-Identifier: Apache-2.0
-- Which protocol a device speaks ("native", another one's name, "": not known yet), which one a
-- product's devices may speak ("": any), and the product's options for it.
ALTER TABLE device ADD COLUMN protocol TEXT NOT NULL DEFAULT '';
UPDATE device SET protocol = 'native' WHERE has_report = 1;
CREATE INDEX device_by_protocol ON device (protocol);
ALTER TABLE product ADD COLUMN protocol TEXT NOT NULL DEFAULT '';
ALTER TABLE product ADD COLUMN protocol_options TEXT NOT NULL DEFAULT '';

-- What the server remembers of its talk with a device that has to be asked: bytes of the
-- protocol's own, apart from the row that every report writes; `at_ms` is when it goes on by
-- itself, 0: never.
CREATE TABLE device_talk (
	device TEXT NOT NULL PRIMARY KEY REFERENCES device (id) ON DELETE CASCADE,
	at_ms INTEGER NOT NULL,
	talk BLOB NOT NULL
) STRICT;
CREATE INDEX talk_due ON device_talk (at_ms) WHERE at_ms > 0;
