-- SPDX-License-Identifier: Apache-2.0
-- What is found by age, oldest first, to go (see retention in postbootd.conf(5)).
CREATE INDEX attempt_by_age ON attempt (closed_ms) WHERE state = 'closed';
CREATE INDEX event_by_age ON event (at_ms);
