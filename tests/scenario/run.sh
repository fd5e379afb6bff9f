#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# All scenarios, as TAP.
set -eu
src=${srcdir:-$(dirname "$0")/../..}
exec tests/scenario/scenario "$src"/tests/scenario/*.scn
