-- SPDX-License-Identifier: Apache-2.0
-- What a member of a rollout ran when it became one: a release's id, and there it goes back to if the
-- rollout is aborted and nothing else is its target. 0: nobody knows. Releases may be gone, so no
-- reference.
ALTER TABLE device ADD COLUMN rollout_return INTEGER NOT NULL DEFAULT 0;
