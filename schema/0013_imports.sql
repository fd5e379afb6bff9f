-- SPDX-License-Identifier: Apache-2.0
-- An import of devices on its way. Part 0 is the decision: once it is there, the other parts are
-- devices that will come, whatever happens; without it they are rubbish of one that was given up.
CREATE TABLE import_part (
	part INTEGER PRIMARY KEY CHECK (part >= 0),
	rows TEXT NOT NULL -- JSON: of part 0 an object, else an array of checked devices
) STRICT;
