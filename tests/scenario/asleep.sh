#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# All scenarios once more, with sessions that hibernate as soon as they have their answer.
set -eu
src=${srcdir:-$(dirname "$0")/../..}
SCENARIO_SLEEP=1
export SCENARIO_SLEEP
exec tests/scenario/scenario "$src"/tests/scenario/*.scn
