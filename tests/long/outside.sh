#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# tests/outside with thousands of devices.
OUTSIDE_COUNT=2500 exec "${TOP_SRCDIR:-.}/tests/outside/run.sh"
