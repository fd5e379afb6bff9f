#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# tests/integration/36-upgrade.bats with as many sessions as a fleet has.
POSTBOOT_UPGRADE_SESSIONS=2000 exec "${BATS:-bats}" --tap "${TOP_SRCDIR:-.}/tests/integration/36-upgrade.bats"
