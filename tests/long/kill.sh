#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# tests/integration/48-kill.bats with a larger fleet and for longer.
POSTBOOT_KILL_SECONDS=90 POSTBOOT_KILL_DEVICES=400 exec "${BATS:-bats}" --tap \
	-f 'killed again and again' "${TOP_SRCDIR:-.}/tests/integration/48-kill.bats"
