-- SPDX-License-Identifier: Apache-2.0
-- Open attempts, the newest first: a page of them, or a step of a sweep, is read without the others.
CREATE INDEX attempt_open_number ON attempt (number) WHERE state <> 'closed';
