-- SPDX-License-Identifier: Apache-2.0
-- Keys of devices, apart from the rows that every report writes. `form` says what `value` is:
-- clear, or sealed with the key of the service (src/net/net_seal.h). `mac` tells two equal keys
-- without opening them; in clear it is the key itself.
CREATE TABLE device_key (
	device TEXT NOT NULL REFERENCES device (id) ON DELETE CASCADE,
	slot TEXT NOT NULL, -- current, next
	form TEXT NOT NULL,
	value BLOB NOT NULL,
	mac BLOB NOT NULL UNIQUE,
	set_ms INTEGER NOT NULL,
	PRIMARY KEY (device, slot)
) STRICT, WITHOUT ROWID;

INSERT INTO device_key (device, slot, form, value, mac, set_ms)
	SELECT id, 'current', 'clear', psk, psk, created_ms FROM device WHERE psk IS NOT NULL;
DROP INDEX device_by_psk;
ALTER TABLE device DROP COLUMN psk;
