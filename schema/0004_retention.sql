-- SPDX-License-Identifier: Apache-2.0
-- What is found by age, oldest first, to go (see retention in postbootd.conf(5)).
CREATE INDEX attempt_by_age ON attempt (closed_ms) WHERE state = 'closed';
-- How attempts have ended is counted as they end, as old ones go; see STMT_COUNTS.
INSERT INTO meta (key, value)
	SELECT 'updated', COUNT(*) FROM attempt
	WHERE state = 'closed' AND charged = 0 AND verdict = 'updated';
INSERT INTO meta (key, value)
	SELECT 'failed', COUNT(*) FROM attempt WHERE state = 'closed' AND charged = 1;
DROP INDEX attempt_closed;
