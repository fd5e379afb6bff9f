#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# All scenarios once more, with sessions that hibernate as soon as they have their answer; those
# where each operation of the database fails say nothing new there, and take long. Going to sleep is
# a write of its own, which makes up for a first block whose write failed: that one says when.
set -eu
src=${srcdir:-$(dirname "$0")/../..}
SCENARIO_SLEEP=1
export SCENARIO_SLEEP
# shellcheck disable=SC2046
exec tests/scenario/scenario $(grep -L -x FAIL-EACH "$src"/tests/scenario/*.scn |
	grep -v /store-fails-at-the-first-block.scn)
